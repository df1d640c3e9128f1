use sendoff_consumers::{Class, DeadLetter, Status, Step, StepState};
use sendoff_events::{BoxFuture, Clock};

use super::*;
use crate::letter::{EventFacts, Facts, FailureFacts, LedgerFacts, Shape};

struct At(Timestamp);

impl Clock for At {
    fn now(&self) -> Timestamp {
        self.0
    }

    fn sleep(&self, _: std::time::Duration) -> BoxFuture<'static, ()> {
        Box::pin(async {})
    }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A letter of the email consumer, whose event has this data.
fn letter(data: &str) -> Letter {
    let id = "01926b3e-5a00-7000-8000-000000000001";
    let body = format!(
        r#"{{"specversion":"1.0","id":"{id}","source":"/sendoff/api","type":"submission.created.v1","data":{data}}}"#
    );
    let message = DeadLetter {
        message_id: "m-1".into(),
        body: body.into(),
        attributes: [("type".into(), "submission.created.v1".into())].into(),
        types: Default::default(),
        receive_count: 3,
        enqueued_at: at("2026-11-26T01:00:00Z"),
        source: None,
        group: None,
    };
    let facts = Facts {
        shape: Shape::Own,
        consumer: Some("email".into()),
        claims: None,
        event: Some(EventFacts {
            id: id.parse().unwrap(),
            r#type: "submission.created.v1".into(),
            tenant: "acme".into(),
            subject: "submission/1".into(),
            time: at("2026-11-26T00:59:59.5Z"),
            correlation: "c-1".into(),
            causation: None,
            first_published: at("2026-11-26T01:00:00Z"),
            sequence: Some(7),
        }),
        unreadable: None,
        failure: Some(FailureFacts {
            reason: "bad-template".into(),
            class: Some(Class::TimedOut),
            fingerprint: "bad-template-0123abcd".into(),
            attempts: Some(5),
            first_at: Some(at("2026-11-26T01:30:00Z")),
            last_at: Some(at("2026-11-26T02:00:00Z")),
            error: "no template `x`".into(),
        }),
        replays: 1,
        claim_check: None,
        first_sent_at: at("2026-11-26T01:00:00Z"),
    };
    Letter { message, facts, payload: None, ledger: None, edit: None }
}

fn with(change: impl FnOnce(&mut Selection)) -> Selection {
    let mut selection = Selection::default();
    change(&mut selection);
    selection
}

fn ask(selection: &Selection, letter: &Letter) -> Result<bool, Stopped> {
    let selector = Selector::new(selection, &At(at("2026-11-26T03:00:00Z")))?;
    selector.matches(letter, Some(at("2026-12-10T01:00:00Z")))
}

fn says(condition: &str, letter: &Letter) -> bool {
    let asked = ask(&with(|selection| selection.condition = Some(condition.into())), letter);
    asked.unwrap_or_else(|stopped| panic!("{condition}: {stopped:?}"))
}

fn refusal(condition: &str, letter: &Letter) -> String {
    let stopped = ask(&with(|selection| selection.condition = Some(condition.into())), letter).unwrap_err();
    assert_eq!(stopped.exit, Exit::Usage, "{condition}");
    stopped.message.unwrap()
}

#[test]
fn a_condition_sees_the_envelope_the_data_the_failure_the_ledger_and_the_message() {
    let mut letter =
        letter(r#"{"app":"crm","tags":["a","b"],"count":3,"big":18446744073709551615,"share":0.5,"no":null}"#);
    let step = Step {
        state: StepState::Done,
        doubted: false,
        at: at("2026-11-26T01:40:00Z"),
        provider: Some("smtp".into()),
        provider_id: None,
        mark: None,
        result: None,
        reason: None,
    };
    letter.ledger = Some(LedgerFacts {
        status: Status::InDoubt,
        attempts: 4,
        replay: 2,
        steps: [("user-1".into(), step)].into(),
        history: Vec::new(),
        first_at: at("2026-11-26T01:30:00Z"),
        updated_at: at("2026-11-26T02:00:00Z"),
        doubted: true,
    });
    for condition in [
        r#"envelope.id == "01926b3e-5a00-7000-8000-000000000001" && envelope.source == "/sendoff/api""#,
        r#"envelope.type.startsWith("submission.") && envelope["tenantid"] == "acme" && envelope.sequence == 7"#,
        r#"envelope.time < envelope.firstpublished && envelope.time > "2026-11-26T00:59:59""#,
        r#"envelope.subject == "submission/1" && envelope.correlationid == "c-1" && !has(envelope.causationid)"#,
        r#"data.app == "crm" && data.tags.exists(tag, tag == "b") && data.count + 1 == 4 && size(data.tags) == 2"#,
        "data.big == 18446744073709551615u && data.share < 1 && data.no == null && type(data.count) == int",
        r#"failure.reason in ["bad-template", "no-address"] && failure.class == "timed-out" && failure.attempts >= 5"#,
        r#"failure.fingerprint.matches("^bad-.*[0-9a-f]{8}$") && failure.consumer == "email""#,
        r#"failure.last_at == "2026-11-26T02:00:00.000Z" && failure.error.contains("template")"#,
        r#"ledger.status == "in-doubt" && ledger.doubted && ledger.replay == 2 && ledger.attempts == 4"#,
        r#"ledger.steps["user-1"].state == "done" && ledger.steps["user-1"].provider == "smtp""#,
        r#"message.id == "m-1" && message.shape == "own" && message.receive_count == 3 && message.replays == 1"#,
        r#"message.age_s == 7200 && message.lost_at == "2026-12-10T01:00:00.000Z" && message.size > 100"#,
        r#"message.attributes.type == "submission.created.v1" && !message.edited && !has(message.unreadable)"#,
        r#"size(envelope) == 9 && "id" in envelope"#,
    ] {
        assert!(says(condition, &letter), "{condition}");
    }
}

#[test]
fn what_a_letter_lacks_makes_it_not_fit() {
    let mut letter = letter(r#"{"app":"crm","none":null,"list":[]}"#);
    for condition in [
        r#"data.other == "x""#,
        r#"data.other != "x""#,
        "!data.other.deep",
        r#"data.none.name == "x""#,
        r#"data.app.name == "x""#,
        "data.list[0] == 1",
        r#"data["other"] == 1"#,
        r#"envelope.causationid == "x""#,
        "ledger.replay == 0",
        "has(data.none.name)",
    ] {
        assert!(!says(condition, &letter), "{condition}");
    }
    assert!(says(r#"data.other == "x" || data.app == "crm""#, &letter));
    assert!(says(r#"ledger.status == "none" && ledger.attempts == 0 && !ledger.doubted"#, &letter));
    (letter.facts.failure, letter.facts.event) = (None, None);
    letter.facts.unreadable = Some("not-json".into());
    letter.message.body = b"\xff\x00[[[".as_slice().into();
    assert!(!says(r#"failure.reason == "bad-template""#, &letter));
    assert!(!says(r#"envelope.type == "x" || data.app == "crm""#, &letter));
    assert!(says(r#"message.unreadable == "not-json" && !has(envelope.id)"#, &letter));
}

#[test]
fn a_mistake_in_a_condition_is_named_with_its_place_and_what_was_meant() {
    let letter = letter("{}");
    let cases = [
        ("evelope.type == \"x\"", "at column 1: there is no variable `evelope`; did you mean `envelope`?"),
        ("failure.resaon == \"x\"", "there is no `failure` field `resaon`; did you mean `reason`?"),
        ("has(message.sise)", "did you mean `size`?"),
        ("envelope[\"typ\"] == \"x\"", "did you mean `type`?"),
        ("data.app == crm", "at column 13: there is no variable `crm`"),
        ("data.app.startswith(\"x\")", "did you mean `startsWith`?"),
        ("data.app = \"x\"", "at column 10"),
        ("data.tags.map(t, [t, data]) == []", "there is no `map`"),
        ("data.tags.map(t, t > 1, 2) == []", "there is no `map`"),
        ("map(1) == []", "there is no function `map`"),
        ("\n  1 +", "line 2"),
        ("data.app == \"ü\" && nothing", "at column 20: there is no variable `nothing`"),
        ("[1].all(data, data > 0) && tag > 0", "there is no variable `tag`"),
        ("Person{name: \"x\"} == 1", "nothing is built here"),
        ("", "--where: the condition is empty"),
    ];
    for (condition, expected) in cases {
        let message = refusal(condition, &letter);
        assert!(message.contains(expected), "{condition}\n{message}");
    }
    let arrow = refusal("data.app == crm", &letter);
    assert!(arrow.ends_with("\n    data.app == crm\n                ^"), "{arrow}");
}

#[test]
fn a_condition_that_comes_to_no_yes_or_no_says_for_which_letter_where_and_what_to_do_but_no_value() {
    let letter = letter(r#"{"phone":"+4915112345678","count":"secret"}"#);
    let cases = [
        ("data.phone", "it comes to the type `string`, not to yes or no"),
        ("failure.attempts", "it comes to the type `int`"),
        (
            "true && data.count > 3",
            "at column 20: for the letter m-1, `>` can't be used on string and int; ask for the type",
        ),
        ("data.phone + 1 == 2", "can't be used"),
        ("int(data.count) > 3", "`int` can't be used on what is there"),
        ("data.count.matches(\"(\")", "no regular expression"),
        ("1 / 0 == 1", "divides by zero"),
        ("failure.attempts + 9223372036854775807 > 0", "too large"),
    ];
    for (condition, expected) in cases {
        let message = refusal(condition, &letter);
        assert!(message.contains(expected), "{condition}\n{message}");
        assert!(!message.contains("secret") && !message.contains("+49"), "{message}");
    }
    assert!(!says("type(data.count) == int && data.count > 3", &letter));
}

#[test]
fn neither_a_hostile_letter_nor_a_hostile_condition_costs_more_than_a_bound() {
    let list = format!(r#"{{"list":[{}0]}}"#, "0,".repeat(20_000));
    let wide = letter(&list);
    assert!(says("data.list.all(x, x == 0) && size(data.list.filter(x, x == 0)) == 20001", &wide));
    let nested = refusal("data.list.all(x, data.list.all(y, data.list.all(z, z == 0)))", &wide);
    assert!(nested.contains("it looks at more than 250000 elements: nest fewer loops"), "{nested}");
    // Not even when the loop would have taken the failure for an answer.
    refusal("data.list.exists(x, data.list.exists(y, y == 1)) || true", &wide);

    let deep = letter(&format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)));
    assert!(!says("data.app == 1", &deep), "data that is nested this deep can't be read");

    for condition in [
        format!("{}true", "!".repeat(1_900)),
        format!("data{}", ".a".repeat(980)),
        format!("1{} > 0", "+1".repeat(980)),
        format!("{}1{} == 1", "(".repeat(900), ")".repeat(900)),
        format!("{}1{} == 1", "[".repeat(900), "]".repeat(900)),
        format!("data{}", "[0]".repeat(650)),
        format!("true{}", " && true".repeat(240)),
        format!("1{} > 0", "+1".repeat(29)),
        format!("data{} == 1", ".a".repeat(29)),
        format!("{}true", "!".repeat(1_901)),
        format!("{}1 == 1", "-".repeat(1_901)),
        format!("{}[1]{}", "[1].exists(x, ".repeat(9), ")".repeat(9)),
        "x".repeat(3_000),
        "data.a.matches(\"(a{1000}){1000}\")".into(),
    ] {
        let selection = with(|selection| selection.condition = Some(condition.clone()));
        // Whatever it says, it comes back.
        let _ = ask(&selection, &wide);
    }
}

#[test]
fn each_flag_narrows() {
    let letter = letter("{}");
    let fits = |change: &dyn Fn(&mut Selection)| ask(&with(change), &letter).unwrap();
    assert!(fits(&|_| {}));
    for (wanted, expected) in [
        ("submission.created", true),
        ("submission.created.v1", true),
        ("submission.created.v", false),
        ("submission", false),
        ("submission.created.v2", false),
    ] {
        assert_eq!(fits(&|selection| selection.event_type = Some(wanted.into())), expected, "{wanted}");
    }
    assert!(fits(&|selection| selection.tenant = Some("acme".into())));
    assert!(!fits(&|selection| selection.tenant = Some("acm".into())));
    assert!(fits(&|selection| selection.reason = Some("bad-template".into())));
    assert!(!fits(&|selection| selection.reason = Some("bad".into())));
    assert!(fits(&|selection| selection.group = Some("bad-template-01".into())));
    assert!(!fits(&|selection| selection.group = Some("other".into())));
    assert!(fits(&|selection| selection.ids = vec!["other".into(), "m-1".into()]));
    assert!(fits(&|selection| selection.ids = vec!["01926B3E-5A00-7000-8000-000000000001".into()]));
    assert!(!fits(&|selection| selection.ids = vec!["m".into()]));
    assert!(fits(&|selection| selection.since = Some("1h".into())), "the failure was exactly then");
    assert!(!fits(&|selection| selection.since = Some("59m".into())));
    assert!(!fits(&|selection| selection.until = Some("2026-11-26T02:00:00Z".into())));
    assert!(fits(&|selection| selection.until = Some("2026-11-26T02:00:01Z".into())));
    assert!(!fits(&|selection| {
        selection.tenant = Some("acme".into());
        selection.condition = Some("false".into());
    }));
}

#[test]
fn a_letter_that_nobody_gave_a_time_counts_from_when_it_was_put_there() {
    let mut letter = letter("{}");
    letter.facts.failure = None;
    assert_eq!(failed_at(&letter), at("2026-11-26T01:00:00Z"));
    assert!(!ask(&with(|selection| selection.since = Some("1h".into())), &letter).unwrap());
    assert!(ask(&with(|selection| selection.group = Some("unknown".into())), &letter).unwrap());
    // Letters that can't be read for different reasons are different causes.
    (letter.facts.event, letter.facts.unreadable) = (None, Some("bad-pointer".into()));
    assert!(ask(&with(|selection| selection.group = Some("bad-pointer".into())), &letter).unwrap());
    assert!(!ask(&with(|selection| selection.group = Some("unknown".into())), &letter).unwrap());
}
