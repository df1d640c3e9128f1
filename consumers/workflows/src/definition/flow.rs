//! What decides how it goes on.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::{
    Duration, Formula, Step, Words,
    shape::{Fields, Shape, mismatch, object},
};
use crate::{Problem, problem::Report};

object! {
    /// Another branch of an `if`.
    Elif {
        /// The condition.
        r#if: Formula,
        /// What is done where it holds.
        then: Vec<Step>,
    }
}

object! {
    /// A case of a `switch`.
    Case {
        /// One value, or a list of several: texts, numbers or booleans.
        is: Value,
        /// What is done for them.
        then: Vec<Step>,
    }
}

object! {
    /// How long is waited: `for`, or `until`.
    #[schemars(extend("oneOf" = [{ "required": ["for"] }, { "required": ["until"] }]))]
    Wait {
        /// A duration such as `3d`, or an expression for the seconds. At most a year.
        r#for: Option<Formula>,
        /// An expression for a date or a datetime.
        until: Option<Formula>,
        /// Of a date: the time of the day, `09:00`; midnight by default.
        #[schemars(regex(pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$"))]
        at: Option<String>,
        /// Of a date: an IANA name, `Europe/Berlin`.
        zone: Option<String>,
    }
}

object! {
    /// Somebody decides, by a link that was sent to them.
    Approval {
        /// Whom: an expression for a list of users' ids. Any one of them is enough.
        approvers: Formula,
        /// What they are asked.
        title: Words,
        /// More about it.
        text: Option<Words>,
        /// How long they have, from a minute to a year.
        deadline: Duration,
    }
}

object! {
    /// How something that failed is tried again.
    Retry {
        /// How often after the first time, at most 20; 4 by default, and 0 is never.
        #[schemars(range(max = 20))]
        again: Option<u32>,
        /// How long before the first time, from a second to an hour; 2 seconds by default.
        interval: Option<Duration>,
        /// By how much more each time, from 1 to 10; 2 by default.
        #[schemars(range(min = 1, max = 10))]
        backoff: Option<f64>,
        /// The longest from one to the next, up to a day; 5 minutes by default.
        max_delay: Option<Duration>,
    }
}

/// What is done when a step fails for good.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnError {
    /// The run fails, and can be taken up again from here.
    Stop,
    /// The run goes on.
    Continue,
    /// These steps come before the next.
    Steps(Vec<Step>),
}

impl Shape for OnError {
    fn shape(value: Value, place: &str, report: &mut Report) -> Option<Self> {
        match &value {
            Value::String(text) if text == "stop" => Some(Self::Stop),
            Value::String(text) if text == "continue" => Some(Self::Continue),
            Value::Object(_) => Fields::of(value, place, &["steps"], report)?.take("steps", report).map(Self::Steps),
            Value::String(_) => {
                report.push(Problem::new(place, "must be `stop`, `continue` or `{ steps: […] }`"));
                None
            }
            _ => {
                report.push(mismatch(&value, place, "`stop`, `continue` or `{ steps: […] }`"));
                None
            }
        }
    }
}
