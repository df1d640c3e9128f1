//! What is done in the world.

use super::*;

#[test]
fn a_step_becomes_what_the_targets_carry_out() {
    let plan = plan(
        "- id: mail\n  name: Tell Ada\n  email: { to: { user: '{{ {submission.author} }}' }, subject: 'Amount {{ {amount} }}', text: Hi }\n  \
         retry: { again: 2, interval: 10m }\n  timeout: 30s\n  on_error: continue\n",
    );
    let step = &plan.block[0];
    assert_eq!((step.id.as_str(), step.label.as_deref()), ("mail", Some("Tell Ada")));
    let Kind::Act(act) = &step.kind else { panic!("{step:?}") };
    assert_eq!((act.action, act.timeout, &act.on_error), (Action::Email, 30, &OnError::Continue));
    assert_eq!((act.retry.again, act.retry.interval, act.retry.max_delay), (2, 600, 600));
    let names: Vec<_> = act.output.keys().map(String::as_str).collect();
    assert_eq!(names, ["error", "provider", "provider_id", "reason", "status"]);
    let Template::Object(call) = &act.call else { panic!("{:?}", act.call) };
    assert_eq!(call["text"], Template::Literal(json!("Hi")));
    assert!(matches!(&call["subject"], Template::Text(pieces) if pieces.len() == 2));
    // A text that is an expression alone becomes a text, whatever its type.
    let Template::Object(to) = &call["to"] else { panic!() };
    assert!(matches!(&to["user"], Template::Text(pieces) if pieces.len() == 1));
    assert_eq!(plan.vars["tags"].initial, json!(["a"]));
    assert_eq!(plan.triggers, [Trigger::Created { when: None }]);
}

#[test]
fn a_mail_is_tried_again_for_longer_than_a_server_that_greylists_takes_none() {
    for (body, again, max_delay) in [
        ("- { id: a, email: { to: { user: ada }, subject: S, text: T } }", 20, 3600),
        ("- { id: a, email: { to: { user: ada }, subject: S, text: T }, retry: { interval: 5s } }", 4, 300),
        ("- { id: a, sms: { to: { user: ada }, text: T } }", 4, 300),
    ] {
        let plan = plan(body);
        let Kind::Act(act) = &plan.block[0].kind else { panic!("{plan:?}") };
        assert_eq!((act.retry.again, act.retry.max_delay), (again, max_delay), "{body}");
    }
}

#[test]
fn what_is_wrong_in_html_is_told_like_what_is_wrong_in_text() {
    let mail =
        |html: &str| format!("- {{ id: a, email: {{ to: {{ user: ada }}, subject: S, text: T, html: '{html}' }} }}");
    plan(&mail("<p>{{ {amount} }} {{ {due} }} {{ {ok} }}</p>"));
    for (html, expected) in [
        (" ", "is empty; write what it is to say"),
        (
            "{{ {users} }}",
            "must be a text, but is a list of text; name a part of it, or make a text of a list with JOIN",
        ),
    ] {
        wrong(&mail(html), &[&format!("steps[0].email.html: {expected}")]);
    }
}

#[test]
fn retries_and_timeouts_are_within_bounds() {
    let with = |more: &str| format!("- {{ id: a, {MAIL}, {more} }}");
    for good in [
        "timeout: 1s",
        "timeout: 15m",
        "retry: { again: 0 }",
        "retry: { again: 20, interval: 1h, backoff: 1, max_delay: 1d }",
    ] {
        plan(&with(good));
    }
    for (more, expected) in [
        ("timeout: 0s", "timeout: must be from 1s to 15m"),
        ("timeout: 16m", "timeout: must be from 1s to 15m"),
        ("retry: { again: 21 }", "retry.again: must be at most 20"),
        ("retry: { interval: 0s }", "retry.interval: must be from 1s to 1h"),
        ("retry: { interval: 2h, max_delay: 3h }", "retry.interval: must be from 1s to 1h"),
        ("retry: { backoff: 0.5 }", "retry.backoff: must be from 1 to 10"),
        ("retry: { max_delay: 1s }", "retry.max_delay: must be from 2s to 1d"),
    ] {
        wrong(&with(more), &[&format!("steps[0].{expected}")]);
    }
}

#[test]
fn a_message_has_all_that_its_channel_asks_for() {
    for (step, expected) in [
        (
            "email: { to: { user: ada }, subject: S }",
            "email.text: is missing; write `subject` and `text`, or one of `template`",
        ),
        (
            "email: { to: {}, subject: S, text: T }",
            "email.to: must have exactly one of `user` and `address`; write `to: { user: ada }`",
        ),
        ("email: { to: { user: '' }, subject: S, text: T }", "email.to.user: is empty; write what it is to say"),
        (
            "email: { to: { user: a }, template: { name: t }, text: T }",
            "email.text: stands beside `template`, which has its own words; write one of them",
        ),
        (
            "email: { to: { user: a }, subject: '{{ {lines} }}', text: T }",
            "email.subject: must be a text, but is a list of object (count: number, part: text); name a part of it, or make a text of a list with JOIN",
        ),
        (
            "email: { to: { user: a }, template: { name: t, data: [1] } }",
            "email.template.data: must be an object; write `name: value`",
        ),
        ("sms: { to: { user: a } }", "sms.text: is missing; write `text`, or one of `template`"),
        (
            "whatsapp: { to: { user: a }, template: { name: t }, approved_template: { name: t, language: de } }",
            "whatsapp: has `template` and `approved_template`; write one of them",
        ),
        (
            "push: { to: { user: a }, title: T }",
            "push.body: is missing; write `title` and `body`, or one of `template`",
        ),
        (
            "push: { to: { user: a }, template: { name: t }, data: { a: b } }",
            "push.data: stands beside `template`; put it into the template's `data`",
        ),
    ] {
        wrong(&format!("- {{ id: a, {step} }}"), &[&format!("steps[0].{expected}")]);
    }
    plan(
        "- { id: a, whatsapp: { to: { address: '+491701234567' }, approved_template: { name: t, language: de, parameters: ['{{ {amount} }}', x] } } }\n- { id: b, push: \
         { to: { user: a }, title: T, body: B, data: { n: '{{ {amount} }}' } } }\n- { id: c, email: { to: { user: a }, template: { name: t, data: { lines: '{{ {lines} \
         }}' } } } }",
    );
}

#[test]
fn a_call_of_another_system_stays_within_its_connection() {
    let http = |more: &str| {
        format!("- {{ id: a, http: {{ connection: crm, method: GET, path: /a, {more} }} }}")
            .replace(", path: /a, path", ", path")
            .replace(", method: GET, path: /a, method: POST", ", path: /a, method: POST")
    };
    plan(&http(
        "path: '/orders/{{ {submission.id} }}/', query: { q: '{{ {users} }}', n: 1 }, headers: { X-A: '{{ {amount} }}' }, response: { id: { at: /a~1b/0, type: text } }",
    ));
    for (more, expected) in [
        (
            "path: 'https://evil.example/'",
            "path: must begin with `/`, and not by an expression; host and credentials are the connection's: write `/orders`",
        ),
        (
            "path: '{{ {department} }}'",
            "path: must begin with `/`, and not by an expression; host and credentials are the connection's: write `/orders`",
        ),
        ("path: /a/%2e./b", "path: must be without the segments `.` and `..`; write where it leads"),
        (
            "path: '/a%20b/{{ {department} }}'",
            "path: must be without `%` beside an expression; write the character itself: it is encoded",
        ),
        ("path: //evil.example", "path: has an empty segment; write `/` once"),
        ("path: '/a?b=c'", "path: must be without `?` and `#`; what stands behind the `?` belongs to `query`"),
        ("path: '/a\\b'", "path: must be without `\\` and line ends; write `/orders/7`"),
        ("body: {}", "body: isn't sent with GET; put it into `query`, or take another method"),
        (
            "headers: { Authorization: x }",
            "headers.Authorization: can't be set here; credentials are the connection's, and the rest is the protocol's own",
        ),
        ("headers: { 'a b': x }", "headers[\"a b\"]: is no name of a header; use letters, digits and `-`"),
        ("headers: { a: 'x\n\n  y' }", "headers.a: has a line end in it; write it in one line"),
        (
            "query: { a: { b: c } }",
            "query.a: must be a text, a number or a boolean, or a list of them; name a part of it",
        ),
        (
            "response: { a: { at: id, type: text } }",
            "response.a.at: `id` is no JSON Pointer; write `/order/id`, or nothing for the whole; `~` is `~0`, `/` is `~1`",
        ),
        (
            "response: { a: { at: /a~2, type: text } }",
            "response.a.at: `/a~2` is no JSON Pointer; write `/order/id`, or nothing for the whole; `~` is `~0`, `/` is `~1`",
        ),
    ] {
        wrong(&http(more), &[&format!("steps[0].http.{expected}")]);
    }
    wrong(
        "- { id: a, http: { connection: 'http://x', method: get, path: /a } }",
        &[
            "steps[0].http.connection: `http://x` is no name of a connection; use 1 to 40 of `a-z`, `0-9`, `-` and `_`; the deployment's settings say which there are",
            "steps[0].http.method: `get` is no method; did you mean `GET`?",
        ],
    );
}

#[test]
fn a_slash_that_ends_a_path_is_told_from_a_part_that_is_filled_with_nothing() {
    let parts = |path: &str| {
        let made = plan(&format!("- {{ id: a, http: {{ connection: crm, method: DELETE, path: '{path}' }} }}"));
        let Kind::Act(Act { call: Template::Object(call), .. }) = &made.block[0].kind else { panic!("{made:?}") };
        let Template::List(parts) = &call["path"] else { panic!("{call:?}") };
        parts.iter().map(|part| matches!(part, Template::Literal(Value::Null))).collect::<Vec<_>>()
    };
    assert_eq!(parts("/orders/{{ {department} }}"), [false, false]);
    assert_eq!(parts("/orders/{{ {department} }}/"), [false, false, true]);
    assert_eq!(parts("/{{ {department} }}"), [false]);
}

#[test]
fn a_statement_is_constant_and_its_values_are_named() {
    let database =
        |sql: &str, more: &str| format!("- {{ id: a, database: {{ connection: stock, sql: \"{sql}\"{more} }} }}");
    plan(&database(
        "select n from t where id = :id and d > :due and k = :idempotency_key",
        ", params: { id: '{department}', due: '{due}' }, returns: { n: number }",
    ));
    for (sql, more, expected) in [
        (
            "select '{{ {department} }}'",
            "",
            "sql: has `{{` in it, but takes no expressions: a value that became part of a statement could change what it does; write it out",
        ),
        ("select 1; drop table t", "", "sql: must be a single statement: nothing may follow `;`"),
        ("drop table t", "", "sql: must begin with select, with, values, insert, update, delete, merge or replace"),
        (
            "select :id",
            "",
            "params: `:id` stands in the statement, and has no value; write `id: expression` under `params`",
        ),
        (
            "select ':id'",
            ", params: { id: '1' }",
            "params.id: isn't named in the statement, which has no `:id`; leave it out, or name it there",
        ),
        (
            "select :id",
            ", params: { id: '{users}' }",
            "params.id: must be a text, a number, a boolean, a date or a datetime, but is a list of text; name a part of it, or make a text of a list with JOIN",
        ),
        (
            "select 1 as a",
            ", returns: { a: { list: text } }",
            "returns.a: must be a text, a number, a boolean, a date or a datetime, but is a list of text",
        ),
    ] {
        wrong(&database(sql, more), &[&format!("steps[0].database.{expected}")]);
    }
}

#[test]
fn a_record_is_in_a_known_form_and_in_somebodys_name() {
    let made =
        plan("- { id: a, record: { app: orders, create: { fields: { n: '{{ {amount} }}', l: '{{ {lines} }}' } } } }");
    let Kind::Act(Act { call: Template::Object(call), .. }) = &made.block[0].kind else { panic!() };
    assert!(call.contains_key("author"));
    wrong(
        "- { id: a, record: { app: a/b } }",
        &[
            "steps[0].record.app: app id `a/b` is not valid: use 1 to 64 characters of a-z, A-Z, 0-9, '-', '_' or '.', the first a letter or digit",
            "steps[0].record: must have exactly one of `create` and `update`; make it two steps",
        ],
    );
    let steps = "- { id: a, record: { app: orders, create: { fields: { n: 1 } } } }";
    let scheduled = with(steps).replace("- submission: created", "- schedule: { at: 08:00, zone: UTC }");
    let found = Plan::read(&scheduled).unwrap_err().to_string();
    assert!(found.contains("steps[0].record.author: is missing: a run that a schedule starts"), "{found}");
    assert!(Plan::read(&scheduled.replace("app: orders", "app: orders, author: robot")).is_ok());
}
