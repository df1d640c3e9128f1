//! The one HTTP client that all providers share.

mod client;

pub use client::{HttpClient, HttpError, HttpRequest, HttpResponse, HttpSettings, HttpSettingsError};
