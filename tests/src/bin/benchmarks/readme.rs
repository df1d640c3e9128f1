//! The figures that the README shows.

use crate::printed::{Printed, shown};

/// Where they stand in the README.
const BEGIN: &str = "<!-- figures -->\n";
const END: &str = "<!-- end of figures -->\n";

const FIRST: &str = "from the start to the first handled message";

/// The README with the figures of these two benchmarks; `None` where one of them isn't printed, or the README has no place for them.
pub(crate) fn with(readme: &str, embedded: Printed<'_>, million: Printed<'_>) -> Option<String> {
    let (before, rest) = readme.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}{}{END}{after}", table(embedded, million)?))
}

fn table(embedded: Printed<'_>, million: Printed<'_>) -> Option<String> {
    let number = |path: &[&str]| embedded.number(path, 0);
    let count = |path: &[&str]| number(path).map(shown);
    let cost = |queued: &str| {
        let at = format!("with {queued} messages in the queue: CPU to publish one");
        Some(shown(number(&[at.as_str()])? + number(&[at.as_str(), "to handle one"])?))
    };
    let seconds = |path: &[&str]| Some(shown(number(path)? / 1000.0));
    let huey = |peer: &str| {
        let ways =
            ["1", "4", "16", "64"].map(|many| number(&[peer, &format!("handled from a full queue, {many} at a time")]));
        ways.into_iter().flatten().reduce(f64::max).map(shown)
    };
    Some(format!(
        "| | | beside it |\n|---|---|---|\n\
         | commit to handled, three consumers | {} messages/s | {} of the engine alone with the same writes |\n\
         | handled from a full queue | {} messages/s | apalis on SQLite {} when it fetches all at once, and {} when it fetches 200 at a \
         time; Huey on SQLite {}, Huey on Redis with fsync always {} |\n\
         | a message among 1,000,000 others | {} µs of processor time | {} µs among 10,000 |\n\
         | killed with 1,000,000 messages in the file | works again after {} s | {} s after a clean stop |\n\
         | 1,000,000 events at 5,000/s, in one process with their generator | {} lost, {} doubled, p99 {} from the intended send to the \
         end, {} MiB of memory at the end | {} MiB after two tenths |\n",
        count(&["commit → handled by 3 consumers", ""])?,
        count(&["the engine alone", "ours in relation to it"])?,
        count(&["handled from a full queue, 1 consumer"])?,
        count(&["handled from a full queue, fetched by 10000"])?,
        count(&["handled from a full queue, fetched by 200"])?,
        huey("peer Huey on SQLite")?,
        huey("peer Huey on Redis")?,
        cost("1000000")?,
        cost("10000")?,
        seconds(&["opened again", FIRST])?,
        seconds(&[FIRST])?,
        million.number(&["lost=0"], 0).map(shown)?,
        million.number(&["doubled=0"], 0).map(shown)?,
        million.cells(&["phase", "end to end"])?.get(3)?,
        million.number(&["memory while it was sending:"], 9).map(shown)?,
        million.number(&["memory while it was sending:"], 1).map(shown)?,
    ))
}
