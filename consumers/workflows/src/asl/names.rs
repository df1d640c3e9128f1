//! What things are called in the state machine.
//!
//! | variable | what it holds |
//! |---|---|
//! | `$run` | `{id, started}` |
//! | `$tenant`, `$hops`, `$submission` | the input |
//! | `$f_NAME` | a field of the submission |
//! | `$v_NAME` | a variable |
//! | `$rD_STEP` | a step's result, at depth D |
//! | `$eD_NAME`, `$nD` | the item that a `for_each` at depth D is at, and its index |
//!
//! Branches and items have scopes of their own, which may read what is around them and write nothing there. The depth is part of
//! the names so that no inner variable is called like an outer one, which Step Functions refuses.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use crate::expr::{Names, Root};

/// The variable of what an author calls `name`, whatever stands in it: a variable is an identifier of at most 80 characters.
pub(super) fn variable(prefix: &str, name: &str) -> String {
    if name.len() <= 60 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return format!("{prefix}_{name}");
    }
    let digest = Sha256::digest(name);
    let digest: String = digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    format!("{prefix}x_{digest}")
}

/// What is known at one place of the plan.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    depth: usize,
    /// Steps and items by the variable that holds them; the others are the same everywhere.
    known: BTreeMap<Root, String>,
    /// The indexes of the `for_each` around, outermost first.
    indexes: Vec<String>,
}

impl Scope {
    pub(super) fn outermost() -> Self {
        Self { depth: 0, known: BTreeMap::new(), indexes: Vec::new() }
    }

    /// The scope of a branch.
    pub(super) fn inner(&self) -> Self {
        Self { depth: self.depth + 1, ..self.clone() }
    }

    /// The scope of an item that is called `name`.
    pub(super) fn of_item(&self, name: &str) -> Self {
        let mut inner = self.inner();
        inner.known.insert(Root::Item(name.to_owned()), variable(&format!("e{}", inner.depth), name));
        inner.indexes.push(format!("n{}", inner.depth));
        inner
    }

    /// The variable that holds this step's result here. From now on it is known by it.
    pub(super) fn result(&mut self, step: &str) -> String {
        let name = format!("r{}_{step}", self.depth);
        self.known.insert(Root::Step(step.to_owned()), name.clone());
        name
    }

    /// The variable of the innermost item, and that of its index.
    pub(super) fn item(&self, name: &str) -> (String, String) {
        (variable(&format!("e{}", self.depth), name), format!("n{}", self.depth))
    }

    /// A variable of a step's own, for nobody else.
    pub(super) fn own(&self, step: &str) -> String {
        format!("w{}_{step}", self.depth)
    }

    /// `$run.id & "/step/0/1"`: the idempotency key of this step here.
    pub(super) fn key(&self, step: &str) -> String {
        let indexes = self.indexes.iter().map(|index| format!(" & \"/\" & $string(${index})"));
        format!("{{% $run.id & \"/{step}\"{} %}}", indexes.collect::<String>())
    }

    /// The same without the run: which of its instances a step is.
    pub(super) fn instance(&self, step: &str) -> String {
        let indexes = self.indexes.iter().map(|index| format!(" & \"/\" & $string(${index})"));
        let indexes: String = indexes.collect();
        if indexes.is_empty() { step.to_owned() } else { format!("{{% \"{step}\"{indexes} %}}") }
    }
}

impl Names for Scope {
    fn jsonata(&self, root: &Root) -> String {
        match root {
            Root::Field(name) => format!("${}", variable("f", name)),
            Root::Submission => "$submission".into(),
            Root::Run => "$run".into(),
            Root::Now => "$states.context.State.EnteredTime".into(),
            Root::Var(name) => format!("${}", variable("v", name)),
            Root::Step(_) | Root::Item(_) => {
                // The checker lets nothing through that isn't known here.
                self.known.get(root).map_or_else(|| "null".into(), |name| format!("${name}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_an_author_calls_a_field_its_variable_is_an_identifier() {
        assert_eq!(variable("f", "amount"), "f_amount");
        let odd = ["cost-center", "Cost center", "a) & $string($states.context", "größe", &"x".repeat(61)];
        let mut names: Vec<String> = odd.iter().map(|name| variable("f", name)).collect();
        for name in &names {
            assert!(
                name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') && name.len() <= 80,
                "{name}"
            );
        }
        names.dedup();
        assert_eq!(names.len(), odd.len());
        assert_eq!(Scope::outermost().jsonata(&Root::Field("cost-center".into())), format!("${}", names[0]));
    }
}
