//! What is printed.

use crate::measure::Used;

/// AWS's own mover: the most messages per second that StartMessageMoveTask takes
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html>).
const MOVE_TASK: f64 = 500.0;

pub(crate) fn opening() {
    println!("{:<40} {:>9} {:>9} {:>9} {:>8} {:>10}", "", "messages", "/s", "/s of CPU", "peak MiB", "calls each");
}

pub(crate) fn section(what: &str) {
    println!("{what}");
}

/// A line, with what it should come to.
pub(crate) fn line(what: &str, messages: u64, used: Used, calls: u64, goal: &str) {
    let count = messages as f64;
    let (wall, cpu, each) = (count / used.wall, count / used.cpu, calls as f64 / count);
    println!("  {what:<38} {messages:>9} {wall:>9.0} {cpu:>9.0} {:>8.0} {each:>10.3}  {goal}", used.peak);
}

/// How one line compares with another.
pub(crate) fn ratio(what: &str, ours: Used, other: Used) {
    println!("  {what:<48} wall {:>5.2}, CPU {:>5.2}", other.wall / ours.wall, other.cpu / ours.cpu);
}

pub(crate) fn closing() {
    println!("\nAWS's own move task does at most {MOVE_TASK:.0} messages/s, without a filter, a plan or a journal.");
}
