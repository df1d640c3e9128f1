//! Calls of a database that answers as it is told. Real ones are asked where they are adapted.

use std::sync::Mutex;

use futures::executor::block_on;

use super::{
    super::{ActionErrorKind, ActionStatus, Tenants, head::record_key},
    *,
};
use crate::handlers::doubles::{World, tenant};

/// Gives what it is told, and keeps what it was asked.
struct Scripted {
    read_only: bool,
    gives: Mutex<Result<Rows, DatabaseError>>,
    asked: Mutex<Vec<(String, Vec<Value>)>>,
}

impl Scripted {
    fn new(read_only: bool) -> Arc<Self> {
        Arc::new(Self { read_only, gives: Mutex::new(Ok(Rows::default())), asked: Mutex::default() })
    }

    fn now(&self, gives: Result<Rows, DatabaseError>) {
        *self.gives.lock().unwrap() = gives;
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

impl Database for Scripted {
    fn is_read_only(&self) -> bool {
        self.read_only
    }

    fn timeout(&self) -> Duration {
        Duration::from_secs(5)
    }

    fn run<'a>(
        &'a self,
        statement: &'a Statement,
        accept: Accept,
    ) -> BoxFuture<'a, Result<Map<String, Value>, DatabaseError>> {
        Box::pin(async move {
            self.asked.lock().unwrap().push((statement.sql.numbered('$'), statement.values.clone()));
            let rows = self.gives.lock().unwrap().clone()?;
            accept(&rows).map_err(DatabaseError::Declined)
        })
    }
}

fn actions(world: &World, database: &Arc<Scripted>) -> DatabaseActions {
    let database: Arc<dyn Database> = database.clone();
    DatabaseActions::new(
        world.ports(),
        Connections::default().with("stock", Tenants::Only([tenant()].into()), database),
    )
}

fn call(key: &str, sql: &str, fields: Value) -> Value {
    let mut call = json!({
        "action": "database", "idempotency_key": key, "tenant": tenant(), "connection": "stock", "sql": sql,
    });
    call.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    call
}

fn act(actions: &DatabaseActions, call: &Value) -> Result<ActionResult, ActionError> {
    block_on(actions.act(&call.to_string(), &Limits::none()))
}

fn error(actions: &DatabaseActions, call: &Value) -> (ActionErrorKind, String) {
    let error = act(actions, call).unwrap_err();
    (error.kind, error.reason)
}

fn rows(rows: Value) -> Rows {
    let rows: Vec<Map<String, Value>> = serde_json::from_value(rows).unwrap();
    Rows { affected: rows.len() as u64, rows }
}

const LOOK_UP: &str = "select name, qty from parts where id = :id";

#[test]
fn values_are_bound_and_the_same_call_is_answered_as_before() {
    let (world, database) = (World::new(), Scripted::new(true));
    let actions = actions(&world, &database);
    database.now(Ok(rows(json!([{ "name": "Bolt", "qty": 3.0, "more": [] }, { "name": null, "qty": 1 }]))));
    let hostile = "'; drop table parts; --";
    let call =
        call("r/1", LOOK_UP, json!({ "params": { "id": hostile }, "returns": { "name": "text", "qty": "number" } }));
    let first = act(&actions, &call).unwrap();
    let bolt = json!({ "name": "Bolt", "qty": 3 });
    let expected =
        json!({ "status": "done", "affected": 2, "first": bolt, "rows": [bolt, { "name": null, "qty": 1 }] });
    assert_eq!(serde_json::to_value(&first).unwrap(), expected);
    database.now(Err(DatabaseError::Unreachable("down".into())));
    assert_eq!(act(&actions, &call), Ok(first));
    let asked = database.asked.lock().unwrap().clone();
    assert_eq!(asked, [("select name, qty from parts where id = $1".to_owned(), vec![json!(hostile)])]);
}

#[test]
fn what_nobody_knows_is_repeated_only_where_twice_is_once() {
    let world = World::new();
    let unknown = || Err(DatabaseError::Unknown("no answer to the commit".into()));
    let (reader, writer) = (Scripted::new(true), Scripted::new(false));
    reader.now(unknown());
    writer.now(unknown());
    assert_eq!(error(&actions(&world, &reader), &call("r/1", "select 1", json!({}))).0, ActionErrorKind::Transient);
    let by_key = call("r/2", "insert into done values (:idempotency_key) on conflict do nothing", json!({}));
    assert_eq!(error(&actions(&world, &writer), &by_key).0, ActionErrorKind::Transient);
    let once = call("r/3", "update parts set qty = qty - 1", json!({}));
    for _ in 0..2 {
        let (kind, reason) = error(&actions(&world, &writer), &once);
        assert_eq!((kind, &*reason), (ActionErrorKind::Permanent, "outcome-unknown"));
        // Whoever reads what became of the run finds what to settle.
        let told = act(&actions(&world, &writer), &once).unwrap_err().message;
        let key = record_key("database", &tenant(), "r/3");
        assert!(told.ends_with(&format!("; it is in doubt as {key}/call")), "{told}");
    }
    assert_eq!(writer.asked(), 2);
    // What is known not to have happened is tried again.
    writer.now(Err(DatabaseError::Busy("a deadlock".into())));
    let once = call("r/4", "update parts set qty = qty - 1", json!({}));
    assert_eq!(error(&actions(&world, &writer), &once).0, ActionErrorKind::Transient);
    writer.now(Err(DatabaseError::Unreachable("it is down".into())));
    assert_eq!(error(&actions(&world, &writer), &once).0, ActionErrorKind::Throttled);
    writer.now(Ok(Rows { rows: Vec::new(), affected: 3 }));
    let result = act(&actions(&world, &writer), &once).unwrap();
    assert_eq!((result.status, &result.outputs["affected"]), (ActionStatus::Done, &json!(3)));
    assert_eq!((&result.outputs["first"], &result.outputs["rows"]), (&Value::Null, &json!([])));
}

#[test]
fn rows_that_are_something_else_or_too_many_are_declined() {
    let (world, database) = (World::new(), Scripted::new(true));
    let actions = actions(&world, &database);
    let asked = |n: u32| call(&format!("r/{n}"), "select 1", json!({ "returns": { "a": "number" } }));
    for (n, (given, reason)) in [
        (rows(json!([{ "a": "secret" }])), "response-mapping"),
        (rows(json!([{ "b": 1 }])), "response-mapping"),
        (rows(json!(vec![json!({ "a": 1 }); MAX_ROWS + 1])), "result-too-large"),
    ]
    .into_iter()
    .enumerate()
    {
        database.now(Ok(given));
        let error = act(&actions, &asked(u32::try_from(n).unwrap())).unwrap_err();
        assert_eq!((error.kind, &*error.reason), (ActionErrorKind::Permanent, reason));
        assert!(!error.message.contains("secret"), "{}", error.message);
    }
    let wide = call("r/9", "select 1", json!({ "returns": { "a": "text" } }));
    database.now(Ok(rows(json!([{ "a": "x".repeat(70_000) }]))));
    assert_eq!(error(&actions, &wide).1, "result-too-large");
    database.now(Ok(rows(json!([{ "a": 1 }, { "a": 0 }, { "a": true }]))));
    let truth = call("r/10", "select 1", json!({ "returns": { "a": "boolean" } }));
    assert_eq!(act(&actions, &truth).unwrap().outputs["rows"], json!([{ "a": true }, { "a": false }, { "a": true }]));
}

#[test]
fn a_call_is_read_strictly() {
    let (world, database) = (World::new(), Scripted::new(true));
    let actions = actions(&world, &database);
    for wrong in [
        call("r", "select 1; drop table parts", json!({})),
        call("r", "drop table parts", json!({})),
        call("r", LOOK_UP, json!({})),
        call("r", LOOK_UP, json!({ "params": { "id": 1, "other": 2 } })),
        call("r", "select :idempotency_key", json!({ "params": { "idempotency_key": 1 } })),
        call("r", "select 1", json!({ "returns": { "a": "money" } })),
        call("r", "select 1", json!({ "returns": ["a"] })),
        call("r", "select 1", json!({ "host": "db.example.org" })),
        call("r", &"select ".repeat(4000), json!({})),
    ] {
        assert_eq!(error(&actions, &wrong), (ActionErrorKind::Permanent, "invalid-call".into()), "{wrong}");
    }
    let foreign = call("r", "select 1", json!({ "tenant": "other" }));
    assert_eq!(error(&actions, &foreign).1, "connection-unknown");
    assert_eq!(database.asked(), 0);
}

#[test]
fn no_database_is_asked_by_a_run_of_a_load_test() {
    for read_only in [true, false] {
        let (world, database) = (World::new(), Scripted::new(read_only));
        let call = call("load_stock-00/look", "select 1 as n", json!({ "returns": { "n": "number" } }));
        let told = block_on(actions(&world, &database).act(&call.to_string(), &Limits::none())).unwrap();
        assert_eq!((told.status, &told.outputs["rows"], database.asked()), (ActionStatus::Done, &json!([]), 0));
        let again = block_on(actions(&world, &database).act(&call.to_string(), &Limits::none())).unwrap();
        assert_eq!(again, told);
    }
}
