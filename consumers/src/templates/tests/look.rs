//! Whose clothes a message wears.

use sendoff_producers::model::{Branding, MailTemplate};
use serde_json::json;

use super::{data, plain, standard};
use crate::templates::MailContent;

fn branded(branding: &Branding, link: Option<&str>) -> [MailContent; 2] {
    let mut data = data();
    if let Some(link) = link {
        data["unsubscribe_url"] = link.into();
    }
    let own = MailTemplate { subject: "Hi".into(), text: "Hi {{ user.name }} from {{ brand.name }}".into() };
    [
        standard().render_mail("app-assigned", "de", &data, branding).unwrap_or_else(|e| panic!("{e}")),
        standard().render_custom("own", &own, "de", &data, branding).unwrap_or_else(|e| panic!("{e}")),
    ]
}

fn acme() -> Branding {
    Branding {
        name: Some("Acme & Sons".into()),
        logo_url: Some("https://acme.example/logo.png?a=1&b=2".into()),
        color: Some("#bb0000".into()),
        footer: Some("Acme GmbH, Weg 1, 10115 Berlin".into()),
    }
}

#[test]
fn a_mail_shows_whose_it_is_in_both_parts() {
    for mail in branded(&acme(), Some("https://notify.example.org/unsubscribe/abc.def")) {
        for shown in [
            "src=\"https:&#x2f;&#x2f;acme.example&#x2f;logo.png?a=1&amp;b=2\" alt=\"Acme &amp; Sons\"",
            "border-top:4px solid #bb0000",
            ">Acme GmbH, Weg 1, 10115 Berlin</p>",
            "href=\"https:&#x2f;&#x2f;notify.example.org&#x2f;unsubscribe&#x2f;abc.def\"",
            ">Abbestellen</a>",
        ] {
            assert!(mail.html.contains(shown), "{shown} in {}", mail.html);
        }
        let end = "\n\n-- \nAcme & Sons\nAcme GmbH, Weg 1, 10115 Berlin\nAbbestellen: https://notify.example.org/unsubscribe/abc.def";
        assert!(mail.text.ends_with(end), "{}", mail.text);
    }
}

#[test]
fn a_mail_of_nobody_in_particular_ends_with_its_text() {
    for mail in branded(&plain(), None) {
        assert!(!mail.text.contains("-- "), "{}", mail.text);
        assert!(!mail.html.contains("<img") && !mail.html.contains("Abbestellen"), "{}", mail.html);
        assert!(mail.html.contains("border-top:4px solid #1d4ed8"), "{}", mail.html);
    }
    let [mail, _] = branded(&plain(), Some("https://notify.example.org/u"));
    assert!(mail.text.ends_with("\n\n-- \nAbbestellen: https://notify.example.org/u"), "{}", mail.text);
}

#[test]
fn a_damaged_branding_injects_nothing() {
    let hostile = Branding {
        name: Some("</title><script>alert(1)</script>\" onerror=\"x\r\nBcc: eve".into()),
        logo_url: Some("https://acme.example/x.png\" onerror=\"alert(1)".into()),
        color: Some("red;background:url(https://eve.example/)".into()),
        footer: Some("<img src=x onerror=alert(1)>{{ user.id }}\u{202E}".into()),
    };
    for mail in branded(&hostile, None) {
        for injected in ["<script", "\" onerror", "<img src=x", "eve.example", "\u{202E}"] {
            assert!(!mail.html.contains(injected), "{injected} in {}", mail.html);
        }
        assert!(mail.text.contains("<img src=x onerror=alert(1)>{{ user.id }}"), "{}", mail.text);
    }
    let sms = standard().render_sms("app-assigned", "en", &data(), &hostile).unwrap();
    assert_eq!(sms.lines().count(), 1, "{sms}");
}

#[test]
fn a_link_that_leads_nowhere_is_refused() {
    let templates = standard();
    for link in [json!("javascript:alert(1)"), json!("unsubscribe"), json!(7), json!({ "a": 1 })] {
        let mut data = data();
        data["unsubscribe_url"] = link;
        let error = templates.render_mail("app-assigned", "en", &data, &plain()).err().unwrap().to_string();
        assert!(error.contains("`unsubscribe_url` in its data is not a web address"), "{error}");
    }
}

#[test]
fn data_can_not_pass_itself_off_as_the_brand() {
    let mut data = data();
    data["brand"] = json!({ "name": "Eve", "logo_url": "", "color": "red", "text_color": "", "footer": "" });
    let mail = standard().render_mail("app-assigned", "en", &data, &acme()).ok().unwrap();
    assert!(mail.text.contains("Acme") && !mail.text.contains("Eve"), "{}", mail.text);
}
