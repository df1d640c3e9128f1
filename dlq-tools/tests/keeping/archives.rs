use std::{fs, time::Duration};

use sendoff_consumers::{AuditNote, Status};
use sendoff_dlq_tools::run::journal::{FileJournal, Journal as _, Line, Step};
use sendoff_events::{Clock as _, EXTENDED_SIZE_ATTRIBUTE, Pointer};
use sendoff_host::Exit;
use serde_json::{Value, json};

use super::{House, envelope, essences, event_id, is_private};

async fn archived(house: &House, more: &[&str]) -> String {
    let arguments = [&["archive", "email", "--fresh", "--to", "kept.jsonl.zst", "--output", "json"], more].concat();
    let told = house.dlq(&arguments).await.expect(Exit::Done).json();
    told["hash"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn letters_are_archived_purged_and_put_back_as_they_were() {
    let house = House::with(1200).await;
    house.fail("email", vec!["no json \u{1}".into()]).await;
    let before = house.letters("email-dlq").await;
    let hash = archived(&house, &[]).await;
    assert!(is_private(&house.path("kept.jsonl.zst")));

    let dry = house.dlq(&["purge", "email", "--archive", &hash]).await.expect(Exit::Done);
    assert_eq!(dry.out, "1201 letters would be deleted, 0 stay\n");
    assert_eq!(house.letters("email-dlq").await.len(), 1201);
    let purged =
        house.dlq(&["purge", "email", "--archive", &hash[..16], "--yes", "--because", "old"]).await.expect(Exit::Done);
    assert_eq!(purged.out, "1201 of 1201 letters deleted\n");
    assert_eq!(house.letters("email-dlq").await, []);

    let dry = house.dlq(&["restore", "kept.jsonl.zst"]).await.expect(Exit::Done);
    assert!(dry.out.starts_with("1201 letters would be put into `email-dlq`") && dry.err.contains("add --yes"));
    let back = house.dlq(&["restore", "kept.jsonl.zst", "--yes"]).await.expect(Exit::Done);
    assert!(back.err.contains("retention begins anew"), "{back:?}");
    let after = house.letters("email-dlq").await;
    assert_eq!(essences(&after), essences(&before));
    assert_eq!(house.audit().await, ["archive", "archive-done", "purge", "purge-done", "restore", "restore-done"]);

    let restores = fs::read_dir(house.path("dlq/restores")).unwrap().map(|entry| entry.unwrap().path());
    let left: Vec<_> =
        restores.flat_map(|folder| fs::read_dir(folder).unwrap()).map(|e| e.unwrap().file_name()).collect();
    assert!(!left.contains(&"letters.db".into()), "what letters say doesn't lie about: {left:?}");

    // Once more: all is known to be there.
    let again = ["restore", "kept.jsonl.zst", "--yes", "--output", "json"];
    let again = house.dlq(&again).await.expect(Exit::NothingMatched).json();
    assert_eq!((&again["restored_before"], &again["moved"]["sent"]), (&1201.into(), &0.into()));
    assert_eq!(house.letters("email-dlq").await.len(), 1201);
}

#[tokio::test]
async fn a_purge_deletes_only_what_is_chosen_and_archived() {
    let house = House::with(4).await;
    let (one, two) = (event_id(1).to_string(), event_id(2).to_string());
    let hash = archived(&house, &["--id", &one, "--id", &two]).await;
    let snapshots = fs::read_dir(house.path("dlq/snapshots")).unwrap().map(|entry| entry.unwrap().path());
    let before = snapshots.min().unwrap().display().to_string();
    let purged =
        house.dlq(&["purge", "email", "--archive", &hash, "--yes", "--because", "old"]).await.expect(Exit::Partly);
    assert!(purged.err.contains("2 not in the archive, and stay"), "{purged:?}");
    assert_eq!(house.letters("email-dlq").await.len(), 2);
    // It is done already: a new look finds none of them, and the snapshot from before tells of one that isn't there any more.
    let purge = ["purge", "email", "--archive", &hash, "--yes", "--because", "old", "--id", &one];
    let again = house.dlq(&purge).await.expect(Exit::NothingMatched);
    assert!(
        again.err.contains("`dlq purge` moved letters of `email-dlq` since the newest snapshot: a new one is taken"),
        "{again:?}"
    );
    let again = house.dlq(&[&purge[..], &["--snapshot", &before]].concat()).await.expect(Exit::Partly);
    assert!(again.err.contains("1 not in the queue any more"), "{again:?}");
    let zero = event_id(0).to_string();
    house
        .dlq(&["purge", "email", "--archive", &hash, "--yes", "--because", "old", "--id", &zero])
        .await
        .expect(Exit::NothingMatched);
    assert_eq!(house.letters("email-dlq").await.len(), 2);
}

#[tokio::test]
async fn the_exit_code_says_what_was_done_also_when_nobody_reads_it() {
    let house = House::with(2).await;
    let one = event_id(1).to_string();
    let hash = archived(&house, &["--id", &one]).await;
    for output in ["table", "json", "ndjson"] {
        let purge = ["purge", "email", "--archive", &hash, "--because", "old", "--output", output];
        house.dlq_until(&purge, Some(0)).await.expect(Exit::Done);
    }
    let purge = ["purge", "email", "--archive", &hash, "--because", "old", "--yes"];
    let partly = house.dlq_until(&purge, Some(0)).await.expect(Exit::Partly);
    assert!(partly.err.contains("1 not in the archive"), "what else there is to say is said: {partly:?}");
    house.dlq_until(&["restore", "kept.jsonl.zst", "--yes"], Some(0)).await.expect(Exit::Done);
    house.dlq_until(&["restore", "kept.jsonl.zst", "--yes"], Some(0)).await.expect(Exit::NothingMatched);
}

#[tokio::test]
async fn a_purge_wants_the_hash_of_an_archive_that_is_whole_and_of_this_queue() {
    let house = House::with(2).await;
    house.fail("sms", vec![super::envelope(9)]).await;
    let hash = archived(&house, &[]).await;
    for (wrong, exit) in [("", Exit::Usage), (&hash[..15], Exit::Usage), ("0123456789abcdef", Exit::NothingMatched)] {
        house.dlq(&["purge", "email", "--archive", wrong, "--yes", "--because", "old"]).await.expect(exit);
    }
    let from = ["--from", "kept.jsonl.zst", "--yes", "--because", "old", "--archive"];
    house.dlq(&[&["purge", "email"], &from[..], &["0123456789abcdef"]].concat()).await.expect(Exit::Refused);
    house.dlq(&["purge", "sms", "--archive", &hash, "--yes", "--because", "old"]).await.expect(Exit::Refused);
    let path = house.path("kept.jsonl.zst");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    house.dlq(&["purge", "email", "--archive", &hash, "--yes", "--because", "old"]).await.expect(Exit::Refused);
    assert_eq!(house.letters("email-dlq").await.len(), 2);
}

#[tokio::test]
async fn a_purge_keeps_letters_in_doubt_unless_somebody_says_why_not() {
    let house = House::with(2).await;
    let hash = archived(&house, &[]).await;
    house.record(1, Status::InDoubt).await;
    let purge = ["purge", "email", "--archive", &hash, "--yes", "--because", "old"];
    let refused = house.dlq(&purge).await.expect(Exit::Refused);
    assert!(refused.err.contains("1 of the 2 letters are in doubt"), "{refused:?}");
    assert_eq!(house.letters("email-dlq").await.len(), 2);
    house.dlq(&[&purge[..5], &["--also-in-doubt"]].concat()).await.expect(Exit::Usage);
    house.dlq(&[&purge[..], &["--also-in-doubt"]].concat()).await.expect(Exit::Done);
    assert_eq!(house.letters("email-dlq").await, []);
}

#[tokio::test]
async fn nothing_is_put_back_out_of_an_archive_that_was_changed_or_cut_off() {
    let house = House::with(3).await;
    let hash = archived(&house, &[]).await;
    house.dlq(&["purge", "email", "--archive", &hash, "--yes", "--because", "old"]).await.expect(Exit::Done);
    let path = house.path("kept.jsonl.zst");
    let whole = fs::read(&path).unwrap();
    let mut changed = whole.clone();
    changed[40] ^= 1;
    for bytes in [&changed[..], &whole[..whole.len() - 1], &[]] {
        fs::write(&path, bytes).unwrap();
        let refused = house.dlq(&["restore", "kept.jsonl.zst", "--yes"]).await.expect(Exit::Refused);
        assert!(refused.err.contains("changed or cut off"), "{refused:?}");
    }
    fs::write(&path, &whole).unwrap();
    fs::write(house.path("kept.jsonl.zst.manifest.json"), "{}").unwrap();
    house.dlq(&["restore", "kept.jsonl.zst", "--yes"]).await.expect(Exit::Refused);
    fs::remove_file(house.path("kept.jsonl.zst.manifest.json")).unwrap();
    house.dlq(&["restore", "kept.jsonl.zst", "--yes"]).await.expect(Exit::NothingMatched);
    assert_eq!(house.letters("email-dlq").await, []);
}

/// Whether a text holds something that moves a terminal's cursor, or turns a line.
fn steers(text: &str) -> bool {
    text.chars().any(|c| c != '\n' && c.is_control() || c == '\u{202e}')
}

#[tokio::test]
async fn what_an_archive_says_of_itself_does_not_reach_the_terminal_as_it_stands() {
    let house = House::with(1).await;
    let hash = archived(&house, &[]).await;
    let path = house.path("kept.jsonl.zst.manifest.json");
    let whole: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let evil = "\u{1b}[2J\u{9b}\u{202e}x\n9 letters would be put back";
    for (field, exit) in
        [("deployment", Exit::Done), ("hash", Exit::Refused), ("lines_hash", Exit::Refused), (evil, Exit::Refused)]
    {
        let mut manifest = whole.clone();
        manifest[field] = json!(evil);
        fs::write(&path, manifest.to_string()).unwrap();
        let told = house.dlq(&["restore", "kept.jsonl.zst"]).await.expect(exit);
        assert!(told.err.contains("9 letters") && !steers(&told.err), "{told:?}");
        assert!(told.err.lines().all(|line| !line.starts_with("9 letters")), "{told:?}");
    }
    let mut manifest = whole.clone();
    manifest["queue"] = json!(evil);
    fs::write(&path, manifest.to_string()).unwrap();
    let told = house.dlq(&["purge", "email", "--archive", &hash]).await.expect(Exit::Refused);
    assert!(told.err.contains("9 letters") && !steers(&told.err), "{told:?}");
}

#[tokio::test]
async fn an_archive_is_never_overwritten_and_nothing_is_left_of_one_that_was_not_finished() {
    let house = House::with(1).await;
    archived(&house, &["--hold"]).await;
    assert!(fs::metadata(house.path("kept.jsonl.zst")).unwrap().permissions().readonly());
    house.dlq(&["archive", "email", "--to", "kept.jsonl.zst"]).await.expect(Exit::Refused);
    house.dlq(&["archive", "email", "--to", "other.jsonl.zst", "--type", "none"]).await.expect(Exit::NothingMatched);
    house.dlq(&["archive", "email", "--to", "other.zst"]).await.expect(Exit::Usage);
    house.dlq(&["archive", "email", "--to", "s3://bucket/other.jsonl.zst"]).await.expect(Exit::Usage);
    let names =
        fs::read_dir(house.folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name.contains("archive") || name.contains("jsonl")).collect();
    names.sort();
    assert_eq!(names, ["kept.jsonl.zst", "kept.jsonl.zst.manifest.json"]);
}

#[tokio::test]
async fn letters_that_are_still_there_are_not_put_back_a_second_time() {
    let house = House::with(3).await;
    let hash = archived(&house, &[]).await;
    let gone = event_id(1).to_string();
    house
        .dlq(&["purge", "email", "--archive", &hash, "--yes", "--because", "old", "--id", &gone])
        .await
        .expect(Exit::Done);
    let told = house.dlq(&["restore", "kept.jsonl.zst", "--yes", "--output", "json"]).await.expect(Exit::Done).json();
    assert_eq!((&told["still_there"], &told["moved"]["sent"]), (&2.into(), &1.into()));
    assert_eq!(house.letters("email-dlq").await.len(), 3);
}

#[tokio::test]
async fn letters_are_never_put_back_into_a_queue_that_somebody_handles() {
    let house = House::with(1).await;
    archived(&house, &[]).await;
    house.fail("sms", vec![]).await;
    house.dlq(&["restore", "kept.jsonl.zst", "--into", "nowhere", "--yes"]).await.expect(Exit::NothingMatched);
    // The consumer's name stands for its dead letters here as everywhere.
    let into = ["restore", "kept.jsonl.zst", "--into", "sms", "--yes"];
    let refused = house.dlq(&into).await.expect(Exit::Refused);
    assert!(
        refused.err.contains("`sms-dlq` is for what failed at `sms`, and not for letters of `email-dlq`"),
        "{refused:?}"
    );
    assert_eq!(house.letters("sms-dlq").await.len(), 0);
    house.dlq(&[&into[..], &["--yes-other-consumer"]].concat()).await.expect(Exit::Done);
    assert_eq!(house.letters("sms-dlq").await.len(), 1);
}

#[tokio::test]
async fn what_was_put_back_from_another_work_folder_is_only_put_back_again_when_that_is_said() {
    let house = House::with(3).await;
    let hash = archived(&house, &[]).await;
    house.dlq(&["purge", "email", "--archive", &hash, "--yes", "--because", "old"]).await.expect(Exit::Done);
    house.dlq(&["restore", "kept.jsonl.zst", "--yes"]).await.expect(Exit::Done);

    let elsewhere = ["--work", "elsewhere", "restore", "kept.jsonl.zst", "--yes"];
    let refused = house.dlq(&elsewhere).await.expect(Exit::Refused);
    assert!(refused.err.contains("3 in all") && refused.err.contains("by grace"), "{refused:?}");
    assert_eq!(house.letters("email-dlq").await.len(), 3);
    let again = house.dlq(&[&elsewhere[..], &["--again"]].concat()).await.expect(Exit::Done);
    assert_eq!(again.out, "3 letters put into `email-dlq`\n");
    let here = house.dlq(&["restore", "kept.jsonl.zst", "--yes", "--again"]).await.expect(Exit::Done);
    assert_eq!(here.out, "3 letters put into `email-dlq`\n");
    assert_eq!(house.letters("email-dlq").await.len(), 9);
}

#[tokio::test]
async fn a_restore_that_broke_off_elsewhere_is_known_and_one_from_here_is_gone_on_with() {
    let house = House::with(3).await;
    let hash = archived(&house, &[]).await;
    house.dlq(&["purge", "email", "--archive", &hash, "--yes", "--because", "old"]).await.expect(Exit::Done);
    // Somebody began, and her process died.
    let store = house.store();
    let target = format!("email-dlq: 3 letters to be put back, archive {hash}");
    let (who, action, because) = ("ada".into(), "restore".into(), String::new());
    store.audit().append(&AuditNote { who, action, event: None, target, because }).await.unwrap();
    store.shutdown().await;
    let restore = ["restore", "kept.jsonl.zst", "--yes"];
    let refused = house.dlq(&restore).await.expect(Exit::Refused);
    assert!(refused.err.contains("perhaps") && refused.err.contains("by ada"), "{refused:?}");
    assert_eq!(house.letters("email-dlq").await, []);

    // It was from here.
    let steps = [
        Step::Begun { by: "ada".into() },
        Step::Intent { n: vec![0] },
        Step::Sent { n: vec![0], ids: vec!["x".into()] },
    ];
    let journal = FileJournal::open(&journal(&house), 0).unwrap();
    for step in steps {
        journal.write(Line { at: house.clock.now(), step }).await.unwrap();
    }
    drop(journal);
    let on = house.dlq(&restore).await.expect(Exit::Done);
    assert_eq!(on.out, "2 letters put into `email-dlq`\n");
    let again = house.dlq(&restore).await.expect(Exit::NothingMatched);
    assert!(again.err.contains("all of them were put back before"), "{again:?}");
}

/// The journal of the only restore.
fn journal(house: &House) -> std::path::PathBuf {
    let mut restores = fs::read_dir(house.path("dlq/restores")).unwrap();
    restores.next().unwrap().unwrap().path().join("journal.ndjson")
}

#[tokio::test]
async fn what_is_put_back_again_and_breaks_off_is_gone_on_with_and_not_begun_once_more() {
    let house = House::with(3).await;
    let hash = archived(&house, &[]).await;
    house.dlq(&["purge", "email", "--archive", &hash, "--yes", "--because", "old"]).await.expect(Exit::Done);
    let restore = ["restore", "kept.jsonl.zst", "--yes"];
    house.dlq(&restore).await.expect(Exit::Done);
    let again = [&restore[..], &["--again"]].concat();
    house.dlq(&again).await.expect(Exit::Done);
    house.dlq(&again).await.expect(Exit::Done);
    assert_eq!(house.letters("email-dlq").await.len(), 9, "each that has ended is followed by a new one");

    // The third one breaks off: of its letters it has sent one, and perhaps another.
    house.clock.sleep(Duration::from_secs(60)).await;
    let path = journal(&house);
    let before = fs::read_to_string(&path).unwrap();
    house.dlq(&again).await.expect(Exit::Done);
    let added = fs::read_to_string(&path).unwrap().split_off(before.len());
    let steps: Vec<serde_json::Value> = added.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        steps.iter().map(|step| &step["step"]).collect::<Vec<_>>(),
        ["anew", "begun", "intent", "sent", "finished"]
    );
    let mut torn: Vec<_> = added.lines().take(3).map(str::to_owned).collect();
    torn.push(json!({ "at": steps[3]["at"], "step": "sent", "n": [0], "ids": ["x"] }).to_string());
    torn.push(json!({ "at": steps[3]["at"], "step": "unsent", "n": [2] }).to_string());
    fs::write(&path, before + &torn.join("\n") + "\n").unwrap();
    assert_eq!(house.letters("email-dlq").await.len(), 12);

    let dry = house.dlq(&["restore", "kept.jsonl.zst", "--again"]).await.expect(Exit::Done);
    assert!(dry.out.starts_with("2 letters would be put"), "{dry:?}");
    let on = house.dlq(&again).await.expect(Exit::Done);
    assert!(on.err.contains("this goes on with it") && on.err.contains("they may be there twice"), "{on:?}");
    assert_eq!(on.out, "2 letters put into `email-dlq`\n");
    assert_eq!(house.letters("email-dlq").await.len(), 14);
    let anew = fs::read_to_string(&path).unwrap().matches("\"anew\"").count();
    assert_eq!(anew, 3, "nothing more was begun anew");
    // It has ended now.
    house.dlq(&again).await.expect(Exit::Done);
    assert_eq!(house.letters("email-dlq").await.len(), 17);
}

#[tokio::test]
async fn what_was_put_back_again_from_here_is_not_taken_for_somebody_elses() {
    let house = House::with(3).await;
    let hash = archived(&house, &[]).await;
    house.dlq(&["purge", "email", "--archive", &hash, "--yes", "--because", "old"]).await.expect(Exit::Done);
    let restore = ["restore", "kept.jsonl.zst", "--yes"];
    house.dlq(&restore).await.expect(Exit::Done);
    house.dlq(&[&restore[..], &["--again"]].concat()).await.expect(Exit::Done);
    let told = house.dlq(&restore).await.expect(Exit::NothingMatched);
    assert!(told.err.contains("all of them were put back before"), "{told:?}");
}

#[tokio::test]
async fn what_was_put_back_in_one_deployment_says_nothing_of_another_with_the_same_work_folder() {
    let first = House::with(3).await;
    archived(&first, &[]).await;
    let (kept, work) = (first.path("kept.jsonl.zst"), first.path("dlq"));
    let restore = ["--work", work.to_str().unwrap(), "restore", kept.to_str().unwrap(), "--yes"];
    for _ in 0..2 {
        let house = House::with(0).await;
        for expected in [Exit::Done, Exit::NothingMatched] {
            house.dlq(&restore).await.expect(expected);
            assert_eq!(house.letters("email-dlq").await.len(), 3);
        }
    }
}

#[tokio::test]
async fn of_what_is_in_the_queue_as_another_letter_no_second_one_is_put_back() {
    let house = House::with(3).await;
    let hash = archived(&house, &[]).await;
    house.dlq(&["purge", "email", "--archive", &hash, "--yes", "--because", "old"]).await.expect(Exit::Done);
    // It came back to its consumer from elsewhere, and failed again.
    house.fail("email", vec![super::envelope(1)]).await;
    let back = ["restore", "kept.jsonl.zst", "--yes", "--output", "json"];
    let back = house.dlq(&back).await.expect(Exit::Done).json();
    assert_eq!((&back["still_there"], &back["moved"]["sent"]), (&1.into(), &2.into()));
    assert_eq!(house.letters("email-dlq").await.len(), 3);
}

#[tokio::test]
async fn letters_that_were_archived_with_an_edit_are_not_put_back_without_it_unless_that_is_said() {
    let house = House::with(2).await;
    let one = event_id(1).to_string();
    house.dlq(&["edit", "email", "--set", "data.assigned_by=heidi", "--id", &one, "--yes"]).await.expect(Exit::Done);
    let hash = archived(&house, &[]).await;
    house.dlq(&["purge", "email", "--archive", &hash, "--yes", "--because", "old"]).await.expect(Exit::Done);
    let refused = house.dlq(&["restore", "kept.jsonl.zst", "--yes"]).await.expect(Exit::Refused);
    assert!(refused.err.contains("1 of them are edited"), "{refused:?}");
    let restores = fs::read_dir(house.path("dlq/restores")).unwrap().map(|entry| entry.unwrap().path());
    assert!(
        restores.into_iter().all(|folder| !folder.join("letters.db").exists()),
        "what letters say doesn't lie about"
    );
    assert_eq!(house.letters("email-dlq").await, []);
    house.dlq(&["restore", "kept.jsonl.zst", "--yes", "--without-edits"]).await.expect(Exit::Done);
    assert_eq!(house.letters("email-dlq").await.len(), 2);
}

#[tokio::test]
async fn a_purge_says_why() {
    let house = House::with(1).await;
    let hash = archived(&house, &[]).await;
    for because in ["", "  "] {
        house.dlq(&["purge", "email", "--archive", &hash, "--yes", "--because", because]).await.expect(Exit::Usage);
    }
    assert_eq!(house.letters("email-dlq").await.len(), 1);
}

/// Lets an event fail whose body stands elsewhere. Gives the file that it stands in.
async fn large(house: &House, n: usize) -> std::path::PathBuf {
    let body = envelope(n);
    let (store, key) = (house.store(), format!("2026/{}", event_id(n)).parse().unwrap());
    store.blobs().put(&key, body.clone().into()).await.unwrap();
    let pointer = Pointer { bucket: store.blobs().bucket().to_owned(), key }.to_body();
    store.shutdown().await;
    house.fail_with("email", vec![pointer], &[(EXTENDED_SIZE_ATTRIBUTE, &body.len().to_string())]).await;
    house.path(&format!("blobs/2026~/{}", event_id(n)))
}

/// What a plan over new looks says that would become of each letter.
async fn forecasts(house: &House) -> Vec<String> {
    let _ = fs::remove_file(house.path("it.plan"));
    house.dlq(&["plan", "email", "--fresh", "--out", "it.plan"]).await.expect(Exit::Done);
    let plan = fs::read_to_string(house.path("it.plan")).unwrap();
    let entries = plan.lines().skip(1).map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut found: Vec<_> = entries.map(|entry| entry["forecast"].as_str().unwrap().to_owned()).collect();
    found.sort();
    found
}

#[tokio::test]
async fn a_large_body_that_was_forgotten_meanwhile_comes_back_with_its_letter() {
    let house = House::with(1).await;
    let (gone, there) = (large(&house, 1).await, large(&house, 2).await);
    let (body, before) = (fs::read(&gone).unwrap(), house.letters("email-dlq").await);
    let hash = archived(&house, &[]).await;
    house.dlq(&["purge", "email", "--archive", &hash, "--yes", "--because", "old"]).await.expect(Exit::Done);
    fs::remove_file(&gone).unwrap();
    fs::write(&there, "as it is now").unwrap();

    let back = house.dlq(&["restore", "kept.jsonl.zst", "--yes", "--output", "json"]).await.expect(Exit::Done).json();
    assert_eq!(
        (&back["moved"]["sent"], &back["bodies"]["put_back"], &back["bodies"]["gone"]),
        (&3.into(), &1.into(), &0.into())
    );
    assert_eq!(essences(&house.letters("email-dlq").await), essences(&before));
    assert_eq!((fs::read(&gone).unwrap(), fs::read(&there).unwrap()), (body, b"as it is now".to_vec()));
    assert!(is_private(&gone));
    assert_eq!(forecasts(&house).await, ["run", "run", "unreadable"]);
    fs::remove_file(&gone).unwrap();
    let again = house.dlq(&["restore", "kept.jsonl.zst", "--yes"]).await.expect(Exit::NothingMatched);
    assert!(!gone.exists() && !again.err.contains("large body"), "what isn't put back needs no body: {again:?}");
    let again = house.dlq(&["restore", "kept.jsonl.zst", "--yes", "--again"]).await.expect(Exit::Done);
    assert!(gone.exists() && again.err.contains("1 have a large body that wasn't there any more"), "{again:?}");
}

#[tokio::test]
async fn what_was_archived_without_its_large_body_is_told_and_not_purged_unless_that_is_said() {
    let house = House::with(1).await;
    fs::remove_file(large(&house, 1).await).unwrap();
    let told = house.dlq(&["archive", "email", "--to", "told.jsonl.zst"]).await.expect(Exit::Done);
    assert!(told.err.contains("1 of them are without their large body"), "{told:?}");
    let archive = ["archive", "email", "--to", "kept.jsonl.zst", "--output", "json"];
    let told = house.dlq(&archive).await.expect(Exit::Done).json();
    assert_eq!(told["without_body"], 1);

    let hash = told["hash"].as_str().unwrap();
    let purge = ["purge", "email", "--archive", hash, "--because", "old"];
    let dry = house.dlq(&purge).await.expect(Exit::Done);
    assert_eq!(dry.out, "1 letter would be deleted, 1 stay\n");
    let purged = house.dlq(&[&purge[..], &["--yes"]].concat()).await.expect(Exit::Partly);
    assert!(purged.err.contains("1 in the archive without their large body, and stay"), "{purged:?}");
    assert_eq!(house.letters("email-dlq").await.len(), 1);
    let none = house.dlq(&[&purge[..], &["--yes"]].concat()).await.expect(Exit::NothingMatched);
    assert!(none.err.contains("--also-without-body"), "{none:?}");
    house.dlq(&[&purge[..4], &["--also-without-body"]].concat()).await.expect(Exit::Usage);
    house.dlq(&[&purge[..], &["--yes", "--also-without-body"]].concat()).await.expect(Exit::Done);
    assert_eq!(house.letters("email-dlq").await, []);

    let back = house.dlq(&["restore", "kept.jsonl.zst", "--yes"]).await.expect(Exit::Done);
    assert!(back.err.contains("1 have a large body that isn't there, and isn't in the archive"), "{back:?}");
}

#[tokio::test]
async fn nothing_is_put_back_when_its_large_body_can_not_be_and_it_can_be_tried_again() {
    let house = House::with(1).await;
    let body = large(&house, 1).await;
    let hash = archived(&house, &[]).await;
    house.dlq(&["purge", "email", "--archive", &hash, "--yes", "--because", "old"]).await.expect(Exit::Done);
    // A file stands where its folder was.
    let folder = body.parent().unwrap();
    fs::remove_dir_all(folder).unwrap();
    fs::write(folder, "").unwrap();
    let broken = house.dlq(&["restore", "kept.jsonl.zst", "--yes"]).await.expect(Exit::Unreachable);
    assert!(broken.err.contains("a large body can't be put back"), "{broken:?}");
    assert_eq!(house.letters("email-dlq").await, []);
    fs::remove_file(folder).unwrap();
    house.dlq(&["restore", "kept.jsonl.zst", "--yes"]).await.expect(Exit::Done);
    assert_eq!((house.letters("email-dlq").await.len(), body.exists()), (2, true));
}
