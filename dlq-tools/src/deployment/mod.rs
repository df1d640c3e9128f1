//! What the tool works on: a data folder or a deployment on AWS, behind the ports.

mod aws;
mod embedded;

use std::{fmt, path::PathBuf, sync::Arc};

use sendoff_consumers::{Audit, DeadLetters, Inbox};
use sendoff_events::Blobs;
use sendoff_host::Stopped;
use sendoff_producers::Records;

use crate::Session;

/// Which backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backend {
    /// The data folder at this path.
    Sqlite(PathBuf),
    /// The deployment on AWS that the environment names.
    Aws,
}

impl std::str::FromStr for Backend {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("sqlite", path)) if !path.is_empty() => Ok(Self::Sqlite(path.into())),
            None if text == "aws" => Ok(Self::Aws),
            _ => Err("use `sqlite:PATH`, with the data folder, or `aws`".into()),
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Aws => f.write_str("aws"),
        }
    }
}

/// How the deployment is found.
#[derive(Debug, Clone, Default)]
pub struct Place {
    /// The one that was asked for.
    pub backend: Option<Backend>,
    /// The configuration file that was named.
    pub config: Option<PathBuf>,
    /// The data folder that was named.
    pub data: Option<String>,
    /// Where snapshots, plans and journals are kept, if it was named.
    pub work: Option<PathBuf>,
}

/// An open deployment.
pub struct Deployment {
    /// Which one.
    pub backend: Backend,
    /// Its dead letters.
    pub letters: Arc<dyn DeadLetters>,
    /// What people did by hand.
    pub audit: Arc<dyn Audit>,
    /// What was handled.
    pub inbox: Arc<dyn Inbox>,
    /// Large bodies.
    pub blobs: Arc<dyn Blobs>,
    /// The state.
    pub records: Arc<dyn Records>,
    /// The folder that snapshots, plans and journals are kept in. Private to its owner.
    pub work: PathBuf,
    /// How long the record of what was handled is kept after its end.
    pub inbox_keep: std::time::Duration,
    /// Whether a plan has to be approved by somebody else than who made it.
    pub needs_approval: bool,
    /// The handle of the backend itself, for the verbs that know what stands beneath.
    pub native: Native,
}

/// What stands beneath the ports.
pub enum Native {
    /// A data folder, opened to look, or to write beside the process that serves it.
    Embedded(sendoff_embedded::Store),
    /// A deployment on AWS, and its settings.
    Aws(sendoff_aws::Store),
}

/// What a verb will do with the deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Only look. On AWS a look at letters is a lease all the same.
    Look,
    /// Change something.
    Change,
}

impl Deployment {
    /// Opens the one that was asked for, or else the one that the configuration names: that on AWS if `SENDOFF_QUEUE_URL_BASE` is
    /// set, and the data folder otherwise.
    ///
    /// # Errors
    ///
    /// When it isn't configured, or can't be reached.
    pub async fn open(session: &Session, place: &Place, access: Access) -> Result<Self, Stopped> {
        let named = session.variables.contains_key("SENDOFF_QUEUE_URL_BASE");
        match &place.backend {
            Some(Backend::Aws) => aws::open(session, place).await,
            None if named => aws::open(session, place).await,
            Some(Backend::Sqlite(_)) | None => embedded::open(session, place, access),
        }
    }

    /// The data folder that [`open`](Self::open) would open, if it would open one and knows which.
    #[must_use]
    pub fn data_folder(session: &Session, place: &Place) -> Option<PathBuf> {
        let named = session.variables.contains_key("SENDOFF_QUEUE_URL_BASE");
        match &place.backend {
            Some(Backend::Aws) => None,
            None if named => None,
            Some(Backend::Sqlite(_)) | None => embedded::folder(session, place),
        }
    }
}

/// Makes a folder that only its owner can look into, with those above it, if it isn't there.
///
/// # Errors
///
/// When it can't be made.
pub fn private_folder(path: &std::path::Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}
