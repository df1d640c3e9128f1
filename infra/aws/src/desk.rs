//! What telling people takes on AWS, but for what sends.

use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};
use sendoff_consumers::{
    handlers::Desk,
    links::{Links, LinksError},
    routing::{Routing, RoutingError},
    templates::{TemplateError, TemplateProblems, Templates},
};
use sendoff_producers::Lookup;

use crate::{Secret, SecretError, Store, settings::Settings};

/// The desk can't be put together.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeskError {
    /// A standard template has a mistake.
    #[error(transparent)]
    Templates(#[from] TemplateError),
    /// The list of Twilio's contents has a mistake.
    #[error(transparent)]
    Contents(#[from] TemplateProblems),
    /// The rules of who is told of what have a mistake.
    #[error(transparent)]
    Routing(#[from] RoutingError),
    /// The secret of links can't be had.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// Links can't be made of it.
    #[error(transparent)]
    Links(#[from] LinksError),
}

/// The desk, which looks users and apps up in `records`.
///
/// # Errors
///
/// [`DeskError`].
pub(crate) async fn desk(store: &Store, settings: &Settings, records: Arc<dyn Lookup>) -> Result<Desk, DeskError> {
    let mut templates = Templates::standard()?;
    if let Some(list) = &settings.twilio_content_sids {
        templates = templates.with_content_sids(list)?;
    }
    let routing = match &settings.routing {
        Some(routing) => routing.clone(),
        None => Routing::standard(&templates)?,
    };
    let links = match settings.links() {
        Some((base, secret)) => Some(links(&base, &secret, store).await?),
        None => None,
    };
    Ok(Desk {
        records,
        authoritative: store.records(),
        inbox: store.inbox(),
        deliveries: store.deliveries(settings.inbox_keep),
        routing: Arc::new(routing),
        templates: Arc::new(templates),
        links,
        channels: settings.channels_on(),
    })
}

/// What makes links below the public address, and reads those that come back.
///
/// # Errors
///
/// [`DeskError`] when the secret can't be had, or won't do.
pub(crate) async fn links(base: &str, secret: &Secret, store: &Store) -> Result<Links, DeskError> {
    let text = secret.get(&store.aws, &*store.clock).await?;
    links_of(base, text.expose_secret()).map_err(DeskError::from)
}

/// The secret may be followed by former ones, with white space between them: their links go on being ours.
pub(crate) fn links_of(base: &str, text: &str) -> Result<Links, LinksError> {
    let mut secrets = text.split_whitespace().map(SecretString::from);
    let links = Links::new(base, &secrets.next().unwrap_or_default())?;
    secrets.try_fold(links, |links, former| links.accepting(&former))
}
