//! What waiting costs.

use super::Prices;

/// What the stack costs when nothing happens.
#[derive(Debug, Clone, Copy)]
pub struct Idle {
    /// Alarms.
    pub alarms: f64,
    /// Metrics of our own, once everything has been counted and timed once: eleven for a consumer, seven for a reaction, and one
    /// for each of three publishers.
    pub metrics: f64,
    /// Secrets.
    pub secrets: f64,
    /// Queues that functions poll.
    pub polled_queues: f64,
    /// Dashboards.
    pub dashboards: f64,
}

/// Lambda keeps five long polls of 20 seconds open at an idle queue.
const POLLS_A_MONTH: f64 = 5.0 * 3.0 * 60.0 * 24.0 * 30.0;

impl Idle {
    /// The template without channels beside email and webhooks, cache, provisioned concurrency and warmer.
    pub const TEMPLATE: Self = Self { alarms: 57.0, metrics: 43.0, secrets: 3.0, polled_queues: 3.0, dashboards: 1.0 };

    /// A channel more.
    pub const CHANNEL: Self = Self { alarms: 9.0, metrics: 11.0, secrets: 1.0, polled_queues: 1.0, dashboards: 0.0 };

    /// Dollars for a month.
    #[must_use]
    pub fn dollars(&self, prices: &Prices) -> f64 {
        self.alarms * prices.alarm_months
            + self.metrics * prices.metric_months
            + self.secrets * prices.secret_months
            + self.polled_queues * POLLS_A_MONTH / 1e6 * prices.queue_requests
            + self.dashboards * prices.dashboard_months
    }
}
