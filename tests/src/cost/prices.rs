//! What AWS asks for.

/// List prices in US dollars, without free tiers and discounts.
#[derive(Debug, Clone, Copy)]
pub struct Prices {
    /// Where and when they were read.
    pub of: &'static str,
    /// A million requests to an HTTP API.
    pub api_requests: f64,
    /// A million calls of functions.
    pub function_calls: f64,
    /// A million gigabyte-seconds of functions on arm64.
    pub function_gb_seconds: f64,
    /// A million write units of an on-demand table (1 KB each; a transaction takes two for each).
    pub table_writes: f64,
    /// A million read units of an on-demand table (4 KB each, strongly consistent).
    pub table_reads: f64,
    /// A million messages to a topic (64 KB each).
    pub publishes: f64,
    /// A million requests to a standard queue (64 KB each).
    pub queue_requests: f64,
    /// A million state transitions of a standard state machine.
    pub transitions: f64,
    /// A gigabyte of logs taken in.
    pub log_gigabytes: f64,
    /// An alarm for a month.
    pub alarm_months: f64,
    /// A metric of one's own for a month.
    pub metric_months: f64,
    /// A dashboard for a month.
    pub dashboard_months: f64,
    /// A secret for a month.
    pub secret_months: f64,
}

impl Prices {
    /// The region that AWS quotes its prices in.
    pub const US_EAST_1: Self = Self {
        of: "us-east-1 (standard table class, functions on arm64) as published in 2025",
        api_requests: 1.00,
        function_calls: 0.20,
        function_gb_seconds: 13.3334,
        table_writes: 0.625,
        table_reads: 0.125,
        publishes: 0.50,
        queue_requests: 0.40,
        transitions: 25.00,
        log_gigabytes: 0.50,
        alarm_months: 0.10,
        metric_months: 0.30,
        dashboard_months: 3.00,
        secret_months: 0.40,
    };
}
