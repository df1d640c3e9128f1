//! The one HTTP client that all providers share.

mod base;
mod client;
#[cfg(test)]
mod client_tests;

pub(crate) use base::{bare_url, base_url};
pub(crate) use client::Refused;
pub use client::{Extent, HttpClient, HttpError, HttpRequest, HttpResponse, HttpSettings, HttpSettingsError};
