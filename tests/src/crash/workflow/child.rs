use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use futures::future::try_join_all;
use sendoff_consumers::{
    Decided, EnginePorts, EngineWorkflows, Inbox, NewRun, NoMeter, Router, RouterPorts, RunStatus, Runs, Status, Stop,
    WORKFLOW_STEPS, Worker, WorkerSettings, WorkflowSteps, Workflows as _,
    action::{
        Actions, ApprovalActions, DatabaseActions, HttpActions, MessageActions, RecordActions, approval_record_keys,
    },
    handlers::{ByEmail, ByPush, BySms, ByWhatsapp, Desk},
    links::Links,
    routing::Routing,
};
use sendoff_embedded::{
    Durability, Store, StoreOptions,
    config::{Config, ConfigFile, Inputs},
};
use sendoff_events::{Clock, Rng, TenantId};
use sendoff_host::SystemRng;
use sendoff_producers::{
    Records,
    model::{Approval, Channel, approval_key, load},
};
use sendoff_workflows::engine::{Decision, Instance};
use serde_json::json;

use super::{
    super::{FastClock, link::Link},
    APP, APPROVAL, Death, TENANT, USER, death_of, plan,
    ports::{Mortal, MortalAction},
    run_name,
    senders::Sending,
};

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// How often it looks whether somebody is asked, or a run has ended: on the fast clock.
const LOOK: Duration = Duration::from_millis(200);

/// What the child is to do.
#[derive(Debug, Clone)]
pub enum Work {
    /// One run, without dying. The places that it came to are written to this file, one a line.
    Record(PathBuf),
    /// A run for each of the places in the file from the number `first` on (from 1), in steps of `stride`. In the run of the number
    /// `n` it dies at the `n`-th place, once.
    Exactly {
        /// The file with the places.
        places: PathBuf,
        /// The first number.
        first: usize,
        /// What comes from one to the next.
        stride: usize,
    },
    /// So many runs at the same time. It doesn't die by itself.
    Together(u64),
}

/// The process that is killed: it carries on what runs there are, and starts those that are missing.
pub struct WorkflowChild {
    /// The data folder.
    pub folder: PathBuf,
    /// The file with the connections.
    pub config: PathBuf,
    /// Where the provider listens.
    pub provider: SocketAddr,
    /// The time.
    pub clock: FastClock,
    /// What there is to do.
    pub work: Work,
}

/// What the child works with.
struct Rig {
    store: Store,
    engine: Arc<EngineWorkflows>,
    records: Arc<dyn Records>,
    inbox: Arc<dyn Inbox>,
    clock: Arc<dyn Clock>,
    death: Arc<Death>,
    tenant: TenantId,
}

impl WorkflowChild {
    /// Works until all runs have ended.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from working; and a run that no message carried on after a kill.
    pub async fn run(self) -> Result<(), Failed> {
        let (clock, rng): (Arc<dyn Clock>, Arc<dyn Rng>) = (Arc::new(self.clock), Arc::new(SystemRng::new()));
        // What the operating system has survives a kill; only a power cut asks for more.
        let options = StoreOptions { clock: clock.clone(), durability: Durability::Normal, ..StoreOptions::default() };
        let store = Store::open(&self.folder, options)?;
        store.recover().await?;
        let death = Arc::new(Death::default());
        let records: Arc<dyn Records> = Arc::new(Mortal::new(store.records(), death.clone()));
        let runs: Arc<dyn Runs> = Arc::new(Mortal::new(store.runs(), death.clone()));
        let engine = EnginePorts { runs, records: records.clone(), clock: clock.clone(), rng: rng.clone() };
        let engine = Arc::new(EngineWorkflows::new(engine));
        if engine.pick_up().await? > 0 {
            return Err("a run had no message that carries it on".into());
        }
        let inbox: Arc<dyn Inbox> = Arc::new(Mortal::new(store.inbox(), death.clone()));
        let ports = RouterPorts {
            inbox: inbox.clone(),
            clock: clock.clone(),
            rng: rng.clone(),
            blobs: None,
            keep: RouterPorts::KEEP,
            meter: Arc::new(NoMeter),
        };
        let link = Link::connect(self.provider).await?;
        let rig = Rig { store, engine, records, inbox, clock, death, tenant: TENANT.parse()? };
        let actions = self.actions(&rig, &ports, &link)?;
        let router = Router::new(ports).with(WorkflowSteps::new(rig.engine.clone(), actions))?;
        let consumer = router.consumer(WORKFLOW_STEPS).ok_or("no consumer")?.clone();
        let queue = rig.store.queue(WORKFLOW_STEPS).await?;
        let worker = Worker::new(consumer, queue, rig.clock.clone(), rng, WorkerSettings::default());
        let (stopper, stop) = Stop::pair();
        let working = tokio::spawn(async move { worker.run(stop).await });
        match &self.work {
            Work::Record(places) => {
                rig.carry_out(&run_name(1)).await?;
                fs::write(places, rig.death.passed().join("\n"))?;
            }
            Work::Exactly { places, first, stride } => {
                let places = fs::read_to_string(places)?;
                for (n, place) in (1..).zip(places.lines()).skip(first - 1).step_by(*stride) {
                    self.die_once(&rig, n, place).await?;
                }
            }
            Work::Together(runs) => {
                let names: Vec<String> = (1..=*runs).map(run_name).collect();
                try_join_all(names.iter().map(|name| rig.carry_out(name))).await?;
            }
        }
        stopper.stop();
        working.await?;
        rig.store.shutdown().await;
        Ok(())
    }

    /// Carries out a run, and dies at the place unless it has done so before.
    async fn die_once(&self, rig: &Rig, n: u64, place: &str) -> Result<(), Failed> {
        let name = run_name(n);
        let note = self.folder.join(death_of(&name));
        rig.death.begin((!note.exists()).then(|| (place.to_owned(), note)));
        rig.carry_out(&name).await
    }

    /// The actions, as the system has them, over providers that count.
    fn actions(
        &self,
        rig: &Rig,
        ports: &RouterPorts,
        link: &Link,
    ) -> Result<BTreeMap<&'static str, Arc<dyn Actions>>, Failed> {
        let config = Config::load(&Inputs { file: ConfigFile::Named(self.config.clone()), ..Inputs::default() })?;
        let desk = Arc::new(Desk {
            records: rig.records.clone(),
            authoritative: rig.records.clone(),
            inbox: rig.inbox.clone(),
            deliveries: rig.store.deliveries(),
            routing: Arc::new(Routing::standard(&config.templates)?),
            templates: config.templates.clone(),
            links: Some(Links::new("https://sendoff.example", &"0123456789abcdef".into())?),
            channels: BTreeSet::from(Channel::ALL),
        });
        let sending = |name, tells| Arc::new(Sending { name, link: link.clone(), death: rig.death.clone(), tells });
        let by_email = ByEmail { provider: sending("email", false), from: config.settings.mail_from.clone() };
        let email: Arc<dyn Actions> = Arc::new(MessageActions::new(ports.clone(), desk.clone(), Arc::new(by_email)));
        let by_sms = BySms { provider: sending("sms", true) };
        let by_whatsapp = ByWhatsapp { provider: sending("whatsapp", true) };
        let by_push = ByPush { provider: sending("push", false) };
        let approval = ApprovalActions::new(ports.clone(), rig.records.clone(), email.clone(), desk.links.clone());
        let all: [(&'static str, Arc<dyn Actions>); 8] = [
            ("email", email),
            ("sms", Arc::new(MessageActions::new(ports.clone(), desk.clone(), Arc::new(by_sms)))),
            ("whatsapp", Arc::new(MessageActions::new(ports.clone(), desk.clone(), Arc::new(by_whatsapp)))),
            ("push", Arc::new(MessageActions::new(ports.clone(), desk, Arc::new(by_push)))),
            ("approval", Arc::new(approval)),
            ("record", Arc::new(RecordActions::new(ports.clone(), rig.records.clone()))),
            ("http", Arc::new(HttpActions::new(ports.clone(), config.connections.http.clone()))),
            ("database", Arc::new(DatabaseActions::new(ports.clone(), config.connections.databases.clone()))),
        ];
        let mortal = |(name, action)| -> (&'static str, Arc<dyn Actions>) {
            (name, Arc::new(MortalAction { name, action: Mortal::new(action, rig.death.clone()) }))
        };
        Ok(all.into_iter().map(mortal).collect())
    }
}

impl Rig {
    async fn carry_out(&self, run: &str) -> Result<(), Failed> {
        self.engine.start(&new_run(run)?).await?;
        self.see_through(run).await
    }

    /// Waits for the end of a run, and decides in the place of whom it asks, once they have been written to.
    async fn see_through(&self, run: &str) -> Result<(), Failed> {
        loop {
            let found = self.engine.get(run).await?.ok_or("a run is gone")?;
            if found.status != RunStatus::Running && self.is_idle().await? {
                return Ok(());
            }
            if self.is_asked(run).await? {
                let (instance, at) = (Instance::new(APPROVAL, &[]), self.clock.now());
                let decided = Decided {
                    run: run.to_owned(),
                    instance,
                    decision: Decision::Approved,
                    by: USER.into(),
                    comment: None,
                    at,
                };
                self.engine.decide(&decided).await?;
            }
            self.clock.sleep(LOOK).await;
        }
    }

    /// Whether the mail went out that asks for the approval.
    async fn is_asked(&self, run: &str) -> Result<bool, Failed> {
        let asked = load::<Approval>(&*self.records, &approval_key(&self.tenant, run, APPROVAL)).await?;
        let Some((asked, _)) = asked else { return Ok(false) };
        for key in approval_record_keys(&self.tenant, &format!("{run}/{APPROVAL}"), &asked) {
            let record = self.inbox.get(&key).await?;
            if record.is_none_or(|record| record.status != Status::Done) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether no message is being handled, so that the next run begins with nothing under way.
    async fn is_idle(&self) -> Result<bool, Failed> {
        let depth = self.store.queue(WORKFLOW_STEPS).await?.depth().await?;
        Ok(depth.visible + depth.in_flight == 0)
    }
}

fn new_run(name: &str) -> Result<NewRun, Failed> {
    let workflow = plan().name;
    Ok(NewRun {
        name: name.to_owned(),
        tenant: TENANT.parse()?,
        app: APP.parse()?,
        workflow: workflow.parse()?,
        version: 1,
        input: json!({
            "tenant": TENANT, "workflow": workflow, "version": 1, "hops": 1,
            "trigger": { "kind": "manual", "event_id": null },
            "submission": { "app": APP, "id": null, "author": null, "revision": null },
            "fields": { "amount": 20, "lines": [{ "part": "bolt" }, { "part": "nut" }] },
        }),
    })
}
