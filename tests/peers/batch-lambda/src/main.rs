//! A consumer that does nothing, as a Lambda function: it works batches of its queue with the whole protocol of the inbox.

use std::sync::Arc;

use sendoff_aws::{
    Aws, Environment, Resources, Store,
    lambda::{Function, FunctionError, Invocation, QueueEvent, SqsHost, run},
};
use sendoff_consumers::{Context, Handler, HandlerError, NoMeter, Router, RouterPorts};
use sendoff_events::{Clock, Envelope, Rng, SubmissionUpdated};
use sendoff_host::{SystemClock, SystemRng};
use serde_json::value::{RawValue, to_raw_value};

struct Nothing;

impl Handler for Nothing {
    type Event = SubmissionUpdated;
    const NAME: &'static str = "nothing";

    async fn handle(&self, _: &Envelope<SubmissionUpdated>, _: &Context) -> Result<(), HandlerError> {
        Ok(())
    }
}

struct Batches {
    host: SqsHost,
    clock: Arc<dyn Clock>,
}

impl Function for Batches {
    async fn handle(&self, event: &RawValue, invocation: &Invocation) -> Result<Box<RawValue>, FunctionError> {
        let batch = QueueEvent::of(event, self.clock.now())?;
        to_raw_value(&self.host.handle(batch, &invocation.deadline).await).map_err(failed)
    }
}

async fn make() -> Result<Batches, FunctionError> {
    let (clock, rng): (Arc<dyn Clock>, Arc<dyn Rng>) = (Arc::new(SystemClock), Arc::new(SystemRng::new()));
    let aws = Aws::from_environment(Environment::of(std::env::vars())).map_err(failed)?;
    let variable = |name: &str| std::env::var(name).map_err(|why| failed(format_args!("{name}: {why}")));
    let resources = Resources {
        table: variable("SENDOFF_TABLE")?,
        inbox_table: variable("SENDOFF_INBOX_TABLE")?,
        stream_arn: None,
        topic_arn: variable("SENDOFF_TOPIC_ARN")?,
        queue_url_base: variable("SENDOFF_QUEUE_URL_BASE")?,
        bucket: variable("SENDOFF_BUCKET")?,
        runs_role_arn: String::new(),
        runs_prefix: String::new(),
        functions: Resources::no_functions(),
        schedule_group: String::new(),
        schedule_role_arn: String::new(),
        topic_limit: Resources::TOPIC_LIMIT,
    };
    let store = Store::new(aws, resources, clock.clone(), rng.clone());
    let ports = RouterPorts {
        inbox: store.inbox(),
        clock: clock.clone(),
        rng,
        blobs: Some(store.blobs()),
        keep: RouterPorts::KEEP,
        meter: Arc::new(NoMeter),
    };
    let router = Router::new(ports).with(Nothing).map_err(failed)?;
    let consumer = router.consumer("nothing").cloned().ok_or_else(|| failed("it has no consumer"))?;
    Ok(Batches { host: SqsHost::new(consumer, store.queue("nothing"), clock.clone()), clock })
}

fn failed(error: impl std::fmt::Display) -> FunctionError {
    FunctionError::Start(error.to_string())
}

fn main() -> Result<(), lambda_runtime::Error> {
    run(make)
}
