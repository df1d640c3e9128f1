use std::collections::BTreeMap;

use sendoff_consumers::{NewRun, Run, RunStatus, RunStep, Started, WorkflowError, Workflows};
use sendoff_events::BoxFuture;

use super::{NoAnswer, Remote};

/// The runs, by name.
pub type RunsState = BTreeMap<String, Run>;

/// Workflow runs in memory. A run takes its first step when it is started and goes no further.
pub struct MemoryWorkflows(pub Remote<RunsState>);

fn unavailable(_: NoAnswer) -> WorkflowError {
    WorkflowError::Unavailable("no answer".into())
}

impl Workflows for MemoryWorkflows {
    fn start<'a>(&'a self, run: &'a NewRun) -> BoxFuture<'a, Result<Started, WorkflowError>> {
        let run = run.clone();
        let answer = self.0.call(move |runs, now| match runs.get(&run.name) {
            Some(Run { started, .. }) => {
                let same =
                    (&started.workflow, started.version, &started.input) == (&run.workflow, run.version, &run.input);
                if same { Ok(Started::Already) } else { Err(WorkflowError::Conflict { name: run.name }) }
            }
            None => {
                let taken = run.steps.iter().take(1).map(|id| RunStep { id: id.clone(), at: now }).collect();
                let name = run.name.clone();
                runs.insert(name, Run { started: run, started_at: now, status: RunStatus::Running, taken });
                Ok(Started::New)
            }
        });
        Box::pin(async move { answer.await.map_err(unavailable)? })
    }

    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Run>, WorkflowError>> {
        let name = name.to_owned();
        let answer = self.0.call(move |runs, _| runs.get(&name).cloned());
        Box::pin(async move { answer.await.map_err(unavailable) })
    }

    fn stop<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<bool, WorkflowError>> {
        let name = name.to_owned();
        let answer = self.0.call(move |runs, _| match runs.get_mut(&name) {
            Some(run) if run.status == RunStatus::Running => {
                run.status = RunStatus::Stopped;
                true
            }
            _ => false,
        });
        Box::pin(async move { answer.await.map_err(unavailable) })
    }
}
