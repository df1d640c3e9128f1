//! What is measured: a deployment that the stub stands for, and events of the usual size.

use std::sync::Arc;

use sendoff_aws::{Aws, Environment, Resources, Store};
use sendoff_consumers::{NoMeter, RouterPorts};
use sendoff_events::{Clock, Envelope, Origin, Outgoing, Rng, SubmissionUpdated, TenantId};
use sendoff_host::{SystemClock, SystemRng};

use crate::stub::Stub;

/// Bytes of each event's body, roughly.
pub(crate) const BODY: usize = 1024;
/// Messages of a batch.
pub(crate) const BATCH: usize = 10;

/// The stub, and our side of it.
pub(crate) struct Rig {
    pub(crate) stub: Stub,
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rng: Arc<dyn Rng>,
}

impl Rig {
    /// Each call takes so many milliseconds.
    pub(crate) fn start(latency: u64) -> Self {
        let stub = Stub::start(latency);
        sendoff_tests::processor::stay_on(0);
        let (clock, rng): (Arc<dyn Clock>, Arc<dyn Rng>) = (Arc::new(SystemClock), Arc::new(SystemRng::new()));
        let variables = [
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
            ("AWS_ENDPOINT_URL", stub.url()),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value));
        let aws = Aws::from_environment(Environment::of(variables)).unwrap();
        let resources = Resources {
            table: "bench-records".to_owned(),
            inbox_table: "bench-inbox".to_owned(),
            stream_arn: None,
            topic_arn: "arn:aws:sns:us-east-1:000000000000:bench-events".to_owned(),
            queue_url_base: format!("{}/000000000000/bench-", stub.url()),
            bucket: "bench-payloads".to_owned(),
            runs_role_arn: "arn:aws:iam::000000000000:role/runs".to_owned(),
            runs_prefix: "bench-run".to_owned(),
            functions: Resources::no_functions(),
            schedule_group: "bench-schedules".to_owned(),
            schedule_role_arn: "arn:aws:iam::000000000000:role/bench-schedules".to_owned(),
            topic_limit: Resources::TOPIC_LIMIT,
        };
        let store = Store::new(aws, resources, clock.clone(), rng.clone());
        Self { stub, store, clock, rng }
    }

    /// What a router needs of it.
    pub(crate) fn ports(&self) -> RouterPorts {
        RouterPorts {
            inbox: self.store.inbox(),
            clock: self.clock.clone(),
            rng: self.rng.clone(),
            blobs: Some(self.store.blobs()),
            keep: RouterPorts::KEEP,
            meter: Arc::new(NoMeter),
        }
    }
}

pub(crate) fn tenant() -> TenantId {
    "bench".parse().unwrap()
}

/// An event of about [`BODY`] bytes.
pub(crate) fn event(number: u64) -> Outgoing {
    let data = SubmissionUpdated {
        app_id: "bench".parse().unwrap(),
        submission_id: format!("s-{number}").parse().unwrap(),
        editor_id: "ada".parse().unwrap(),
        revision: number + 1,
        changed_fields: vec!["x".repeat(BODY - 700)],
    };
    let origin = Origin {
        source: "/bench".into(),
        tenant: tenant(),
        correlation: None,
        causation: None,
        traceparent: None,
        hops: 0,
    };
    Envelope::new(data, origin, Some(1), &SystemClock, &SystemRng::new()).encode().unwrap()
}
