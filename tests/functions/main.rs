//! The functions as they are deployed: their real binaries, in a small Lambda, with an AWS that knows just enough.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test fails where it can't go on, also in the functions that its tests share"
)]

mod actions;
mod api;
mod authorizer;
mod binaries;
mod callbacks;
mod email;
mod endpoint;
mod given;
mod sms;
mod start;
mod store;
mod stream;
mod sweep;
