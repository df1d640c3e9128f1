//! The conformance suite: one function per promise of the ports, over any [`Backend`]. A backend that passes it can stand
//! behind every handler, worker and API of this repository.
//!
//! Each file holds the promises about one thing, each named as the sentence that it proves; `list` lists them, and
//! [`every_promise`](crate::every_promise) makes tests of them: one per promise and backend.
#![expect(clippy::print_stderr, reason = "an excuse is told to whoever looks at the output of its test")]
#![expect(clippy::expect_used, reason = "a promise that isn't kept panics, and the message says which")]

mod audit;
mod backend;
mod blobs;
mod capability;
mod changes;
mod clock;
mod dead_letters;
mod deliveries;
mod document;
mod doubts;
mod engine;
mod given;
mod hosts;
mod inbox;
mod leases;
mod ledger;
mod list;
mod listing;
mod on_aws;
mod on_embedded;
mod on_memory;
mod outbox;
mod protocol;
mod publisher;
mod queue;
mod records;
mod reopen;
mod requests;
mod runs;
mod schedules;
mod workflows;

use futures::future::LocalBoxFuture;
use sendoff_events::BoxFuture;

pub use backend::Backend;
pub use capability::Capability;
pub use clock::WarpClock;
pub use document::document;
pub use list::PROMISES;
pub use on_aws::OnAws;
pub use on_embedded::OnEmbedded;
pub use on_memory::OnMemory;

/// One promise.
pub struct Promise {
    /// `port::the_promise_as_a_sentence`.
    pub name: &'static str,
    /// What the service under a backend must be able to do for it.
    pub needs: Option<Capability>,
    /// Proves it, or panics.
    prove: for<'a> fn(&'a dyn Backend) -> LocalBoxFuture<'a, ()>,
}

/// Proves the promise of this name on a fresh backend.
///
/// # Panics
///
/// When it is broken.
pub fn prove<B: Backend + 'static>(name: &str, open: impl FnOnce() -> BoxFuture<'static, B>) {
    let promise = PROMISES.iter().find(|promise| promise.name == name);
    let promise = promise.unwrap_or_else(|| panic!("there is no promise `{name}`"));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.unwrap_or_else(|error| panic!("no runtime: {error}"));
    runtime.block_on(async {
        let backend = open().await;
        match excuse(&backend, promise) {
            None => (promise.prove)(&backend).await,
            Some(why) => eprintln!("`{name}` isn't proven here: {why}"),
        }
    });
}

/// Why the promise isn't proven on this backend, if it isn't.
fn excuse(backend: &dyn Backend, promise: &Promise) -> Option<&'static str> {
    let lacking = backend.lacks().iter().find(|(lacking, _)| promise.needs == Some(*lacking)).map(|(_, why)| *why);
    lacking.or_else(|| backend.unproven().iter().find(|(name, _)| *name == promise.name).map(|(_, why)| *why))
}
