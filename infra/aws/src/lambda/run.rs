//! The life of a function's process.

use std::sync::Arc;

use lambda_runtime::{LambdaEvent, service_fn};
use sendoff_events::{Clock, Timestamp};
use sendoff_host::SystemClock;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use tokio::sync::OnceCell;

use super::{Deadline, FunctionError, action, ping::Ping};

/// What a function is told beside the event.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The id of the request, as it stands in Lambda's own log lines.
    pub request_id: String,
    /// How long there is.
    pub deadline: Deadline,
}

/// A function: made once per execution environment, at its first real event.
pub trait Function: Send + Sync + 'static {
    /// Works one event. The answer is JSON.
    fn handle(
        &self,
        event: &RawValue,
        invocation: &Invocation,
    ) -> impl Future<Output = Result<Box<RawValue>, FunctionError>> + Send;

    /// Called after every event, before the environment may be frozen: what was measured is written out here.
    fn flush(&self) {}
}

/// Runs a function for ever, on one thread: its processor is shared with nobody, and often less than a whole one. `make`
/// makes the function. Should it fail, the invocation fails, and the next one tries again.
///
/// # Errors
///
/// The runtime's error when Lambda's API can't be reached.
pub fn run<F, M>(make: impl Fn() -> M) -> Result<(), lambda_runtime::Error>
where
    F: Function,
    M: Future<Output = Result<F, FunctionError>>,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let made = Arc::new(OnceCell::new());
        let make = Arc::new(make);
        let service = service_fn(move |event: LambdaEvent<Box<RawValue>>| {
            let (made, make) = (Arc::clone(&made), Arc::clone(&make));
            async move { invoke(&made, &*make, event).await }
        });
        lambda_runtime::run(service).await
    })
}

async fn invoke<F, M>(
    made: &OnceCell<F>,
    make: &impl Fn() -> M,
    event: LambdaEvent<Box<RawValue>>,
) -> Result<Box<RawValue>, FunctionError>
where
    F: Function,
    M: Future<Output = Result<F, FunctionError>>,
{
    let LambdaEvent { payload, context } = event;
    let clock = SystemClock;
    if let Some(ping) = Ping::of(&payload) {
        if !ping.hold().is_zero() {
            clock.sleep(ping.hold()).await;
        }
        return answer(&Warm { warm: true });
    }
    let result = async {
        let function = made.get_or_try_init(make).await?;
        let end = i64::try_from(context.deadline).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
        let deadline = Deadline::of(clock.now(), end.unwrap_or(Timestamp::MAX));
        let result = function.handle(&payload, &Invocation { request_id: context.request_id, deadline }).await;
        function.flush();
        result
    }
    .await;
    let result = if action::is_meant_in(&payload) { result.map_err(action::as_action) } else { result };
    if let Err(error) = &result {
        tracing::error!(%error, kind = error.kind(), "the invocation failed");
    }
    result
}

#[derive(Serialize)]
struct Warm {
    warm: bool,
}

/// The answer as JSON.
pub(crate) fn answer(answer: &impl Serialize) -> Result<Box<RawValue>, FunctionError> {
    to_raw_value(answer).map_err(FunctionError::backend)
}
