//! Which step of a run, and for which items.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A step as a run comes to it: its id, and for each `for_each` around it, the outermost first, the index of the item.
///
/// Written `mail`, or `mail/3/0`. They are in order by the id and then by number, so that `mail/2` comes before `mail/10`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Instance {
    /// The step's id.
    pub step: String,
    /// The indices of the items, from 0.
    pub items: Vec<u32>,
}

impl Instance {
    /// The step for these items.
    pub fn new(step: impl Into<String>, items: &[u32]) -> Self {
        Self { step: step.into(), items: items.to_vec() }
    }

    /// What tells what is done here from all else that is ever done: `run/step`, and the indices.
    #[must_use]
    pub fn idempotency_key(&self, run: &str) -> String {
        format!("{run}/{self}")
    }
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.step)?;
        self.items.iter().try_for_each(|item| write!(f, "/{item}"))
    }
}

impl From<Instance> for String {
    fn from(instance: Instance) -> Self {
        instance.to_string()
    }
}

/// A text that names no instance.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no step of a run: write the step's id, and `/` and a number for each for_each around it")]
pub struct NoInstance(String);

impl FromStr for Instance {
    type Err = NoInstance;

    fn from_str(text: &str) -> Result<Self, NoInstance> {
        let wrong = || NoInstance(text.chars().take(80).collect());
        let mut parts = text.split('/');
        let step = parts.next().filter(|step| !step.is_empty()).ok_or_else(wrong)?;
        let items = parts.map(str::parse).collect::<Result<Vec<u32>, _>>().map_err(|_| wrong())?;
        Ok(Self { step: step.to_owned(), items })
    }
}

impl TryFrom<String> for Instance {
    type Error = NoInstance;

    fn try_from(text: String) -> Result<Self, NoInstance> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_read_as_it_is_written() {
        for text in ["mail", "mail/0", "mail/12/3"] {
            assert_eq!(text.parse::<Instance>().unwrap().to_string(), text);
        }
        for text in ["", "/1", "mail/", "mail/x", "mail/-1", "mail/4294967296"] {
            assert!(text.parse::<Instance>().is_err(), "{text}");
        }
    }

    #[test]
    fn instances_are_in_order_by_number() {
        let read = |text: &str| text.parse::<Instance>().unwrap();
        assert!(read("mail") < read("mail/2") && read("mail/2") < read("mail/10"));
    }
}
