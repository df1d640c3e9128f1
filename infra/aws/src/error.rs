//! A call to AWS that failed: which call, on what, why, and what to do.

use std::fmt;

use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use hyper_util::client::legacy;

/// Why a call failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The service asks to slow down. It did nothing.
    Throttled,
    /// The role may not do this. It was not done.
    Denied,
    /// There is no such resource.
    Missing,
    /// The request is wrong, or a condition of it isn't met. It was not done.
    Refused,
    /// It was never sent: no connection, or no credentials to sign it with.
    NotSent,
    /// No answer, or one that says that the service failed: whether it was done is unknown.
    Unknown,
}

/// A failed call. Its text names call and resource, what the service said, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallError {
    /// The call, as IAM names it: `sqs:ReceiveMessage`.
    pub call: &'static str,
    /// What it was about: a table, a queue's URL, a topic's ARN.
    pub resource: String,
    /// Why it failed.
    pub cause: Cause,
    /// The service's code for it, if it gave one.
    pub code: Option<String>,
    /// What the service, or the connection, said.
    pub message: String,
}

/// Codes by which AWS services ask to slow down, or to wait until others have ended or a quota is raised, beside those that say
/// `Throttl`.
const THROTTLES: [&str; 8] = [
    "RequestLimitExceeded",
    "TooManyRequestsException",
    "ProvisionedThroughputExceededException",
    "LimitExceededException",
    "ExecutionLimitExceeded",
    "StateMachineLimitExceeded",
    "ServiceQuotaExceededException",
    "SlowDown",
];

/// Codes of a request that isn't allowed, or isn't signed by anybody who is known.
const DENIALS: [&str; 10] = [
    "AccessDenied",
    "AccessDeniedException",
    "AuthorizationError",
    "AuthorizationErrorException",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "SignatureDoesNotMatch",
    "InvalidSignatureException",
    "ExpiredToken",
    "ExpiredTokenException",
];

/// Parts of the codes of a resource that isn't there.
const MISSING: [&str; 6] = [
    "NotFound",
    "NonExistentQueue",
    "QueueDoesNotExist",
    "NoSuch",
    "StateMachineDoesNotExist",
    "ExecutionDoesNotExist",
];

impl CallError {
    /// What became of a call on a resource.
    pub fn of<E>(call: &'static str, resource: impl Into<String>, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let (cause, code, message) = match error {
            SdkError::ConstructionFailure(_) => (Cause::NotSent, None, chain(error)),
            SdkError::DispatchFailure(failure) => {
                // A user's failure is one of ours, before anything left: no credentials, say. Whatever broke off later,
                // an answer that ended halfway among it, may have been done.
                let sent = !failure.is_user() && !connecting(error);
                (if sent { Cause::Unknown } else { Cause::NotSent }, None, chain(error))
            }
            SdkError::TimeoutError(_) => (Cause::Unknown, None, "it didn't answer in time".to_owned()),
            SdkError::ServiceError(context) => {
                let (code, message) = (context.err().code(), context.err().message());
                let cause = judge(code.unwrap_or_default(), context.raw().status().as_u16());
                let text = message.map_or_else(|| format!("HTTP {}", context.raw().status()), str::to_owned);
                (cause, code.map(str::to_owned), text)
            }
            other => (Cause::Unknown, None, chain(other)),
        };
        Self { call, resource: resource.into(), cause, code, message }
    }

    /// Whether the same call may succeed later without anybody changing anything.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(self.cause, Cause::Throttled | Cause::NotSent | Cause::Unknown)
    }
}

/// Whether a service asks to slow down by this code, of a call or of an entry of a batch. Whose fault that is says nothing.
pub(crate) fn is_throttle(code: &str) -> bool {
    code.contains("Throttl") || THROTTLES.contains(&code)
}

fn judge(code: &str, status: u16) -> Cause {
    // Query protocols prefix their codes with the service: `AWS.SimpleQueueService.NonExistentQueue`.
    let kms = code.starts_with("KMS");
    if is_throttle(code) || status == 429 {
        Cause::Throttled
    } else if DENIALS.contains(&code) || kms || status == 403 {
        // A key that is disabled or not ours is for a person to mend, like a missing permission; it says nothing of the request.
        Cause::Denied
    } else if MISSING.iter().any(|part| code.contains(part)) || status == 404 {
        Cause::Missing
    } else if status >= 500 {
        Cause::Unknown
    } else {
        Cause::Refused
    }
}

/// Whether the connection itself failed, so that nothing can have been sent.
fn connecting(error: &(dyn std::error::Error + 'static)) -> bool {
    let is_refused = |error: &std::io::Error| error.kind() == std::io::ErrorKind::ConnectionRefused;
    cause(error).is_some_and(legacy::Error::is_connect) || cause(error).is_some_and(is_refused)
}

/// The first of the error and its causes that is an `E`.
pub(crate) fn cause<'a, E: std::error::Error + 'static>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// The error with all that caused it: the SDK's own texts say only "dispatch failure".
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        next = cause.source();
    }
    text
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { call, resource, cause, code, message } = self;
        write!(f, "{call} on `{resource}` failed: ")?;
        if let Some(code) = code {
            write!(f, "{code}: ")?;
        }
        write!(f, "{message}")?;
        match cause {
            Cause::Throttled | Cause::Refused => Ok(()),
            Cause::Denied => {
                write!(f, "; allow {call} on it in the role's policy, and check the credentials and the region")
            }
            Cause::Missing => {
                write!(f, "; check its name, the account and the region (AWS_REGION), or deploy the template")
            }
            Cause::NotSent => write!(f, "; nothing was sent: check the network, AWS_ENDPOINT_URL and the credentials"),
            Cause::Unknown => write!(f, "; whether it was done is unknown"),
        }
    }
}

impl std::error::Error for CallError {}

#[cfg(test)]
mod tests {
    use std::io;

    use aws_sdk_sqs::error::ErrorMetadata;
    use aws_smithy_runtime_api::{client::result::ConnectorError, http::StatusCode};
    use aws_smithy_types::{body::SdkBody, retry::ErrorKind};

    use super::*;

    #[test]
    fn codes_of_every_dialect_are_judged_by_what_they_mean() {
        for (code, status, cause) in [
            ("ThrottlingException", 400, Cause::Throttled),
            ("KMSThrottling", 400, Cause::Throttled),
            ("KMS.ThrottlingException", 400, Cause::Throttled),
            ("ExecutionLimitExceeded", 400, Cause::Throttled),
            ("StateMachineLimitExceeded", 400, Cause::Throttled),
            ("ServiceQuotaExceededException", 402, Cause::Throttled),
            ("Whatever", 429, Cause::Throttled),
            ("KMSAccessDenied", 400, Cause::Denied),
            ("KMS.DisabledException", 400, Cause::Denied),
            ("AuthorizationError", 403, Cause::Denied),
            ("AWS.SimpleQueueService.NonExistentQueue", 400, Cause::Missing),
            ("ResourceNotFoundException", 400, Cause::Missing),
            ("NoSuchBucket", 404, Cause::Missing),
            ("InternalServerError", 500, Cause::Unknown),
            ("", 503, Cause::Unknown),
            ("ValidationException", 400, Cause::Refused),
        ] {
            assert_eq!(judge(code, status), cause, "{code} {status}");
        }
    }

    fn told(error: SdkError<ErrorMetadata, HttpResponse>) -> CallError {
        #[derive(Debug)]
        struct Service(ErrorMetadata);

        impl fmt::Display for Service {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("service error")
            }
        }

        impl std::error::Error for Service {}

        impl ProvideErrorMetadata for Service {
            fn meta(&self) -> &ErrorMetadata {
                &self.0
            }
        }

        CallError::of("sqs:SendMessage", "https://queue", &error.map_service_error(Service))
    }

    #[test]
    fn an_answer_that_broke_off_leaves_it_open_whether_the_call_was_done() {
        let refused = ConnectorError::io(io::Error::from(io::ErrorKind::ConnectionRefused).into());
        assert_eq!(told(SdkError::dispatch_failure(refused)).cause, Cause::NotSent);
        let cut = ConnectorError::other("message incomplete".into(), Some(ErrorKind::TransientError));
        let reset = ConnectorError::io(io::Error::from(io::ErrorKind::ConnectionReset).into());
        let silent = ConnectorError::timeout("no answer".into());
        for broken in [cut, reset, silent] {
            assert_eq!(told(SdkError::dispatch_failure(broken)).cause, Cause::Unknown);
        }
    }

    #[test]
    fn an_error_names_call_and_resource_and_what_to_do() {
        let denied = ErrorMetadata::builder().code("AccessDenied").message("no").build();
        let answer = HttpResponse::new(StatusCode::try_from(403).unwrap(), SdkBody::empty());
        let text = told(SdkError::service_error(denied, answer)).to_string();
        let expected = "sqs:SendMessage on `https://queue` failed: AccessDenied: no; allow sqs:SendMessage on it in the role's \
                        policy, and check the credentials and the region";
        assert_eq!(text, expected);
    }
}
