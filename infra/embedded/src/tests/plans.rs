use rusqlite::{Connection, StatementStatus};

use super::Bench;
use crate::{
    audit, changes, clear, dead_letters, deliveries, doubts, inbox, inspect, outbox, purge, queue, records, recover,
    rewound, runs, schedules, topics,
};

/// These hold one row per queue or reaction, however many events there are.
const SMALL: &[&str] = &["queues", "subscriptions", "cursors", "q", "d"];

fn statements() -> Vec<&'static str> {
    [
        audit::STATEMENTS,
        changes::STATEMENTS,
        &clear::statements(),
        &dead_letters::statements(),
        deliveries::STATEMENTS,
        doubts::STATEMENTS,
        doubts::SETTLE_STATEMENTS,
        inbox::STATEMENTS,
        &inspect::statements(),
        outbox::STATEMENTS,
        &purge::statements(),
        queue::STATEMENTS,
        queue::lease::STATEMENTS,
        queue::message::STATEMENTS,
        queue::names::STATEMENTS,
        records::STATEMENTS,
        recover::STATEMENTS,
        rewound::STATEMENTS,
        schedules::STATEMENTS,
        topics::STATEMENTS,
        &runs::statements(),
    ]
    .concat()
}

fn plan(db: &Connection, sql: &str) -> Vec<String> {
    let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap_or_else(|e| panic!("{sql}: {e}"));
    for parameter in 1..=statement.parameter_count() {
        statement.raw_bind_parameter(parameter, 1).unwrap();
    }
    let mut rows = statement.raw_query();
    let mut steps = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        steps.push(row.get(3).unwrap());
    }
    steps
}

fn is_bad(step: &str) -> bool {
    let scans_what_grows = step.strip_prefix("SCAN ").is_some_and(|rest| {
        let table = rest.split(' ').next().unwrap_or_default();
        !SMALL.contains(&table) && table != "CONSTANT"
    });
    scans_what_grows || step.contains("USE TEMP B-TREE") || step.contains("AUTOMATIC")
}

#[tokio::test]
async fn no_statement_walks_through_a_table_that_grows() {
    let bench = Bench::new();
    let db = bench.connection();
    let statements = statements();
    assert!(statements.len() > 40, "{}", statements.len());
    for sql in statements {
        let steps = plan(&db, sql);
        assert!(!steps.iter().any(|step| is_bad(step)), "{sql}\n{steps:#?}");
    }
}

#[test]
fn the_check_sees_a_scan_a_sort_and_an_index_made_on_the_fly() {
    let db = Connection::open_in_memory().unwrap();
    db.execute_batch("CREATE TABLE messages (a, b); CREATE TABLE events (a, b)").unwrap();
    for sql in [
        "SELECT * FROM messages WHERE a = ?1",
        "SELECT count(*) FROM messages",
        "DELETE FROM messages WHERE b = ?1",
        "SELECT * FROM messages m JOIN events e ON e.a = m.a",
    ] {
        assert!(plan(&db, sql).iter().any(|step| is_bad(step)), "{sql}");
    }
    db.execute_batch("CREATE INDEX i ON messages (a)").unwrap();
    assert!(plan(&db, "SELECT * FROM messages WHERE a = ?1 ORDER BY b").iter().any(|step| is_bad(step)));
    assert!(!plan(&db, "SELECT * FROM messages WHERE a = ?1").iter().any(|step| is_bad(step)));
}

/// What SQLite does for each message that is published, received, handled and acked: all but what counts a queue for people.
fn of_each_message() -> Vec<&'static str> {
    let all = [
        inbox::STATEMENTS,
        outbox::STATEMENTS,
        queue::STATEMENTS,
        queue::lease::STATEMENTS,
        queue::message::STATEMENTS,
        topics::STATEMENTS,
    ];
    all.concat().into_iter().filter(|sql| !sql.starts_with("SELECT count(*)")).collect()
}

/// The steps of SQLite's machine that each statement takes in a queue of so many messages, all of them visible and held.
fn steps(statements: &[&str], messages: u32) -> Vec<i32> {
    let bench = Bench::new();
    let db = bench.connection();
    let fill = format!(
        "PRAGMA foreign_keys = OFF;
        WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < {messages})
        INSERT INTO messages (queue, visible_at, held, lease, sent_at, event) SELECT 1, 1, 1, 1, 1, x FROM n"
    );
    db.execute_batch(&fill).unwrap();
    let steps = |sql: &&str| {
        db.execute_batch("SAVEPOINT one").unwrap();
        let mut statement = db.prepare(sql).unwrap();
        for parameter in 1..=statement.parameter_count() {
            statement.raw_bind_parameter(parameter, 1).unwrap();
        }
        let mut rows = statement.raw_query();
        // One that these values are nothing for ends early, in a queue of any length.
        while let Ok(Some(_)) = rows.next() {}
        drop(rows);
        let steps = statement.get_status(StatementStatus::VmStep);
        drop(statement);
        db.execute_batch("ROLLBACK TO one; RELEASE one").unwrap();
        steps
    };
    statements.iter().map(steps).collect()
}

#[tokio::test]
async fn a_message_takes_as_many_steps_in_a_long_queue_as_in_a_short_one() {
    let counting = ["SELECT count(*) FROM messages WHERE queue = ?1"];
    let statements = [&of_each_message()[..], &counting].concat();
    let (short, long) = (steps(&statements, 1_000), steps(&statements, 20_000));
    let grows = |(short, long): (&i32, &i32)| *long > short + short / 5 + 10;
    let grown: Vec<&str> =
        statements.iter().zip(short.iter().zip(&long)).filter(|(_, both)| grows(*both)).map(|(sql, _)| *sql).collect();
    assert_eq!(grown, counting, "only what counts may grow, and has to: {short:?} and {long:?}");
}
