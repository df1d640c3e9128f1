//! The systems that load can be put on: one of our own in this process, one that is being served from a data folder, and AWS.

mod aws;
mod beside;
mod guard;
mod kept;
mod own;
mod people;
mod sinks;
mod store;
mod ways;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use crate::target::{Target, TargetError, Via};
use aws::OnAws;
use beside::Beside;
use own::Own;
use sendoff_events::{Clock, Rng};
use sendoff_host::{SystemClock, SystemRng};
use sendoff_producers::api::DevelopmentKey;
use ways::{Api, Credential};

pub use kept::is_kept;

/// Which system, and how it is reached.
#[derive(Debug, Clone, Default)]
pub struct TargetOptions {
    /// Where it runs.
    pub backend: Backend,
    /// Where its HTTP API is, `http://127.0.0.1:8080`. Not needed for a system of our own.
    pub api: Option<String>,
    /// The bearer token for the API. Without it, on a loopback address, one of the development key is made for each user.
    pub token: Option<String>,
    /// Whether a system of our own may lose its last commits in a power cut, which makes it faster.
    pub relaxed: bool,
    /// What may be put under load besides this machine: account ids, names of topics and queues.
    pub allow: Vec<String>,
    /// Where a system of our own keeps its data: a folder that isn't there yet, or that a run of ours has made. Without it, in one that is
    /// removed when the run has ended.
    pub keep_data: Option<PathBuf>,
    /// Where the folders of runs stand, `.sendoff-load` by default: on AWS cleaning goes by what is written there.
    pub runs: Option<PathBuf>,
}

const OPENING_API: &str = "opening the API";

/// What a target needs of the world around it. Tests make their own.
#[derive(Clone)]
pub struct World {
    /// The environment.
    pub variables: BTreeMap<String, String>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
}

impl World {
    /// That of this process.
    #[must_use]
    pub fn of_this_process() -> Self {
        let variables = sendoff_aws::settings::environment().collect();
        Self { variables, clock: Arc::new(SystemClock), rng: Arc::new(SystemRng::new()) }
    }
}

/// Where the system under test runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Backend {
    /// The whole embedded system, in this process.
    #[default]
    Own,
    /// Beside the server of this data folder.
    Sqlite(PathBuf),
    /// On AWS, as the environment says.
    Aws,
}

/// Checks that the options fit the system, and that it may be put under load by this way. Calls nothing.
///
/// # Errors
///
/// [`TargetError`]: it isn't allowed, or the options don't fit together.
pub fn check(options: &TargetOptions, via: Via) -> Result<(), TargetError> {
    options.fit(via)?;
    if let Some(api) = &options.api {
        guard::endpoint(OPENING_API, api, &options.allow)?;
    }
    match options.backend {
        Backend::Aws => aws::check(options, &World::of_this_process()),
        Backend::Own | Backend::Sqlite(_) => Ok(()),
    }
}

impl TargetOptions {
    /// What says nothing about the system is a mistake: another system than the one that is meant would be measured.
    fn fit(&self, via: Via) -> Result<(), TargetError> {
        let misfit = |why: &str| Err(TargetError::unusable("choosing the system", why));
        let is_own = self.backend == Backend::Own;
        if is_own && self.api.is_some() {
            return misfit(
                "--api: a system of our own has its own API. Name the system with --backend sqlite:DIR or aws",
            );
        }
        if !is_own && self.relaxed {
            return misfit("--relaxed is for a system of our own: how another one is configured isn't ours to say");
        }
        if !is_own && self.keep_data.is_some() {
            return misfit("--keep-data is for a system of our own: another one keeps its data anyway");
        }
        if self.token.is_some() && self.api.is_none() {
            return misfit("--token-file is for the API at --api: give that too");
        }
        if via == Via::Api && !is_own && self.api.is_none() {
            return misfit("the way in is the API, and there is no address of one: give it with --api");
        }
        Ok(())
    }
}

/// Opens the system under test. One of our own is started.
///
/// # Errors
///
/// [`TargetError`]: it can't be reached, isn't allowed, or the options don't fit together.
pub async fn open(options: &TargetOptions) -> Result<Arc<dyn Target>, TargetError> {
    open_in(options, &World::of_this_process()).await
}

/// The same in a world that is made up. The embedded system has its own clock.
///
/// # Errors
///
/// As [`open`].
pub async fn open_in(options: &TargetOptions, world: &World) -> Result<Arc<dyn Target>, TargetError> {
    match &options.backend {
        Backend::Own => Ok(Arc::new(Own::start(options).await?)),
        Backend::Sqlite(folder) => Ok(Arc::new(Beside::open(folder, options)?)),
        Backend::Aws => Ok(Arc::new(OnAws::open(options, world).await?)),
    }
}

/// The API that the options name, if they do.
fn open_api(options: &TargetOptions, clock: Arc<dyn Clock>) -> Result<Option<Api>, TargetError> {
    let what = OPENING_API;
    let Some(text) = &options.api else { return Ok(None) };
    let url = guard::endpoint(what, text, &options.allow)?;
    let credential = match (&options.token, url.socket_addrs(|| None)) {
        (Some(token), _) => Credential::Given(token.clone()),
        (None, Ok(addresses)) if guard::is_loopback(&url) => {
            let address = addresses.first().copied().ok_or_else(|| TargetError::unusable(what, "it has no address"))?;
            let key = DevelopmentKey::loopback(address).map_err(|e| TargetError::unusable(what, e))?;
            Credential::Minted(Box::new(key.signing()))
        }
        (None, _) => {
            let why = "the development key opens loopback addresses only: give a token with --token-file";
            return Err(TargetError::unusable(what, why));
        }
    };
    Api::new(text, credential, clock).map(Some)
}
