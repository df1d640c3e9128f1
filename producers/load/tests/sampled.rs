//! How a run was, second by second.

use crate::{fake::Faults, virtually::ran};

const STEADY: &str =
    "duration = \"20s\"\ndrain = \"20s\"\n[rate]\nrate = \"50/s\"\n[[event]]\ntype = \"app.assigned\"\n";

const MIB: u64 = 1 << 20;

#[test]
fn the_memory_of_another_process_never_held_what_the_load_test_keeps() {
    let there = ran(STEADY, Faults { here: false, ..Faults::default() });
    for sample in &there.report.samples {
        assert_eq!(sample.memory, Some(100 * MIB), "at {} s", sample.at);
    }
    assert_eq!(there.report.usage.memory, Some(100 * MIB));
    let here = ran(STEADY, Faults::default());
    let last = here.report.samples.last().unwrap().memory.unwrap();
    assert!(last < 100 * MIB, "a thousand events are remembered in this process: {last}");
}
