//! `sendoff doubt`, beside the running server: a text message that Twilio may have taken, and a person who says what became of
//! it.

use std::{path::Path, process::Command, sync::Arc};

use sendoff_consumers::DeliveryId;
use sendoff_embedded::{Store, StoreOptions};
use sendoff_host::SystemClock;
use sendoff_tests::servers::{PeerFault, Served, TwilioStub};
use serde_json::{Value, json};

use crate::{
    program::{Ended, run, wait_for},
    server::Server,
};

const PHONE: &str = "+447700900102";

/// A served system that sends text messages through a stub of Twilio.
struct Scene {
    folder: tempfile::TempDir,
    server: Server,
    twilio: Served<TwilioStub>,
}

impl Scene {
    async fn begin() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let twilio = TwilioStub::start(Arc::new(SystemClock)).await;
        let server = Server::start_with(folder.path(), |command| through(command, &twilio.url()));
        server.api.prepare().await;
        let ada = json!({ "name": "Ada", "phone": PHONE, "channels": { "email": false } });
        server.api.change("PUT", "/v1/users/ada", Some(ada)).await;
        Self { folder, server, twilio }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Assigns the app while Twilio acts on the request, or not, and nobody hears its answer. Gives the delivery.
    async fn doubt(&self, fault: PeerFault) -> String {
        self.twilio.script().next([fault]);
        // It can't be asked, either.
        self.twilio.script().always(Some(PeerFault::FailedBefore(503)));
        let event = self.server.api.change("PUT", "/v1/apps/expenses/assignments/ada", None).await.remove(0);
        wait_for("the message is in doubt, and back in its queue", || {
            let doubts = self.doubts();
            (doubts.code == Some(6) && doubts.json(6)[0]["message"] != "running").then_some(())
        });
        format!("sms/{event}/ada")
    }

    fn doubts(&self) -> Ended {
        run(self.path(), ["doubt", "ls", "--output", "json"])
    }

    fn resolve(&self, id: &str, more: &[&str]) -> Ended {
        run(self.path(), ["doubt", "resolve", id].iter().chain(more))
    }

    /// Waits until the job about the delivery's event is done; gives what became of the recipient.
    fn done(&self, id: &str) -> Value {
        let event = id.split('/').nth(1).unwrap().to_owned();
        wait_for("the job goes on", || {
            let ended = run(self.path(), ["trace", &event, "--output", "json"]);
            let life: Value = serde_json::from_str(&ended.out).ok()?;
            let consumers = life["consumers"].as_array()?.clone();
            let sms = consumers.into_iter().find(|consumer| consumer["consumer"] == "sms")?;
            (sms["outcome"] == "done").then(|| sms["steps"][0].clone())
        })
    }
}

fn through(command: &mut Command, url: &str) {
    command.env("TWILIO_BASE_URL", url).env("TWILIO_ACCOUNT_SID", TwilioStub::ACCOUNT);
    command.env("TWILIO_AUTH_TOKEN", TwilioStub::TOKEN).env("TWILIO_SMS_FROM", TwilioStub::NUMBER);
    command.env("SENDOFF_MAIL_SINK", "true");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_is_said_to_be_while_the_server_runs_and_is_not_sent_again() {
    let scene = Scene::begin().await;
    let id = scene.doubt(PeerFault::ResetAfter).await;

    let doubts = scene.doubts().json(6);
    let doubt = &doubts[0];
    assert_eq!(
        (&doubt["id"], &doubt["channel"], &doubt["recipient"], &doubt["type"], &doubt["tenant"], &doubt["provider"]),
        (&json!(id), &json!("sms"), &json!("ada"), &json!("app.assigned.v1"), &json!("acme"), &json!("twilio"))
    );
    assert_eq!((&doubt["message"], &doubt["news"]), (&json!("waiting"), &Value::Null));
    assert!(run(scene.path(), ["doubt", "ls"]).with(6).contains(&id));

    // Who somebody is counts when they decide, and not where they only look.
    let tried = scene.resolve(&id, &["--sent"]);
    assert!(tried.with(6).contains("it would count as sent") && tried.err.contains("add --yes"), "{tried:?}");
    let nobody = scene.resolve(&id, &["--sent", "--yes"]);
    assert!(nobody.code == Some(2) && nobody.err.contains("--by"), "{nobody:?}");
    assert_eq!(scene.doubts().json(6).as_array().unwrap().len(), 1, "nothing was done");

    let ended =
        scene.resolve(&id, &["--sent", "--provider-id", "SM77", "--because", "Ada has it", "--by", "grace", "--yes"]);
    assert!(ended.with(0).contains("it counts as sent, and the rest of its job goes on"), "{ended:?}");
    let step = scene.done(&id);
    assert_eq!((&step["state"], &step["provider_id"]), (&json!("done"), &json!("SM77")));
    assert_eq!(scene.doubts().json(0), json!([]));
    assert_eq!(scene.twilio.peer().messages().len(), 1, "Twilio had it, and got it once");

    let audit = run(scene.path(), ["doubt", "audit", "--output", "json"]).json(0);
    let entry = &audit[0];
    assert_eq!(
        (&entry["by"], &entry["action"], &entry["target"], &entry["because"]),
        (&json!("grace"), &json!("doubt-sent"), &json!(id), &json!("Ada has it"))
    );
    let event = id.split('/').nth(1).unwrap();
    let life = run(scene.path(), ["trace", event]);
    assert!(life.out.contains("decided by grace") && life.out.contains("Ada has it"), "{life:?}");
    assert_eq!(scene.resolve(&id, &["--sent", "--by", "grace", "--yes"]).code, Some(4), "it is no longer in doubt");
    assert_eq!(scene.server.process.stop("TERM"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_sent_is_sent_again_by_the_running_server_within_seconds() {
    let scene = Scene::begin().await;
    let id = scene.doubt(PeerFault::ResetBefore).await;
    assert!(scene.twilio.peer().messages().is_empty());
    scene.twilio.script().always(None);

    let missing = scene.resolve(&id, &["--again", "--by", "grace", "--yes"]);
    assert!(missing.code == Some(2) && missing.err.contains("--because"), "{missing:?}");

    let again = ["--again", "--because", "not in Twilio's log", "--by", "grace", "--yes", "--output", "json"];
    let ended = scene.resolve(&id, &again).json(0);
    assert_eq!((&ended["done"], &ended["resolution"]), (&json!(true), &json!("send-again")));
    #[expect(clippy::disallowed_methods, reason = "a process outside lives on the system's clock")]
    let since = std::time::Instant::now();
    let step = scene.done(&id);
    assert_eq!(step["state"], "done");
    // Far less than the twenty seconds after which a waiting consumer looks by itself.
    assert!(since.elapsed().as_secs() < 15, "{:?}", since.elapsed());
    let taken = scene.twilio.peer().messages();
    assert_eq!((taken.len(), &*taken[0].to), (1, PHONE));
    assert_eq!(scene.server.process.stop("TERM"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_others_of_the_same_job_are_in_doubt_it_says_so_and_ends_as_one_that_is_not_over() {
    let scene = Scene::begin().await;
    let id = scene.doubt(PeerFault::ResetAfter).await;
    // The stub stays: a server that stops may still ask it.
    let Scene { folder, server, twilio: _twilio } = scene;
    assert_eq!(server.process.stop("TERM"), Some(0));
    let key = id.parse::<DeliveryId>().unwrap().key;
    let store = Store::open(folder.path(), StoreOptions::default()).unwrap();
    let mut record = store.inbox().get(&key).await.unwrap().unwrap();
    record.steps.insert("bob".into(), record.steps["ada"].clone());
    record.revision += 1;
    store.inbox().write(&record).await.unwrap();
    store.shutdown().await;
    drop(store);

    let sent = |id: &str| run(folder.path(), ["doubt", "resolve", id, "--sent", "--by", "grace", "--yes"]);
    let ended = sent(&id);
    assert!(ended.with(6).contains("once its other doubts are settled"), "{ended:?}");
    let bob = id.replace("/ada", "/bob");
    assert!(sent(&bob).with(0).contains("goes on"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_knows_of_cannot_be_settled() {
    let scene = Scene::begin().await;
    let unknown = "sms/01938d1e-7b2c-7000-8000-000000000000/ada";
    let ended = scene.resolve(unknown, &["--sent", "--by", "grace", "--yes"]);
    assert!(ended.code == Some(4) && ended.err.contains("is not in doubt"), "{ended:?}");
    assert_eq!(scene.resolve("sms", &["--sent", "--by", "grace"]).code, Some(2));
    assert_eq!(scene.resolve(unknown, &["--by", "grace"]).code, Some(2), "one of --sent and --again it must be");
    assert!(scene.doubts().with(0).contains("[]"));
    run(scene.path(), ["doubt", "audit"]).with(4);
    let empty = tempfile::tempdir().unwrap();
    run(empty.path(), ["doubt", "ls"]).with(7);
}
