//! What the audit says of an archive: whether others have put its letters back.

use sendoff_consumers::AuditEntry;
use sendoff_host::{Exit, Stopped};

use crate::{
    archive::{self, Manifest, Moves},
    deployment::Deployment,
    verbs::source::letters,
};

/// What the audit calls a restore that begins, and one that has ended.
pub(super) const BEGUN: &str = "restore";
pub(super) const DONE: &str = "restore-done";
/// What stands there behind a number of letters.
pub(super) const PUT_BACK: &str = "put back";

/// Refuses when more of this archive was put into the queue than is known here, or perhaps was: somebody did it from another work folder.
pub(super) async fn not_from_elsewhere(
    deployment: &Deployment,
    queue: &str,
    manifest: &Manifest,
    moves: &Moves,
) -> Result<(), Stopped> {
    let (mut told, mut begun, mut ended, mut last) = (0, 0_u64, 0, None::<AuditEntry>);
    archive::each_audited(deployment, |entry| match said(&entry, queue, &manifest.hash) {
        Some(Said::Begun) => {
            begun += 1;
            last = Some(entry);
        }
        Some(Said::Ended { count, is_all }) => {
            told += count;
            ended += u64::from(is_all);
        }
        None => {}
    })
    .await?;
    let (own_begun, own_ended) = moves.calls();
    let Some(last) = last.filter(|_| begun > own_begun) else { return Ok(()) };
    let by = format!("the last time by {} at {} (`dlq audit` has it)", last.note.who, last.at);
    let look =
        format!("Look with `dlq groups {queue} --fresh` what became of them; --again puts them back all the same");
    if told > moves.sent_ever() {
        let why = format!(
            "letters of this archive were put into `{queue}` before, {told} in all, not all of them from this work folder; {by}. {look}"
        );
        return Err(Stopped::new(Exit::Refused, why));
    }
    if begun.saturating_sub(ended) > own_begun.saturating_sub(own_ended) {
        let why = format!(
            "letters of this archive were perhaps put into `{queue}` before, from another work folder, by a call that broke off or isn't \
             over; {by}. Go on with it there. {look}"
        );
        return Err(Stopped::new(Exit::Refused, why));
    }
    Ok(())
}

/// What the audit says of a restore that has ended, and of which nothing is in doubt.
pub(super) fn told_of(queue: &str, count: u64, hash: &str) -> String {
    format!("{queue}: {} {PUT_BACK}, archive {hash}", letters(count))
}

/// What the audit says of this archive and queue.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    /// Letters are about to be put back.
    Begun,
    /// So many were; with the others it is in doubt, unless that is all.
    Ended { count: u64, is_all: bool },
}

fn said(entry: &AuditEntry, queue: &str, hash: &str) -> Option<Said> {
    let note = &entry.note;
    let told = note.target.strip_prefix(queue)?.strip_prefix(": ")?.strip_suffix(hash)?.strip_suffix(", archive ")?;
    match &*note.action {
        BEGUN => Some(Said::Begun),
        DONE => {
            let count = told.contains(PUT_BACK).then(|| told.split(' ').next()?.parse().ok());
            let count = count.flatten().unwrap_or_default();
            Some(Said::Ended { count, is_all: note.target == told_of(queue, count, hash) })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use sendoff_consumers::{AuditDigest, AuditNote};
    use sendoff_events::Timestamp;

    use super::*;

    #[test]
    fn what_is_written_into_the_audit_of_a_restore_is_read_again() {
        let entry = |action: &str, target: String| {
            let (action, who, because) = (action.to_owned(), "ada".to_owned(), String::new());
            let note = AuditNote { who, action, event: None, target, because };
            AuditEntry::after(AuditDigest::NONE, 1, Timestamp::UNIX_EPOCH, note)
        };
        let said = |action: &str, target: &str| said(&entry(action, target.to_owned()), "email-dlq", "abc");
        for count in [0, 1, 2, 12_345] {
            let ended = Some(Said::Ended { count, is_all: true });
            assert_eq!(said(DONE, &told_of("email-dlq", count, "abc")), ended);
        }
        assert_eq!(said(BEGUN, "email-dlq: 2 letters to be put back, archive abc"), Some(Said::Begun));
        for (told, count) in [("it broke off", 0), ("2 letters put back, and perhaps more: it broke off", 2)] {
            let ended = Some(Said::Ended { count, is_all: false });
            assert_eq!(said(DONE, &format!("email-dlq: {told}, archive abc")), ended);
        }
        assert_eq!(said("purge", &told_of("email-dlq", 2, "abc")), None);
        assert_eq!(said(DONE, &told_of("email-dlq", 2, "abd")), None);
        assert_eq!(said(DONE, &told_of("sms-dlq", 2, "abc")), None);
    }
}
