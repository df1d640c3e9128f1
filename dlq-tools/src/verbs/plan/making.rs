//! From what somebody wants to a plan.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use sendoff_consumers::{DeadLetterQueue, DeadLettersError, Destination};
use sendoff_embedded::program::print::one_line;
use sendoff_events::{Clock, Timestamp};
use sendoff_host::{Exit, Stopped};

use super::{Wanted, check};
use crate::{
    deployment::{Backend, Deployment},
    plan::{self, Estimate, Forecast, Head, Order, Plan, PlanError, Stops, To, Wish},
    select::{self, Selection, Selector},
    snapshot::{self, Snapshot, take::stopped},
    verbs::source::letters,
};

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
    /// Makes the plan, and writes it if it is one: to the file that is named, or into the work folder.
    pub(crate) async fn make(self, clock: &dyn Clock, named: Option<&Path>) -> Result<Made, Stopped> {
        let Self { deployment, queue, snapshot, selection, wanted, by } = self;
        check(wanted)?;
        let selector = Selector::new(selection, clock)?;
        none_edited_since(deployment, queue, snapshot, &selector)?;
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
        let place = || named.map_or_else(|| default_path(deployment, &queue.name, clock), Path::to_owned);
        let Some(mut draft) = plan::Planned::of(order, &place()).await? else { return Ok(Made::NoLetter) };
        let head = draft.head();
        if *force_rerun && let Some(doubts) = head.forecasts.get(&Forecast::InDoubt) {
            let why = format!(
                "{} may have had their effect already, and a forced rerun doesn't go over that: settle them with `sendoff doubt resolve` \
                 first, or leave them out with --where 'ledger.status == \"done\"'",
                letters(*doubts)
            );
            return Err(Stopped::new(Exit::Refused, why));
        }
        if !draft.failed_elsewhere().is_empty() && !wanted.yes_other_consumer {
            return Err(elsewhere(&head.to, draft.failed_elsewhere()));
        }
        if let Some((why, count)) = draft.missed().first_key_value() {
            let why = format!(
                "{} would come to nobody, and be gone: {why}. Leave out `--to topic`, or subscribe it first",
                letters(*count)
            );
            return Err(Stopped::new(Exit::Refused, why));
        }
        if !head.other_subscribers.is_empty() && !wanted.yes_other_subscribers {
            return Ok(Made::NotAsked(Box::new(head.clone())));
        }
        if head.send == 0 {
            return Ok(Made::NoneSent(Box::new(head.clone())));
        }
        if wanted.max_backlog_age.is_some() {
            age_shows(deployment, &head.queues(queue.kind.target())).await?;
        }
        let mut tries = 100;
        loop {
            tries -= 1;
            match draft.write(&place()) {
                // Somebody else made one within the same second.
                Err(PlanError::Taken(_)) if named.is_none() && tries > 0 => {}
                written => return Ok(Made::Plan(Box::new(written?))),
            }
        }
    }
}

/// Refuses to plan over a snapshot whose letters were edited in another one since: the old events would be sent.
fn none_edited_since(
    deployment: &Deployment,
    queue: &DeadLetterQueue,
    snapshot: &Snapshot,
    selector: &Selector,
) -> Result<(), Stopped> {
    let since = snapshot::edited_since(snapshot, &snapshot::of_queue(&deployment.work, &queue.name)?)?;
    let mut edited = BTreeMap::<&Path, u64>::new();
    if !since.is_empty() {
        select::each(snapshot, selector, |letter| {
            let of = since.get(&letter.message.message_id);
            of.into_iter().for_each(|path| *edited.entry(path).or_default() += 1);
            Ok(ControlFlow::Continue(()))
        })?;
    }
    let Some((path, count)) = edited.first_key_value() else { return Ok(()) };
    let why = format!(
        "{} edited in {2} since this snapshot was taken, and would be sent as before: plan over that one with --snapshot {2}, take a new \
         one with --fresh, which takes the edits over, or take them back with `dlq edit {1} --snapshot {2} --undo --yes`",
        if *count == 1 { "1 letter was".to_owned() } else { format!("{count} letters were") },
        queue.name,
        path.display()
    );
    Err(Stopped::new(Exit::Refused, why))
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

/// Refuses a limit for the age of what waits where that can't be seen: the run would wait for nothing.
async fn age_shows(deployment: &Deployment, queues: &[String]) -> Result<(), Stopped> {
    for queue in queues {
        if let Err(error) = deployment.letters.oldest(queue).await {
            let Stopped { exit, message } = stopped(error);
            let why = format!(
                "--max-backlog-age: how long messages wait in `{}` can't be seen, so the run would only wait: {}. Let it be seen, or \
                 use --max-backlog N",
                one_line(queue),
                message.unwrap_or_default()
            );
            return Err(Stopped::new(exit, why));
        }
    }
    Ok(())
}

/// Refuses letters that failed at other consumers than the one that would get them.
fn elsewhere(to: &To, failed: &BTreeMap<String, u64>) -> Stopped {
    let failed: Vec<_> =
        failed.iter().map(|(consumer, count)| format!("{} at `{}`", letters(*count), one_line(consumer))).collect();
    let why = format!(
        "not all of these letters failed at the consumer of {}, which may have done them already: {} failed. `dlq show` says of each \
         which; choose the others by --id, or say --yes-other-consumer if it is to run them all. The forecast is then by what that one \
         has recorded",
        one_line(&to.to_string()),
        failed.join(", ")
    );
    Stopped::new(Exit::Refused, why)
}

/// Where a plan of this queue is written that is made now, as long as nobody else writes one there.
fn default_path(deployment: &Deployment, queue: &str, clock: &dyn Clock) -> PathBuf {
    let name = queue.replace(['/', '\\', ':'], "_");
    let name = format!("{name}-{}", clock.now().strftime("%Y%m%dT%H%M%SZ"));
    let folder = plan::folder(&deployment.work);
    let names = (2..).map(|count| format!("{name}-{count}.plan"));
    let free =
        std::iter::once(format!("{name}.plan")).chain(names).map(|name| folder.join(name)).find(|path| !path.exists());
    free.unwrap_or_else(|| folder.join(name))
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
        forecasts: BTreeMap::new(),
        sent: BTreeMap::new(),
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
