//! `dlq plan`.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::SignedDuration;
use sendoff_consumers::{DeadLetterQueue, DeadLettersError, Destination};
use sendoff_embedded::program::print::{one_line, table};
use sendoff_events::{Clock, Timestamp};
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
    snapshot::{Snapshot, take::stopped},
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
    /// Sends letters to a queue of another consumer than the one that they failed at
    #[arg(long)]
    yes_other_consumer: bool,
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
    /// Also sends letters of this forecast: `overtaken`, `loop`, `too-old`, `unreadable`; may be repeated
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
pub(crate) const NOT_ASKED: &str = "other subscribers would get these letters again: say --yes-other-subscribers if they may, or leave out `--to topic`";
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
                let why = format!(
                    "nothing says where the letters of `{}` go back to: name it with --to queue:NAME",
                    queue.name
                );
                return Err(Stopped::new(Exit::Usage, why));
            }
        };
        if let Destination::Queue(name) = &to.0 {
            destination(deployment, queue, name, wanted).await?;
        }
        if deployment.backend == Backend::Aws && wanted.max_backlog_age.is_some() {
            let why = "--max-backlog-age: SQS doesn't say how long its oldest message has waited, so the run would never wait; use \
                       --max-backlog N";
            return Err(Stopped::new(Exit::Usage, why));
        }
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

/// Refuses to send letters where nobody serves them.
async fn destination(
    deployment: &Deployment,
    queue: &DeadLetterQueue,
    name: &str,
    wanted: &Wanted,
) -> Result<(), Stopped> {
    let queues = deployment.letters.queues(Timestamp::MAX).await.map_err(stopped)?;
    let shown = one_line(name);
    if queues.iter().any(|queue| queue.name == name) {
        let why = format!(
            "`{shown}` is a dead-letter queue: nobody would run what is sent there. Name a consumer's queue, or put letters aside with \
             `dlq quarantine`"
        );
        return Err(Stopped::new(Exit::Refused, why));
    }
    match deployment.letters.backlog(name).await {
        Ok(_) => {}
        Err(DeadLettersError::NoSuchQueue(_)) => {
            let subscribers = deployment.letters.subscribers().await.map_err(stopped)?;
            let subscribed = subscribers.iter().map(|subscriber| &*subscriber.queue);
            let names: BTreeSet<&str> =
                queues.iter().filter_map(|queue| queue.kind.target()).chain(subscribed).collect();
            let names = names.into_iter().map(one_line).collect::<Vec<_>>().join(", ");
            let why = format!("there is no queue `{shown}` to send to; there are: {names}");
            return Err(Stopped::new(Exit::NothingMatched, why));
        }
        Err(error) => return Err(stopped(error)),
    }
    match queue.kind.target() {
        Some(target) if target != name && !wanted.yes_other_consumer => {
            let why = format!(
                "the letters of `{}` failed at `{}`, and `{shown}` is another consumer, which may have done them already: say \
                 --yes-other-consumer if it is to run them. The forecast is then by what that one has recorded",
                one_line(&queue.name),
                one_line(target)
            );
            Err(Stopped::new(Exit::Refused, why))
        }
        _ => Ok(()),
    }
}

/// Where a plan of this queue is written that is made now.
pub(crate) fn default_path(deployment: &Deployment, queue: &str, clock: &dyn Clock) -> PathBuf {
    let name = queue.replace(['/', '\\', ':'], "_");
    let name = format!("{name}-{}", clock.now().strftime("%Y%m%dT%H%M%SZ"));
    let folder = plan::folder(&deployment.work);
    let names = (2..).map(|count| format!("{name}-{count}.plan"));
    let free =
        std::iter::once(format!("{name}.plan")).chain(names).map(|name| folder.join(name)).find(|path| !path.exists());
    free.unwrap_or_else(|| folder.join(name))
}

fn check(wanted: &Wanted) -> Result<(), Stopped> {
    for (forecast, why) in [
        (
            Forecast::InDoubt,
            "what is in doubt is never sent: settle it with `sendoff doubt resolve`, which knows its options",
        ),
        (Forecast::Unsendable, "what can't be sent can't be included: `dlq show` says why"),
        (
            Forecast::Replaced,
            "what was replaced can't be included: only the edited letter is sent. `dlq edit --undo` takes the edit back",
        ),
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
    at: Timestamp,
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
        sent: std::collections::BTreeMap::new(),
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
        stops(&head.stop),
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
fn stops(stop: &Stops) -> String {
    let age = stop
        .backlog_age_s
        .map(|age| format!("the oldest message there is older than {}", span(Duration::from_secs(age))));
    let depth = stop.backlog.map(|count| format!("more than {count} messages wait there"));
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

/// A span of time as it is typed: `30s`, `2h`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let span = text.parse::<SignedDuration>().ok().and_then(|span| Duration::try_from(span).ok());
    span.ok_or_else(|| "write it with its unit, such as `30s`, `10m` or `2h`".to_owned())
}
