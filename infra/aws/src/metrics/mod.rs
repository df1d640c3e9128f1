//! Where measurements go: lines that CloudWatch makes metrics of, or a page that Prometheus reads.

mod emf;
mod prometheus;
mod published;

pub use emf::EmfMeter;
pub use prometheus::PrometheusMeter;
pub use published::CountingPublisher;
