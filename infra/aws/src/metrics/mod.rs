//! Where measurements go: lines that CloudWatch makes metrics of, or a page that Prometheus reads.

mod emf;

pub use emf::EmfMeter;
