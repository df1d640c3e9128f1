//! Workflows, and what waits for its time.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use sendoff_events::{BoxFuture, TenantId, Timestamp};
use sendoff_workflows::Published;

use crate::{
    Decided, HistoryPage, NewRun, Run, RunFilter, RunPage, RunStatus, Schedule, Schedules, SchedulesError, Started,
    WorkflowError, Workflows,
};

/// Runs by name.
#[derive(Default)]
pub(crate) struct MemoryWorkflows {
    pub(crate) runs: Mutex<BTreeMap<String, NewRun>>,
    pub(crate) published: Mutex<Vec<(String, u32)>>,
    /// How runs stand that aren't running.
    pub(crate) ended: Mutex<BTreeMap<String, RunStatus>>,
    pub(crate) decided: Mutex<Vec<Decided>>,
    pub(crate) down: AtomicBool,
    /// Whether what is published can't be seen yet by whoever starts a run of it.
    pub(crate) is_behind: AtomicBool,
}

impl Workflows for MemoryWorkflows {
    fn publish<'a>(&'a self, _: &'a TenantId, published: &'a Published) -> BoxFuture<'a, Result<(), WorkflowError>> {
        self.published.lock().unwrap().push((published.workflow.clone(), published.version));
        Box::pin(async { Ok(()) })
    }

    fn start<'a>(&'a self, run: &'a NewRun) -> BoxFuture<'a, Result<Started, WorkflowError>> {
        Box::pin(async move {
            if self.down.load(Ordering::Relaxed) {
                return Err(WorkflowError::Unavailable("down".into()));
            }
            if self.is_behind.load(Ordering::Relaxed) {
                let NewRun { app, workflow, version, .. } = run.clone();
                return Err(WorkflowError::NotPublished { app, workflow, version });
            }
            let mut runs = self.runs.lock().unwrap();
            match runs.get(&run.name) {
                None => {
                    runs.insert(run.name.clone(), run.clone());
                    Ok(Started::New)
                }
                Some(found) if found.is_same(run) => Ok(Started::Already),
                Some(_) => Err(WorkflowError::Conflict { name: run.name.clone() }),
            }
        })
    }

    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Run>, WorkflowError>> {
        Box::pin(async move {
            if self.down.load(Ordering::Relaxed) {
                return Err(WorkflowError::Unavailable("down".into()));
            }
            let found = self.runs.lock().unwrap().get(name).cloned();
            let status = self.ended.lock().unwrap().get(name).copied().unwrap_or(RunStatus::Running);
            let started_at = Timestamp::UNIX_EPOCH;
            Ok(found.map(|started| Run { started, started_at, status, ended_at: None, failure: None }))
        })
    }

    fn history<'a>(&'a self, _: &'a str, _: u64, _: usize) -> BoxFuture<'a, Result<HistoryPage, WorkflowError>> {
        Box::pin(async { Ok(HistoryPage { entries: Vec::new(), next: None }) })
    }

    fn list<'a>(
        &'a self,
        _: &'a RunFilter,
        _: Option<&'a str>,
        _: usize,
    ) -> BoxFuture<'a, Result<RunPage, WorkflowError>> {
        Box::pin(async { Ok(RunPage { runs: Vec::new(), next: None }) })
    }

    fn stop<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<bool, WorkflowError>> {
        Box::pin(async { Ok(false) })
    }

    fn redrive<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<bool, WorkflowError>> {
        Box::pin(async { Ok(false) })
    }

    fn decide<'a>(&'a self, decided: &'a Decided) -> BoxFuture<'a, Result<bool, WorkflowError>> {
        self.decided.lock().unwrap().push(decided.clone());
        Box::pin(async { Ok(true) })
    }
}

/// Schedules by name, which nobody delivers.
#[derive(Default)]
pub(crate) struct MemorySchedules(pub(crate) Mutex<BTreeMap<String, Schedule>>);

impl Schedules for MemorySchedules {
    fn put<'a>(&'a self, schedule: &'a Schedule) -> BoxFuture<'a, Result<(), SchedulesError>> {
        self.0.lock().unwrap().insert(schedule.name.clone(), schedule.clone());
        Box::pin(async { Ok(()) })
    }

    fn cancel<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<bool, SchedulesError>> {
        let was_there = self.0.lock().unwrap().remove(name).is_some();
        Box::pin(async move { Ok(was_there) })
    }
}
