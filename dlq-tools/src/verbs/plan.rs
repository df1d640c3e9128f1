//! `dlq plan`.

use std::{path::PathBuf, time::Duration};

use jiff::SignedDuration;
use sendoff_consumers::Destination;
use sendoff_embedded::program::print::{one_line, table};
use sendoff_host::{Exit, Stopped};
use serde_json::json;

use super::{
    Common, Output,
    source::{Source, find_queue, letters, span},
};
use crate::{
    Session,
    deployment::{Access, Backend, Deployment},
    plan::{self, Estimate, Forecast, Head, Order, Plan, Stops, To, Wish},
    select::{Selection, Selector},
    snapshot::Snapshot,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    selection: Selection,
    /// Where the plan is written; by default into the work folder
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Where the letters are sent: `topic`, or `queue:NAME`. By default the queue of the consumer that they failed at
    #[arg(long, value_name = "WHERE")]
    to: Option<To>,
    /// Writes the plan although other subscribers of the topic get the letters again
    #[arg(long)]
    yes_other_subscribers: bool,
    /// How many letters are sent a second at most; 0 for no limit
    #[arg(long, value_name = "N", default_value_t = 100)]
    rate: u32,
    /// How many letters are sent before each pause to watch; then the rest. 0 for no such steps
    #[arg(long, value_name = "N,N,…", value_delimiter = ',', default_value = "1,10,100")]
    canary: Vec<u64>,
    /// For how long what was sent is watched, unless all of it has come to an end before
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    watch: Duration,
    /// Pauses the run when a greater share than this of what is watched has failed again, in per cent
    #[arg(long, value_name = "PERCENT", default_value_t = 10, value_parser = clap::value_parser!(u8).range(0..=100))]
    max_returned: u8,
    /// Lets the run wait while the oldest message of the destination has waited for longer than this
    #[arg(long, value_name = "TIME", value_parser = duration)]
    max_backlog_age: Option<Duration>,
    /// Lets the run wait while more messages than this wait at the destination
    #[arg(long, value_name = "N")]
    max_backlog: Option<u64>,
    /// Pauses a run that has waited for so long
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = duration)]
    patience: Duration,
    /// A letter that was replayed so often is a loop, and is left where it is
    #[arg(long, value_name = "N", default_value_t = 3)]
    max_replays: u32,
    /// Also sends letters of this forecast: `overtaken`, `loop`, `too-old`; may be repeated
    #[arg(long, value_name = "FORECAST", value_enum)]
    include: Vec<Forecast>,
    /// Also sends what is done already, so that it is done once more
    #[arg(long, requires = "because")]
    force_rerun: bool,
    /// Why, for the audit
    #[arg(long, value_name = "TEXT")]
    because: Option<String>,
}

pub(super) async fn run(session: &mut Session, common: &Common, args: Args) -> Result<Exit, Stopped> {
    let who = common.who(session)?;
    check(&args)?;
    let selector = Selector::new(&args.selection, &*session.clock)?;
    let deployment = common.open(session, Access::Look).await?;
    let queue = find_queue(&deployment, &args.source.queue).await?;
    let snapshot = args.source.open(session, common, &deployment).await?;
    let to = match (&args.to, queue.kind.target()) {
        (Some(to), _) => to.clone(),
        (None, Some(target)) => To(Destination::Queue(target.to_owned())),
        (None, None) => {
            let why = format!("nothing says where the letters of `{}` go back to: name it with --to queue:NAME", queue.name);
            return Err(Stopped::new(Exit::Usage, why));
        }
    };
    let now = sendoff_events::at_millis(session.clock.now());
    let path = match &args.out {
        Some(path) => session.folder.join(path),
        None => {
            let name = queue.name.replace(['/', '\\', ':'], "_");
            plan::folder(&deployment.work).join(format!("{name}-{}.plan", now.strftime("%Y%m%dT%H%M%SZ")))
        }
    };
    let Args { include, force_rerun, max_replays, .. } = &args;
    let order = Order {
        head: head(&args, &deployment, &snapshot, who, to, now),
        wish: Wish { include: include.clone(), force_rerun: *force_rerun, max_replays: *max_replays },
        snapshot: &snapshot,
        selector: &selector,
        letters: &*deployment.letters,
        records: &*deployment.records,
        keep: deployment.inbox_keep,
        is_billed: deployment.backend == Backend::Aws,
        now,
    };
    let draft = plan::Planned::of(order, &path).await?;
    let Some(draft) = draft else {
        session.prose("no letter fits: there is nothing to plan");
        return Ok(Exit::NothingMatched);
    };
    let head = draft.head();
    if *force_rerun && let Some(doubts) = head.forecasts.get(&Forecast::InDoubt) {
        let why = format!(
            "{} may have had their effect already, and a forced rerun doesn't go over that: settle them with `sendoff doubt resolve` \
             first, or leave them out with --where 'ledger.status == \"done\"'",
            letters(*doubts)
        );
        return Err(Stopped::new(Exit::Refused, why));
    }
    if !head.other_subscribers.is_empty() && !args.yes_other_subscribers {
        show_subscribers(session, head);
        let why = "other subscribers would get these letters again: say --yes-other-subscribers if they may, or leave out `--to topic`";
        return Err(Stopped::new(Exit::Refused, why));
    }
    if head.send == 0 {
        show_forecasts(session, common, head)?;
        session.prose("none of these letters would be sent, so there is nothing to plan; --include and --help say what may be");
        return Ok(Exit::NothingMatched);
    }
    let plan = draft.write()?;
    show(session, common, &plan)?;
    Ok(Exit::Done)
}

fn check(args: &Args) -> Result<(), Stopped> {
    for (forecast, why) in [
        (Forecast::InDoubt, "what is in doubt is never sent: settle it with `sendoff doubt resolve`, which knows its options"),
        (Forecast::Unsendable, "what can't be sent can't be included: `dlq show` says why"),
        (Forecast::Done, "what is done is only sent with --force-rerun --because TEXT"),
    ] {
        if args.include.contains(&forecast) {
            return Err(Stopped::new(Exit::Refused, why));
        }
    }
    if args.because.as_ref().is_some_and(|because| because.trim().is_empty()) {
        return Err(Stopped::new(Exit::Usage, "--because is empty: say why, it is written into the audit"));
    }
    Ok(())
}

fn head(
    args: &Args,
    deployment: &Deployment,
    snapshot: &Snapshot,
    by: String,
    to: To,
    at: sendoff_events::Timestamp,
) -> Head {
    let taken = snapshot.taken();
    Head {
        plan: 1,
        deployment: taken.deployment.clone(),
        queue: taken.queue.clone(),
        to,
        by,
        at,
        selection: as_typed(&args.selection),
        snapshot: snapshot.path().file_name().unwrap_or_default().to_string_lossy().into_owned(),
        snapshot_at: taken.begun_at,
        rate: args.rate,
        canary: args.canary.iter().copied().filter(|rung| *rung > 0).collect(),
        watch_s: args.watch.as_secs(),
        stop: Stops {
            returned_share: f64::from(args.max_returned) / 100.0,
            backlog_age_s: args.max_backlog_age.map(|age| age.as_secs()),
            backlog: args.max_backlog,
            patience_s: args.patience.as_secs(),
        },
        max_replays: args.max_replays,
        include: args.include.clone(),
        force_rerun: args.because.clone().filter(|_| args.force_rerun),
        approvals: u32::from(deployment.needs_approval),
        send: 0,
        leave: 0,
        forecasts: std::collections::BTreeMap::new(),
        estimate: Estimate { calls: 0, usd: 0.0, seconds: 0 },
        other_subscribers: Vec::new(),
    }
}

/// The flags of a selection, as they were typed.
fn as_typed(selection: &Selection) -> Vec<String> {
    let Selection { condition, event_type, tenant, since, until, reason, group, ids } = selection;
    let one = |flag: &str, value: &Option<String>| value.as_ref().map(|value| format!("--{flag} {value}"));
    let flags = [
        one("where", condition),
        one("type", event_type),
        one("tenant", tenant),
        one("since", since),
        one("until", until),
        one("reason", reason),
        one("group", group),
    ];
    flags.into_iter().flatten().chain(ids.iter().map(|id| format!("--id {id}"))).collect()
}

/// Says what a plan would do.
pub(super) fn show(session: &mut Session, common: &Common, plan: &Plan) -> Result<(), Stopped> {
    let head = plan.head();
    let document = || json!({ "plan": plan.path(), "hash": plan.hash(), "head": head });
    match common.output {
        Output::Json => session.json(&document())?,
        Output::Ndjson => session.json_line(&document())?,
        Output::Table => show_forecasts(session, common, head)?,
    }
    let Estimate { calls, usd, seconds } = head.estimate;
    let rate = if head.rate == 0 { "as fast as it goes".to_owned() } else { format!("at most {} a second", head.rate) };
    let canary: Vec<String> = head.canary.iter().map(ToString::to_string).collect();
    let canary = if canary.is_empty() { "without a canary".to_owned() } else { format!("{} first, each watched for {}", canary.join(", then "), span(head.watch())) };
    session.prose(format_args!(
        "sends {} of `{}` to {}, {rate}, {canary}; about {}{}",
        letters(head.send),
        one_line(&head.queue),
        one_line(&head.to.to_string()),
        span(Duration::from_secs(seconds)),
        if calls == 0 { String::new() } else { format!(", {calls} calls, ${usd:.6}") }
    ));
    show_subscribers(session, head);
    if let Some(because) = &head.force_rerun {
        session.prose(format_args!("what is done already is done ONCE MORE: {}", one_line(because)));
    }
    let name = plan.path().display();
    let short = plan.hash().get(..12).unwrap_or_default();
    session.prose(format_args!("plan {name}\nhash {}", plan.hash()));
    if head.approvals > 0 {
        session.prose(format_args!("somebody else has to approve it: dlq approve {name} {short}"));
    }
    session.prose(format_args!("carry it out: dlq run {name} --apply {short}"));
    Ok(())
}

fn show_forecasts(session: &mut Session, common: &Common, head: &Head) -> Result<(), Stopped> {
    if common.output != Output::Table {
        return Ok(());
    }
    let rows = head.forecasts.iter().map(|(forecast, count)| {
        let sent = head.sends(*forecast);
        [forecast.to_string(), count.to_string(), if sent { "sent" } else { "left" }.to_owned(), forecast.meaning().to_owned()]
    });
    Ok(session.data(table(["FORECAST", "LETTERS", "THEN", "MEANS"], rows))?)
}

fn show_subscribers(session: &mut Session, head: &Head) {
    for other in &head.other_subscribers {
        session.prose(format_args!(
            "`{}` would get {} of type {} again, and has done {} of them",
            one_line(&other.queue),
            letters(other.letters),
            one_line(&other.r#type),
            other.done
        ));
    }
}

/// A span of time as it is typed: `30s`, `2h`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let span = text.parse::<SignedDuration>().ok().and_then(|span| Duration::try_from(span).ok());
    span.ok_or_else(|| "write it with its unit, such as `30s`, `10m` or `2h`".to_owned())
}
