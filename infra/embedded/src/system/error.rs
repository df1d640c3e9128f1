//! Why the system doesn't run.

use std::{io, net::SocketAddr, path::PathBuf};

use sendoff_consumers::{
    RouterError, WorkflowError,
    channels::{
        FailoverError,
        email::SmtpSettingsError,
        http::HttpSettingsError,
        push::{FcmUrlError, ServiceAccountError},
        twilio::TwilioSettingsError,
        whatsapp::MetaSettingsError,
    },
    links::LinksError,
    routing::RoutingError,
};
use sendoff_producers::api::{KeyError, NotLoopback};

use super::PartError;
use crate::{OpenError, StoreError};

/// The system couldn't start, or a part of it failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SystemError {
    /// The data folder can't be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store doesn't work.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The API can't listen.
    #[error("can't listen at {address}: {source}. Choose another address with --listen")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// There is no key to check tokens with.
    #[error(transparent)]
    NotLoopback(#[from] NotLoopback),
    /// The keys contradict each other.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// A server inside the process that keeps messages can't start.
    #[error("the servers inside the process that keep messages can't start: {0}")]
    Sink(io::Error),
    /// The mail server can't be used.
    #[error(transparent)]
    Smtp(#[from] SmtpSettingsError),
    /// Twilio can't be used.
    #[error(transparent)]
    Twilio(#[from] TwilioSettingsError),
    /// Meta can't be used.
    #[error(transparent)]
    Meta(#[from] MetaSettingsError),
    /// FCM can't be used.
    #[error(transparent)]
    Fcm(#[from] FcmUrlError),
    /// FCM's service account can't be used.
    #[error(transparent)]
    ServiceAccount(#[from] ServiceAccountError),
    /// Links can't be made.
    #[error(transparent)]
    Links(#[from] LinksError),
    /// The secret that the data folder keeps for links can't be read or made.
    #[error(
        "{path} can't be read or made: {source}. It signs the links of approvals where no `links.secret` is configured"
    )]
    LinkSecret {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Nothing can be sent over HTTP.
    #[error(transparent)]
    Http(#[from] HttpSettingsError),
    /// Providers can't stand in for each other.
    #[error(transparent)]
    Failover(#[from] FailoverError),
    /// The rules of who is told of what have a mistake.
    #[error(transparent)]
    Routing(#[from] RoutingError),
    /// The handlers contradict each other.
    #[error(transparent)]
    Router(#[from] RouterError),
    /// Runs of workflows can't be carried on.
    #[error(transparent)]
    Workflows(#[from] WorkflowError),
    /// A part ended although nobody had asked it to.
    #[error(transparent)]
    Part(#[from] PartError),
}

impl SystemError {
    /// The sink and the provider that sends to it don't agree on what an account looks like.
    pub(super) fn sink(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Sink(io::Error::other(error))
    }
}
