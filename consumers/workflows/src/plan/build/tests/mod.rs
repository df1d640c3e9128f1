mod acts;
mod flow;
mod head;
mod limits;
mod scope;

use serde_json::{Value, json};

use super::*;
use crate::{
    expr::{Node, Template},
    plan::{Act, Action, Kind, OnError, Trigger, Wait},
};

/// A workflow around these steps. They are YAML, as deep as it stands here.
fn with(steps: &str) -> String {
    format!(
        "workflow: test\napp: crm\nfields:\n  amount: number\n  department: text\n  due: date\n  moment: datetime\n  ok: boolean\n  \
         lines: {{ list: {{ object: {{ part: text, count: number }} }} }}\n  users: {{ list: text }}\non:\n  - submission: created\nvars:\n  total: \
         number\n  tags: {{ type: {{ list: text }}, initial: [a] }}\nsteps:\n{steps}"
    )
}

fn plan(steps: &str) -> Plan {
    Plan::read(&with(steps)).unwrap_or_else(|problems| panic!("{problems}"))
}

/// What is wrong with these steps, without lines.
fn problems(steps: &str) -> Vec<String> {
    let problems = Plan::read(&with(steps)).expect_err(steps).0;
    problems.into_iter().map(|problem| crate::Problem { line: None, span: None, ..problem }.to_string()).collect()
}

/// That this is all that is wrong.
#[track_caller]
fn wrong(steps: &str, expected: &[&str]) {
    assert_eq!(problems(steps), expected, "{steps}");
}

const MAIL: &str = "email: { to: { user: ada }, subject: Hello, text: World }";
