//! `dlq edit`.

use std::{
    collections::{BTreeSet, HashMap},
    fs,
    io::Read as _,
    path::Path,
};

use sendoff_embedded::program::print::{lines, one_line};
use sendoff_events::{EventId, at_millis};
use sendoff_host::{Exit, Stopped};
use serde_json::{Value, json};

use super::{
    Common, Output,
    chosen::{nothing, up_to_date},
    source::{Source, letters},
};
use crate::{
    Session,
    archive::audited,
    deployment::{Access, Deployment},
    edit::{Apart, Change, Edited, Editor, Outcome, Refusal, ScriptError, Set, diff, places},
    letter::{Edit, Letter},
    redact::{Redact, Showing},
    select::{Selection, Selector},
    snapshot::{self, Snapshot, Taken},
};

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("change").required(true).args(["set", "patch", "script", "undo"])))]
pub(super) struct Args {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    selection: Selection,
    /// Puts a value at a place of the envelope: `data.items[0].name=VALUE` keeps the type of what stands there, `PATH:=JSON` takes
    /// any; may be repeated
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,
    /// A JSON Patch (RFC 6902) of the envelope: a list, or a file with one
    #[arg(long, value_name = "JSON|FILE")]
    patch: Option<String>,
    /// A jq program that gets the envelope and gives the changed one. It may run for 5 seconds per letter, and take 2 GiB of memory
    #[arg(long, value_name = "JQ")]
    script: Option<String>,
    /// Takes the edits of these letters back
    #[arg(long)]
    undo: bool,
    /// Also letters of which some steps are done: these steps will be done once more
    #[arg(long, requires = "because")]
    also_partly_done: bool,
    /// Why, for the audit
    #[arg(long, value_name = "TEXT")]
    because: Option<String>,
    /// How many letters are shown on a terminal; all are changed
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
    #[command(flatten)]
    showing: Showing,
    /// Keeps the edits in the snapshot, for the next plan; without it, only shows them
    #[arg(long)]
    yes: bool,
}

/// All edits of a call are kept together, or none. More would not fit into the memory.
const MOST: usize = 200_000;
/// How many refused letters are named.
const NAMED: usize = 5;

pub(super) async fn run(session: &mut Session, common: &Common, args: Args) -> Result<Exit, Stopped> {
    let who = common.who(session)?;
    let selector = Selector::new(&args.selection, &*session.clock)?;
    let change = if args.undo { None } else { Some(change(&args, session)?) };
    let access = if args.yes { Access::Change } else { Access::Look };
    let deployment = common.open(session, access).await?;
    let mut snapshot = args.source.open(session, common, &deployment).await?;
    let queue = snapshot.taken().queue.clone();
    let ids = up_to_date(&deployment, &mut snapshot, &selector).await?;
    if ids.is_empty() {
        return Err(nothing(&queue));
    }
    if ids.len() > MOST {
        let why = format!("these are {} letters, and {MOST} can be edited at a time: choose fewer", ids.len());
        return Err(Stopped::new(Exit::Refused, why));
    }

    let plan = plan_of(&deployment, &snapshot, args.source.snapshot.as_deref())?;
    let Some(change) = change else {
        let edits = undone(&snapshot, &ids)?;
        let count = edits.len() as u64;
        if count == 0 {
            return Err(nothing_changes("none of these letters has an edit"));
        }
        if args.yes {
            let target = format!("{queue}: the edits of {} taken back", letters(count));
            let because = args.because.unwrap_or_default();
            audited(&deployment, &who, "edit-undo", target.clone(), &because).await?;
            snapshot.set_edits(&edits)?;
            audited(&deployment, &who, "edit-undo-done", target, &because).await?;
        }
        let short = Short { queue: &queue, plan: &plan, applied: args.yes, undo: true, count, unchanged: 0 };
        return told_in_short(session, common.output, &short);
    };

    let (clock, rng) = (session.clock.clone(), session.rng.clone());
    let how = how(&args);
    let editor =
        Editor { change, by: who.clone(), how, also_partly_done: args.also_partly_done, clock: &*clock, rng: &*rng };
    let redact = Redact::for_session(session, args.showing);
    let twins = snapshot.twins()?;
    all_twins(&twins, &ids)?;
    let event_of: HashMap<&str, usize> =
        twins.iter().enumerate().flat_map(|(at, twins)| twins.iter().map(move |(id, _)| (&**id, at))).collect();
    let mut becomes: Vec<Option<EventId>> =
        twins.iter().map(|twins| twins.iter().filter_map(|(_, edited)| *edited).min()).collect();
    let (mut edits, mut refused, mut unchanged, mut touched) = (Vec::new(), Vec::new(), 0, BTreeSet::new());
    let (mut shown, mut told) = (Vec::new(), String::new());
    for id in &ids {
        let Some(letter) = snapshot.letter(id)? else { continue };
        let mut becomes = event_of.get(&**id).and_then(|at| becomes.get_mut(*at));
        match editor.edit(&letter, becomes.as_deref().copied().flatten()) {
            Outcome::Unchanged => unchanged += 1,
            Outcome::Refused(refusal) => refused.push((id.clone(), refusal)),
            Outcome::Edited(edited) => {
                if let Some(becomes) = &mut becomes {
                    **becomes = Some(edited.edit.event);
                }
                touched.extend(places(&edited.before, &edited.after).iter().map(ToString::to_string));
                match common.output {
                    Output::Table if edits.len() < args.limit => told += &for_people(&letter, &edited, &redact),
                    Output::Table => {}
                    Output::Json | Output::Ndjson => shown.push(for_programs(&letter, &edited, &redact)),
                }
                edits.push((id.clone(), Some(edited.edit)));
            }
        }
    }
    // Whoever reads may go away in the midst of it: what is told to be kept is kept before.
    if !refused.is_empty() {
        let _ = session.data(told);
        return Err(told_refused(&refused, ids.len(), &Redact::for_prose(session, args.showing)));
    }
    if edits.is_empty() {
        return Err(nothing_changes("the change leaves all of these letters as they are"));
    }
    let count = edits.len() as u64;
    if args.yes {
        // The places only: what stands there may be personal.
        let places: Vec<_> = touched.iter().take(10).map(|place| one_line(place)).collect();
        let target = format!("{queue}: {} in a snapshot, at {}", letters(count), places.join(", "));
        let because = args.because.unwrap_or_default();
        audited(&deployment, &who, "edit", target.clone(), &because).await?;
        // From now on it counts: whoever has taken a snapshot in the meantime doesn't have it.
        let now = at_millis(session.clock.now());
        edits.iter_mut().filter_map(|(_, edit)| edit.as_mut()).for_each(|edit: &mut Edit| edit.at = now);
        snapshot.set_edits(&edits)?;
        audited(&deployment, &who, "edit-done", target, &because).await?;
    }
    if !told.is_empty() {
        session.data(told)?;
    }
    match common.output {
        Output::Json => {
            session.json(&json!({
                "queue": queue, "applied": args.yes, "edited": count, "unchanged": unchanged, "letters": shown,
            }))?;
            Ok(Exit::Done)
        }
        Output::Ndjson => {
            shown.iter().try_for_each(|letter| session.json_line(letter))?;
            Ok(Exit::Done)
        }
        Output::Table => {
            let short = Short { queue: &queue, plan: &plan, applied: args.yes, undo: false, count, unchanged };
            told_in_short(session, Output::Table, &short)
        }
    }
}

/// How a plan is made over this snapshot.
fn plan_of(deployment: &Deployment, snapshot: &Snapshot, named: Option<&Path>) -> Result<String, Stopped> {
    let Taken { deployment: of, queue, .. } = snapshot.taken();
    let newest = snapshot::newest(&deployment.work, of, queue, false)?;
    let file = |snapshot: &Snapshot| fs::canonicalize(snapshot.path()).ok();
    if newest.is_some_and(|newest| file(&newest) == file(snapshot)) {
        return Ok(format!("dlq plan {queue}"));
    }
    let path = named.unwrap_or(snapshot.path()).to_string_lossy();
    Ok(format!("dlq plan {queue} --snapshot {}", one_line(&path)))
}

/// Refuses to edit one letter of an event and not the others: the old event would be there still.
fn all_twins(twins: &[Vec<(String, Option<EventId>)>], chosen: &[String]) -> Result<(), Stopped> {
    let chosen: BTreeSet<&str> = chosen.iter().map(String::as_str).collect();
    let halved = twins.iter().filter(|twins| twins.iter().any(|(id, _)| chosen.contains(&**id)));
    let missing: Vec<&str> = halved.flatten().map(|(id, _)| &**id).filter(|id| !chosen.contains(id)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let mut named: Vec<_> = missing.iter().take(NAMED).map(|id| format!("--id {}", one_line(id))).collect();
    if missing.len() > NAMED {
        named.push(format!("and {} more", missing.len() - NAMED));
    }
    let others = match missing.len() {
        1 => "another letter carries the same event".to_owned(),
        count => format!("{count} other letters carry the same events"),
    };
    let why = format!(
        "{others}, which would run as it was, so nothing is edited: choose all letters of an event, also {}",
        named.join(" ")
    );
    Err(Stopped::new(Exit::Refused, why))
}

fn change(args: &Args, session: &Session) -> Result<Change, Stopped> {
    let usage = |flag: &str, why: String| Stopped::new(Exit::Usage, format_args!("{flag}: {}", lines(&why)));
    if let Some(script) = &args.script {
        return Apart::start(&session.program, script).map(Change::Script).map_err(|why| usage("--script", why));
    }
    if let Some(patch) = &args.patch {
        let text = if patch.trim_start().starts_with('[') {
            patch.clone()
        } else {
            let mut text = String::new();
            let path = session.folder.join(patch);
            let read = fs::File::open(&path).and_then(|file| file.take(16 << 20).read_to_string(&mut text));
            read.map_err(|error| {
                usage("--patch", format!("{}: {error}; a patch itself begins with `[`", path.display()))
            })?;
            text
        };
        return Change::patch(&text).map_err(|why| usage("--patch", why));
    }
    let sets = args.set.iter().map(|set| set.parse::<Set>().map_err(|why| usage(&format!("--set {set}"), why)));
    Ok(Change::Set(sets.collect::<Result<_, _>>()?))
}

fn how(args: &Args) -> Vec<String> {
    let sets = args.set.iter().map(|set| format!("--set {set}"));
    let patch = args.patch.iter().map(|patch| format!("--patch {patch}"));
    let script = args.script.iter().map(|script| format!("--script {script}"));
    sets.chain(patch).chain(script).collect()
}

fn undone(snapshot: &Snapshot, ids: &[String]) -> Result<Vec<(String, Option<Edit>)>, Stopped> {
    let mut edits = Vec::new();
    for id in ids {
        if snapshot.letter(id)?.is_some_and(|letter| letter.edit.is_some()) {
            edits.push((id.clone(), None));
        }
    }
    Ok(edits)
}

fn for_people(letter: &Letter, edited: &Edited, redact: &Redact) -> String {
    let event = letter.facts.event.as_ref();
    let about = event.map_or(String::new(), |event| format!("{} {}", event.r#type, event.id));
    let mut text = format!("letter {}: {}\n", one_line(&letter.message.message_id), one_line(&about));
    let (before, after) = (redact.envelope(edited.before.clone()), redact.envelope(edited.after.clone()));
    text += &diff(&before, &after);
    for place in places(&edited.before, &edited.after) {
        // What is hidden may look the same before and after.
        if place.get(&before) == place.get(&after) {
            let (before, after) = (outline(place.get(&edited.before)), outline(place.get(&edited.after)));
            text += &format!("  hidden: {}: {before} -> {after}\n", one_line(&redact.name(&place.to_string())));
        }
    }
    for note in &edited.notes {
        text += &format!("  note: {}\n", one_line(&redact.text(note)));
    }
    lines(&text) + "\n"
}

fn for_programs(letter: &Letter, edited: &Edited, redact: &Redact) -> Value {
    let (before, after) = (redact.envelope(edited.before.clone()), redact.envelope(edited.after.clone()));
    let changes = places(&edited.before, &edited.after).into_iter().map(|place| {
        let value = |shown: &Value, whole: &Value| match place.get(shown) {
            Some(value) => value.clone(),
            None if redact.hides() => outline(place.get(whole)).into(),
            None => Value::Null,
        };
        json!({
            "path": redact.name(&place.to_string()),
            "before": value(&before, &edited.before), "after": value(&after, &edited.after),
        })
    });
    let notes: Vec<_> = edited.notes.iter().map(|note| redact.text(note)).collect();
    json!({
        "message_id": letter.message.message_id, "event": letter.facts.event.as_ref().map(|event| event.id),
        "changes": changes.collect::<Vec<_>>(), "notes": notes,
    })
}

/// What a value looks like, without saying it.
fn outline(value: Option<&Value>) -> String {
    match value {
        None => "nothing".into(),
        Some(Value::Null) => "null".into(),
        Some(Value::Bool(_)) => "a boolean".into(),
        Some(Value::Number(_)) => "a number".into(),
        Some(Value::String(text)) => format!("a text of {} characters", text.chars().count()),
        Some(Value::Array(entries)) => format!("a list of {}", entries.len()),
        Some(Value::Object(fields)) => format!("an object of {} fields", fields.len()),
    }
}

fn told_refused(refused: &[(String, Refusal)], of: usize, redact: &Redact) -> Stopped {
    let mut text = format!("{} of {} letters can't be edited so, and none was:", refused.len(), of);
    for (id, refusal) in refused.iter().take(NAMED) {
        text += &format!("\n  {}: {}", one_line(id), one_line(&why(refusal, redact)));
    }
    if refused.len() > NAMED {
        text += &format!("\n  and {} more", refused.len() - NAMED);
    }
    text += "\nLeave them out with --where, --type or --id, or change the edit";
    Stopped::new(Exit::Refused, text)
}

/// Why a letter can't be edited, as it may be told: what is quoted there may be the letter's own words.
fn why(refusal: &Refusal, redact: &Redact) -> String {
    let told = refusal.to_string();
    match refusal {
        _ if !redact.hides() => told,
        Refusal::Script(ScriptError::Fails(_)) => "the script fails on it; --show-personal says how".to_owned(),
        _ => {
            let parts = told.split('"').enumerate();
            let parts: Vec<_> = parts.map(|(at, part)| if at % 2 == 1 { "<hidden>" } else { part }).collect();
            redact.text(&parts.join("\"")).into_owned()
        }
    }
}

fn nothing_changes(why: &str) -> Stopped {
    Stopped::new(Exit::NothingMatched, format_args!("{why}: there is nothing to do"))
}

/// What was done, in short.
struct Short<'a> {
    queue: &'a str,
    /// How a plan is made of it.
    plan: &'a str,
    applied: bool,
    undo: bool,
    count: u64,
    unchanged: u64,
}

fn told_in_short(session: &mut Session, output: Output, short: &Short<'_>) -> Result<Exit, Stopped> {
    let Short { queue, plan, applied, undo, count, unchanged } = *short;
    let doc = json!({ "queue": queue, "applied": applied, "undo": undo, "edited": count, "unchanged": unchanged });
    match output {
        Output::Json => session.json(&doc)?,
        Output::Ndjson => session.json_line(&doc)?,
        Output::Table => {
            let of = letters(count);
            match (applied, undo) {
                (false, false) => session.prose(format_args!("{of} would become new events. Nothing is kept yet: add --yes")),
                (true, false) => session.prose(format_args!(
                    "{of} will be sent as new events, instead of the old ones, by the next plan over this snapshot: `{plan}`"
                )),
                (false, true) => session.prose(format_args!("the edits of {of} would be taken back: add --yes")),
                (true, true) => session.prose(format_args!("the edits of {of} were taken back")),
            }
            if unchanged > 0 {
                session.prose(format_args!("{unchanged} stay as they are"));
            }
        }
    }
    Ok(Exit::Done)
}
