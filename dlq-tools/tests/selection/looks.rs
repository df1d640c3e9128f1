//! How letters are shown.

use sendoff_consumers::{Attempt, Class, DeadLetter, Status, Step, StepState};
use sendoff_dlq_tools::letter::{Edit, EventFacts, Facts, FailureFacts, LedgerFacts, Letter, Shape};
use sendoff_events::Timestamp;
use sendoff_host::Exit;

use super::Desk;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A letter of `ada@example.org`, who is everywhere in it.
fn ada() -> Letter {
    let id = "01926b3e-5a00-7000-8000-000000000001".parse().unwrap();
    let body = r#"{"specversion":"1.0","id":"01926b3e-5a00-7000-8000-000000000001","source":"/sendoff/api","type":"app.assigned.v1",
        "subject":"apps/crm/assignments/ada","time":"2026-11-26T01:00:00Z","tenantid":"acme","correlationid":"c-1",
        "data":{"app_id":"crm","user_id":"ada","assigned_by":"grace","email":"ada@example.org","phone":4915112345678}}"#;
    let step = |state, reason: Option<&str>| Step {
        state,
        doubted: false,
        at: at("2026-11-26T01:30:00Z"),
        provider: Some("smtp".into()),
        provider_id: None,
        mark: None,
        result: None,
        reason: reason.map(str::to_owned),
    };
    let attempt = Attempt {
        at: at("2026-11-26T01:20:00Z"),
        class: Class::Retryable,
        reason: "smtp-down".into(),
        fingerprint: "smtp-down-1234abcd".into(),
        error: "no answer for ada@example.org".into(),
    };
    Letter {
        message: DeadLetter {
            message_id: "m-1".into(),
            body: body.into(),
            attributes: [
                ("type".into(), "app.assigned.v1".into()),
                ("customer".into(), "Ada Lovelace".into()),
                ("failure".into(), r#"{"error":"ada@example.org"}"#.into()),
            ]
            .into(),
            types: Default::default(),
            receive_count: 5,
            enqueued_at: at("2026-11-26T01:00:00Z"),
            source: None,
            group: None,
        },
        facts: Facts {
            shape: Shape::Own,
            consumer: Some("email".into()),
            claims: None,
            event: Some(EventFacts {
                id,
                r#type: "app.assigned.v1".into(),
                tenant: "acme".into(),
                subject: "apps/crm/assignments/ada".into(),
                time: at("2026-11-26T01:00:00Z"),
                correlation: "c-1".into(),
                causation: None,
                first_published: at("2026-11-26T01:00:00Z"),
                sequence: Some(1),
            }),
            unreadable: None,
            failure: Some(FailureFacts {
                reason: "bad-address".into(),
                class: Some(Class::Rejected),
                fingerprint: "bad-address-0123abcd".into(),
                attempts: Some(2),
                first_at: Some(at("2026-11-26T01:10:00Z")),
                last_at: Some(at("2026-11-26T01:40:00Z")),
                error: "550 <ada@example.org> is\u{1b}[2J unknown".into(),
            }),
            replays: 1,
            claim_check: None,
            first_sent_at: at("2026-11-26T01:00:00Z"),
        },
        payload: None,
        ledger: Some(LedgerFacts {
            status: Status::Failed,
            attempts: 2,
            replay: 1,
            steps: [
                ("ada@example.org".into(), step(StepState::Failed, Some("550 ada@example.org"))),
                ("grace".into(), step(StepState::Done, None)),
            ]
            .into(),
            history: vec![attempt],
            first_at: at("2026-11-26T01:10:00Z"),
            updated_at: at("2026-11-26T01:40:00Z"),
            doubted: false,
        }),
        edit: Some(Edit {
            event: "01926b3e-5a00-7000-8000-000000000002".parse().unwrap(),
            body: r#"{"type":"app.assigned.v1","data":{"app_id":"crm","email":"ada@example.com"}}"#.into(),
            by: "grace".into(),
            at: at("2026-11-26T02:00:00Z"),
            how: vec!["--set data.email=ada@example.com".into()],
        }),
    }
}

/// Bytes that are no text, of which nobody said anything.
fn bytes() -> Letter {
    let mut letter = ada();
    letter.message.message_id = "m-2\u{1b}[31m\u{9b}2J".into();
    letter.message.body = b"\xff\xfe\x1b[2JAda Lovelace".as_slice().into();
    letter.message.attributes.clear();
    letter.facts.shape = Shape::Unknown;
    (letter.facts.event, letter.facts.failure, letter.ledger, letter.edit) = (None, None, None, None);
    letter.facts.unreadable = Some("not-json".into());
    letter
}

#[test]
fn a_terminal_sees_no_personal_data_and_isnt_moved_whatever_the_output() {
    let mut desk = Desk::new();
    drop(desk.snapshot(&[ada(), bytes()]));
    for terminal in [true, false] {
        desk.is_terminal = terminal;
        let redact: &[&str] = if terminal { &[] } else { &["--redact"] };
        for verb in ["show", "grep", "groups", "sample"] {
            for output in ["table", "json", "ndjson"] {
                let ran = desk.look(verb, &[&["--output", output], redact].concat()).expect(Exit::Done);
                for personal in ["ada@", "example.org", "Lovelace", "4915112345678"] {
                    assert!(!ran.out.contains(personal), "{verb} {output}: {personal} in {}", ran.out);
                }
                assert!(!ran.out.contains(|c: char| c.is_control() && c != '\n'), "{verb} {output}: {:?}", ran.out);
            }
        }
    }
}

#[test]
fn what_is_asked_for_or_piped_is_whole() {
    let mut desk = Desk::new();
    drop(desk.snapshot(&[ada(), bytes()]));
    let piped = desk.look("show", &["--output", "json"]).expect(Exit::Done).json();
    desk.is_terminal = true;
    let asked = desk.look("show", &["--output", "json", "--show-personal"]).expect(Exit::Done).json();
    assert_eq!(piped, asked);
    assert_eq!(piped[1]["envelope"]["data"]["email"], "ada@example.org");
    assert_eq!(piped[1]["ledger"]["steps"]["ada@example.org"]["state"], "failed");
    assert_eq!(piped[1]["edit"]["how"][0], "--set data.email=ada@example.com");
    assert_eq!(piped[0]["body"]["base64"], "//4bWzJKQWRhIExvdmVsYWNl");
    assert_eq!(piped[0]["envelope"], serde_json::Value::Null);
    let both = desk.look("show", &["--redact", "--show-personal"]).expect(Exit::Usage);
    assert!(both.err.contains("cannot be used with"), "{}", both.err);
}

#[test]
fn show_tells_all_that_is_known_of_a_letter() {
    let desk = Desk::new();
    drop(desk.snapshot(&[ada()]));
    let ran = desk.look("show", &["--redact"]).expect(Exit::Done);
    let expected = r#"letter m-1
  event       app.assigned.v1 01926b3e-5a00-7000-8000-000000000001 of acme
  subject     apps/crm/assignments/ada
  consumer    email
  shape       own
  group       bad-address-0123abcd
  lost        2026-12-10T01:00:00Z
  received    5 times since 2026-11-26T01:00:00Z, replayed 1 time
  failed      bad-address (rejected), 2 attempts, from 2026-11-26T01:10:00Z to 2026-11-26T01:40:00Z
              550 <address> is [2J unknown
  ledger      failed
              2 attempts in replay 1, from 2026-11-26T01:10:00Z to 2026-11-26T01:40:00Z
              step <hidden step 1>: failed at 2026-11-26T01:30:00Z by smtp: 550 <address>
              step grace: done at 2026-11-26T01:30:00Z by smtp
              attempt until 2026-11-26T01:20:00Z: smtp-down (retryable): no answer for <address>
  attribute   customer = <hidden: 12 characters>
  attribute   type = app.assigned.v1
"#;
    assert!(ran.out.starts_with(expected), "{}", ran.out);
    assert!(ran.out.contains("    \"user_id\": \"ada\""), "{}", ran.out);
    assert!(ran.out.contains("edited      by grace at 2026-11-26T02:00:00Z"), "{}", ran.out);
    assert!(ran.err.ends_with("personal data is hidden; --show-personal shows it\n"), "{}", ran.err);
}

#[test]
fn show_stops_at_its_limit_and_says_so() {
    let desk = Desk::new();
    let letters: Vec<_> = (0..60)
        .map(|place| {
            let mut letter = ada();
            letter.message.message_id = format!("m-{place:02}");
            letter
        })
        .collect();
    drop(desk.snapshot(&letters));
    let some = desk.look("show", &["--output", "ndjson"]).expect(Exit::Done);
    assert_eq!(some.out.lines().count(), 50);
    assert!(some.err.contains("50 of 60 letters; --all shows the others too"), "{}", some.err);
    assert_eq!(desk.look("show", &["--output", "ndjson", "--all"]).out.lines().count(), 60);
    let sample = desk.look("sample", &["--output", "ndjson"]).expect(Exit::Done);
    assert_eq!(sample.all("message_id"), ["m-00", "m-29", "m-59"]);
    let one = desk.look("sample", &["--per-group", "1"]).expect(Exit::Done);
    assert!(
        one.out.starts_with("group bad-address-0123abcd of email, app.assigned.v1: 1 of 60 letters\n\nletter m-00\n")
    );
    assert_eq!(desk.look("grep", &["--count"]).expect(Exit::Done).out, "60\n");
    assert_eq!(desk.look("grep", &[]).expect(Exit::Done).out.lines().count(), 61);
}

#[test]
fn groups_are_told_by_size_with_what_became_of_their_letters() {
    let desk = Desk::new();
    let mut done = ada();
    done.message.message_id = "m-3".into();
    done.message.enqueued_at = at("2026-11-20T01:00:00Z");
    if let Some(ledger) = &mut done.ledger {
        ledger.status = Status::Done;
    }
    drop(desk.snapshot(&[bytes(), ada(), done]));
    let ran = desk.look("groups", &["--redact"]).expect(Exit::Done);
    let lines: Vec<_> = ran.out.lines().collect();
    assert!(lines[0].starts_with("GROUP "), "{}", ran.out);
    assert!(lines[1].starts_with("bad-address-0123abcd  email     app.assigned.v1  2 (2 replayed)"), "{}", ran.out);
    assert!(lines[1].contains("2026-12-04T01:00:00Z  acme     1 done, 1 failed"), "{}", ran.out);
    assert!(lines[2].starts_with("not-json "), "{}", ran.out);
    let json = desk.look("groups", &["--output", "json"]).expect(Exit::Done).json();
    assert_eq!(json[0]["first_loss_at"], "2026-12-04T01:00:00Z");
    assert_eq!(json[0]["ledger"], serde_json::json!({"done": 1, "failed": 1}));
}

#[test]
fn nothing_that_fits_is_an_exit_of_its_own_and_still_a_document() {
    let desk = Desk::new();
    drop(desk.snapshot(&[ada()]));
    for verb in ["show", "grep", "groups", "sample"] {
        let ran = desk.look(verb, &["--tenant", "nobody", "--output", "json"]).expect(Exit::NothingMatched);
        assert_eq!(ran.out, "[]\n", "{verb}");
        assert!(ran.err.contains("no letter fits"), "{verb}: {}", ran.err);
        assert_eq!(desk.look(verb, &["--tenant", "nobody"]).expect(Exit::NothingMatched).out, "", "{verb}");
        let wrong = desk.look(verb, &["--where", "envelop.id == 1"]).expect(Exit::Usage);
        assert!(wrong.err.contains("did you mean `envelope`?"), "{verb}: {}", wrong.err);
    }
}

#[test]
fn a_group_may_be_abbreviated_while_no_other_begins_like_it() {
    let desk = Desk::new();
    let with_group = |id: &str, group: &str| {
        let mut letter = ada();
        letter.message.message_id = id.into();
        if let Some(failure) = &mut letter.facts.failure {
            failure.fingerprint = group.into();
        }
        letter
    };
    drop(desk.snapshot(&[with_group("m-1", "late-01"), with_group("m-2", "late-02"), with_group("m-3", "late")]));
    let ids = |group: &str| desk.look("grep", &["--group", group, "--output", "ndjson"]);
    assert_eq!(ids("late-02").expect(Exit::Done).all("message_id"), ["m-2"]);
    assert_eq!(ids("late").expect(Exit::Done).all("message_id"), ["m-3"], "it is one itself");
    let unclear = ids("la").expect(Exit::Usage);
    assert!(unclear.err.contains("`la` is the beginning of `late`, `late-01`, `late-02`"), "{}", unclear.err);
    assert_eq!(ids("other").expect(Exit::NothingMatched).out, "");
}

#[test]
fn a_group_without_a_name_is_none_and_not_all() {
    let desk = Desk::new();
    drop(desk.snapshot(&[ada()]));
    for verb in ["grep", "show", "plan", "purge", "quarantine", "edit"] {
        let more: &[&str] = match verb {
            "purge" => &["--archive", "0123456789abcdef"],
            "quarantine" => &["--because", "x"],
            "edit" => &["--undo"],
            _ => &[],
        };
        let refused = desk.look(verb, &[more, &["--group", ""]].concat()).expect(Exit::Usage);
        assert!(refused.err.contains("--group is empty"), "{verb}: {}", refused.err);
    }
}

#[test]
fn a_script_that_takes_more_than_it_may_is_refused_and_ends_nothing_but_itself() {
    let desk = Desk::new();
    let mut letters = [ada(), ada()];
    letters[1].message.message_id = "m-2".into();
    for letter in &mut letters {
        (letter.edit, letter.ledger) = (None, None);
    }
    drop(desk.snapshot(&letters));
    for script in ["def f: [f]; f", ".data.app_id = (\"a\" * 1000000000000)"] {
        let refused = desk.look("edit", &["--script", script]).expect(Exit::Refused);
        let broke_off = refused.err.matches("the script broke off: it took more memory").count();
        assert!(broke_off == 2 && refused.err.contains("m-2: "), "{script}: {}", refused.err);
    }
    desk.look("edit", &["--script", ".data.assigned_by = \"heidi\""]).expect(Exit::Done);
}

#[test]
fn a_terminal_sees_no_personal_data_in_why_a_letter_cannot_be_edited() {
    let mut desk = Desk::new();
    let mut letter = ada();
    (letter.edit, letter.ledger) = (None, None);
    drop(desk.snapshot(&[letter]));
    let fails = ["--script", ".data.email |= tonumber"];
    let whole = desk.look("edit", &fails).expect(Exit::Refused);
    assert!(whole.err.contains("ada@example.org"), "{}", whole.err);
    desk.is_terminal = true;
    let shown = desk.look("edit", &[&fails[..], &["--show-personal"]].concat()).expect(Exit::Refused);
    assert!(shown.err.contains("ada@example.org"), "{}", shown.err);
    for script in [fails[1], "error(.data)", ".data.phone |= error", ".subject = .data.email"] {
        let hidden = desk.look("edit", &["--script", script]).expect(Exit::Refused);
        for personal in ["ada", "example.org", "4915112345678"] {
            assert!(!hidden.err.contains(personal), "{script}: {}", hidden.err);
        }
        assert!(hidden.err.contains("m-1: "), "{script}: {}", hidden.err);
    }
    let hidden = desk.look("edit", &fails).err;
    assert!(hidden.contains("m-1: the script fails") && hidden.contains("--show-personal"), "{hidden}");
}
