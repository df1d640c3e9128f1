//! A small Lambda: it runs a real `bootstrap` binary as an execution environment, hands it events over the Runtime API and
//! takes its answers (<https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>).
//!
//! Like Lambda it hands an environment one event at a time, tells it its deadline, and kills it when that has passed.

mod api;
mod environment;
mod output;

use std::{io, path::Path, time::Duration};

use serde_json::Value;
use tokio::net::TcpListener;

use api::RuntimeApi;
use environment::Environment;

/// Why an invocation gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FunctionError {
    /// The function says so.
    #[error("{kind}: {message}")]
    Failed {
        /// Its name for the error.
        kind: String,
        /// What it says.
        message: String,
    },
    /// The deadline has passed, and the environment was killed.
    #[error("the function took too long and was killed")]
    TimedOut,
    /// The process has ended.
    #[error("the function's process has ended")]
    Crashed,
}

/// One execution environment of a function, running. Dropping it kills it.
pub struct LambdaFunction {
    api: RuntimeApi,
    environment: Environment,
    timeout: Duration,
}

impl LambdaFunction {
    /// Starts the binary with the variables that Lambda gives every function, and these beside them. An invocation may take
    /// `timeout`.
    ///
    /// # Errors
    ///
    /// When the binary can't be started, or there is no port to be had.
    pub async fn start(
        bootstrap: &Path,
        variables: impl IntoIterator<Item = (&str, String)>,
        timeout: Duration,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let api = RuntimeApi::serve(listener);
        let environment = Environment::spawn(bootstrap, address, variables)?;
        Ok(Self { api, environment, timeout })
    }

    /// Waits until the function asks for its first event: its cold start is over then.
    ///
    /// # Errors
    ///
    /// [`FunctionError`] when it ends or dawdles instead.
    pub async fn ready(&mut self) -> Result<(), FunctionError> {
        self.watched(self.api.asked()).await
    }

    /// Hands it one event and gives its answer.
    ///
    /// # Errors
    ///
    /// [`FunctionError`]. After [`TimedOut`](FunctionError::TimedOut) and [`Crashed`](FunctionError::Crashed) it is gone.
    pub async fn invoke(&mut self, event: &Value) -> Result<Value, FunctionError> {
        let answer = self.api.hand_over(event, self.timeout);
        self.watched(answer).await?
    }

    async fn watched<T>(&self, work: impl Future<Output = T>) -> Result<T, FunctionError> {
        tokio::select! {
            done = work => Ok(done),
            () = self.environment.ended() => Err(FunctionError::Crashed),
            () = tokio::time::sleep(self.timeout) => {
                self.environment.kill();
                Err(FunctionError::TimedOut)
            }
        }
    }

    /// What it has written so far: log lines and metrics.
    #[must_use]
    pub fn output(&self) -> String {
        self.environment.output().text()
    }

    /// What it has written, as soon as `what` is part of it: what an invocation wrote may arrive a little later than its
    /// answer.
    ///
    /// # Errors
    ///
    /// [`FunctionError`] when it ends or never writes it.
    pub async fn output_with(&mut self, what: &str) -> Result<String, FunctionError> {
        self.watched(self.environment.output().holds(what)).await?;
        Ok(self.output())
    }
}
