use std::{fs, path::Path, time::Duration};

use secrecy::ExposeSecret;

use super::*;

fn inputs(flags: &[(&str, &str)], variables: &[(&str, &str)], file: Option<&Path>) -> Inputs {
    Inputs {
        flags: flags.iter().map(|(key, value)| (format!("--{key}"), (*key).into(), (*value).into())).collect(),
        variables: variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        file: file.map_or(ConfigFile::Nothing, |path| ConfigFile::Named(path.to_owned())),
    }
}

struct Written {
    folder: tempfile::TempDir,
    path: PathBuf,
}

fn file(text: &str) -> Written {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sendoff.toml");
    fs::write(&path, text).unwrap();
    Written { folder, path }
}

fn problems(inputs: &Inputs) -> Vec<String> {
    let problems = Config::load(inputs).unwrap_err().problems;
    problems.iter().map(|p| p.to_string().split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn without_anything_the_defaults_hold() {
    let config = Config::load(&inputs(&[], &[], None)).unwrap();
    assert_eq!(config.settings.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.settings.topic_limit, 256 * 1024);
    assert_eq!(config.settings.inbox_keep, Duration::from_secs(90 * 86_400));
    assert!(matches!(config.mail, Mail::Sink));
    assert!(config.effective.iter().all(|e| e.source == Source::Default));
}

#[test]
fn a_flag_beats_a_variable_beats_the_file_beats_the_default() {
    let toml = file("[worker]\nconcurrency = 2\nlease = \"2m\"\ngrace = \"1s\"\n");
    let variables = [("SENDOFF_WORKER_CONCURRENCY", "3"), ("SENDOFF_WORKER_LEASE", "3m")];
    let config = Config::load(&inputs(&[("worker.concurrency", "4")], &variables, Some(&toml.path))).unwrap();
    assert_eq!(config.settings.concurrency, 4);
    assert_eq!(config.settings.lease, Duration::from_secs(180));
    assert_eq!(config.settings.grace, Duration::from_secs(1));
    let source = |key| config.effective.iter().find(|e| e.key == key).unwrap().source.to_string();
    assert_eq!(source("worker.concurrency"), "--worker.concurrency");
    assert_eq!(source("worker.lease"), "SENDOFF_WORKER_LEASE");
    assert_eq!(source("worker.grace"), format!("{}:4", toml.path.display()));
    assert_eq!(source("listen"), "default");
}

#[test]
fn everything_that_is_wrong_is_told_at_once_with_its_source() {
    let toml = file("listen = 8080\n\n[worker]\nconcurency = 8\nlease = \"soon\"\n\n[log]\nformat = [\"json\"]\n");
    let variables = [("SENDOFF_LISTN", "x"), ("SENDOFF_WORKER_GRACE", "-1s"), ("UNRELATED", "x")];
    let found = problems(&inputs(&[("mail.from", "nobody")], &variables, Some(&toml.path)));
    let path = toml.path.display();
    assert_eq!(
        found,
        [
            format!("{path}:8: log.format must be a single value, not array"),
            "SENDOFF_LISTN there is no such variable; did you mean `SENDOFF_LISTEN`?".into(),
            format!(
                "{path}:1: listen = \"8080\" must be an IP address and a port, such as `127.0.0.1:8080` (port 0 takes a \
                 free one)"
            ),
            format!("{path}:4: worker.concurency there is no such setting; did you mean `worker.concurrency`?"),
            format!(
                "{path}:5: worker.lease = \"soon\" must be a duration of 2 to 43200 seconds with its unit, such as `30s` \
                 or `2m`"
            ),
            "SENDOFF_WORKER_GRACE: worker.grace = \"-1s\" must be a duration of 0 to 3600 seconds with its unit, such \
             as `30s` or `2m`"
                .into(),
            "--mail.from: mail.from = \"nobody\" must be a sender such as `Sendoff <no-reply@example.org>` (the email \
             address is not valid: it has no `@`)"
                .into(),
        ]
    );
}

#[test]
fn a_bad_value_is_told_even_where_a_stronger_source_overrides_it() {
    let found = problems(&inputs(&[("listen", "127.0.0.1:0")], &[("SENDOFF_LISTEN", "nowhere")], None));
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("SENDOFF_LISTEN: listen = \"nowhere\""));
}

#[test]
fn broken_toml_is_told_with_its_line_and_the_rest_is_still_read() {
    let toml = file("data = \nlisten = \"nowhere\"\n");
    let found = problems(&inputs(&[], &[], Some(&toml.path)));
    assert!(found.iter().any(|p| p.contains("sendoff.toml:1") && p.contains("(syntax)")), "{found:?}");
    assert!(found.iter().any(|p| p.contains("sendoff.toml:2: listen")), "{found:?}");
}

#[test]
fn nothing_is_suggested_for_what_resembles_nothing() {
    assert_eq!(problems(&inputs(&[], &[("SENDOFF_FOO", "1")], None)), ["SENDOFF_FOO there is no such variable"]);
}

#[test]
fn a_named_file_must_exist() {
    let found = problems(&inputs(&[], &[], Some(Path::new("/nowhere/sendoff.toml"))));
    assert!(found[0].contains("the file can't be read"), "{found:?}");
}

#[test]
fn a_bad_or_empty_mail_server_is_an_error_and_never_the_sink() {
    for wrong in ["", "localhost:25", "http://mail.example.org"] {
        let found = problems(&inputs(&[], &[("SMTP_URL", wrong)], None));
        assert!(found[0].starts_with("SMTP_URL: smtp.url = (secret) must be"), "{found:?}");
    }
}

#[test]
fn no_secret_is_ever_shown() {
    let url = "smtp://ada:hunter2@mail.example.org:587?tls=required";
    let config = Config::load(&inputs(&[], &[("SMTP_URL", url)], None)).unwrap();
    let Mail::Servers { first: kept, .. } = &config.mail else { panic!("mail must go to the server") };
    let credentials = kept.url.credentials.as_ref().unwrap();
    assert_eq!(credentials.password.expose_secret(), "hunter2");
    assert!(!format!("{config:?}").contains("hunter2"));
    let found = problems(&inputs(&[], &[("SMTP_URL", "smtp:/ada:hunter2@mail")], None));
    assert!(!found[0].contains("hunter2"), "{found:?}");
    let found = problems(&inputs(&[("smtp.pass", "hunter2")], &[], None));
    assert!(!found[0].contains("hunter2"), "{found:?}");
}

#[test]
fn the_mail_server_may_stand_in_a_file() {
    let url = file("smtps://ada:secret@mail.example.org\n");
    let named = url.path.display().to_string();
    let config = Config::load(&inputs(&[("smtp.url_file", &named)], &[], None)).unwrap();
    assert!(matches!(config.mail, Mail::Servers { .. }));
    let both = problems(&inputs(&[("smtp.url_file", &named)], &[("SMTP_URL", "smtp://localhost:25")], None));
    assert!(both[0].ends_with("is given beside `smtp.url`: give one of them"), "{both:?}");
    let none = problems(&inputs(&[("smtp.url_file", "/nowhere")], &[], None));
    assert!(none[0].contains("can't be read"), "{none:?}");
}

#[test]
fn mail_must_have_one_way_to_go() {
    let nowhere = problems(&inputs(&[("mail.sink", "false")], &[], None));
    assert!(nowhere[0].contains("mail would have nowhere to go"), "{nowhere:?}");
    let two = problems(&inputs(&[("mail.sink", "true")], &[("SMTP_URL", "smtp://localhost:25")], None));
    assert!(two[0].contains("mail can only go to one of them"), "{two:?}");
}

#[test]
fn an_address_that_others_reach_needs_a_key() {
    let found = problems(&inputs(&[("listen", "0.0.0.0:80")], &[], None));
    assert!(found[0].contains("there is no `[[auth.key]]`"), "{found:?}");

    let secret = file("an example secret of more than 32 bytes\n");
    let key = format!(
        "[[auth.key]]\nid = \"one\"\nalgorithm = \"HS256\"\nissuer = \"me\"\naudience = \"sendoff\"\nsecret_file = {:?}\n",
        secret.path
    );
    let toml = file(&key);
    let config = Config::load(&inputs(&[("listen", "0.0.0.0:80")], &[], Some(&toml.path))).unwrap();
    assert!(config.has_keys);

    // A proxy reaches the loopback address, and whoever reaches the proxy everything with a key that all know.
    let public = [("public.url", "https://n.example.org")];
    let found = problems(&inputs(&public, &[], None));
    assert!(found[0].contains("public.url") && found[0].contains("there is no `[[auth.key]]`"), "{found:?}");
    assert!(Config::load(&inputs(&public, &[], Some(&toml.path))).is_ok());

    let twice = file(&format!("{key}\n{key}"));
    let found = problems(&inputs(&[], &[], Some(&twice.path)));
    assert!(found[0].contains("two keys have the id `one`"), "{found:?}");
}

#[test]
fn everything_that_is_wrong_with_a_key_is_told() {
    let short = file("short");
    let toml = file(&format!(
        "[[auth.key]]\nid = \"a\"\nalgoritm = \"HS256\"\n\n[[auth.key]]\nid = \"b\"\nalgorithm = \"HS256\"\nissuer = \"i\"\n\
         audience = \"a\"\nsecret_file = {:?}\n\n[[auth.key]]\nid = \"c\"\nalgorithm = \"none\"\nissuer = \"i\"\naudience = \
         \"a\"\n",
        short.path
    ));
    let found = problems(&inputs(&[], &[], Some(&toml.path))).join("\n");
    for told in [
        ":3: auth.key.algoritm there is no such setting; did you mean `auth.key.algorithm`?",
        "auth.key.algorithm is missing",
        "auth.key.issuer is missing",
        "auth.key.audience is missing",
        "needs at least 32 bytes, this one has 5",
        "auth.key.algorithm = \"none\" must be `HS256` or `RS256` or `ES256` or `EdDSA`",
    ] {
        assert!(found.contains(told), "{told}\nnot in\n{found}");
    }
    drop(short.folder);
}

#[test]
fn every_default_keeps_its_own_rule_and_every_setting_is_documented() {
    let page = reference();
    for setting in SETTINGS {
        assert!((setting.set)(&mut Draft::default(), setting.default.unwrap()).is_ok(), "{}", setting.key);
        assert!(page.contains(&format!("| `{}` |", setting.key)), "{}", setting.key);
        assert!(setting.key.chars().all(|c| c.is_ascii_lowercase() || matches!(c, '.' | '_')), "{}", setting.key);
    }
}

#[test]
fn connections_are_opened_and_what_is_wrong_with_them_is_told_with_its_line() {
    let toml =
        file("[connections.crm]\nurl = \"https://crm.example.org\"\ntenants = \"acme\"\nheaders.X-Key = \"s3cret\"\n");
    let config = Config::load(&inputs(&[], &[], Some(&toml.path))).unwrap();
    let shown = format!("{:?}", config.connections);
    assert!(shown.contains("\"crm\"") && shown.contains("acme") && !shown.contains("s3cret"), "{shown}");
    for (text, wrong) in [
        ("url = \"https://10.0.0.1\"\ntenants = \"*\"", "sendoff.toml:2: connections.x.url"),
        ("url = \"sqlite:/nowhere/x.db\"\ntenants = \"*\"", "/nowhere/x.db can't be opened"),
        ("url = \"https://a.example\"", "connections.x.tenants"),
        ("url = \"https://a.example\"\ntenants = \"*\"\nhost = \"b\"", "connections.x.host"),
        ("url_secret = \"arn:aws:secretsmanager:eu-central-1:1:secret:x\"\ntenants = \"*\"", "only functions can read"),
    ] {
        let toml = file(&format!("[connections.x]\n{text}\n"));
        let problems = problems(&inputs(&[], &[], Some(&toml.path)));
        assert!(problems.len() == 1 && problems[0].contains(wrong), "{text}: {problems:?}");
    }
}
