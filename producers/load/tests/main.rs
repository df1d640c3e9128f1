//! Load tests, tested: the generator in virtual time against a system that misbehaves on demand, and the targets for real.

#![cfg(test)]

mod answering;
mod arrivals;
mod asked;
mod broken_off;
mod command_line;
mod counted;
mod ends;
mod fake;
mod payloads;
mod report;
mod runs;
mod sampled;
mod scenarios;
mod targets;
mod virtually;
