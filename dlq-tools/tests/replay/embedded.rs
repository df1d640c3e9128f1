//! Plan and run from the command line, over a data folder.

use std::{path::Path, sync::Arc, time::Duration};

use sendoff_dlq_tools::{
    plan::Plan,
    run::{
        control::{Wanted, want},
        folder::RunFolder,
        journal::{FileJournal, Journal as _, Line, Step},
    },
};
use sendoff_events::Timestamp;
use sendoff_host::Exit;

use super::{House, planned};

/// The run of a plan, of which another process has written down these steps.
pub(super) async fn begun(house: &House, plan: &str, steps: impl IntoIterator<Item = Step>) -> RunFolder {
    let plan = Plan::open(Path::new(plan)).unwrap();
    let folder = RunFolder::of(&house.folder.path().join("dlq"), &plan).unwrap();
    let journal = FileJournal::open(&folder.journal(), 0).unwrap();
    for step in steps {
        journal.write(Line { at: Timestamp::UNIX_EPOCH, step }).await.unwrap();
    }
    folder
}

#[tokio::test]
async fn a_plan_is_carried_out_exactly_and_the_letters_wait_in_their_queue_again() {
    let house = House::with(25).await;
    let (plan, hash) = planned(&house, &["--canary", "1,10", "--watch", "0s"]).await;
    let entries = Plan::open(Path::new(&plan)).unwrap();
    assert!(entries.entries().all(|entry| entry.unwrap().as_it_stands), "nobody has to look into these again");
    let looked = house.dlq(&["run", &plan]).await.expect(Exit::Done);
    assert!(looked.err.contains("nothing was done"), "{looked:?}");
    assert_eq!(house.letters().await, 25);
    let ran = house.dlq(&["run", &plan, "--apply", &hash[..8], "--output", "json"]).await.expect(Exit::Done);
    assert_eq!(ran.json()["moved"], 25, "{ran:?}");
    assert_eq!(house.letters().await, 0);
    let store = house.store();
    let deliveries = house.receive(&store).await;
    store.shutdown().await;
    assert_eq!(deliveries.len(), 25);
    for delivery in deliveries {
        assert_eq!(delivery.attributes["replay"], "1");
        assert_eq!(delivery.attributes["tenant"], "acme");
        assert!(!delivery.attributes.contains_key("failure"));
    }
    assert_eq!(house.audit().await, ["replay", "replay-ended"]);
    let runs = house.dlq(&["runs", "--output", "json"]).await.expect(Exit::Done).json();
    assert_eq!(runs[0]["state"], "finished");
}

#[tokio::test]
async fn a_run_says_how_far_it_came_also_when_that_cannot_be_kept() {
    let house = House::with(3).await;
    let (plan, hash) = planned(&house, &["--canary", "0", "--watch", "0s"]).await;
    let run = begun(&house, &plan, []).await;
    // As on a disk that is full: nothing can take its place.
    std::fs::create_dir_all(run.path().join("report.json/in-the-way")).unwrap();
    let ran = house.dlq(&["run", &plan, "--apply", &hash]).await.expect(Exit::Failed);
    assert!(ran.out.contains("moved    3"), "{ran:?}");
    assert!(ran.err.contains(&run.path().display().to_string()), "{ran:?}");
    assert_eq!((house.letters().await, house.audit().await.len()), (0, 2));
}

#[tokio::test]
async fn only_the_hash_of_exactly_this_plan_carries_it_out() {
    let house = House::with(2).await;
    let (plan, hash) = planned(&house, &[]).await;
    for wrong in ["00000000", &hash[..7], "", &format!("{hash}0")] {
        let refused = house.dlq(&["run", &plan, "--apply", wrong]).await.expect(Exit::Refused);
        assert!(refused.err.contains(&hash), "{refused:?}");
    }
    let text = std::fs::read_to_string(&plan).unwrap().replace("\"rate\":100", "\"rate\":900");
    std::fs::write(&plan, text).unwrap();
    let refused = house.dlq(&["run", &plan, "--apply", &hash]).await.expect(Exit::Refused);
    assert!(refused.err.contains("was changed"), "{refused:?}");
    assert_eq!(house.letters().await, 2);
}

#[tokio::test]
async fn a_plan_that_needs_it_waits_for_the_approval_of_somebody_else() {
    let mut house = House::with(2).await;
    house.variables.insert("SENDOFF_DLQ_APPROVAL".into(), "required".into());
    let (plan, hash) = planned(&house, &["--watch", "0s"]).await;
    let refused = house.dlq(&["run", &plan, "--apply", &hash]).await.expect(Exit::Refused);
    assert!(refused.err.contains("dlq approve"), "{refused:?}");
    house.dlq(&["approve", &plan, &hash[..12]]).await.expect(Exit::Refused);
    house.dlq(&["approve", &plan, "0123456789", "--by", "ada"]).await.expect(Exit::Refused);
    house.dlq(&["approve", &plan, &hash[..12], "--by", "ada"]).await.expect(Exit::Done);
    // Who approved one plan has not approved another one of the same letters.
    let (other, other_hash) = planned(&house, &["--watch", "2s", "--out", "other.plan"]).await;
    house.dlq(&["run", &other, "--apply", &other_hash]).await.expect(Exit::Refused);
    let beside = |plan: &str| house.folder.path().join(format!("{plan}.approvals"));
    std::fs::copy(beside(&plan), beside("other.plan")).unwrap();
    house.dlq(&["run", &other, "--apply", &other_hash]).await.expect(Exit::Refused);
    house.dlq(&["run", &plan, "--apply", &hash]).await.expect(Exit::Done);
    assert_eq!(house.audit().await, ["approve", "replay", "replay-ended"]);
}

#[tokio::test]
async fn nobody_approves_their_own_plan_under_a_name_that_only_looks_like_another() {
    let mut house = House::with(1).await;
    house.variables.insert("SENDOFF_DLQ_APPROVAL".into(), "required".into());
    let (plan, hash) = planned(&house, &["--watch", "0s"]).await;
    for own in ["grace ", "Grace", "gra\u{200b}ce", "\u{2060}GRACE\u{a0}"] {
        let refused = house.dlq(&["approve", &plan, &hash, "--by", own]).await.expect(Exit::Refused);
        assert!(refused.err.contains("made this plan"), "{own:?}: {refused:?}");
    }
    house.dlq(&["run", &plan, "--apply", &hash]).await.expect(Exit::Refused);
    house.dlq(&["approve", &plan, &hash, "--by", " ada "]).await.expect(Exit::Done);
    let store = house.store();
    assert_eq!(store.audit().entries(0, 9).await.unwrap()[0].note.who, "ada");
    store.shutdown().await;
    house.dlq(&["run", &plan, "--apply", &hash]).await.expect(Exit::Done);
}

#[tokio::test]
async fn a_plan_is_only_approved_where_it_is_carried_out() {
    let (house, other) = (House::with(1).await, House::with(1).await);
    let (plan, hash) = planned(&house, &[]).await;
    let plan = house.folder.path().join(plan);
    let refused = other.dlq(&["approve", plan.to_str().unwrap(), &hash, "--by", "ada"]).await.expect(Exit::Refused);
    assert!(refused.err.contains("--backend"), "{refused:?}");
    assert_eq!(other.audit().await, [""; 0]);
}

#[tokio::test]
async fn an_approval_that_somebody_put_into_the_audit_by_hand_is_none() {
    let mut house = House::with(1).await;
    house.variables.insert("SENDOFF_DLQ_APPROVAL".into(), "required".into());
    let (plan, hash) = planned(&house, &["--watch", "0s"]).await;
    let forge = async || {
        let store = house.store();
        let file = rusqlite::Connection::open(store.file()).unwrap();
        let add = "INSERT INTO audit (at, who, action, target, because) VALUES (1, 'ada', 'approve', ?1, '')";
        file.execute(add, [format!("plan {hash}")]).unwrap();
        store.shutdown().await;
    };
    forge().await;
    house.dlq(&["run", &plan, "--apply", &hash]).await.expect(Exit::Refused);
    let verified = house.dlq(&["audit", "--verify"]).await.expect(Exit::Done);
    assert!(verified.err.contains("The first 1 of them were written without a digest"), "{verified:?}");
    // Behind an entry of the chain it breaks it, and stays to be seen.
    house.dlq(&["approve", &plan, &hash, "--by", "ada"]).await.expect(Exit::Done);
    forge().await;
    let refused = house.dlq(&["run", &plan, "--apply", &hash]).await;
    assert!(refused.exit == Exit::Failed && refused.err.contains("entry 3: it has no digest"), "{refused:?}");
    house.dlq(&["approve", &plan, &hash, "--by", "joan"]).await.expect(Exit::Done);
    let verified = house.dlq(&["audit", "--verify"]).await.expect(Exit::Failed);
    assert!(verified.err.contains("broken at entry 3: it has no digest"), "{verified:?}");
    assert_eq!(house.letters().await, 1);
}

#[tokio::test]
async fn an_approval_never_stands_in_the_plan_that_it_is_of() {
    let house = House::with(1).await;
    let path = house.folder.path().join("mails.approvals");
    let named = path.to_str().unwrap();
    let refused = house.dlq(&["plan", "email", "--out", named]).await.expect(Exit::Usage);
    assert!(refused.err.contains("name another"), "{refused:?}");
    // One of that name may have been made before, or been moved there.
    let (plan, hash) = planned(&house, &["--watch", "0s"]).await;
    std::fs::rename(house.folder.path().join(&plan), &path).unwrap();
    house.dlq(&["approve", named, &hash, "--by", "ada"]).await.expect(Exit::Done);
    assert_eq!(Plan::open(&path).unwrap().hash(), hash);
    assert!(house.folder.path().join("mails.approvals.approvals").is_file());
    house.dlq(&["run", named, "--apply", &hash]).await.expect(Exit::Done);
}

#[tokio::test]
async fn who_somebody_is_has_no_control_character_in_it() {
    let house = House::with(1).await;
    for by in ["a\nb", "a\u{202e}b"] {
        let refused = house.dlq(&["plan", "email", "--by", by]).await.expect(Exit::Usage);
        assert!(refused.err.contains("control character"), "{refused:?}");
    }
    assert!(house.dlq(&["plan", "email", "--by", " "]).await.expect(Exit::Usage).err.contains("who are you?"));
}

#[tokio::test]
async fn runs_that_are_damaged_are_listed_among_the_others() {
    let house = House::with(3).await;
    let mut folders = Vec::new();
    for rate in ["1", "2", "3"] {
        let (plan, _) = planned(&house, &["--rate", rate, "--watch", "0s"]).await;
        folders.push(begun(&house, &plan, [Step::Begun { by: "ada".into() }]).await);
    }
    let states = async || {
        let runs = house.dlq(&["runs", "--output", "json"]).await;
        let state = |folder: &RunFolder| {
            let runs = runs.json();
            runs.as_array().unwrap().iter().find(|run| run["run"] == folder.name()).unwrap()["state"].clone()
        };
        (runs.exit, folders.iter().map(state).collect::<Vec<_>>())
    };
    assert_eq!(states().await, (Exit::Done, vec!["broken-off".into(); 3]));
    std::fs::write(folders[0].journal(), "broken\n{}\n").unwrap();
    std::fs::remove_file(folders[1].plan()).unwrap();
    assert_eq!(states().await, (Exit::Partly, vec!["damaged".into(), "damaged".into(), "broken-off".into()]));
    let told = house.dlq(&["runs"]).await.expect(Exit::Partly);
    assert_eq!((told.out.lines().count(), told.out.matches(" damaged ").count()), (4, 2), "{told:?}");
    assert!(told.err.contains("is gone, the plan of run"), "{told:?}");
    let refused = house.dlq(&["resume", &folders[1].name()]).await.expect(Exit::Refused);
    assert!(refused.err.contains("put it back"), "{refused:?}");
}

#[tokio::test]
async fn a_letter_that_was_moved_since_is_gone_and_the_others_are_sent() {
    let house = House::with(6).await;
    let (all, all_hash) = planned(&house, &["--watch", "0s"]).await;
    let (one, one_hash) =
        planned(&house, &["--watch", "0s", "--id", &super::event_id(3).to_string(), "--out", "one.plan"]).await;
    house.dlq(&["run", &one, "--apply", &one_hash]).await.expect(Exit::Done);
    let ran = house.dlq(&["run", &all, "--apply", &all_hash, "--output", "json"]).await.expect(Exit::Partly).json();
    assert_eq!((&ran["moved"], &ran["gone"]), (&5.into(), &1.into()));
    let store = house.store();
    assert_eq!(house.receive(&store).await.len(), 6);
    store.shutdown().await;
}

#[tokio::test]
async fn a_plan_acts_on_exactly_the_letters_of_its_selection() {
    let house = House::with(9).await;
    let condition = "data.app_id == \"app-2\" || data.app_id == \"app-7\"";
    let shown = house
        .dlq(&["plan", "email", "--where", condition, "--watch", "0s", "--output", "json"])
        .await
        .expect(Exit::Done)
        .json();
    assert_eq!(shown["head"]["send"], 2);
    assert_eq!(shown["head"]["selection"][0], format!("--where {condition}"));
    let (plan, hash) = (shown["plan"].as_str().unwrap(), shown["hash"].as_str().unwrap());
    house.dlq(&["run", plan, "--apply", hash]).await.expect(Exit::Done);
    let store = house.store();
    let mut apps: Vec<String> = house
        .receive(&store)
        .await
        .iter()
        .map(|delivery| {
            serde_json::from_slice::<serde_json::Value>(&delivery.body).unwrap()["data"]["app_id"].to_string()
        })
        .collect();
    store.shutdown().await;
    apps.sort();
    assert_eq!(apps, ["\"app-2\"", "\"app-7\""]);
    assert_eq!(house.letters().await, 7);
    house.dlq(&["plan", "email", "--tenant", "nobody"]).await.expect(Exit::NothingMatched);
}

#[tokio::test]
async fn what_is_in_doubt_or_done_is_not_to_be_included() {
    let house = House::with(1).await;
    for (flag, says) in [("in-doubt", "sendoff doubt resolve"), ("done", "--force-rerun"), ("unsendable", "dlq show")] {
        let refused = house.dlq(&["plan", "email", "--include", flag]).await.expect(Exit::Refused);
        assert!(refused.err.contains(says), "{refused:?}");
    }
    house.dlq(&["plan", "email", "--force-rerun"]).await.expect(Exit::Usage);
}

#[tokio::test]
async fn an_aborted_run_stays_so_and_what_was_finished_is_not_begun_again() {
    let house = House::with(3).await;
    let (plan, hash) = planned(&house, &["--watch", "0s"]).await;
    house.dlq(&["run", &plan, "--apply", &hash]).await.expect(Exit::Done);
    let again = house.dlq(&["run", &plan, "--apply", &hash, "--output", "json"]).await.expect(Exit::Done).json();
    assert_eq!(again["moved"], 3);
    let again = house.dlq(&["run", &plan, "--apply", &hash]).await.expect(Exit::Done);
    assert!(again.err.contains("was finished at") && again.err.contains("nothing was done"), "{again:?}");
    assert_eq!(house.audit().await, ["replay", "replay-ended"], "what did nothing isn't audited");
    let looked = house.dlq(&["run", &plan]).await.expect(Exit::Done);
    assert!(looked.err.contains("is finished: 3 of 3 moved"), "{looked:?}");
    for more in [&["--yes"][..], &[]] {
        let refused = house.dlq(&[&["abort", &hash[..6]], more].concat()).await.expect(Exit::NothingMatched);
        assert!(refused.err.contains("is over already"), "{refused:?}");
    }
    let refused = house.dlq(&["pause", "nope"]).await.expect(Exit::NothingMatched);
    assert!(refused.err.contains("there is no run `nope`"), "{refused:?}");
    house.dlq(&["pause", &hash[..6]]).await.expect(Exit::NothingMatched);
    house.dlq(&["resume", "ffffffff"]).await.expect(Exit::NothingMatched);
    let store = house.store();
    assert_eq!(house.receive(&store).await.len(), 3, "each was sent once");
    store.shutdown().await;
}

#[tokio::test]
async fn a_run_that_was_aborted_deletes_what_it_had_sent_and_does_nothing_more() {
    let house = House::with(3).await;
    let (plan, hash) = planned(&house, &["--watch", "0s"]).await;
    let by = || "ada".to_owned();
    let steps = [
        Step::Begun { by: by() },
        Step::Intent { n: vec![0] },
        Step::Sent { n: vec![0], ids: vec!["copy".into()] },
        Step::Aborted { by: by() },
    ];
    begun(&house, &plan, steps).await;
    let ran = house.dlq(&["resume", &hash, "--output", "json"]).await.expect(Exit::Partly).json();
    assert_eq!((&ran["ended"], &ran["moved"], &ran["waiting"]), (&"aborted".into(), &1.into(), &2.into()));
    assert_eq!(house.letters().await, 2);
    let store = house.store();
    assert!(house.receive(&store).await.is_empty(), "nothing was sent");
    store.shutdown().await;
    house.dlq(&["resume", &hash]).await.expect(Exit::Refused);
}

#[tokio::test]
async fn a_run_that_was_aborted_stays_so_whatever_ends_the_process_that_deletes_what_it_had_sent() {
    let by = || "ada".to_owned();
    let why = || "its process was asked to end".to_owned();
    for then in [vec![], vec![Step::Paused { why: why() }]] {
        let house = House::with(3).await;
        let (plan, hash) = planned(&house, &["--watch", "0s"]).await;
        let steps = [
            Step::Begun { by: by() },
            Step::Intent { n: vec![0] },
            Step::Sent { n: vec![0], ids: vec!["copy".into()] },
            Step::Aborted { by: by() },
            Step::Begun { by: "grace".into() },
        ];
        begun(&house, &plan, steps.into_iter().chain(then)).await;
        let runs = house.dlq(&["runs", "--output", "json"]).await.expect(Exit::Done).json();
        assert_eq!(runs[0]["state"], "aborted");
        let ran = house.dlq(&["resume", &hash, "--output", "json"]).await.expect(Exit::Partly).json();
        assert_eq!((&ran["ended"], &ran["moved"], &ran["waiting"]), (&"aborted".into(), &1.into(), &2.into()));
        let store = house.store();
        assert!(house.receive(&store).await.is_empty(), "nothing was sent");
        store.shutdown().await;
        house.dlq(&["resume", &hash]).await.expect(Exit::Refused);
        house.dlq(&["abort", &hash, "--yes"]).await.expect(Exit::NothingMatched);
    }
}

#[tokio::test]
async fn an_aborted_run_says_so_also_when_it_is_left_before_all_that_was_sent_is_deleted() {
    let house = Arc::new(House::with(3).await);
    let (plan, hash) = planned(&house, &["--watch", "0s"]).await;
    let by = || "ada".to_owned();
    let steps = [
        Step::Begun { by: by() },
        Step::Intent { n: vec![0] },
        Step::Sent { n: vec![0], ids: vec!["copy".into()] },
        Step::Aborted { by: by() },
    ];
    let folder = begun(&house, &plan, steps).await;
    // Somebody else holds it, so the run waits, and its process is asked to end meanwhile.
    let store = house.store();
    let held = store.dead_letter_queues().take("email-dlq", 3, Duration::from_secs(600)).await.unwrap();
    assert_eq!(held.len(), 3);
    store.shutdown().await;
    house.at(3, async move |_: &House| want(folder.path(), &Wanted::Leave).unwrap());
    let ran = house.dlq(&["resume", &hash]).await.expect(Exit::Partly);
    assert!(ran.err.contains("it stopped: its process was asked to end"), "{ran:?}");
    assert!(ran.err.contains("deletes what it has sent, and does nothing more"), "{ran:?}");
}

#[tokio::test]
async fn how_a_run_went_is_its_exit_code_also_when_nobody_reads_the_report() {
    let house = House::with(2).await;
    let (plan, hash) = planned(&house, &["--watch", "0s"]).await;
    let by = || "ada".to_owned();
    begun(
        &house,
        &plan,
        [
            Step::Begun { by: by() },
            Step::Aborted { by: by() },
            Step::Intent { n: vec![0] },
            Step::Sent { n: vec![0], ids: vec![] },
        ],
    )
    .await;
    let ran = house.dlq_until(&["resume", &hash], Some(0)).await.expect(Exit::Partly);
    assert!(ran.err.contains("the run was aborted"), "{ran:?}");
}

#[tokio::test]
async fn whoever_wanted_the_end_of_a_run_whose_process_died_gets_it() {
    let house = House::with(3).await;
    let (plan, hash) = planned(&house, &["--watch", "0s"]).await;
    let folder = begun(&house, &plan, [Step::Begun { by: "ada".into() }]).await;
    want(folder.path(), &Wanted::Abort { by: "ada".into() }).unwrap();
    let ran = house.dlq(&["run", &plan, "--apply", &hash, "--output", "json"]).await.expect(Exit::Partly).json();
    assert_eq!((&ran["ended"], &ran["moved"]), (&"aborted".into(), &0.into()));
    assert_eq!(house.letters().await, 3);
}

#[tokio::test]
async fn a_run_whose_copy_of_the_plan_is_another_plan_is_refused() {
    let house = House::with(2).await;
    let (plan, hash) = planned(&house, &["--watch", "0s"]).await;
    let (other, _) = planned(&house, &["--watch", "0s", "--rate", "7", "--out", "other.plan"]).await;
    let folder = begun(&house, &plan, []).await;
    std::fs::copy(&other, folder.plan()).unwrap();
    for call in [&["run", &plan, "--apply", &hash][..], &["resume", &hash]] {
        let refused = house.dlq(call).await;
        assert!(refused.err.contains("another plan") || refused.err.contains("not that of this run"), "{refused:?}");
    }
    assert_eq!(house.letters().await, 2);
}
