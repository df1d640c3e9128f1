//! Two replays at once of the same queue, each killed wherever it stands, over a network that loses and delays. A seed decides
//! everything.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use sendoff_consumers::{Attributes, DeadLetter, Destination};
use sendoff_dlq_tools::{
    letter::Original,
    plan::{Action, Draft, Entry, Estimate, Forecast, Head, Plan, Stops, To},
    run::{
        Ended, Originals, Progress, Report, Run, RunError, Settings, Stage, State, Watcher,
        control::{Control, Wanted},
        journal::{Journal, JournalError, Line, Step},
    },
};
use sendoff_events::{BoxFuture, Clock as _, EventId, Rng as _, Timestamp};
use sendoff_tests::simulation::{Faults, Network, Process, World, WorldClock};
use sha2::{Digest as _, Sha256};

use super::{
    broker::{Broker, NoInbox},
    envelope, event_id,
};

const LETTERS: usize = 40;

/// A journal on a disk that may lose the end of what it wasn't asked to keep yet.
#[derive(Clone)]
struct Disk {
    lines: Arc<Mutex<(Vec<Line>, usize)>>,
    clock: WorldClock,
    /// A planted mistake: what is about to be sent is written down only with what comes of it.
    late: Option<Arc<Mutex<Vec<Line>>>>,
}

impl Journal for Disk {
    fn write(&self, line: Line) -> BoxFuture<'_, Result<(), JournalError>> {
        Box::pin(async move {
            self.clock.sleep(Duration::from_millis(1)).await;
            if let (Some(late), Step::Intent { .. }) = (&self.late, &line.step) {
                late.lock().unwrap().push(line);
                return Ok(());
            }
            let count = {
                let mut lines = self.lines.lock().unwrap();
                lines.0.extend(self.late.iter().flat_map(|late| std::mem::take(&mut *late.lock().unwrap())));
                lines.0.push(line);
                lines.0.len()
            };
            self.clock.sleep(Duration::from_millis(1)).await;
            let mut lines = self.lines.lock().unwrap();
            lines.1 = lines.1.max(count);
            Ok(())
        })
    }
}

struct AsTheyStand;

impl Originals for AsTheyStand {
    fn original<'a>(&'a self, letter: &'a DeadLetter) -> BoxFuture<'a, Result<Original, String>> {
        let DeadLetter { body, attributes, types, group, .. } = letter.clone();
        Box::pin(async { Ok(Original { body, attributes, types, group }) })
    }

    fn event(&self, _: &DeadLetter) -> Option<(EventId, u32)> {
        None
    }
}

struct GoOn;

impl Control for GoOn {
    fn wanted(&self) -> Wanted {
        Wanted::Go
    }
}

/// Somebody wants the run to wait from the one moment to the other.
struct WaitBetween(WorldClock, Timestamp, Timestamp);

impl Control for WaitBetween {
    fn wanted(&self) -> Wanted {
        let Self(clock, from, to) = self;
        if (*from..*to).contains(&clock.now()) { Wanted::Wait { by: "ada".into() } } else { Wanted::Go }
    }
}

/// What is done wrong, to see whether it is found.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Mistake {
    None,
    /// Sends before the journal knows that it is about to.
    SendsFirst,
    /// Deletes before it has sent.
    DeletesFirst,
}

impl Watcher for GoOn {
    fn progress(&self, _: &Progress) {}
    fn note(&self, _: &str) {}
}

fn message_id(n: usize) -> String {
    format!("m-{n:03}")
}

fn letter(n: usize) -> DeadLetter {
    DeadLetter {
        message_id: message_id(n),
        body: envelope(n).into(),
        attributes: Attributes::from([("tenant".into(), "acme".into())]),
        types: BTreeMap::new(),
        receive_count: 1,
        enqueued_at: Timestamp::UNIX_EPOCH,
        source: None,
        group: None,
    }
}

pub(super) fn head() -> Head {
    Head {
        plan: 1,
        deployment: "the simulated world".into(),
        queue: "email-dlq".into(),
        to: To(Destination::Queue("email".into())),
        by: "grace".into(),
        at: Timestamp::UNIX_EPOCH,
        selection: Vec::new(),
        snapshot: "email-dlq.db".into(),
        snapshot_at: Timestamp::UNIX_EPOCH,
        rate: 0,
        canary: vec![1, 5],
        watch_s: 2,
        stop: Stops { returned_share: 1.0, backlog_age_s: None, backlog: None, patience_s: 60 },
        max_replays: 3,
        include: Vec::new(),
        force_rerun: None,
        approvals: 0,
        send: 0,
        leave: 0,
        forecasts: BTreeMap::new(),
        sent: BTreeMap::new(),
        estimate: Estimate { calls: 0, usd: 0.0, seconds: 0 },
        other_subscribers: Vec::new(),
    }
}

/// Every fifth letter is edited.
pub(super) fn entry(n: usize, edits: bool) -> Entry {
    let edited = edits && n.is_multiple_of(5);
    Entry {
        id: message_id(n),
        sha256: format!("{:x}", Sha256::digest(envelope(n))),
        event: Some(event_id(if edited { 1000 + n } else { n })),
        replaces: edited.then(|| event_id(n)),
        r#type: Some("app.assigned.v1".into()),
        consumer: Some("email".into()),
        forecast: if edited { Forecast::Edited } else { Forecast::Run },
        why: None,
        action: Action::Send,
        replay: 1,
        lost_at: None,
        edit: edited.then(|| envelope(1000 + n)),
    }
}

fn plan(folder: &Path, name: &str, head: &Head, letters: impl Iterator<Item = usize>, edits: bool) -> Arc<Plan> {
    let mut draft = Draft::begin(&folder.join(name), head).unwrap();
    letters.for_each(|n| draft.add(&entry(n, edits)).unwrap());
    Arc::new(draft.finish().unwrap())
}

type End = Result<(Ended, State), RunError>;

/// One of the two: its plan, its disk, and how its present process ended.
struct Replay {
    process: Process,
    plan: Arc<Plan>,
    disk: Disk,
    broker: Broker,
    control: Arc<dyn Control>,
    ended: Arc<Mutex<Option<End>>>,
}

impl Replay {
    fn state(&self) -> State {
        let mut state = State::new(&self.plan);
        self.disk.lines.lock().unwrap().0.iter().for_each(|line| state.apply(line));
        state
    }

    fn start(&self, world: &mut World) {
        // What wasn't asked to be kept may be lost.
        let keep = {
            let lines = self.disk.lines.lock().unwrap();
            lines.1 + (world.rng().next_u64() as usize) % (lines.0.len() - lines.1 + 1)
        };
        self.disk.lines.lock().unwrap().0.truncate(keep);
        self.disk.lines.lock().unwrap().1 = keep;
        self.disk.late.iter().for_each(|late| late.lock().unwrap().clear());
        let (plan, disk, broker, ended) =
            (self.plan.clone(), self.disk.clone(), self.broker.clone(), self.ended.clone());
        let control = Arc::clone(&self.control);
        let (state, clock) = (self.state(), world.clock());
        world.spawn(self.process, async move {
            let run = Run {
                plan: &plan,
                letters: &broker,
                inbox: &NoInbox,
                originals: &AsTheyStand,
                journal: &disk,
                control: &*control,
                clock: &clock,
                watcher: &GoOn,
                by: "grace",
                elsewhere: &HashMap::new(),
                aborted: None,
                settings: Settings { hold: Duration::from_secs(20), batch: 4, in_flight: 3 },
            };
            *ended.lock().unwrap() = Some(run.go(state).await);
        });
    }

    /// How often nobody knew whether a letter was sent, by its journal alone.
    fn doubts(&self) -> HashMap<u32, usize> {
        let (mut doubts, mut pending) = (HashMap::new(), std::collections::HashSet::new());
        for line in &self.disk.lines.lock().unwrap().0 {
            match &line.step {
                Step::Begun { .. } => pending.drain().for_each(|n| *doubts.entry(n).or_default() += 1),
                Step::Intent { n } => pending.extend(n.iter().copied()),
                Step::Sent { n, .. } | Step::Unsent { n } | Step::Skipped { n, .. } => {
                    pending.retain(|pending| !n.contains(pending));
                }
                Step::Unknown { n, .. } => n.iter().for_each(|n| {
                    pending.remove(n);
                    *doubts.entry(*n).or_default() += 1;
                }),
                _ => {}
            }
        }
        doubts
    }
}

/// Plays one world to its end.
fn play(seed: u64, edits: bool, mistake: Mistake) {
    let folder = tempfile::tempdir().unwrap();
    let mut world = World::new(seed);
    let faults = Faults { lost_request: 40, lost_answer: 40, late: 30 };
    let network = Arc::new(Network::new(world.clock(), world.rng(), faults));
    let kept = Arc::default();
    let can_pick = seed.is_multiple_of(2);
    let replays: Vec<Replay> = (0..if edits { 1 } else { 2 })
        .map(|n| {
            let name = format!("{n}.plan");
            // Most letters are in both plans.
            let letters = (0..LETTERS).filter(|letter| letter % 7 != n);
            let broker = Broker {
                kept: Arc::clone(&kept),
                network: network.clone(),
                clock: world.clock(),
                rng: world.rng(),
                by: n,
                can_pick,
                entry_faults: 20,
                deletes_first: mistake == Mistake::DeletesFirst,
            };
            let late = (mistake == Mistake::SendsFirst).then(Arc::default);
            Replay {
                process: Process(n as u32),
                plan: plan(folder.path(), &name, &head(), letters, edits),
                disk: Disk { lines: Arc::default(), clock: world.clock(), late },
                broker,
                control: Arc::new(GoOn),
                ended: Arc::default(),
            }
        })
        .collect();
    (0..LETTERS).for_each(|n| replays[0].broker.put(letter(n)));
    replays.iter().for_each(|replay| replay.start(&mut world));
    let (mut steps, mut kills) = (0_u64, 0);
    loop {
        steps += 1;
        assert!(steps < 200_000, "seed {seed}: it never ends");
        if !world.step() && replays.iter().all(|replay| world.alive(replay.process) == 0) {
            let open = replays.iter().any(|replay| replay.ended.lock().unwrap().is_none());
            assert!(!open, "seed {seed}: a process stands still");
        }
        if steps == 6000 {
            network.calm_down();
        }
        let mut over = true;
        for replay in &replays {
            if steps < 6000 && world.rng().next_u64().is_multiple_of(400) {
                world.kill(replay.process);
                *replay.ended.lock().unwrap() = None;
                replay.start(&mut world);
                kills += 1;
            }
            let ended = replay.ended.lock().unwrap().take();
            let is_over = match ended {
                None => false,
                Some(Ok((Ended::Finished, state))) if steps > 6000 => {
                    let report = Report::of("", &state, Some(&Ended::Finished));
                    assert!(report.adds_up(), "seed {seed}: {report:?}");
                    // What this process left in the dark, a next one clears up.
                    let done = report.ambiguous + report.waiting + report.sent_not_deleted == 0;
                    if done {
                        *replay.ended.lock().unwrap() = Some(Ok((Ended::Finished, state)));
                    }
                    done
                }
                Some(Ok(_)) => false,
                Some(Err(error)) => panic!("seed {seed}: {error}"),
            };
            if !is_over && world.alive(replay.process) == 0 {
                replay.start(&mut world);
            }
            over &= is_over;
        }
        if over {
            break;
        }
    }
    judge(seed, &replays, kills, edits);
}

fn judge(seed: u64, replays: &[Replay], kills: usize, edits: bool) {
    let kept = replays[0].broker.kept();
    for n in 0..LETTERS {
        let id = message_id(n);
        let planned: Vec<(usize, u32)> =
            replays.iter().enumerate().filter_map(|(by, replay)| Some((by, replay.plan.place(&id)?))).collect();
        let sends: Vec<_> = kept.sent.iter().filter(|sent| sent.of == id).collect();
        let is_there = kept.letters.contains_key(&id);
        if planned.is_empty() {
            assert!(is_there && sends.is_empty(), "seed {seed}: {id} is in no plan");
            continue;
        }
        assert!(!sends.is_empty(), "seed {seed}, {kills} kills: {id} is {}", if is_there { "left" } else { "lost" });
        assert!(!is_there, "seed {seed}: {id} was sent and stays");
        for (by, place) in planned {
            let doubts = replays[by].doubts().get(&place).copied().unwrap_or_default();
            let count = sends.iter().filter(|sent| sent.by == by).count();
            assert!(count <= 1 + doubts, "seed {seed}: {id} was sent {count} times by {by}, with {doubts} doubts");
        }
        let wanted: Bytes = if edits && n.is_multiple_of(5) { envelope(1000 + n) } else { envelope(n) }.into();
        assert!(sends.iter().all(|sent| sent.body == wanted), "seed {seed}: of {id} both were sent");
    }
    for replay in replays {
        let state = replay.state();
        let told = state.resent() + state.gone_in_doubt();
        let doubted = replay.doubts().len() as u64;
        assert!(told <= doubted, "seed {seed}: {told} told of {doubted}");
    }
}

#[test]
fn nothing_is_lost_by_two_replays_that_are_killed_at_any_await() {
    (0..40).for_each(|seed| play(seed, false, Mistake::None));
}

#[test]
fn of_an_edited_letter_only_the_new_event_is_ever_sent() {
    (0..30).for_each(|seed| play(seed, true, Mistake::None));
}

/// What the simulation says of a mistake in the first world that shows it.
fn found(mistake: Mistake) -> String {
    let play = |seed| std::panic::catch_unwind(|| play(seed, false, mistake));
    let found = (0..40).find_map(|seed| play(seed).err()).unwrap_or_else(|| panic!("nobody noticed {mistake:?}"));
    found.downcast_ref::<String>().cloned().unwrap_or_default()
}

#[test]
fn a_run_that_sent_before_its_journal_knew_would_be_found() {
    let found = found(Mistake::SendsFirst);
    assert!(found.contains("was sent 2 times"), "{found}");
}

#[test]
fn a_run_that_deleted_before_it_sent_would_be_found() {
    let found = found(Mistake::DeletesFirst);
    assert!(found.contains("is lost"), "{found}");
}

/// So many letters that several batches are always under way.
const MANY: usize = 200;

/// A replay of many letters that nobody kills, over a network that loses nothing.
fn alone(seed: u64, world: &mut World, folder: &Path, head: &Head, control: Arc<dyn Control>) -> Replay {
    let faults = Faults { lost_request: 0, lost_answer: 0, late: 0 };
    let broker = Broker {
        kept: Arc::default(),
        network: Arc::new(Network::new(world.clock(), world.rng(), faults)),
        clock: world.clock(),
        rng: world.rng(),
        by: 0,
        can_pick: seed.is_multiple_of(2),
        entry_faults: 0,
        deletes_first: false,
    };
    (0..MANY).for_each(|n| broker.put(letter(n)));
    let plan = plan(folder, "a.plan", head, 0..MANY, false);
    let disk = Disk { lines: Arc::default(), clock: world.clock(), late: None };
    let replay = Replay { process: Process(0), plan, disk, broker, control, ended: Arc::default() };
    replay.start(world);
    replay
}

/// Lets it come to its end, after which all letters were moved.
fn to_its_end(seed: u64, world: &mut World, replay: &Replay) {
    while world.alive(replay.process) > 0 {
        assert!(world.step());
    }
    let report = Report::of("", &replay.state(), None);
    assert_eq!(report.moved, MANY as u64, "seed {seed}: {report:?}");
    assert_eq!(replay.broker.kept().sent.len(), MANY, "seed {seed}: each was sent once");
}

#[test]
fn what_is_under_way_when_a_run_is_to_wait_is_finished_before_it_waits() {
    for seed in 0..30 {
        let folder = tempfile::tempdir().unwrap();
        let mut world = World::new(seed);
        let begun = world.clock().now();
        let after = |seconds| begun + Duration::from_secs(seconds);
        let head = Head { rate: 100, canary: Vec::new(), ..head() };
        let control = Arc::new(WaitBetween(world.clock(), after(1), after(61)));
        let replay = alone(seed, &mut world, folder.path(), &head, control);
        while world.clock().now() < after(31) {
            assert!(world.step());
        }
        let state = replay.state();
        let half_done = [Stage::Intended, Stage::Ambiguous, Stage::Sent].map(|stage| state.count(stage));
        assert_eq!(half_done, [0, 0, 0], "seed {seed}");
        assert!(state.count(Stage::Waiting) > 0 && state.count(Stage::Moved) > 0, "seed {seed}: {state:?}");
        to_its_end(seed, &mut world, &replay);
    }
}

#[test]
fn letters_that_were_more_than_wanted_are_to_be_had_again_at_once() {
    for seed in 0..30 {
        let folder = tempfile::tempdir().unwrap();
        let mut world = World::new(seed);
        let begun = world.clock().now();
        let head = Head { canary: Vec::new(), ..head() };
        let replay = alone(seed, &mut world, folder.path(), &head, Arc::new(GoOn));
        to_its_end(seed, &mut world, &replay);
        // A lease lasts for 20 s, and nobody has to wait for the end of one.
        assert!(world.clock().now() < begun + Duration::from_secs(15), "seed {seed}: {}", world.clock().now() - begun);
    }
}

#[test]
fn what_a_run_leaves_in_the_queue_is_free_for_others_when_it_ends() {
    for seed in 0..30 {
        let folder = tempfile::tempdir().unwrap();
        let mut world = World::new(seed);
        let head = Head { canary: Vec::new(), ..head() };
        let replay = alone(seed, &mut world, folder.path(), &head, Arc::new(GoOn));
        // Half of the letters aren't what was planned, and some are of no plan.
        (0..MANY / 2).for_each(|n| replay.broker.put(DeadLetter { body: "other".into(), ..letter(n) }));
        (MANY..MANY + 30).for_each(|n| replay.broker.put(letter(n)));
        while world.alive(replay.process) > 0 {
            assert!(world.step());
        }
        let report = Report::of("", &replay.state(), None);
        assert_eq!((report.moved, report.skipped), (100, 100), "seed {seed}: {report:?}");
        assert_eq!(replay.broker.free(), 130, "seed {seed}");
    }
}
