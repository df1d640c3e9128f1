//! A definition that was checked: what the compiler prints and the engine carries out.

mod build;
mod input;

use std::collections::BTreeMap;

pub use build::{MAX_BRANCHES, MAX_INNER_NAMES, MAX_NAMES, MAX_NESTING, MAX_STEPS};

use sendoff_events::AppId;
use serde_json::Value;

use crate::{
    Type,
    expr::{Expr, Template},
};

/// A workflow, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Its name, `[a-z0-9-]`, at most 40 characters.
    pub name: String,
    /// Whose submissions it is about.
    pub app: AppId,
    /// The fields of the form that it uses or declares.
    pub fields: BTreeMap<String, Type>,
    /// What starts it.
    pub triggers: Vec<Trigger>,
    /// Its variables, and what they are at first.
    pub vars: BTreeMap<String, Var>,
    /// What it does.
    pub block: Block,
}

/// A variable.
#[derive(Debug, Clone, PartialEq)]
pub struct Var {
    /// Its type.
    pub ty: Type,
    /// What it is at first; `null` where nothing is said.
    pub initial: Value,
}

/// What starts a workflow.
#[derive(Debug, Clone, PartialEq)]
pub enum Trigger {
    /// A new submission, for which `when` holds. It may name fields and the submission.
    Created {
        /// The condition.
        when: Option<Expr>,
    },
    /// A changed submission.
    Updated {
        /// The condition.
        when: Option<Expr>,
    },
    /// A time of the day, on some days, in a time zone.
    Schedule(Schedule),
    /// Somebody, by the API or the command line.
    Manual,
}

/// A time of the day, on some days, in a time zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Minutes since midnight.
    pub minute: u16,
    /// Which days of the week, Monday first.
    pub days: [bool; 7],
    /// An IANA name.
    pub zone: String,
}

/// Steps, one after the other.
pub type Block = Vec<Step>;

/// A step.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Its id: unique in the workflow, `[a-z0-9_]`, begins with a letter, at most 40 characters.
    pub id: String,
    /// What people call it.
    pub label: Option<String>,
    /// What it does.
    pub kind: Kind,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Something in the world.
    Act(Act),
    /// The first of the branches whose condition holds, or else the last block.
    If {
        /// Conditions and what is done where they hold.
        branches: Vec<(Expr, Block)>,
        /// What is done where none holds.
        otherwise: Block,
    },
    /// The first of the cases that the value is equal to, or else the last block.
    Switch {
        /// The value.
        value: Expr,
        /// Texts, numbers or booleans, and what is done for them.
        cases: Vec<(Vec<Value>, Block)>,
        /// What is done for any other.
        otherwise: Block,
    },
    /// Several blocks at the same time. It fails as soon as one of them does; the others are given up.
    Parallel {
        /// The blocks.
        branches: Vec<Block>,
        /// What is done when it fails.
        on_error: OnError,
    },
    /// A block for each item of a list. It fails as soon as one of them does; the others are given up.
    ForEach {
        /// The list; `null` is an empty one.
        list: Expr,
        /// What the item is called in its block.
        item: String,
        /// How many at the same time, at least 1.
        at_once: u32,
        /// What is done for each.
        block: Block,
        /// What is kept of each: `results` of the step's result.
        collect: Option<Expr>,
        /// What is done when it fails.
        on_error: OnError,
    },
    /// Nothing, for a while.
    Wait(Wait),
    /// Somebody decides.
    Approval(Approval),
    /// Variables get other values, all at once.
    Set(Vec<(String, Expr)>),
    /// The run ends here, and well. Never inside of `Parallel` or `ForEach`.
    Stop,
    /// The run, or the `Parallel` or `ForEach` around, fails here with the error `Workflow.Failed`.
    Fail {
        /// A text that says why.
        message: Template,
    },
}

/// Something that is done in the world, by whoever does actions of this name.
#[derive(Debug, Clone, PartialEq)]
pub struct Act {
    /// What.
    pub action: Action,
    /// What it is told, an object: the fields of the call beside `action`, `idempotency_key`, `redrive` and `tenant`.
    pub call: Template,
    /// What its result is, an object. It has always `status` and `error`.
    pub output: BTreeMap<String, Type>,
    /// How it is tried again.
    pub retry: Retry,
    /// How long one attempt may take, in seconds.
    pub timeout: u32,
    /// What is done when it fails for good.
    pub on_error: OnError,
}

/// What can be done in the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// A mail.
    Email,
    /// A text message.
    Sms,
    /// A WhatsApp message.
    Whatsapp,
    /// A push message.
    Push,
    /// A call of another system.
    Http,
    /// A statement in a database.
    Database,
    /// A submission made or changed.
    Record,
}

impl Action {
    /// All there are.
    pub const ALL: [Self; 7] =
        [Self::Email, Self::Sms, Self::Whatsapp, Self::Push, Self::Http, Self::Database, Self::Record];

    /// Its name, as it stands in calls and definitions.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Sms => "sms",
            Self::Whatsapp => "whatsapp",
            Self::Push => "push",
            Self::Http => "http",
            Self::Database => "database",
            Self::Record => "record",
        }
    }
}

/// How something that failed is tried again. It goes for `Action.Transient` and for what ran out of time; `Action.Throttled` is
/// tried again by [`Retry::THROTTLED`], and `Action.Permanent` never.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Retry {
    /// How often it is tried again, after the first time.
    pub again: u32,
    /// How long before the first time, in seconds, at least 1.
    pub interval: u32,
    /// By how much more each time, at least 1.
    pub backoff: f64,
    /// The longest it takes from one to the next, in seconds.
    pub max_delay: u32,
}

impl Retry {
    /// What goes where the definition says nothing: four times more over half a minute.
    pub const DEFAULT: Self = Self { again: 4, interval: 2, backoff: 2.0, max_delay: 300 };
    /// What goes for a mail where the definition says nothing: for some hours. A server that takes no mail from strangers at first
    /// takes it then (greylisting, RFC 6647).
    pub const MAIL: Self = Self { again: 20, interval: 10, backoff: 2.0, max_delay: 3600 };
    /// What goes for calls that came too fast or found an outage: for about a day.
    pub const THROTTLED: Self = Self { again: 100, interval: 5, backoff: 2.0, max_delay: 900 };
}

/// What is done when a step fails for good.
#[derive(Debug, Clone, PartialEq)]
pub enum OnError {
    /// The run fails, and can be taken up again from here.
    Stop,
    /// The step's result has the status `failed` and the error's name; the run goes on.
    Continue,
    /// The same, and these steps come before the next.
    Steps(Block),
}

impl OnError {
    /// The steps that come then.
    #[must_use]
    pub const fn block(&self) -> Option<&Block> {
        match self {
            Self::Steps(block) => Some(block),
            Self::Stop | Self::Continue => None,
        }
    }
}

impl Kind {
    /// What is done when it fails; `None` where it can't, or where nothing can be said about it.
    #[must_use]
    pub const fn on_error(&self) -> Option<&OnError> {
        match self {
            Self::Act(Act { on_error, .. })
            | Self::Approval(Approval { on_error, .. })
            | Self::Parallel { on_error, .. }
            | Self::ForEach { on_error, .. } => Some(on_error),
            _ => None,
        }
    }

    /// Calls `look` for each block in it whose results are known behind it: all but the block of a `for_each`.
    pub fn blocks_in_view<'a>(&'a self, look: &mut impl FnMut(&'a Block)) {
        match self {
            Self::If { branches, otherwise } => {
                branches.iter().for_each(|(_, block)| look(block));
                look(otherwise);
            }
            Self::Switch { cases, otherwise, .. } => {
                cases.iter().for_each(|(_, block)| look(block));
                look(otherwise);
            }
            Self::Parallel { branches, .. } => branches.iter().for_each(&mut *look),
            _ => {}
        }
        if let Some(block) = self.on_error().and_then(OnError::block) {
            look(block);
        }
    }
}

/// How long is waited.
#[derive(Debug, Clone, PartialEq)]
pub enum Wait {
    /// For so many seconds; `null` and what is below 0 is 0. At most a year.
    For(Expr),
    /// Until a moment: an expression of type datetime, or a date with a time of the day. `null` and the past don't wait.
    Until {
        /// A date or a datetime.
        when: Expr,
        /// Of a date: the time of the day, minutes since midnight.
        minute: u16,
        /// Of a date: an IANA name. A time that a change of the clocks leaves out is as much later; of one that comes twice the first counts.
        zone: String,
    },
}

/// Somebody decides, by a link that was sent to them.
#[derive(Debug, Clone, PartialEq)]
pub struct Approval {
    /// Who: a list of users' ids. Any one of them is enough.
    pub approvers: Expr,
    /// What they are asked, a text.
    pub title: Template,
    /// More about it, a text.
    pub text: Template,
    /// How many seconds they have, at most a year. After that its result is `expired`.
    pub deadline: u32,
    /// What is done when it can't be asked.
    pub on_error: OnError,
}
