//! What a load test has left goes, and nothing else.

use std::{collections::BTreeMap, fs, path::Path};

use sendoff_consumers::{NewRun, RunChange, RunStatus, run_correlation};
use sendoff_events::{AppAssigned, Clock as _, Envelope, Origin, Outgoing, TenantId};
use sendoff_producers::{Answer, Expected, RecordKey, RequestKey, UnitOfWork, Write};
use serde_json::json;

use super::{Bench, tenant};
use crate::LoadTest;

fn night() -> LoadTest {
    LoadTest { correlations: "load/night/".into(), names: "load-night-".into() }
}

fn of(name: &str) -> TenantId {
    name.parse().unwrap()
}

fn event(bench: &Bench, tenant: &TenantId, correlation: Option<&str>) -> Outgoing {
    let user: sendoff_events::UserId = "ada".parse().unwrap();
    let data = AppAssigned { app_id: "crm".parse().unwrap(), user_id: user.clone(), assigned_by: user };
    let origin = Origin {
        source: "/test".into(),
        tenant: tenant.clone(),
        correlation: correlation.map(str::to_owned),
        causation: None,
        traceparent: None,
        hops: 0,
    };
    Envelope::new(data, origin, None, &*bench.clock, &bench.rng).encode().unwrap()
}

/// Makes or changes a record, and publishes what tells of it, as a request with a key would.
async fn commit(bench: &Bench, tenant: &TenantId, id: &str, expected: Expected, correlation: Option<&str>) {
    let answer = Answer { status: 201, location: None, etag: None, events: Vec::new(), body: "{}".into() };
    let request = correlation.map(|key| RequestKey { key: key.to_owned(), fingerprint: [1; 32], answer });
    let key = RecordKey::new(tenant, "submissions", id);
    let work = UnitOfWork::new(tenant.clone(), "ada", bench.clock.now())
        .write(Write { key, expected, data: Some(json!({ "at": 1 })) })
        .tell(event(bench, tenant, correlation));
    let work = UnitOfWork { request, ..work };
    bench.store.records().commit(work).await.unwrap();
}

async fn put(bench: &Bench, tenant: &TenantId, collection: &'static str, id: &str, name: &str) {
    let key = RecordKey::new(tenant, collection, id);
    let write = Write { key, expected: Expected::Absent, data: Some(json!({ "name": name })) };
    let work = UnitOfWork { tenant: tenant.clone(), ..bench.work(vec![write], Vec::new()) };
    bench.store.records().commit(work).await.unwrap();
}

fn count(bench: &Bench, table: &str) -> i64 {
    bench.connection().query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

/// Everything that is kept, by table.
fn kept(bench: &Bench) -> BTreeMap<&'static str, i64> {
    let tables = ["records", "requests", "changes", "events", "messages", "runs", "inbox"];
    tables.into_iter().map(|table| (table, count(bench, table))).collect()
}

fn files(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| if entry.path().is_dir() { files(&entry.path()) } else { 1 }).sum()
}

/// What others have: events with and without a correlation, tenants that are called alike, and a record that the test only changed.
async fn bystanders(bench: &Bench) {
    for name in ["load-night", "load-night-1x", "load-night-2-0", "load-nights-1", "acme"] {
        commit(bench, &of(name), "crm/theirs", Expected::Absent, None).await;
        commit(bench, &of(name), "crm/other", Expected::Absent, Some("load/night-2/1")).await;
    }
    put(bench, &tenant(), "users", "user-1", "Ada").await;
    for other in ["load-night-1x", "load-night-1-0", "load-night", "load-nights-1"] {
        put(bench, &tenant(), "apps", other, "load/night").await;
        commit(bench, &tenant(), &format!("{other}/1"), Expected::Absent, None).await;
    }
}

fn run(name: &str, tenant: TenantId) -> NewRun {
    let (app, workflow) = ("crm".parse().unwrap(), "w".parse().unwrap());
    NewRun { name: name.into(), tenant, app, workflow, version: 1, input: json!({}) }
}

#[tokio::test]
async fn a_load_test_leaves_nothing_and_takes_nothing_of_others_with_it() {
    let bench = Bench::with(|options| options.max_body = 100);
    bench.subscribed("email").await;
    bystanders(&bench).await;
    let (before, files_before) = (kept(&bench), files(&bench.folder.path().join("blobs")));
    for number in 0..3 {
        let own = of(&format!("load-night-{number}"));
        put(&bench, &own, "users", "user-1", "load/night").await;
        for n in 0..150 {
            commit(&bench, &own, &format!("crm/{n}"), Expected::Absent, Some(&format!("load/night/{n}"))).await;
        }
        let name = format!("load_w-{number}");
        let change = RunChange {
            state: "{}".into(),
            status: RunStatus::Running,
            failure: None,
            history: Vec::new(),
            messages: Vec::new(),
        };
        assert!(bench.store.runs().create(&run(&name, own.clone()), change).await.unwrap());
        bench.store.publisher().publish(&[event(&bench, &own, Some(&run_correlation(&name)))]).await;
    }
    // By a token of somebody else's tenant.
    commit(&bench, &tenant(), "load-night-10/made", Expected::Absent, Some("load/night/900")).await;
    put(&bench, &tenant(), "apps", "load-night-10", "load/night").await;
    put(&bench, &tenant(), "timeline", "load-night-10/made", "").await;
    let with_test = kept(&bench);

    let told = bench.store.clear_load_test(&night(), true).await.unwrap();
    assert_eq!(kept(&bench), with_test, "a dry run changes nothing");
    let done = bench.store.clear_load_test(&night(), false).await.unwrap();
    assert_eq!(done, told);
    assert_eq!((done["events"], done["runs"], done["blobs"]), (454, 3, 454), "{done:?}");
    assert_eq!(done["records"], 3 * 151 + 3, "{done:?}");
    let mut left = kept(&bench);
    // What was written without an event stays among the changes of its tenant.
    *left.get_mut("changes").unwrap() -= 2;
    assert_eq!(left, before);
    assert_eq!(files(&bench.folder.path().join("blobs")), files_before);
    assert_eq!(bench.store.clear_load_test(&night(), false).await.unwrap(), BTreeMap::new());
}

#[tokio::test]
async fn a_record_of_somebody_else_that_a_test_only_changed_stays() {
    let bench = Bench::new();
    commit(&bench, &tenant(), "crm/theirs", Expected::Absent, None).await;
    commit(&bench, &tenant(), "crm/theirs", Expected::Any, Some("load/night/1")).await;
    bench.store.clear_load_test(&night(), false).await.unwrap();
    let key = RecordKey::new(&tenant(), "submissions", "crm/theirs");
    assert!(bench.store.records().get(&key).await.unwrap().is_some());
}
