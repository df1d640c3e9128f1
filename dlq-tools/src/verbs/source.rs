//! The queue that a verb is about, and the snapshot that it works on.

use std::{path::PathBuf, time::Duration};

use sendoff_consumers::{DeadLetterKind, DeadLetterQueue, Stop};
use sendoff_events::Timestamp;
use sendoff_host::{Exit, Stopped};

use super::Common;
use crate::{
    Session,
    deployment::Deployment,
    snapshot::{
        self, Snapshot,
        take::{self, Taking, stopped},
    },
};

/// For how long letters are leased at a time while a snapshot is taken.
pub(crate) const HOLD: Duration = Duration::from_secs(600);

/// Which queue, and which snapshot of it.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Source {
    /// The queue: its name as `dlq ls` shows it, or its consumer's
    pub(crate) queue: String,
    /// This snapshot; by default the newest of the queue, and if there is none, one is taken
    #[arg(long, value_name = "FILE")]
    pub(crate) snapshot: Option<PathBuf>,
    /// Takes a new snapshot first
    #[arg(long, conflicts_with = "snapshot")]
    pub(crate) fresh: bool,
}

impl Source {
    /// Opens the snapshot, and says on stderr which one it is and how old.
    pub(crate) async fn open(
        &self,
        session: &mut Session,
        _common: &Common,
        deployment: &Deployment,
    ) -> Result<Snapshot, Stopped> {
        let queue = find_queue(deployment, &self.queue).await?;
        let name = deployment.letters.deployment();
        let snapshot = match &self.snapshot {
            Some(path) => of_this(Snapshot::open(&session.folder.join(path))?, &name, &queue)?,
            None if self.fresh => fresh(session, deployment, &queue).await?,
            None => match snapshot::newest(&deployment.work, &name, &queue.name, false)? {
                Some(snapshot) => snapshot,
                None => fresh(session, deployment, &queue).await?,
            },
        };
        let taken = snapshot.taken();
        let age = session.clock.now().duration_since(taken.begun_at).as_secs().max(0).unsigned_abs();
        let unfinished = if taken.ended_at.is_none() { ", which wasn't taken to its end" } else { "" };
        let name = snapshot.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
        let count = snapshot.count()?;
        session.prose(format_args!(
            "{} of `{}` as of {} ago, in {name}{unfinished}",
            letters(count),
            queue.name,
            span(Duration::from_secs(age))
        ));
        Ok(snapshot)
    }
}

/// The dead-letter queue of this name, or the consumer's of this name.
///
/// # Errors
///
/// With [`Exit::NothingMatched`] and the names that there are.
pub(crate) async fn find_queue(deployment: &Deployment, name: &str) -> Result<DeadLetterQueue, Stopped> {
    let queues = deployment.letters.queues(Timestamp::MAX).await.map_err(stopped)?;
    let place = queues.iter().position(|queue| queue.name == name).or_else(|| {
        let is_of = |kind: &DeadLetterKind| match kind {
            DeadLetterKind::Consumer(consumer) | DeadLetterKind::Reaction(consumer) => consumer == name,
            DeadLetterKind::Undelivered(_) | DeadLetterKind::Foreign => false,
        };
        // A consumer may have further queues, such as a quarantine: its own is `NAME-dlq`.
        let own = format!("{name}-dlq");
        let own = queues.iter().position(|queue| queue.name.trim_end_matches(".fifo") == own && is_of(&queue.kind));
        own.or_else(|| queues.iter().position(|queue| is_of(&queue.kind)))
    });
    let names: Vec<_> = queues.iter().map(|queue| &*queue.name).collect();
    let there_are = match &names[..] {
        [] => "there are none in this deployment".to_owned(),
        names => format!("there are: {}", names.join(", ")),
    };
    let name = name.escape_debug();
    let missing =
        || Stopped::new(Exit::NothingMatched, format_args!("there is no dead-letter queue `{name}`; {there_are}"));
    place.and_then(|place| queues.get(place).cloned()).ok_or_else(missing)
}

fn of_this(snapshot: Snapshot, deployment: &str, queue: &DeadLetterQueue) -> Result<Snapshot, Stopped> {
    let taken = snapshot.taken();
    if (&*taken.deployment, &taken.queue) != (deployment, &queue.name) {
        let why = format!(
            "{} is a snapshot of `{}` of {}, and this is `{}` of {deployment}: nothing is done with one on the other. Name the \
             snapshot's queue, or the deployment with --backend",
            snapshot.path().display(),
            taken.queue,
            taken.deployment,
            queue.name
        );
        return Err(Stopped::new(Exit::Refused, why));
    }
    Ok(snapshot)
}

async fn fresh(session: &Session, deployment: &Deployment, queue: &DeadLetterQueue) -> Result<Snapshot, Stopped> {
    let path = snapshot::file(&deployment.work, &queue.name, session.clock.now());
    let ports = take::Ports { letters: &*deployment.letters, blobs: &*deployment.blobs, clock: &*session.clock };
    Ok(take::take(ports, queue, &Taking { path, hold: HOLD, max: None, stop: Stop::never() }, &mut |_| ())
        .await?
        .snapshot)
}

/// `1 letter`, `2 letters`.
pub(crate) fn letters(count: u64) -> String {
    if count == 1 { "1 letter".into() } else { format!("{count} letters") }
}

/// A span of time in its two greatest units: `2d 4h`, `3m 20s`, `0s`.
pub(crate) fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    let units = [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)];
    let first = units.iter().position(|(_, size)| seconds >= *size).unwrap_or(units.len() - 1);
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (unit, size) in units.iter().skip(first).take(2) {
        let count = rest / size;
        rest %= size;
        if count > 0 || parts.is_empty() {
            parts.push(format!("{count}{unit}"));
        }
    }
    parts.join(" ")
}
