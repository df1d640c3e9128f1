//! Waiting, for a time or for somebody.

use serde_json::Value;

use super::{Around, Builder, parts};
use crate::{
    Problem, Type,
    definition::{Duration, Formula, Step},
    expr::{Expr, Node, Template},
    place,
    plan::{Approval, Kind, OnError, Wait},
};

/// The longest that anything is waited for: 365 days, within the year that Step Functions lets a run take.
const YEAR: u32 = 365 * 86_400;

impl Builder {
    pub(super) fn wait(&mut self, step: &Step, place: &str, around: &Around) -> Option<Kind> {
        let written = step.wait.as_ref()?;
        let at = |name: &str| place::field(place, name);
        match (&written.r#for, &written.until) {
            (Some(time), None) => {
                for (name, has) in [("at", written.at.is_some()), ("zone", written.zone.is_some())] {
                    if has {
                        self.wrong(&at(name), "belongs to `until`", "leave it out");
                    }
                }
                self.seconds_of(time, &at("for"), around).map(|seconds| Kind::Wait(Wait::For(seconds)))
            }
            (None, Some(until)) => {
                let when = self.any(until, &at("until"), around);
                let minute = written.at.as_ref().map(|time| self.minute(&at("at"), time));
                if let Some(zone) = &written.zone {
                    self.zone(&at("zone"), zone);
                }
                let when = self.moment(when?, &at("until"), written.zone.is_some())?;
                let zone = written.zone.clone().unwrap_or_else(|| "UTC".to_owned());
                match (&when.ty, &written.zone) {
                    (Type::Date, None) => {
                        let help = "a day begins at another time everywhere: write `zone: Europe/Berlin`, or `UTC`";
                        self.wrong(&at("zone"), "is missing", help);
                    }
                    (Type::DateTime, _) if minute.is_some() || written.zone.is_some() => {
                        let help = "leave `at` and `zone` out, or wait until DATEOF of it";
                        self.wrong(&at("until"), "is a moment, which has its time already", help);
                    }
                    _ => {}
                }
                Some(Kind::Wait(Wait::Until { when, minute: minute.unwrap_or(Some(0))?, zone }))
            }
            _ => {
                self.wrong(place, "must have exactly one of `for` and `until`", "write `wait: { for: 3d }`");
                None
            }
        }
    }

    /// A date or a datetime. A text that says one is of the kind that `dated` asks for.
    fn moment(&mut self, mut when: Expr, place: &str, dated: bool) -> Option<Expr> {
        if matches!(when.ty, Type::Date | Type::DateTime) {
            return Some(when);
        }
        let ty = if dated { Type::Date } else { Type::DateTime };
        if matches!(when.node, Node::Literal(_)) && when.adopt(&ty) {
            return Some(when);
        }
        let message = format!("must be a date or a datetime, but is {}", parts::article(&when.ty));
        self.report.push(Problem::new(place, message));
        None
    }

    /// Seconds: of a duration, or of an expression.
    fn seconds_of(&mut self, time: &Formula, place: &str, around: &Around) -> Option<Expr> {
        let written = match Duration::parse(&time.0) {
            Some(duration) => Formula(duration.0.to_string()),
            None => time.clone(),
        };
        let expr = self.expr(&written, place, around, &Type::Number)?;
        if let Node::Literal(Value::Number(number)) = &expr.node
            && number.as_f64().is_some_and(|seconds| !(0.0..=f64::from(YEAR)).contains(&seconds))
        {
            self.wrong(place, "must be at most a year, 365d", "let a schedule start another run then");
        }
        Some(expr)
    }

    pub(super) fn approval(&mut self, step: &Step, place: &str, around: &Around) -> Option<Kind> {
        let written = step.approval.as_ref()?;
        let at = |name: &str| place::field(place, name);
        let approvers = self.expr(&written.approvers, &at("approvers"), around, &Type::List(Box::new(Type::Text)));
        if let Some(Node::List(users)) = approvers.as_ref().map(|approvers| &approvers.node)
            && !(1..=20).contains(&users.len())
        {
            self.wrong(&at("approvers"), "must be 1 to 20 users", "any one of them is enough to decide");
        }
        let title = self.filled(&written.title, &at("title"), around);
        let text = match &written.text {
            Some(text) => self.words(text, &at("text"), around),
            None => Some(Template::Literal(Value::from(""))),
        };
        let deadline = self.seconds(Some(written.deadline), &at("deadline"), (60, YEAR))?;
        let (approvers, title, text) = (approvers?, title?, text?);
        Some(Kind::Approval(Approval { approvers, title, text, deadline, on_error: OnError::Stop }))
    }
}
