//! What there is to say of a run.

use sendoff_embedded::program::print::{one_line, table};
use sendoff_events::{Timestamp, at_millis};
use sendoff_host::Stopped;

use crate::{
    Session,
    run::{Report, folder::RunFolder},
    verbs::{Common, Output, source::letters},
};

/// Says what a run has done.
pub(crate) fn tell(session: &mut Session, common: &Common, report: &Report, folder: &RunFolder) -> Result<(), Stopped> {
    let shown = match common.output {
        Output::Json => session.json(report),
        Output::Ndjson => session.json_line(report),
        Output::Table => session.data(counts(report)),
    };
    told(report, folder).into_iter().for_each(|line| session.prose(line));
    Ok(shown?)
}

/// The table of a report.
pub(crate) fn counts(report: &Report) -> String {
    let counts = [
        ("moved", report.moved, "sent, and deleted"),
        ("sent", report.sent_not_deleted, "sent, and not deleted yet: `dlq resume` does only that"),
        (
            "ambiguous",
            report.ambiguous,
            "perhaps sent: `dlq resume` sends them once more, and their consumer does them once",
        ),
        ("gone", report.gone, "not in the queue any more"),
        ("skipped", report.skipped, "not sent"),
        ("waiting", report.waiting, "not sent yet"),
    ];
    let rows = counts.into_iter().filter(|(name, count, _)| *count > 0 || *name == "moved");
    let rows = rows.map(|(name, count, means)| [name.to_owned(), count.to_string(), means.to_owned()]);
    let sum = ["planned".to_owned(), report.planned.to_string(), "all of these".to_owned()];
    table(["LETTERS", "COUNT", "MEANS"], rows.chain([sum]))
}

/// What else there is to say of a report, and how to go on.
pub(crate) fn told(report: &Report, folder: &RunFolder) -> Vec<String> {
    let mut told = Vec::new();
    for (why, count) in &report.skips {
        told.push(format!("{} skipped: {}", letters(*count), one_line(why)));
    }
    for (why, count) in &report.waits {
        told.push(format!("{} left for now: {}", letters(*count), one_line(why)));
    }
    if report.resent > 0 {
        told.push(format!(
            "{} sent once more, since nobody knew whether they were: their consumer does them once",
            letters(report.resent)
        ));
    }
    if report.returned > 0 {
        told.push(format!("{} failed again, of {} that were watched", letters(report.returned), report.watched));
    }
    if report.gone_in_doubt > 0 {
        told.push(format!(
            "{} may have been sent, and then moved by somebody else: their consumer's records tell",
            letters(report.gone_in_doubt)
        ));
    }
    if report.perhaps_twice > 0 {
        told.push(format!(
            "{} sent, and gone before this run had deleted them: somebody else may have sent them, too",
            letters(report.perhaps_twice)
        ));
    }
    if report.not_ended > 0 && report.watched > 0 {
        told.push(format!("{} done; the end of {} more isn't known", report.done, report.not_ended));
    }
    // A run that paused for it says so itself.
    if report.is_without_evidence() && report.ended == "finished" {
        told.push(unwatched(report));
    }
    let name = folder.name();
    match (&*report.ended, &report.why) {
        ("finished", _) if report.waiting + report.sent_not_deleted + report.ambiguous == 0 => {}
        ("aborted", _) if report.sent_not_deleted > 0 => told
            .push(format!("the run was aborted: `dlq resume {name}` deletes what it has sent, and does nothing more")),
        ("aborted", _) => told.push("the run was aborted: what is left stays in the dead-letter queue".into()),
        (_, why) => {
            let why = why.as_ref().map(|why| format!("it stopped: {}; ", one_line(why))).unwrap_or_default();
            told.push(format!("{why}go on with `dlq resume {name}`, or end it with `dlq abort {name}`"));
        }
    }
    told
}

/// What to look at when nothing is known of what became of the letters.
fn unwatched(report: &Report) -> String {
    let served = match report.to.strip_prefix("queue:") {
        Some(queue) => format!("is `{}` being served", one_line(queue)),
        None => "are their consumers being served".to_owned(),
    };
    format!(
        "the end of {} isn't known: {served}? What fails again is a dead letter again: `dlq ls`",
        letters(report.not_ended)
    )
}

/// When a run's folder was last written, as it is shown.
pub(in crate::verbs) fn shown(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "-".to_owned(), |at| at_millis(at).to_string())
}
