//! An operator's own files.

use sendoff_producers::model::MailTemplate;

use super::{data, plain, standard};
use crate::templates::{Origin, TemplateProblems, Templates};

fn with(files: &[(&str, &str)]) -> Result<Templates, TemplateProblems> {
    standard().with_files(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())))
}

#[test]
fn an_own_file_replaces_one_file_and_leaves_the_rest() {
    let templates = with(&[("email/app-assigned/en/subject.txt", "Yours: {{ app.name }}\n")]).unwrap();
    let mail = templates.render_mail("app-assigned", "en-GB", &data(), &plain()).ok().unwrap();
    assert_eq!(mail.subject, "Yours: Expenses");
    assert!(mail.text.starts_with("Hello Ada Lovelace"), "{}", mail.text);
    let info = templates.list().find(|t| t.name == "app-assigned" && t.locale == "en").unwrap();
    let origins: Vec<_> = info.files.iter().map(|file| (file.path.rsplit('/').next().unwrap(), file.origin)).collect();
    assert_eq!(
        origins,
        [("body.html", Origin::Standard), ("body.txt", Origin::Standard), ("subject.txt", Origin::Own)]
    );
}

#[test]
fn an_own_language_and_an_own_template_are_added() {
    let templates = with(&[
        ("sms/app-assigned/fr.txt", "Bonjour {{ user.name }}"),
        ("sms/welcome/en.txt", "Welcome, {{ user.name }}"),
        ("whatsapp/welcome/en.json", r#"{ "text": "Welcome,\n\n {{ user.name }}" }"#),
        ("email/layout.txt", "{{ content }}\n--- our own end"),
    ])
    .unwrap();
    assert_eq!(templates.render_sms("app-assigned", "fr-CH", &data(), &plain()).unwrap(), "Bonjour Ada Lovelace");
    assert_eq!(templates.render_sms("welcome", "fr-CH", &data(), &plain()).unwrap(), "Welcome, Ada Lovelace");
    match templates.render_whatsapp("welcome", "en", &data(), &plain()).ok().unwrap() {
        crate::channels::whatsapp::WhatsappContent::Text(text) => assert_eq!(text, "Welcome,\nAda Lovelace"),
        _ => panic!("no free text"),
    }
    let mail = templates.render_mail("app-assigned", "en", &data(), &plain()).ok().unwrap();
    assert!(mail.text.ends_with("\n--- our own end"), "{}", mail.text);
    let elsewhere = templates.render_push("welcome", "en", &data(), &plain()).err().unwrap().to_string();
    assert_eq!(elsewhere, "template `push/welcome`: there is none on this channel, only for sms, whatsapp");
}

#[test]
fn a_mail_in_the_german_of_a_country_ends_in_german() {
    let templates = with(&[
        ("email/app-assigned/de-CH/subject.txt", "Grüezi"),
        ("email/app-assigned/de-CH/body.html", "<p>Grüezi</p>"),
        ("email/app-assigned/de-CH/body.txt", "Grüezi"),
    ])
    .unwrap();
    let mut data = data();
    data["unsubscribe_url"] = "https://notify.example.org/u".into();
    let own = MailTemplate { subject: "Hi".into(), text: "Hi".into() };
    for (locale, end) in [("de-CH", "Abbestellen"), ("de", "Abbestellen"), ("en-GB", "Unsubscribe")] {
        let mails = [
            templates.render_mail("app-assigned", locale, &data, &plain()),
            templates.render_custom("own", &own, locale, &data, &plain()),
        ];
        for mail in mails {
            let mail = mail.unwrap_or_else(|e| panic!("{e}"));
            assert!(mail.html.contains(&format!(">{end}</a>")), "{locale}: {}", mail.html);
            assert!(mail.text.ends_with(&format!("\n{end}: https://notify.example.org/u")), "{locale}: {}", mail.text);
        }
    }
}

#[test]
fn everything_that_is_wrong_is_told_together() {
    let problems = with(&[
        ("email/app-assigned/fr/subject.txt", "Bonjour"),
        ("sms/app-assigned/de.txt", "one\n{% if user %}"),
        ("sms/welcome/de.txt", "Willkommen"),
        ("sms/App/en.txt", "x"),
        ("notes.txt", "x"),
        ("whatsapp/app-assigned/en.json", "{ \"text\": 1 }"),
        (
            "whatsapp/app-assigned/de.json",
            r#"{ "template": "hi", "language": "de", "parameters": ["{{ user. }}"], "text": "Hi {{1}}." }"#,
        ),
    ])
    .err()
    .unwrap()
    .to_string();
    for problem in [
        "the templates have 8 problems:\n",
        "\n  - template `email/app-assigned/fr/body.html`: it is missing",
        "\n  - template `email/app-assigned/fr/body.txt`: it is missing",
        "\n  - template `notes.txt`: it stands in none of the folders",
        "\n  - template `sms/App/en.txt`: `App` is no name for a template",
        "\n  - template `sms/app-assigned/de.txt`, line 2: syntax error: ",
        "\n  - template `sms/welcome`: it has no text in `en`",
        "\n  - template `whatsapp/app-assigned/de.json/parameters/1`, line 1: syntax error: ",
        "\n  - template `whatsapp/app-assigned/en.json`: it is not as it should be: invalid type",
    ] {
        assert!(problems.contains(problem), "{problem}\nin {problems}");
    }
}

#[test]
fn own_templates_have_the_same_limits() {
    let costly =
        "{% for a in range(9999) %}{% for b in range(9999) %}{% if a == b %}{% endif %}{% endfor %}{% endfor %}x";
    let json = serde_json::json!({ "text": costly }).to_string();
    let json_parameter =
        serde_json::json!({ "template": "t", "language": "en", "parameters": [costly], "text": "a {{1}} b" });
    let templates = with(&[
        ("sms/a/en.txt", costly),
        ("push/a/en/title.txt", "fine"),
        ("push/a/en/body.txt", costly),
        ("whatsapp/a/en.json", &json),
        ("whatsapp/b/en.json", &json_parameter.to_string()),
        ("email/a/en/subject.txt", "fine"),
        ("email/a/en/body.html", costly),
        ("email/a/en/body.txt", "fine"),
    ])
    .unwrap();
    let errors = [
        templates.render_sms("a", "en", &data(), &plain()).err(),
        templates.render_push("a", "en", &data(), &plain()).err(),
        templates.render_whatsapp("a", "en", &data(), &plain()).err(),
        templates.render_whatsapp("b", "en", &data(), &plain()).err(),
        templates.render_mail("a", "en", &data(), &plain()).err(),
    ];
    for error in errors {
        assert!(error.unwrap().problem.starts_with("it is too costly"));
    }
}
