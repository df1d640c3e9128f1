//! Starting runs again.

use std::time::Duration;

use aws_sdk_sfn::Client;
use sendoff_aws::{CallError, Cause};
use sendoff_events::Clock;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::Execution;

/// What became of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// It goes on.
    Redriven,
    /// It can't be redriven, so nobody tried.
    Skipped {
        /// Why.
        why: String,
    },
    /// The service did not do it.
    Failed {
        /// Why.
        why: String,
    },
    /// No answer came: whether it goes on is unknown. Doing it again is safe: it goes on once.
    Unknown {
        /// What went wrong.
        why: String,
    },
}

/// Redrives these runs one after the other, with so long a pause between two, and tells what became of each as it goes.
pub async fn redrive(
    client: &Client,
    clock: &dyn Clock,
    executions: &[Execution],
    pause: Duration,
    mut told: impl FnMut(&Execution, &Outcome),
) -> Vec<Outcome> {
    let mut outcomes = Vec::with_capacity(executions.len());
    let mut asked = false;
    for execution in executions {
        let outcome = match &execution.not_redrivable {
            Some(why) => Outcome::Skipped { why: why.clone() },
            None => {
                if asked && !pause.is_zero() {
                    clock.sleep(pause).await;
                }
                asked = true;
                one(client, execution).await
            }
        };
        told(execution, &outcome);
        outcomes.push(outcome);
    }
    outcomes
}

async fn one(client: &Client, execution: &Execution) -> Outcome {
    let arn = &execution.arn;
    let answer = client.redrive_execution().execution_arn(arn).client_token(token(execution)).send().await;
    let Err(error) = answer else { return Outcome::Redriven };
    let error = CallError::of("states:RedriveExecution", arn, &error);
    let why = error.to_string();
    if error.cause == Cause::Unknown { Outcome::Unknown { why } } else { Outcome::Failed { why } }
}

/// The same for the same redrive of the same run, so that asking twice, by whomever, redrives once.
fn token(execution: &Execution) -> String {
    let hash = Sha256::digest(format!("{}/{}", execution.arn, execution.redrives));
    hex::encode(&hash[..16])
}
