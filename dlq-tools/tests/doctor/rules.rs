//! Every rule finds what is planted for it, and nothing in a deployment as it should be.

use std::{collections::BTreeMap, time::Duration};

use sendoff_consumers::RouterPorts;
use sendoff_dlq_tools::doctor::{
    Kind, Report, Severity, examine,
    model::{
        Alarm, Folder, FolderQueue, Function, Mapping, Metric, Model, OldDoubt, Part, Queue, Redrive, StreamLimits,
        Subscription, Ttl,
    },
    rules,
};
use sendoff_events::Timestamp;
use serde_json::json;

const DAY: u64 = 86_400;
const TOPIC: &str = "arn:aws:sns:eu-central-1:1:sendoff-events";

fn arn(name: &str) -> String {
    format!("arn:aws:sqs:eu-central-1:1:sendoff-{name}")
}

fn queue(name: &str) -> Queue {
    let policy = json!({ "Statement": [{
        "Effect": "Allow", "Principal": { "Service": "sns.amazonaws.com" }, "Action": "sqs:SendMessage",
        "Resource": arn(name), "Condition": { "ArnEquals": { "aws:SourceArn": TOPIC } },
    }]});
    Queue {
        name: name.into(),
        url: format!("https://sqs.eu-central-1.amazonaws.com/1/sendoff-{name}"),
        arn: arn(name),
        visibility: 30,
        retention: 14 * DAY,
        waiting: 0,
        redrive: None,
        takes_from: None,
        fifo: false,
        key: None,
        policy: Some(policy),
    }
}

fn depth(name: &str) -> Alarm {
    Alarm {
        name: format!("{name}-depth"),
        metrics: vec![metric(name, "ApproximateNumberOfMessagesVisible")],
        tells: true,
    }
}

fn metric(queue: &str, name: &str) -> Metric {
    let dimensions = BTreeMap::from([("QueueName".to_owned(), format!("sendoff-{queue}"))]);
    Metric { namespace: "AWS/SQS".into(), name: name.into(), dimensions }
}

/// A deployment of one consumer and one reader of the stream, as it should be.
fn on_aws() -> Model {
    let mut model = Model::empty(Kind::Aws, Timestamp::UNIX_EPOCH, RouterPorts::KEEP);
    let redrive = Some(Redrive { target: arn("email-dlq"), after: 500 });
    model.topic = TOPIC.into();
    model.queues = vec![
        Queue { visibility: 2000, retention: 12 * DAY, redrive, waiting: 7, ..queue("email") },
        Queue { waiting: 3, ..queue("email-dlq") },
        queue("email-undelivered"),
        queue("timeline-dlq"),
    ];
    model.subscriptions = vec![Subscription {
        arn: format!("{TOPIC}:1"),
        endpoint: arn("email"),
        raw: true,
        filter: Some(json!({ "type": [{ "prefix": "app.assigned.v" }] })),
        filter_on_body: false,
        dead_letters: Some(arn("email-undelivered")),
        pending: false,
    }];
    let function = |name: &str| format!("arn:aws:lambda:eu-central-1:1:function:sendoff-{name}");
    let mapping = Mapping {
        id: "1".into(),
        source: arn("email"),
        function: function("email"),
        enabled: true,
        said: None,
        window: 1,
        partial: true,
        most_at_once: Some(10),
        stream: None,
        on_failure: None,
    };
    let stream = Mapping {
        id: "2".into(),
        source: "arn:aws:dynamodb:eu-central-1:1:table/records/stream/1".into(),
        function: function("relay"),
        most_at_once: None,
        stream: Some(StreamLimits { retries: Some(100), age: Some(43_200), halved: true }),
        on_failure: Some("arn:aws:s3:::failures".into()),
        ..mapping.clone()
    };
    model.mappings = vec![mapping, stream];
    let named = |name: &str| Function { name: name.into(), arn: function(name), timeout: 330, reserved: Some(20) };
    model.functions = vec![named("email"), named("relay")];
    model.alarms = ["email-dlq", "email-undelivered", "timeline-dlq"].map(depth).into();
    model.inbox_ttl = Some(Ttl { table: "inbox".into(), attribute: Some("expiration".into()) });
    model.payload_days = vec![92];
    model
}

/// A data folder as it should be.
fn in_a_folder() -> Model {
    let mut model = Model::empty(Kind::Folder, Timestamp::UNIX_EPOCH, RouterPorts::KEEP);
    let queue = |name: &str| FolderQueue { name: name.into(), has_consumer: true, ..FolderQueue::default() };
    model.folder = Folder {
        path: "/srv/sendoff".into(),
        schema: Some((2, 2)),
        is_served: true,
        queues: vec![
            FolderQueue { waiting: 4, dead: 2, ..queue("email") },
            FolderQueue { of_reaction: true, has_consumer: false, ..queue("timeline") },
        ],
        doubts: Vec::new(),
        data_bytes: 1 << 30,
        log_bytes: 4 << 20,
        disk: Some((10 << 30, 100 << 30)),
    };
    model
}

type Plant = fn(&mut Model);

/// What each rule has to find.
fn planted() -> BTreeMap<&'static str, Vec<Plant>> {
    let plants: Vec<(&str, Plant)> = vec![
        ("lease-too-short", |m| m.queues[0].visibility = 1980),
        ("lease-too-short", |m| m.functions[0].timeout = 334),
        ("lease-too-short", |m| m.mappings[0].window = 300),
        ("moved-too-early", |m| m.queues[0].redrive.as_mut().unwrap().after = 4),
        ("retention-gap", |m| m.queues[0].retention = 14 * DAY),
        ("retention-gap", |m| m.queues[1].retention = 12 * DAY),
        ("dead-letters-kept-short", |m| m.queues[1].retention = 13 * DAY),
        ("dead-letters-kept-short", |m| m.queues[2].retention = 4 * DAY),
        ("fifo-clock-restarts", |m| fifo(m, true, true)),
        ("no-dead-letter-queue", |m| m.queues[0].redrive = None),
        ("no-dead-letter-queue", |m| m.queues[0].redrive.as_mut().unwrap().target = arn("gone")),
        ("dead-letter-queue-redrives", |m| {
            m.queues[1].redrive = Some(Redrive { target: arn("timeline-dlq"), after: 10 });
        }),
        ("kinds-differ", |m| fifo(m, true, false)),
        ("kinds-differ", |m| fifo(m, false, true)),
        ("dead-letter-queue-refuses", |m| m.queues[1].takes_from = Some(vec![])),
        ("dead-letter-queue-refuses", |m| m.queues[1].takes_from = Some(vec![arn("sms")])),
        ("nobody-takes", |m| m.queues.push(Queue { waiting: 1, ..queue("forgotten") })),
        ("nobody-takes", |m| m.mappings[0].enabled = false),
        ("no-subscription-dead-letters", |m| m.subscriptions[0].dead_letters = None),
        ("no-subscription-dead-letters", |m| m.subscriptions[0].dead_letters = Some(arn("gone"))),
        ("topic-may-not-send", |m| m.queues[0].policy = None),
        ("topic-may-not-send", |m| m.queues[2].policy = Some(json!({ "Statement": [] }))),
        ("key-hinders-topic", |m| m.queues[0].key = Some("alias/aws/sqs".into())),
        ("key-hinders-topic", |m| m.queues[2].key = Some("arn:aws:kms:eu-central-1:1:alias/aws/sqs".into())),
        ("key-not-looked-at", |m| m.queues[0].key = Some("arn:aws:kms:eu-central-1:1:key/1".into())),
        ("not-raw", |m| m.subscriptions[0].raw = false),
        ("filter-lets-nothing-through", |m| m.subscriptions[0].filter = Some(json!({ "type": [] }))),
        ("filter-lets-nothing-through", |m| m.subscriptions[0].filter = Some(json!({ "type": ["app.asigned.v1"] }))),
        ("filter-on-body", |m| m.subscriptions[0].filter_on_body = true),
        ("not-confirmed", |m| m.subscriptions[0].pending = true),
        ("no-subscription", |m| m.subscriptions.clear()),
        ("no-partial-batches", |m| m.mappings[0].partial = false),
        ("no-partial-batches", |m| m.mappings[1].partial = false),
        ("mapping-off", |m| m.mappings[1].enabled = false),
        ("mapping-fails", |m| m.mappings[0].said = Some("PROBLEM: Function call failed".into())),
        ("stream-retries-endlessly", |m| m.mappings[1].stream.as_mut().unwrap().retries = None),
        ("stream-retries-endlessly", |m| m.mappings[1].stream.as_mut().unwrap().age = None),
        ("stream-retries-endlessly", |m| m.mappings[1].stream.as_mut().unwrap().age = Some(86_400)),
        ("stream-failures-vanish", |m| m.mappings[1].on_failure = None),
        ("stream-failures-without-records", |m| m.mappings[1].on_failure = Some(arn("timeline-dlq"))),
        ("stream-batches-stay-whole", |m| m.mappings[1].stream.as_mut().unwrap().halved = false),
        ("concurrency-above-reserved", |m| m.functions[0].reserved = Some(9)),
        ("concurrency-above-reserved", |m| m.functions[0].reserved = Some(0)),
        ("concurrency-unlimited", |m| m.mappings[0].most_at_once = None),
        ("alarm-on-wrong-metric", |m| m.alarms[0].metrics[0].name = "NumberOfMessagesSent".into()),
        ("alarm-on-wrong-metric", |m| m.alarms[2].metrics[0].name = "ApproximateAgeOfOldestMessage".into()),
        ("no-alarm", |m| m.alarms.clear()),
        ("no-alarm", |m| m.alarms[1].metrics[0].dimensions.clear()),
        ("alarm-tells-nobody", |m| m.alarms[0].tells = false),
        ("inbox-ttl-attribute", |m| m.inbox_ttl.as_mut().unwrap().attribute = Some("in_progress_expiration".into())),
        ("inbox-ttl-off", |m| m.inbox_ttl.as_mut().unwrap().attribute = None),
        ("inbox-forgets-too-soon", |m| m.inbox_keep = Duration::from_secs(75 * DAY)),
        ("inbox-forgets-too-soon", |m| m.queues[1].retention = 22 * DAY),
        ("payloads-deleted-too-soon", |m| m.payload_days = vec![365, 89]),
        ("unknown-version", |m| m.folder.schema = Some((3, 2))),
        ("unknown-version", |m| m.folder.schema = Some((1, 2))),
        ("server-not-running", |m| m.folder.is_served = false),
        ("no-consumer", |m| m.folder.queues[0].has_consumer = false),
        ("large-body-missing", |m| m.folder.queues[0].without_body = vec!["12".into()]),
        ("older-than-the-inbox", |m| m.folder.queues[0].too_old = 1),
        ("reaction-dead-letters", |m| m.folder.queues[1].dead = 1),
        ("doubt-past-its-window", |m| {
            let since = Timestamp::UNIX_EPOCH;
            m.folder.doubts.push(OldDoubt {
                consumer: "sms".into(),
                count: 2,
                since,
                window: Duration::from_secs(DAY),
            });
        }),
        ("log-very-large", |m| m.folder.log_bytes = 300 << 20),
        ("disk-nearly-full", |m| m.folder.disk = Some((4 << 30, 100 << 30))),
        ("disk-nearly-full", |m| m.folder.disk = Some((100 << 20, 4 << 30))),
    ];
    let mut by_rule: BTreeMap<&str, Vec<Plant>> = BTreeMap::new();
    plants.into_iter().for_each(|(rule, plant)| by_rule.entry(rule).or_default().push(plant));
    by_rule
}

fn fifo(model: &mut Model, source: bool, dead: bool) {
    for (place, name, fifo) in [(0, "email", source), (1, "email-dlq", dead)] {
        let name = if fifo { format!("{name}.fifo") } else { name.to_owned() };
        let queue = &mut model.queues[place];
        (queue.fifo, queue.arn, queue.name) = (fifo, arn(&name), name);
    }
    model.queues[0].redrive.as_mut().unwrap().target = model.queues[1].arn.clone();
}

fn clean(kind: Kind) -> Model {
    match kind {
        Kind::Aws => on_aws(),
        Kind::Folder => in_a_folder(),
    }
}

#[test]
fn in_a_deployment_as_it_should_be_nothing_is_found() {
    for kind in [Kind::Aws, Kind::Folder] {
        let report = examine(&clean(kind), rules::all());
        assert_eq!((report.findings, report.not_checked), (vec![], vec![]));
        assert_eq!(report.checked.len(), rules::all().filter(|rule| rule.kind == kind).count());
    }
}

#[test]
fn every_rule_finds_what_is_planted_for_it_and_says_where_and_what_to_do() {
    let mut planted = planted();
    for rule in rules::all() {
        let plants = planted.remove(rule.id).unwrap_or_else(|| panic!("nothing is planted for `{}`", rule.id));
        for (number, plant) in plants.into_iter().enumerate() {
            let mut model = clean(rule.kind);
            plant(&mut model);
            let report = examine(&model, rules::all());
            let found = report.findings.iter().find(|finding| finding.rule == rule.id);
            let found = found.unwrap_or_else(|| panic!("`{}` is blind for plant {number}: {report:?}", rule.id));
            let texts = [&found.place, &found.there, &found.should, &found.fix];
            assert!(texts.iter().all(|text| !text.is_empty() && !text.contains('\n')), "{found:?}");
        }
    }
    assert!(planted.is_empty(), "there are no rules `{:?}`", planted.keys());
}

#[test]
fn rules_have_names_of_their_own() {
    let mut names: Vec<&str> = rules::all().map(|rule| rule.id).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn what_could_not_be_looked_at_is_told_and_nothing_is_made_up_about_it() {
    let mut model = on_aws();
    model.alarms.clear();
    model.blind(Part::Alarms, None, "AccessDenied");
    model.queues[0].redrive.as_mut().unwrap().target = arn("secret");
    model.blind(Part::Queues, Some(arn("secret")), "AccessDenied");
    let Report { findings, not_checked, checked } = examine(&model, rules::all());
    assert_eq!(findings, [], "neither `no-alarm` nor `no-dead-letter-queue` can be told");
    assert!(!checked.contains(&"no-alarm") && checked.contains(&"no-dead-letter-queue"));
    let told: Vec<_> = not_checked.iter().map(|n| (n.part, n.place.clone(), n.rules.contains(&"no-alarm"))).collect();
    assert_eq!(told, [(Part::Alarms, None, true), (Part::Queues, Some(arn("secret")), false)]);
    assert!(not_checked[1].rules.contains(&"no-dead-letter-queue"));
}

#[test]
fn the_worst_comes_first_and_a_queue_can_be_asked_about_alone() {
    let mut model = on_aws();
    model.alarms.clear();
    model.mappings[0].partial = false;
    model.inbox_ttl.as_mut().unwrap().attribute = None;
    let report = examine(&model, rules::all());
    assert_eq!(report.findings[0].rule, "no-partial-batches");
    assert_eq!((report.count(Severity::Error), report.count(Severity::Warning)), (1, 4));
    let rules_of = |report: Report| report.findings.into_iter().map(|f| f.rule).collect::<Vec<_>>();
    assert_eq!(
        rules_of(report.clone().about("email-dlq")),
        ["no-partial-batches", "inbox-ttl-off", "no-alarm", "no-alarm"]
    );
    // What is wrong with the whole deployment concerns each of its queues.
    assert_eq!(rules_of(report.about("timeline")), ["inbox-ttl-off", "no-alarm"]);
}

#[test]
fn the_page_about_the_rules_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/DOCTOR.md");
    let page = std::fs::read_to_string(path).expect("docs/DOCTOR.md is there");
    let command = "cargo run -p sendoff-dlq-tools --example doctor_page > docs/DOCTOR.md";
    assert!(page == sendoff_dlq_tools::doctor::document(), "run `{command}`");
}
