//! What stands under a key, as far as is known: the ground on which a commit is tried.

use sendoff_producers::Expected;

use super::item::{DELETED, VERSION};
use crate::item::{Damage, Item};

/// What stands under a record's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// There never was a record.
    Nothing,
    /// A record was deleted, by this version.
    Deleted(u64),
    /// A record at this version.
    Live(u64),
}

impl Standing {
    /// What the item under the key says; `None` when there is no item.
    pub(super) fn of(item: Option<&Item>) -> Result<Self, Damage> {
        let Some(item) = item else { return Ok(Self::Nothing) };
        let version = item.number(VERSION)?;
        Ok(if item.is_true(DELETED) { Self::Deleted(version) } else { Self::Live(version) })
    }

    /// What most likely stands there when a write expects this, without having looked; `None` when there is no telling.
    pub(super) fn guess(expected: Expected) -> Option<Self> {
        match expected {
            Expected::Absent => Some(Self::Nothing),
            Expected::Version(version) => Some(Self::Live(version)),
            Expected::Any => None,
        }
    }

    /// The latest version, that of a deletion included; 0 when there never was one.
    pub(super) const fn version(self) -> u64 {
        match self {
            Self::Nothing => 0,
            Self::Deleted(version) | Self::Live(version) => version,
        }
    }

    /// The version of the record that is there.
    pub(super) const fn found(self) -> Option<u64> {
        match self {
            Self::Live(version) => Some(version),
            Self::Nothing | Self::Deleted(_) => None,
        }
    }

    /// Whether a write that expects this may go on.
    pub(super) fn fits(self, expected: Expected) -> bool {
        match expected {
            Expected::Any => true,
            Expected::Absent => self.found().is_none(),
            Expected::Version(version) => self.found() == Some(version),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deleted_record_is_absent_and_its_version_goes_on() {
        let deleted = Standing::Deleted(7);
        assert_eq!((deleted.version(), deleted.found()), (7, None));
        assert!(deleted.fits(Expected::Absent) && deleted.fits(Expected::Any) && !deleted.fits(Expected::Version(7)));
        let live = Standing::Live(7);
        assert!(!live.fits(Expected::Absent) && live.fits(Expected::Any) && live.fits(Expected::Version(7)));
        assert!(!live.fits(Expected::Version(8)));
        assert!(!Standing::Nothing.fits(Expected::Version(0)));
    }

    #[test]
    fn what_is_guessed_fits_what_is_expected() {
        for expected in [Expected::Absent, Expected::Version(0), Expected::Version(u64::MAX)] {
            assert!(Standing::guess(expected).unwrap().fits(expected));
        }
        assert_eq!(Standing::guess(Expected::Any), None);
    }
}
