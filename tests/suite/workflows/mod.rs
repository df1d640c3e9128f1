//! Workflows, of which one definition means the same for two targets: held against an interpreter of state machines and against
//! other people's checkers, none of which is ours.

mod asl_validator;
mod differential;
mod interpreter;
mod limits;
mod machines;
mod markup;
mod outcomes;
