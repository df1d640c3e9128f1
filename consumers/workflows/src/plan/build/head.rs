//! What stands above the steps: the name, the app, fields, variables and triggers.

use std::collections::BTreeMap;

use jiff::tz::TimeZoneDatabase;
use sendoff_events::AppId;
use serde_json::Value;

use super::{Around, Builder, limits};
use crate::{
    Definition, Problem, Type,
    definition::{self, When},
    expr::{Scope, normalize},
    place::{self, quoted},
    plan::{Plan, Schedule, Trigger, Var},
};

/// The most triggers.
const MAX_TRIGGERS: usize = 20;
/// The most that lists and objects stand in each other in a type.
const MAX_TYPE_DEPTH: usize = 8;

impl Builder {
    pub(super) fn plan(&mut self, definition: &Definition) -> Option<Plan> {
        let name = &definition.workflow;
        let is_name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if !(1..=40).contains(&name.len()) || !name.bytes().all(is_name) {
            let message = format!("{} is no good name of a workflow", quoted(name));
            self.wrong("workflow", message, "use 1 to 40 of `a-z`, `0-9` and `-`");
        }
        let app = self.app("app", &definition.app);
        for (name, ty) in &definition.fields {
            let place = place::field("fields", name);
            self.name(&place, name);
            self.depth(&place, ty);
        }
        let vars = self.variables(definition);
        let submission = Scope::new().fields(definition.fields.clone()).submission();
        let triggers = self.triggers(definition, &submission);
        let mut scope = submission.run().vars(self.vars.clone());
        limits::each(&definition.steps, "steps", 1, &mut |step, _, _| {
            let why = match super::parts::without_result(step) {
                Some(kind) => format!("a step of the kind `{kind}` has none"),
                None => "the step comes later".to_owned(),
            };
            scope.hide_step(&step.id, why);
        });
        let mut around = Around { scope, apart: None, items: Vec::new() };
        let (block, _) = self.block(&definition.steps, "steps", &mut around);
        Some(Plan { name: name.clone(), app: app?, fields: definition.fields.clone(), triggers, vars, block })
    }

    pub(super) fn app(&mut self, place: &str, text: &str) -> Option<AppId> {
        let app = text.parse::<AppId>();
        if let Err(error) = &app {
            self.report.push(Problem::new(place, error.to_string()));
        }
        app.ok()
    }

    /// A name that stands in braces.
    pub(super) fn name(&mut self, place: &str, name: &str) {
        let strange = |c: char| c.is_control() || matches!(c, '.' | '{' | '}' | '"' | '`');
        if name.trim() != name || !(1..=60).contains(&name.len()) || name.starts_with("__") || name.contains(strange) {
            let message = format!("{} can't be named in expressions", quoted(name));
            let help = "use 1 to 60 bytes without `.`, `{`, `}`, quotes and spaces around it, not `__` first";
            self.wrong(place, message, help);
        }
    }

    /// That a type isn't deeper than anybody needs.
    pub(super) fn depth(&mut self, place: &str, ty: &Type) {
        fn of(ty: &Type) -> usize {
            1 + match ty {
                Type::List(item) => of(item),
                Type::Object(names) => names.values().map(of).max().unwrap_or(0),
                _ => 0,
            }
        }
        if of(ty) > MAX_TYPE_DEPTH {
            let message = format!("lists and objects stand more than {MAX_TYPE_DEPTH} deep in each other");
            self.wrong(place, message, "leave out what no expression names");
        }
    }

    fn variables(&mut self, definition: &Definition) -> BTreeMap<String, Var> {
        let mut vars = BTreeMap::new();
        for (name, var) in &definition.vars {
            let place = place::field("vars", name);
            self.name(&place, name);
            let (ty, initial) = match var {
                definition::Var::Type(ty) => (ty, &Value::Null),
                definition::Var::Initial(var) => (&var.r#type, &var.initial),
            };
            self.depth(&place, ty);
            let initial = normalize(initial, ty).unwrap_or_else(|why| {
                self.report.push(Problem::new(place::field(&place, "initial"), why));
                Value::Null
            });
            self.vars.insert(name.clone(), ty.clone());
            vars.insert(name.clone(), Var { ty: ty.clone(), initial });
        }
        vars
    }

    fn triggers(&mut self, definition: &Definition, scope: &Scope) -> Vec<Trigger> {
        if definition.on.is_empty() || definition.on.len() > MAX_TRIGGERS {
            let message = format!("there must be 1 to {MAX_TRIGGERS} triggers");
            self.wrong("on", message, "write `- submission: created`, `- schedule: { … }` or `- manual: true`");
        }
        let mut triggers = Vec::new();
        for (n, trigger) in definition.on.iter().take(MAX_TRIGGERS).enumerate() {
            let place = place::item("on", n);
            let Some(trigger) = self.trigger(trigger, &place, scope) else { continue };
            let same = |other: &Trigger| match other {
                Trigger::Schedule(_) => *other == trigger,
                _ => std::mem::discriminant(other) == std::mem::discriminant(&trigger),
            };
            if triggers.iter().any(same) {
                self.wrong(&place, "is there already: one event starts one run", "join the conditions with OR");
            }
            triggers.push(trigger);
        }
        triggers
    }

    fn trigger(&mut self, trigger: &definition::Trigger, place: &str, scope: &Scope) -> Option<Trigger> {
        let around = Around { scope: scope.clone(), apart: None, items: Vec::new() };
        let at = place::field(place, "when");
        let when = trigger.when.as_ref().map(|when| self.expr(when, &at, &around, &Type::Boolean));
        match (trigger.submission, &trigger.schedule, trigger.manual) {
            (Some(kind), None, None) => {
                let when = match when {
                    Some(when) => Some(when?),
                    None => None,
                };
                Some(match kind {
                    When::Created => Trigger::Created { when },
                    When::Updated => Trigger::Updated { when },
                })
            }
            (None, _, _) if when.is_some() => {
                self.wrong(&at, "belongs to `submission`", "begin the steps with an `if`");
                None
            }
            (None, Some(schedule), None) => {
                let place = place::field(place, "schedule");
                let minute = self.minute(&place::field(&place, "at"), &schedule.at);
                self.zone(&place::field(&place, "zone"), &schedule.zone);
                let mut days = [schedule.days.is_none(); 7];
                for day in schedule.days.iter().flatten() {
                    days[*day as usize] = true;
                }
                if days == [false; 7] {
                    self.wrong(&place::field(&place, "days"), "names no day", "leave it out for all days");
                }
                Some(Trigger::Schedule(Schedule { minute: minute?, days, zone: schedule.zone.clone() }))
            }
            (None, None, Some(true)) => Some(Trigger::Manual),
            (None, None, Some(false)) => {
                self.wrong(&place::field(place, "manual"), "must be `true`", "leave the trigger out");
                None
            }
            _ => {
                self.wrong(
                    place,
                    "must be exactly one of `submission`, `schedule` and `manual`",
                    "make it several triggers",
                );
                None
            }
        }
    }

    /// Minutes since midnight.
    pub(super) fn minute(&mut self, place: &str, text: &str) -> Option<u16> {
        let number = |text: &str| -> Option<u16> {
            let digits = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| text.parse().ok())?
        };
        let parsed = text.split_once(':').and_then(|(hour, minute)| Some((number(hour)?, number(minute)?)));
        let minute =
            parsed.filter(|(hour, minute)| *hour < 24 && *minute < 60).map(|(hour, minute)| hour * 60 + minute);
        if minute.is_none() {
            self.wrong(place, format!("{} is no time of the day", quoted(text)), "write hours and minutes: `08:00`");
        }
        minute
    }

    /// That the zone is one.
    pub(super) fn zone(&mut self, place: &str, name: &str) {
        // The one that is compiled in: the same everywhere.
        if name.len() > 60 || TimeZoneDatabase::bundled().get(name).is_err() {
            let message = format!("{} is no time zone", quoted(name));
            self.wrong(place, message, "write a name of the IANA database, such as `Europe/Berlin` or `UTC`");
        }
    }
}
