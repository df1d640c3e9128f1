//! Runs that our own engine carries out, over the backend's queue, inbox and store.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use sendoff_consumers::{
    Decided, Delivery, EnginePorts, EngineWorkflows, HistoryPage, Inbox, Limits, NewRun, NoMeter, Queue, Router,
    RouterPorts, RunChange, RunFilter, RunPage, RunStatus, Runs, RunsError, StoredRun, Stranded, Verdict,
    WORKFLOW_STEPS, WorkflowSteps, Workflows as _,
    action::{ActionError, ActionErrorKind, ActionResult, ActionStatus, Actions},
};
use sendoff_events::BoxFuture;
use sendoff_producers::{
    Expected, Write,
    model::{WorkflowVersion, workflow_version_key},
};
use sendoff_workflows::{Definition, Published, engine::Decision};
use serde_json::{Map, Value, json};

use super::{
    Backend,
    given::{acme, at, commit},
};
use crate::memory::{Link, MemoryInbox, lock};

/// What actions are asked for, and how they fail.
#[derive(Default)]
struct Peer {
    calls: Mutex<Vec<Value>>,
    /// The keys of calls that fail when they come first, and how.
    failing: Mutex<BTreeMap<String, ActionErrorKind>>,
}

impl Peer {
    /// The keys of all calls, in order.
    fn keys(&self) -> Vec<String> {
        lock(&self.calls).iter().map(|call| call["idempotency_key"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

impl Actions for Peer {
    fn act<'a>(&'a self, call: &'a str, _: &'a Limits) -> BoxFuture<'a, Result<ActionResult, ActionError>> {
        let call: Value = serde_json::from_str(call).expect("a call is JSON");
        let key = call["idempotency_key"].as_str().expect("a call has a key").to_owned();
        lock(&self.calls).push(call);
        let failing = lock(&self.failing).remove(&key);
        Box::pin(async move {
            match failing {
                Some(kind) => Err(ActionError { kind, reason: "no-luck".into(), message: "as it was told".into() }),
                None => Ok(ActionResult {
                    status: ActionStatus::Sent,
                    provider: None,
                    provider_id: None,
                    reason: None,
                    outputs: Map::new(),
                }),
            }
        })
    }
}

/// A store of runs that takes a change and loses its answer, or loses the change, as often as it is told to.
struct Lossy {
    runs: Arc<dyn Runs>,
    loses: AtomicBool,
}

impl Runs for Lossy {
    fn create<'a>(&'a self, run: &'a NewRun, change: RunChange) -> BoxFuture<'a, Result<bool, RunsError>> {
        self.runs.create(run, change)
    }

    fn load<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<StoredRun>, RunsError>> {
        self.runs.load(name)
    }

    fn commit<'a>(&'a self, name: &'a str, expected: u64, change: RunChange) -> BoxFuture<'a, Result<bool, RunsError>> {
        if self.loses.swap(false, SeqCst) {
            return Box::pin(async { Err(RunsError::Unavailable("lost".into())) });
        }
        self.runs.commit(name, expected, change)
    }

    fn history<'a>(&'a self, name: &'a str, after: u64, limit: usize) -> BoxFuture<'a, Result<HistoryPage, RunsError>> {
        self.runs.history(name, after, limit)
    }

    fn list<'a>(
        &'a self,
        filter: &'a RunFilter,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<RunPage, RunsError>> {
        self.runs.list(filter, after, limit)
    }

    fn stranded<'a>(&'a self, after: Option<&'a str>, limit: usize) -> BoxFuture<'a, Result<Stranded, RunsError>> {
        self.runs.stranded(after, limit)
    }
}

struct Stage<'b> {
    backend: &'b dyn Backend,
    runs: Arc<Lossy>,
    engine: Arc<EngineWorkflows>,
    peer: Arc<Peer>,
    queue: Arc<dyn Queue>,
}

impl<'b> Stage<'b> {
    /// An engine over the backend, with this workflow published.
    async fn of(backend: &'b dyn Backend, steps: Value) -> Self {
        let definition = json!({
            "workflow": "tried", "app": "crm", "fields": { "names": { "list": "text" } }, "on": [{ "manual": true }],
            "vars": { "n": "number" }, "steps": steps,
        });
        let definition = Definition::of(definition).unwrap_or_else(|problems| panic!("{problems}"));
        let published = Published::of(&definition, 1).unwrap_or_else(|problems| panic!("{problems}"));
        let record = WorkflowVersion {
            definition: published.definition,
            sha256: published.sha256,
            published_by: "ada".parse().expect("an id"),
            published_at: at(backend),
        };
        let key = workflow_version_key(&acme(), &new().app, &new().workflow, 1);
        let data = Some(serde_json::to_value(record).expect("a record is JSON"));
        commit(backend, vec![Write { key, expected: Expected::Absent, data }]).await;
        let runs = backend.runs().expect("whoever lacks them is excused");
        let runs = Arc::new(Lossy { runs, loses: AtomicBool::new(false) });
        let ports =
            EnginePorts { runs: runs.clone(), records: backend.records(), clock: backend.clock(), rng: backend.rng() };
        let queue = backend.create_queue(WORKFLOW_STEPS, None).await;
        Self { backend, runs, engine: Arc::new(EngineWorkflows::new(ports)), peer: Arc::default(), queue }
    }

    fn router(&self, inbox: Arc<dyn Inbox>) -> Router {
        let ports = RouterPorts {
            inbox,
            clock: self.backend.clock(),
            rng: self.backend.rng(),
            blobs: None,
            keep: RouterPorts::KEEP,
            meter: Arc::new(NoMeter),
        };
        let peer = |name| (name, self.peer.clone() as Arc<dyn Actions>);
        let actions = ["email", "sms", "push", "approval"].map(peer).into();
        Router::new(ports).with(WorkflowSteps::new(self.engine.clone(), actions)).expect("a valid router")
    }

    async fn process(&self, router: &Router, delivery: &Delivery) -> Verdict {
        router.consumer(WORKFLOW_STEPS).expect("it is there").process(delivery, &Limits::none()).await
    }

    /// Carries the run on until it stands still or has ended. Each message is dealt with twice, the second time as if nobody had
    /// a record of the first. Whoever is asked to decide says yes, twice.
    async fn carry_on(&self) {
        let (router, lease) = (self.router(self.backend.inbox()), self.backend.tick());
        let mut decided = BTreeSet::new();
        while self.status().await == RunStatus::Running {
            let received = self.queue.receive(3, Duration::ZERO, lease).await.expect("received");
            if received.is_empty() {
                self.backend.advance(Duration::from_secs(12 * 3600)).await;
            }
            for delivery in received {
                let verdict = self.process(&router, &delivery).await;
                if let Verdict::Ack { .. } = verdict {
                    let forgetful = MemoryInbox::new(Arc::default(), Link::Direct, self.backend.clock());
                    let again = self.process(&self.router(Arc::new(forgetful)), &delivery).await;
                    assert!(matches!(again, Verdict::Ack { .. }), "{again:?}");
                }
                match verdict {
                    Verdict::Ack { .. } => drop(self.queue.ack(&[delivery.receipt]).await),
                    Verdict::Retry { after } | Verdict::Snooze { after, .. } => {
                        drop(self.queue.release(&[(delivery, after)]).await);
                    }
                    other => panic!("{other:?}"),
                }
            }
            let asked: Vec<Value> =
                lock(&self.peer.calls).iter().filter(|call| call["action"] == "approval").cloned().collect();
            for call in asked {
                let instance = call["instance"].as_str().expect("who waits").to_owned();
                if decided.insert(instance.clone()) {
                    let yes = Decided {
                        run: "r1".into(),
                        instance: instance.parse().expect("an instance"),
                        decision: Decision::Approved,
                        by: "ada".into(),
                        comment: None,
                        at: at(self.backend),
                    };
                    assert!(self.engine.decide(&yes).await.expect("told"));
                    assert!(!self.engine.decide(&yes).await.expect("told"), "it was decided already");
                }
            }
        }
    }

    async fn status(&self) -> RunStatus {
        self.engine.get("r1").await.expect("readable").expect("there").status
    }

    async fn start(&self) {
        self.engine.start(&new()).await.expect("started");
    }
}

fn new() -> NewRun {
    NewRun {
        name: "r1".into(),
        tenant: acme(),
        app: "crm".parse().expect("an id"),
        workflow: "tried".parse().expect("a name"),
        version: 1,
        input: json!({
            "tenant": acme(), "workflow": "tried", "version": 1, "hops": 1,
            "trigger": { "kind": "manual", "event_id": null },
            "submission": { "app": null, "id": null, "author": null, "revision": null },
            "fields": { "names": ["ada", "grace", "linus"] },
        }),
    }
}

fn mail(id: &str) -> Value {
    json!({ "id": id, "email": { "to": { "user": "ada" }, "subject": "Hello", "text": "It is {{ {run.id} }}." } })
}

pub(super) async fn a_run_goes_its_way_to_the_end_although_every_message_comes_twice(backend: &dyn Backend) {
    let mut first = mail("first");
    first["retry"] = json!({ "again": 2, "interval": 2 });
    let steps = json!([
        first,
        { "id": "sum", "set": { "n": "1 + 1" } },
        { "id": "choose", "if": "{vars.n} = 2", "then": [{ "id": "yes", "sms": { "to": { "user": "ada" }, "text": "2" } }] },
        { "id": "both", "parallel": [
            [{ "id": "left", "push": { "to": { "user": "ada" }, "title": "Left", "body": "Hello" } }],
            [{ "id": "rest", "wait": { "for": "2d" } }, mail("right")],
        ] },
        { "id": "each", "for_each": "{names}", "as": "name", "at_once": 2, "do": [mail("one")] },
        { "id": "ask", "approval": { "approvers": "[\"ada\"]", "title": "Go on?", "text": "Please.", "deadline": "3d" } },
        { "id": "is_yes", "if": "{steps.ask.decision} = \"approved\"", "then": [{ "id": "months", "wait": { "for": "200d" } }, mail("last")] },
    ]);
    let stage = Stage::of(backend, steps).await;
    lock(&stage.peer.failing).insert("r1/first".into(), ActionErrorKind::Transient);
    stage.start().await;
    stage.carry_on().await;
    assert_eq!(stage.status().await, RunStatus::Succeeded);
    let mut keys = stage.peer.keys();
    keys.sort();
    let expected = ["ask", "ask", "first", "first", "last", "left", "one/0", "one/1", "one/2", "right", "yes"]
        .map(|key| format!("r1/{key}"));
    assert_eq!(keys, expected, "each is asked for once, what failed once more, and a question as long as it is open");
    let depth = stage.queue.depth().await.expect("the queue answers");
    assert_eq!((depth.visible, depth.delayed, depth.dead), (0, 0, 0), "nothing of it is left");
}

pub(super) async fn an_action_whose_end_got_lost_is_asked_for_again_under_its_key(backend: &dyn Backend) {
    let stage = Stage::of(backend, json!([mail("only")])).await;
    stage.start().await;
    stage.runs.loses.store(true, SeqCst);
    stage.carry_on().await;
    assert_eq!(stage.status().await, RunStatus::Succeeded);
    assert_eq!(stage.peer.keys(), ["r1/only", "r1/only"], "the action's own record tells that it is the same");
}

pub(super) async fn a_run_that_failed_is_taken_up_again_from_there(backend: &dyn Backend) {
    let stage = Stage::of(backend, json!([mail("first"), mail("second")])).await;
    lock(&stage.peer.failing).insert("r1/second".into(), ActionErrorKind::Permanent);
    stage.start().await;
    assert!(!stage.engine.redrive("r1").await.expect("answered"), "it goes on by itself");
    stage.carry_on().await;
    let failed = stage.engine.get("r1").await.expect("readable").expect("there");
    assert_eq!((failed.status, failed.ended_at.is_some()), (RunStatus::Failed, true));
    assert_eq!(failed.failure.expect("it says why").error, "Action.Permanent");
    assert!(stage.engine.redrive("r1").await.expect("answered"));
    stage.carry_on().await;
    assert_eq!(stage.status().await, RunStatus::Succeeded);
    assert_eq!(stage.peer.keys(), ["r1/first", "r1/second", "r1/second"]);
    let redrives: Vec<_> = lock(&stage.peer.calls).iter().map(|call| call["redrive"].as_u64().unwrap_or(0)).collect();
    assert_eq!(redrives, [0, 0, 1]);
}

pub(super) async fn what_was_stopped_asks_for_nothing_more(backend: &dyn Backend) {
    let stage = Stage::of(backend, json!([mail("first"), mail("second")])).await;
    stage.start().await;
    let received = stage.queue.receive(3, Duration::ZERO, backend.tick()).await.expect("received");
    assert!(stage.engine.stop("r1").await.expect("answered"));
    let verdict = stage.process(&stage.router(backend.inbox()), &received[0]).await;
    assert!(matches!(verdict, Verdict::Ack { .. }), "{verdict:?}");
    assert_eq!((stage.status().await, stage.peer.keys().len()), (RunStatus::Stopped, 0));
}

pub(super) async fn a_run_whose_message_was_taken_away_is_picked_up(backend: &dyn Backend) {
    let stage = Stage::of(backend, json!([mail("only")])).await;
    stage.start().await;
    assert_eq!(stage.engine.pick_up().await.expect("readable"), 0);
    let received = stage.queue.receive(3, Duration::ZERO, backend.tick()).await.expect("received");
    drop(stage.queue.ack(&[received[0].receipt.clone()]).await);
    assert_eq!(stage.engine.pick_up().await.expect("readable"), 1);
    stage.carry_on().await;
    assert_eq!((stage.status().await, stage.peer.keys()), (RunStatus::Succeeded, vec!["r1/only".to_owned()]));
}
