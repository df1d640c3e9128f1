//! Statements in a real file.

use std::{fs, sync::Arc};

use rusqlite::Connection;
use sendoff_consumers::action::{Accept, DatabaseError, MAX_ROWS, Refusal, Rows, Statement};
use serde_json::{Map, Value, json};
use tokio::time::{sleep, timeout};

use super::*;

struct File {
    folder: tempfile::TempDir,
}

impl File {
    fn new() -> Self {
        let file = Self { folder: tempfile::tempdir().unwrap() };
        let setup =
            "create table parts (id text primary key, name text not null, qty integer check (qty >= 0), raw blob);
            insert into parts values ('p1', 'Bolt', 3, x'00'), ('p2', 'Nut', 5, null);";
        file.raw().execute_batch(setup).unwrap();
        file
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("stock.db")
    }

    fn raw(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }

    fn database(&self, read_only: bool, timeout: std::time::Duration) -> SqliteDatabase {
        SqliteDatabase::new(&SqliteSettings { path: self.path(), read_only, timeout, at_once: 2 })
    }

    fn count(&self) -> i64 {
        self.raw().query_row("select count(*) from parts", [], |row| row.get(0)).unwrap()
    }
}

const LONG: std::time::Duration = std::time::Duration::from_secs(60);

fn all() -> Accept {
    Arc::new(|rows: &Rows| {
        let map = json!({ "rows": rows.rows, "affected": rows.affected });
        Ok(map.as_object().cloned().unwrap_or_default())
    })
}

async fn run(database: &SqliteDatabase, sql: &str, values: Value) -> Result<Map<String, Value>, DatabaseError> {
    let statement = Statement { sql: sql.parse().unwrap(), values: values.as_array().unwrap().clone() };
    database.run(&statement, all()).await
}

#[tokio::test]
async fn values_are_bound_and_stay_data() {
    let file = File::new();
    let database = file.database(false, LONG);
    let insert = "insert into parts (id, name, qty) values (:id, :name, :qty)";
    let hostile = "'); drop table parts; --";
    let done = run(&database, insert, json!(["p3", hostile, 2])).await.unwrap();
    assert_eq!(done["affected"], json!(1));
    let found = run(&database, "select * from parts where name = :name", json!([hostile])).await.unwrap();
    assert_eq!(found["rows"], json!([{ "id": "p3", "name": hostile, "qty": 2, "raw": null }]));
    assert_eq!(file.count(), 3);
    let types =
        run(&database, "select :a as a, :b as b, :c as c, :d as d, :e as e", json!([true, 1.5, null, [1], "x"]));
    assert_eq!(types.await.unwrap()["rows"], json!([{ "a": 1, "b": 1.5, "c": null, "d": "[1]", "e": "x" }]));
    let bytes = run(&database, "select name, raw from parts where id = 'p1'", json!([])).await.unwrap();
    assert_eq!(bytes["rows"], json!([{ "name": "Bolt" }]), "bytes have no value");
    let changed = run(&database, "update parts set qty = qty + 1 where qty > 2 returning id", json!([])).await.unwrap();
    assert_eq!((&changed["affected"], changed["rows"].as_array().unwrap().len()), (&json!(2), 2));
}

#[tokio::test]
async fn what_is_not_accepted_is_rolled_back() {
    let file = File::new();
    let database = file.database(false, LONG);
    let statement = Statement { sql: "delete from parts returning id".parse().unwrap(), values: Vec::new() };
    let refusal = Refusal { reason: "response-mapping", why: "no".into() };
    let declines = {
        let refusal = refusal.clone();
        Arc::new(move |_: &Rows| Err(refusal.clone()))
    };
    assert_eq!(database.run(&statement, declines).await, Err(DatabaseError::Declined(refusal)));
    assert_eq!(file.count(), 2);
}

#[tokio::test]
async fn a_connection_that_only_reads_changes_nothing_and_opens_no_other_file() {
    let file = File::new();
    let database = file.database(true, LONG);
    let refused = run(&database, "delete from parts", json!([])).await.unwrap_err();
    assert!(matches!(refused, DatabaseError::Refused(_)), "{refused:?}");
    assert_eq!(file.count(), 2);
    let one_too_many = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 5000) select i from n";
    let found = run(&database, one_too_many, json!([])).await.unwrap();
    assert_eq!(found["rows"].as_array().unwrap().len(), MAX_ROWS + 1, "it stops there");
    let large = run(&database, "select hex(zeroblob(1000000)) as x", json!([])).await.unwrap_err();
    assert!(matches!(&large, DatabaseError::Declined(refusal) if refusal.reason == "result-too-large"), "{large:?}");
    for sql in ["select load_extension('x')", "select writefile('x', 'y')", "select readfile('/etc/passwd')"] {
        let refused = run(&database, sql, json!([])).await.unwrap_err();
        assert!(matches!(refused, DatabaseError::Refused(_)), "{sql}: {refused:?}");
    }
}

#[tokio::test]
async fn errors_say_what_is_wrong_and_repeat_no_value() {
    let file = File::new();
    let database = file.database(false, LONG);
    let insert = "insert into parts (id, name, qty) values (:id, :name, :qty)";
    for (sql, values, names) in [
        (insert, json!(["p1", "secret", 1]), "parts.id"),
        (insert, json!(["secret", null, 1]), "parts.name"),
        (insert, json!(["secret", "secret", -1]), "CHECK"),
        ("select x from nowhere", json!([]), "nowhere"),
        ("select 1 where ?", json!([]), "`:name`"),
    ] {
        let error = run(&database, sql, values).await.unwrap_err();
        let DatabaseError::Refused(text) = &error else { panic!("{sql}: {error:?}") };
        assert!(text.contains(names) && !text.contains("secret"), "{text}");
    }
}

#[tokio::test]
async fn what_takes_too_long_is_interrupted() {
    let file = File::new();
    let database = file.database(false, std::time::Duration::from_millis(200));
    let endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select max(i) as m from n";
    let error = run(&database, endless, json!([])).await.unwrap_err();
    assert_eq!(error, DatabaseError::Busy("the statement took too long".into()));
}

/// The most memory that this process has had so far, in MiB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

/// Tells the process that does the work of the next test from the one that has started it.
const APART: &str = "SENDOFF_TEST_APART";

/// In a process of its own: the memory of SQLite is bounded for all of a process, and the tests beside this one need some.
#[test]
fn whatever_a_statement_says_it_ends_soon_and_takes_little_memory() {
    if std::env::vars().any(|(name, _)| name == APART) {
        return tokio::runtime::Runtime::new().unwrap().block_on(greedy());
    }
    let name = "connections::tests::whatever_a_statement_says_it_ends_soon_and_takes_little_memory";
    let mut apart = std::process::Command::new(std::env::current_exe().unwrap());
    let done = apart.args(["--exact", name]).env(APART, "1").output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success() && said.contains("1 passed"), "{said}{}", String::from_utf8_lossy(&done.stderr));
}

async fn greedy() {
    let file = File::new();
    let (patient, short) = (file.database(true, LONG * 4), file.database(true, std::time::Duration::from_secs(8)));
    let columns = |count: usize| vec!["h"; count].join(", ");
    let wide = |bytes: usize, count| {
        format!("with t(h) as materialized (select hex(zeroblob({bytes}))) select {} from t", columns(count))
    };
    let gathered = "with recursive n(i) as (select 1 union all select i + 1 from n) \
        select json_group_array(hex(zeroblob(500000))) as x from n";
    let doubled: String = (1..25).map(|n| format!(", c{n}(x) as (select a.x from c{0} a, c{0} b)", n - 1)).collect();
    let doubled = format!("with c0(x) as (select 1){doubled} select count(*) as x from c24");
    let pattern = |text: usize, like: usize| {
        format!("select hex(zeroblob({text})) like '%' || hex(zeroblob({like})) || 'b%' as x")
    };
    for (database, sql, reason) in [
        (&patient, wide(50_000_000, 12), "result-too-large"),
        (&patient, wide(520_000, 2), "result-too-large"),
        (&patient, wide(500_000, 1900), "result-too-large"),
        // It never ends by itself: it has to come to the limit of memory before it is stopped, on a busy machine too.
        (&short, gathered.to_owned(), "memory"),
        (&patient, doubled, "refused"),
        (&patient, pattern(400_000_000, 24_000), "result-too-large"),
        (&patient, pattern(500_000, 24_000), "refused"),
        (&patient, pattern(100_000, 225), "no match"),
    ] {
        let ended = timeout(LONG * 5, run(database, &sql, json!([]))).await.expect("it ends");
        let as_expected = match &ended {
            Err(DatabaseError::Declined(refusal)) => refusal.reason == reason,
            Err(DatabaseError::Busy(text)) => text.contains(reason),
            Err(DatabaseError::Refused(_)) => reason == "refused",
            Ok(_) => reason == "no match",
            Err(_) => false,
        };
        assert!(as_expected, "{reason}: {ended:?} of {}", &sql[..sql.len().min(120)]);
    }
    assert!(peak() < 600, "{} MiB", peak());
    assert_eq!(file.count(), 2, "others go on");
}

#[tokio::test]
async fn a_thread_that_goes_on_keeps_its_place_until_it_has_ended() {
    let file = File::new();
    let settings = SqliteSettings { path: file.path(), read_only: true, timeout: LONG, at_once: 1 };
    let database = SqliteDatabase::new(&settings);
    // One function, which nothing interrupts.
    let slow = "select instr(hex(zeroblob(100000)), hex(zeroblob(50000)) || 'b') as x";
    let given_up = timeout(std::time::Duration::from_millis(20), run(&database, slow, json!([]))).await;
    assert!(given_up.is_err(), "it is slow: {given_up:?}");
    assert_eq!(database.free(), 0, "it still works");
    let freed = async {
        while database.free() == 0 {
            sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    timeout(LONG, freed).await.expect("its place is free again");
}

#[tokio::test]
async fn a_file_that_others_hold_or_took_away_is_waited_for() {
    let file = File::new();
    let database = file.database(false, std::time::Duration::from_millis(300));
    let other = file.raw();
    other.execute_batch("begin immediate").unwrap();
    let busy = run(&database, "update parts set qty = 1", json!([])).await.unwrap_err();
    assert!(matches!(busy, DatabaseError::Busy(_)), "{busy:?}");
    drop(other);
    run(&database, "update parts set qty = 1", json!([])).await.unwrap();
    std::fs::remove_file(file.path()).unwrap();
    let gone = run(&database, "update parts set qty = 1", json!([])).await.unwrap_err();
    assert!(matches!(gone, DatabaseError::Unreachable(_)), "{gone:?}");
    assert!(!file.path().exists(), "it isn't made anew");
}
