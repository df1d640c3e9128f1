//! Every row of the retry policy.

use std::time::Duration;

use sendoff_events::{EventId, Rng, Timestamp};

use super::{Ended, judge::Court};
use crate::{
    Backoff, Claim, Claimed, Class, Effect, Fence, HandlerError, IdempotencyKey, InboxRecord, OnDoubt, Policy, Status,
    Step, StepState, Steps, Verdict, transition,
};

struct Half;

impl Rng for Half {
    fn next_u64(&self) -> u64 {
        1 << 63
    }
}

const NOW: i64 = 1_800_000_000;
const HOLD: OnDoubt = OnDoubt::Hold { window: Duration::from_secs(60) };

fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

fn policy(on_doubt: OnDoubt) -> Policy {
    let backoff = Backoff { base: Duration::from_secs(2), cap: Duration::from_secs(100) };
    let deferral = Backoff { base: Duration::from_secs(4), cap: Duration::from_secs(200) };
    Policy { max_attempts: 3, backoff, deferral, timeout: Duration::from_secs(5), effect: Effect::Once, on_doubt }
}

fn record(attempts: u32, step: Option<StepState>) -> InboxRecord {
    let step = step.map(|state| {
        let doubted = state == StepState::InDoubt;
        (
            "ada".to_owned(),
            Step {
                state,
                doubted,
                at: now(),
                provider: None,
                provider_id: None,
                reason: None,
                mark: None,
                result: None,
            },
        )
    });
    InboxRecord {
        key: IdempotencyKey::new("sms", EventId::from_bytes([7; 16])),
        status: Status::Claimed,
        fence: Fence::default(),
        revision: 1,
        lease_until: now() + Duration::from_secs(15),
        attempts,
        replay: 0,
        payload_hash: [0; 32],
        steps: step.into_iter().collect::<Steps>(),
        history: Vec::new(),
        first_at: now(),
        updated_at: now(),
        expires_at: None,
    }
}

fn judge(on_doubt: OnDoubt, record: &mut InboxRecord, ended: Ended) -> Verdict {
    let policy = policy(on_doubt);
    let keep = Duration::from_secs(1000);
    Court { policy: &policy, rng: &Half, now: now(), is_unknown: false, deliveries: 2, keep }.judge(record, ended)
}

fn dead_letter_reason(verdict: Verdict) -> String {
    match verdict {
        Verdict::DeadLetter(failure) => failure.reason,
        other => panic!("not dead-lettered: {other:?}"),
    }
}

fn retry() -> Ended {
    Ended::Returned(Err(HandlerError::Retry { after: None, source: "down".into() }))
}

#[test]
fn success_is_acked_and_remembered_for_as_long_as_a_replay_can_come() {
    let mut record = record(1, Some(StepState::Done));
    assert_eq!(judge(HOLD, &mut record, Ended::Returned(Ok(()))), Verdict::Ack { duplicate: false });
    assert_eq!(record.status, Status::Done);
    assert_eq!(record.expires_at, Some(now() + Duration::from_secs(1000)));
}

#[test]
fn a_retry_waits_by_the_backoff_and_keeps_its_attempt() {
    let mut record = record(2, None);
    assert_eq!(judge(HOLD, &mut record, retry()), Verdict::Retry { after: Duration::from_secs(2) });
    assert_eq!((record.status, record.attempts, record.lease_until), (Status::Claimed, 2, now()));
    assert_eq!(record.history[0].class, Class::Retryable);
}

#[test]
fn the_last_attempt_ends_in_the_dead_letter_queue() {
    let mut record = record(3, None);
    assert_eq!(dead_letter_reason(judge(HOLD, &mut record, retry())), "attempts-exhausted");
    assert_eq!(record.status, Status::Failed);
}

#[test]
fn the_last_attempt_of_a_part_waits_for_the_others() {
    let until = Some(now() + Duration::from_secs(60));
    let partly = || Ended::Returned(Err(HandlerError::Partly { after: None, until, source: "down".into() }));
    let mut record = record(2, None);
    assert_eq!(judge(HOLD, &mut record, partly()), Verdict::Retry { after: Duration::from_secs(2) });
    let soon = Some(now() + Duration::from_secs(1));
    let soon = Ended::Returned(Err(HandlerError::Partly { after: None, until: soon, source: "down".into() }));
    record.attempts = 2;
    let put_off = Verdict::Snooze { after: Duration::from_secs(1), pause: false };
    assert_eq!(judge(HOLD, &mut record, soon), put_off, "it is not drawn out by the backoff of the part that fails");
    record.attempts = 3;
    let put_off = Verdict::Snooze { after: Duration::from_secs(60), pause: false };
    assert_eq!(judge(HOLD, &mut record, partly()), put_off);
    assert_eq!((record.status, record.attempts), (Status::Claimed, 2), "the next one is the last again");
    record.attempts = 3;
    assert_eq!(dead_letter_reason(judge(HOLD, &mut record, retry())), "attempts-exhausted");
}

#[test]
fn a_rejection_is_final_at_the_first_attempt() {
    let mut record = record(1, None);
    let error = HandlerError::Reject { reason: "bad-template".into(), source: "line 3".into() };
    assert_eq!(dead_letter_reason(judge(HOLD, &mut record, Ended::Returned(Err(error)))), "bad-template");
    assert_eq!(record.status, Status::Failed);
}

#[test]
fn a_snooze_gives_its_attempt_back() {
    let mut record = record(3, None);
    let until = now() + Duration::from_secs(90);
    let error = HandlerError::Snooze { until: Some(until), source: "quiet hours".into() };
    let verdict = judge(HOLD, &mut record, Ended::Returned(Err(error)));
    assert_eq!(verdict, Verdict::Snooze { after: Duration::from_secs(90), pause: false });
    assert_eq!(record.attempts, 2);
}

#[test]
fn being_put_off_again_and_again_for_one_reason_is_one_line_of_history() {
    let mut record = record(1, None);
    for _ in 0..20 {
        let error = HandlerError::Snooze { until: None, source: "429".into() };
        let _ = judge(HOLD, &mut record, Ended::Returned(Err(error)));
    }
    assert_eq!(record.history.len(), 1);
}

#[test]
fn a_shutdown_before_the_effect_gives_the_attempt_back_and_the_message_at_once() {
    let mut record = record(1, None);
    assert_eq!(judge(HOLD, &mut record, Ended::Interrupted), Verdict::Snooze { after: Duration::ZERO, pause: false });
    assert_eq!(record.attempts, 0);
}

#[test]
fn panic_and_timeout_before_the_effect_are_retries() {
    for ended in [Ended::Panicked("oh".into()), Ended::TimedOut] {
        let mut record = record(1, None);
        assert!(matches!(judge(HOLD, &mut record, ended), Verdict::Retry { .. }));
    }
}

#[test]
fn panic_timeout_and_shutdown_after_the_effect_began_are_doubts() {
    for ended in [Ended::Panicked("oh".into()), Ended::TimedOut, Ended::Interrupted] {
        let mut held = record(1, Some(StepState::Sending));
        let verdict = judge(HOLD, &mut held, ended);
        // It comes back to ask for news before the window ends.
        assert_eq!(verdict, Verdict::Snooze { after: Duration::from_secs(30), pause: false });
        assert_eq!((held.status, held.steps["ada"].state), (Status::InDoubt, StepState::InDoubt));
        assert!(held.steps["ada"].doubted && held.expires_at.is_none());
    }
    let mut resent = record(1, Some(StepState::Sending));
    assert!(matches!(judge(OnDoubt::Resend, &mut resent, Ended::TimedOut), Verdict::Retry { .. }));
    assert_eq!((resent.status, resent.steps["ada"].state), (Status::Claimed, StepState::InDoubt));
}

#[test]
fn a_held_doubt_is_dead_lettered_once_its_window_is_over() {
    let mut record = record(1, Some(StepState::InDoubt));
    record.steps.get_mut("ada").unwrap().at = now() - Duration::from_secs(61);
    let error = HandlerError::InDoubt { source: "timeout".into() };
    assert_eq!(dead_letter_reason(judge(HOLD, &mut record, Ended::Returned(Err(error)))), "outcome-unknown");
    assert_eq!(record.status, Status::InDoubt);
}

#[test]
fn a_doubt_survives_a_later_definite_failure() {
    let mut record = record(3, Some(StepState::InDoubt));
    assert_eq!(dead_letter_reason(judge(OnDoubt::Resend, &mut record, retry())), "outcome-unknown");
    assert_eq!((record.status, record.expires_at), (Status::InDoubt, None));
}

#[test]
fn a_handler_that_swallows_a_doubt_is_not_done() {
    let mut record = record(1, Some(StepState::InDoubt));
    assert!(!matches!(judge(HOLD, &mut record, Ended::Returned(Ok(()))), Verdict::Ack { .. }));
    assert_eq!(record.status, Status::InDoubt);
}

#[test]
fn a_reason_made_of_foreign_text_is_scrubbed_like_an_error() {
    let mut record = record(1, None);
    let error = HandlerError::Reject { reason: "no\u{1b}[2Juser\nada@example.org".into(), source: "550".into() };
    let reason = dead_letter_reason(judge(HOLD, &mut record, Ended::Returned(Err(error))));
    assert_eq!(reason, "no [2Juser <address>");
    assert!(record.history[0].fingerprint.starts_with("no [2Juser <address>-"));
}

#[test]
fn a_crash_loop_ends() {
    let mut record = record(4, None);
    let policy = policy(HOLD);
    let court =
        Court { policy: &policy, rng: &Half, now: now(), is_unknown: false, deliveries: 9, keep: Duration::ZERO };
    assert_eq!(dead_letter_reason(court.exhausted_by_crashes(&mut record)), "attempts-exhausted");
    assert_eq!((record.attempts, record.history[0].class), (3, Class::Crashed));
}

#[test]
fn the_longest_waits_end_with_the_calendar_and_do_not_panic() {
    let forever = OnDoubt::Hold { window: Duration::MAX };
    let mut held = record(1, Some(StepState::Sending));
    assert!(matches!(judge(forever, &mut held, Ended::TimedOut), Verdict::Snooze { .. }));

    let mut kept = record(1, Some(StepState::Done));
    let policy = policy(HOLD);
    let court =
        Court { policy: &policy, rng: &Half, now: now(), is_unknown: false, deliveries: 1, keep: Duration::MAX };
    assert_eq!(court.judge(&mut kept, Ended::Returned(Ok(()))), Verdict::Ack { duplicate: false });
    assert_eq!(kept.expires_at, Some(Timestamp::MAX));
}

#[test]
fn a_snooze_into_the_past_waits_by_the_deferral_instead_of_spinning() {
    for until in [now(), now() - Duration::from_secs(60)] {
        let mut record = record(1, None);
        let error = HandlerError::Snooze { until: Some(until), source: "Retry-After: 0".into() };
        let verdict = judge(HOLD, &mut record, Ended::Returned(Err(error)));
        assert_eq!(verdict, Verdict::Snooze { after: Duration::from_secs(4), pause: false });
        assert_eq!(record.attempts, 0);
    }
}

#[test]
fn a_doubt_that_the_handler_itself_reports_survives_a_later_definite_failure() {
    let mut record = record(1, None);
    let error = HandlerError::InDoubt { source: "no answer".into() };
    assert!(matches!(judge(OnDoubt::Resend, &mut record, Ended::Returned(Err(error))), Verdict::Retry { .. }));
    let error = HandlerError::Reject { reason: "refused".into(), source: "550".into() };
    let verdict = judge(OnDoubt::Resend, &mut record, Ended::Returned(Err(error)));
    assert_eq!(dead_letter_reason(verdict), "outcome-unknown");
    assert_eq!((record.status, record.expires_at), (Status::InDoubt, None));
}

#[test]
fn a_doubt_that_the_handler_itself_reports_ends_when_it_succeeds() {
    let mut record = record(1, None);
    let error = HandlerError::InDoubt { source: "no answer".into() };
    let _ = judge(OnDoubt::Resend, &mut record, Ended::Returned(Err(error)));
    assert_eq!(judge(OnDoubt::Resend, &mut record, Ended::Returned(Ok(()))), Verdict::Ack { duplicate: false });
    assert_eq!(record.status, Status::Done);
}

#[test]
fn what_was_put_off_for_twelve_days_is_dead_lettered_with_the_reason() {
    let day = Duration::from_secs(86_400);
    let judged = |error: HandlerError, since: Duration, deliveries| {
        let mut record = record(1, None);
        record.first_at = now() - since;
        let policy = policy(HOLD);
        let court = Court { policy: &policy, rng: &Half, now: now(), is_unknown: false, deliveries, keep: day };
        let verdict = court.judge(&mut record, Ended::Returned(Err(error)));
        assert_eq!(record.attempts, 0, "it is no attempt");
        (verdict, record.status)
    };
    let errors = || {
        let until = Some(now() + day);
        let source = || "429".into();
        [HandlerError::Snooze { until, source: source() }, HandlerError::Pause { until: None, source: source() }]
    };
    for error in errors() {
        let (verdict, status) = judged(error, 12 * day, 50);
        assert_eq!((dead_letter_reason(verdict).as_str(), status), ("put-off-too-long", Status::Failed));
    }
    for (since, deliveries) in [(12 * day - Duration::from_secs(1), 500), (80 * day, 49)] {
        for error in errors() {
            let (verdict, status) = judged(error, since, deliveries);
            assert!(
                matches!(verdict, Verdict::Snooze { .. }),
                "a replay of an old one has its chances, too: {verdict:?}"
            );
            assert_eq!(status, Status::Claimed);
        }
    }
}

const SELDOM: OnDoubt = OnDoubt::ResendSeldom {
    times: 1,
    backoff: Backoff { base: Duration::from_secs(120), cap: Duration::from_secs(900) },
};

#[test]
fn what_somebody_notices_each_time_is_sent_again_late_and_not_as_often_as_there_are_attempts() {
    let unknown = || Ended::Returned(Err(HandlerError::InDoubt { source: "no answer".into() }));
    let mut record = record(1, Some(StepState::InDoubt));
    // Half of the two minutes, and half of the other half by chance.
    assert_eq!(judge(SELDOM, &mut record, unknown()), Verdict::Retry { after: Duration::from_secs(90) });
    record.attempts = 2;
    assert_eq!(dead_letter_reason(judge(SELDOM, &mut record, unknown())), "outcome-unknown");
    assert_eq!((record.status, record.attempts), (Status::InDoubt, 2));
}

#[test]
fn a_doubt_after_many_attempts_waits_no_longer_than_one_after_the_first() {
    let keep = Duration::from_secs(1000);
    let policy = Policy { max_attempts: 20, backoff: Backoff { base: keep, cap: keep }, ..policy(SELDOM) };
    let court = Court { policy: &policy, rng: &Half, now: now(), is_unknown: false, deliveries: 9, keep };
    let mut record = record(9, Some(StepState::InDoubt));
    let unknown = Ended::Returned(Err(HandlerError::InDoubt { source: "no answer".into() }));
    assert_eq!(court.judge(&mut record, unknown), Verdict::Retry { after: Duration::from_secs(90) });
}

#[test]
fn another_recipients_failure_brings_no_doubt_back_sooner() {
    let mut record = record(1, Some(StepState::InDoubt));
    assert_eq!(judge(SELDOM, &mut record, retry()), Verdict::Retry { after: Duration::from_secs(90) });
    assert_eq!(judge(OnDoubt::Resend, &mut record, retry()), Verdict::Retry { after: Duration::from_secs(1) });
}

#[test]
fn a_doubt_counts_for_as_long_as_its_message_is_put_off() {
    let mut record = record(1, Some(StepState::InDoubt));
    let unknown = Ended::Returned(Err(HandlerError::InDoubt { source: "no answer".into() }));
    let _ = judge(SELDOM, &mut record, unknown);
    for _ in 0..20 {
        for source in ["connection refused", "the circuit is open"] {
            let error = HandlerError::Pause { until: None, source: source.into() };
            let _ = judge(SELDOM, &mut record, Ended::Returned(Err(error)));
        }
    }
    assert_eq!((record.unknowns(), record.history.len()), (1, InboxRecord::MAX_HISTORY));
}

#[test]
fn what_a_process_that_vanished_was_sending_counts_as_a_doubt_where_that_is_seldom_done_again() {
    for (on_doubt, counted) in [(SELDOM, [1, 1, 2]), (OnDoubt::Resend, [0; 3]), (HOLD, [0; 3])] {
        let mut record = record(1, Some(StepState::Sending));
        let policy = policy(on_doubt);
        let mut now = now();
        let mut taken_over = |record: &mut InboxRecord| {
            now += Duration::from_secs(60);
            let claim = Claim {
                key: record.key.clone(),
                fence: record.fence + 1,
                payload_hash: record.payload_hash,
                replay: 0,
                now,
                lease_until: now + Duration::from_secs(15),
                reconcile: false,
            };
            let (Claimed::Won(won), _) = transition::claim(Some(record.clone()), &claim) else { panic!("it is free") };
            *record = won;
            let keep = Duration::from_secs(60);
            Court { policy: &policy, rng: &Half, now, is_unknown: false, deliveries: 2, keep }.take_over(record);
            (record.history.len(), now)
        };
        let once = taken_over(&mut record).0;
        // The next process vanishes before it sends, the one after that while it does.
        let (still, now) = taken_over(&mut record);
        let step = record.steps.get_mut("ada").unwrap();
        (step.state, step.at) = (StepState::Sending, now);
        let twice = taken_over(&mut record).0;
        assert_eq!([once, still, twice], counted, "{on_doubt:?}");
    }
}

#[test]
fn what_a_person_has_sent_again_may_be_sent_again_as_often_as_before() {
    let unknown = || Ended::Returned(Err(HandlerError::InDoubt { source: "no answer".into() }));
    let mut record = record(1, Some(StepState::InDoubt));
    let _ = judge(SELDOM, &mut record, unknown());
    let mut resolved = record.history[0].clone();
    resolved.class = Class::Resolved;
    record.remember(resolved);
    assert!(matches!(judge(SELDOM, &mut record, unknown()), Verdict::Retry { .. }));
}
