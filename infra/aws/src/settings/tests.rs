use std::time::Duration;

use secrecy::ExposeSecret as _;
use sendoff_host::config::rules::WhatsappCarrier;

use super::{table::SETTINGS, *};

const TOPIC: (&str, &str) = ("SENDOFF_TOPIC_ARN", "arn:aws:sns:eu-central-1:123456789012:sendoff-events");

fn read(variables: &[(&str, &str)], needs: &[Need]) -> Result<Settings, ConfigError> {
    Settings::read(variables.iter().map(|(name, value)| ((*name).into(), (*value).into())), needs)
}

fn problems(variables: &[(&str, &str)], needs: &[Need]) -> Vec<String> {
    let problems = read(variables, needs).unwrap_err().problems;
    problems.iter().map(|p| p.to_string().split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn nothing_is_missing_where_nothing_is_needed() {
    let settings = read(&[("PATH", "/bin"), ("AWS_REGION", "eu-central-1")], &[]).unwrap();
    assert_eq!(settings.topic_limit, Resources::TOPIC_LIMIT);
    assert_eq!(settings.inbox_keep, Duration::from_secs(90 * 86_400));
    assert_eq!(settings.consumers, Consumers::All);
    assert_eq!(settings.log_level, crate::LogLevel::default());
    assert!(settings.cache().is_none());
}

#[test]
fn everything_that_is_wrong_or_missing_is_told_at_once() {
    let variables = [
        ("SENDOFF_TOPIC_ARN", "arn:aws:sqs:eu-central-1:123456789012:sendoff"),
        ("SENDOFF_TABEL", "records"),
        ("SENDOFF_WORKER_LEASE", "soon"),
        ("SENDOFF_BUCKET", ""),
        ("SENDOFF_LOG_LEVEL", "loud"),
    ];
    assert_eq!(
        problems(&variables, &[Need::Table, Need::Topic, Need::Bucket]),
        [
            "SENDOFF_TABEL there is no such variable; did you mean `SENDOFF_TABLE`?",
            "SENDOFF_BUCKET = \"\" must be the name of an S3 bucket",
            "SENDOFF_LOG_LEVEL = \"loud\" must be `error`, `warn`, `info`, `debug` or `trace`, or a list such as \
             `info,sendoff_consumers=debug` (`loud` is neither a level nor `module=level`)",
            "SENDOFF_TOPIC_ARN = \"arn:aws:sqs:eu-central-1:123456789012:sendoff\" must be an ARN that begins with \
             `arn:aws:sns:`",
            "SENDOFF_WORKER_LEASE = \"soon\" must be a duration of 2 to 43200 seconds with its unit, such as `30s` or \
             `2m`",
            "SENDOFF_TABLE is missing: this program needs it, and infra/aws/template.yaml sets it. It must be the name \
             of a DynamoDB table",
        ]
    );
}

#[test]
fn what_can_be_given_in_several_ways_is_given_in_one() {
    let missing = problems(&[("SENDOFF_MAIL_FROM", "Sendoff <no-reply@example.org>")], &[Need::Mail]);
    assert!(
        missing[0].starts_with("SMTP_URL is missing (SMTP_URL_FILE or SMTP_URL_ARN would do): this program"),
        "{missing:?}"
    );
    let twice = [("SMTP_URL", "smtp://localhost:25"), ("SMTP_URL_FILE", "/run/secrets/smtp")];
    assert_eq!(problems(&twice, &[]), ["SMTP_URL_FILE is given beside SMTP_URL: give one of them"]);
}

#[test]
fn a_channel_that_is_half_set_up_is_told_and_not_left_out() {
    let told = problems(&[("TWILIO_SMS_FROM", "+4930123456"), ("META_PHONE_NUMBER_ID", "1234")], &[]);
    let names: Vec<_> = told.iter().map(|problem| problem.split(' ').next().unwrap()).collect();
    assert_eq!(names, ["META_ACCESS_TOKEN", "TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN"], "{told:?}");
    let told = problems(&[("META_APP_SECRET", "x")], &[]);
    assert!(told.len() == 1 && told[0].starts_with("META_VERIFY_TOKEN is missing"), "{told:?}");
}

#[test]
fn what_belongs_to_something_that_is_missing_is_told_and_not_passed_over() {
    let secret = "0123456789abcdef0123456789abcdef";
    let arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:x";
    for (given, missing) in [
        (&[("SENDOFF_LINK_SECRET", secret)][..], "SENDOFF_PUBLIC_URL is missing"),
        (&[("SENDOFF_LINK_SECRET_ARN", arn)], "SENDOFF_PUBLIC_URL is missing"),
        (&[("META_ACCESS_TOKEN", "token")], "META_PHONE_NUMBER_ID is missing"),
        (&[("META_ACCESS_TOKEN_ARN", arn)], "META_PHONE_NUMBER_ID is missing"),
        (
            &[("TWILIO_ACCOUNT_SID", TWILIO_WHATSAPP[0].1), ("TWILIO_AUTH_TOKEN", "token")],
            "TWILIO_SMS_FROM is missing (TWILIO_WHATSAPP_FROM would do)",
        ),
    ] {
        let told = problems(given, &[]);
        assert!(told.len() == 1 && told[0].starts_with(missing), "{given:?}: {told:?}");
    }
    let callbacks = [("TWILIO_AUTH_TOKEN", "token"), ("META_APP_SECRET", "x"), ("META_VERIFY_TOKEN", "12345678")];
    assert!(read(&callbacks, &[]).is_ok(), "callbacks need no more");
    let with_number = [&callbacks[..], &[("META_PHONE_NUMBER_ID", "1234")]].concat();
    assert!(read(&with_number, &[]).is_ok(), "they may know whose they are, and can send nothing");
}

#[test]
fn the_channels_that_are_on_are_those_that_are_named_or_have_a_provider_here() {
    let twilio = [
        ("TWILIO_ACCOUNT_SID", "AC0123456789abcdef0123456789abcdef"),
        ("TWILIO_AUTH_TOKEN_ARN", "arn:aws:secretsmanager:eu-central-1:123456789012:secret:twilio"),
        ("TWILIO_SMS_FROM", "SENDOFF"),
    ];
    let on = |variables: &[(&str, &str)]| read(variables, &[]).unwrap().channels_on().into_iter().collect::<Vec<_>>();
    assert_eq!(on(&[]), []);
    assert_eq!(on(&twilio), [Channel::Sms]);
    let named = [&twilio[..], &[("SENDOFF_CHANNELS", "email, push")]].concat();
    assert_eq!(on(&named), [Channel::Email, Channel::Push]);
    assert_eq!(problems(&[("SENDOFF_CHANNELS", "email,fax")], &[]).len(), 1);
}

const TWILIO_WHATSAPP: [(&str, &str); 3] = [
    ("TWILIO_ACCOUNT_SID", "AC0123456789abcdef0123456789abcdef"),
    ("TWILIO_AUTH_TOKEN", "token"),
    ("TWILIO_WHATSAPP_FROM", "+4930123456"),
];
const SIDS: (&str, &str) = ("TWILIO_CONTENT_SIDS", "app-assigned/en=HX0123456789abcdef0123456789abcdef");
const META: [(&str, &str); 2] = [("META_PHONE_NUMBER_ID", "1234"), ("META_ACCESS_TOKEN", "token")];

#[test]
fn an_order_that_names_nobody_who_is_set_up_is_told_and_does_not_count_as_a_channel() {
    for (given, order, told) in [
        (&META[..], "twilio", "SENDOFF_WHATSAPP_PROVIDERS names only `twilio`, which isn't set up: name `meta`"),
        (&[&TWILIO_WHATSAPP[..], &[SIDS]].concat(), "meta", "SENDOFF_WHATSAPP_PROVIDERS names only `meta`"),
    ] {
        let variables = [given, &[("SENDOFF_WHATSAPP_PROVIDERS", order)]].concat();
        let problems = problems(&variables, &[]);
        assert!(problems.len() == 1 && problems[0].starts_with(told), "{problems:?}");
    }
    let unnoticed = [("SENDOFF_WHATSAPP_PROVIDERS", "twilio")];
    assert!(read(&unnoticed, &[]).unwrap().channels_here().is_empty(), "nobody is set up, and nobody expects it");
}

#[test]
fn twilio_carries_whatsapp_only_where_it_knows_our_templates() {
    use WhatsappCarrier::{Meta, Twilio};
    let carriers = |given: &[&[(&str, &str)]]| {
        let settings = read(&given.concat(), &[]).unwrap();
        assert!(settings.channels_here().contains(&Channel::Whatsapp));
        (settings.whatsapp_carriers(), settings.leaves_twilio_out())
    };
    assert_eq!(carriers(&[&TWILIO_WHATSAPP, &[SIDS]]), (vec![Twilio], false));
    assert_eq!(carriers(&[&TWILIO_WHATSAPP, &[SIDS], &META]), (vec![Twilio, Meta], false));
    assert_eq!(carriers(&[&TWILIO_WHATSAPP, &META]), (vec![Meta], true));
    for alone in
        [TWILIO_WHATSAPP.to_vec(), [&TWILIO_WHATSAPP[..], &META, &[("SENDOFF_WHATSAPP_PROVIDERS", "twilio")]].concat()]
    {
        let problems = problems(&alone, &[]);
        assert!(problems.len() == 1 && problems[0].starts_with("TWILIO_CONTENT_SIDS is missing"), "{problems:?}");
    }
}

#[test]
fn a_resource_that_was_not_needed_says_so_in_its_name() {
    let resources = read(&[TOPIC], &[Need::Topic]).unwrap().resources();
    assert_eq!((resources.topic_arn.as_str(), resources.table.as_str()), (TOPIC.1, "(SENDOFF_TABLE is not set)"));
}

#[test]
fn what_was_not_named_as_needed_is_an_error_where_it_is_asked_for() {
    let settings = read(&[], &[]).unwrap();
    assert_eq!(settings.mail().map(|_| ()).unwrap_err().problems.len(), 2);
    let error = settings.auth_keys().unwrap_err().to_string();
    assert!(error.contains("SENDOFF_AUTH_KEYS_ARN") && error.contains("infra/aws/template.yaml sets it"), "{error}");
}

#[test]
fn no_secret_is_ever_shown() {
    let url = "smtps://ada:hunter2@mail.example.org";
    let from = ("SENDOFF_MAIL_FROM", "no-reply@example.org");
    let cache = ("SENDOFF_CACHE_URL", "rediss://:hunter2@cache.example.org");
    let settings = read(&[("SMTP_URL", url), from, cache], &[Need::Mail]).unwrap();
    let (_, secret) = settings.mail().unwrap();
    assert_eq!(settings.smtp_url.as_ref().unwrap().expose_secret(), url);
    let printed = format!("{settings:?} {secret:?} {secret} {:?}", settings.cache());
    assert!(!printed.contains("hunter2"), "{printed}");
    for wrong in [("SMTP_URL", "smtp:/ada:hunter2@mail"), ("SENDOFF_CACHE_URL", "hunter2"), ("SENDOFF_PASS", "hunter2")]
    {
        let found = problems(&[wrong], &[]);
        assert!(found.len() == 1 && !found[0].contains("hunter2"), "{found:?}");
    }
}

#[test]
fn the_worker_runs_all_consumers_or_those_that_are_listed() {
    let some = read(&[("SENDOFF_CONSUMERS", "email, workflow-kickoff")], &[]).unwrap().consumers;
    assert!(some.contain("email") && some.contain("workflow-kickoff") && !some.contain("sms"));
    assert!(Consumers::All.contain("sms"));
    for wrong in ["email,", "Email", ","] {
        assert_eq!(problems(&[("SENDOFF_CONSUMERS", wrong)], &[]).len(), 1, "{wrong}");
    }
}

#[test]
fn queue_urls_begin_with_their_base() {
    for wrong in ["sendoff-", "https://sqs.eu-central-1.amazonaws.com", "https:///x", "ftp://a/b"] {
        assert_eq!(problems(&[("SENDOFF_QUEUE_URL_BASE", wrong)], &[]).len(), 1, "{wrong}");
    }
    let base = "http://127.0.0.1:4566/000000000000/sendoff-";
    let resources = read(&[("SENDOFF_QUEUE_URL_BASE", base)], &[Need::Queues]).unwrap().resources();
    assert_eq!(resources.dead_letter_url("email"), format!("{base}email-dlq"));
}

#[test]
fn every_default_keeps_its_own_rule_and_every_setting_is_documented() {
    let page = reference();
    for setting in SETTINGS {
        assert!((setting.set)(&mut Draft::default(), setting.default.unwrap()).is_ok(), "{}", setting.key);
        assert!(page.contains(&format!("| `{}` |", setting.key)), "{}", setting.key);
        assert_eq!(setting.env, Some(setting.key));
    }
}

#[test]
fn what_other_programs_pass_over_is_ours_but_for_the_token() {
    let strange: Vec<_> =
        sendoff_host::config::BESIDE.into_iter().filter(|name| SETTINGS.iter().all(|s| s.key != *name)).collect();
    assert_eq!(strange, ["SENDOFF_TOKEN"]);
}

#[test]
fn the_functions_of_workflows_are_named_by_action_and_by_arn() {
    let read_functions = |text: &str| read(&[("SENDOFF_FUNCTIONS", text)], &[]);
    let arn = |name: &str| format!("arn:aws:lambda:eu-central-1:123456789012:function:{name}");
    let (email, steps) = (arn("email"), arn("steps"));
    let settings = read_functions(&format!(r#"{{"email":"{email}","steps":"{steps}"}}"#)).unwrap();
    let functions = settings.functions.clone().unwrap();
    assert_eq!((functions.actions.into_values().collect::<Vec<_>>(), functions.steps), (vec![email.clone()], steps));
    assert_eq!(settings.resources().functions_json(), format!(r#"{{"email":"{email}","steps":"{}"}}"#, arn("steps")));
    for (text, why) in [
        (format!(r#"{{"email":"{email}"}}"#), "`steps` is missing"),
        (format!(r#"{{"fax":"{email}","steps":"{email}"}}"#), "there is no action `fax`, only email, sms"),
        (r#"{"steps":"steps"}"#.to_owned(), "`steps` has `steps`, which is no ARN of a function"),
        ("[]".to_owned(), "invalid type"),
    ] {
        let told = problems(&[("SENDOFF_FUNCTIONS", &text)], &[]);
        assert!(told.len() == 1 && told[0].contains(why), "{text}: {told:?}");
    }
    let long = "x".repeat(39);
    for prefix in ["a b", "a.b", &long] {
        assert_eq!(problems(&[("SENDOFF_RUNS_PREFIX", prefix)], &[]).len(), 1, "{prefix}");
    }
}
