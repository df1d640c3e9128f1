//! Steps, one after the other, and each by its kind.

use std::{collections::BTreeMap, sync::Arc};

use super::{Around, Builder, Seen, parts};
use crate::{
    Problem, Type,
    definition::{self, Duration},
    expr::{Ref, Root},
    place,
    plan::{Act, Action, Block, Kind, OnError, Retry, Step},
};

/// Whether what is said to the world depends on when it is said. A run that is taken up again asks in the same words; on Step
/// Functions the time at which a state was entered is a new one then.
fn tells_the_time(kind: &Kind) -> bool {
    let is_now = |name: &&Ref| name.root == Root::Now;
    match kind {
        Kind::Act(act) => act.call.refs().iter().any(is_now),
        Kind::Approval(approval) => {
            let texts = [&approval.title, &approval.text];
            texts.iter().any(|text| text.refs().iter().any(is_now)) || approval.approvers.refs().iter().any(is_now)
        }
        _ => false,
    }
}

/// Kinds of steps that do something in the world.
const ACTIONS: &[&str] = &["email", "sms", "whatsapp", "push", "http", "database", "record"];
/// Kinds of steps that can fail for good.
const FALLIBLE: &[&str] =
    &["email", "sms", "whatsapp", "push", "http", "database", "record", "approval", "parallel", "for_each"];

/// The shortest and the longest time of an attempt.
const TIMEOUT: (u32, u32) = (1, 15 * 60);
/// The shortest and the longest time before the first time more.
const INTERVAL: (u32, u32) = (1, 3600);
/// The longest from one time to the next: a day.
const MAX_DELAY: u32 = 86_400;
/// The most times more.
const MAX_AGAIN: u32 = 20;

impl Builder {
    /// The steps, and which results are known behind them. `around` gets them as it goes on.
    pub(super) fn block(&mut self, steps: &[definition::Step], place: &str, around: &mut Around) -> (Block, Seen) {
        let (mut block, mut seen) = (Block::new(), Seen::new());
        if steps.is_empty() {
            self.wrong(place, "has no steps", "leave it out, or write what is done");
        }
        let mut ended: Option<&str> = None;
        for (n, step) in steps.iter().enumerate() {
            let place = place::item(place, n);
            if let Some(id) = ended.take() {
                self.wrong(&place, format!("is never done: `{id}` ends here"), "put it before, or leave it out");
            }
            if step.stop.is_some() || step.fail.is_some() {
                ended = Some(&step.id);
            }
            let (made, added) = self.step(step, &place, around);
            // A step that is lost without a word would be a mistake of ours, and must not pass for a good one.
            if made.is_none() && self.report.is_empty() {
                self.report.push(Problem::new(&place, "can't be made, and nothing says why"));
            }
            for (id, result) in &added {
                around.scope.add_step(id, result.clone());
            }
            seen.extend(added);
            block.extend(made);
        }
        (block, seen)
    }

    fn step(&mut self, step: &definition::Step, place: &str, around: &mut Around) -> (Option<Step>, Seen) {
        let kinds = kinds(step);
        let [kind] = kinds[..] else {
            let message = match kinds.as_slice() {
                [] => "does nothing: it has no kind".to_owned(),
                several => format!("is {} at once", several.join(" and ")),
            };
            let help = "a step has exactly one of `email`, `sms`, `whatsapp`, `push`, `http`, `database`, `record`, `if`, `switch`, \
                        `parallel`, `for_each`, `wait`, `approval`, `set`, `stop` and `fail`";
            self.wrong(place, message, help);
            super::limits::each(std::slice::from_ref(step), "", 0, &mut |inner, _, _| {
                around.scope.hide_step(&inner.id, format!("there is something wrong with `{}`", step.id));
            });
            return (None, Seen::new());
        };
        for (name, of) in belongings(step) {
            if !of.contains(&kind) {
                let message = format!("doesn't belong to a step of the kind `{kind}`");
                self.wrong(&place::field(place, name), message, format!("it belongs to {}", of.join(", ")));
            }
        }
        let (made, mut seen) = self.kind(step, kind, place, around);
        // What is done when it fails knows its result, but nothing of what was given up.
        let on_error = match &step.on_error {
            None | Some(definition::OnError::Stop) => OnError::Stop,
            Some(definition::OnError::Continue) => OnError::Continue,
            Some(definition::OnError::Steps(steps)) => {
                let mut inner = around.clone();
                for (id, result) in &seen {
                    if *id == step.id {
                        inner.scope.add_step(id, result.clone());
                    } else {
                        inner.scope.hide_step(id, format!("`{}` has failed, and its branches were given up", step.id));
                    }
                }
                let at = place::field(&place::field(place, "on_error"), "steps");
                let (block, more) = self.block(steps, &at, &mut inner);
                seen.extend(more);
                OnError::Steps(block)
            }
        };
        let Some(mut made) = made else { return (None, seen) };
        if tells_the_time(&made) {
            let message = "tells the time: when the run is taken up again it would tell another one, which is refused under the same key";
            let help = "let a step `set` a variable to NOW() or TODAY() before, and use the variable here";
            self.wrong(&place::field(place, kind), message, help);
        }
        match &mut made {
            Kind::Act(Act { on_error: slot, .. })
            | Kind::Approval(crate::plan::Approval { on_error: slot, .. })
            | Kind::Parallel { on_error: slot, .. }
            | Kind::ForEach { on_error: slot, .. } => *slot = on_error,
            // It was refused above.
            _ => {}
        }
        (Some(Step { id: step.id.clone(), label: step.name.clone(), kind: made }), seen)
    }

    fn kind(
        &mut self,
        step: &definition::Step,
        kind: &'static str,
        place: &str,
        around: &mut Around,
    ) -> (Option<Kind>, Seen) {
        let at = place::field(place, kind);
        let made = match kind {
            "if" => return self.branches(step, place, around),
            "switch" => return self.switch(step, place, around),
            "parallel" => return self.parallel(step, &at, around),
            "for_each" => return self.for_each(step, place, around),
            "wait" => self.wait(step, &at, around),
            "set" => self.set(step, &at, around),
            "stop" => self.stop(step, &at, around),
            "fail" => self.fail(step, &at, around),
            "approval" => {
                let result = parts::result([
                    ("decision", Type::Text),
                    ("by", Type::Text),
                    ("comment", Type::Text),
                    ("at", Type::DateTime),
                ]);
                let seen = vec![(step.id.clone(), Type::Object(Arc::new(result)))];
                return (self.approval(step, &at, around), seen);
            }
            _ => {
                let output = output(step);
                let seen = vec![(step.id.clone(), Type::Object(Arc::new(output.clone())))];
                return (self.act(step, &at, place, around, output).map(Kind::Act), seen);
            }
        };
        (made, Seen::new())
    }

    fn act(
        &mut self,
        step: &definition::Step,
        at: &str,
        place: &str,
        around: &Around,
        output: BTreeMap<String, Type>,
    ) -> Option<Act> {
        let timeout = self.seconds(step.timeout, &place::field(place, "timeout"), TIMEOUT).unwrap_or(parts::TIMEOUT);
        let retry = match &step.retry {
            Some(written) => self.retry(written, &place::field(place, "retry")),
            None if step.email.is_some() => Retry::MAIL,
            None => Retry::DEFAULT,
        };
        let (action, call) = if let Some(email) = &step.email {
            (Action::Email, self.email(email, at, around))
        } else if let Some(sms) = &step.sms {
            (Action::Sms, self.sms(sms, at, around))
        } else if let Some(whatsapp) = &step.whatsapp {
            (Action::Whatsapp, self.whatsapp(whatsapp, at, around))
        } else if let Some(push) = &step.push {
            (Action::Push, self.push(push, at, around))
        } else if let Some(http) = &step.http {
            (Action::Http, self.http(http, at, around))
        } else if let Some(database) = &step.database {
            (Action::Database, self.database(database, at, around))
        } else {
            (Action::Record, self.record(step.record.as_ref()?, at, around))
        };
        Some(Act { action, call, output, retry, timeout, on_error: OnError::Stop })
    }

    fn retry(&mut self, written: &definition::Retry, place: &str) -> Retry {
        let at = |name: &str| place::field(place, name);
        let again = written.again.unwrap_or(Retry::DEFAULT.again);
        if again > MAX_AGAIN {
            self.report.push(Problem::new(at("again"), format!("must be at most {MAX_AGAIN}")));
        }
        let interval = self.seconds(written.interval, &at("interval"), INTERVAL).unwrap_or(Retry::DEFAULT.interval);
        let backoff = written.backoff.unwrap_or(Retry::DEFAULT.backoff);
        if !(1.0..=10.0).contains(&backoff) {
            self.report.push(Problem::new(at("backoff"), "must be from 1 to 10"));
        }
        let max_delay = self
            .seconds(written.max_delay, &at("max_delay"), (interval, MAX_DELAY))
            .unwrap_or_else(|| Retry::DEFAULT.max_delay.max(interval));
        Retry { again, interval, backoff, max_delay }
    }

    /// Seconds within bounds.
    pub(super) fn seconds(&mut self, written: Option<Duration>, place: &str, (least, most): (u32, u32)) -> Option<u32> {
        let seconds = written?.0;
        if !(least..=most).contains(&seconds) {
            let (least, most) = (Duration(least), Duration(most));
            self.report.push(Problem::new(place, format!("must be from {least} to {most}")));
        }
        Some(seconds)
    }
}

/// The kinds that a step says it is.
fn kinds(step: &definition::Step) -> Vec<&'static str> {
    let all = [
        ("email", step.email.is_some()),
        ("sms", step.sms.is_some()),
        ("whatsapp", step.whatsapp.is_some()),
        ("push", step.push.is_some()),
        ("http", step.http.is_some()),
        ("database", step.database.is_some()),
        ("record", step.record.is_some()),
        ("if", step.r#if.is_some()),
        ("switch", step.switch.is_some()),
        ("parallel", step.parallel.is_some()),
        ("for_each", step.for_each.is_some()),
        ("wait", step.wait.is_some()),
        ("approval", step.approval.is_some()),
        ("set", step.set.is_some()),
        ("stop", step.stop.is_some()),
        ("fail", step.fail.is_some()),
    ];
    all.iter().filter(|(_, is)| *is).map(|(kind, _)| *kind).collect()
}

/// What a step has besides, and the kinds that it belongs to.
fn belongings(step: &definition::Step) -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
    let all: [(_, _, &'static [&'static str]); 11] = [
        ("then", step.then.is_some(), &["if"]),
        ("elif", step.elif.is_some(), &["if"]),
        ("else", step.r#else.is_some(), &["if", "switch"]),
        ("cases", step.cases.is_some(), &["switch"]),
        ("as", step.r#as.is_some(), &["for_each"]),
        ("at_once", step.at_once.is_some(), &["for_each"]),
        ("collect", step.collect.is_some(), &["for_each"]),
        ("do", step.r#do.is_some(), &["for_each"]),
        ("retry", step.retry.is_some(), ACTIONS),
        ("timeout", step.timeout.is_some(), ACTIONS),
        ("on_error", step.on_error.is_some(), FALLIBLE),
    ];
    all.into_iter().filter(|(_, has, _)| *has).map(|(name, _, of)| (name, of))
}

/// What the result of an action is.
fn output(step: &definition::Step) -> BTreeMap<String, Type> {
    if let Some(http) = &step.http {
        let response = http.response.iter().map(|(name, mapping)| (name.clone(), mapping.r#type.clone())).collect();
        return parts::result([("code", Type::Number), ("response", Type::Object(Arc::new(response)))]);
    }
    if let Some(database) = &step.database {
        let row = Type::Object(Arc::new(database.returns.clone()));
        let rows = Type::List(Box::new(row.clone()));
        return parts::result([("affected", Type::Number), ("first", row), ("rows", rows)]);
    }
    if step.record.is_some() {
        return parts::result([("submission", Type::Text), ("revision", Type::Number)]);
    }
    parts::result([("provider", Type::Text), ("provider_id", Type::Text), ("reason", Type::Text)])
}
