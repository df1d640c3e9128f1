//! Choosing letters: the flags that every verb shares, and conditions in CEL. One way for all verbs, so that each acts on exactly
//! what `grep` with the same flags shows.

mod condition;
mod json;
mod moment;
mod variables;
mod words;

use std::ops::ControlFlow;

use clap::Args;
use condition::Condition;
pub(crate) use moment::moment;
use sendoff_embedded::program::print::one_line;
use sendoff_events::{Clock, EventId, Timestamp};
use sendoff_host::{Exit, Stopped};

use crate::{letter::Letter, snapshot::Snapshot};

/// Which letters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Which letters (all that are given have to fit)")]
pub struct Selection {
    /// A condition in CEL over `envelope`, `data`, `failure`, `ledger` and `message`, such as
    /// `failure.reason == "bad-template" && data.app == "crm"`
    ///
    /// `envelope` has the texts id, source, type, subject, time, tenantid, correlationid, causationid, traceparent, firstpublished,
    /// sequence; `data` what the event holds; `failure` has the texts reason, class, fingerprint, consumer, first_at, last_at, error, and
    /// the number attempts; `ledger` has the texts status (claimed, done, in-doubt, failed, none), first_at, updated_at, the numbers
    /// attempts, replay, the truth value doubted, the map steps by their names, and the list history; `message` has the texts id,
    /// shape, enqueued_at, lost_at, group, unreadable, the numbers receive_count, replays, age_s (seconds), size (bytes), the map of
    /// texts attributes, and the truth value edited.
    ///
    /// A letter that lacks what the condition asks for doesn't fit; `has(data.app)` asks whether it is there. Moments are texts such
    /// as 2026-11-26T03:00:00.000Z, which compare by time. There are `in`, `size`, `contains`, `startsWith`, `endsWith`, `matches`,
    /// `exists`, `all`, `exists_one`, `filter`, and `type`, `int`, `string` and the like.
    ///
    /// A condition stands as it was typed in plans and in the manifests of archives: write no personal data into it, but ids.
    #[arg(long = "where", value_name = "CEL")]
    pub condition: Option<String>,
    /// With this event type; without a version, all versions of it
    #[arg(long = "type", value_name = "TYPE")]
    pub event_type: Option<String>,
    /// Of this tenant
    #[arg(long, value_name = "TENANT")]
    pub tenant: Option<String>,
    /// That failed at or after this moment, or so long ago: `2026-11-26T03:00:00Z`, `2h`
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// That failed before this moment, or longer ago than this
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// With this reason
    #[arg(long, value_name = "REASON")]
    pub reason: Option<String>,
    /// In this group: a fingerprint that `dlq groups` shows, or a beginning of it that no other group has
    #[arg(long, value_name = "FINGERPRINT")]
    pub group: Option<String>,
    /// With this message id or event id; may be repeated
    #[arg(long = "id", value_name = "ID")]
    pub ids: Vec<String>,
}

/// A selection that is ready to be asked. What is relative to now is relative to the moment when it was made.
pub struct Selector {
    selection: Selection,
    condition: Option<Condition>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    events: Vec<EventId>,
    now: Timestamp,
}

impl Selector {
    /// Checks and prepares the selection.
    ///
    /// # Errors
    ///
    /// With [`Exit::Usage`] when a condition or a time makes no sense, and where, or when the group is empty.
    pub fn new(selection: &Selection, clock: &dyn Clock) -> Result<Self, Stopped> {
        if selection.group.as_deref() == Some("") {
            // It is the beginning of every group.
            let why =
                "--group is empty: name a fingerprint that `dlq groups` shows, or leave --group out for all letters";
            return Err(Stopped::new(Exit::Usage, why));
        }
        let now = clock.now();
        let at = |flag, text: &Option<String>| text.as_deref().map(|text| moment(flag, text, now)).transpose();
        Ok(Self {
            condition: selection.condition.as_deref().map(Condition::new).transpose()?,
            since: at("--since", &selection.since)?,
            until: at("--until", &selection.until)?,
            events: selection.ids.iter().filter_map(|id| id.parse().ok()).collect(),
            selection: selection.clone(),
            now,
        })
    }

    /// Whether the letter is one of them. `lost_at` is when the broker forgets it.
    ///
    /// # Errors
    ///
    /// With [`Exit::Usage`] when the condition comes to no yes or no for this letter.
    pub fn matches(&self, letter: &Letter, lost_at: Option<Timestamp>) -> Result<bool, Stopped> {
        let Selection { event_type, tenant, reason, group, ids, .. } = &self.selection;
        let event = letter.facts.event.as_ref();
        let fits = |wanted: &Option<String>, fits: &dyn Fn(&str) -> bool| wanted.as_deref().is_none_or(fits);
        let failed_at = failed_at(letter);
        let plainly = fits(event_type, &|wanted| event.is_some_and(|event| is_version_of(&event.r#type, wanted)))
            && fits(tenant, &|wanted| event.is_some_and(|event| event.tenant == wanted))
            && fits(reason, &|wanted| letter.facts.failure.as_ref().is_some_and(|failure| failure.reason == wanted))
            && fits(group, &|wanted| letter.fingerprint().starts_with(wanted))
            && self.since.is_none_or(|since| failed_at >= since)
            && self.until.is_none_or(|until| failed_at < until)
            && (ids.is_empty()
                || ids.contains(&letter.message.message_id)
                || event.is_some_and(|event| self.events.contains(&event.id)));
        match &self.condition {
            Some(condition) if plainly => condition.fits(letter, lost_at, self.now),
            _ => Ok(plainly),
        }
    }

    /// The one group of the snapshot that `--group` means.
    fn one_group(&self, snapshot: &Snapshot) -> Result<Option<String>, Stopped> {
        let Some(wanted) = &self.selection.group else { return Ok(None) };
        let found: Vec<_> = snapshot.fingerprints()?.into_iter().filter(|group| group.starts_with(wanted)).collect();
        if found.len() < 2 || found.contains(wanted) {
            return Ok(found.iter().find(|group| *group == wanted).or(found.first()).cloned());
        }
        let mut shown: Vec<_> = found.iter().take(5).map(|group| format!("`{}`", one_line(group))).collect();
        if found.len() > shown.len() {
            shown.push(format!("{} more", found.len() - shown.len()));
        }
        Err(Stopped::new(
            Exit::Usage,
            format_args!(
                "--group `{}` is the beginning of {}: write more of the one that you mean",
                one_line(wanted),
                shown.join(", ")
            ),
        ))
    }
}

/// When the letter failed, as far as is known: else when the broker began to count its age.
#[must_use]
pub fn failed_at(letter: &Letter) -> Timestamp {
    letter.facts.failure.as_ref().and_then(|failure| failure.last_at).unwrap_or(letter.message.enqueued_at)
}

/// What is lost first comes first, then what failed first; ids that are numbers stand in their order.
#[must_use]
pub fn urgency(letter: &Letter, lost_at: Option<Timestamp>) -> Urgency {
    let id = letter.message.message_id.clone();
    (lost_at.unwrap_or(Timestamp::MAX), failed_at(letter), id.len(), id)
}

/// Where a letter stands among those that are shown. The last part is its message id.
pub type Urgency = (Timestamp, Timestamp, usize, String);

/// Whether `event_type` is `wanted`, or a version of it.
fn is_version_of(event_type: &str, wanted: &str) -> bool {
    event_type == wanted
        || event_type
            .strip_prefix(wanted)
            .and_then(|rest| rest.strip_prefix(".v"))
            .is_some_and(|version| !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Shows the chosen letters of a snapshot to `see`, in the order of message ids, until it has seen enough. Gives how many it saw.
///
/// # Errors
///
/// With [`Exit::Usage`] when `--group` is the beginning of several; when the snapshot can't be read or the condition fails, or
/// what `see` fails with.
pub fn each(
    snapshot: &Snapshot,
    selector: &Selector,
    mut see: impl FnMut(Letter) -> Result<ControlFlow<()>, Stopped>,
) -> Result<u64, Stopped> {
    let group = selector.one_group(snapshot)?;
    let mut seen = 0;
    snapshot.each(|letter| {
        let other_group = group.as_ref().is_some_and(|group| letter.fingerprint() != group);
        if other_group || !selector.matches(&letter, snapshot.lost_at(&letter))? {
            return Ok(ControlFlow::Continue(()));
        }
        seen += 1;
        see(letter)
    })?;
    Ok(seen)
}

#[cfg(test)]
mod tests;
