//! Calls over real sockets, of a peer that answers as it is told.

use std::{
    io,
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket, TcpStream},
};

use super::{
    super::{ActionErrorKind, ActionStatus, Tenants},
    *,
};
use crate::{
    Resolution,
    channels::webhook::{Lookup, SystemLookup},
    handlers::doubles::{World, tenant},
    resolve,
};

/// What the peer does with a request.
#[derive(Clone)]
enum Does {
    Answers(String),
    /// It closes the connection when it has read the request.
    Hangs,
}

/// A server on this machine, and the requests that it got.
struct Peer {
    port: u16,
    got: Arc<Mutex<Vec<String>>>,
    does: Arc<Mutex<Does>>,
}

impl Peer {
    async fn start(does: Does) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (got, does) = (Arc::<Mutex<Vec<String>>>::default(), Arc::new(Mutex::new(does)));
        let (requests, script) = (got.clone(), does.clone());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let request = read(&mut stream).await;
                requests.lock().unwrap().push(request);
                let does = script.lock().unwrap().clone();
                if let Does::Answers(answer) = does {
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            }
        });
        Self { port, got, does }
    }

    fn now(&self, does: Does) {
        *self.does.lock().unwrap() = does;
    }

    fn got(&self) -> Vec<String> {
        self.got.lock().unwrap().clone()
    }

    fn settings(&self) -> HttpConnectionSettings {
        HttpConnectionSettings {
            url: format!("http://127.0.0.1:{}/api/", self.port),
            private: true,
            headers: [("Authorization".to_owned(), "Bearer s3cret".into())].into(),
            timeout: Duration::from_secs(10),
            root_certificates: Vec::new(),
        }
    }

    fn actions(&self, world: &World) -> HttpActions {
        let connection = HttpConnection::new(&self.settings(), Arc::new(SystemLookup)).unwrap();
        let only = Tenants::Only([tenant()].into());
        HttpActions::new(world.ports(), Connections::default().with("crm", only, connection))
    }
}

/// The request, with as much of a body as it says.
async fn read(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let read = stream.read(&mut buffer).await.unwrap_or(0);
        request.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&request).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            assert_ne!(read, 0, "the request broke off: {text}");
            continue;
        };
        let head = head.to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
            return text;
        }
    }
}

fn answers(status: u16, headers: &str, body: &str) -> Does {
    let length = body.len();
    Does::Answers(format!(
        "HTTP/1.1 {status} x\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    ))
}

fn call(method: &str, fields: Value) -> Value {
    let mut call = json!({
        "action": "http", "idempotency_key": "run-1/call", "tenant": tenant(), "connection": "crm", "method": method,
        "path": "/orders",
    });
    call.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    call
}

async fn act(actions: &HttpActions, call: &Value) -> Result<ActionResult, ActionError> {
    actions.act(&call.to_string(), &Limits::none()).await
}

async fn error(actions: &HttpActions, call: &Value) -> (ActionErrorKind, String, String) {
    let error = act(actions, call).await.unwrap_err();
    (error.kind, error.reason, error.message)
}

#[tokio::test]
async fn a_response_becomes_named_values_and_the_same_call_is_answered_as_before() {
    let (world, peer) =
        (World::new(), Peer::start(answers(201, "", r#"{"id":"o-1","lines":[{"n":2.0}],"x":{}}"#)).await);
    let actions = peer.actions(&world);
    let call = call(
        "POST",
        json!({
            "path": "/orders/a b?c", "query": { "q": "x&y", "n": [1, 2], "no": null }, "headers": { "X-Kind": "order" },
            "body": { "name": "Ada" },
            "response": {
                "order_id": { "at": "/id", "type": "text" },
                "first": { "at": "/lines/0/n", "type": "number" },
                "missing": { "at": "/nowhere", "type": "text" },
            },
        }),
    );
    let first = act(&actions, &call).await.unwrap();
    assert_eq!(
        serde_json::to_value(&first).unwrap(),
        json!({ "status": "done", "code": 201, "response": { "order_id": "o-1", "first": 2, "missing": null } })
    );
    peer.now(answers(500, "", ""));
    assert_eq!(act(&actions, &call).await, Ok(first));
    let got = peer.got();
    let [request] = &got[..] else { panic!("{got:?}") };
    let (line, rest) = request.split_once("\r\n").unwrap();
    assert_eq!(line, "POST /api/orders/a%20b%3Fc?n=1&n=2&q=x%26y HTTP/1.1");
    let head = rest.to_ascii_lowercase();
    for header in
        ["authorization: bearer s3cret", "x-kind: order", "content-type: application/json", "idempotency-key: "]
    {
        assert!(head.contains(header), "{header}: {request}");
    }
    assert!(request.ends_with(r#"{"name":"Ada"}"#), "{request}");
}

#[tokio::test]
async fn what_may_be_repeated_is_and_anything_else_is_left_to_a_person() {
    let (world, peer) = (World::new(), Peer::start(Does::Hangs).await);
    let actions = peer.actions(&world);
    for (n, method) in ["GET", "PUT", "DELETE", "HEAD"].into_iter().enumerate() {
        let call = call(method, json!({ "idempotency_key": format!("run/{n}") }));
        assert_eq!(error(&actions, &call).await.0, ActionErrorKind::Transient, "{method}");
        peer.now(answers(200, "", ""));
        assert_eq!(act(&actions, &call).await.unwrap().status, ActionStatus::Done, "{method}");
        peer.now(Does::Hangs);
    }
    let safe = call("PATCH", json!({ "idempotency_key": "run/said", "idempotent": true }));
    assert_eq!(error(&actions, &safe).await.0, ActionErrorKind::Transient);
    for (n, does) in [Does::Hangs, answers(500, "", ""), answers(504, "", "")].into_iter().enumerate() {
        peer.now(does);
        let post = call("POST", json!({ "idempotency_key": format!("run/once/{n}") }));
        let before = peer.got().len();
        for _ in 0..3 {
            let (kind, reason, _) = error(&actions, &post).await;
            assert_eq!((kind, &*reason), (ActionErrorKind::Permanent, "outcome-unknown"));
        }
        assert_eq!(peer.got().len(), before + 1, "it went once");
    }
}

#[tokio::test]
async fn a_doubt_that_a_person_settles_is_done_or_tried_again() {
    let (world, peer) = (World::new(), Peer::start(Does::Hangs).await);
    let actions = peer.actions(&world);
    let settled = |n: u32, resolution: Resolution| {
        let (world, actions, peer) = (&world, &actions, &peer);
        async move {
            peer.now(Does::Hangs);
            let mut post = call(
                "POST",
                json!({ "idempotency_key": format!("run/{n}"), "response": { "id": { "at": "/id", "type": "text" } } }),
            );
            assert_eq!(error(actions, &post).await.1, "outcome-unknown");
            let key = world.inbox.0.lock().unwrap().values().last().unwrap().key.clone();
            let key = world
                .inbox
                .0
                .lock()
                .unwrap()
                .keys()
                .find(|k| k.as_str().starts_with("http/") && **k == key)
                .unwrap()
                .clone();
            let (now, rng) = (world.ports().clock.now(), world.ports().rng);
            resolve(&*world.inbox, &key, "call", &resolution, "by hand", now, &*rng).await.unwrap();
            peer.now(answers(200, "", r#"{"id":"7"}"#));
            post["redrive"] = json!(1);
            let result = act(actions, &post).await.unwrap();
            world.inbox.0.lock().unwrap().clear();
            serde_json::to_value(result).unwrap()
        }
    };
    let sent = settled(1, Resolution::Sent { provider_id: None }).await;
    assert_eq!(
        sent,
        json!({ "status": "done", "code": null, "response": { "id": null } }),
        "nobody knows what was told"
    );
    assert_eq!(peer.got().len(), 1);
    let again = settled(2, Resolution::SendAgain).await;
    assert_eq!(again, json!({ "status": "done", "code": 200, "response": { "id": "7" } }));
    assert_eq!(peer.got().len(), 3);
}

#[tokio::test]
async fn each_status_has_its_meaning() {
    let (world, peer) = (World::new(), Peer::start(Does::Hangs).await);
    let actions = peer.actions(&world);
    let later = "retry-after: 7\r\n";
    for (n, (does, kind, reason)) in [
        (answers(301, "location: http://169.254.169.254/\r\n", ""), ActionErrorKind::Permanent, "refused"),
        (answers(400, "", "ada@example.org"), ActionErrorKind::Permanent, "refused"),
        (answers(404, "", ""), ActionErrorKind::Permanent, "refused"),
        (answers(408, later, ""), ActionErrorKind::Permanent, "outcome-unknown"),
        (answers(425, "", ""), ActionErrorKind::Transient, "failed"),
        (answers(429, later, ""), ActionErrorKind::Throttled, "deferred"),
        (answers(503, later, ""), ActionErrorKind::Throttled, "deferred"),
        (answers(503, "", ""), ActionErrorKind::Permanent, "outcome-unknown"),
        (answers(500, "", ""), ActionErrorKind::Permanent, "outcome-unknown"),
    ]
    .into_iter()
    .enumerate()
    {
        peer.now(does);
        let post = call("POST", json!({ "idempotency_key": format!("run/{n}") }));
        let (found, word, message) = error(&actions, &post).await;
        assert_eq!((found, &*word), (kind, reason), "{n}: {message}");
        assert!(!message.contains("example.org"), "{message}");
    }
    let one_each = peer.got().len();
    assert_eq!(one_each, 9, "no redirect was followed, and nothing went twice");
}

#[tokio::test]
async fn what_a_proxy_says_after_it_has_lost_the_other_side_is_asked_again_where_that_does_no_harm() {
    let (world, peer) = (World::new(), Peer::start(Does::Hangs).await);
    let actions = peer.actions(&world);
    for (n, (does, kind, reason)) in [
        (answers(408, "", ""), ActionErrorKind::Transient, "failed"),
        (answers(408, "retry-after: 7\r\n", ""), ActionErrorKind::Throttled, "deferred"),
        (answers(503, "", ""), ActionErrorKind::Throttled, "deferred"),
    ]
    .into_iter()
    .enumerate()
    {
        peer.now(does);
        let post = call("POST", json!({ "idempotency_key": format!("run/{n}"), "idempotent": true }));
        let (found, word, message) = error(&actions, &post).await;
        assert_eq!((found, &*word), (kind, reason), "{n}: {message}");
    }
}

#[tokio::test]
async fn an_outage_is_waited_out() {
    let world = World::new();
    let mut peer = Peer::start(Does::Hangs).await;
    // Taken, so that nobody else listens there meanwhile.
    let taken = TcpSocket::new_v4().unwrap();
    taken.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    peer.port = taken.local_addr().unwrap().port();
    let (kind, _, message) = error(&peer.actions(&world), &call("POST", json!({}))).await;
    assert_eq!(kind, ActionErrorKind::Throttled, "{message}");
    assert!(message.contains("can't connect"), "{message}");
}

#[tokio::test]
async fn a_response_that_is_something_else_names_the_pointer_and_no_value() {
    let (world, peer) = (World::new(), Peer::start(answers(200, "", r#"{"id":"secret-7"}"#)).await);
    let actions = peer.actions(&world);
    let mapped = |method: &str, key: &str| {
        call(method, json!({ "idempotency_key": key, "response": { "order": { "at": "/id", "type": "number" } } }))
    };
    for method in ["GET", "POST"] {
        let (kind, reason, message) = error(&actions, &mapped(method, method)).await;
        assert_eq!((kind, &*reason), (ActionErrorKind::Permanent, "response-mapping"));
        assert!(message.contains("`/id`") && message.contains("`order`") && !message.contains("secret"), "{message}");
    }
    // A run that is taken up again asks again for what may be repeated, and never does again what was done.
    peer.now(answers(200, "", r#"{"id":7}"#));
    let redriven = |method: &str| {
        let mut call = mapped(method, method);
        call["redrive"] = json!(1);
        call
    };
    assert_eq!(act(&actions, &redriven("GET")).await.unwrap().outputs["response"], json!({ "order": 7 }));
    assert_eq!(error(&actions, &redriven("POST")).await.1, "response-mapping");
    assert_eq!(peer.got().len(), 3);
    peer.now(answers(200, "", "<html>"));
    assert_eq!(error(&actions, &mapped("GET", "r/3")).await.1, "response-mapping");
    peer.now(answers(204, "", ""));
    assert_eq!(act(&actions, &mapped("GET", "r/4")).await.unwrap().outputs["response"], json!({ "order": null }));
}

#[tokio::test]
async fn what_is_too_large_is_refused_with_a_clear_error() {
    let world = World::new();
    let text = |bytes: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(bytes));
    let peer = Peer::start(answers(200, "", &text(70_000))).await;
    let actions = peer.actions(&world);
    let mapped =
        |key: &str| call("GET", json!({ "idempotency_key": key, "response": { "a": { "at": "/a", "type": "text" } } }));
    assert_eq!(error(&actions, &mapped("r/1")).await.1, "result-too-large");
    peer.now(answers(200, "", &text(60_000)));
    assert_eq!(act(&actions, &mapped("r/2")).await.unwrap().status, ActionStatus::Done);
    peer.now(answers(200, "", &text(1024 * 1024)));
    let (_, reason, message) = error(&actions, &mapped("r/3")).await;
    assert!(reason == "result-too-large" && message.contains("1048576"), "{message}");
    // What isn't asked for may be of any size.
    assert_eq!(
        act(&actions, &call("GET", json!({ "idempotency_key": "r/4" }))).await.unwrap().status,
        ActionStatus::Done
    );
}

#[tokio::test]
async fn a_call_leads_nowhere_but_below_its_connection() {
    let (world, peer) = (World::new(), Peer::start(answers(200, "", "")).await);
    let actions = peer.actions(&world);
    let refused = [
        json!({ "path": "http://169.254.169.254/latest" }),
        json!({ "path": "/../admin" }),
        json!({ "path": "/a/%2E%2e/b" }),
        json!({ "path": "//evil.example/x" }),
        json!({ "path": "/\\evil.example/x" }),
        json!({ "path": "/a/./b" }),
        json!({ "path": "/a\r\nHost: evil" }),
        json!({ "path": "/orders//lines" }),
        json!({ "path": "@evil.example/" }),
        json!({ "path": ["orders", "7/cancel"] }),
        json!({ "path": ["orders", "7%2fcancel"] }),
        json!({ "path": ["orders", ".."] }),
        json!({ "path": ["orders", "", "lines"] }),
        json!({ "path": ["orders", ""] }),
        json!({ "path": ["orders", "", null] }),
        json!({ "path": ["orders", null, "lines"] }),
        json!({ "path": [""] }),
        json!({ "path": ["orders", 7] }),
        json!({ "path": [] }),
        json!({ "headers": { "Host": "evil.example" } }),
        json!({ "headers": { "AUTHORIZATION": "Bearer mine" } }),
        json!({ "headers": { "Transfer-Encoding": "chunked" } }),
        json!({ "headers": { "Idempotency-Key": "1" } }),
        json!({ "headers": { "X": "a\r\nY: b" } }),
        json!({ "headers": { "X Y": "a" } }),
        json!({ "query": { "a": { "b": 1 } } }),
        json!({ "method": "CONNECT" }),
        json!({ "body": 1 }),
        json!({ "host": "evil.example" }),
        json!({ "response": { "a": { "at": "id", "type": "text" } } }),
        json!({ "response": { "a": { "at": "/id", "type": "money" } } }),
        json!({ "response": { "a": { "at": "/id", "type": "text", "x": 1 } } }),
    ];
    for (n, fields) in refused.iter().enumerate() {
        let mut call = call("GET", fields.clone());
        call["idempotency_key"] = json!(format!("run/{n}"));
        let (kind, reason, message) = error(&actions, &call).await;
        assert_eq!((kind, &*reason), (ActionErrorKind::Permanent, "invalid-call"), "{fields}: {message}");
    }
    assert_eq!(peer.got(), [] as [&str; 0]);
    // What only looks like an address stays in its place.
    for (n, (path, line)) in [
        ("/x?to=http://evil#y", "GET /api/x%3Fto=http://evil%23y "),
        ("/@evil.example:80", "GET /api/@evil.example:80 "),
        ("/ä", "GET /api/%C3%A4 "),
    ]
    .into_iter()
    .enumerate()
    {
        let call = call("GET", json!({ "path": path.replace("://", ":/"), "idempotency_key": format!("run/ok/{n}") }));
        act(&actions, &call).await.unwrap();
        let got = peer.got().pop().unwrap();
        assert!(got.starts_with(&line.replace("://", ":/")), "{got}");
    }
    let slash = call("GET", json!({ "path": ["orders", "7", null], "idempotency_key": "run/slash" }));
    act(&actions, &slash).await.unwrap();
    let got = peer.got().pop().unwrap();
    assert!(got.starts_with("GET /api/orders/7/ "), "{got}");
}

#[tokio::test]
async fn a_connection_is_for_those_tenants_only_that_the_operator_names() {
    let (world, peer) = (World::new(), Peer::start(answers(200, "", "")).await);
    let actions = peer.actions(&world);
    let foreign = error(&actions, &call("GET", json!({ "tenant": "other" }))).await;
    let unknown = error(&actions, &call("GET", json!({ "tenant": "other", "connection": "none" }))).await;
    assert_eq!((foreign.0, &*foreign.1), (ActionErrorKind::Permanent, "connection-unknown"));
    assert_eq!(foreign.2.replace("`crm`", ""), unknown.2.replace("`none`", ""), "it doesn't tell which there are");
    assert_eq!(peer.got(), [] as [&str; 0]);
}

/// A name that leads behind our walls.
struct Inside(IpAddr);

impl Lookup for Inside {
    fn addresses(&self, _: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let address = self.0;
        Box::pin(async move { Ok(vec![address]) })
    }
}

#[tokio::test]
async fn a_name_that_resolves_to_our_own_network_is_not_called() {
    for inside in ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:10.0.0.1", "fd00::1"] {
        let world = World::new();
        let settings = HttpConnectionSettings {
            url: "https://crm.example.org".into(),
            private: false,
            headers: [].into(),
            timeout: Duration::from_secs(5),
            root_certificates: Vec::new(),
        };
        let connection = HttpConnection::new(&settings, Arc::new(Inside(inside.parse().unwrap()))).unwrap();
        let actions = HttpActions::new(world.ports(), Connections::default().with("crm", Tenants::All, connection));
        let (kind, reason, message) = error(&actions, &call("GET", json!({}))).await;
        assert_eq!((kind, &*reason), (ActionErrorKind::Permanent, "refused"), "{inside}: {message}");
        assert!(message.contains("is not public"), "{message}");
    }
}

#[test]
fn an_address_that_is_not_public_needs_a_word_of_the_operator() {
    let new = |url: &str, private: bool| {
        let settings = HttpConnectionSettings {
            url: url.into(),
            private,
            headers: [].into(),
            timeout: Duration::from_secs(5),
            root_certificates: Vec::new(),
        };
        HttpConnection::new(&settings, Arc::new(SystemLookup)).map(drop)
    };
    for private in ["http://crm.example.org", "https://10.0.0.7/api", "https://crm.internal", "http://localhost:8080"] {
        let error = new(private, false).unwrap_err();
        assert!(matches!(error, HttpConnectionError::Refused(_)), "{private}: {error}");
        assert_eq!(new(private, true), Ok(()), "{private}");
    }
    for wrong in
        ["crm.example.org", "ftp://crm.example.org", "https://a:b@crm.example.org", "https://crm.example.org?x"]
    {
        assert_eq!(new(wrong, true), Err(HttpConnectionError::Address), "{wrong}");
    }
}

#[tokio::test]
async fn no_system_is_called_by_a_run_of_a_load_test() {
    let (world, peer) = (World::new(), Peer::start(answers(500, "", "")).await);
    let actions = peer.actions(&world);
    for method in ["GET", "POST"] {
        let key = format!("load_crm-00/{method}");
        let call =
            call(method, json!({ "idempotency_key": key, "response": { "id": { "at": "/id", "type": "text" } } }));
        let told = act(&actions, &call).await.unwrap();
        assert_eq!(
            serde_json::to_value(&told).unwrap(),
            json!({ "status": "done", "code": 200, "response": { "id": null } })
        );
        assert_eq!(act(&actions, &call).await.unwrap(), told, "again");
    }
    assert_eq!(peer.got(), Vec::<String>::new());
}
