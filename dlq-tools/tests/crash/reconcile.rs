//! What the reports say, held against what really happened.

use sendoff_events::EventId;
use serde_json::Value;

use super::outside::Outside;

/// What it came to.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Letters whose event had its effect.
    pub(super) done: u64,
    /// Letters that were really sent twice or more.
    pub(super) twice: u64,
    /// Letters of which a report says that they may have been.
    pub(super) told: u64,
}

/// Checks that nothing is lost, no effect happened twice, and that the reports of both replays tell of all that was sent twice.
pub(super) fn reconcile(outside: &Outside, failed: &[EventId], reports: &[Value; 2], tally: &mut Tally) {
    let seen = outside.seen();
    let mut twice = 0;
    for event in failed {
        let happened = seen.effects.get(event).copied().unwrap_or(0);
        assert_eq!(happened, 1, "the effect of {event} happened {happened} times");
        let messages = seen.replayed.get(event).map_or(0, |messages| messages.len() as u64);
        assert!(messages >= 1, "{event} was never replayed");
        twice += messages - 1;
    }
    drop(seen);
    let count = |report: &Value, name: &str| report[name].as_u64().unwrap_or_else(|| panic!("{name} in {report}"));
    let mut told = 0;
    for report in reports {
        let parts = ["moved", "sent_not_deleted", "ambiguous", "gone", "skipped", "waiting"];
        let sum: u64 = parts.iter().map(|part| count(report, part)).sum();
        assert_eq!(count(report, "planned"), sum, "the report doesn't add up: {report}");
        assert_eq!(count(report, "planned"), failed.len() as u64, "{report}");
        assert_eq!((count(report, "skipped"), count(report, "waiting")), (0, 0), "{report}");
        told += ["ambiguous", "resent", "perhaps_twice", "gone_in_doubt"]
            .iter()
            .map(|part| count(report, part))
            .sum::<u64>();
    }
    assert!(told >= twice, "{twice} were sent twice, and the reports tell of {told}: {reports:?}");
    tally.done += failed.len() as u64;
    tally.twice += twice;
    tally.told += told;
}
