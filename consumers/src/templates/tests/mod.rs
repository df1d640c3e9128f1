use sendoff_producers::model::{Branding, MailTemplate};
use serde_json::{Value, json};

use super::{MailContent, TemplateError, Templates, engine};

mod channels;
mod check;
mod folder;
mod look;
mod samples;

const ALL: [&str; 2] = ["app-assigned", "submission-created"];
const LANGUAGES: [&str; 2] = ["en", "de"];

fn plain() -> Branding {
    Branding::default()
}

fn standard() -> Templates {
    Templates::standard().unwrap()
}

fn mail(name: &str, locale: &str, data: &Value) -> MailContent {
    standard().render_mail(name, locale, data, &plain()).unwrap_or_else(|e| panic!("{e}"))
}

fn data() -> Value {
    json!({
        "user": { "id": "ada", "name": "Ada Lovelace" },
        "app": { "id": "expenses", "name": "Expenses" },
        "assigned_by": { "id": "bob", "name": "Bob" },
        "author": { "id": "eve", "name": "Eve" },
        "submission": { "id": "s1", "revision": 1, "fields": { "Amount": 12.5, "Approved": true, "Note": null, "Tags": ["a", "b"] } },
    })
}

fn custom(subject: &str, text: &str, data: &Value) -> Result<MailContent, TemplateError> {
    let template = MailTemplate { subject: subject.into(), text: text.into() };
    standard().render_custom("apps/expenses", &template, "de-CH", data, &plain())
}

fn refusal(subject: &str, text: &str) -> String {
    match custom(subject, text, &data()) {
        Ok(mail) => panic!("it gave a mail: {}", mail.text),
        Err(error) => error.to_string(),
    }
}

#[test]
fn every_standard_template_renders_in_every_language() {
    for name in ALL {
        let mut subjects = Vec::new();
        for language in LANGUAGES {
            let MailContent { subject, html, text } = mail(name, language, &data());
            assert!(subject.contains("Expenses"), "{subject}");
            assert!(html.starts_with("<!doctype html>\n") && html.trim_end().ends_with("</html>"), "{html}");
            assert!(html.contains(&format!("<html lang=\"{language}\">")), "{html}");
            for part in [&html, &text] {
                assert!(part.contains("Ada Lovelace") && part.contains("Expenses"), "{part}");
                assert!(!part.contains("{{") && !part.contains("{%"), "{part}");
            }
            subjects.push(subject);
        }
        assert_ne!(subjects[0], subjects[1], "the languages must differ");
    }
}

#[test]
fn the_fields_of_a_submission_are_shown_in_words() {
    let german = mail("submission-created", "de-AT", &data());
    for line in ["  Amount: 12.5\n", "  Approved: ja\n", "  Note: -\n", "  Tags: a, b\n"] {
        assert!(german.text.contains(line), "{line:?} in {}", german.text);
    }
    let mut none = data();
    none["submission"]["fields"] = json!({});
    let mail = mail("submission-created", "en", &none);
    assert!(mail.text.contains("(no fields)") && mail.html.contains("(no fields)"));
}

#[test]
fn what_users_typed_is_escaped_in_html_and_left_alone_in_text() {
    let hostile = "<script>alert('x')</script>";
    let mut data = data();
    data["user"]["name"] = hostile.into();
    data["submission"]["fields"] = json!({ hostile: hostile });
    let mut mails: Vec<_> = ALL.iter().map(|name| mail(name, "en", &data)).collect();
    mails.push(custom("Hi {{ user.name }}", "Hi {{ user.name }}", &data).ok().unwrap());
    for mail in mails {
        assert!(!mail.html.contains("<script"), "{}", mail.html);
        assert!(mail.html.contains("&lt;script&gt;"), "{}", mail.html);
        assert!(mail.text.contains(hostile), "{}", mail.text);
    }
}

#[test]
fn what_users_typed_is_never_taken_for_a_template() {
    let mut data = data();
    data["user"]["name"] = "{{ app.id }}{% for x in app %}{{ x }}{% endfor %}".into();
    let own = custom("{{ user.name }}", "{{ user.name }}", &data).ok().unwrap();
    assert_eq!(own.text, "{{ app.id }}{% for x in app %}{{ x }}{% endfor %}");
    let mail = mail("app-assigned", "en", &data);
    assert!(mail.text.contains("{{ app.id }}") && mail.html.contains("{{ app.id }}"));
}

#[test]
fn a_subject_stays_one_line_whatever_is_put_into_it() {
    let mut data = data();
    data["app"]["name"] = "Expenses\r\nBcc: eve@example.org\u{0}".into();
    for name in ALL {
        let mail = mail(name, "en", &data);
        assert!(!mail.subject.chars().any(char::is_control), "{:?}", mail.subject);
    }
}

#[test]
fn an_apps_own_text_becomes_text_and_paragraphs() {
    let mail =
        custom("{{ author.name }}: {{ submission.fields.Amount }}", "Hi & hello\n\n{{ app.name }}\nBye", &data())
            .ok()
            .unwrap();
    assert_eq!((mail.subject.as_str(), mail.text.as_str()), ("Eve: 12.5", "Hi & hello\n\nExpenses\nBye"));
    assert!(
        mail.html.contains(">Hi &amp; hello</p>\n") && mail.html.contains(">Expenses<br>\nBye</p>"),
        "{}",
        mail.html
    );
    assert!(mail.html.contains("<html lang=\"de\">"));
}

#[test]
fn a_variable_that_does_not_exist_fails_and_is_named_with_its_place() {
    assert_eq!(
        refusal("Hi", "Hello\n{{ user.nickname }}"),
        "template `apps/expenses/text`, line 2, at `user.nickname`: there is no such variable"
    );
    assert_eq!(
        refusal("{{ nobody.name }}", "Hello"),
        "template `apps/expenses/subject`, line 1, at `nobody.name`: there is no such variable"
    );
    let missing = json!({ "user": { "name": "Ada" }, "app": { "name": "Expenses" } });
    let error = standard().render_mail("app-assigned", "en", &missing, &plain()).err().unwrap();
    assert_eq!((error.line, error.expression.as_deref()), (Some(3), Some("assigned_by.name")), "{error}");
}

#[test]
fn a_mistake_in_a_template_is_told_with_its_line() {
    let error = refusal("Hi", "one\n{% if user %}\nnever closed");
    assert!(error.starts_with("template `apps/expenses/text`, line 2: syntax error: "), "{error}");
    let error = refusal("Hi", "{{ user.name|shout }}");
    assert!(error.contains("line 1") && error.contains("unknown filter"), "{error}");
    assert_eq!(refusal("{# nothing #}", "x"), "template `apps/expenses/subject`: it gives an empty subject");
}

#[test]
fn a_template_can_not_run_or_grow_without_end() {
    let costly = "it is too costly: a loop is too long or a text too large";
    for text in [
        "{% for a in range(9999) %}{% for b in range(9999) %}{% if a == b %}{% endif %}{% endfor %}{% endfor %}",
        "{{ 'x' * 9999999 }}",
        &format!("{{% set x = 'xxxxxxxx' %}}{}{{{{ x|length }}}}", "{% set x = x ~ x %}".repeat(60)),
        &format!("{{{{ 'a'{}|length }}}}", "|replace('a', 'aaaaaaaaaa')".repeat(60)),
    ] {
        let error = refusal("Hi", text);
        assert!(error.contains(costly), "{error}");
    }
    let line = "x".repeat(engine::MAX_OUTPUT / 10);
    assert!(refusal("Hi", &line.repeat(11)).contains("it gives more than 512 KiB"));
}

#[test]
fn an_error_does_not_quote_the_data() {
    let mut data = data();
    data["user"]["name"] = "Secret Name".into();
    for text in
        ["{{ user.name + 1 }}", "{{ user.name() }}", "{{ user.name|int }}", "{% for x in user.name.y %}{% endfor %}"]
    {
        let error = custom("Hi", text, &data).err().unwrap().to_string();
        assert!(!error.contains("Secret"), "{error}");
    }
}

#[test]
fn a_template_that_nests_as_deep_as_its_length_allows_ends_nothing_but_itself() {
    let most = 20_000;
    let repeated = |before: &str, part: &str, after: &str| {
        let count = (most - before.len() - after.len()) / part.len();
        format!("{before}{}{after}", part.repeat(count))
    };
    for (before, part, after) in [
        ("{{ 1", "+1", " }}"),
        ("{{ 1", "~1", " }}"),
        ("{{ user", ".a", " }}"),
        ("{{ 1", "|e", " }}"),
        ("{{ ", "not ", "1 }}"),
        ("{{ ", "-", "1 }}"),
        ("{{ ", "1 if 0 else ", "1 }}"),
        ("{{ ", "[", " }}"),
        ("{{ ", "(", " }}"),
        ("", "{% if 1 %}", ""),
        ("{{ user", "[0]", " }}"),
        ("{{ 1", " and 1", " }}"),
    ] {
        let text = repeated(before, part, after);
        assert!(text.len() <= most && text.len() > most - 20);
        // Whatever it comes to: the process goes on.
        if let Ok(mail) = custom("s", &text, &data()) {
            assert!(!mail.text.is_empty());
        }
    }
}

#[test]
fn the_example_of_the_api_makes_a_mail_of_the_example_of_a_submission() {
    let api: Value = serde_json::from_str(include_str!("../../../../docs/openapi.json")).unwrap();
    let example = |path: &str, method: &str| {
        api["paths"][path][method]["requestBody"]["content"]["application/json"]["example"].clone()
    };
    let app = example("/v1/apps/{app_id}", "put");
    let submission = example("/v1/apps/{app_id}/submissions", "post");
    let template: MailTemplate = serde_json::from_value(app["submission_mail"].clone()).unwrap();
    let data = json!({
        "app": { "id": "expenses", "name": app["name"] },
        "author": { "id": "eve", "name": "Eve" },
        "submission": { "id": "s1", "revision": 1, "fields": submission["fields"] },
    });
    let mail = custom(&template.subject, &template.text, &data).unwrap_or_else(|error| panic!("{error}"));
    assert!(mail.subject.contains("Eve") && mail.text.contains("Eve spent 12.5."), "{}", mail.text);
}
