//! A dry run, as people read it.

use std::fmt::Write as _;

use sendoff_embedded::program::print;
use sendoff_workflows::{
    Plan,
    engine::{Entry, Status, What},
    plan::Kind,
};
use serde_json::Value;

use super::{
    Played,
    cost::{Cost, find},
    message::{Message, Said},
};

/// Where what belongs to a step begins.
const INDENT: &str = "                      | ";

pub(super) fn page(plan: &Plan, played: &Played) -> String {
    let mut page = Page { plan, text: String::new(), messages: &played.messages, last: None };
    let trigger = match played.trigger {
        "manual" => "by hand".to_owned(),
        "schedule" => "by the clock".to_owned(),
        trigger => format!("by a submission that was {trigger}"),
    };
    page.put(format_args!("{}, started {trigger}; nothing is really done", played.workflow));
    played.history.iter().for_each(|entry| page.entry(entry));
    let status = match played.status {
        Status::Succeeded => "The run would succeed".to_owned(),
        Status::Running => "The run would still wait".to_owned(),
        Status::Failed | Status::Stopped => match &played.failure {
            Some(failure) => format!("The run would fail with {}: {}", failure.error, print::one_line(&failure.cause)),
            None => "The run would fail".to_owned(),
        },
    };
    let took = match played.ended.duration_since(played.started) {
        zero if zero.is_zero() => String::new(),
        took => format!(", after {took:#}"),
    };
    page.put(format_args!("\n{status}{took}."));
    page.cost(&played.cost);
    page.text
}

struct Page<'a> {
    plan: &'a Plan,
    text: String,
    messages: &'a [Message],
    last: Option<jiff::Timestamp>,
}

impl Page<'_> {
    fn put(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a text can't fail.
        let _ = writeln!(self.text, "{line}");
    }

    fn entry(&mut self, entry: &Entry) {
        let Some(instance) = &entry.instance else { return };
        let step = instance.to_string();
        let kind = find(&self.plan.block, &instance.step);
        let Some(told) = told(entry, kind) else { return };
        if self.last != Some(entry.at) {
            self.put(format_args!("\n{}", entry.at));
            self.last = Some(entry.at);
        }
        self.put(format_args!("  {step:<20}{told}"));
        match entry.what {
            What::Asked => self.question(&step, entry.input.as_ref()),
            // What is tried again is the same call.
            What::Attempted if entry.attempt == Some(1) => self.call(entry.input.as_ref()),
            What::Done => self.messages(&step),
            _ => {}
        }
    }

    /// Lines that belong to the step above.
    fn body(&mut self, text: &str) {
        for line in print::lines(text).lines() {
            self.put(format_args!("{}", format!("{INDENT}{line}").trim_end()));
        }
    }

    fn call(&mut self, call: Option<&Value>) {
        let Some(Value::Object(call)) = call else { return };
        let aside = ["action", "idempotency_key", "tenant", "redrive", "hops", "connection", "method", "path", "app"];
        let types = ["response", "returns"];
        for (name, value) in call.iter().filter(|(name, _)| !aside.contains(&&***name) && !types.contains(&&***name)) {
            match value {
                Value::Null => {}
                Value::String(text) if text.contains('\n') => {
                    self.body(&format!("{name}:"));
                    self.body(text);
                }
                Value::String(text) => self.body(&format!("{name}: {text}")),
                value => self.body(&format!("{name}: {value}")),
            }
        }
    }

    /// The mails that ask a question, in which it stands, or the question itself where nobody gets one.
    fn question(&mut self, step: &str, question: Option<&Value>) {
        if self.messages.iter().any(|message| message.step == step) {
            return self.messages(step);
        }
        for name in ["title", "text"] {
            let text = question.and_then(|question| question[name].as_str()).unwrap_or_default();
            self.body(text);
        }
    }

    /// The messages that the step has sent: one, or one to each approver. Each step of a run sends once.
    fn messages(&mut self, step: &str) {
        let messages = self.messages.iter().filter(|message| message.step == step);
        for (nth, message) in messages.enumerate() {
            if nth > 0 {
                self.put(format_args!("{}", INDENT.trim_end()));
            }
            self.message(message);
        }
    }

    fn message(&mut self, message: &Message) {
        let lines = match &message.said {
            Said::Mail { subject, text, html_bytes } => {
                format!(
                    "to {}\nSubject: {subject}\n\n{}\n\n(and {html_bytes} bytes of HTML)",
                    message.to,
                    text.trim_end()
                )
            }
            Said::Sms { text, encoding, segments, units } => {
                let word = if *segments == 1 { "segment" } else { "segments" };
                format!("to {}\n{text}\n({segments} {word} of {encoding}, {units} units)", message.to)
            }
            Said::Whatsapp { template: Some(name), parameters, text } => {
                format!("to {}\ntemplate {name} ({})\n{text}", message.to, parameters.join(" | "))
            }
            Said::Whatsapp { template: None, text, .. } => {
                format!("to {}, who must have written in the last 24 hours\n{text}", message.to)
            }
            Said::Push { title, body } => format!("to {}\n{title}\n{body}", message.to),
        };
        self.body(&lines);
    }

    fn cost(&mut self, cost: &Cost) {
        let price = |known: Option<f64>| known.map_or_else(|| "unknown".to_owned(), dollars);
        let lines = cost.lines.iter().map(|line| [line.what.to_owned(), line.count.to_string(), price(line.dollars)]);
        let together = if cost.is_complete { "together" } else { "together, without what is unknown" };
        let total = [together.to_owned(), String::new(), dollars(cost.dollars)];
        let table = print::table(["ESTIMATED COST", "COUNT", "US$"], lines.chain([total]));
        self.put(format_args!("\n{}", table.trim_end()));
    }
}

fn dollars(dollars: f64) -> String {
    format!("{dollars:.6}")
}

/// What is told of the entry, if anything is.
fn told(entry: &Entry, kind: Option<&Kind>) -> Option<String> {
    let output = entry.output.as_ref();
    let text = |name: &str| output.and_then(|output| output[name].as_str()).unwrap_or_default().to_owned();
    let until = || output.and_then(Value::as_str).unwrap_or_default().to_owned();
    let error = || match &entry.error {
        Some(error) => format!("{}: {}", error.error, print::one_line(&error.cause)),
        None => "failed".into(),
    };
    Some(match entry.what {
        What::Entered => match kind? {
            Kind::Parallel { branches, .. } => format!("does {} things at the same time", branches.len()),
            Kind::ForEach { item, at_once, .. } => {
                format!("goes through the list, `{item}` by `{item}`, {at_once} at once")
            }
            Kind::Stop => "ends the run".into(),
            _ => return None,
        },
        What::Chosen => chosen(output?.as_u64()?, kind?),
        What::Attempted => attempted(entry.attempt.unwrap_or(1), entry.input.as_ref()?, kind?)?,
        What::Retrying => format!("{}; tried again at the latest at {}", error(), until()),
        What::Waiting => format!("waits until {}", until()),
        What::Asked => {
            let approvers = entry.input.as_ref().and_then(|input| input["approvers"].as_array());
            let approvers: Vec<&str> = approvers.into_iter().flatten().filter_map(Value::as_str).collect();
            format!("asks {}, until {}", approvers.join(" or "), until())
        }
        What::Decided => format!("{} by {}", text("decision"), text("by")),
        What::Expired => "nobody has decided".into(),
        What::Done => match kind? {
            Kind::Act(act) => format!("{}: {}", act.action.name(), text("status")),
            Kind::Set(_) => format!("sets {}", compact(output?)),
            Kind::ForEach { .. } => format!("done for {} items", output?["count"]),
            Kind::Parallel { .. } => "all is done".into(),
            Kind::Wait(_) => "goes on".into(),
            _ => return None,
        },
        What::Skipped => format!("skipped: {}", text("reason")),
        What::Failed => format!("failed with {}", error()),
        What::GivenUp => "given up".into(),
        What::Started | What::Redriven | What::RunSucceeded | What::RunFailed | What::RunStopped => return None,
    })
}

/// Values by name, as `a = 1, b = "x"`.
fn compact(values: &Value) -> String {
    let Value::Object(values) = values else { return values.to_string() };
    let values: Vec<String> = values.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    print::one_line(&values.join(", "))
}

/// Which way is taken.
fn chosen(number: u64, kind: &Kind) -> String {
    let at = usize::try_from(number).unwrap_or(usize::MAX);
    match kind {
        Kind::If { branches, .. } if at >= branches.len() => "doesn't hold".into(),
        Kind::If { branches, .. } if branches.len() == 1 => "holds".into(),
        Kind::If { .. } => format!("condition {} holds", at + 1),
        Kind::Switch { cases, .. } => match cases.get(at) {
            Some((values, _)) => {
                let values: Vec<String> = values.iter().map(Value::to_string).collect();
                print::one_line(&format!("is {}", values.join(" or ")))
            }
            None => "is none of the cases".into(),
        },
        _ => format!("takes way {number}"),
    }
}

/// A path, which is a text or the list of its parts. What would lead out of its part is refused, and shown as what it is.
fn path(path: &Value) -> String {
    let part = |part: &Value| format!("/{}", part.as_str().unwrap_or_default().replace('%', "%25").replace('/', "%2F"));
    match path {
        Value::Array(parts) => parts.iter().map(part).collect(),
        path => path.as_str().unwrap_or_default().to_owned(),
    }
}

/// What is asked of the world. Messages are shown when they are sent.
fn attempted(attempt: u32, call: &Value, kind: &Kind) -> Option<String> {
    let text = |name: &str| call[name].as_str().unwrap_or_default();
    let Kind::Act(act) = kind else { return None };
    let what = match act.action.name() {
        "http" => format!("http {} {}:{}", text("method"), text("connection"), path(&call["path"])),
        "database" => format!("database {}", text("connection")),
        "record" => format!("record in {}", text("app")),
        _ if attempt == 1 => return None,
        name => name.to_owned(),
    };
    Some(if attempt == 1 { what } else { format!("{what}, attempt {attempt}") })
}
