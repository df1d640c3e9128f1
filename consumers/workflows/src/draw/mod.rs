//! Pictures: of a plan, and of what a run has done on its way through it.
//!
//! [`mermaid`] for documents that draw it themselves, [`svg`] for everything else: one file that needs nothing besides.

mod fate;
mod figure;
mod mermaid;
mod svg;
#[cfg(test)]
mod tests;

pub use fate::{Fate, Fates};
pub use mermaid::mermaid;
pub use svg::svg;
