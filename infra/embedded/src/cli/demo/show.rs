//! The report for people.

use std::{collections::BTreeMap, fmt::Write as _};

use sendoff_consumers::StepState;
use sendoff_embedded::{
    program::print::{one_line, table, word},
    sink::SinkChannel,
};

use super::{
    fate::StepFate,
    report::{EventReport, Report, TimelineEntry},
};
use crate::cli::runs::RunTold;

/// The whole report as text.
pub(super) fn page(report: &Report) -> String {
    let mut page = String::from("EVENTS AND OUTCOMES\n");
    let rows = report.events.iter().flat_map(rows);
    page.push_str(&table(["EVENT", "TYPE", "CONSUMER", "OUTCOME", "ATTEMPTS", "LATENCY"], rows));

    page.push_str("\nWHO WAS TOLD, AND HOW\n");
    page.push_str(&table(["EVENT", "WHO", "PUSH", "WHATSAPP", "SMS", "EMAIL"], people(report)));

    page.push_str("\nMAIL, AS RECEIVED OVER SMTP\n");
    page.push_str(&table(["TO", "SUBJECT"], report.mails.iter().map(|m| [m.to.clone(), m.subject.clone()])));

    for channel in SinkChannel::ALL {
        let received: Vec<_> = report.messages.iter().filter(|m| m.channel == channel).collect();
        if !received.is_empty() {
            let _ = writeln!(page, "\n{}, AS RECEIVED OVER HTTP", heading(channel));
            page.push_str(&table(["TO", "TEXT"], received.iter().map(|m| [one_line(&m.to), one_line(&m.text)])));
        }
    }

    page.push_str("\nWORKFLOW RUNS\n");
    let runs = report.runs.iter().map(|RunTold { run, steps }| {
        [format!("{} v{}", run.started.workflow, run.started.version), word(&run.status), steps.join(" > ")]
    });
    page.push_str(&table(["WORKFLOW", "STATUS", "STEPS TAKEN"], runs));

    page.push_str("\nTIMELINE\n");
    let entry = |e: &TimelineEntry| [e.app.clone(), e.actor.clone(), e.action.clone(), e.user.clone()];
    page.push_str(&table(["APP", "WHO", "DID WHAT", "TO WHOM"], report.timeline.iter().map(entry)));

    if !report.dead_letters.is_empty() {
        page.push_str("\nDEAD LETTERS\n");
        let rows = report.dead_letters.iter().map(|d| [d.consumer.clone(), d.reason.clone(), d.count.to_string()]);
        page.push_str(&table(["CONSUMER", "REASON", "COUNT"], rows));
    }
    let (done, dead, doubt) = (report.count("done"), report.count("dead-lettered"), report.count("in-doubt"));
    // Writing to a String can't fail.
    let _ = writeln!(
        page,
        "\n{} requests, {} events, {} outcomes: {done} done, {dead} dead-lettered, {doubt} in doubt; {} mails and {} other \
         messages received; lost {}",
        report.requests,
        report.events.len(),
        report.events.iter().map(|e| e.outcomes.len()).sum::<usize>(),
        report.mails.len(),
        report.messages.len(),
        report.lost
    );
    page
}

const fn heading(channel: SinkChannel) -> &'static str {
    match channel {
        SinkChannel::Sms => "TEXT MESSAGES",
        SinkChannel::Whatsapp => "WHATSAPP MESSAGES",
        SinkChannel::Push => "NOTIFICATIONS",
        SinkChannel::Webhook => "WEBHOOK CALLS",
    }
}

/// One row for each event and recipient: what became of them on each channel.
fn people(report: &Report) -> Vec<[String; 6]> {
    const CHANNELS: [&str; 4] = ["push", "whatsapp", "sms", "email"];
    let mut rows = Vec::new();
    for event in &report.events {
        // A person may have several steps on one channel: one for each device.
        let mut people: BTreeMap<&str, [String; 4]> = BTreeMap::new();
        for outcome in &event.outcomes {
            let Some(column) = CHANNELS.iter().position(|channel| *channel == outcome.consumer) else { continue };
            for step in &outcome.steps {
                let person = step.step.split('/').next().unwrap_or_default();
                people.entry(person).or_default()[column] = fate(step);
            }
        }
        for (person, cells) in people {
            let [push, whatsapp, sms, email] = cells;
            rows.push([event.r#type.clone(), person.to_owned(), push, whatsapp, sms, email]);
        }
    }
    rows
}

/// What became of one recipient on one channel.
fn fate(step: &StepFate) -> String {
    match (step.state, &step.reason) {
        (StepState::Done, _) => "told".into(),
        (_, Some(reason)) => one_line(reason),
        (state, None) => word(&state),
    }
}

/// One row for each consumer; the event stands in the first one only. An event that nobody subscribes to is done with.
fn rows(event: &EventReport) -> Vec<[String; 6]> {
    let mut rows: Vec<_> = event
        .outcomes
        .iter()
        .map(|o| {
            let latency = o.latency_ms.map_or_else(String::new, |ms| format!("{ms}ms"));
            [String::new(), String::new(), o.consumer.clone(), o.shown.clone(), o.attempts.to_string(), latency]
        })
        .collect();
    if rows.is_empty() {
        rows.push([String::new(), String::new(), "-".into(), "no subscriber".into(), String::new(), String::new()]);
    }
    rows[0][0] = event.id.to_string();
    rows[0][1].clone_from(&event.r#type);
    rows
}
