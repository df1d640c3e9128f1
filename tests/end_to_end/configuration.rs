use std::fs;

use crate::program::{finish, run, sendoff};

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("sendoff.toml"), "[worker]\nconcurency = 8\nlease = \"soon\"\n").unwrap();
    let mut command = sendoff(folder.path());
    command.env("SENDOFF_LISTN", "x").env("SMTP_URL", "smtp:/ada:hunter2@mail").args(["--set", "log.format=xml"]);
    let ended = finish(&mut command);
    assert_eq!(ended.with(2), "");
    assert_eq!(
        ended.err,
        r#"sendoff: the configuration has 5 problems:
  - SENDOFF_LISTN
      there is no such variable; did you mean `SENDOFF_LISTEN`?
  - sendoff.toml:2: worker.concurency
      there is no such setting; did you mean `worker.concurrency`?
  - sendoff.toml:3: worker.lease = "soon"
      must be a duration of 2 to 43200 seconds with its unit, such as `30s` or `2m`
  - SMTP_URL: smtp.url = (secret)
      must be the address of a mail server, such as `smtps://user:password@mail.example.org` (the SMTP URL is not valid: it has no host)
  - --set: log.format = "xml"
      must be `text` or `json`
Every setting is described in docs/CONFIG.md.
"#
    );
    assert!(!ended.err.contains("hunter2"));
    assert!(!folder.path().join("sendoff.db").exists(), "nothing was started");
}

#[test]
fn show_tells_every_value_with_its_source_and_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("sendoff.toml"), "[worker]\nconcurrency = 8\n").unwrap();
    let mut command = sendoff(folder.path());
    command.env("SMTP_URL", "smtps://ada:hunter2@mail.example.org").args(["config", "show", "--output", "json"]);
    let rows = finish(&mut command).json(0);
    let row = |key: &str| rows.as_array().unwrap().iter().find(|row| row["key"] == key).unwrap().clone();
    assert_eq!(
        (&row("worker.concurrency")["value"], &row("worker.concurrency")["source"]),
        (&"8".into(), &"sendoff.toml:2".into())
    );
    assert_eq!((&row("smtp.url")["value"], &row("smtp.url")["source"]), (&"(secret)".into(), &"SMTP_URL".into()));
    assert_eq!(row("listen")["source"], "default");
    assert_eq!(row("data")["source"], "--data");
}

#[test]
fn check_only_checks() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), ["config", "check"]).with(0);
    run(folder.path(), ["config", "check", "--listen", "0.0.0.0:80"]).with(2);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was started");
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), ["trace", "not-an-id"]).with(2);
    run(folder.path(), ["demo", "--poison", "-1"]).with(2);
    run(folder.path(), ["dance"]).with(2);
}

#[test]
fn no_development_token_is_made_for_a_server_that_would_refuse_it() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    fs::write(&secret, "an example secret of more than 32 bytes").unwrap();
    let key = format!(
        "[[auth.key]]\nid = \"one\"\nalgorithm = \"HS256\"\nissuer = \"me\"\naudience = \"us\"\nsecret_file = {secret:?}\n"
    );
    fs::write(folder.path().join("sendoff.toml"), key).unwrap();
    let refused = run(folder.path(), ["token"]);
    assert_eq!(refused.with(5), "");
    assert!(refused.err.contains("refuses development tokens"), "{}", refused.err);
}
