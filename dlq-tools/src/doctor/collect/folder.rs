//! Looking at a data folder.

use std::{
    collections::BTreeMap,
    fs::{File, TryLockError},
    io,
    path::Path,
    time::Duration,
};

use sendoff_consumers::{
    DeadLetter, DeadLetterKind, DeadLetterQueue, DeadLetters, DeadLettersError, OnDoubt,
    handlers::{BySms, ByWhatsapp, Way as _},
};
use sendoff_embedded::Store;
use sendoff_events::{BlobError, Blobs, Pointer, Timestamp};
use serde::Deserialize;

use crate::{
    disk::Measure,
    doctor::{
        Kind, Model, family,
        model::{Folder, FolderQueue, OldDoubt, Part},
    },
};

/// So many letters are read at a time.
const PAGE: usize = 500;
/// For so long a doubt of a consumer that waits for no news may stand.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);
/// A message that is older than what the inbox remembers, less this, is put aside.
const MARGIN: Duration = Duration::from_secs(24 * 3600);

/// Everything that the rules ask about.
pub async fn look(store: &Store, now: Timestamp, inbox_keep: Duration, disk: Measure) -> Model {
    let mut model = Model::empty(Kind::Folder, now, inbox_keep);
    let file = store.file();
    let folder = file.parent().unwrap_or(file);
    model.folder = Folder { path: folder.display().to_string(), ..Folder::default() };
    files(&mut model, file);
    match is_served(folder) {
        Ok(is_served) => model.folder.is_served = is_served,
        Err(error) => model.blind(Part::Server, None, format!("{}: {error}", folder.display())),
    }
    match disk(folder) {
        Ok(disk) => model.folder.disk = Some(disk),
        Err(why) => model.blind(Part::Disk, None, why),
    }
    match queues(store, now, inbox_keep).await {
        Ok(queues) => model.folder.queues = queues,
        Err(error) => model.blind(Part::Letters, None, error),
    }
    match store.doubts().await {
        Ok(doubts) => {
            // What its consumer tries again by itself waits for nobody.
            let doubts = doubts.into_iter().filter(|doubt| !doubt.tried_again);
            let doubts = doubts.map(|doubt| (doubt.id.key.consumer().to_owned(), doubt.since));
            model.folder.doubts = old(doubts, now);
        }
        Err(error) => model.blind(Part::Doubts, None, error),
    }
    model
}

/// What there is to say of a folder whose data has another version than this program knows.
#[must_use]
pub fn of_another_version(folder: &Path, found: i32, known: i32, now: Timestamp, inbox_keep: Duration) -> Model {
    let mut model = Model::empty(Kind::Folder, now, inbox_keep);
    model.folder = Folder {
        path: folder.display().to_string(),
        schema: Some((found, known)),
        is_served: true,
        ..Folder::default()
    };
    for part in [Part::Server, Part::Letters, Part::Doubts, Part::Files, Part::Disk] {
        model.blind(part, None, "the data has another version than this program knows");
    }
    model
}

fn files(model: &mut Model, file: &Path) {
    let mut log = file.as_os_str().to_owned();
    log.push("-wal");
    let sizes = size(file).and_then(|data| Ok((data, size(Path::new(&log))?)));
    match sizes {
        Ok((data, log)) => (model.folder.data_bytes, model.folder.log_bytes) = (data, log),
        Err(error) => model.blind(Part::Files, None, format!("{}: {error}", file.display())),
    }
}

/// The size of a file, 0 when it isn't there.
fn size(file: &Path) -> io::Result<u64> {
    match file.metadata() {
        Ok(metadata) => Ok(metadata.len()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

/// Whether a process holds the folder's lock. It is asked for as one that many may have, and given back at once.
fn is_served(folder: &Path) -> io::Result<bool> {
    let lock = match File::open(folder.join("sendoff.lock")) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    match lock.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

async fn queues(store: &Store, now: Timestamp, inbox_keep: Duration) -> Result<Vec<FolderQueue>, DeadLettersError> {
    let letters = store.dead_letter_queues();
    let subscribed: Vec<String> = letters.subscribers().await?.into_iter().map(|s| s.queue).collect();
    let mut queues: BTreeMap<String, FolderQueue> = BTreeMap::new();
    let sources = store.queues().await.map_err(|error| DeadLettersError::Unavailable(error.to_string()))?;
    for queue in sources {
        let depth = queue.depth;
        let waiting = depth.visible + depth.in_flight + depth.delayed;
        let entry = FolderQueue { has_consumer: subscribed.contains(&queue.name), waiting, ..FolderQueue::default() };
        queues.insert(family(&queue.name).to_owned(), FolderQueue { name: family(&queue.name).to_owned(), ..entry });
    }
    let blobs = store.blobs();
    // Too old to run: `None` where the inbox remembers longer than there was time.
    let oldest = inbox_keep.checked_sub(MARGIN).and_then(|keep| now.checked_sub(keep).ok());
    for queue in letters.queues(now).await? {
        let DeadLetterQueue { name, kind, waiting, in_flight, .. } = queue;
        let of = family(&name).to_owned();
        let entry = queues.entry(of.clone()).or_insert_with(|| FolderQueue { name: of, ..FolderQueue::default() });
        entry.dead += waiting + in_flight;
        entry.of_reaction |= matches!(kind, DeadLetterKind::Reaction(_));
        if !entry.of_reaction {
            read(&*letters, &*blobs, &name, oldest, entry).await?;
        }
    }
    Ok(queues.into_values().collect())
}

/// Reads all letters of a queue, for what can't be replayed any more.
async fn read(
    letters: &dyn DeadLetters,
    blobs: &dyn Blobs,
    queue: &str,
    oldest: Option<Timestamp>,
    entry: &mut FolderQueue,
) -> Result<(), DeadLettersError> {
    let mut after: Option<String> = None;
    loop {
        let page = letters.read(queue, after.as_deref(), PAGE).await?.unwrap_or_default();
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.message_id.clone());
        for letter in &page {
            if first_published(letter).zip(oldest).is_some_and(|(at, oldest)| at < oldest) {
                entry.too_old += 1;
            }
            if is_bodiless(blobs, letter).await {
                entry.without_body.push(letter.message_id.clone());
            }
        }
    }
}

/// When the event was first published, if the body is an envelope.
fn first_published(letter: &DeadLetter) -> Option<Timestamp> {
    #[derive(Deserialize)]
    struct Published {
        firstpublished: Timestamp,
    }
    Some(serde_json::from_slice::<Published>(&letter.body).ok()?.firstpublished)
}

/// Whether the letter points to a large body that isn't there.
async fn is_bodiless(blobs: &dyn Blobs, letter: &DeadLetter) -> bool {
    let Ok(Some(pointer)) = Pointer::parse(&letter.body, &[blobs.bucket()]) else { return false };
    // Nothing of it is to be read: one byte is too many.
    matches!(blobs.get(&pointer.key, 0).await, Err(BlobError::Missing(_)))
}

/// Those of these doubts that stand for longer than their consumer waits for news.
fn old(doubts: impl Iterator<Item = (String, Timestamp)>, now: Timestamp) -> Vec<OldDoubt> {
    let mut found: BTreeMap<String, OldDoubt> = BTreeMap::new();
    for (consumer, since) in doubts {
        let window = window(&consumer);
        if since.checked_add(window).is_ok_and(|until| until < now) {
            let new = OldDoubt { consumer: consumer.clone(), count: 0, since, window };
            let entry = found.entry(consumer).or_insert(new);
            (entry.count, entry.since) = (entry.count + 1, entry.since.min(since));
        }
    }
    found.into_values().collect()
}

fn window(consumer: &str) -> Duration {
    let policy = [(BySms::NAME, BySms::POLICY), (ByWhatsapp::NAME, ByWhatsapp::POLICY)];
    match policy.into_iter().find(|(name, _)| *name == consumer).map(|(_, policy)| policy.on_doubt) {
        Some(OnDoubt::Hold { window }) => window,
        _ => PATIENCE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_served_as_long_as_somebody_holds_its_lock() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!is_served(folder.path()).unwrap(), "nobody ever did");
        let lock = File::create(folder.path().join("sendoff.lock")).unwrap();
        assert!(!is_served(folder.path()).unwrap());
        lock.try_lock().unwrap();
        assert!(is_served(folder.path()).unwrap());
        drop(lock);
        assert!(!is_served(folder.path()).unwrap());
    }

    #[test]
    fn doubts_are_old_when_no_news_is_waited_for_any_more() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let ago = |minutes: i64| Timestamp::from_second(1_000_000 - 60 * minutes).unwrap();
        let doubts = [("sms", ago(31)), ("sms", ago(40)), ("sms", ago(29)), ("email", ago(31)), ("email", ago(1441))];
        let found = old(doubts.into_iter().map(|(name, at)| (name.to_owned(), at)), now);
        let told: Vec<_> = found.iter().map(|doubt| (&*doubt.consumer, doubt.count, doubt.since)).collect();
        assert_eq!(told, [("email", 1, ago(1441)), ("sms", 2, ago(40))]);
    }
}
