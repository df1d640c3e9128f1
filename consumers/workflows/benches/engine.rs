//! `cargo bench -p sendoff-workflows --bench engine`
//!
//! What the engine takes for a workflow of ten actions with what usually stands between them: microseconds for one turn, with and
//! without reading and writing the state, and the bytes that a run remembers. No figure is asserted: a shared machine is slow when
//! it likes.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a benchmark measures real time and may fail loudly"
)]

use std::time::{Duration, Instant};

use jiff::Timestamp;
use sendoff_workflows::{
    Plan,
    engine::{Command, RunState, Signal, Status, advance, start},
};
use serde_json::{Value, json};

const RUNS: u32 = 2_000;

fn plan() -> Plan {
    let steps: Vec<Value> = (0..10)
        .map(|n| {
            json!({ "id": format!("mail_{n}"), "email": {
                "to": { "user": "{{ {submission.author} }}" },
                "subject": format!("Message {n} about {{{{ {{amount}} }}}}"),
                "text": "Dear {{ {submission.author} }},\nyour expense over {{ ROUND({amount}, 2) }} for {{ {purpose} }} is under way.",
            } })
        })
        .collect();
    let definition = json!({
        "workflow": "bench", "app": "expenses", "fields": { "amount": "number", "purpose": "text" },
        "on": [{ "submission": "created" }],
        "steps": [
            { "id": "large", "if": "{amount} > 100", "then": steps[..5] },
            { "id": "rest", "parallel": [steps[5..7], steps[7..]] },
        ],
    });
    Plan::read(&definition.to_string()).unwrap()
}

fn main() {
    let plan = plan();
    let input = json!({
        "tenant": "acme", "workflow": "bench", "version": 1, "hops": 0,
        "trigger": { "kind": "created", "event_id": "0197f3a0-5b1c-7c3e-9d2a-1f6e8a4b7c01" },
        "submission": { "app": "expenses", "id": "0197f3a0-5b1c-7c3e-9d2a-1f6e8a4b7c02", "author": "ada", "revision": 1 },
        "fields": { "amount": 129.9, "purpose": "Two nights at the customer's in Lyon" },
    });
    let now: Timestamp = "2026-11-26T08:00:00Z".parse().unwrap();
    let (mut alone, mut stored) = (Duration::ZERO, Duration::ZERO);
    let (mut turns, mut bytes, mut most) = (0, 0, 0);
    for run in 0..RUNS {
        let mut turn = start(&plan, &format!("run-{run}"), &input, now).unwrap();
        let mut commands = turn.commands;
        while let Some(Command::Act(act)) = commands.pop() {
            let output = json!({ "status": "sent", "provider": "smtp", "provider_id": act.instance.to_string() });
            let signal = Signal::Done { instance: act.instance, attempt: act.attempt, output };
            let text = serde_json::to_string(&turn.state).unwrap();
            (turns, bytes, most) = (turns + 1, bytes + text.len(), most.max(text.len()));
            let began = Instant::now();
            let state: RunState = serde_json::from_str(&text).unwrap();
            let read = began.elapsed();
            turn = advance(&plan, state, &signal, now, &mut || 0.5);
            let advanced = began.elapsed();
            let written = serde_json::to_string(&turn.state).unwrap();
            stored += began.elapsed();
            alone += advanced - read;
            assert!(!written.is_empty());
            commands.append(&mut turn.commands);
        }
        assert_eq!(turn.state.status(), Status::Succeeded);
    }
    let micros = |spent: Duration| spent.as_secs_f64() * 1e6 / f64::from(turns);
    println!("{RUNS} runs of {} turns each", turns / RUNS);
    println!("a turn: {:.1} µs, {:.1} µs with reading and writing the state", micros(alone), micros(stored));
    println!("a state: {} bytes on average, {most} at most", bytes / turns as usize);
}
