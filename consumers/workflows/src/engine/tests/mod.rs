//! What a run does, on plans that are made here.

mod failing;
mod limiting;
mod making;
mod properties;
mod signalling;
mod stepping;
mod waiting;
