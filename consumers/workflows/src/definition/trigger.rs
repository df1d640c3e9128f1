//! What starts a workflow.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::{
    Formula,
    shape::{Shape, object},
};
use crate::{Problem, place, problem::Report};

object! {
    /// What starts a workflow: exactly one of `submission`, `schedule` and `manual`.
    #[schemars(extend("oneOf" = [
        { "required": ["submission"] }, { "required": ["schedule"] }, { "required": ["manual"] },
    ]))]
    Trigger {
        /// A submission of the app.
        submission: Option<When>,
        /// A condition on the submission; without one, every submission starts it.
        when: Option<Formula>,
        /// A time of the day.
        schedule: Option<Schedule>,
        /// Somebody, by the API or the command line: `manual: true`.
        manual: Option<bool>,
    }
}

object! {
    /// A time of the day, on some days, in a time zone.
    Schedule {
        /// The time: `08:00`. One that a change of the clocks leaves out is as much later; of one that comes twice the first counts.
        #[schemars(regex(pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$"))]
        at: String,
        /// An IANA name: `Europe/Berlin`.
        zone: String,
        /// On which days; on all by default.
        #[schemars(length(min = 1, max = 7))]
        days: Option<Vec<Day>>,
    }
}

/// Declares names that authors write, one of them at a place.
macro_rules! names {
    ($(#[$meta:meta])* $name:ident, $what:literal { $($(#[$about:meta])* $variant:ident = $text:literal,)* }) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
        #[serde(rename_all = "lowercase")]
        $(#[$meta])*
        pub enum $name { $($(#[$about])* $variant,)* }

        impl Shape for $name {
            fn shape(value: Value, place: &str, report: &mut Report) -> Option<Self> {
                match value.as_str() {
                    $(Some($text) => Some(Self::$variant),)*
                    written => {
                        let problem = Problem::new(place, concat!("must be ", $what));
                        report.push(problem.help(place::suggest(written.unwrap_or_default(), &[$($text),*])));
                        None
                    }
                }
            }
        }
    };
}

names! {
    /// Which submissions.
    When, "`created` or `updated`" {
        /// New ones.
        Created = "created",
        /// Changed ones.
        Updated = "updated",
    }
}

names! {
    /// A day of the week.
    Day, "a day of the week" {
        /// Monday.
        Mon = "mon",
        /// Tuesday.
        Tue = "tue",
        /// Wednesday.
        Wed = "wed",
        /// Thursday.
        Thu = "thu",
        /// Friday.
        Fri = "fri",
        /// Saturday.
        Sat = "sat",
        /// Sunday.
        Sun = "sun",
    }
}
