use sendoff_consumers::Status;
use sendoff_host::Exit;

use super::{House, essences, event_id};

#[tokio::test]
async fn letters_are_put_aside_as_they_are_and_all_others_stay() {
    let house = House::with(5).await;
    let before = house.letters("email-dlq").await;
    let (one, three) = (event_id(1).to_string(), event_id(3).to_string());
    let call = ["quarantine", "email", "--because", "the template is broken", "--id", &one, "--id", &three];
    let dry = house.dlq(&call).await.expect(Exit::Done);
    assert_eq!(dry.out, "2 letters of `email-dlq` would be moved to `email-quarantine`\n");
    assert_eq!(house.letters("email-dlq").await.len(), 5);
    assert_eq!(house.audit().await, [""; 0]);

    let done = house.dlq(&[&call[..], &["--yes"]].concat()).await.expect(Exit::Done);
    assert_eq!(done.out, "2 of 2 letters are in `email-quarantine`\n");
    let (aside, stay) = (house.letters("email-quarantine").await, house.letters("email-dlq").await);
    assert_eq!((aside.len(), stay.len()), (2, 3));
    assert_eq!(essences(&[aside, stay].concat()), essences(&before));
    assert_eq!(house.audit().await, ["quarantine", "quarantine-done"]);
    // It is a dead-letter queue like any other: what is in it can be archived, and put aside once more.
    house.dlq(&["archive", "email-quarantine", "--to", "aside.jsonl.zst"]).await.expect(Exit::Done);
}

#[tokio::test]
async fn a_quarantine_needs_a_reason_and_a_name_that_nobody_handles() {
    let house = House::with(1).await;
    house.dlq(&["quarantine", "email", "--yes"]).await.expect(Exit::Usage);
    for name in ["email", "email-dlq", "-quarantine", "a/b-quarantine", "\u{1b}[2J-quarantine"] {
        let wrong =
            house.dlq(&["quarantine", "email", "--because", "x", "--to", name, "--yes"]).await.expect(Exit::Usage);
        assert!(!wrong.err.contains('\u{1b}'));
    }
    house.dlq(&["quarantine", "email", "--because", "x", "--type", "none", "--yes"]).await.expect(Exit::NothingMatched);
    house.dlq(&["quarantine", "email", "--resume", "--yes"]).await.expect(Exit::NothingMatched);
    assert_eq!(house.letters("email-dlq").await.len(), 1);
}

#[tokio::test]
async fn letters_that_have_gone_since_the_snapshot_are_told() {
    let house = House::with(2).await;
    house.dlq(&["archive", "email", "--to", "a.jsonl.zst"]).await.expect(Exit::Done);
    let taken = std::fs::read_dir(house.path("dlq/snapshots")).unwrap().next().unwrap().unwrap().path();
    house.dlq(&["quarantine", "email", "--because", "x", "--yes"]).await.expect(Exit::Done);
    let taken = taken.to_str().unwrap();
    let call = ["quarantine", "email", "--snapshot", taken, "--because", "x", "--yes"];
    // Also to somebody who reads nothing of it.
    let again = house.dlq_until(&call, Some(0)).await.expect(Exit::Partly);
    assert!(again.err.contains("2 aren't in the queue any more"), "{again:?}");
    assert_eq!(house.letters("email-quarantine").await.len(), 2);
}

#[tokio::test]
async fn what_is_in_quarantine_can_be_planned_back_to_its_consumer() {
    let house = House::with(2).await;
    house.dlq(&["quarantine", "email", "--because", "x", "--yes"]).await.expect(Exit::Done);
    house.dlq(&["plan", "email-quarantine", "--out", "it.plan"]).await.expect(Exit::Done);
    let plan = std::fs::read_to_string(house.path("it.plan")).unwrap();
    let lines: Vec<serde_json::Value> = plan.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3);
    assert!(lines[1..].iter().all(|entry| entry["action"] == "send" && entry["consumer"] == "email"), "{lines:?}");
}

#[tokio::test]
async fn letters_that_are_edited_are_not_put_aside_without_their_edits_unless_that_is_said() {
    let house = House::with(3).await;
    let one = event_id(1).to_string();
    house.dlq(&["edit", "email", "--set", "data.assigned_by=heidi", "--id", &one, "--yes"]).await.expect(Exit::Done);
    let call = ["quarantine", "email", "--because", "x"];
    for yes in [&[][..], &["--yes"]] {
        let refused = house.dlq(&[&call[..], yes].concat()).await.expect(Exit::Refused);
        assert!(refused.err.contains("1 of them are edited") && refused.err.contains("--without-edits"), "{refused:?}");
    }
    assert_eq!(house.letters("email-dlq").await.len(), 3);
    house
        .dlq(&["quarantine", "email", "--because", "x", "--id", &event_id(0).to_string(), "--yes"])
        .await
        .expect(Exit::Done);
    house.dlq(&[&call[..], &["--without-edits", "--yes"]].concat()).await.expect(Exit::Partly);
    assert_eq!((house.letters("email-dlq").await.len(), house.letters("email-quarantine").await.len()), (0, 3));
}

#[tokio::test]
async fn letters_in_doubt_are_not_put_aside_unless_that_is_said() {
    let house = House::with(3).await;
    house.dlq(&["snap", "email"]).await.expect(Exit::Done);
    // It came to that after the snapshot was taken.
    house.record(1, Status::InDoubt).await;
    let call = ["quarantine", "email", "--because", "x"];
    for yes in [&[][..], &["--yes"]] {
        let refused = house.dlq(&[&call[..], yes].concat()).await.expect(Exit::Refused);
        assert!(refused.err.contains("1 of the 3 letters are in doubt"), "{refused:?}");
        assert!(refused.err.contains("`sendoff doubt`") && refused.err.contains("--also-in-doubt"), "{refused:?}");
    }
    assert_eq!(house.letters("email-dlq").await.len(), 3);
    assert_eq!(house.audit().await, [""; 0]);
    let others = ["--where", "ledger.status != \"in-doubt\"", "--yes"];
    let done = house.dlq(&[&call[..], &others].concat()).await.expect(Exit::Done);
    assert_eq!(done.out, "2 of 2 letters are in `email-quarantine`\n");
    house.dlq(&[&call[..], &["--also-in-doubt", "--yes"]].concat()).await.expect(Exit::Done);
    assert_eq!((house.letters("email-dlq").await.len(), house.letters("email-quarantine").await.len()), (0, 3));
}

#[tokio::test]
async fn nothing_is_left_of_a_quarantine_whose_queue_can_not_be_made() {
    let house = House::with(3).await;
    let file = rusqlite::Connection::open(house.path("sendoff.db")).unwrap();
    let refusal = "CREATE TRIGGER no_more BEFORE INSERT ON queues BEGIN SELECT RAISE(ABORT, 'no more queues'); END";
    file.execute_batch(refusal).unwrap();
    let call = ["quarantine", "email", "--because", "x", "--yes"];
    let refused = house.dlq(&call).await.expect(Exit::Unreachable);
    assert!(refused.err.contains("no more queues"), "{refused:?}");
    let left = || std::fs::read_dir(house.path("dlq/quarantines")).map_or(0, Iterator::count);
    assert_eq!((house.letters("email-dlq").await.len(), left()), (3, 0));
    assert_eq!(house.audit().await, [""; 0], "nothing had begun");

    // And of one that can't be written down.
    file.execute_batch("DROP TRIGGER no_more").unwrap();
    let refusal = "CREATE TRIGGER no_more BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no more entries'); END";
    file.execute_batch(refusal).unwrap();
    house.dlq(&call).await.expect(Exit::Unreachable);
    assert_eq!((house.letters("email-dlq").await.len(), left()), (3, 0), "no copy of a letter lies about");
    file.execute_batch("DROP TRIGGER no_more").unwrap();
    house.dlq(&[&call[..1], &["email", "--resume", "--yes"]].concat()).await.expect(Exit::NothingMatched);
    house.dlq(&call).await.expect(Exit::Done);
    assert_eq!(house.letters("email-quarantine").await.len(), 3);
}
