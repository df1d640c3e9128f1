//! The reactions to changed records that come with Sendoff.

mod timeline;

#[cfg(test)]
mod timeline_tests;

pub use timeline::Timeline;
