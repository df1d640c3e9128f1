//! The one HTTP client that all providers share.

mod client;
#[cfg(test)]
mod client_tests;

pub use client::{HttpClient, HttpError, HttpRequest, HttpResponse, HttpSettings, HttpSettingsError};
