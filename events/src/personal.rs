//! Personal data as a type that can't be printed by accident.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Personal data: it serialises, but has no `Display`, and its `Debug` hides it, so it can't slip into a log line.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Personal<T>(T);

impl<T> Personal<T> {
    /// Marks `value` as personal data.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself. Call it only where the data leaves for its purpose: a message to that person, a stored record.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Personal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[personal]")
    }
}

#[cfg(test)]
mod tests {
    use super::Personal;

    #[test]
    fn debug_output_hides_the_value() {
        assert_eq!(format!("{:?}", Personal::new("ada@example.org")), "[personal]");
    }
}
