//! The embedded backend: every port over one `SQLite` file, in one process.
//!
//! [`Store::open`] opens a data folder and hands out the ports. All writes go through one thread that commits in groups
//! (one fsync for many callers), all reads through a few others, so no async worker ever waits for the disk. A commit of
//! records writes their changes, the events and the messages of every subscribed queue in the same transaction.
//!
//! # Examples
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! use std::time::Duration;
//!
//! use sendoff_consumers::{Filter, NewMessage};
//! use sendoff_embedded::{Store, StoreOptions};
//!
//! let store = Store::open(folder.path(), StoreOptions::default())?;
//! store.subscribe("email", &Filter::event_types(["app.assigned"])).await?;
//! let queue = store.queue("email").await?;
//! queue.send(&[NewMessage { body: "Hello!".into(), ..NewMessage::default() }]).await;
//!
//! let lease = Duration::from_secs(30);
//! let deliveries = queue.receive(10, Duration::from_secs(1), lease).await?;
//! assert_eq!(deliveries[0].body, "Hello!");
//! assert!(queue.ack(&[deliveries[0].receipt.clone()]).await[0].is_ok());
//! store.shutdown().await;
//! # Ok(())
//! # }
//! ```

mod audit;
mod blobs;
mod changes;
mod clear;
pub mod config;
mod connections;
mod db;
mod dead_letters;
mod deliveries;
mod doubts;
mod inbox;
mod inspect;
mod outbox;
pub mod program;
mod publisher;
mod purge;
mod queue;
mod records;
mod recover;
mod rewound;
mod runs;
mod schedules;
pub mod sink;
mod store;
mod system;
pub mod template_folder;
mod topics;

#[cfg(test)]
mod tests;

pub use clear::{Cleared, LoadTest};
pub use db::{
    StoreError, WriteStats,
    folder::{Holder, LOAD_MARK},
    open::{Durability, OpenError},
};
pub use doubts::{Decision, DoubtError, DoubtMessage, DoubtedEvent, OpenDoubt, Settled};
pub use inspect::{DeliveryState, EventDelivery, EventDetail, EventSummary, Place, Progress, QueueInfo, Standing};
pub use purge::{Purged, Retention};
pub use store::{Store, StoreOptions};
pub use system::{PartError, System, SystemError, TestMessage, TestSender};
