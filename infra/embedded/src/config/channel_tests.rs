//! What the settings of the channels must be to each other.

use std::{fs, path::Path};

use super::*;

const SID: &str = "AC0123456789abcdef0123456789abcdef";

/// With mail kept on this machine, unless a server is given for it.
fn load(set: &[(&str, &str)]) -> Result<Config, Vec<String>> {
    let kept = ("mail.sink", "true");
    let is_mail_given = set.iter().any(|(key, _)| *key == "smtp.url");
    load_as_given(&if is_mail_given { set.to_vec() } else { [set, &[kept]].concat() })
}

/// With a key to check tokens with, where others are to reach it.
fn load_as_given(set: &[(&str, &str)]) -> Result<Config, Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let secret = file(folder.path(), "secret", "an example secret of more than 32 bytes");
    let key = format!(
        "[[auth.key]]\nid = \"one\"\nalgorithm = \"HS256\"\nissuer = \"me\"\naudience = \"sendoff\"\nsecret_file = {secret:?}\n"
    );
    let key = file(folder.path(), "key.toml", &key);
    let flags = set.iter().map(|(key, value)| ("--set".into(), (*key).into(), (*value).into())).collect();
    let is_public = set.iter().any(|(key, _)| *key == "public.url");
    let file = if is_public { ConfigFile::Named(key.into()) } else { ConfigFile::Nothing };
    let inputs = Inputs { flags, file, ..Inputs::default() };
    Config::load(&inputs).map_err(|error| {
        let told = error.problems.iter().map(|p| p.to_string().split_whitespace().collect::<Vec<_>>().join(" "));
        told.collect()
    })
}

#[track_caller]
fn refused(set: &[(&str, &str)], told: &str) {
    match load(set) {
        Ok(_) => panic!("it should be refused: {told}"),
        Err(problems) => assert!(problems.iter().any(|p| p.contains(told)), "{told}\nnot in\n{problems:#?}"),
    }
}

fn file(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

const TWILIO: [(&str, &str); 3] =
    [("twilio.account_sid", SID), ("twilio.auth_token", "hunter2hunter2"), ("twilio.sms_from", "+447700900123")];

#[test]
fn without_anything_real_every_channel_goes_to_the_sink() {
    assert!(load(&[]).unwrap().channels.sink);
    let off = load(&[("channels.sink", "false")]).unwrap().channels;
    assert!(!off.sink && off.sms.is_none() && off.whatsapp.is_empty() && off.push.is_none());
}

#[test]
fn load_tests_may_come_by_the_api_where_nothing_is_real_or_where_somebody_says_so() {
    assert!(load(&[]).unwrap().load_tests);
    assert!(!load(&[("api.load_tests", "false")]).unwrap().load_tests);
    for real in [&[("smtp.url", "smtps://mail.example.org")][..], &TWILIO] {
        assert!(!load(real).unwrap().load_tests, "{real:?}");
        let asked = [real, &[("api.load_tests", "true")]].concat();
        assert!(load(&asked).unwrap().load_tests, "{real:?}");
    }
}

#[test]
fn whatever_is_real_turns_the_sink_off_and_leaves_the_other_channels_off() {
    for real in [
        &[("smtp.url", "smtps://mail.example.org")][..],
        &TWILIO,
        &[("meta.phone_number_id", "1"), ("meta.access_token", "t")],
    ] {
        let channels = load(real).unwrap().channels;
        assert!(!channels.sink && channels.push.is_none(), "{real:?}");
    }
    let mut both = TWILIO.to_vec();
    both.push(("channels.sink", "true"));
    refused(&both, "channels.sink is on beside a real provider (`twilio.sms_from`)");
    let beside_mail = load(&[("smtp.url", "smtps://mail.example.org"), ("channels.sink", "true")]).unwrap();
    assert!(beside_mail.channels.sink, "who asks for it gets it");
}

#[test]
fn mail_does_not_silently_stay_here_while_other_messages_reach_people() {
    let account = include_str!("../sink/http/known_to_everybody.pem");
    let account = serde_json::json!({
        "type": "service_account", "project_id": "p", "private_key_id": "k", "private_key": account,
        "client_email": "a@p.iam.gserviceaccount.com", "token_uri": "https://oauth2.googleapis.com/token",
    });
    let account = account.to_string();
    for (real, given) in [
        ("twilio.sms_from", &TWILIO[..]),
        ("meta.phone_number_id", &[("meta.phone_number_id", "1"), ("meta.access_token", "t")]),
        ("fcm.service_account", &[("fcm.service_account", &account)]),
    ] {
        let problems = load_as_given(given).map(drop).unwrap_err();
        let told = format!("smtp.url is missing beside a real provider (`{real}`)");
        assert!(
            matches!(&problems[..], [one] if one.contains(&told) && one.contains("`mail.sink = true`")),
            "{problems:?}"
        );
        let asked = load_as_given(&[given, &[("mail.sink", "true")]].concat()).unwrap();
        assert!(matches!(asked.mail, Mail::Sink) && !asked.channels.sink);
        let server = load_as_given(&[given, &[("smtp.url", "smtps://mail.example.org")]].concat()).unwrap();
        assert!(matches!(server.mail, Mail::Servers { .. }));
    }
    assert!(matches!(load_as_given(&[]).unwrap().mail, Mail::Sink));
    assert!(matches!(load_as_given(&[("channels.sink", "true")]).unwrap().mail, Mail::Sink));
}

#[test]
fn half_of_an_account_is_refused_with_the_half_that_is_missing() {
    refused(&[TWILIO[0], TWILIO[2]], "twilio.account_sid is given without `twilio.auth_token`");
    refused(&[TWILIO[1], TWILIO[2]], "twilio.auth_token is given without `twilio.account_sid`");
    refused(&TWILIO[..2], "twilio.account_sid is given without a sender");
    refused(&TWILIO[2..], "twilio.sms_from is given without an account");
    refused(&[("twilio.whatsapp_from", "+447700900123")], "twilio.whatsapp_from is given without an account");
    refused(&[("meta.phone_number_id", "1")], "meta.phone_number_id is given without `meta.access_token`");
    refused(&[("meta.access_token", "t")], "meta.access_token is given without `meta.phone_number_id`");
    let sender = [("meta.phone_number_id", "1"), ("meta.access_token", "t"), ("public.url", "https://n.example.org")];
    let with = |more: &[(&'static str, &'static str)]| [&sender[..], more].concat();
    refused(&with(&[("meta.app_secret", "s")]), "meta.app_secret is given without `meta.verify_token`");
    refused(
        &with(&[("meta.verify_token", "sixteen-or-more-x")]),
        "meta.verify_token is given without `meta.app_secret`",
    );
    refused(&[("smtp.fallback_url", "smtps://b.example.org")], "smtp.fallback_url stands in for `smtp.url`");
}

#[test]
fn callbacks_and_links_need_the_address_that_they_lead_to() {
    refused(&[("links.secret", &"x".repeat(32))], "links.secret is given without `public.url`");
    let meta = [("meta.phone_number_id", "1"), ("meta.access_token", "t"), ("meta.app_secret", "s")];
    let meta = [&meta[..], &[("meta.verify_token", "sixteen-or-more-x")]].concat();
    refused(&meta, "meta.app_secret is given without `public.url`");
    let mut twilio = TWILIO.to_vec();
    assert!(load(&twilio).unwrap().channels.sms.unwrap().callback.is_none());
    twilio.push(("public.url", "https://notify.example.org/"));
    let channels = load(&twilio).unwrap().channels;
    assert_eq!(channels.sms.unwrap().callback.as_deref(), Some("https://notify.example.org/callbacks/twilio"));
    assert!(channels.callbacks.twilio_auth_token.is_some() && channels.callbacks.meta.is_none());
}

const SIDS: (&str, &str) = ("twilio.content_sids", "app-assigned/en=HX0123456789abcdef0123456789abcdef");

#[test]
fn twilio_is_refused_for_whatsapp_where_it_knows_no_template() {
    let twilio = [&TWILIO[..2], &[("twilio.whatsapp_from", "+447700900123")]].concat();
    let meta = [("meta.phone_number_id", "1"), ("meta.access_token", "t")];
    refused(&twilio, "twilio.content_sids is missing: Twilio sends no template for WhatsApp without the id");
    refused(&[&twilio[..], &meta].concat(), "leave Twilio out with `whatsapp.providers = meta`");
    let folder = tempfile::tempdir().unwrap();
    let own = ("templates.dir", folder.path().to_str().unwrap());
    for fine in [vec![SIDS], vec![own], [&meta[..], &[("whatsapp.providers", "meta")]].concat()] {
        assert_eq!(load(&[&twilio[..], &fine].concat()).unwrap().channels.whatsapp.len(), 1, "{fine:?}");
    }
}

#[test]
fn twilio_is_believed_about_our_messages_unless_others_send_through_the_account() {
    let only = |more: &[(&'static str, &'static str)]| {
        let set = [&TWILIO[..], &[("twilio.whatsapp_from", "+447700900123"), SIDS], more].concat();
        let channels = load(&set).unwrap().channels;
        let [WhatsappBy::Twilio(whatsapp)] = &channels.whatsapp[..] else { panic!("{:?}", channels.whatsapp) };
        [channels.sms.unwrap().only_sender, whatsapp.only_sender]
    };
    assert_eq!(only(&[]), [true, true]);
    assert_eq!(only(&[("twilio.only_sender", "false")]), [false, false]);
    refused(&[("twilio.only_sender", "no")], "twilio.only_sender = \"no\" must be `true` or `false`");
}

#[test]
fn whatsapp_goes_by_those_that_are_named_in_their_order() {
    let both = [
        &TWILIO[..2],
        &[("twilio.whatsapp_from", "+447700900123"), SIDS],
        &[("meta.phone_number_id", "1"), ("meta.access_token", "t")],
    ];
    let order = |set: &[(&str, &str)]| {
        let by = load(set).unwrap().channels.whatsapp;
        by.iter().map(|by| if matches!(by, WhatsappBy::Meta(_)) { "meta" } else { "twilio" }).collect::<Vec<_>>()
    };
    assert_eq!(order(&both.concat()), ["twilio", "meta"]);
    let with = |providers| [&both.concat()[..], &[("whatsapp.providers", providers)]].concat();
    assert_eq!(order(&with("meta,twilio")), ["meta", "twilio"]);
    assert_eq!(order(&with("meta")), ["meta"]);
    refused(
        &[("whatsapp.providers", "meta,twilio"), ("meta.phone_number_id", "1"), ("meta.access_token", "t")],
        "whatsapp.providers names `twilio`, which isn't configured: give `twilio.whatsapp_from`",
    );
    refused(&[("whatsapp.providers", "meta")], "names `meta`, which isn't configured");
    assert!(load(&[("whatsapp.providers", "twilio"), ("channels.sink", "true")]).unwrap().channels.sink);
}

#[test]
fn a_secret_stands_in_one_place_and_is_read_from_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let token = file(folder.path(), "token", "hunter2hunter2\n");
    let in_file = [TWILIO[0], TWILIO[2], ("twilio.auth_token_file", &token)];
    assert!(load(&in_file).unwrap().channels.sms.is_some());
    let twice = [&in_file[..], &[TWILIO[1]]].concat();
    refused(&twice, "twilio.auth_token_file is given beside `twilio.auth_token`: give one of them");
    let spaces = file(folder.path(), "spaces", "hunter2 hunter2");
    refused(&[("twilio.auth_token_file", &spaces)], "what it holds must be a secret");
    refused(&[("links.secret_file", "/nowhere/secret")], "/nowhere/secret can't be read");
    let account = file(folder.path(), "account.json", r#"{"type": "service_account", "private_key": "hunter2"}"#);
    refused(
        &[("fcm.service_account_file", &account)],
        "fcm.service_account_file the FCM service account can't be used",
    );
}

#[test]
fn no_secret_of_a_channel_is_ever_shown() {
    let secret = "hunter2-hunter2-hunter2-hunter2-hunter2";
    let named = ["twilio.auth_token", "meta.access_token", "meta.app_secret", "meta.verify_token", "links.secret"];
    let set: Vec<_> = named.iter().map(|key| (*key, secret)).collect();
    let more = [TWILIO[0], TWILIO[2], ("meta.phone_number_id", "1"), ("public.url", "https://n.example.org")];
    let config = load(&[&set[..], &more].concat()).unwrap();
    assert!(!format!("{config:?}").contains("hunter2"), "{config:?}");
    for key in named.iter().chain(&["fcm.service_account", "smtp.fallback_url"]) {
        let problems = load(&[(*key, &format!("{secret} "))]).unwrap_err().join("\n");
        assert!(problems.contains(key) && !problems.contains("hunter2"), "{problems}");
    }
}

#[test]
fn everything_that_is_wrong_with_the_channels_is_told_at_once() {
    let problems = load(&[
        ("twilio.account_sid", "AC1"),
        ("twilio.sms_from", "+49 30 123456"),
        ("twilio.whatsapp_from", "12345"),
        ("twilio.base_url", "http://api.twilio.com"),
        ("email.rate", "fast"),
        ("webhook.allow", "localhost"),
        ("public.url", "https://n.example.org?x"),
        ("meta.access_token", "t"),
    ])
    .unwrap_err();
    let told = problems.join("\n");
    for part in [
        "twilio.account_sid = \"AC1\" must be the SID of a Twilio account",
        "twilio.sms_from = \"+49 30 123456\" must be a phone number",
        "only digits may follow the +",
        "twilio.whatsapp_from = \"12345\" must be a phone number",
        "twilio.base_url = \"http://api.twilio.com\" must be an https address",
        "email.rate = \"fast\" must be a number of messages a second",
        "webhook.allow = \"localhost\" must be `host:port`",
        "public.url = \"https://n.example.org?x\" must be an https address",
        "meta.access_token is given without `meta.phone_number_id`",
    ] {
        assert!(told.contains(part), "{part}\nnot in\n{told}");
    }
}
