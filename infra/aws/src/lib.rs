//! The AWS backend: every port over SNS, SQS, DynamoDB, Step Functions, S3 and EventBridge Scheduler, and the hosts that
//! run the handlers there: Lambda functions and a long-polling worker.
//!
//! [`Aws`] holds the connection: region, credentials, endpoints, one HTTP client and the service clients, each made when it
//! is first used. [`Store`] names the resources of one deployment and hands out the ports over them.

mod audit;
mod auth_keys;
mod batches;
mod blobs;
#[cfg(feature = "redis")]
mod cache_redis;
mod changes;
mod clear;
mod connection;
mod dead_letters;
mod deliveries;
mod desk;
mod doubts;
mod error;
pub mod functions;
mod inbox;
mod inspect;
mod item;
pub mod lambda;
mod logging;
mod lookup;
mod message;
pub mod metrics;
mod outbox;
mod providers;
#[cfg(feature = "provision")]
pub mod provision;
mod publisher;
mod queue;
mod rates;
mod records;
mod renewed;
mod schedules;
mod secret;
mod secret_provider;
pub mod settings;
mod store;
mod table;
pub mod tables;
pub mod worker;
mod workflows;

pub use auth_keys::auth_keys;
#[cfg(feature = "redis")]
pub use cache_redis::{RedisCache, RedisUrlError};
pub use clear::Cleared;
pub use connection::{Aws, ConnectionError, Environment, http_client};
pub use doubts::{Decision, SettleError, Settled};
pub use error::{CallError, Cause};
pub use inspect::CommittedEvent;
pub use logging::{LogLevel, LogLevelError, log_to_stderr, log_to_stdout};
pub use queue::comes_back_as_new;
pub use secret::{Secret, SecretError};
pub use store::{Resources, Store};
