//! Names become addresses once for each call, and no address is handed on that wasn't checked.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use sendoff_events::BoxFuture;

use super::{Refusal, check_address};
use crate::channels::http::Refused;

/// Finds the addresses of a name.
pub trait Lookup: Send + Sync {
    /// All addresses of `host`.
    fn addresses(&self, host: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// The operating system's resolver.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemLookup;

impl Lookup for SystemLookup {
    fn addresses(&self, host: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let host = host.to_owned();
        Box::pin(async move { Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect()) })
    }
}

/// Hands on the addresses of a name if all of them are good. One bad address among good ones is a trap, not an accident.
pub(in crate::channels::webhook) struct Checked {
    pub(in crate::channels::webhook) lookup: Arc<dyn Lookup>,
    pub(in crate::channels::webhook) rule: fn(IpAddr) -> Result<(), Refusal>,
}

impl Checked {
    pub(in crate::channels::webhook) fn new(lookup: Arc<dyn Lookup>) -> Self {
        Self { lookup, rule: check_address }
    }
}

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let (looking, rule) = (self.lookup.addresses(name.as_str()), self.rule);
        Box::pin(async move {
            let addresses = looking.await?;
            addresses.iter().try_for_each(|address| rule(*address)).map_err(|refusal| Refused(refusal.to_string()))?;
            handed_on(addresses)
        })
    }
}

/// Hands on whatever addresses a name has.
pub(super) struct Unchecked(pub(super) Arc<dyn Lookup>);

impl Resolve for Unchecked {
    fn resolve(&self, name: Name) -> Resolving {
        let looking = self.0.addresses(name.as_str());
        Box::pin(async move { handed_on(looking.await?) })
    }
}

fn handed_on(addresses: Vec<IpAddr>) -> Result<Addrs, Box<dyn std::error::Error + Send + Sync>> {
    if addresses.is_empty() {
        return Err("the name has no address".into());
    }
    // The port of the URL takes the place of the 0.
    Ok(Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0))))
}
