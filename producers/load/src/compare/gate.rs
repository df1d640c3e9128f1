//! Whether a run may stand in for another one.

use super::{Comparison, Figure, Says};

/// What a gate says about the second of two runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gate {
    /// What is worse by more than is tolerated, or missing.
    pub worse: Vec<String>,
    /// What both runs have and what can't be compared, although runs that are long enough show it.
    pub unknown: Vec<String>,
    /// What can't be compared, and what is only to be expected of very long runs.
    pub rare: Vec<String>,
}

/// What takes more values than this to be compared isn't asked of every run.
const RARE: u64 = 1000;

impl Comparison {
    /// What a gate says that tolerates figures which are worse by this share of the first run's: 0.1 is 10 %. What was counted is exact:
    /// nothing of that is tolerated.
    #[must_use]
    pub fn gate(&self, tolerance: f64) -> Gate {
        let mut gate = Gate::default();
        for figure in &self.figures {
            match figure.says {
                Says::Worse if figure.worse_by.is_none_or(|share| share > tolerance) => gate.worse.push(worse(figure)),
                Says::Unknown if figure.first.is_some() && figure.second.is_some() => match figure.takes {
                    Some(takes) if takes > RARE => gate.rare.push(figure.name.clone()),
                    Some(takes) => gate.unknown.push(format!("{} (takes {takes} in each run)", figure.name)),
                    None => gate.unknown.push(figure.name.clone()),
                },
                Says::Worse | Says::Unknown | Says::Nothing | Says::Better => {}
            }
        }
        gate
    }
}

fn worse(figure: &Figure) -> String {
    let Figure { name, first, second, worse_by, .. } = figure;
    let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "missing".into());
    let least = worse_by.map_or_else(String::new, |share| format!(", worse by {:.0} % at least", share * 100.0));
    format!("{name}: {} and {}{least}", shown(first), shown(second))
}
