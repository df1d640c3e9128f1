//! A stack from the template, and what it gives.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use aws_sdk_cloudformation::types::{Capability, Parameter, StackStatus};
use sendoff_aws::{Aws, Resources, Store};
use sendoff_host::{SystemClock, SystemRng};
use sendoff_tests::servers::{Emulator, MailServer, OrdersStub, Postgres, Served, TwilioStub};
use serde_json::json;

use crate::package::package;

/// The key that the callers' tokens are signed with.
pub(crate) const SECRET: &str = "thirty-two bytes for the tests, at least";
/// Where links and callbacks lead.
pub(crate) const PUBLIC_URL: &str = "https://notify.example.org";
/// By when what must happen has happened.
const PATIENCE: Duration = Duration::from_secs(300);

/// The deployed system.
pub(crate) struct Stack {
    pub(crate) emulator: &'static Emulator,
    pub(crate) mail: MailServer,
    pub(crate) twilio: Served<TwilioStub>,
    /// What workflows may call: a system, and a database with a table `orders`.
    pub(crate) orders: Served<OrdersStub>,
    pub(crate) postgres: Postgres,
    pub(crate) aws: Aws,
    outputs: BTreeMap<String, String>,
}

impl Stack {
    /// Deploys everything.
    pub(crate) async fn deploy() -> Self {
        let (emulator, mail) = (Emulator::shared(), MailServer::start());
        let twilio = TwilioStub::start(Arc::new(SystemClock)).await;
        let (orders, postgres) = (OrdersStub::start().await, Postgres::start());
        let _ = postgres.psql("create table orders (key text primary key, part text not null)");
        let aws = Aws::from_environment(emulator.environment()).unwrap();
        let secret = async |name: &str, text: String| {
            let made = aws.secrets().create_secret().name(name).secret_string(text).send().await;
            made.expect("a secret").arn.expect("its ARN")
        };
        let smtp = secret("smtp", mail.url()).await;
        let key =
            json!({ "id": "tests", "algorithm": "HS256", "issuer": "tests", "audience": "sendoff", "secret": SECRET });
        let keys = secret("keys", json!({ "keys": [key] }).to_string()).await;
        let token = secret("twilio", TwilioStub::TOKEN.to_owned()).await;
        let stock = secret("stock", postgres.url()).await;
        let connections = json!({
            "shop": { "url": orders.url(), "tenants": "acme", "private": true },
            "billing": { "url": orders.url(), "tenants": "globex", "private": true },
            "stock": { "url_secret": stock, "tenants": "acme" },
        });
        aws.s3().create_bucket().bucket("artifacts").send().await.expect("a bucket");
        let template = package(&aws, "artifacts", &emulator.endpoint(), &twilio.url()).await;
        let upload = aws.s3().put_object().bucket("artifacts").key("template.yaml");
        upload.body(template.into_bytes().into()).send().await.expect("uploaded");

        let parameter = |key: &str, value: &str| Parameter::builder().parameter_key(key).parameter_value(value).build();
        let config = aws_sdk_cloudformation::config::Builder::from(aws.config()).endpoint_url(emulator.endpoint());
        let formation = aws_sdk_cloudformation::Client::from_conf(config.build());
        formation
            .create_stack()
            .stack_name("sendoff")
            .template_url(format!("{}/artifacts/template.yaml", emulator.endpoint()))
            .capabilities(Capability::CapabilityIam)
            .capabilities(Capability::CapabilityNamedIam)
            .capabilities(Capability::CapabilityAutoExpand)
            .parameters(parameter("AuthKeysArn", &keys))
            .parameters(parameter("SmtpUrlArn", &smtp))
            .parameters(parameter("MailFrom", "Apps <apps@example.org>"))
            .parameters(parameter("Connections", &connections.to_string()))
            .parameters(parameter("ConnectionSecretArns", &stock))
            .parameters(parameter("TwilioAccountSid", TwilioStub::ACCOUNT))
            .parameters(parameter("TwilioAuthTokenArn", &token))
            .parameters(parameter("TwilioSmsFrom", TwilioStub::NUMBER))
            // That of the emulator is plain http.
            .parameters(parameter("PublicUrl", PUBLIC_URL))
            .parameters(parameter("Architecture", "x86_64"))
            .send()
            .await
            .expect("the stack is begun");
        let outputs = eventually("the stack", async || {
            let answer = formation.describe_stacks().stack_name("sendoff").send().await.expect("its state");
            let stack = answer.stacks.unwrap_or_default().into_iter().next().expect("there is one");
            match stack.stack_status.as_ref().expect("a status") {
                StackStatus::CreateComplete => Some(stack.outputs.unwrap_or_default()),
                StackStatus::CreateInProgress => None,
                status => {
                    let events = formation.describe_stack_events().stack_name("sendoff").send().await;
                    panic!("{status:?}: {:?} {events:?}", stack.stack_status_reason)
                }
            }
        })
        .await;
        let outputs = outputs.into_iter().filter_map(|output| Some((output.output_key?, output.output_value?)));
        Self { emulator, mail, twilio, orders, postgres, outputs: outputs.collect(), aws }
    }

    /// An output of the stack.
    pub(crate) fn output(&self, name: &str) -> &str {
        self.outputs.get(name).unwrap_or_else(|| panic!("the stack has no output `{name}`: {:?}", self.outputs))
    }

    /// The ports over its resources, for a look from outside.
    pub(crate) fn store(&self) -> Store {
        let text = |name: &str| self.output(name).to_owned();
        let resources = Resources {
            table: text("RecordsTable"),
            inbox_table: text("InboxTable"),
            stream_arn: Some(text("RecordsStreamArn")),
            topic_arn: text("TopicArn"),
            queue_url_base: text("QueueUrlBase"),
            bucket: text("PayloadBucket"),
            runs_role_arn: text("RunsRoleArn"),
            runs_prefix: text("RunsPrefix"),
            functions: Resources::no_functions(),
            schedule_group: text("ScheduleGroupName"),
            schedule_role_arn: text("ScheduleRoleArn"),
            topic_limit: Resources::TOPIC_LIMIT,
        };
        Store::new(self.aws.clone(), resources, Arc::new(SystemClock), Arc::new(SystemRng::new()))
    }
}

/// What `look` finds, as soon as it finds something.
pub(crate) async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(tokio::time::Instant::now() < deadline, "{what} didn't happen within {PATIENCE:?}");
        // A condition outside of this process, with a deadline: it can only be asked again.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
