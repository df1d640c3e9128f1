//! What a run starts with.

use serde_json::{Map, Value};

use super::Plan;
use crate::{Problem, Problems, expr::normalize, place};

impl Plan {
    /// The fields that the plan declares, as its expressions take them: each of its type, `null` where the submission has none. What
    /// isn't declared is left out.
    ///
    /// # Errors
    ///
    /// The fields that aren't of their type, each with what is wrong.
    pub fn input_fields(&self, submitted: &Map<String, Value>) -> Result<Map<String, Value>, Problems> {
        let (mut fields, mut problems) = (Map::new(), Vec::new());
        for (name, ty) in &self.fields {
            match normalize(submitted.get(name).unwrap_or(&Value::Null), ty) {
                Ok(value) => drop(fields.insert(name.clone(), value)),
                Err(why) => problems.push(Problem::new(place::field("fields", name), why)),
            }
        }
        if problems.is_empty() { Ok(fields) } else { Err(Problems(problems)) }
    }
}
