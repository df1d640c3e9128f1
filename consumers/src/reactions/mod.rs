//! The reactions to changed records that come with Sendoff.

mod cache;
mod timeline;

#[cfg(test)]
mod timeline_tests;

pub use cache::CacheInvalidation;
pub use timeline::Timeline;
