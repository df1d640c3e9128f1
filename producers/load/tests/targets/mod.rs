//! What every target promises, over each of them.

mod aws;
mod beside;
mod conformance;
mod fates;
pub(crate) mod given;
mod own;
