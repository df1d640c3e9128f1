//! Workflows.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use sendoff_events::{BoxFuture, Timestamp};

use crate::{NewRun, Run, RunStatus, Started, WorkflowError, Workflows};

/// Runs by name.
#[derive(Default)]
pub(crate) struct MemoryWorkflows {
    pub(crate) runs: Mutex<BTreeMap<String, NewRun>>,
    pub(crate) down: AtomicBool,
}

impl Workflows for MemoryWorkflows {
    fn start<'a>(&'a self, run: &'a NewRun) -> BoxFuture<'a, Result<Started, WorkflowError>> {
        Box::pin(async move {
            if self.down.load(Ordering::Relaxed) {
                return Err(WorkflowError::Unavailable("down".into()));
            }
            let mut runs = self.runs.lock().unwrap();
            match runs.get(&run.name) {
                None => {
                    runs.insert(run.name.clone(), run.clone());
                    Ok(Started::New)
                }
                Some(found) if found == run => Ok(Started::Already),
                Some(_) => Err(WorkflowError::Conflict { name: run.name.clone() }),
            }
        })
    }

    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Run>, WorkflowError>> {
        let found = self.runs.lock().unwrap().get(name).cloned();
        let run =
            |started| Run { started, started_at: Timestamp::UNIX_EPOCH, status: RunStatus::Running, taken: Vec::new() };
        Box::pin(async move { Ok(found.map(run)) })
    }

    fn stop<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<bool, WorkflowError>> {
        Box::pin(async { Ok(false) })
    }
}
