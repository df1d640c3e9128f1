//! What a million events cost on AWS: calls and units of each step, times list prices. Every assumption is a named field, so
//! that a measured number can take its place.
//!
//! `cargo run -p sendoff-tests --bin generate` writes the tables into `docs/DEPLOY.md`.

mod events;
mod idle;
mod lines;
mod prices;

use std::fmt::Write as _;

pub use events::{CHANNELS, Call, EVENTS, Event, Handling};
pub use idle::Idle;
pub use lines::Line;
pub use prices::Prices;

/// The tables, as Markdown.
#[must_use]
pub fn report(prices: &Prices) -> String {
    let mut text = format!("List prices of {}; no free tier, no discount.\n", prices.of);
    for event in &EVENTS {
        // Writing to a String can't fail.
        let _ = write!(
            text,
            "\nA million `{}` events: **${:.2}**\n\n| step | units for each event | | $ for a million |\n|---|---:|---|---:|\n",
            event.event_type,
            event.dollars(prices)
        );
        for Line { step, units, unit, dollars } in event.lines(prices) {
            let _ = writeln!(text, "| {step} | {} | {unit} | {dollars:.2} |", trimmed(units));
        }
    }
    text.push_str(
        "\nA million messages by a channel that is turned on cost this beside the event, and beside what the provider asks:\n\n\
         | step | units for each message | | $ for a million |\n|---|---:|---|---:|\n",
    );
    for channel in &CHANNELS {
        for Line { step, units, unit, dollars } in channel.lines(prices) {
            let _ = writeln!(text, "| {step} | {} | {unit} | {dollars:.2} |", trimmed(units));
        }
        let _ = writeln!(text, "| **`{}`** | | | **{:.2}** |", channel.consumer, channel.dollars(prices));
    }
    let channel = Idle::CHANNEL;
    let idle = Idle::TEMPLATE;
    let _ = write!(
        text,
        "\nWhen nothing happens, a month costs ${:.2}: {} alarms, {} metrics, {} secrets, a dashboard, and the polls of {} queues. \
         Each of `sms`, `whatsapp` and `push` that is turned on costs ${:.2} more: {} alarms, {} metrics, a secret, and the \
         polls of its queue.\n",
        idle.dollars(prices),
        idle.alarms,
        idle.metrics,
        idle.secrets,
        idle.polled_queues,
        channel.dollars(prices),
        channel.alarms,
        channel.metrics
    );
    text
}

fn trimmed(number: f64) -> String {
    let text = format!("{number:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

const BEGIN: &str =
    "<!-- The cost, generated from tests/src/cost by `cargo run -p sendoff-tests --bin generate`. -->\n";
const END: &str = "<!-- The end of what is generated. -->\n";

/// `docs/DEPLOY.md` with its tables up to date.
///
/// # Panics
///
/// When the document has lost the marks that the tables stand between.
#[must_use]
pub fn document() -> String {
    const STANDING: &str = include_str!("../../../docs/DEPLOY.md");
    let parts = STANDING.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let Some((before, after)) = parts else { panic!("docs/DEPLOY.md has lost `{BEGIN}` or `{END}`") };
    format!("{before}{BEGIN}\n{}\n{END}{after}", report(&Prices::US_EAST_1))
}
