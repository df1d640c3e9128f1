//! How it is handled: from a delivered message to an effect that happens as often as it should.
//!
//! - A [`Handler`] is one short `async fn` per job. What it returns on failure, a [`HandlerError`], says what is to happen.
//! - A [`Router`] gathers handlers into [`Consumer`]s, one per queue, and runs each delivery through decoding, the inbox
//!   (idempotency), a panic guard and a deadline. It answers with a [`Verdict`].
//! - A [`Worker`] moves messages: receives, lets the router judge, acks, releases or dead-letters.
//! - A [`Reactor`] does the same for [`Changes`] of records.
//!
//! All of it names no async runtime: time comes from [`Clock`](sendoff_events::Clock), concurrency from `futures`.

mod approvals;
mod audit;
mod backoff;
pub mod cache;
pub mod callbacks;
mod changes;
pub mod channels;
mod consumer;
#[cfg(test)]
mod consumer_tests;
mod context;
mod dead_letters;
mod deliveries;
mod effect;
mod error;
mod failure;
mod filter;
mod handler;
pub mod handlers;
mod inbox;
pub mod links;
mod load;
mod meter;
mod middleware;
mod moments;
mod policy;
mod queue;
mod rates;
pub mod reactions;
mod reactor;
mod router;
pub mod routing;
mod schedules;
mod stop;
pub mod templates;
mod verdict;
mod worker;
mod workflows;

pub use audit::{Audit, AuditDigest, AuditEntry, AuditError, AuditNote, BrokenAudit, check_chain};
pub use backoff::Backoff;
pub use changes::{Change, Changes, ChangesError, Position, Reaction, ReactionContext};
pub use consumer::Consumer;
pub use context::Context;
pub use dead_letters::{
    Backlog, DeadLetter, DeadLetterFacts, DeadLetterKind, DeadLetterQueue, DeadLetters, DeadLettersError, Destination,
    OutgoingLetter, Subscriber, TakenLetter,
};
pub use deliveries::{
    Deliveries, DeliveriesError, DeliveryId, DeliveryIdError, DeliveryNews, DeliveryRecord, DeliveryStatus, merge,
};
pub use effect::{Doubt, Found, NotSent, Once, SendOutcome, Sending, join_outcomes};
pub use error::{BoxError, Classify, HandlerError};
pub use failure::{Class, FAILURE_ATTRIBUTE, Failure, fingerprint, scrub};
pub use filter::{Filter, Match};
pub use handler::Handler;
pub use handlers::action;
pub use inbox::{
    Attempt, Claim, Claimed, Fence, IdempotencyKey, Inbox, InboxError, InboxRecord, KeyError, REOPENED, ReopenError,
    Resolution, ResolveError, Resolved, Status, Step, StepState, Steps, reopen, resolve, transition,
};
pub use load::{LOAD_SINK, run_correlation};
pub use meter::{Count, Meter, NoMeter, Span};
pub use policy::{Effect, OnDoubt, Policy};
pub use queue::{
    Attributes, Delivery, Depth, NewMessage, Queue, QueueError, REPLAY_ATTRIBUTE, Receipt, TENANT_ATTRIBUTE,
};
pub use rates::{MemoryRates, Rate, Rates, RatesError, gcra};
pub use reactor::{Dealt, Reactor};
pub use router::{Router, RouterError, RouterPorts};
pub use schedules::{Schedule, Schedules, SchedulesError};
pub use stop::{Stop, Stopper};
pub use verdict::{Limits, Verdict};
pub use worker::{Worker, WorkerSettings};
pub use workflows::{
    Decided, EnginePorts, EngineWorkflows, HistoryPage, Kickoff, NewRun, Run, RunChange, RunEntry, RunFailure,
    RunFilter, RunPage, RunStatus, Runs, RunsError, RunsOf, Started, StepMessage, StoredRun, Stranded,
    WORKFLOW_KICKOFF, WORKFLOW_STEPS, WorkflowError, WorkflowSteps, Workflows, approval_call, with_workflows,
};
