//! How a request that can't be taken is answered.

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

/// Why a request isn't taken.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The endpoint isn't set up.
    NotConfigured,
    /// Nothing proves that it comes from whom it says. Holds which endpoint it was, and what is wrong.
    Forged(&'static str, &'static str),
    /// It is longer than such requests are.
    TooLarge,
    /// It is from whom it says, and can't be understood.
    Garbled(&'static str),
    /// The message that it is about is in somebody's hands: whoever sent it should send it again. Holds until when.
    Busy(String),
    /// Too much is being done for others: whoever sent it should send it again.
    Crowded(&'static str),
    /// Something that is needed for it can't be reached: whoever sent it should send it again.
    Unavailable(String),
}

impl IntoResponse for Refusal {
    /// The answer has no body: whoever forges learns nothing, and providers read none.
    fn into_response(self) -> Response {
        let status = match &self {
            Self::NotConfigured => StatusCode::NOT_FOUND,
            Self::Forged(endpoint, why) => {
                tracing::warn!(endpoint, why, "a callback was refused: its origin isn't proven");
                StatusCode::FORBIDDEN
            }
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Garbled(why) => {
                tracing::warn!(why, "a callback can't be understood");
                StatusCode::BAD_REQUEST
            }
            Self::Busy(why) => {
                tracing::info!(
                    why,
                    "a callback came while its message is being sent; its sender is asked to repeat it"
                );
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Crowded(why) => {
                tracing::warn!(why, "a callback isn't taken in now; its sender is asked to repeat it");
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Unavailable(why) => {
                tracing::error!(why, "a callback can't be taken in now; its sender is asked to repeat it");
                StatusCode::SERVICE_UNAVAILABLE
            }
        };
        match status {
            StatusCode::SERVICE_UNAVAILABLE => (status, [(header::RETRY_AFTER, "10")]).into_response(),
            status => status.into_response(),
        }
    }
}
