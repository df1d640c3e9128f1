//! The http action and every fault of the system that it calls: what happened there is never told wrongly, and never happens twice
//! unless twice is once.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use sendoff_consumers::{
    Limits, NoMeter, RouterPorts,
    action::{
        ActionErrorKind, Actions as _, Connections, HttpActions, HttpConnection, HttpConnectionSettings, Tenants,
    },
    channels::webhook::SystemLookup,
};
use sendoff_host::SystemRng;
use sendoff_tests::{
    conformance::WarpClock,
    memory::{Link, Remote},
    servers::{Answer, Asked, Peer, PeerFault, Served},
};
use serde_json::{Value, json};

/// How often a caller comes back before it gives up.
const CALLS: usize = 12;

/// Takes orders, and is strict about how.
#[derive(Default)]
struct Orders {
    /// The `Idempotency-Key` of each request that it acted on.
    taken: Mutex<Vec<String>>,
}

impl Orders {
    fn check(asked: &Asked) -> Result<String, String> {
        let header = |name| asked.header(name).ok_or_else(|| format!("{name} is missing"));
        if header("authorization")? != "Bearer s3cret" {
            return Err("these are no credentials".into());
        }
        if asked.path != "/api/orders/7" || asked.query != "notify=true" {
            return Err(format!("there is no {}?{}", asked.path, asked.query));
        }
        let body: Option<Value> = serde_json::from_slice(&asked.body).ok();
        match asked.method.as_str() {
            "GET" if asked.body.is_empty() => return Ok("GET".into()),
            "POST" | "PUT" if body == Some(json!({ "part": "Bolt" })) => {}
            _ => return Err("this is no order".into()),
        }
        if header("content-type")? != "application/json" {
            return Err("it must be JSON".into());
        }
        header("idempotency-key").map(str::to_owned)
    }
}

impl Peer for Orders {
    fn subject(&self, asked: &Asked) -> String {
        asked.path.clone()
    }

    fn answer(&self, asked: &Asked) -> Answer {
        match Self::check(asked) {
            Ok(key) => {
                self.taken.lock().unwrap().push(key);
                Answer::json(201, &json!({ "order": { "id": "o-7", "lines": [1, 2, 3] } }))
            }
            Err(why) => Answer::json(400, &json!({ "error": why })),
        }
    }

    fn failure(&self, status: u16) -> Answer {
        Answer::json(status, &json!({ "error": "something went wrong" }))
    }
}

/// What the caller was told in the end.
#[derive(Debug, PartialEq)]
enum End {
    Done,
    Failed(String),
    /// It still comes back.
    Waits,
}

/// Calls as a workflow does, until there is an end. Gives it, and the keys of what was acted on.
async fn run(method: &str, idempotent: bool, fault: PeerFault, always: bool) -> (End, Vec<String>) {
    let served = Served::start(Orders::default()).await;
    match always {
        true => served.script().always(Some(fault)),
        false => served.script().next([fault]),
    }
    let hangs = matches!(fault, PeerFault::HangBefore | PeerFault::HangAfter);
    let settings = HttpConnectionSettings {
        url: format!("{}/api", served.url()),
        private: true,
        headers: [("authorization".to_owned(), "Bearer s3cret".into())].into(),
        // A peer that never answers is given up, any other is waited for on a busy machine.
        timeout: if hangs { Duration::from_millis(500) } else { Duration::from_secs(60) },
        root_certificates: Vec::new(),
    };
    let clock = WarpClock::new();
    let ports = RouterPorts {
        inbox: Arc::new(Remote::new(Arc::default(), Link::Direct, Arc::new(clock.clone()))),
        clock: Arc::new(clock.clone()),
        rng: Arc::new(SystemRng::new()),
        blobs: None,
        keep: RouterPorts::KEEP,
        meter: Arc::new(NoMeter),
    };
    let connection = HttpConnection::new(&settings, Arc::new(SystemLookup)).unwrap();
    let actions = HttpActions::new(ports, Connections::default().with("orders", Tenants::All, connection));
    let mut call = json!({
        "action": "http", "idempotency_key": "run-1/order", "tenant": "acme", "connection": "orders", "method": method,
        "path": "/orders/7", "query": { "notify": true }, "idempotent": idempotent,
        "response": { "id": { "at": "/order/id", "type": "text" } },
    });
    if method != "GET" {
        call["body"] = json!({ "part": "Bolt" });
    }
    let call = call.to_string();
    let mut end = End::Waits;
    for _ in 0..CALLS {
        match actions.act(&call, &Limits::none()).await {
            Ok(result) => {
                assert_eq!(result.outputs["response"], json!({ "id": "o-7" }));
                end = End::Done;
                break;
            }
            Err(error) if error.kind == ActionErrorKind::Permanent => {
                end = End::Failed(error.reason);
                break;
            }
            Err(_) => clock.advance(Duration::from_secs(30)),
        }
    }
    let again = actions.act(&call, &Limits::none()).await;
    match &end {
        End::Done => {
            assert_eq!(again.map(|result| result.outputs["code"].clone()), Ok(json!(201)), "as it was told before")
        }
        End::Failed(reason) => assert_eq!(again.unwrap_err().reason, *reason, "as it was told before"),
        End::Waits => assert!(again.is_err()),
    }
    let taken = served.peer().taken.lock().unwrap().clone();
    (end, taken)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_fault_makes_a_request_happen_twice_or_be_told_as_what_it_was_not() {
    let mut cells = Vec::new();
    for fault in PeerFault::ALL {
        for always in [false, true] {
            for (method, idempotent) in [("POST", false), ("POST", true), ("PUT", false), ("GET", false)] {
                cells.push(
                    async move { (method, idempotent, fault, always, run(method, idempotent, fault, always).await) },
                );
            }
        }
    }
    for (method, idempotent, fault, always, (end, taken)) in futures::future::join_all(cells).await {
        let cell =
            format!("{method} (idempotent: {idempotent}), {} (always: {always}): {end:?}, {taken:?}", fault.name());
        let repeatable = idempotent || method != "POST";
        assert!(taken.windows(2).all(|pair| pair[0] == pair[1]), "each attempt has the same key: {cell}");
        assert!(repeatable || taken.len() <= 1, "it happened twice: {cell}");
        match &end {
            End::Done => assert!(!taken.is_empty(), "told as done: {cell}"),
            End::Waits => assert!(repeatable || taken.is_empty(), "told as what may still be done: {cell}"),
            End::Failed(reason) => match reason.as_str() {
                "outcome-unknown" => assert!(!repeatable, "nobody need decide: {cell}"),
                "response-mapping" => assert!(!taken.is_empty(), "it was answered: {cell}"),
                other => panic!("{other}: {cell}"),
            },
        }
        // What passes by itself fails nothing that may be repeated; an answer that is no answer is one all the same.
        if !always && repeatable && fault != PeerFault::Garbled {
            assert_eq!(end, End::Done, "{cell}");
        }
        if matches!(fault, PeerFault::Slow(_) | PeerFault::Throttled { .. }) && !always {
            assert_eq!((end, taken.len()), (End::Done, 1), "{cell}");
        }
    }
}
