//! `dlq plan`.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::SignedDuration;
use sendoff_consumers::{DeadLetterQueue, Destination};
use sendoff_embedded::program::print::{one_line, table};
use sendoff_events::Clock;
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
    #[command(flatten)]
    wanted: Wanted,
}

/// What a plan is to do.
#[derive(Debug, clap::Args)]
pub(crate) struct Wanted {
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
    pub(crate) because: Option<String>,
}

pub(super) async fn run(session: &mut Session, common: &Common, args: Args) -> Result<Exit, Stopped> {
    let who = common.who(session)?;
    check(&args.wanted)?;
    // What makes no sense is said before anything is opened.
    Selector::new(&args.selection, &*session.clock)?;
    let deployment = common.open(session, Access::Look).await?;
    let queue = find_queue(&deployment, &args.source.queue).await?;
    let snapshot = args.source.open(session, common, &deployment).await?;
    let path = match &args.out {
        Some(path) => session.folder.join(path),
        None => default_path(&deployment, &queue.name, &*session.clock),
    };
    let Args { selection, wanted, .. } = &args;
    let planning = Planning { deployment: &deployment, queue: &queue, snapshot: &snapshot, selection, wanted, by: who };
    match planning.make(&*session.clock, &path).await? {
        Made::Plan(plan) => {
            show(session, common, &plan)?;
            return Ok(Exit::Done);
        }
        Made::NoLetter => session.prose("no letter fits: there is nothing to plan"),
        Made::NotAsked(head) => {
            subscribers(&head).into_iter().for_each(|line| session.prose(line));
            return Err(Stopped::new(Exit::Refused, NOT_ASKED));
        }
        Made::NoneSent(head) => {
            if common.output == Output::Table {
                session.data(forecasts(&head))?;
            }
            session.prose(NONE_SENT);
        }
    }
    Ok(Exit::NothingMatched)
}

/// What is said when other subscribers would get letters again, and nobody said that they may.
pub(crate) const NOT_ASKED: &str =
    "other subscribers would get these letters again: say --yes-other-subscribers if they may, or leave out `--to topic`";
/// What is said of letters that are all left where they are.
pub(crate) const NONE_SENT: &str =
    "none of these letters would be sent, so there is nothing to plan; --include and --help say what may be";

/// What a plan is made of.
pub(crate) struct Planning<'a> {
    /// Where.
    pub(crate) deployment: &'a Deployment,
    /// Of which queue.
    pub(crate) queue: &'a DeadLetterQueue,
    /// Its letters.
    pub(crate) snapshot: &'a Snapshot,
    /// Which of them.
    pub(crate) selection: &'a Selection,
    /// What it is to do.
    pub(crate) wanted: &'a Wanted,
    /// Who makes it.
    pub(crate) by: String,
}

/// What came of it.
pub(crate) enum Made {
    /// A plan, which is written.
    Plan(Box<Plan>),
    /// No letter fits.
    NoLetter,
    /// None of them would be sent.
    NoneSent(Box<Head>),
    /// Others would get them again, and may not.
    NotAsked(Box<Head>),
}

impl Planning<'_> {
    /// Makes the plan, and writes it to `path` if it is one.
    pub(crate) async fn make(self, clock: &dyn Clock, path: &Path) -> Result<Made, Stopped> {
        let Self { deployment, queue, snapshot, selection, wanted, by } = self;
        check(wanted)?;
        let selector = Selector::new(selection, clock)?;
        let to = match (&wanted.to, queue.kind.target()) {
            (Some(to), _) => to.clone(),
            (None, Some(target)) => To(Destination::Queue(target.to_owned())),
            (None, None) => {
                let why = format!("nothing says where the letters of `{}` go back to: name it with --to queue:NAME", queue.name);
                return Err(Stopped::new(Exit::Usage, why));
            }
        };
        let now = sendoff_events::at_millis(clock.now());
        let Wanted { include, force_rerun, max_replays, .. } = wanted;
        let order = Order {
            head: head(wanted, selection, deployment, snapshot, by, to, now),
            wish: Wish { include: include.clone(), force_rerun: *force_rerun, max_replays: *max_replays },
            snapshot,
            selector: &selector,
            letters: &*deployment.letters,
            records: &*deployment.records,
            keep: deployment.inbox_keep,
            is_billed: deployment.backend == Backend::Aws,
            now,
        };
        let Some(draft) = plan::Planned::of(order, path).await? else { return Ok(Made::NoLetter) };
        let head = draft.head();
        if *force_rerun && let Some(doubts) = head.forecasts.get(&Forecast::InDoubt) {
            let why = format!(
                "{} may have had their effect already, and a forced rerun doesn't go over that: settle them with `sendoff doubt resolve` \
                 first, or leave them out with --where 'ledger.status == \"done\"'",
                letters(*doubts)
            );
            return Err(Stopped::new(Exit::Refused, why));
        }
        if !head.other_subscribers.is_empty() && !wanted.yes_other_subscribers {
            return Ok(Made::NotAsked(Box::new(head.clone())));
        }
        if head.send == 0 {
            return Ok(Made::NoneSent(Box::new(head.clone())));
        }
        Ok(Made::Plan(Box::new(draft.write()?)))
    }
}

/// Where a plan of this queue is written that is made now.
pub(crate) fn default_path(deployment: &Deployment, queue: &str, clock: &dyn Clock) -> PathBuf {
    let name = queue.replace(['/', '\\', ':'], "_");
    plan::folder(&deployment.work).join(format!("{name}-{}.plan", clock.now().strftime("%Y%m%dT%H%M%SZ")))
}

fn check(wanted: &Wanted) -> Result<(), Stopped> {
    for (forecast, why) in [
        (Forecast::InDoubt, "what is in doubt is never sent: settle it with `sendoff doubt resolve`, which knows its options"),
        (Forecast::Unsendable, "what can't be sent can't be included: `dlq show` says why"),
        (Forecast::Done, "what is done is only sent with --force-rerun --because TEXT"),
    ] {
        if wanted.include.contains(&forecast) {
            return Err(Stopped::new(Exit::Refused, why));
        }
    }
    if wanted.because.as_ref().is_some_and(|because| because.trim().is_empty()) {
        return Err(Stopped::new(Exit::Usage, "--because is empty: say why, it is written into the audit"));
    }
    Ok(())
}

fn head(
    wanted: &Wanted,
    selection: &Selection,
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
        selection: as_typed(selection),
        snapshot: snapshot.path().file_name().unwrap_or_default().to_string_lossy().into_owned(),
        snapshot_at: taken.begun_at,
        rate: wanted.rate,
        canary: wanted.canary.iter().copied().filter(|rung| *rung > 0).collect(),
        watch_s: wanted.watch.as_secs(),
        stop: Stops {
            returned_share: f64::from(wanted.max_returned) / 100.0,
            backlog_age_s: wanted.max_backlog_age.map(|age| age.as_secs()),
            backlog: wanted.max_backlog,
            patience_s: wanted.patience.as_secs(),
        },
        max_replays: wanted.max_replays,
        include: wanted.include.clone(),
        force_rerun: wanted.because.clone().filter(|_| wanted.force_rerun),
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
    let canary: Vec<String> = head.canary.iter().map(ToString::to_string).collect();
    let canary = if canary.is_empty() { "without a canary".to_owned() } else { format!("{} first, each watched for {}", canary.join(", then "), span(head.watch())) };
    let mut told = vec![format!(
        "sends {} of `{}` to {}, {rate}, {canary}; about {}{}",
        letters(head.send),
        one_line(&head.queue),
        one_line(&head.to.to_string()),
        span(Duration::from_secs(seconds)),
        if calls == 0 { String::new() } else { format!(", {calls} calls, ${usd:.6}") }
    )];
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

/// The table of what would become of the letters.
pub(crate) fn forecasts(head: &Head) -> String {
    let rows = head.forecasts.iter().map(|(forecast, count)| {
        let sent = head.sends(*forecast);
        [forecast.to_string(), count.to_string(), if sent { "sent" } else { "left" }.to_owned(), forecast.meaning().to_owned()]
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
    told.collect()
}

/// A span of time as it is typed: `30s`, `2h`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let span = text.parse::<SignedDuration>().ok().and_then(|span| Duration::try_from(span).ok());
    span.ok_or_else(|| "write it with its unit, such as `30s`, `10m` or `2h`".to_owned())
}
