//! What the world answers in a made-up run, decided by a number and by what is asked.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hasher as _},
};

use jiff::SignedDuration;
use sendoff_workflows::{
    Plan, Type,
    engine::{ActCommand, Answer, AskCommand, Decision, Failure, Outcome, Reply, World},
    plan::{Block, Kind, Step},
};
use serde_json::{Map, Value, json};

/// A world, and the script of it for somebody who knows neither the plan nor the number.
pub(super) struct Scripted<'a> {
    seed: u64,
    run: &'a str,
    steps: BTreeMap<&'a str, &'a Step>,
    /// The one step that fails for good, if there is one. With several it would be a matter of time which is the first.
    failing: Option<&'a str>,
    /// By idempotency key, one for each attempt.
    pub(super) script: BTreeMap<String, Vec<Value>>,
    /// What was asked of the world, the same way.
    pub(super) calls: BTreeMap<String, Vec<Value>>,
}

impl<'a> Scripted<'a> {
    pub(super) fn new(plan: &'a Plan, run: &'a str, seed: u64) -> Self {
        let mut steps = BTreeMap::new();
        all_steps(&plan.block, &mut |step| {
            steps.insert(&*step.id, step);
        });
        let may_fail: Vec<&str> = steps
            .iter()
            .filter(|(_, step)| matches!(step.kind, Kind::Act(_) | Kind::Approval(_)))
            .map(|(id, _)| *id)
            .collect();
        let choice = hash(&(seed, "failing"));
        // In every second run.
        let failing = (choice.is_multiple_of(2) && !may_fail.is_empty())
            .then(|| may_fail[usize::try_from(choice / 2).unwrap_or(0) % may_fail.len()]);
        Self { seed, run, steps, failing, script: BTreeMap::new(), calls: BTreeMap::new() }
    }

    /// The steps that may fail in this world.
    pub(super) fn fails(&self, step: &Step) -> bool {
        self.failing == Some(&*step.id) || matches!(step.kind, Kind::Fail { .. })
    }

    /// Lets the script go on where the run gave up in the middle of attempts: what failed for a while would do so for ever.
    pub(super) fn go_on(&mut self) {
        let script = std::mem::take(&mut self.script);
        let longer = script.into_iter().map(|(key, mut answers)| {
            let step = key.split('/').nth(1).and_then(|id| self.steps.get(id)).copied();
            let fails = answers.last().is_some_and(|last| last.get("error").is_some() || last.get("timeout").is_some());
            match step {
                Some(step) if fails && self.failing != Some(&*step.id) => answers.push(match &step.kind {
                    Kind::Act(act) => json!({ "ok": self.output(&key, &act.output) }),
                    _ => json!({ "undecided": true }),
                }),
                _ => {}
            }
            (key, answers)
        });
        self.script = longer.collect();
    }

    /// What an action answers that has done it.
    fn output(&self, key: &str, of: &BTreeMap<String, Type>) -> Value {
        let mut output = self.object(key, "", of);
        output.insert("status".into(), json!("done"));
        output.insert("error".into(), Value::Null);
        output.into()
    }

    fn number(&self, key: &str, what: &str) -> u64 {
        hash(&(self.seed, key, what))
    }

    /// Keeps what was asked and answered.
    fn keep(&mut self, key: &str, call: Value, answer: Value) {
        self.calls.entry(key.to_owned()).or_default().push(call);
        self.script.entry(key.to_owned()).or_default().push(answer);
    }

    fn attempts(&self, key: &str) -> u64 {
        self.calls.get(key).map_or(0, |calls| calls.len() as u64)
    }

    /// The error of this attempt, if it is one.
    fn error(&self, key: &str, step: &str, again: u32) -> Option<&'static str> {
        const FOR_GOOD: [&str; 4] = ["Action.Permanent", "Action.Transient", "States.Timeout", "Action.Odd"];
        if self.failing == Some(step) {
            return Some(FOR_GOOD[(hash(&(self.seed, "how")) % 4) as usize]);
        }
        let attempts = self.attempts(key);
        match self.number(key, "error") % 6 {
            0 if attempts < u64::from(again.min(2)) => Some("Action.Transient"),
            1 if attempts < u64::from(again.min(2)) => Some("States.Timeout"),
            2 if attempts < 3 => Some("Action.Throttled"),
            _ => None,
        }
    }

    /// A value of the type.
    fn value(&self, key: &str, name: &str, ty: &Type) -> Value {
        let number = self.number(key, name);
        if number.is_multiple_of(5) {
            return Value::Null;
        }
        match ty {
            Type::Text => json!(["", "approved", "a \"b\" \\ c", "äöü 漢字", "12.5", "HR"][(number / 5 % 6) as usize]),
            Type::Number => json!([0.0, 1.0, -3.0, 0.1, 1234.5, 1e9][(number / 5 % 6) as usize]),
            Type::Boolean => json!((number / 5).is_multiple_of(2)),
            Type::Date => json!(["2026-02-28", "2026-03-29", "2024-02-29"][(number / 5 % 3) as usize]),
            Type::DateTime => {
                json!(["2026-02-28T23:59:59.000Z", "2026-03-29T01:30:00.500Z"][(number / 5 % 2) as usize])
            }
            Type::List(item) => {
                let items = 0..number / 5 % 4;
                items.map(|index| self.value(key, &format!("{name}/{index}"), item)).collect()
            }
            Type::Object(fields) => self.object(key, name, fields).into(),
        }
    }

    fn object(&self, key: &str, name: &str, fields: &BTreeMap<String, Type>) -> Map<String, Value> {
        fields.iter().map(|(field, ty)| (field.clone(), self.value(key, &format!("{name}/{field}"), ty))).collect()
    }
}

impl World for Scripted<'_> {
    fn act(&mut self, act: &ActCommand) -> Outcome {
        let key = act.instance.idempotency_key(self.run);
        let Some(Step { kind: Kind::Act(of), .. }) = self.steps.get(&*act.instance.step) else {
            panic!("`{}` is no action", act.instance)
        };
        let after = SignedDuration::from_millis((self.number(&key, "takes") % 3000) as i64);
        let (answer, reply, after) = match self.error(&key, &act.instance.step, of.retry.again) {
            Some("States.Timeout") => {
                let too_long = SignedDuration::from_secs(i64::from(act.timeout) + 1);
                (json!({ "timeout": true }), Reply::Done(json!({})), too_long)
            }
            Some(error) => (json!({ "error": error }), Reply::Failed(failure(error)), after),
            None => {
                let output = self.output(&key, &of.output);
                (json!({ "ok": output }), Reply::Done(output), after)
            }
        };
        self.keep(&key, act.call.clone(), answer);
        Outcome { after, reply }
    }

    fn ask(&mut self, ask: &AskCommand) -> Answer {
        let key = ask.instance.idempotency_key(self.run);
        let call = json!({ "approvers": ask.approvers, "title": ask.title, "text": ask.text });
        let number = self.number(&key, "decision");
        // Whoever can't be asked is asked again by the same rule as an action, but for one that nobody answers.
        let error = match self.error(&key, &ask.instance.step, 2) {
            Some("States.Timeout") => None,
            error => error,
        };
        let (answer, said) = match error {
            Some(error) => (json!({ "error": error }), Answer::Failed(failure(error))),
            None if number.is_multiple_of(4) => (json!({ "undecided": true }), Answer::Nobody),
            None => {
                let after = SignedDuration::from_secs((number % 60) as i64);
                let (decision, word) = if number.is_multiple_of(2) {
                    (Decision::Approved, "approved")
                } else {
                    (Decision::Rejected, "rejected")
                };
                let comment = number.is_multiple_of(3).then(|| "as \"agreed\"".to_owned());
                let at = format!("{:.3}", ask.due.saturating_add(after).expect("a moment of this age"));
                let decided = json!({ "decision": word, "by": "ada", "comment": comment, "at": at });
                (json!({ "decided": decided }), Answer::Decided { after, decision, by: "ada".into(), comment })
            }
        };
        self.keep(&key, call, answer);
        said
    }
}

fn failure(error: &str) -> Failure {
    Failure { error: error.into(), cause: "made up".into() }
}

fn hash(value: &impl std::hash::Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Every step of a block and in it.
pub(super) fn all_steps<'a>(block: &'a Block, look: &mut impl FnMut(&'a Step)) {
    for step in block {
        look(step);
        step.kind.blocks_in_view(&mut |block| all_steps(block, look));
        if let Kind::ForEach { block, .. } = &step.kind {
            all_steps(block, look);
        }
    }
}
