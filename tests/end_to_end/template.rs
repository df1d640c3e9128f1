use std::{fs, path::Path};

use sendoff_tests::servers::Port;
use serde_json::{Value, json};

use crate::program::{Ended, finish, run, sendoff};

/// A folder with files, for `--dir`.
fn own(folder: &Path, files: &[(&str, &str)]) -> String {
    let own = folder.join("own");
    for (path, text) in files {
        let path = own.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    own.to_str().unwrap().to_owned()
}

fn preview(folder: &Path, args: &[&str]) -> Ended {
    run(folder, ["template", "preview"].iter().chain(args))
}

#[test]
fn ls_shows_every_template_and_whose_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let table = run(folder.path(), ["template", "ls"]);
    let rows: Vec<Vec<&str>> = table.with(0).lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!((rows[0].as_slice(), rows.len()), (["NAME", "CHANNEL", "LOCALE", "FROM"].as_slice(), 1 + 2 * 4 * 2 + 2));
    assert!(rows.contains(&vec!["submission-created", "whatsapp", "de", "standard"]), "{}", table.out);
    let dir = own(folder.path(), &[("push/app-assigned/en/title.txt", "x"), ("sms/app-assigned/fr.txt", "x")]);
    let rows = run(folder.path(), ["template", "ls", "--dir", &dir, "--output", "json"]).json(0);
    let of = |channel: &str, locale: &str| {
        let is = |row: &&Value| row["name"] == "app-assigned" && row["channel"] == channel && row["locale"] == locale;
        rows.as_array().unwrap().iter().find(is).unwrap()["files"].clone()
    };
    assert_eq!(of("sms", "fr"), json!([{ "path": "sms/app-assigned/fr.txt", "origin": "own" }]));
    assert_eq!(
        of("push", "en"),
        json!([
            { "path": "push/app-assigned/en/body.txt", "origin": "standard" },
            { "path": "push/app-assigned/en/title.txt", "origin": "own" },
        ])
    );
    let table = run(folder.path(), ["template", "ls", "--dir", &dir]);
    assert!(table.with(0).lines().any(|line| line.ends_with("en      standard, own title.txt")), "{}", table.out);
    assert!(!folder.path().join("sendoff.db").exists(), "nothing was started");
}

#[test]
fn preview_shows_a_template_on_all_its_channels() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("pages");
    let shown = preview(folder.path(), &["app-assigned", "--locale", "de-AT", "--out", out.to_str().unwrap()]);
    let page = out.join("app-assigned.de.html");
    let html = fs::read_to_string(&page).unwrap();
    assert!(html.starts_with("<!doctype html>\n<html lang=\"de\">") && html.contains("Ada Lovelace"), "{html}");
    let expected = format!(
        r#"== email in de
Subject:  Expenses steht für Sie bereit
HTML:     {} ({} bytes)

Guten Tag Ada Lovelace,

Grace Hopper hat Ihnen die App „Expenses“ zugewiesen. Sie können sie sofort nutzen.

Sie erhalten diese Nachricht, weil Ihnen eine App zugewiesen wurde. In Ihren Einstellungen können Sie solche Nachrichten abschalten.

-- 
Abbestellen: https://notify.example.org/unsubscribe/example

== sms in de
Encoding: GSM-7
Segments: 1 (107 units, 160 in a segment)

Guten Tag Ada Lovelace, Grace Hopper hat Ihnen die App "Expenses" zugewiesen. Sie können sie sofort nutzen.

== whatsapp in de
Template: app_assigned in de
Content:  no ContentSid, without which Twilio refuses it
{{{{1}}}}:    Ada Lovelace
{{{{2}}}}:    Grace Hopper
{{{{3}}}}:    Expenses

Guten Tag Ada Lovelace, Grace Hopper hat Ihnen die App „Expenses“ zugewiesen. Sie können sie sofort nutzen.

== push in de
Title:    Expenses steht für Sie bereit
Size:     144 of 4096 bytes

Grace Hopper hat Ihnen diese App zugewiesen. Sie können sie sofort nutzen.
"#,
        page.display(),
        html.len()
    );
    assert_eq!(shown.with(0), expected);
    assert!(shown.err.contains("the data of a sample event"), "{}", shown.err);
}

#[test]
fn preview_takes_data_and_branding_from_files() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, json: Value| {
        let path = folder.path().join(name);
        fs::write(&path, json.to_string()).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let data = file(
        "data.json",
        json!({ "user": { "name": "Zoë 🎉" }, "app": { "name": "<b>Tools</b>" }, "assigned_by": { "name": "Bob" } }),
    );
    let brand = file("brand.json", json!({ "name": "Acme", "color": "#aa0000" }));
    let args = ["app-assigned", "--data", &data, "--brand", &brand, "--output", "json"];
    let shown = preview(folder.path(), &args);
    let all = shown.json(0);
    let of = |channel: &str| all.as_array().unwrap().iter().find(|shown| shown["channel"] == channel).unwrap();
    let html_file = of("email")["html_file"].as_str().unwrap();
    let html = fs::read_to_string(html_file).unwrap();
    fs::remove_dir_all(Path::new(html_file).parent().unwrap()).unwrap();
    assert!(html.contains("4px solid #aa0000") && html.contains("&lt;b&gt;Tools"), "{html}");
    assert_eq!(of("email")["subject"], "<b>Tools</b> is ready for you");
    assert_eq!((&of("sms")["encoding"], &of("sms")["segments"]), (&json!("UCS-2"), &json!(2)));
    assert!(of("sms")["text"].as_str().unwrap().starts_with("Acme: Hello Zoë 🎉, Bob"));
    assert_eq!(of("whatsapp")["parameters"], json!(["Zoë 🎉", "Bob", "<b>Tools</b>"]));
    assert_eq!((&of("push")["max_bytes"], &of("push")["locale"]), (&json!(4096), &json!("en")));
    assert_eq!(shown.err, "");
}

#[test]
fn preview_says_what_it_can_not_show() {
    let folder = tempfile::tempdir().unwrap();
    let refused = preview(folder.path(), &["app-asigned"]);
    assert_eq!(refused.with(4), "");
    assert!(refused.err.contains("there is no such template; did you mean `app-assigned`?"), "{}", refused.err);
    let data = folder.path().join("data.json");
    let data = data.to_str().unwrap();
    let with = |json: &str| {
        fs::write(data, json).unwrap();
        preview(folder.path(), &["app-assigned", "--channel", "sms", "--data", data])
    };
    let incomplete = with(r#"{ "user": { "name": "Ada" } }"#);
    assert_eq!(incomplete.with(1), "");
    assert_eq!(
        incomplete.err,
        "sendoff: template `sms/app-assigned/en.txt`, line 1, at `assigned_by.name`: there is no such variable\n"
    );
    let list = with("[]");
    assert_eq!(list.with(2), "");
    assert!(list.err.contains("data.json: it is not a JSON object: "), "{}", list.err);
    let missing = preview(folder.path(), &["app-assigned", "--data", "missing.json"]);
    assert_eq!(missing.with(2), "");
    assert!(missing.err.contains("--data: missing.json: it can't be read: "), "{}", missing.err);
    preview(folder.path(), &["app-assigned", "--channel", "fax"]).with(2);
}

#[test]
fn check_finds_nothing_in_the_standard_templates() {
    let folder = tempfile::tempdir().unwrap();
    let checked = run(folder.path(), ["template", "check"]);
    assert_eq!(checked.with(0), "");
    assert_eq!(checked.err, "18 templates, 88 texts made, 0 problems, 0 warnings\n");
}

#[test]
fn check_lists_everything_that_is_amiss_and_fails() {
    let folder = tempfile::tempdir().unwrap();
    let dir = own(
        folder.path(),
        &[
            ("sms/app-assigned/de.txt", "Hallo {{ user.name }}: {{ app.nme }}"),
            ("sms/submission-created/en.txt", "„{{ author.name }}“ {{ app.name }} {{ submission.id }} {{ user.name }}"),
        ],
    );
    let checked = run(folder.path(), ["template", "check", "--dir", &dir]);
    assert_eq!(
        checked.with(1),
        "problem: sms/app-assigned/de: it doesn't use `app.name`, which the English one does\n\
         problem: sms/app-assigned/de: it doesn't use `assigned_by.name`, which the English one does\n\
         problem: sms/app-assigned/de.txt: line 1, at `app.nme`: there is no such variable (with app.assigned.v1, \
         app.assigned.v1.minimal)\n\
         problem: sms/submission-created/de: it doesn't use `user.name`, which the English one does\n\
         warning: sms/submission-created/en.txt: `„` makes it UCS-2: 70 characters in a segment (with \
         submission.created.v1, submission.created.v2, submission.created.v2.minimal)\n"
    );
    let report = run(folder.path(), ["template", "check", "--dir", &dir, "--output", "json"]).json(1);
    assert_eq!(report["problems"].as_array().unwrap().len(), 4);
    assert_eq!(report["warnings"][0]["template"], "sms/submission-created/en.txt");
}

#[test]
fn a_folder_that_holds_no_templates_is_refused_with_all_its_problems() {
    let folder = tempfile::tempdir().unwrap();
    let dir = own(folder.path(), &[("notes.txt", "x"), ("sms/app-assigned/fr.txt", "{{ user. }}")]);
    let checked = run(folder.path(), ["template", "check", "--dir", &dir]);
    let lines: Vec<_> = checked.with(1).lines().collect();
    assert!(lines[0].starts_with("problem: notes.txt: it stands in none of the folders"), "{}", checked.out);
    assert!(lines[1].starts_with("problem: sms/app-assigned/fr.txt: line 1: syntax error: "), "{}", checked.out);
    let refused = run(folder.path(), ["template", "ls", "--dir", &dir]);
    assert_eq!(refused.with(2), "");
    assert!(
        refused.err.starts_with("sendoff: the templates have 2 problems:\n  - template `notes.txt`"),
        "{}",
        refused.err
    );
}

#[test]
fn send_keeps_a_message_in_the_process_where_nothing_real_is_configured() {
    let folder = tempfile::tempdir().unwrap();
    let send = |channel: &str, to: &str| {
        run(folder.path(), ["template", "send", "app-assigned", "--channel", channel, "--to", to, "--locale", "de"])
    };
    let mail = send("email", "ada@example.org");
    assert!(mail.with(0).starts_with("sent by smtp"), "{}", mail.out);
    let mails = run(folder.path(), ["mail", "ls", "--output", "json"]).json(0);
    assert_eq!(
        (&mails[0]["to"], &mails[0]["subject"]),
        (&json!(["ada@example.org"]), &json!("Expenses steht für Sie bereit"))
    );
    for (channel, to) in [("sms", "+4930123456"), ("whatsapp", "+4930123456"), ("push", "a-devices-token")] {
        let sent = send(channel, to);
        assert!(sent.with(0).starts_with("sent by "), "{}", sent.out);
        let messages = run(folder.path(), ["messages", "ls", "--channel", channel, "--output", "json"]).json(0);
        assert_eq!(messages.as_array().unwrap().len(), 1, "{messages}");
        assert!(messages[0]["to"].as_str().unwrap().ends_with(to.trim_start_matches('+')), "{messages}");
        assert!(messages[0]["text"].as_str().unwrap().contains("Expenses"), "{messages}");
        assert!(sent.err.contains("nothing left this machine"), "{}", sent.err);
    }
    // A server beside it would be looked for at another port after its next start, by the webhooks that it has.
    assert!(!folder.path().join("sink.port").exists());
}

#[test]
fn send_refuses_what_would_leave_this_machine_until_told_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let port = Port::free();
    let send = |more: &[&str]| {
        let mut command = sendoff(folder.path());
        command.env("SMTP_URL", format!("smtp://127.0.0.1:{port}?tls=none"));
        finish(command.args(["template", "send", "app-assigned", "--to", "ada@example.org"]).args(more))
    };
    let refused = send(&[]);
    assert_eq!(refused.with(5), "");
    let why = "this would send `app-assigned` by email to ada@example.org, for real, through smtp; --yes does it";
    assert!(refused.err.contains(why), "{}", refused.err);
    let failed = send(&["--yes", "--output", "json"]).json(1);
    assert_eq!((&failed["outcome"], &failed["provider"]), (&json!("not sent"), &json!("smtp")));
    let off = send(&["--channel", "sms", "--to", "+4930123456"]);
    assert_eq!(off.with(2), "");
}

#[test]
fn send_refuses_an_address_that_is_none() {
    let folder = tempfile::tempdir().unwrap();
    for (channel, to) in [("email", "ada"), ("sms", "030 123456"), ("email", "ada@example.org\r\nBcc: eve@example.org")]
    {
        let refused = run(folder.path(), ["template", "send", "app-assigned", "--channel", channel, "--to", to]);
        assert_eq!(refused.with(2), "");
        assert!(refused.err.starts_with("sendoff: --to: "), "{}", refused.err);
    }
    assert_eq!(run(folder.path(), ["mail", "ls"]).code, Some(4), "nothing was sent");
}

#[test]
fn a_configured_folder_is_used_and_its_mistakes_stop_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let sid = "HX0123456789abcdef0123456789abcdef";
    let dir =
        own(folder.path(), &[("sms/app-assigned/en.txt", "{{ app.name }}: {{ user.name }} {{ assigned_by.name }}")]);
    let with = |sids: &str, args: &[&str]| {
        let mut command = sendoff(folder.path());
        command.env("SENDOFF_TEMPLATES_DIR", &dir).env("TWILIO_CONTENT_SIDS", sids);
        finish(command.args(["template"]).args(args))
    };
    let preview = |channel| ["preview", "app-assigned", "--channel", channel, "--output", "json"];
    let sids = format!("app-assigned/en={sid}");
    assert_eq!(with(&sids, &preview("sms")).json(0)[0]["text"], "Expenses: Ada Lovelace Grace Hopper");
    assert_eq!(with(&sids, &preview("whatsapp")).json(0)[0]["content_sid"], sid);
    let wrong = with("app-asigned/en=HX1", &["ls"]);
    assert_eq!(wrong.with(2), "");
    assert!(wrong.err.contains("TWILIO_CONTENT_SIDS: twilio.content_sids"), "{}", wrong.err);
    own(folder.path(), &[("sms/app-assigned/fr.txt", "{{ user. }}"), ("notes.txt", "x")]);
    let wrong = with("", &["ls"]);
    assert_eq!(wrong.with(2), "");
    for problem in
        ["SENDOFF_TEMPLATES_DIR: templates.dir", "`notes.txt`: it stands in none", "fr.txt`, line 1: syntax error"]
    {
        assert!(wrong.err.contains(problem), "{problem} in {}", wrong.err);
    }
}
