//! `dlq redrive-executions`.

use std::time::Duration;

use aws_sdk_sfn::types::ExecutionStatus;
use jiff::{Span, SpanRelativeTo};
use sendoff_aws::{CallError, Cause};
use sendoff_consumers::{AuditNote, scrub};
use sendoff_embedded::program::print::{one_line, table};
use sendoff_events::Timestamp;
use sendoff_host::{Exit, Stopped};
use serde::Serialize;
use serde_json::json;

use super::{Common, Output, ended};
use crate::{
    Session,
    deployment::{Access, Deployment, Native},
    executions::{Execution, Group, Outcome, REDRIVABLE, Wanted, groups, list, machine, machines, redrive, status},
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The state machine; by default those of all workflows (SENDOFF_RUNS_PREFIX)
    #[arg(long, value_name = "ARN")]
    machine: Option<String>,
    /// How the runs ended. ABORTED are those that somebody stopped: only when it is said are they redriven
    #[arg(long, value_name = "STATUS", value_delimiter = ',', value_parser = status, default_value = "FAILED,TIMED_OUT")]
    status: Vec<ExecutionStatus>,
    /// That ended at or after this moment, or so long ago: `2026-11-26T03:00:00Z`, `2h`, `3d`. By default 14 days ago: what ended
    /// before can't be redriven
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Whose error or cause holds this text
    #[arg(long, value_name = "TEXT")]
    where_error: Option<String>,
    /// No more than these, of those that can be redriven: those that can be for the least time
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// How many are redriven a second
    #[arg(long, value_name = "PER SECOND", default_value = "5", value_parser = rate)]
    rate: f64,
    /// Redrives them. Without it, it is only said which
    #[arg(long, requires = "because")]
    yes: bool,
    /// Why, for the audit
    #[arg(long, value_name = "TEXT")]
    because: Option<String>,
}

#[derive(Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    execution: &'a Execution,
    group: String,
    #[serde(flatten)]
    outcome: Option<&'a Outcome>,
}

pub(super) async fn run(session: &mut Session, common: &Common, args: Args) -> Result<Exit, Stopped> {
    let now = session.clock.now();
    let since = args.since.as_deref().map(|text| moment(text, now)).transpose()?;
    let since = since.or_else(|| now.checked_sub(REDRIVABLE).ok());
    let by = if args.yes { Some(common.who(session)?) } else { None };
    let deployment = common.open(session, if args.yes { Access::Change } else { Access::Look }).await?;
    let Native::Aws(store) = &deployment.native else {
        let why = "the runs of a data folder are no executions of Step Functions: `sendoff workflow redrive RUN` takes one that failed \
                   up again. What could not be started is a dead letter of `workflow-kickoff`: replay that (dlq plan \
                   workflow-kickoff)";
        return Err(Stopped::new(Exit::Refused, why));
    };
    let client = store.aws().sfn();
    let (of, machines) = match args.machine.as_deref().map(machine) {
        Some(of) if of.starts_with("arn:") => (of.clone(), vec![of]),
        Some(of) => {
            let why = format!("`{}` is no ARN of a state machine", one_line(&of));
            return Err(Stopped::new(Exit::Usage, why));
        }
        None => {
            let prefix = &store.resources().runs_prefix;
            if prefix.starts_with('(') {
                let why = format!("it isn't known which state machines are meant {prefix}: set it, or say --machine");
                return Err(Stopped::new(Exit::Usage, why));
            }
            (format!("{prefix}-*"), machines(client, prefix).await.map_err(unreachable)?)
        }
    };
    let wanted = Wanted {
        statuses: args.status.clone(),
        since,
        with_error: args.where_error.clone(),
        limit: args.limit.map(|limit| limit as usize),
    };
    let found = list(client, &machines, &wanted).await.map_err(unreachable)?;
    if found.is_empty() {
        if common.output != Output::Table {
            show(session, common.output, &of, &found, None)?;
        }
        let why = format!(
            "no run of {} ended that way{}{}; runs are kept for 90 days, and can be redriven for 14",
            one_line(&of),
            since.map(|since| format!(" since {since}")).unwrap_or_default(),
            if args.limit.is_some() { " and can be redriven" } else { "" }
        );
        return Err(Stopped::new(Exit::NothingMatched, why));
    }
    let redrivable = found.iter().filter(|execution| execution.not_redrivable.is_none()).count();
    let stopped = found.iter().filter(|execution| execution.is_stopped()).count();
    if stopped > 0 {
        session.prose(format_args!(
            "{stopped} of them are ABORTED: somebody stopped them, and redriven they go on with what they were stopped from"
        ));
    }
    let Some(by) = by else {
        show(session, common.output, &of, &found, None)?;
        session.prose(format_args!(
            "{} runs, {redrivable} of which can be redriven. Nothing was done: say --yes --because TEXT to redrive them, {} a second",
            found.len(),
            args.rate
        ));
        return Ok(Exit::Done);
    };
    if redrivable == 0 {
        show(session, common.output, &of, &found, None)?;
        return Err(Stopped::new(Exit::Refused, "none of them can be redriven: see why beside each (--output json)"));
    }
    let note = |action: &str, target: String, because: String| AuditNote {
        who: by.clone(),
        action: action.into(),
        event: None,
        target,
        because,
    };
    let because = args.because.unwrap_or_default();
    let names = found.iter().filter(|execution| execution.not_redrivable.is_none()).map(|execution| &*execution.name);
    let target = format!("{of}, {}: {}", said(&wanted), named(names));
    audit(&deployment, note("redrive-executions", target, because)).await?;
    let pause = Duration::try_from_secs_f64(1.0 / args.rate).unwrap_or_default();
    let clock = session.clock.clone();
    let ndjson = common.output == Output::Ndjson;
    let mut broken = None;
    let outcomes = redrive(client, &*clock, &found, pause, |execution, outcome| {
        // Whoever reads may have gone; what was begun is brought to its end.
        if ndjson && broken.is_none() {
            broken = session.json_line(&told(execution, Some(outcome))).err();
        }
    });
    let outcomes = outcomes.await;
    let count = |which: fn(&Outcome) -> bool| outcomes.iter().filter(|outcome| which(outcome)).count();
    let redriven = count(|o| matches!(o, Outcome::Redriven));
    let skipped = count(|o| matches!(o, Outcome::Skipped { .. }));
    let failed = count(|o| matches!(o, Outcome::Failed { .. }));
    let unknown = count(|o| matches!(o, Outcome::Unknown { .. }));
    let sum = format!("{redriven} redriven, {skipped} can't be, {failed} failed, {unknown} unknown");
    let others = |which: fn(&Outcome) -> bool| {
        let both = found.iter().zip(&outcomes).filter(move |(_, outcome)| which(outcome));
        both.map(|(execution, _)| &*execution.name)
    };
    let mut told_of = format!("{of}: {sum}");
    for (word, count, names) in [
        ("failed", failed, named(others(|o| matches!(o, Outcome::Failed { .. })))),
        ("unknown", unknown, named(others(|o| matches!(o, Outcome::Unknown { .. })))),
    ] {
        if count > 0 {
            told_of += &format!("; {word}: {names}");
        }
    }
    audit(&deployment, note("redrive-executions-ended", told_of, String::new())).await?;
    let shown = match broken {
        Some(error) => Err(error.into()),
        None if ndjson => Ok(()),
        None => show(session, common.output, &of, &found, Some(&outcomes)),
    };
    session.prose(&sum);
    let exit = match (redriven, skipped + failed, unknown) {
        (_, _, 1..) => Exit::InDoubt,
        (_, 0, 0) => Exit::Done,
        (0, _, 0) => Exit::Failed,
        _ => Exit::Partly,
    };
    ended(session, shown, exit)
}

async fn audit(deployment: &Deployment, note: AuditNote) -> Result<(), Stopped> {
    let added = deployment.audit.append(&note).await;
    let refused = |error| {
        Stopped::new(Exit::Unreachable, format_args!("`{}` can't be written into the audit: {error}", note.action))
    };
    added.map(drop).map_err(refused)
}

fn unreachable(error: CallError) -> Stopped {
    let exit = match error.cause {
        Cause::NotSent | Cause::Unknown | Cause::Throttled => Exit::Unreachable,
        Cause::Denied | Cause::Missing | Cause::Refused => Exit::Failed,
    };
    Stopped::new(exit, error)
}

fn told<'a>(execution: &'a Execution, outcome: Option<&'a Outcome>) -> Told<'a> {
    Told { execution, group: execution.group(), outcome }
}

fn show(
    session: &mut Session,
    output: Output,
    machine: &str,
    found: &[Execution],
    outcomes: Option<&[Outcome]>,
) -> Result<(), Stopped> {
    let all = || found.iter().enumerate().map(|(place, e)| told(e, outcomes.and_then(|outcomes| outcomes.get(place))));
    match output {
        Output::Json => session.json(&json!({
            "machine": machine, "groups": groups(found), "executions": all().collect::<Vec<_>>(),
        }))?,
        Output::Ndjson => all().try_for_each(|one| session.json_line(&one))?,
        Output::Table => {
            let rows = groups(found).into_iter().map(|group| {
                let Group { group, count, redrivable, error, cause, first_at, last_at } = group;
                let at = |at: Option<Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
                let numbers = [count.to_string(), redrivable.to_string()];
                let [count, redrivable] = numbers;
                [count, redrivable, one_line(&error), group, at(first_at), at(last_at), short(&cause)]
            });
            session.data(table(["RUNS", "REDRIVABLE", "ERROR", "GROUP", "FIRST", "LAST", "CAUSE"], rows))?;
            let rows = found.iter().enumerate().filter_map(|(place, execution)| {
                let became = match outcomes.map(|outcomes| outcomes.get(place)) {
                    Some(outcome) => words(outcome?),
                    None => standing(execution),
                };
                Some([one_line(&execution.name), execution.status.clone(), short(&became)])
            });
            let rows: Vec<_> = rows.collect();
            if !rows.is_empty() {
                session.data(format_args!("\n{}", table(["RUN", "ENDED", "BECAME"], rows)))?;
            }
        }
    }
    Ok(())
}

/// Which runs were asked for, for the audit.
fn said(wanted: &Wanted) -> String {
    let statuses: Vec<_> = wanted.statuses.iter().map(ExecutionStatus::as_str).collect();
    let mut said = statuses.join(",");
    if let Some(since) = wanted.since {
        said += &format!(" since {since}");
    }
    if let Some(error) = &wanted.with_error {
        said += &format!(", of the error `{}`", short(&scrub(error)));
    }
    if let Some(limit) = wanted.limit {
        said += &format!(", at most {limit}");
    }
    said
}

/// The names of runs, for the audit: so many that an entry stays readable.
fn named<'a>(names: impl Iterator<Item = &'a str>) -> String {
    const MOST: usize = 50;
    let mut names: Vec<_> = names.map(one_line).collect();
    let more = names.len().saturating_sub(MOST);
    names.truncate(MOST);
    if more > 0 {
        names.push(format!("and {more} more"));
    }
    names.join(" ")
}

/// How a run stands that nothing was done with yet.
fn standing(execution: &Execution) -> String {
    match (&execution.not_redrivable, execution.redrivable_until) {
        (Some(why), _) => format!("can't be redriven: {why}"),
        (None, Some(until)) => format!("can be redriven until {until}"),
        (None, None) => "can be redriven".into(),
    }
}

fn words(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Redriven => "redriven".into(),
        Outcome::Skipped { why } => format!("can't be redriven: {why}"),
        Outcome::Failed { why } => format!("failed: {why}"),
        Outcome::Unknown { why } => format!("unknown: {why}"),
    }
}

/// A text on one line, and not a long one.
fn short(text: &str) -> String {
    const LONGEST: usize = 100;
    let line = one_line(text);
    if line.chars().count() <= LONGEST {
        return line;
    }
    line.chars().take(LONGEST - 1).chain(['…']).collect()
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "it is a number of runs a second, such as 5 or 0.5".to_owned())?;
    if (0.001..=1000.0).contains(&rate) { Ok(rate) } else { Err("it is between 0.001 and 1000 runs a second".into()) }
}

/// A moment, or how long ago it was; a day has 24 hours.
fn moment(text: &str, now: Timestamp) -> Result<Timestamp, Stopped> {
    let ago = |span: Span| {
        let long = span.abs().to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
        now.checked_sub(long).ok()
    };
    let found = text.parse::<Timestamp>().ok().or_else(|| text.parse::<Span>().ok().and_then(ago));
    found.ok_or_else(|| {
        let why = format!(
            "--since `{}` is no time: say a moment (2026-11-26T03:00:00Z) or how long ago (2h, 3d)",
            one_line(text)
        );
        Stopped::new(Exit::Usage, why)
    })
}
