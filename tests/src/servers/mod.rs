//! Servers that the tests bring along: installed at pinned versions below the target folder when they are first needed,
//! started on free ports of this machine, and gone when the tests are. And peers that live inside the test and do as its script
//! says.
#![expect(clippy::expect_used, reason = "a test without its server can't go on, and the message says what is missing")]

mod emulator;
mod fcm;
mod mail;
mod meta;
mod node;
mod orders;
mod peer;
mod port;
mod postgres;
mod process;
mod python;
mod redis;
mod script;
mod scripted_mail;
mod sqs_stub;
mod stub_http;
mod twilio;
mod webhook;

pub use emulator::Emulator;
pub use fcm::{FcmDevice, FcmMessage, FcmStub};
pub use mail::MailServer;
pub use meta::{MetaMessage, MetaStub};
pub use node::node_modules;
pub use orders::OrdersStub;
pub use peer::{Answer, Asked, Peer, Served};
pub use port::Port;
pub use postgres::Postgres;
pub use process::Server;
pub use python::venv;
pub use redis::Redis;
pub use script::{PeerFault, Script};
pub use scripted_mail::ScriptedMail;
pub use sqs_stub::{Seen, Stocked};
pub use stub_http::{StubAnswer, StubRequest, answer_all};
pub use twilio::{TwilioMessage, TwilioStub};
pub use webhook::{WebhookCall, WebhookStub};

/// A plain HTTP client that goes nowhere but where it is sent, and waits for a minute at most.
#[must_use]
pub fn plain_client() -> reqwest::Client {
    // The client wants one for TLS, although nothing here speaks it. Somebody else may have installed it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().timeout(std::time::Duration::from_secs(60)).build();
    client.expect("a client without certificates can be made")
}
