//! SMS, WhatsApp and push.

use serde_json::json;

use super::{ALL, LANGUAGES, data, plain, standard};
use crate::channels::whatsapp::{WhatsappContent, WhatsappTemplate};
use sendoff_producers::model::Channel;

fn whatsapp(name: &str, locale: &str, data: &serde_json::Value) -> WhatsappTemplate {
    match standard().render_whatsapp(name, locale, data, &plain()).unwrap_or_else(|e| panic!("{e}")) {
        WhatsappContent::Template(template) => template,
        WhatsappContent::Text(text) => panic!("free text: {text}"),
    }
}

#[test]
fn every_channel_has_every_standard_template_in_every_language() {
    let templates = standard();
    let mut there: Vec<_> = templates.list().map(|t| (t.channel, t.name.as_str(), t.locale.as_str())).collect();
    there.sort_unstable();
    let mut wanted: Vec<_> = Channel::ALL
        .into_iter()
        .flat_map(|channel| ALL.into_iter().flat_map(move |name| LANGUAGES.map(|locale| (channel, name, locale))))
        .collect();
    // Whoever is asked to decide needs a link, and a text message has no place for one.
    wanted.extend(LANGUAGES.map(|locale| (Channel::Email, "approval", locale)));
    wanted.sort_unstable();
    assert_eq!(there, wanted);
}

#[test]
fn every_short_text_renders_in_every_language() {
    for name in ALL {
        let texts = LANGUAGES.map(|locale| {
            let sms = standard().render_sms(name, locale, &data(), &plain()).unwrap();
            let push = standard().render_push(name, locale, &data(), &plain()).ok().unwrap();
            let whatsapp = whatsapp(name, locale, &data());
            assert_eq!(whatsapp.language, locale);
            for text in [&sms, &push.title, &whatsapp.text] {
                assert!(text.contains("Expenses") && !text.contains("{{"), "{text}");
            }
            [sms, push.title, push.body, whatsapp.text]
        });
        for (english, german) in texts[0].iter().zip(&texts[1]) {
            assert_ne!(english, german, "the languages must differ");
        }
    }
}

#[test]
fn a_whatsapp_text_is_the_approved_body_with_its_parameters() {
    let message = whatsapp("app-assigned", "en-US", &data());
    assert_eq!((message.name.as_str(), message.language.as_str(), message.content_sid), ("app_assigned", "en", None));
    assert_eq!(message.parameters, ["Ada Lovelace", "Bob", "Expenses"]);
    assert_eq!(message.text, "Hello Ada Lovelace, Bob has given you the app \"Expenses\". You can use it right away.");
}

#[test]
fn parameters_are_as_meta_demands_and_never_taken_for_places() {
    let mut data = data();
    data["user"]["name"] = "Ada\r\n\tLovelace       {{3}} \u{202E}{{ app.id }}".into();
    let message = whatsapp("app-assigned", "en", &data);
    assert_eq!(message.parameters[0], "Ada Lovelace {{3}} {{ app.id }}");
    assert!(message.text.starts_with("Hello Ada Lovelace {{3}} {{ app.id }}, Bob"), "{}", message.text);
    data["user"]["name"] = " \u{202E}\n".into();
    let refused = standard().render_whatsapp("app-assigned", "en", &data, &plain()).err().unwrap().to_string();
    assert_eq!(
        refused,
        "template `whatsapp/app-assigned/en.json/parameters/1`: it gives an empty text, which Meta refuses"
    );
}

#[test]
fn short_texts_lose_what_could_hide_or_control() {
    let mut data = data();
    let hostile = "Eve\u{202E}\u{1b}[2J\u{0}\r\n\r\n\r\n{{ app.id }}";
    for person in ["user", "author", "assigned_by", "app"] {
        data[person]["name"] = hostile.into();
    }
    for name in ALL {
        let push = standard().render_push(name, "en", &data, &plain()).ok().unwrap();
        let texts = [standard().render_sms(name, "en", &data, &plain()).unwrap(), push.title, push.body];
        for text in texts {
            assert!(text.contains("{{ app.id }}"), "data was taken for a template: {text}");
            assert!(!text.contains("\n\n"), "{text:?}");
            assert!(!text.chars().any(|c| c.is_control() && c != '\n' || c == '\u{202E}'), "{text:?}");
        }
    }
}

#[test]
fn a_text_that_no_provider_takes_is_refused_with_its_length() {
    let mut data = data();
    data["app"]["name"] = "x".repeat(1600).into();
    let sms = standard().render_sms("app-assigned", "en", &data, &plain()).unwrap_err().to_string();
    assert!(sms.starts_with("template `sms/app-assigned/en.txt`: it gives 16"), "{sms}");
    assert!(sms.ends_with(" characters, and 1600 are the most"), "{sms}");
    let whatsapp = standard().render_whatsapp("app-assigned", "en", &data, &plain()).err().unwrap().to_string();
    assert!(whatsapp.ends_with("characters, and 1024 are the most"), "{whatsapp}");
    data["assigned_by"]["name"] = "ü".repeat(2000).into();
    let push = standard().render_push("app-assigned", "en", &data, &plain()).err().unwrap().to_string();
    assert!(push.starts_with("template `push/app-assigned/en/body.txt`: with its title it gives 4"), "{push}");
}

#[test]
fn a_missing_variable_fails_every_channel() {
    let nothing = json!({ "user": { "name": "Ada" } });
    let templates = standard();
    let errors = [
        templates.render_mail("app-assigned", "en", &nothing, &plain()).err(),
        templates.render_sms("app-assigned", "en", &nothing, &plain()).err(),
        templates.render_whatsapp("app-assigned", "en", &nothing, &plain()).err(),
        templates.render_push("app-assigned", "en", &nothing, &plain()).err(),
    ];
    for error in errors {
        let error = error.unwrap();
        assert_eq!(error.problem, "there is no such variable", "{error}");
    }
}

#[test]
fn a_name_that_is_unknown_is_answered_with_what_there_is() {
    let refusal = |name: &str| standard().render_sms(name, "en", &data(), &plain()).unwrap_err().to_string();
    assert_eq!(
        refusal("app-asigned"),
        "template `sms/app-asigned`: there is no such template; did you mean `app-assigned`?"
    );
    assert_eq!(
        refusal("welcome"),
        "template `sms/welcome`: there is no such template; there are app-assigned, submission-created"
    );
}
