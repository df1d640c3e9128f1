//! The ways to reach a person, one trait per channel. A send answers with a [`SendOutcome`](crate::SendOutcome), never with
//! a bare error: the caller has to know whether the message may have left.
//!
//! These are adapters: here, and only here in this crate, an async runtime is named.

pub mod email;
