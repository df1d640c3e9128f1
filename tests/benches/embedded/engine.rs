//! What the engine alone does with the same writes: SQLite over the same tables, one thread, nothing around it.

use std::{path::Path, time::Instant};

use rusqlite::{Connection, params};

use crate::rig::{BODY, Rig};

const CONSUMERS: i64 = 3;

const RECORD: &str = "INSERT INTO records (tenant, collection, id, version, data, updated_at) VALUES ('bench', 'submissions', ?1, 1, ?2, ?3)
    ON CONFLICT (tenant, collection, id) DO UPDATE SET version = excluded.version, data = excluded.data";
const CHANGE: &str = "INSERT INTO changes (tenant, collection, id, version, actor, at, old, new)
    VALUES ('bench', 'submissions', ?1, 1, 'ada', ?3, NULL, ?2)";
const EVENT: &str =
    "INSERT INTO events (id, type, tenant, subject, body, first_change, last_change, committed_at, published_at)
    VALUES (?1, 'submission.updated.v1', 'bench', ?2, ?3, ?4, ?4, ?5, ?5)";
const MESSAGE: &str = "INSERT INTO messages (queue, visible_at, sent_at, event) VALUES (?1, ?2, ?2, ?3)";
const LEASE: &str =
    "UPDATE messages SET visible_at = ?4, held = 1, lease = lease + 1, receives = receives + 1, silent = silent + 1
    WHERE id IN (SELECT id FROM messages WHERE queue = ?1 AND visible_at <= ?2 ORDER BY visible_at LIMIT ?3)
    RETURNING id, event";
const BODY_OF: &str = "SELECT id, body FROM events WHERE seq = ?1";
const CLAIM: &str = "INSERT INTO inbox (event, consumer, status, fence, revision, lease_until, attempts, replay, payload_hash, first_at,
    updated_at) VALUES (?1, ?2, 0, ?3, 1, ?4, 1, 0, ?5, ?4, ?4)";
const DONE: &str = "UPDATE inbox SET status = 1, revision = 2, updated_at = ?4, expires_at = ?4
    WHERE event = ?1 AND consumer = ?2 AND fence = ?3 AND revision < 2";
const ACK: &str = "DELETE FROM messages WHERE id = ?1 AND queue = ?2";

/// Events per second when so many share a transaction: each with a record, a change, and three messages that are leased, claimed
/// and settled in the inbox, and acked.
pub(crate) async fn run(events: u64, batch: u64) -> f64 {
    // The tables and the queues are made by the store.
    let rig = Rig::new(CONSUMERS.unsigned_abs() as usize).await;
    rig.store.shutdown().await;
    let file = rig.store.file().to_owned();
    tokio::task::spawn_blocking(move || cycle(&file, events, batch)).await.unwrap()
}

fn cycle(file: &Path, events: u64, batch: u64) -> f64 {
    let db = Connection::open(file).unwrap();
    db.set_prepared_statement_cache_capacity(64);
    let pragmas = "PRAGMA journal_mode = wal; PRAGMA synchronous = FULL; PRAGMA cache_size = -32768;
        PRAGMA foreign_keys = true; PRAGMA wal_autocheckpoint = 8192;";
    db.execute_batch(pragmas).unwrap();
    let queues: Vec<i64> = {
        let mut all = db.prepare("SELECT queue FROM subscriptions").unwrap();
        all.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let body = vec![b'x'; BODY];
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
    let began = Instant::now();
    let mut number = 0;
    while number < events {
        db.execute_batch("BEGIN IMMEDIATE").unwrap();
        for _ in 0..batch {
            commit(&db, &queues, number, &body);
            number += 1;
        }
        for queue in &queues {
            handle(&db, *queue, batch);
        }
        db.execute_batch("COMMIT").unwrap();
    }
    number as f64 / began.elapsed().as_secs_f64()
}

fn run_one(db: &Connection, sql: &str, params: impl rusqlite::Params) {
    db.prepare_cached(sql).unwrap().execute(params).unwrap();
}

fn commit(db: &Connection, queues: &[i64], number: u64, body: &[u8]) {
    let (now, id) = (number as i64, format!("bench/s-{number}"));
    let data = format!(r#"{{"fields":{{"amount":{number}}}}}"#);
    run_one(db, RECORD, params![id, data, now]);
    run_one(db, CHANGE, params![id, data, now]);
    let change = db.last_insert_rowid();
    let event: [u8; 16] = (u128::from(number) << 64).to_be_bytes();
    run_one(db, EVENT, params![event, id, body, change, now]);
    let seq = db.last_insert_rowid();
    for queue in queues {
        run_one(db, MESSAGE, params![queue, now, seq]);
    }
}

fn handle(db: &Connection, queue: i64, batch: u64) {
    let far = i64::MAX / 2;
    let leased: Vec<(i64, i64)> = {
        let mut lease = db.prepare_cached(LEASE).unwrap();
        let rows = lease.query_map(params![queue, far, batch as i64, far + 1], |row| Ok((row.get(0)?, row.get(1)?)));
        rows.unwrap().map(Result::unwrap).collect()
    };
    for (id, seq) in leased {
        let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Vec<u8>>(1)?));
        let (event, body) = db.prepare_cached(BODY_OF).unwrap().query_row([seq], read).unwrap();
        assert_eq!(body.len(), BODY);
        let consumer = queue.to_string();
        run_one(db, CLAIM, params![event, consumer, id, far, [0_u8; 32]]);
        run_one(db, DONE, params![event, consumer, id, far]);
        run_one(db, ACK, params![id, queue]);
    }
}
