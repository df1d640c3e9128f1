//! Taking away what a load test has left, and nothing else: in many short transactions, so that the work at hand goes on beside it.
//!
//! A load test leaves events whose correlation ids begin alike, and all that hangs on them; and whatever belongs to its tenants,
//! whose names are a prefix and a number; and its apps in other tenants, which are called so, too, with what belongs to them.

mod events;
mod tenants;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use crate::{Store, StoreError, purge};

/// By what a load test is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadTest {
    /// What the correlation ids of its events begin with: `load/night/`.
    pub correlations: String,
    /// What the names of its tenants begin with, and the ids of its apps in any tenant, before their numbers: `load-night-`. Of
    /// letters, digits and `-`.
    pub names: String,
}

impl LoadTest {
    /// Whether this is one of its tenants.
    fn owns(&self, tenant: &str) -> bool {
        let number = tenant.strip_prefix(&*self.names);
        number.is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
    }
}

/// How many rows, or files, were taken away, by the kind of thing that they were.
pub type Cleared = BTreeMap<&'static str, u64>;

/// What is being taken away.
struct Clearing {
    dry: bool,
    cleared: Cleared,
    /// Its tenants.
    own: BTreeSet<String>,
    /// Tenants of others that its events belong to.
    others: BTreeSet<String>,
    /// Files of bodies that were too large for a message.
    files: Vec<PathBuf>,
}

impl Clearing {
    fn add(&mut self, kind: &'static str, rows: u64) {
        if rows > 0 {
            *self.cleared.entry(kind).or_default() += rows;
        }
    }

    fn saw(&mut self, test: &LoadTest, tenant: String) {
        if test.owns(&tenant) {
            self.own.insert(tenant)
        } else {
            self.others.insert(tenant)
        };
    }
}

#[cfg(test)]
pub(crate) fn statements() -> Vec<&'static str> {
    [events::STATEMENTS, tenants::STATEMENTS].concat()
}

impl Store {
    /// Takes away everything that the load test has left. With `dry` it only counts. To be called when the test is over: what
    /// is under way may leave more. What it did by hand stays in the audit.
    ///
    /// # Errors
    ///
    /// When the file can't be written; what was taken away by then stays away, and calling it again goes on.
    pub async fn clear_load_test(&self, test: &LoadTest, dry: bool) -> Result<Cleared, StoreError> {
        let (cleared, own, others) = (Cleared::new(), BTreeSet::new(), BTreeSet::new());
        let mut clearing = Clearing { dry, cleared, own, others, files: Vec::new() };
        clearing.own = tenants::with_records(&self.db, test).await?;
        events::clear(self, test, &mut clearing).await?;
        tenants::clear(&self.db, test, &mut clearing).await?;
        let files = std::mem::take(&mut clearing.files);
        let blobs = if dry { files.len() as u64 } else { purge::remove(files).await };
        clearing.add("blobs", blobs);
        Ok(clearing.cleared)
    }
}
