//! Looking at a deployment. Nothing is changed, and no message is leased.

pub mod aws;
pub mod folder;
