//! `sendoff token`: a development token, so that the API can be tried with curl.

use sendoff_host::SystemClock;
use std::time::Duration;

use sendoff_embedded::{
    config::Config,
    program::{Exit, Stopped, print},
};
use sendoff_events::{TenantId, UserId};
use sendoff_producers::api::{DevelopmentKey, mint};

pub(super) fn run(config: &Config, tenant: &TenantId, user: &UserId, ttl: Duration) -> Result<Exit, Stopped> {
    print::data(format_args!("{}\n", development(config, tenant, user, ttl)?))?;
    Ok(Exit::Done)
}

/// A token that a server with this configuration accepts.
pub(super) fn development(config: &Config, tenant: &TenantId, user: &UserId, ttl: Duration) -> Result<String, Stopped> {
    if config.has_keys {
        let why = "with an `[[auth.key]]` in the configuration the server refuses development tokens: take one from your \
                   own issuer";
        return Err(Stopped::new(Exit::Refused, why));
    }
    let key = DevelopmentKey::loopback(config.settings.listen).map_err(|e| Stopped::new(Exit::Refused, e))?;
    mint(&key.signing(), tenant, user, ttl, &SystemClock).map_err(Stopped::failed)
}
