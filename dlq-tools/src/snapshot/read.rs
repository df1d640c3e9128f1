//! Looking into the file.

use std::{collections::BTreeSet, ops::ControlFlow};

use rusqlite::{OptionalExtension as _, params};
use sendoff_events::{EventId, Timestamp};

use super::{PAGE_BYTES, Snapshot, SnapshotError, row};
use crate::letter::{Letter, UNKNOWN_GROUP};

const PAGE: &str =
    "SELECT id, message, body, facts, payload, ledger, edit FROM letters WHERE id > ?1 ORDER BY id LIMIT ?2";
/// Letters of one event of one consumer, where there are several.
const TWINS: &str = "
WITH keyed AS (
    SELECT id, coalesce(facts ->> '$.consumer', '') AS consumer, facts ->> '$.event.id' AS event, edit ->> '$.event' AS edited
    FROM letters WHERE facts ->> '$.event.id' IS NOT NULL
)
SELECT consumer, event, id, edited FROM keyed
WHERE (consumer, event) IN (SELECT consumer, event FROM keyed GROUP BY consumer, event HAVING count(*) > 1)
ORDER BY consumer, event, id";
const ONE: &str = "SELECT id, message, body, facts, payload, ledger, edit FROM letters WHERE id = ?1";

/// One of several letters of an event: its message id, and the new event that it was edited to.
pub type Twin = (String, Option<EventId>);

impl Snapshot {
    /// How many letters it holds.
    ///
    /// # Errors
    ///
    /// [`SnapshotError`].
    pub fn count(&self) -> Result<u64, SnapshotError> {
        let count = self.connection.query_row("SELECT count(*) FROM letters", [], |row| row.get::<_, i64>(0));
        count.map(i64::unsigned_abs).map_err(self.failed())
    }

    /// Letters in the order of message ids, those after `after`: at most `max`, and fewer where they are large.
    ///
    /// # Errors
    ///
    /// [`SnapshotError`].
    pub fn page(&self, after: &str, max: usize) -> Result<Vec<Letter>, SnapshotError> {
        let max = i64::try_from(max).unwrap_or(i64::MAX);
        let mut page = self.connection.prepare_cached(PAGE).map_err(self.failed())?;
        let rows = page.query_map(params![after, max], row::letter).map_err(self.failed())?;
        let (mut letters, mut bytes) = (Vec::new(), 0);
        for letter in rows {
            let letter = letter.map_err(self.failed())?;
            bytes += letter.size();
            letters.push(letter);
            if bytes >= PAGE_BYTES {
                break;
            }
        }
        Ok(letters)
    }

    /// Shows all letters to `see`, in the order of message ids, until it has seen enough. Few are in memory at a time.
    ///
    /// # Errors
    ///
    /// [`SnapshotError`], or what `see` fails with.
    pub fn each<E: From<SnapshotError>>(
        &self,
        mut see: impl FnMut(Letter) -> Result<ControlFlow<()>, E>,
    ) -> Result<(), E> {
        const PAGE: usize = 500;
        let mut after = String::new();
        loop {
            let page = self.page(&after, PAGE)?;
            let Some(last) = page.last() else { return Ok(()) };
            after.clone_from(&last.message.message_id);
            for letter in page {
                if see(letter)?.is_break() {
                    return Ok(());
                }
            }
        }
    }

    /// The fingerprints that its letters are grouped by.
    ///
    /// # Errors
    ///
    /// [`SnapshotError`].
    pub fn fingerprints(&self) -> Result<BTreeSet<String>, SnapshotError> {
        let mut facts = self.connection.prepare_cached("SELECT facts FROM letters").map_err(self.failed())?;
        let rows =
            facts.query_map([], |row| row::json::<Group>(0, &row.get::<_, String>(0)?)).map_err(self.failed())?;
        rows.map(|group| {
            let Group { failure, unreadable } = group?;
            let failure = failure.map(|failure| failure.fingerprint);
            Ok(failure.or(unreadable).unwrap_or_else(|| UNKNOWN_GROUP.to_owned()))
        })
        .collect::<Result<_, _>>()
        .map_err(self.failed())
    }

    /// The letter with this message id.
    ///
    /// # Errors
    ///
    /// [`SnapshotError`].
    pub fn letter(&self, message_id: &str) -> Result<Option<Letter>, SnapshotError> {
        let mut one = self.connection.prepare_cached(ONE).map_err(self.failed())?;
        one.query_row([message_id], row::letter).optional().map_err(self.failed())
    }

    /// The letters of one event of one consumer, where there are several: each with the new event that it was edited to.
    ///
    /// # Errors
    ///
    /// [`SnapshotError`].
    pub fn twins(&self) -> Result<Vec<Vec<Twin>>, SnapshotError> {
        let mut found = self.connection.prepare_cached(TWINS).map_err(self.failed())?;
        let mut rows = found.query([]).map_err(self.failed())?;
        let (mut twins, mut last) = (Vec::<Vec<_>>::new(), None);
        while let Some(row) = rows.next().map_err(self.failed())? {
            let text = |column| row.get::<_, Option<String>>(column).map_err(self.failed());
            let key = (text(0)?, text(1)?);
            if last.as_ref() != Some(&key) {
                twins.push(Vec::new());
                last = Some(key);
            }
            let letter = (text(2)?.unwrap_or_default(), text(3)?.and_then(|event| event.parse().ok()));
            if let Some(event) = twins.last_mut() {
                event.push(letter);
            }
        }
        Ok(twins)
    }

    /// The message ids of the letters that are to be changed, each with when that was said.
    pub(crate) fn edited(&self) -> Result<Vec<(String, Timestamp)>, SnapshotError> {
        let edited = "SELECT id, edit -> '$.at' FROM letters WHERE edit IS NOT NULL";
        let mut edited = self.connection.prepare(edited).map_err(self.failed())?;
        let rows = edited.query_map([], |row| Ok((row.get(0)?, row::json(1, row.get_ref(1)?.as_str()?)?)));
        rows.map_err(self.failed())?.collect::<Result<_, _>>().map_err(self.failed())
    }

    /// Whether the letter with this message id is to be changed, and when that was said; `None` when it isn't here.
    pub(super) fn edit_of(&self, message_id: &str) -> Result<Option<Option<Timestamp>>, SnapshotError> {
        let one = "SELECT edit -> '$.at' FROM letters WHERE id = ?1";
        let mut one = self.connection.prepare_cached(one).map_err(self.failed())?;
        let edit = one.query_row([message_id], |row| {
            row.get_ref(0)?.as_str_or_null()?.map(|text| row::json(0, text)).transpose()
        });
        edit.optional().map_err(self.failed())
    }

    /// Shows all message ids to `see`, in their order.
    ///
    /// # Errors
    ///
    /// [`SnapshotError`].
    pub fn each_id(&self, mut see: impl FnMut(&str)) -> Result<(), SnapshotError> {
        let mut ids = self.connection.prepare("SELECT id FROM letters ORDER BY id").map_err(self.failed())?;
        let mut rows = ids.query([]).map_err(self.failed())?;
        while let Some(row) = rows.next().map_err(self.failed())? {
            see(row.get_ref(0).and_then(|id| Ok(id.as_str()?)).map_err(self.failed())?);
        }
        Ok(())
    }
}

/// What a letter is grouped by.
#[derive(serde::Deserialize)]
struct Group {
    failure: Option<Fingerprint>,
    unreadable: Option<String>,
}

#[derive(serde::Deserialize)]
struct Fingerprint {
    fingerprint: String,
}
