//! What there is to say of a plan.

use std::time::Duration;

use sendoff_consumers::Destination;
use sendoff_embedded::program::print::{one_line, table};
use sendoff_host::Stopped;
use serde_json::json;

use crate::{
    Session,
    plan::{Estimate, Forecast, Head, Plan},
    verbs::{
        Common, Output,
        source::{letters, span},
    },
};

/// Says what a plan would do.
pub(in crate::verbs) fn show(session: &mut Session, common: &Common, plan: &Plan) -> Result<(), Stopped> {
    let head = plan.head();
    let document = || json!({ "plan": plan.path(), "hash": plan.hash(), "head": head });
    match common.output {
        Output::Json => session.json(&document())?,
        Output::Ndjson => session.json_line(&document())?,
        Output::Table => session.data(forecasts(head))?,
    }
    told(plan).into_iter().for_each(|line| session.prose(line));
    Ok(())
}

/// What there is to say of a plan besides its forecasts.
pub(crate) fn told(plan: &Plan) -> Vec<String> {
    let head = plan.head();
    let Estimate { calls, usd, seconds } = head.estimate;
    let rate = if head.rate == 0 { "as fast as it goes".to_owned() } else { format!("at most {} a second", head.rate) };
    let mut told = vec![
        format!(
            "sends {} of `{}` to {}, {rate}, {}; about {}, {}",
            letters(head.send),
            one_line(&head.queue),
            one_line(&head.to.to_string()),
            steps(head),
            span(Duration::from_secs(seconds)),
            if calls == 0 { "at no cost".to_owned() } else { format!("{calls} calls, ${usd:.6}") }
        ),
        stops(head),
    ];
    told.extend(subscribers(head));
    if let Some(because) = &head.force_rerun {
        told.push(format!("what is done already is done ONCE MORE: {}", one_line(because)));
    }
    let name = plan.path().display();
    let short = plan.hash().get(..12).unwrap_or_default();
    told.extend([format!("plan {name}"), format!("hash {}", plan.hash())]);
    if head.approvals > 0 {
        told.push(format!("somebody else has to approve it: dlq approve {name} {short}"));
    }
    told.push(format!("carry it out: dlq run {name} --apply {short}"));
    told
}

/// The ladder as far as the letters reach: `1, then 10, then the other 89, each watched for 30s`.
fn steps(head: &Head) -> String {
    if head.canary.is_empty() {
        return "without a canary".to_owned();
    }
    let mut left = head.send;
    let mut steps = Vec::new();
    for rung in &head.canary {
        let now = left.min(*rung);
        if now > 0 {
            steps.push(now.to_string());
        }
        left -= now;
    }
    if left > 0 {
        steps.push(format!("the other {left}"));
    }
    let each = if steps.len() > 1 { "each " } else { "" };
    format!("{}, {each}watched for {}", steps.join(", then "), span(head.watch()))
}

/// When the run stops by itself.
fn stops(head: &Head) -> String {
    let stop = &head.stop;
    let there = if head.to.0 == Destination::Topic { "at one of those who get them" } else { "there" };
    let age = stop
        .backlog_age_s
        .map(|age| format!("the oldest message {there} is older than {}", span(Duration::from_secs(age))));
    let depth = stop.backlog.map(|count| format!("more than {count} messages wait {there}"));
    let waits: Vec<_> = age.into_iter().chain(depth).collect();
    let mut told = format!("pauses when more than {:.0} % of what is watched fail again", stop.returned_share * 100.0);
    if !waits.is_empty() {
        told += &format!(
            "; waits while {}, for {} at most",
            waits.join(" or "),
            span(Duration::from_secs(stop.patience_s))
        );
    }
    told
}

/// The table of what would become of the letters.
pub(crate) fn forecasts(head: &Head) -> String {
    let rows = head.forecasts.iter().flat_map(|(forecast, count)| {
        let sent = head.sent.get(forecast).copied().unwrap_or_default();
        let then = [(sent, "sent"), (count.saturating_sub(sent), "left")].into_iter().filter(|(count, _)| *count > 0);
        then.map(|(count, then)| {
            [forecast.to_string(), count.to_string(), then.to_owned(), forecast.meaning().to_owned()]
        })
    });
    table(["FORECAST", "LETTERS", "THEN", "MEANS"], rows)
}

/// Who else would get the letters.
pub(crate) fn subscribers(head: &Head) -> Vec<String> {
    let told = head.other_subscribers.iter().map(|other| {
        format!(
            "`{}` would get {} of type {} again, and has done {} of them",
            one_line(&other.queue),
            letters(other.letters),
            one_line(&other.r#type),
            other.done
        )
    });
    let mut told: Vec<_> = told.collect();
    let edited = head.sent.get(&Forecast::Edited).copied().unwrap_or_default();
    if edited > 0 && !told.is_empty() {
        let edited = letters(edited);
        told.push(format!(
            "{edited} of these were edited: they are new to all subscribers, and done by each, whatever it did before"
        ));
    }
    told
}
