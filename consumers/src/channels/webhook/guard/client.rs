//! A client that calls what the guard lets through, and nothing else.

use std::sync::Arc;

use super::{Checked, Guard, Lookup, Target, Unchecked};
use crate::channels::http::{HttpClient, HttpError, HttpRequest, HttpResponse, HttpSettings, HttpSettingsError};

/// Sends requests to addresses that the [`Guard`] allows. A name is resolved once for each request, every address that it has is
/// checked, and the request goes to one of those. Redirects are not followed.
#[derive(Clone)]
pub(crate) struct GuardedClient {
    guard: Guard,
    client: HttpClient,
    /// For those that the rules don't hold for.
    exempt: HttpClient,
}

impl GuardedClient {
    /// Calls what `guard` allows, at the addresses that `lookup` finds.
    pub(crate) fn new(
        guard: Guard,
        lookup: Arc<dyn Lookup>,
        settings: &HttpSettings,
    ) -> Result<Self, HttpSettingsError> {
        Self::checked_by(guard, Checked::new(Arc::clone(&lookup)), lookup, settings)
    }

    pub(in crate::channels::webhook) fn checked_by(
        guard: Guard,
        checked: Checked,
        lookup: Arc<dyn Lookup>,
        settings: &HttpSettings,
    ) -> Result<Self, HttpSettingsError> {
        let client = HttpClient::resolving(settings, checked)?;
        let exempt = HttpClient::resolving(settings, Unchecked(lookup))?;
        Ok(Self { guard, client, exempt })
    }

    pub(in crate::channels::webhook) const fn guard(&self) -> &Guard {
        &self.guard
    }

    /// Sends the request and reads the answer. A refusal of the guard is a request that can't be made.
    pub(crate) async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let target = self.guard.target(&request.url).map_err(|refusal| HttpError::Invalid(refusal.0))?;
        self.send_to(target, request).await
    }

    /// The same for a target that the guard has made, in place of the request's URL.
    pub(in crate::channels::webhook) async fn send_to(
        &self,
        Target { url, exempt }: Target,
        request: HttpRequest,
    ) -> Result<HttpResponse, HttpError> {
        let client = if exempt { &self.exempt } else { &self.client };
        client.send(HttpRequest { url: url.into(), ..request }).await
    }
}
