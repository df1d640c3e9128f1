//! What every run has left behind, held against what it should have.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use sendoff_consumers::{
    IdempotencyKey, InboxRecord, RunEntry, RunStatus, Status, Workflows as _,
    action::{approval_record_keys, record_keys},
};
use sendoff_embedded::Store;
use sendoff_events::{Rng, TenantId};
use sendoff_host::SystemRng;
use sendoff_producers::model::{Approval, approval_key, load};
use sendoff_tests::crash::workflow::{APPROVAL, OTHER_APP, TENANT, run_name};
use sendoff_workflows::engine::What;
use serde_json::Value;

use super::{crm::Crm, lane::Lane};

/// What everybody outside has seen.
pub(super) struct Outside<'a> {
    /// How often each message went out, by its idempotency key.
    pub(super) sent: &'a HashMap<String, u32>,
    pub(super) crm: &'a Crm,
}

/// What is worth to be told.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) runs: u64,
    /// Messages that went out more than once, as their policy allows and their record says.
    pub(super) resent: u64,
    /// Requests that nobody may repeat, whose outcome stayed unknown.
    pub(super) unknown: u64,
    /// The steps that any run has come to.
    pub(super) steps: BTreeSet<String>,
    /// What the runs have done.
    pub(super) whats: BTreeSet<String>,
}

/// What other systems know a call by.
fn id(key: &IdempotencyKey) -> String {
    key.as_str().split_once('/').expect("a key").1.to_owned()
}

/// The runs of one lane, with all that belongs to them.
struct Reckoning<'a> {
    store: &'a Store,
    tenant: TenantId,
    outside: &'a Outside<'a>,
    /// What was accounted for outside.
    accounted: BTreeSet<String>,
}

/// Holds every run of the lane against what it should have done, and adds to the tally. Each lane has an outside of its own.
pub(super) async fn reckon(lane: &Lane, runs: impl Iterator<Item = u64>, outside: &Outside<'_>, tally: &mut Tally) {
    let store = lane.store();
    let tenant: TenantId = TENANT.parse().unwrap();
    let mut reckoning = Reckoning { store: &store, tenant, outside, accounted: BTreeSet::new() };
    let (mut rows, mut submissions) = (Vec::new(), BTreeMap::new());
    for n in runs {
        let run = run_name(n);
        tally.runs += 1;
        reckoning.run(&run, tally).await;
        rows.extend(["reserve/0", "reserve/1"].map(|step| id(&reckoning.key(&run, step, "database"))));
        submissions.insert(run, 2);
    }
    rows.sort();
    assert_eq!(lane.reserved(), rows, "each line is reserved once");
    assert_eq!(reckoning.submissions().await, submissions, "each run made one submission and changed it once");
    let sent: BTreeSet<String> = outside.sent.keys().cloned().collect();
    assert_eq!(sent, reckoning.accounted, "nothing else went out");
    let queue = store.queue(sendoff_consumers::WORKFLOW_STEPS).await.unwrap();
    let depth = queue.depth().await.unwrap();
    assert_eq!(depth.visible + depth.in_flight + depth.delayed, 0, "no message is left");
    let dead = store.dead_letter_queues().read("workflow-steps-dlq", None, 10).await.unwrap().unwrap();
    assert!(dead.is_empty(), "{dead:?}");
    store.shutdown().await;
}

impl Reckoning<'_> {
    async fn run(&mut self, run: &str, tally: &mut Tally) {
        let rng: Arc<dyn Rng> = Arc::new(SystemRng::new());
        let engine = self.store.workflows(rng);
        let found = engine.get(run).await.unwrap().unwrap_or_else(|| panic!("{run} is gone"));
        assert_eq!(found.status, RunStatus::Succeeded, "{run}: {:?}", found.failure);
        let history = engine.history(run, 0, 1000).await.unwrap();
        assert_eq!(history.next, None);
        self.history(run, &history.entries, tally);

        self.message(run, "text", "sms", false, tally).await;
        self.message(run, "instead", "sms", false, tally).await;
        self.message(run, "chat", "whatsapp", false, tally).await;
        self.message(run, "note", "push", true, tally).await;
        self.message(run, "mail", "email", true, tally).await;
        let place = approval_key(&self.tenant, run, APPROVAL);
        let (question, _) = load::<Approval>(&*self.store.records(), &place).await.unwrap().expect("a question");
        for key in approval_record_keys(&self.tenant, &format!("{run}/{APPROVAL}"), &question) {
            self.went_out(run, APPROVAL, &key, true, tally).await;
        }
        self.requests(run, &history.entries, tally).await;
    }

    /// Each step came to one end, the one that it has without any kill.
    fn history(&self, run: &str, entries: &[RunEntry], tally: &mut Tally) {
        let mut ends: BTreeMap<String, Vec<What>> = BTreeMap::new();
        for RunEntry { entry, .. } in entries {
            tally.whats.insert(format!("{:?}", entry.what));
            let Some(instance) = &entry.instance else { continue };
            tally.steps.insert(instance.step.clone());
            assert!(!instance.step.starts_with("never"), "{run} came to {instance}");
            let ends = ends.entry(instance.to_string()).or_default();
            if matches!(
                entry.what,
                What::Done | What::Skipped | What::Failed | What::Decided | What::Expired | What::GivenUp
            ) {
                ends.push(entry.what);
            }
        }
        let expected = |step: &str| match step {
            "refused" | "caught" => vec![What::Failed],
            "given_up" => vec![What::GivenUp],
            APPROVAL => vec![What::Decided],
            _ => vec![What::Done],
        };
        for (step, ends) in &ends {
            // Of what only decides which way it goes there is no end; and one step may be in doubt.
            let decides = matches!(step.as_str(), "large" | "route" | "enough" | "broken" | "done");
            let ended = *ends == expected(step) || (decides && ends.len() <= 1) || (step == "once" && ends.len() == 1);
            assert!(ended, "{run}/{step} ended as {ends:?}");
        }
        let count = |what| entries.iter().filter(|entry| entry.entry.what == what).count();
        assert_eq!((count(What::Started), count(What::Decided), count(What::RunSucceeded)), (1, 1, 1), "{run}");
    }

    fn key(&self, run: &str, step: &str, action: &str) -> IdempotencyKey {
        let call = format!("{run}/{step}");
        record_keys(&self.tenant, &call).find(|key| key.consumer() == action).expect("an action")
    }

    async fn record(&self, key: &IdempotencyKey) -> InboxRecord {
        let record = self.store.inbox().get(key).await.unwrap();
        record.unwrap_or_else(|| panic!("{key} has no record"))
    }

    /// A message went out once; or again, where that is the policy and the record tells of the doubt.
    async fn message(&mut self, run: &str, step: &str, action: &str, may_be_resent: bool, tally: &mut Tally) {
        let key = self.key(run, step, action);
        self.went_out(run, step, &key, may_be_resent, tally).await;
    }

    async fn went_out(&mut self, run: &str, step: &str, key: &IdempotencyKey, may_be_resent: bool, tally: &mut Tally) {
        let record = self.record(key).await;
        assert_eq!(record.status, Status::Done, "{run}/{step}");
        let sent: Vec<_> = self.outside.sent.iter().filter(|(sent, _)| sent.starts_with(&*key.to_string())).collect();
        let [(sent, times)] = sent[..] else { panic!("{run}/{step} went out as {sent:?}") };
        let doubted = record.steps.values().any(|step| step.doubted);
        assert!(*times == 1 || (may_be_resent && doubted), "{run}/{step} went out {times} times, doubted: {doubted}");
        tally.resent += u64::from(*times - 1);
        self.accounted.insert(sent.clone());
    }

    async fn requests(&self, run: &str, entries: &[RunEntry], tally: &mut Tally) {
        let answered = self.outside.crm.answered();
        let asked = async |step: &str| {
            let key = self.key(run, step, "http");
            (answered.get(&(format!("/{step}"), id(&key))).cloned().unwrap_or_default(), self.record(&key).await)
        };
        // It knows a repeated request by its key: one effect, however often it was asked.
        let (flaky, record) = asked("flaky").await;
        let again = flaky.iter().filter(|status| **status == 201).count();
        assert!(flaky[0] == 425 && again >= 1 && record.status == Status::Done, "{run}: {flaky:?}, {record:?}");
        tally.resent += again as u64 - 1;
        let (refused, _) = asked("refused").await;
        assert!(refused.len() <= 1, "{run} was refused {} times, and nobody may repeat that", refused.len());
        let (once, record) = asked("once").await;
        assert!(once.len() <= 1, "{run} asked {} times for what may happen once", once.len());
        let failed = entries.iter().find(|RunEntry { entry, .. }| {
            entry.what == What::Failed && entry.instance.as_ref().is_some_and(|instance| instance.step == "once")
        });
        match failed {
            None => assert!(once == [201] && record.status == Status::Done, "{run}: {once:?}, {record:?}"),
            Some(failed) => {
                assert_eq!(record.status, Status::InDoubt, "{run} says that it failed: {failed:?}");
                tally.unknown += 1;
            }
        }
    }

    /// How many events tell of each run's submission, which is the only one that it made.
    async fn submissions(&self) -> BTreeMap<String, u64> {
        let (mut of_run, mut after) = (BTreeMap::new(), None::<String>);
        let mut revisions = BTreeMap::new();
        loop {
            let prefix = format!("{OTHER_APP}/");
            let records = self.store.records();
            let page = records.list(&self.tenant, "submissions", &prefix, after.as_deref(), 1000).await.unwrap();
            for record in page.records {
                let run = record.data["fields"]["run"].as_str().expect("the run's name").to_owned();
                assert_eq!(record.data["fields"]["amount"], Value::from(40), "{run}");
                let id = record.data["submission_id"].as_str().expect("an id").to_owned();
                revisions.insert(id.clone(), record.version);
                assert_eq!(of_run.insert(run, id), None, "a second submission of a run");
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let mut told: BTreeMap<String, u64> = BTreeMap::new();
        let mut after = 0;
        loop {
            let events = self.store.events(after, 1000).await.unwrap();
            let Some(last) = events.last() else { break };
            after = last.seq;
            for event in events {
                let id = event.subject.rsplit('/').next().unwrap_or_default().to_owned();
                *told.entry(id).or_default() += 1;
            }
        }
        let told = |id: &String| (told.get(id).copied().unwrap_or(0) == revisions[id]).then(|| revisions[id]);
        of_run.iter().map(|(run, id)| (run.clone(), told(id).unwrap_or(0))).collect()
    }
}
