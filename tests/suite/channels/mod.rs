//! The providers of the channels against peers that do as a script says, over real sockets.

mod client;
mod find;
mod given;
mod matrix;
mod openapi;
mod push;
mod refusals;
mod webhook;
