//! What is said on the command line over what stands in the file.

use sendoff_host::config::{Given, Source};

/// Values that stand over those of the file.
#[derive(Debug, Clone, Default)]
pub struct Overrides(Vec<Given>);

impl Overrides {
    /// `key` is `text`, as `flag` says.
    pub fn set(&mut self, key: &str, flag: &str, text: impl Into<String>) {
        self.0.push(Given { key: key.to_owned(), text: text.into(), source: Source::Flag(flag.to_owned()) });
    }

    /// How fast events come, in one word: `500/s`, `poisson:500/s`, `ramp:10/s..500/s`, `spike:100/s..900/s@20s+10s`, `trace:FILE`.
    /// What can't be told apart goes to the rate, whose rule then says what it should be.
    pub fn rate(&mut self, text: &str) {
        const FLAG: &str = "--rate";
        let (shape, rest) = match text.split_once(':') {
            Some((shape, rest)) => (shape, Some(rest)),
            None if ["ramp", "spike", "poisson", "trace", "constant"].contains(&text) => (text, None),
            None => ("constant", Some(text)),
        };
        self.set("rate.shape", FLAG, shape);
        let Some(rest) = rest else { return };
        match shape {
            "ramp" => {
                let (from, to) = rest.split_once("..").unwrap_or((rest, ""));
                self.set("rate.from", FLAG, from);
                self.set("rate.to", FLAG, to);
            }
            "spike" => {
                let (rates, when) = rest.split_once('@').unwrap_or((rest, ""));
                let (base, peak) = rates.split_once("..").unwrap_or((rates, ""));
                let (at, lasting) = when.split_once('+').unwrap_or((when, ""));
                for (key, text) in
                    [("rate.base", base), ("rate.peak", peak), ("rate.at", at), ("rate.lasting", lasting)]
                {
                    self.set(key, FLAG, text);
                }
            }
            "trace" => self.set("rate.file", FLAG, rest),
            _ => self.set("rate.rate", FLAG, rest),
        }
    }

    /// Whether nothing is said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts them over the values of a file. A shape said in one word, with its rates, stands in place of the file's whole shape; one
    /// that is only named takes its rates from the file.
    pub(super) fn apply(&self, values: &mut Vec<Given>) {
        let is_rate = |given: &Given| given.key.starts_with("rate.");
        if self.0.iter().filter(|given| is_rate(given)).count() > 1 {
            values.retain(|given| !is_rate(given));
        }
        values.extend(self.0.iter().cloned());
    }
}
