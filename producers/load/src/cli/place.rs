//! What is put under load, as it is said on the command line.

use std::{fs, path::PathBuf};

use clap::Args;
use sendoff_host::{Exit, Stopped};

use super::Session;
use crate::{
    guards::{self, Refusal},
    target::{TargetError, Trouble},
    targets::{Backend, TargetOptions},
};

/// What is put under load.
#[derive(Debug, Clone, Args)]
pub(super) struct PlaceArgs {
    /// What is put under load: `own`, the whole embedded system in this process; `sqlite:DIR`, beside the server of this data folder;
    /// or `aws`, as the environment says
    #[arg(long, value_name = "BACKEND", default_value = "own", value_parser = backend)]
    backend: Backend,
    /// Where the HTTP API is. On another machine only if its name is allowed
    #[arg(long, value_name = "URL")]
    api: Option<String>,
    /// A file that holds the bearer token for the API
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// What may be put under load besides this machine: an account id, the name of a queue or of a host. May be repeated
    #[arg(long, value_name = "NAME")]
    allow: Vec<String>,
    /// A system of our own may lose its last commits in a power cut, which makes it faster
    #[arg(long)]
    relaxed: bool,
    /// Where a system of our own keeps its data: a folder that isn't there yet, or one of an earlier run. Without it, in a folder that is
    /// removed at the end
    #[arg(long, value_name = "DIR")]
    keep_data: Option<PathBuf>,
    /// Where runs keep their reports and their lists of events
    #[arg(long, value_name = "DIR", default_value = ".sendoff-load")]
    pub(super) out: PathBuf,
}

fn backend(text: &str) -> Result<Backend, String> {
    match text {
        "own" => Ok(Backend::Own),
        "aws" => Ok(Backend::Aws),
        _ => match text.strip_prefix("sqlite:") {
            Some(path) if !path.is_empty() => Ok(Backend::Sqlite(path.into())),
            _ => Err("it is `own`, `sqlite:DIR` or `aws`".into()),
        },
    }
}

impl PlaceArgs {
    /// The same, for the target. `allow` is what the scenario allows besides.
    pub(super) fn options(&self, session: &Session, allow: &[String]) -> Result<TargetOptions, Stopped> {
        let allow: Vec<String> = self.allow.iter().chain(allow).cloned().collect();
        if let Some(api) = &self.api {
            guards::check_api(api, &allow).map_err(refused)?;
        }
        let read = |file: &PathBuf| {
            let path = session.folder.join(file);
            let text = fs::read_to_string(&path)
                .map_err(|e| Stopped::new(Exit::Usage, format_args!("--token-file: {}: {e}", path.display())))?;
            Ok::<_, Stopped>(text.trim().to_owned())
        };
        Ok(TargetOptions {
            backend: match &self.backend {
                Backend::Sqlite(path) => Backend::Sqlite(session.folder.join(path)),
                other => other.clone(),
            },
            api: self.api.clone(),
            token: self.token_file.as_ref().map(read).transpose()?,
            relaxed: self.relaxed,
            allow,
            keep_data: self.keep_data.as_ref().map(|path| session.folder.join(path)),
            runs: Some(session.folder.join(&self.out)),
        })
    }
}

impl PlaceArgs {
    /// Whether the system is one of our own.
    pub(super) fn is_own(&self) -> bool {
        self.backend == Backend::Own
    }

    /// Whether nothing of the system is left when it ends.
    pub(super) fn is_gone_afterwards(&self) -> bool {
        self.is_own() && self.keep_data.is_none()
    }
}

/// How the program ends when a guard says no.
pub(super) fn refused(refusal: Refusal) -> Stopped {
    let is_wrong = matches!(refusal, Refusal::Address(_) | Refusal::Credentials);
    let exit = if is_wrong { Exit::Usage } else { Exit::Refused };
    Stopped::new(exit, refusal)
}

/// How the program ends when the target can't be used.
pub(super) fn unusable(error: &TargetError) -> Stopped {
    let exit = match error.trouble {
        Trouble::Forbidden => Exit::Refused,
        Trouble::Unreachable => Exit::Unreachable,
        Trouble::Unusable => Exit::Usage,
    };
    Stopped::new(exit, error)
}
