//! The compiler: a plan as a Step Functions state machine, in JSONata.
//!
//! One state for each step, named like it, and a few beside it: the first one, which gives every variable a value, so that none
//! is ever read before; where branches begin and end; the last one. What an author wrote is never pasted: expressions are
//! printed from their trees, and texts are literals.
//!
//! <https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html> for JSONata and variables,
//! <https://states-language.net/> for the states.

mod limits;
mod names;
mod states;
mod task;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

pub use limits::nested_lists;
use serde_json::{Map, Value, json};

use crate::{Plan, Problems, plan::Action};

/// Where the functions are that do what the steps ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Functions {
    /// The ARN of the function of each action, or a text that is replaced by it later.
    pub actions: BTreeMap<Action, String>,
    /// The function that asks for decisions and reckons times of the day.
    pub steps: String,
    /// The partition of AWS that they are in: `aws`, `aws-cn`, `aws-us-gov`. Step Functions calls none in another one.
    pub partition: String,
}

impl Functions {
    /// Those at these ARNs, in the partition that `steps` is in. What is no ARN is taken for one of `aws`.
    #[must_use]
    pub fn at(actions: BTreeMap<Action, String>, steps: String) -> Self {
        let partition = steps.strip_prefix("arn:").and_then(|rest| rest.split(':').next()).unwrap_or("aws").to_owned();
        Self { actions, steps, partition }
    }

    /// A name for each function in the form of CloudFormation's substitutions, `${EmailFunctionArn}`.
    #[must_use]
    pub fn placeholders() -> Self {
        let of = |action: Action| {
            let function = match action {
                Action::Email => "Email",
                Action::Sms => "Sms",
                Action::Whatsapp => "Whatsapp",
                Action::Push => "Push",
                Action::Http | Action::Database => "External",
                Action::Record => "Steps",
            };
            (action, format!("${{{function}FunctionArn}}"))
        };
        Self::at(Action::ALL.into_iter().map(of).collect(), "${StepsFunctionArn}".into())
    }
}

/// What a run tells at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Nothing.
    Nothing,
    /// All variables and results. It may be more than an execution can hand over: for tests.
    Everything,
}

/// The state machine of a plan.
///
/// # Errors
///
/// [`Problems`] where Step Functions has a limit that the plan may go over: the definition's size, or the events of one run.
pub fn compile(plan: &Plan, functions: &Functions, output: Output) -> Result<Value, Problems> {
    limits::history(plan)?;
    let mut states = states::States::new(plan, functions, output);
    let first = states.workflow();
    let machine = json!({
        "Comment": format!("Workflow {} of app {}", plan.name, plan.app),
        "QueryLanguage": "JSONata",
        "StartAt": first,
        "States": Map::from_iter(states.done()),
    });
    limits::size(&machine)?;
    Ok(machine)
}

/// The names of the functions that a plan's state machine calls, so that its role can be allowed these and no others. What is
/// called so in the author's data is none.
#[must_use]
pub fn functions_of(machine: &Value) -> Vec<String> {
    fn look(machine: &Value, found: &mut BTreeSet<String>) {
        for state in machine["States"].as_object().into_iter().flat_map(Map::values) {
            match state["Type"].as_str() {
                Some("Task") => found.extend(state["Arguments"]["FunctionName"].as_str().map(str::to_owned)),
                Some("Parallel") => {
                    state["Branches"].as_array().into_iter().flatten().for_each(|branch| look(branch, found));
                }
                Some("Map") => look(&state["ItemProcessor"], found),
                _ => {}
            }
        }
    }
    let mut found = BTreeSet::new();
    look(machine, &mut found);
    found.into_iter().collect()
}
