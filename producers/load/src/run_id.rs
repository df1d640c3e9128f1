//! Which load test an event belongs to.

use std::{fmt, str::FromStr};

use sendoff_events::{AppId, IdError, LOAD_PREFIX, TenantId};

/// The name of a load test: 1 to 40 of `a-z`, `0-9` and `-`. It stands in the correlation id of every event of the run, and so in
/// that of everything that follows from it: `load/RUN/NUMBER`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(String);

/// The text is no name of a load test.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no name of a load test: use 1 to 40 of a-z, 0-9 and -")]
pub struct RunIdError(String);

impl RunId {
    /// The longest name.
    pub const MAX_LEN: usize = 40;

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The correlation id of the run's event with this number.
    #[must_use]
    pub fn correlation(&self, number: u64) -> String {
        format!("{}{number}", self.prefix())
    }

    /// What the correlation ids of all of the run's events begin with.
    #[must_use]
    pub fn prefix(&self) -> String {
        format!("{LOAD_PREFIX}{}/", self.0)
    }

    /// The number of the run's event with this correlation id; `None` when it belongs to another run, or to none.
    #[must_use]
    pub fn number(&self, correlation: &str) -> Option<u64> {
        digits(correlation.strip_prefix(&self.prefix())?)
    }

    /// The run's tenant with this number: `load-RUN-N`.
    ///
    /// # Errors
    ///
    /// [`IdError`] where the name would be too long for a tenant.
    pub fn tenant(&self, number: u64) -> Result<TenantId, IdError> {
        format!("{}{number}", self.names()).parse()
    }

    /// The run's app with this number in any tenant: called as its tenant of that number, so that nobody else's is in a tenant of others.
    ///
    /// # Errors
    ///
    /// [`IdError`] where the name would be too long for an app.
    pub fn app(&self, number: u64) -> Result<AppId, IdError> {
        format!("{}{number}", self.names()).parse()
    }

    /// What the names of all of the run's tenants and apps begin with. Those of other runs may begin so, too.
    #[must_use]
    pub fn names(&self) -> String {
        format!("load-{}-", self.0)
    }

    /// The run whose tenant, or app, this is.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        let (run, number) = name.strip_prefix("load-")?.rsplit_once('-')?;
        digits(number).and_then(|_| run.parse().ok())
    }

    /// Whether this is one of the run's tenants, or apps. What follows the last `-` is their number, so those of `a` and of `a-1` differ.
    #[must_use]
    pub fn owns(&self, name: &str) -> bool {
        Self::of_name(name).is_some_and(|run| run == *self)
    }
}

/// A number as we write it: no sign, no zeros in front.
fn digits(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

impl FromStr for RunId {
    type Err = RunIdError;

    fn from_str(text: &str) -> Result<Self, RunIdError> {
        let is_good = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        if text.is_empty() || text.len() > Self::MAX_LEN || !text.bytes().all(is_good) {
            return Err(RunIdError(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::RunId;

    #[test]
    fn a_run_owns_its_tenants_and_those_of_no_other_run() {
        let run: RunId = "a".parse().unwrap();
        assert!(run.owns("load-a-0") && run.owns("load-a-17"));
        for other in ["load-a-1-0", "load-a", "load-a-", "load-a-01", "load-a--1", "load-b-0", "acme", "load-a-1x"] {
            assert!(!run.owns(other), "{other}");
        }
        assert!(run.owns(run.tenant(3).unwrap().as_str()) && run.owns(run.app(3).unwrap().as_str()));
    }

    #[test]
    fn the_number_of_an_event_is_read_from_its_correlation() {
        let run: RunId = "a".parse().unwrap();
        assert_eq!(run.number(&run.correlation(42)), Some(42));
        for other in ["load/a-1/42", "load/a/", "load/a/+1", "load/a/1/2", "42"] {
            assert_eq!(run.number(other), None, "{other}");
        }
    }
}
