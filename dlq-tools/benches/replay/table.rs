//! What is printed.

use crate::steps::Step;

/// AWS's own mover: the most messages per second that StartMessageMoveTask takes
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html>).
const MOVE_TASK: f64 = 500.0;

pub(crate) fn opening() {
    println!("medians; a ratio is the median of those of the rounds, so it isn't that of the rates above it\n");
    println!("{:<40} {:>9} {:>9} {:>9} {:>8} {:>10}", "", "messages", "/s", "/s of CPU", "peak MiB", "calls each");
}

pub(crate) fn section(what: &str) {
    println!("{what}");
}

/// A line, with what it should come to.
pub(crate) fn line(what: &str, messages: u64, steps: &[Step], goal: &str) {
    let count = messages as f64;
    let wall = median(steps.iter().map(|step| count / step.used.wall));
    let cpu = median(steps.iter().map(|step| count / step.used.cpu));
    let peak = steps.iter().map(|step| step.used.peak).fold(0.0, f64::max);
    let each = median(steps.iter().map(|step| step.calls as f64 / count));
    println!("  {what:<38} {messages:>9} {wall:>9.0} {cpu:>9.0} {peak:>8.0} {each:>10.3}  {goal}");
}

/// How one line compares with another.
pub(crate) fn ratio(what: &str, ours: &[Step], other: &[Step]) {
    let pairs = || ours.iter().zip(other);
    let wall = median(pairs().map(|(ours, other)| other.used.wall / ours.used.wall));
    let cpu = median(pairs().map(|(ours, other)| other.used.cpu / ours.used.cpu));
    println!("  {what:<48} wall {wall:>5.2}, CPU {cpu:>5.2}");
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

pub(crate) fn closing() {
    println!("\nAWS's own move task does at most {MOVE_TASK:.0} messages/s, without a filter, a plan or a journal.");
}
