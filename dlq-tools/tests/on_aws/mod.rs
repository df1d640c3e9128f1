//! Opening a deployment in the emulator.

use std::collections::BTreeMap;

use sendoff_consumers::AuditNote;
use sendoff_dlq_tools::{
    Session,
    deployment::{Access, Backend, Deployment, Place},
};
use sendoff_events::Timestamp;
use sendoff_tests::{
    conformance::{Backend as _, OnAws},
    servers::Emulator,
};

/// The environment that leads to the deployment.
fn variables(backend: &OnAws) -> BTreeMap<String, String> {
    let resources = backend.store().resources();
    let mut variables = Emulator::shared().variables();
    variables.extend(
        [
            ("HOME", "/home/ada"),
            ("SENDOFF_INBOX_TABLE", &resources.inbox_table),
            ("SENDOFF_QUEUE_URL_BASE", &resources.queue_url_base),
            ("SENDOFF_DLQ_APPROVAL", "required"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    variables
}

#[tokio::test]
async fn the_environment_alone_leads_to_a_deployment_with_its_queues_and_its_audit() {
    let backend = OnAws::open().await;
    backend.create_queue("email", None).await;
    let session = Session { variables: variables(&backend), ..Session::of_this_process() };
    let deployment = Deployment::open(&session, &Place::default(), Access::Look).await.map_err(|e| e.message).unwrap();
    assert!(deployment.backend == Backend::Aws && deployment.needs_approval);
    let queues = deployment.letters.queues(Timestamp::UNIX_EPOCH).await.unwrap();
    let names: Vec<&str> = queues.iter().map(|queue| queue.name.as_str()).collect();
    assert_eq!(names, ["email-dlq", "timeline-dlq"]);
    let text = |text: &str| text.to_owned();
    let note = AuditNote {
        who: text("grace"),
        action: text("purge"),
        event: None,
        target: text("email-dlq"),
        because: text("they are archived"),
    };
    let entry = deployment.audit.append(&note).await.unwrap();
    assert_eq!(deployment.audit.entries(0, 10).await.unwrap(), [entry]);
}
