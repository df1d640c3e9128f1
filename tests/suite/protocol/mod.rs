//! Router, inbox and worker over ports in memory, in virtual time: what each promise looks like when one thing goes wrong.

mod doubts;
mod effects;
mod hosts;
mod lambda;
mod metrics;
mod reactions;
mod refusals;
mod replays;
mod rig;
mod tenants;
