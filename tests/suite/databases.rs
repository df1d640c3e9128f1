//! The database action and its adapter, with a real PostgreSQL behind it.

use std::{sync::Arc, time::Duration};

use sendoff_consumers::{
    Limits, NoMeter, RouterPorts,
    action::{
        Accept, ActionError, ActionErrorKind, ActionResult, Actions as _, Connections, Database, DatabaseActions,
        DatabaseError, MAX_ROWS, Refusal, Rows, Statement, Tenants,
    },
};
use sendoff_host::{
    SystemRng,
    connections::{PostgresDatabase, PostgresSettings},
};
use sendoff_tests::{
    conformance::WarpClock,
    memory::{Link, Remote},
    servers::Postgres,
};
use serde_json::{Map, Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tokio_postgres::NoTls;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig, crypto,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    },
};

const CERTIFICATE: &[u8] = include_bytes!("../../consumers/src/channels/webhook/testdata/hooks.cert.pem");
const KEY: &[u8] = include_bytes!("../../consumers/src/channels/webhook/testdata/hooks.key.pem");
/// The name in the certificate.
const NAME: &str = "hooks.example.com";

fn settings(url: impl Into<String>) -> PostgresSettings {
    PostgresSettings {
        url: url.into().into(),
        read_only: false,
        timeout: Duration::from_secs(20),
        at_once: 3,
        root_certificates: Vec::new(),
    }
}

/// What somebody else does in the database.
async fn outside(postgres: &Postgres, sql: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(&postgres.url(), NoTls).await.unwrap();
    tokio::spawn(async move { drop(connection.await) });
    client.batch_execute(sql).await.unwrap();
    client
}

async fn stocked() -> Postgres {
    let postgres = Postgres::start();
    let setup = "create table parts (id text primary key, name text not null, qty int check (qty >= 0));
        insert into parts values ('p1', 'Bolt', 3), ('p2', 'Nut', 5);";
    outside(&postgres, setup).await;
    postgres
}

fn all() -> Accept {
    Arc::new(|rows: &Rows| {
        let map = json!({ "rows": rows.rows, "affected": rows.affected });
        Ok(map.as_object().unwrap().clone())
    })
}

async fn run(database: &PostgresDatabase, sql: &str, values: Value) -> Result<Map<String, Value>, DatabaseError> {
    let statement = Statement { sql: sql.parse().unwrap(), values: values.as_array().unwrap().clone() };
    database.run(&statement, all()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn values_are_bound_by_the_types_of_their_places_and_come_back_as_json() {
    let postgres = stocked().await;
    let database = PostgresDatabase::new(&settings(postgres.url())).unwrap();
    let types = "select :a::int4 as a, :b::int8 as b, :c::numeric as c, :d::float8 as d, :e::bool as e, :f::date as f,
        :g::timestamptz as g, :h::uuid as h, :i::jsonb as i, :j::text[] as j, :k::varchar as k, :l::text as l, :m::time as m,
        :n::int2 as n, :o::float4 as o, :p::bytea as p, :q::timestamp as q, :r::int[] as r, :s::json as s";
    let id = "01938d1e-7b2c-7000-8000-000000000000";
    let values = json!([
        1, 4_503_599_627_370_496_i64, -1234.5678, 0.1, true, "2026-11-26", "2026-11-26T09:00:00+01:00", id, { "x": [1, null] },
        ["a\"b", "{,}", null], "ü", null, "08:30", 7, 0.5, "x", "2026-11-26T08:00:00", [], "text"
    ]);
    let found = run(&database, types, values).await.unwrap();
    let expected = json!([{
        "a": 1, "b": 4_503_599_627_370_496_i64, "c": -1234.5678, "d": 0.1, "e": true, "f": "2026-11-26",
        "g": "2026-11-26T08:00:00Z", "h": id, "i": { "x": [1, null] }, "j": ["a\"b", "{,}", null], "k": "ü", "l": null,
        "m": "08:30:00", "n": 7, "o": 0.5, "q": "2026-11-26T08:00:00Z", "r": [], "s": "text",
    }]);
    assert_eq!(found["rows"], expected, "bytes have no value");
    let numbers = run(
        &database,
        "select 0::numeric as a, 1e10::numeric as b, 0.00012::numeric as c, 'NaN'::numeric as d,
        10000::numeric as e, -0.5::numeric as f, 'infinity'::float8 as g, 123456789.987654321::numeric as h",
        json!([]),
    );
    let expected = json!([{ "a": 0.0, "b": 1e10, "c": 0.00012, "d": null, "e": 1e4, "f": -0.5, "g": null, "h": 123_456_789.987_654_33 }]);
    assert_eq!(numbers.await.unwrap()["rows"], expected);
    let far = run(
        &database,
        "select 'infinity'::date as a, '-infinity'::date as b, 'infinity'::timestamptz as c, '-infinity'::timestamp as d,
        '5874897-12-31'::date as e, '294276-12-31'::timestamptz as f, '4713-01-01 BC'::date as g",
        json!([]),
    );
    let expected =
        json!([{ "a": "infinity", "b": "-infinity", "c": "infinity", "d": "-infinity", "g": "-004712-01-01" }]);
    assert_eq!(far.await.unwrap()["rows"], expected, "what is beyond the year 9999 has no value");
    let hostile = "'); drop table parts; --";
    let insert = "insert into parts (id, name, qty) values (:id, :name, :qty)";
    assert_eq!(run(&database, insert, json!(["p3", hostile, 2])).await.unwrap()["affected"], json!(1));
    let found = run(&database, "select name from parts where name = :name", json!([hostile])).await.unwrap();
    assert_eq!(found["rows"], json!([{ "name": hostile }]));
    let any = run(&database, "select count(*) as n from parts where id = any(:ids)", json!([["p1", "p3", "'"]])).await;
    assert_eq!(any.unwrap()["rows"], json!([{ "n": 2 }]));
    let changed = run(&database, "update parts set qty = qty + 1 returning id", json!([])).await.unwrap();
    assert_eq!((&changed["affected"], changed["rows"].as_array().unwrap().len()), (&json!(3), 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_changes_nothing_and_repeats_no_value() {
    let postgres = stocked().await;
    let database = PostgresDatabase::new(&settings(postgres.url())).unwrap();
    let reader = PostgresDatabase::new(&PostgresSettings { read_only: true, ..settings(postgres.url()) }).unwrap();
    let insert = "insert into parts (id, name, qty) values (:id, :name, :qty)";
    for (database, sql, values, names) in [
        (&database, insert, json!(["p1", "secret", 1]), "parts_pkey"),
        (&database, insert, json!(["secret", null, 1]), "`name`"),
        (&database, insert, json!(["secret", "secret", -1]), "parts_qty_check"),
        (&database, insert, json!(["secret", "secret", "secret"]), "22P02"),
        (&database, insert, json!(["secret\u{0}", "secret", 1]), "22021"),
        (&database, "select x from nowhere", json!([]), "nowhere"),
        (&database, "select 1 +", json!([]), "42601"),
        (&reader, "update parts set qty = 0", json!([]), "25006"),
        (&reader, "select set_config('transaction_read_only', 'off', false)", json!([]), "25001"),
        (&reader, "with gone as (delete from parts returning 1) select 1 from gone", json!([]), "25006"),
    ] {
        let error = run(database, sql, values).await.unwrap_err();
        let DatabaseError::Refused(text) = &error else { panic!("{sql}: {error:?}") };
        assert!(text.contains(names) && !text.contains("secret"), "{sql}: {text}");
    }
    let refusal = Refusal { reason: "response-mapping", why: "no".into() };
    let declines: Accept = {
        let refusal = refusal.clone();
        Arc::new(move |_: &Rows| Err(refusal.clone()))
    };
    let statement = Statement { sql: "delete from parts returning id".parse().unwrap(), values: Vec::new() };
    assert_eq!(database.run(&statement, declines).await, Err(DatabaseError::Declined(refusal)));
    let many = run(&database, "select generate_series(1, 5000) as n", json!([])).await.unwrap();
    assert_eq!(many["rows"].as_array().unwrap().len(), MAX_ROWS + 1, "it stops there");
    let large = run(&database, "select repeat('x', 2000000) as x", json!([])).await.unwrap_err();
    assert!(matches!(&large, DatabaseError::Declined(refusal) if refusal.reason == "result-too-large"), "{large:?}");
    assert_eq!(run(&reader, "select * from parts", json!([])).await.unwrap()["affected"], json!(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_do_later_is_told_from_what_never_will() {
    let mut postgres = stocked().await;
    let quick = PostgresSettings { timeout: Duration::from_millis(300), ..settings(postgres.url()) };
    let database = PostgresDatabase::new(&quick).unwrap();
    let late = run(&database, "select pg_sleep(30)", json!([])).await.unwrap_err();
    assert!(matches!(&late, DatabaseError::Busy(text) if text.contains("57014")), "{late:?}");
    let other = outside(&postgres, "begin; update parts set qty = 1 where id = 'p1'").await;
    let locked = run(&database, "update parts set qty = 2", json!([])).await.unwrap_err();
    assert!(
        matches!(&locked, DatabaseError::Busy(text) if text.contains("55P03") || text.contains("57014")),
        "{locked:?}"
    );
    drop(other);
    let url = postgres.url().replace("open-sesame", "wrong-secret");
    let wrong = PostgresDatabase::new(&settings(url)).unwrap();
    let refused = run(&wrong, "select 1", json!([])).await.unwrap_err();
    assert!(matches!(&refused, DatabaseError::Unreachable(text) if text.contains("28P01")), "{refused:?}");
    assert!(!refused.to_string().contains("secret"), "{refused}");
    postgres.stop();
    let down = run(&database, "select 1", json!([])).await.unwrap_err();
    assert!(matches!(down, DatabaseError::Unreachable(_)), "{down:?}");
    postgres.start_again();
    assert_eq!(run(&database, "select 1 as one", json!([])).await.unwrap()["rows"], json!([{ "one": 1 }]));
}

/// Speaks TLS in front of a server that doesn't, as PostgreSQL does where it can.
async fn tls_in_front_of(port: u16) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let own = listener.local_addr().unwrap().port();
    let config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(CERTIFICATE).unwrap()],
            PrivateKeyDer::from_pem_slice(KEY).unwrap(),
        );
    let acceptor = TlsAcceptor::from(Arc::new(config.unwrap()));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // SSLRequest: https://www.postgresql.org/docs/16/protocol-message-formats.html
                let mut asked = [0; 8];
                if stream.read_exact(&mut asked).await.is_err() || asked != [0, 0, 0, 8, 4, 210, 22, 47] {
                    return;
                }
                stream.write_all(b"S").await.unwrap();
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                let _ = copy_bidirectional(&mut stream, &mut server).await;
            });
        }
    });
    own
}

#[tokio::test(flavor = "multi_thread")]
async fn the_way_to_another_machine_is_encrypted_and_its_certificate_checked() {
    let postgres = Postgres::start();
    let secure = tls_in_front_of(postgres.port()).await;
    let at = |host: &str, port: u16, more: &str| {
        format!("postgres://sendoff:open-sesame@{host}:{port}/postgres?hostaddr=127.0.0.1{more}")
    };
    let trusting = |url: String| PostgresSettings { root_certificates: vec![CERTIFICATE.to_vec()], ..settings(url) };
    let good = PostgresDatabase::new(&trusting(at(NAME, secure, ""))).unwrap();
    assert_eq!(run(&good, "select 1 as one", json!([])).await.unwrap()["rows"], json!([{ "one": 1 }]));
    for bad in [
        // Nobody vouches for it; it is somebody else's; it speaks no TLS, though the address would take none.
        settings(at(NAME, secure, "")),
        trusting(at("db.example.com", secure, "")),
        trusting(at(NAME, postgres.port(), "")),
        trusting(at(NAME, postgres.port(), "&sslmode=prefer")),
    ] {
        let refused = run(&PostgresDatabase::new(&bad).unwrap(), "select 1", json!([])).await.unwrap_err();
        assert!(matches!(refused, DatabaseError::Unreachable(_)), "{refused:?}");
    }
    for (bytes, most) in [(2_000_000, "1048576"), (200_000_000, "4194304")] {
        let large = run(&good, &format!("select repeat('x', {bytes}) as x"), json!([])).await.unwrap_err();
        let DatabaseError::Declined(Refusal { reason: "result-too-large", why }) = &large else { panic!("{large:?}") };
        assert!(why.contains(most), "{bytes} bytes are read in part only: {why}");
    }
    let plain = PostgresDatabase::new(&settings(at(NAME, postgres.port(), "&sslmode=disable"))).unwrap();
    run(&plain, "select 1", json!([])).await.unwrap();
}

#[test]
fn an_address_that_is_none_is_told_without_its_password() {
    for url in ["postgres://", "postgres://u:secret@h:port/d", "postgres://u:secret@h/d?nonsense=secret", "secret"] {
        let error = PostgresDatabase::new(&settings(url)).map(drop).unwrap_err();
        assert!(error.key == "url" && !error.to_string().contains("secret"), "{url}: {error}");
    }
}

async fn act(actions: &DatabaseActions, call: Value) -> Result<ActionResult, ActionError> {
    actions.act(&call.to_string(), &Limits::none()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_with_the_calls_own_key_happens_once_however_often_it_is_asked_for() {
    let postgres = stocked().await;
    let client = outside(&postgres, "create table moves (key uuid primary key, part text, qty int)").await;
    let clock = WarpClock::new();
    let ports = RouterPorts {
        inbox: Arc::new(Remote::new(Arc::default(), Link::Direct, Arc::new(clock.clone()))),
        clock: Arc::new(clock),
        rng: Arc::new(SystemRng::new()),
        blobs: None,
        keep: RouterPorts::KEEP,
        meter: Arc::new(NoMeter),
    };
    let database: Arc<dyn Database> = Arc::new(PostgresDatabase::new(&settings(postgres.url())).unwrap());
    let actions =
        DatabaseActions::new(ports.clone(), Connections::default().with("stock", Tenants::All, database.clone()));
    let call = json!({
        "action": "database", "idempotency_key": "run-1/move", "tenant": "acme", "connection": "stock",
        "sql": "insert into moves values (:idempotency_key, :part, :qty) on conflict do nothing returning part, qty",
        "params": { "part": "'; drop table moves; --", "qty": 2 },
        "returns": { "part": "text", "qty": "number" },
    });
    let first = act(&actions, call.clone()).await.unwrap();
    let row = json!({ "part": "'; drop table moves; --", "qty": 2 });
    let expected = json!({ "status": "done", "affected": 1, "first": row, "rows": [row] });
    assert_eq!(serde_json::to_value(&first).unwrap(), expected);
    assert_eq!(act(&actions, call.clone()).await, Ok(first), "it is answered from the ledger");
    // An inbox that knows nothing of it: the statement itself sees to it.
    let fresh =
        RouterPorts { inbox: Arc::new(Remote::new(Arc::default(), Link::Direct, ports.clock.clone())), ..ports };
    let actions = DatabaseActions::new(fresh, Connections::default().with("stock", Tenants::All, database));
    assert_eq!(act(&actions, call.clone()).await.unwrap().outputs["affected"], json!(0));
    let count: i64 = client.query_one("select count(*) from moves", &[]).await.unwrap().get(0);
    assert_eq!(count, 1);
    let mut wrong = call;
    wrong["idempotency_key"] = json!("run-2/move");
    wrong["returns"] = json!({ "part": "number", "qty": "number" });
    let error = act(&actions, wrong).await.unwrap_err();
    assert_eq!((error.kind, &*error.reason), (ActionErrorKind::Permanent, "response-mapping"));
    let count: i64 = client.query_one("select count(*) from moves", &[]).await.unwrap().get(0);
    assert_eq!(count, 1, "it was rolled back");
}
