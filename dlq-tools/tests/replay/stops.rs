//! What stops a run: people, signals, what comes back, and a consumer that has too much to do.

use std::{
    future::{Future, poll_fn},
    path::Path,
    pin::pin,
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    thread,
    time::Duration,
};

use sendoff_consumers::{Filter, NewMessage};
use sendoff_dlq_tools::run::{
    control::{Wanted, want},
    folder::RunFolder,
};
use sendoff_events::Clock as _;
use sendoff_host::Exit;
use serde_json::Value;

use super::{House, consumer::Outside, event_id, planned};

const SLOWLY: [&str; 6] = ["--rate", "1", "--canary", "0", "--watch", "0s"];

/// Goes on with a future until it is killed.
async fn until_killed<T>(killed: Arc<AtomicBool>, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending if killed.load(Ordering::SeqCst) => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await
}

#[tokio::test]
async fn a_run_waits_while_it_is_paused_and_goes_on_when_it_is_resumed() {
    let house = Arc::new(House::with(20).await);
    let (plan, hash) = planned(&house, &SLOWLY).await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let call = |at, verb: &'static str, exit| {
        let hash = hash.clone();
        house.at(at, async move |house: &House| drop(house.dlq(&[verb, &hash]).await.expect(exit)));
    };
    call(3, "pause", Exit::Done);
    for at in [30, 60] {
        let seen = Arc::clone(&seen);
        house.at(at, async move |house: &House| {
            let runs = house.dlq(&["runs", "--output", "json"]).await.expect(Exit::Done).json();
            let report = &runs[0]["report"];
            let open = [&report["sent_not_deleted"], &report["ambiguous"]].map(|count| count.as_u64().unwrap());
            seen.lock().unwrap().push((runs[0]["state"].clone(), report["moved"].as_u64().unwrap(), open));
        });
    }
    call(61, "resume", Exit::Done);
    let ran = house.dlq(&["run", &plan, "--apply", &hash, "--output", "json"]).await.expect(Exit::Done).json();
    assert_eq!(ran["moved"], 20);
    let seen = seen.lock().unwrap();
    assert_eq!(seen[0], seen[1], "nothing happened meanwhile");
    let (state, moved, open) = &seen[0];
    assert_eq!((state, open), (&"paused".into(), &[0, 0]), "what was under way was finished");
    assert!(*moved < 20, "{moved}");
}

#[tokio::test]
async fn a_run_that_another_process_aborts_ends_with_what_is_under_way_finished() {
    let house = Arc::new(House::with(20).await);
    let (plan, hash) = planned(&house, &SLOWLY).await;
    let named = hash.clone();
    house.at(3, async move |house: &House| {
        house.dlq(&["abort", &named]).await.expect(Exit::Done);
        house.dlq(&["abort", &named, "--yes", "--because", "wrong queue"]).await.expect(Exit::Done);
    });
    let ran = house.dlq(&["run", &plan, "--apply", &hash, "--output", "json"]).await.expect(Exit::Partly).json();
    let moved = usize::try_from(ran["moved"].as_u64().unwrap()).unwrap();
    assert_eq!((&ran["ended"], &ran["sent_not_deleted"], &ran["ambiguous"]), (&"aborted".into(), &0.into(), &0.into()));
    assert!(moved < 20, "{ran}");
    assert_eq!(house.letters().await, 20 - moved);
    let refused = house.dlq(&["resume", &hash]).await.expect(Exit::Refused);
    assert!(refused.err.contains("make a new plan"), "{refused:?}");
    assert_eq!(house.audit().await, ["replay", "abort", "replay-ended"]);
}

/// Lets the clock be set back by an hour in the midst of a run, and this happen shortly afterwards.
async fn set_back(slowly: &[&str], then: impl FnOnce(&Path) + Send + 'static) -> (Value, i64) {
    let house = Arc::new(House::with(20).await);
    let (plan, hash) = planned(&house, slowly).await;
    let run = house.folder.path().join("dlq/runs").join(&hash[..16]);
    let begun = house.clock.now();
    let clock = Arc::clone(&house.clock);
    house.clock.at(3, move || {
        clock.set_back(3600);
        clock.at(2, move || then(&run));
    });
    let ran = house.dlq(&["run", &plan, "--apply", &hash, "--output", "json"]).await;
    (ran.json(), house.clock.now().duration_since(begun).as_secs() + 3600)
}

#[tokio::test]
async fn a_run_goes_on_and_is_stopped_as_ever_after_the_clock_was_set_back() {
    let (report, seconds) = set_back(&SLOWLY, |_| {}).await;
    assert_eq!(report["moved"], 20, "{report}");
    assert!((0..60).contains(&seconds), "it took {seconds} s");
    let abort = |run: &Path| want(run, &Wanted::Abort { by: "ada".into() }).unwrap();
    for rate in ["1", "2"] {
        let (report, seconds) = set_back(&["--rate", rate, "--canary", "0", "--watch", "0s"], abort).await;
        assert_eq!(report["ended"], "aborted", "{report}");
        assert!((0..60).contains(&seconds), "it took {seconds} s");
    }
    // Also while it watches: nobody serves the consumer.
    let (report, seconds) = set_back(&["--canary", "1", "--watch", "30s"], |_| {}).await;
    assert_eq!((&report["ended"], &report["moved"]), (&"paused".into(), &1.into()));
    assert!((0..90).contains(&seconds), "it took {seconds} s");
}

#[tokio::test]
async fn a_run_pauses_itself_when_too_much_of_what_it_sent_fails_again() {
    let house = Arc::new(House::with(12).await);
    let (plan, hash) = planned(&house, &["--canary", "2", "--watch", "60s"]).await;
    let outside = Outside::default();
    outside.broken.store(true, Ordering::SeqCst);
    let broken = outside.clone();
    house.at(10, async move |house: &House| house.consume_beside(&broken).await);
    let ran = house.dlq(&["run", &plan, "--apply", &hash, "--output", "json"]).await.expect(Exit::Partly);
    let report = ran.json();
    assert_eq!((&report["ended"], &report["moved"], &report["returned"]), (&"paused".into(), &2.into(), &2.into()));
    assert!(ran.err.contains("2 of the 2 letters that were watched have failed again"), "{ran:?}");
    assert_eq!(house.letters().await, 12, "the two are dead letters again");
    // Whoever goes on knows of them.
    outside.broken.store(false, Ordering::SeqCst);
    house.at(10, async move |house: &House| house.consume_beside(&outside).await);
    let report = house.dlq(&["resume", &hash, "--output", "json"]).await.expect(Exit::Partly).json();
    assert_eq!((&report["ended"], &report["moved"], &report["returned"]), (&"finished".into(), &12.into(), &2.into()));
    assert_eq!(report["watched"], 12);
    assert_eq!(house.letters().await, 2);
}

#[tokio::test]
async fn a_run_pauses_itself_when_nothing_of_a_canary_comes_to_an_end() {
    let house = Arc::new(House::with(4).await);
    let (plan, hash) = planned(&house, &["--canary", "1", "--watch", "30s"]).await;
    let ran = house.dlq(&["run", &plan, "--apply", &hash, "--output", "json"]).await.expect(Exit::Partly);
    let report = ran.json();
    assert_eq!((&report["ended"], &report["moved"], &report["done"]), (&"paused".into(), &1.into(), &0.into()));
    assert!(ran.err.contains("0 of 1 came to an end in 30 s: is `email` being served?"), "{ran:?}");
    assert_eq!(report["not_ended"], 1);
    assert_eq!(house.letters().await, 3);
    let outside = Outside::default();
    house.at(10, async move |house: &House| house.consume_beside(&outside).await);
    let ran = house.dlq(&["resume", &hash, "--output", "json"]).await.expect(Exit::Done);
    let report = ran.json();
    assert_eq!((&report["moved"], &report["done"], &report["not_ended"]), (&4.into(), &1.into(), &3.into()));
    assert!(ran.err.contains("watching until") && ran.err.contains("0 of 3 came to an end"), "{ran:?}");
}

#[tokio::test]
async fn a_run_of_which_no_letter_comes_to_an_end_says_so_and_is_only_partly_done() {
    let house = Arc::new(House::with(6).await);
    let (plan, hash) = planned(&house, &["--canary", "0", "--watch", "1s", "--id", &event_id(0).to_string()]).await;
    let ran = house.dlq(&["run", &plan, "--apply", &hash, "--output", "json"]).await.expect(Exit::Partly);
    let report = ran.json();
    assert_eq!((&report["moved"], &report["watched"], &report["not_ended"]), (&1.into(), &0.into(), &1.into()));
    assert!(ran.err.contains("the end of 1 letter isn't known: is `email` being served?"), "{ran:?}");
    let again = house.dlq(&["resume", &hash]).await.expect(Exit::Partly);
    assert!(again.err.contains("nothing was done") && again.err.contains("isn't known"), "{again:?}");
    // Who doesn't watch expects nothing.
    let more = ["--canary", "0", "--watch", "0s", "--fresh"];
    let (plan, hash) = planned(&house, &more).await;
    let ran = house.dlq(&["run", &plan, "--apply", &hash]).await.expect(Exit::Done);
    assert!(!ran.err.contains("isn't known"), "{ran:?}");
}

#[tokio::test]
async fn a_ladder_that_reaches_beyond_all_numbers_is_climbed() {
    let house = House::with(3).await;
    let most = u64::MAX.to_string();
    let (plan, hash) = planned(&house, &["--canary", &[&*most, &most, &most].join(","), "--watch", "0s"]).await;
    let ran = house.dlq(&["run", &plan, "--apply", &hash, "--output", "json"]).await.expect(Exit::Done).json();
    assert_eq!(ran["moved"], 3);
}

#[tokio::test]
async fn a_canary_whose_watch_was_broken_off_is_watched_before_more_is_sent() {
    let house = Arc::new(House::with(12).await);
    let (plan, hash) = planned(&house, &["--canary", "2", "--watch", "60s"]).await;
    let killed = Arc::new(AtomicBool::new(false));
    let kill = Arc::clone(&killed);
    house.at(10, async move |_: &House| kill.store(true, Ordering::SeqCst));
    assert!(until_killed(killed, house.dlq(&["run", &plan, "--apply", &hash])).await.is_none(), "it was killed");
    assert_eq!(house.letters().await, 10);
    let outside = Outside::default();
    outside.broken.store(true, Ordering::SeqCst);
    house.at(10, async move |house: &House| house.consume_beside(&outside).await);
    let report = house.dlq(&["resume", &hash, "--output", "json"]).await.expect(Exit::Partly).json();
    assert_eq!((&report["ended"], &report["moved"], &report["returned"]), (&"paused".into(), &2.into(), &2.into()));
}

#[tokio::test]
async fn a_run_waits_for_a_consumer_that_has_too_much_to_do_and_pauses_when_it_waits_too_long() {
    for limit in [["--max-backlog", "3"], ["--max-backlog-age", "4s"]] {
        let house = House::with(20).await;
        let (plan, hash) = planned(&house, &[&SLOWLY[..], &limit, &["--patience", "20s"]].concat()).await;
        let ran = house.dlq(&["run", &plan, "--apply", &hash, "--output", "json"]).await.expect(Exit::Partly);
        let report = ran.json();
        assert_eq!(report["ended"], "paused", "{ran:?}");
        assert!(ran.err.contains("`email` has had too much to do"), "{ran:?}");
        let moved = usize::try_from(report["moved"].as_u64().unwrap()).unwrap();
        assert!((1..20).contains(&moved), "{ran:?}");
        assert_eq!(house.letters().await, 20 - moved);
    }
}

#[tokio::test]
async fn a_run_through_the_topic_waits_for_each_of_those_who_get_its_letters() {
    for (limit, told) in [
        (["--max-backlog", "7"], "more than 7 messages wait at one of those who get them"),
        (["--max-backlog-age", "1h"], "the oldest message at one of those who get them is older than 1h"),
    ] {
        let house = House::with(6).await;
        let store = house.store();
        for consumer in ["email", "sms"] {
            store.subscribe(consumer, &Filter::event_types(["app.assigned"])).await.unwrap();
        }
        store.subscribe("audit", &Filter::event_types(["submission.created"])).await.unwrap();
        // Nobody serves either. What waits at one that gets none of the letters is nothing to wait for.
        for (queue, count) in [("sms", 8), ("audit", 50)] {
            let messages = vec![NewMessage { body: "{}".into(), ..NewMessage::default() }; count];
            let sent = store.queue(queue).await.unwrap().send(&messages).await;
            assert!(sent.iter().all(Result::is_ok));
        }
        store.shutdown().await;
        house.clock.sleep(Duration::from_secs(4000)).await;
        let topic = ["--to", "topic", "--yes-other-subscribers", "--patience", "20s"];
        let (plan, hash) = planned(&house, &[&SLOWLY[..], &topic, &limit].concat()).await;
        let shown = house.dlq(&["run", &plan]).await.expect(Exit::Done);
        assert!(shown.err.contains(told), "{shown:?}");
        let ran = house.dlq(&["run", &plan, "--apply", &hash, "--output", "json"]).await.expect(Exit::Partly);
        assert!(ran.err.contains("`sms` has had too much to do"), "{ran:?}");
        assert_eq!(house.letters().await, 6, "none was sent: {ran:?}");
    }
}

#[tokio::test]
async fn what_is_told_of_the_time_left_goes_by_how_fast_letters_go_now_and_by_the_watches_to_come() {
    let house = Arc::new(House::with(600).await);
    let (plan, hash) = planned(&house, &["--rate", "10", "--canary", "20", "--watch", "2m"]).await;
    let outside = Outside::default();
    house.at(100, async move |house: &House| house.consume_beside(&outside).await);
    let ran = house.dlq(&["run", &plan, "--apply", &hash]).await.expect(Exit::Done);
    // Such as `130 of 600, sending: 10 a second, 167 s to go; 0 returned, 0 skipped, 0 ambiguous`.
    let mut told = 0;
    for line in ran.err.lines().filter(|line| line.contains("sending: ")) {
        let numbers: Vec<f64> = line.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).collect();
        let [sent, _, rate, to_go, ..] = numbers[..] else { panic!("{line}") };
        assert!((8.0..=12.0).contains(&rate), "{line}");
        // It is watched once more after the last of them.
        let left = (600.0 - sent) / 10.0 + 120.0;
        assert!((to_go - left).abs() <= 20.0, "{line}: about {left:.0} s are left");
        told += 1;
    }
    assert!(told >= 3, "{ran:?}");
}

#[tokio::test]
async fn whoever_only_looks_at_a_run_is_not_taken_for_somebody_who_carries_it_out() {
    let house = Arc::new(House::with(4).await);
    let (plan, hash) = planned(&house, &["--canary", "1", "--watch", "30s"]).await;
    house.dlq(&["run", &plan, "--apply", &hash]).await.expect(Exit::Partly);
    let run = RunFolder::find(&house.folder.path().join("dlq"), house.folder.path(), &hash).unwrap();
    // Another process looks at it just now, and for no longer than until somebody waits.
    let looked_at = || {
        let lock = run.lock().unwrap().expect("nobody has it");
        house.clock.at(0, move || drop(lock));
    };
    looked_at();
    let paused = house.dlq(&["pause", &hash]).await.expect(Exit::NothingMatched);
    assert!(paused.err.contains("isn't being carried out now"), "{paused:?}");
    looked_at();
    let outside = Outside::default();
    house.at(10, async move |house: &House| house.consume_beside(&outside).await);
    let ran = house.dlq(&["resume", &hash, "--output", "json"]).await.expect(Exit::Done).json();
    assert_eq!(ran["moved"], 4, "{ran}");
    looked_at();
    let over = house.dlq(&["abort", &hash, "--yes"]).await.expect(Exit::NothingMatched);
    assert!(over.err.contains("is over already"), "{over:?}");
}

#[tokio::test]
async fn a_run_goes_on_as_soon_as_the_consumer_has_caught_up() {
    let house = Arc::new(House::with(20).await);
    let limits = ["--max-backlog", "3", "--patience", "10m"];
    let (plan, hash) = planned(&house, &[&SLOWLY[..], &limits].concat()).await;
    let outside = Outside::default();
    for at in (15..400).step_by(15) {
        let outside = outside.clone();
        house.at(at, async move |house: &House| house.consume_beside(&outside).await);
    }
    let ran = house.dlq(&["run", &plan, "--apply", &hash, "--output", "json"]).await.expect(Exit::Done).json();
    assert_eq!((&ran["moved"], &ran["returned"]), (&20.into(), &0.into()));
}

#[tokio::test]
async fn a_signal_ends_the_process_and_the_run_can_be_gone_on_with() {
    let house = House::with(20).await;
    let (plan, hash) = planned(&house, &["--rate", "2", "--canary", "0", "--watch", "0s"]).await;
    let data = house.folder.path().to_str().unwrap();
    let dlq = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dlq"));
        command.args(["--data", data]).args(arguments).env_clear().env("USER", "grace");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    };
    let mut running = dlq(&["run", &plan, "--apply", &hash]);
    let journal = house.folder.path().join("dlq/runs").join(&hash[..16]).join("journal.ndjson");
    let says = |what: &str| std::fs::read_to_string(&journal).is_ok_and(|text| text.contains(what));
    while !says("\"sent\"") {
        assert!(running.try_wait().unwrap().is_none(), "it ended before it had sent anything");
        // Another process: there is nothing to be woken by.
        thread::sleep(Duration::from_millis(5));
    }
    let process = rustix::process::Pid::from_child(&running);
    rustix::process::kill_process(process, rustix::process::Signal::INT).unwrap();
    assert_eq!(running.wait().unwrap().code(), Some(3));
    assert!(says("asked to end"));
    let report = house.dlq(&["runs", "--output", "json"]).await.expect(Exit::Done).json()[0]["report"].clone();
    assert_eq!((&report["sent_not_deleted"], &report["ambiguous"]), (&0.into(), &0.into()), "{report}");
    assert_eq!(dlq(&["resume", &hash]).wait().unwrap().code(), Some(0));
    assert_eq!(house.letters().await, 0);
}
