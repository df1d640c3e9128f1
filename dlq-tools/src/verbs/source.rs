//! The queue that a verb is about, and the snapshot that it works on.

use std::{fmt::Write as _, path::PathBuf, pin::pin, sync::Arc, time::Duration};

use futures::future::{Either, select};
use sendoff_consumers::{DeadLetterKind, DeadLetterQueue, Stop};
use sendoff_embedded::program::print::one_line;
use sendoff_events::Timestamp;
use sendoff_host::{Exit, Signals, Stopped};

use super::Common;
use crate::{
    Session,
    deployment::Deployment,
    snapshot::{
        self, Snapshot, SnapshotError, moved,
        take::{self, TakeError, Taking, Took, stopped},
    },
};

/// For how long letters are leased at a time while a snapshot is taken.
pub(crate) const HOLD: Duration = Duration::from_secs(600);

/// A snapshot of a later moment than so far ahead was taken while the clock was wrong.
const AHEAD: Duration = Duration::from_secs(60);

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
                Some(snapshot) => up_to_date(session, deployment, &queue, snapshot).await?,
                None => fresh(session, deployment, &queue).await?,
            },
        };
        let taken = snapshot.taken();
        let seconds = session.clock.now().duration_since(taken.begun_at).as_secs();
        let age = span(Duration::from_secs(seconds.unsigned_abs()));
        let age = if seconds < 0 { format!("{age} from now, by this clock") } else { format!("{age} ago") };
        let part = match taken {
            taken if taken.ended_at.is_none() => ", which wasn't taken to its end",
            taken if taken.is_cut_off => ", which --max cut off",
            _ => "",
        };
        let name = snapshot.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
        let count = snapshot.count()?;
        session.prose(format_args!(
            "{} of `{}` as of {age}, in {name}{part}",
            if count < taken.depth { format!("{count} of about {}", letters(taken.depth)) } else { letters(count) },
            queue.name,
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
    // A consumer may have further queues, a quarantine or what wasn't delivered to it: its own is what it failed at.
    let is_of = |kind: &DeadLetterKind| match kind {
        DeadLetterKind::Consumer(consumer) | DeadLetterKind::Reaction(consumer) => consumer == name,
        _ => false,
    };
    let named = queues.iter().find(|queue| queue.name == name);
    if let Some(queue) = named.or_else(|| queues.iter().find(|queue| is_of(&queue.kind))) {
        return Ok(queue.clone());
    }
    let names: Vec<_> = queues.iter().map(|queue| &*queue.name).collect();
    let there_are = match &names[..] {
        [] => "there are none in this deployment".to_owned(),
        names => format!("there are: {}", names.join(", ")),
    };
    let name = name.escape_debug();
    Err(Stopped::new(Exit::NothingMatched, format_args!("there is no dead-letter queue `{name}`; {there_are}")))
}

fn of_this(snapshot: Snapshot, deployment: &str, queue: &DeadLetterQueue) -> Result<Snapshot, Stopped> {
    let taken = snapshot.taken();
    if (&*taken.deployment, &taken.queue) != (deployment, &queue.name) {
        let why = format!(
            "{} is a snapshot of `{}` of {}, and this is `{}` of {deployment}: nothing is done with one on the other. Name the \
             snapshot's queue, or the deployment with --backend",
            snapshot.path().display(),
            one_line(&taken.queue),
            one_line(&taken.deployment),
            queue.name
        );
        return Err(Stopped::new(Exit::Refused, why));
    }
    Ok(snapshot)
}

/// The snapshot, or a new one if letters of the queue were moved from here since it was taken. One with edits stays: they were made
/// looking at it.
async fn up_to_date(
    session: &mut Session,
    deployment: &Deployment,
    queue: &DeadLetterQueue,
    snapshot: Snapshot,
) -> Result<Snapshot, Stopped> {
    let taken = snapshot.taken();
    if taken.begun_at > session.clock.now().checked_add(AHEAD).unwrap_or(Timestamp::MAX) {
        let ahead = "the newest snapshot was taken while the clock was ahead, and what was moved since isn't known";
        if snapshot.edited()?.is_empty() {
            session.prose(format_args!("{ahead}: a new one is taken"));
            return fresh(session, deployment, queue).await;
        }
        session.prose(format_args!("{ahead}; it has edits and is kept: --fresh takes a new one, with the edits"));
        return Ok(snapshot);
    }
    let Some(moved) = moved::since(&deployment.work, &taken.deployment, &queue.name, taken.begun_at) else {
        return Ok(snapshot);
    };
    let by = format!("{} moved letters of `{}` since the newest snapshot", moved.by, queue.name);
    if moved.is_under_way {
        session.prose(format_args!("{by}, and hasn't ended: this is how it was before; --fresh looks again"));
    } else if !snapshot.edited()?.is_empty() {
        session.prose(format_args!("{by}, which has edits and is kept: --fresh takes a new one, with the edits"));
    } else {
        session.prose(format_args!("{by}: a new one is taken"));
        return fresh(session, deployment, queue).await;
    }
    Ok(snapshot)
}

async fn fresh(session: &mut Session, deployment: &Deployment, queue: &DeadLetterQueue) -> Result<Snapshot, Stopped> {
    let path = snapshot::file(&deployment.work, &queue.name, session.clock.now());
    let took = take_told(session, deployment, queue, path, HOLD, None).await?;
    if took.is_stopped {
        return Err(Stopped::new(Exit::Failed, "stopped before its end: nothing was done"));
    }
    Ok(took.snapshot)
}

/// Takes a snapshot, or goes on with it; a person sees how far it is. At the first Ctrl-C the leases are given back, at the second it
/// ends at once.
pub(crate) async fn take_told(
    session: &mut Session,
    deployment: &Deployment,
    queue: &DeadLetterQueue,
    path: PathBuf,
    hold: Duration,
    max: Option<u64>,
) -> Result<Took, Stopped> {
    let clock = Arc::clone(&session.clock);
    let ports = take::Ports { letters: &*deployment.letters, blobs: &*deployment.blobs, clock: &*clock };
    let (stopper, stop) = Stop::pair();
    let earlier = snapshot::of_queue(&deployment.work, &queue.name)?;
    let taking = Taking { path: path.clone(), hold, max, stop, earlier };
    let interrupted = async {
        // Without signals it runs to its end; that harms nothing.
        let Ok(mut signals) = Signals::listen() else { return std::future::pending().await };
        signals.next().await;
        stopper.stop();
        signals.next().await;
    };
    let depth = queue.waiting + queue.in_flight;
    let mut told = None;
    let mut progress = |count: u64| {
        if session.err_is_terminal && told.replace(count) != Some(count) {
            let _ = write!(session.err, "\r{count} of about {depth} letters");
        }
    };
    let taken = match select(pin!(take::take(ports, queue, &taking, &mut progress)), pin!(interrupted)).await {
        Either::Left((taken, _)) => taken,
        Either::Right(_) => {
            let why = format!(
                "stopped at once: letters of `{}` that are leased come back by themselves within {}",
                queue.name,
                span(hold)
            );
            return Err(Stopped::new(Exit::Failed, why));
        }
    };
    if told.is_some() {
        let _ = write!(session.err, "\r\u{1b}[K");
    }
    if let Ok(took) = &taken {
        tell_edits(session, &queue.name, took);
    }
    taken.map_err(|error| {
        let is_damaged = matches!(error, TakeError::Snapshot(SnapshotError::Damaged { .. }));
        let is_kept = !is_damaged && Snapshot::open(&path).is_ok_and(|kept| kept.taken().ended_at.is_none());
        let mut stopped = Stopped::from(error);
        if let (true, Some(message)) = (is_kept, &mut stopped.message) {
            let _ = write!(message, ". What was seen is kept: `dlq snap {} --resume` goes on", queue.name);
        }
        stopped
    })
}

/// Says what became of the edits of earlier snapshots.
fn tell_edits(session: &mut Session, queue: &str, took: &Took) {
    if took.edits > 0 {
        let edits = if took.edits == 1 { "1 edit".into() } else { format!("{} edits", took.edits) };
        session.prose(format_args!(
            "{edits} of earlier snapshots were taken over; `dlq edit {queue} --undo` takes them back"
        ));
    }
    for (file, why) in &took.damaged {
        session.prose(format_args!(
            "{} can't be read, and was passed over ({why}): edits that stand only in it aren't taken over. Move it away",
            file.display()
        ));
    }
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

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;

/// A span of time as it is typed: `30s`, `2h`, `7d`, with days of 24 hours.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let span = |text: &str| {
        text.parse::<jiff::Span>().and_then(|span| span.to_duration(jiff::SpanRelativeTo::days_are_24_hours())).ok()
    };
    let why = match span(text) {
        Some(span) if !span.is_negative() => return Duration::try_from(span).map_err(|error| error.to_string()),
        Some(_) => "it is less than nothing",
        // With smaller numbers it would be one.
        None if span(&with_ones(text)).is_some() => "it is too long: write at most `3650d`",
        None => "write it with its unit, such as `30s`, `10m`, `2h` or `7d`",
    };
    Err(why.to_owned())
}

/// The text with 1 for each number in it.
fn with_ones(text: &str) -> String {
    let mut ones = String::new();
    for character in text.chars() {
        match character {
            '0'..='9' if ones.ends_with('1') => {}
            '0'..='9' => ones.push('1'),
            other => ones.push(other),
        }
    }
    ones
}
