//! Other systems that workflows may call: only those that the operator has named, and only for whom.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use sendoff_events::TenantId;

use super::ActionError;

/// Whose workflows may use a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tenants {
    /// Everybody's.
    All,
    /// Those of these tenants.
    Only(BTreeSet<TenantId>),
}

/// Connections by name. A definition names one of them, never a host.
#[derive(Clone)]
pub struct Connections<T> {
    by_name: BTreeMap<String, (Tenants, T)>,
}

impl<T> Default for Connections<T> {
    fn default() -> Self {
        Self { by_name: BTreeMap::new() }
    }
}

impl<T> Connections<T> {
    /// The connections with one more, in place of any of the same name.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, tenants: Tenants, connection: T) -> Self {
        self.by_name.insert(name.into(), (tenants, connection));
        self
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// The connection `name`. One that is somebody else's is told as one that doesn't exist.
    pub(super) fn find(&self, tenant: &TenantId, name: &str) -> Result<&T, ActionError> {
        match self.by_name.get(name) {
            Some((Tenants::All, connection)) => Ok(connection),
            Some((Tenants::Only(tenants), connection)) if tenants.contains(tenant) => Ok(connection),
            _ => Err(ActionError::permanent(
                "connection-unknown",
                format!(
                    "tenant `{tenant}` has no connection `{}` of this kind: the operator configures them",
                    name.escape_debug()
                ),
            )),
        }
    }
}

impl<T> fmt::Debug for Connections<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.by_name.iter().map(|(name, (tenants, _))| (name, tenants));
        f.debug_map().entries(names).finish()
    }
}
