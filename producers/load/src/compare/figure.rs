//! One figure of both runs, and what it says.

use serde::Serialize;

use super::Ratio;

/// One figure of both runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figure {
    /// What it is.
    pub name: String,
    /// In the first run, as a reader reads it; `None` where it has none.
    pub first: Option<String>,
    /// In the second.
    pub second: Option<String>,
    /// The second over the first; `None` where there is none, or nothing is known of how sure it is.
    pub ratio: Option<Ratio>,
    /// By how much the second is worse at least, as a share of the first, or of what is little where the first had less: what the nearer
    /// end of the interval says, or the values themselves where each run has one. `None` where that doesn't say that it is worse.
    pub worse_by: Option<f64>,
    /// How many values it takes in each run to be compared; `None` where their number doesn't matter.
    pub takes: Option<u64>,
    /// What it says about the second run.
    pub says: Says,
}

/// By how much single values of two runs have to differ.
const ALIKE: f64 = 0.1;

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// Less of it.
    Lower,
    /// More of it.
    Higher,
}

/// What a figure says about the second run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Says {
    /// It is better.
    Better,
    /// It is worse, or the figure is missing.
    Worse,
    /// No difference is seen: the interval of the ratio spans 1.
    Nothing,
    /// It can't be compared.
    Unknown,
}

impl Figure {
    /// A figure of two runs, as a reader reads it in each, that is judged by its ratio. `None` where neither has one. One that only
    /// the second is without is worse: what there is too little of to be measured isn't good.
    pub(super) fn of(name: String, values: [Option<String>; 2], ratio: Option<Ratio>, better: Better) -> Option<Self> {
        let [first, second] = values;
        let worse_by = ratio.map(|ratio| match better {
            Better::Lower => ratio.low - 1.0,
            Better::Higher => 1.0 / ratio.high - 1.0,
        });
        let worse_by = worse_by.filter(|share| *share > 0.0);
        let says = match (&first, &second, ratio) {
            (None, None, _) => return None,
            (Some(_), None, _) => Says::Worse,
            (None, Some(_), _) | (_, _, None) => Says::Unknown,
            (_, _, Some(ratio)) if !ratio.differs() => Says::Nothing,
            _ if worse_by.is_some() => Says::Worse,
            _ => Says::Better,
        };
        Some(Self { name, first, second, ratio, worse_by, takes: None, says })
    }

    /// The same, where what grows by less than a share of `small` has grown by less than that share, however little the `first` run had.
    pub(super) fn above(self, small: f64, first: f64) -> Self {
        let part = (first / small).min(1.0);
        Self { worse_by: self.worse_by.map(|share| share * part), ..self }
    }

    /// A figure of which each run has one value, of which less is better. `None` where neither has one. How sure it is nobody can
    /// know, so what differs by less than a tenth, or a tenth of what is `small`, is taken for the same.
    pub(super) fn single(name: &str, values: [Option<f64>; 2], small: f64, text: fn(f64) -> String) -> Option<Self> {
        let by = |less: f64, more: f64| Some((more - less) / less.max(small)).filter(|share| *share > ALIKE);
        let (worse_by, says) = match values {
            [None, None] => return None,
            [Some(_), None] => (None, Says::Worse),
            [None, Some(_)] => (None, Says::Unknown),
            [Some(first), Some(second)] => match (by(first, second), by(second, first)) {
                (None, None) => (None, Says::Nothing),
                (None, Some(_)) => (None, Says::Better),
                (worse_by, _) => (worse_by, Says::Worse),
            },
        };
        let [first, second] = values.map(|value| value.map(text));
        Some(Self { name: name.to_owned(), first, second, ratio: None, worse_by, takes: None, says })
    }

    /// A figure that was counted: there is nothing unsure about it.
    pub(super) fn counted(name: &str, values: [Option<String>; 2], says: Says) -> Self {
        let [first, second] = values;
        Self { name: name.to_owned(), first, second, ratio: None, worse_by: None, takes: None, says }
    }

    /// The same, as a reader reads it.
    #[must_use]
    pub fn text(&self) -> &'static str {
        match (self.says, &self.second) {
            (Says::Better, _) => "better",
            (Says::Worse, None) => "worse: missing",
            (Says::Worse, Some(_)) => "worse",
            (Says::Nothing, _) => "no difference seen",
            (Says::Unknown, _) => "can't be compared",
        }
    }
}
