//! `dlq doctor`.

use sendoff_consumers::RouterPorts;
use sendoff_embedded::{
    OpenError, Store, StoreOptions,
    program::print::{one_line, table},
};
use sendoff_host::{Exit, Stopped};
use serde_json::json;

use super::{Common, Output};
use crate::{
    Session,
    deployment::{Access, Deployment, Native},
    doctor::{Finding, Model, Report, Rule, Severity, collect, examine, family, rules},
    view::counted,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only what is about this queue and its consumer; without it, everything
    queue: Option<String>,
    /// Only this rule; may be repeated
    #[arg(long = "rule", value_name = "RULE")]
    rules: Vec<String>,
    /// Lists the rules instead: what each demands, why, and what to do
    #[arg(long)]
    list_rules: bool,
}

pub(super) async fn run(session: &mut Session, common: &Common, args: Args) -> Result<Exit, Stopped> {
    let chosen = chosen(&args.rules)?;
    if args.list_rules {
        list(session, common.output, &chosen)?;
        return Ok(Exit::Done);
    }
    let model = look(session, common).await?;
    if let Some(queue) = args.queue.as_deref().filter(|queue| !knows(&model, queue)) {
        let why = format!("there is no queue of `{}`; `dlq ls` lists those that there are", one_line(queue));
        return Err(Stopped::new(Exit::NothingMatched, why));
    }
    let report = examine(&model, chosen);
    let report = match &args.queue {
        Some(queue) => report.about(queue),
        None => report,
    };
    show(session, common.output, &report)?;
    Ok(exit(&report))
}

/// 1 for errors, 3 for warnings and for what could not be looked at, 0 for nothing but notes.
fn exit(report: &Report) -> Exit {
    match report {
        report if report.count(Severity::Error) > 0 => Exit::Failed,
        report if report.count(Severity::Warning) > 0 || !report.not_checked.is_empty() => Exit::Partly,
        _ => Exit::Done,
    }
}

fn chosen(names: &[String]) -> Result<Vec<&'static Rule>, Stopped> {
    if names.is_empty() {
        return Ok(rules::all().collect());
    }
    let find = |name: &String| {
        rules::all().find(|rule| rule.id == name).ok_or_else(|| {
            let why =
                format!("there is no rule `{}`; `dlq doctor --list-rules` lists those that there are", one_line(name));
            Stopped::new(Exit::Usage, why)
        })
    };
    names.iter().map(find).collect()
}

async fn look(session: &Session, common: &Common) -> Result<Model, Stopped> {
    let now = session.clock.now();
    let deployment = match common.open(session, Access::Look).await {
        Ok(deployment) => deployment,
        Err(stopped) => return other_version(session, common).ok_or(stopped),
    };
    let keep = deployment.inbox_keep;
    Ok(match &deployment.native {
        Native::Aws(store) => collect::aws::look(store, now, keep).await,
        Native::Embedded(store) => collect::folder::look(store, now, keep, session.disk).await,
    })
}

/// What there is to say of a folder that can't be opened for the version of its data.
fn other_version(session: &Session, common: &Common) -> Option<Model> {
    let folder = Deployment::data_folder(session, &common.place())?;
    let options = StoreOptions { clock: session.clock.clone(), ..StoreOptions::default() };
    match Store::open_read_only(&folder, options) {
        Err(OpenError::Newer { found, known, .. } | OpenError::Older { found, known, .. }) => {
            let now = session.clock.now();
            Some(collect::folder::of_another_version(&folder, found, known, now, RouterPorts::KEEP))
        }
        _ => None,
    }
}

fn knows(model: &Model, queue: &str) -> bool {
    let on_aws = model.queues.iter().map(|known| &known.name);
    let mut names = on_aws.chain(model.folder.queues.iter().map(|known| &known.name));
    // What could not be seen may be there.
    !model.unseen.is_empty() || names.any(|name| family(name) == family(queue))
}

fn show(session: &mut Session, output: Output, report: &Report) -> Result<(), Stopped> {
    match output {
        Output::Json => session.json(report)?,
        Output::Ndjson => {
            for finding in &report.findings {
                session.json_line(finding)?;
            }
            for not_checked in &report.not_checked {
                session.json_line(not_checked)?;
            }
        }
        Output::Table => {
            for finding in &report.findings {
                session.data(paragraph(finding))?;
            }
            for unseen in &report.not_checked {
                let place = unseen.place.as_deref().map(|place| format!(" {}", one_line(place))).unwrap_or_default();
                let rules = if unseen.rules.is_empty() { "nothing".to_owned() } else { unseen.rules.join(", ") };
                let (what, why) = (unseen.part.words(), one_line(&unseen.why));
                session.data(format_args!("not checked: {what}{place}: {why}\n  concerns  {rules}\n"))?;
            }
        }
    }
    let count = |severity| report.count(severity) as u64;
    let (errors, warnings, notes) = (count(Severity::Error), count(Severity::Warning), count(Severity::Note));
    let (not_checked, checked) = (report.not_checked.len() as u64, report.checked.len() as u64);
    session.prose(format_args!(
        "{} checked: {}, {}, {}; {} could not be looked at",
        counted(checked, "rule"),
        counted(errors, "error"),
        counted(warnings, "warning"),
        counted(notes, "note"),
        counted(not_checked, "thing")
    ));
    Ok(())
}

fn paragraph(finding: &Finding) -> String {
    let Finding { severity, rule, place, there, should, why, fix, .. } = finding;
    let (place, there, should, fix) = (one_line(place), one_line(there), one_line(should), one_line(fix));
    let severity = severity.word();
    format!(
        "{severity} {rule}: {place}\n  found     {there}\n  should    {should}\n  why       {why}\n  fix       {fix}\n"
    )
}

fn list(session: &mut Session, output: Output, rules: &[&Rule]) -> Result<(), Stopped> {
    let as_json = |rule: &&Rule| {
        let Rule { id, severity, kind, says, why, source, fix, .. } = rule;
        json!({ "rule": id, "severity": severity, "kind": kind, "says": says, "why": why, "source": source, "fix": fix })
    };
    match output {
        Output::Json => session.json(&rules.iter().map(as_json).collect::<Vec<_>>())?,
        Output::Ndjson => rules.iter().try_for_each(|rule| session.json_line(&as_json(rule)))?,
        Output::Table => {
            let rows = rules.iter().map(|rule| [rule.id, rule.severity.word(), rule.says].map(str::to_owned));
            session.data(table(["RULE", "BROKEN", "DEMANDS"], rows))?;
        }
    }
    Ok(())
}
