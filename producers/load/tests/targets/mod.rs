//! What every target promises, over each of them.

mod aws;
mod beside;
mod conformance;
mod fates;
mod given;
mod own;
