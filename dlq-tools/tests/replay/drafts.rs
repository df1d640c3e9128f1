//! Letters and plans of them that need no data folder.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use sendoff_consumers::{Attributes, DeadLetter, Destination};
use sendoff_dlq_tools::plan::{Action, BodyDigest, Draft, Entry, Estimate, Forecast, Head, Plan, Stops, To};
use sendoff_events::Timestamp;

use super::{envelope, event_id};

pub(super) fn message_id(n: usize) -> String {
    format!("m-{n:03}")
}

pub(super) fn letter(n: usize) -> DeadLetter {
    DeadLetter {
        message_id: message_id(n),
        body: envelope(n).into(),
        attributes: Attributes::from([("tenant".into(), "acme".into())]),
        types: BTreeMap::new(),
        receive_count: 1,
        enqueued_at: Timestamp::UNIX_EPOCH,
        source: None,
        group: None,
    }
}

pub(super) fn head() -> Head {
    Head {
        plan: 1,
        deployment: "the simulated world".into(),
        queue: "email-dlq".into(),
        to: To(Destination::Queue("email".into())),
        by: "grace".into(),
        at: Timestamp::UNIX_EPOCH,
        selection: Vec::new(),
        snapshot: "email-dlq.db".into(),
        snapshot_at: Timestamp::UNIX_EPOCH,
        rate: 0,
        canary: vec![1, 5],
        watch_s: 2,
        stop: Stops { returned_share: 1.0, backlog_age_s: None, backlog: None, patience_s: 60 },
        max_replays: 3,
        include: Vec::new(),
        force_rerun: None,
        approvals: 0,
        send: 0,
        leave: 0,
        forecasts: BTreeMap::new(),
        sent: BTreeMap::new(),
        estimate: Estimate { calls: 0, usd: 0.0, seconds: 0 },
        other_subscribers: Vec::new(),
    }
}

/// Every fifth letter is edited.
pub(super) fn entry(n: usize, edits: bool) -> Entry {
    let edited = edits && n.is_multiple_of(5);
    Entry {
        id: message_id(n),
        sha256: BodyDigest::of(envelope(n).as_bytes()),
        as_it_stands: n.is_multiple_of(2),
        event: Some(event_id(if edited { 1000 + n } else { n })),
        replaces: edited.then(|| event_id(n)),
        r#type: Some("app.assigned.v1".into()),
        consumer: Some("email".into()),
        forecast: if edited { Forecast::Edited } else { Forecast::Run },
        why: None,
        action: Action::Send,
        replay: 1,
        lost_at: None,
        edit: edited.then(|| envelope(1000 + n)),
    }
}

pub(super) fn plan(
    folder: &Path,
    name: &str,
    head: &Head,
    letters: impl Iterator<Item = usize>,
    edits: bool,
) -> Arc<Plan> {
    let mut draft = Draft::begin(&folder.join(name), head).unwrap();
    letters.for_each(|n| draft.add(&entry(n, edits)).unwrap());
    Arc::new(draft.finish().unwrap())
}
