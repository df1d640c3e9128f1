//! The AWS backend over an emulator, as the suite sees it: what the services can't do, and where the emulator is wrong.

use std::{sync::Arc, time::Duration};

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType, StreamSpecification, StreamViewType,
};
use aws_sdk_sqs::types::QueueAttributeName;
use sendoff_aws::{Aws, Resources, Store, tables};
use sendoff_consumers::{
    Audit, Changes, DeadLetters, Deliveries, Filter, Inbox, Queue, RouterPorts, Runs, Schedules, Workflows,
};
use sendoff_events::{Blobs, BoxFuture, Clock, Rng};
use sendoff_host::{SystemClock, SystemRng};
use sendoff_producers::{Outbox, Publisher, Records};

use super::{Backend, Capability, WarpClock};
use crate::servers::Emulator;

/// The longest that a test really waits when it lets time pass: SQS's timers are real ones, everything else runs on the clock
/// that the test moves.
const LONGEST_WAIT: Duration = Duration::from_secs(13);

/// A deployment of its own in the emulator that all tests share. Queues, schedules and runs live on real time.
pub struct OnAws {
    store: Store,
    clock: WarpClock,
}

impl OnAws {
    /// A fresh one.
    #[must_use]
    pub fn open() -> BoxFuture<'static, Self> {
        Box::pin(async {
            let emulator = Emulator::shared();
            let aws = Aws::from_environment(emulator.environment()).expect("region and credentials");
            let resources = provision(&aws, emulator).await;
            let clock = WarpClock::from(SystemClock.now());
            let store = Store::new(aws, resources, Arc::new(clock.clone()), Arc::new(SystemRng::new()));
            let backend = Self { store, clock };
            // The one reaction of the suite that parks.
            backend.make_queue("timeline-dlq").await;
            backend
        })
    }

    /// What the services can't do.
    pub const LACKS: &[(Capability, &'static str)] = &[
        (
            Capability::StaleReceipts,
            "SQS answers a delete by an old receipt of a standard queue with success, whether it deleted or not",
        ),
        (Capability::BinaryBodies, "SQS takes bodies of at least one character, of those that XML 1.0 allows"),
        (Capability::AnyAttributeName, "SQS and SNS take attribute names of A-Z, a-z, 0-9, `_`, `-` and `.`"),
        (
            Capability::DeadLettersKeepTheirAge,
            "the failure goes with a new message, since the redrive of SQS tells no reason; `sent_at` in the failure tells it",
        ),
        (Capability::KeepsRuns, "Step Functions carries them out and keeps them"),
    ];

    /// Where the emulator is wrong.
    pub const UNPROVEN: &[(&'static str, &'static str)] = &[(
        "schedules::a_scheduled_message_keeps_its_attributes",
        "ministack 1.5.33 runs no universal targets of EventBridge Scheduler, which a message with attributes needs",
    )];

    /// The ports over it.
    #[must_use]
    pub const fn store(&self) -> &Store {
        &self.store
    }
}

/// Makes what the template would make, without the functions.
pub(super) async fn provision(aws: &Aws, emulator: &Emulator) -> Resources {
    let stack = emulator.stack();
    let account = Emulator::ACCOUNT;
    let table = format!("{stack}-records");
    let stream_arn = make_records(aws, &table).await;
    let inbox_table = format!("{stack}-inbox");
    make_inbox(aws, &inbox_table).await;
    let topic = aws.sns().create_topic().name(format!("{stack}-events")).send().await.expect("a topic");
    let bucket = format!("{stack}-payloads");
    aws.s3().create_bucket().bucket(&bucket).send().await.expect("a bucket");
    let group = format!("{stack}-schedules");
    aws.scheduler().create_schedule_group().name(&group).send().await.expect("a schedule group");
    Resources {
        table,
        inbox_table,
        stream_arn: Some(stream_arn),
        topic_arn: topic.topic_arn.expect("its ARN"),
        queue_url_base: format!("{}/{account}/{stack}-", emulator.endpoint()),
        bucket,
        runs_role_arn: format!("arn:aws:iam::{account}:role/runs"),
        runs_prefix: format!("{stack}-run"),
        // There are none; what is tried here calls none.
        functions: Resources::no_functions(),
        schedule_group: group,
        schedule_role_arn: format!("arn:aws:iam::{account}:role/schedules"),
        topic_limit: Resources::TOPIC_LIMIT,
    }
}

fn key(name: &str, kind: KeyType) -> KeySchemaElement {
    KeySchemaElement::builder().attribute_name(name).key_type(kind).build().expect("complete")
}

fn attribute(name: &str, kind: ScalarAttributeType) -> AttributeDefinition {
    AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build().expect("complete")
}

/// The table of records with its stream; gives the stream's ARN.
async fn make_records(aws: &Aws, name: &str) -> String {
    use tables::records::{COMMITTED_AT, PENDING, PENDING_INDEX, PK, SK};
    let pending = GlobalSecondaryIndex::builder()
        .index_name(PENDING_INDEX)
        .key_schema(key(PENDING, KeyType::Hash))
        .key_schema(key(COMMITTED_AT, KeyType::Range))
        .projection(Projection::builder().projection_type(ProjectionType::KeysOnly).build())
        .build()
        .expect("complete");
    let stream = StreamSpecification::builder()
        .stream_enabled(true)
        .stream_view_type(StreamViewType::NewAndOldImages)
        .build()
        .expect("complete");
    let made = aws
        .dynamodb()
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute(PK, ScalarAttributeType::S))
        .attribute_definitions(attribute(SK, ScalarAttributeType::S))
        .attribute_definitions(attribute(PENDING, ScalarAttributeType::S))
        .attribute_definitions(attribute(COMMITTED_AT, ScalarAttributeType::N))
        .key_schema(key(PK, KeyType::Hash))
        .key_schema(key(SK, KeyType::Range))
        .global_secondary_indexes(pending)
        .stream_specification(stream)
        .send()
        .await
        .expect("a table");
    made.table_description.and_then(|table| table.latest_stream_arn).expect("a stream")
}

async fn make_inbox(aws: &Aws, name: &str) {
    use tables::inbox::{DOUBT, DOUBT_SINCE, DOUBTS_INDEX, ID};
    let doubts = GlobalSecondaryIndex::builder()
        .index_name(DOUBTS_INDEX)
        .key_schema(key(DOUBT, KeyType::Hash))
        .key_schema(key(DOUBT_SINCE, KeyType::Range))
        .projection(Projection::builder().projection_type(ProjectionType::KeysOnly).build())
        .build()
        .expect("complete");
    aws.dynamodb()
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute(ID, ScalarAttributeType::S))
        .attribute_definitions(attribute(DOUBT, ScalarAttributeType::S))
        .attribute_definitions(attribute(DOUBT_SINCE, ScalarAttributeType::N))
        .key_schema(key(ID, KeyType::Hash))
        .global_secondary_indexes(doubts)
        .send()
        .await
        .expect("a table");
}

impl OnAws {
    /// A queue as the template makes it; gives its ARN.
    async fn make_queue(&self, name: &str) -> String {
        let url = self.store.resources().queue_url(name);
        let sqs = self.store.aws().sqs();
        let short = url.rsplit('/').next().expect("a URL has a last part");
        sqs.create_queue().queue_name(short).send().await.expect("a queue");
        let asked = sqs.get_queue_attributes().queue_url(url).attribute_names(QueueAttributeName::QueueArn);
        let answer = asked.send().await.expect("its attributes");
        answer.attributes().and_then(|all| all.get(&QueueAttributeName::QueueArn)).expect("its ARN").clone()
    }
}

impl Backend for OnAws {
    fn records(&self) -> Arc<dyn Records> {
        self.store.records()
    }

    fn outbox(&self) -> Arc<dyn Outbox> {
        self.store.outbox()
    }

    fn publisher(&self) -> Arc<dyn Publisher> {
        self.store.publisher()
    }

    fn create_queue<'a>(&'a self, name: &'a str, filter: Option<Filter>) -> BoxFuture<'a, Arc<dyn Queue>> {
        Box::pin(async move {
            self.make_queue(&format!("{name}-dlq")).await;
            let arn = self.make_queue(name).await;
            if let Some(filter) = filter {
                let subscribe = self.store.aws().sns().subscribe().topic_arn(&self.store.resources().topic_arn);
                let mut subscribe = subscribe.protocol("sqs").endpoint(arn).attributes("RawMessageDelivery", "true");
                if !filter.0.is_empty() {
                    let policy = serde_json::to_string(&filter).expect("a filter is JSON");
                    subscribe = subscribe.attributes("FilterPolicy", policy);
                }
                subscribe.send().await.expect("subscribed");
            }
            self.store.queue(name)
        })
    }

    fn dead_letter_queues(&self) -> Arc<dyn DeadLetters> {
        self.store.dead_letter_queues()
    }

    fn audit(&self) -> Arc<dyn Audit> {
        self.store.audit()
    }

    fn inbox(&self) -> Arc<dyn Inbox> {
        self.store.inbox()
    }

    fn deliveries(&self) -> Arc<dyn Deliveries> {
        self.store.deliveries(RouterPorts::KEEP)
    }

    fn changes(&self) -> Arc<dyn Changes> {
        self.store.changes()
    }

    fn schedules(&self) -> Arc<dyn Schedules> {
        self.store.schedules()
    }

    fn runs(&self) -> Option<Arc<dyn Runs>> {
        None
    }

    fn workflows(&self) -> Arc<dyn Workflows> {
        self.store.workflows()
    }

    fn blobs(&self) -> Arc<dyn Blobs> {
        self.store.blobs()
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(self.clock.clone())
    }

    fn rng(&self) -> Arc<dyn Rng> {
        Arc::new(SystemRng::new())
    }

    fn advance(&self, by: Duration) -> BoxFuture<'_, ()> {
        // What SQS times is really waited for. The clock runs by itself meanwhile; only the rest of the way is jumped.
        let wait = by.min(LONGEST_WAIT);
        Box::pin(async move {
            tokio::time::sleep(wait).await;
            self.clock.advance(by - wait);
        })
    }

    fn tick(&self) -> Duration {
        // SQS counts in seconds; a lease of one is over before a busy machine has looked.
        Duration::from_secs(2)
    }

    fn unproven(&self) -> &'static [(&'static str, &'static str)] {
        Self::UNPROVEN
    }

    fn lacks(&self) -> &'static [(Capability, &'static str)] {
        Self::LACKS
    }
}
