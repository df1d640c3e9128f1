//! Opening the data only to look at it, beside the process that serves it or without one.

use sendoff_embedded::{Store, StoreOptions, config::Config, program::Stopped};

/// The store of the configured data folder, read-only.
pub(super) fn open(config: &Config) -> Result<Store, Stopped> {
    Ok(Store::open_read_only(&config.settings.data, StoreOptions::default())?)
}
