//! One data folder, and the processes that serve it one after another.

use std::{
    fs,
    os::unix::process::ExitStatusExt as _,
    path::PathBuf,
    process::{Child, Command, ExitStatus},
    time::Duration,
};

use rusqlite::Connection;
use sendoff_embedded::{Store, StoreOptions};
use sendoff_events::{Clock as _, Rng as _};
use sendoff_host::SystemClock;
use sendoff_tests::{
    crash::{
        Provider,
        workflow::{self, DATABASE_CONNECTION, HTTP_CONNECTION, TENANT},
    },
    simulation::WorldRng,
};
use tempfile::TempDir;

const SIGKILL: i32 = 9;

/// A data folder with the workflow in it, and a database beside it.
pub(super) struct Lane {
    outside: TempDir,
    command: Vec<String>,
}

impl Lane {
    /// A lane whose processes are told to do `work`.
    pub(super) fn new(provider: &Provider, crm: &str, work: &[&str]) -> Self {
        let outside = tempfile::tempdir().expect("a folder");
        let path = |name: &str| outside.path().join(name);
        let (stock, config) = (path("stock.db"), path("sendoff.toml"));
        let database = Connection::open(&stock).expect("a database");
        database.execute_batch("create table reserved (id text, part text)").expect("a table");
        let text = format!(
            "[connections.{HTTP_CONNECTION}]\nurl = \"{crm}\"\ntenants = \"{TENANT}\"\nprivate = true\n\n\
             [connections.{DATABASE_CONNECTION}]\nurl = \"sqlite:{}\"\ntenants = \"{TENANT}\"\n",
            stock.display()
        );
        fs::write(&config, text).expect("it is written");
        let command = [
            path("data").display().to_string(),
            config.display().to_string(),
            provider.address().to_string(),
            SystemClock.now().as_millisecond().to_string(),
        ];
        let command = command.into_iter().chain(work.iter().map(|word| (*word).to_owned())).collect();
        let lane = Self { outside, command };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let store = lane.store();
            workflow::seed(&store, &SystemClock).await.expect("it is seeded");
            store.shutdown().await;
        });
        lane
    }

    pub(super) fn folder(&self) -> PathBuf {
        self.outside.path().join("data")
    }

    pub(super) fn store(&self) -> Store {
        Store::open(self.folder(), StoreOptions::default()).expect("the store opens")
    }

    /// The keys of the rows in the database.
    pub(super) fn reserved(&self) -> Vec<String> {
        let database = Connection::open(self.outside.path().join("stock.db")).expect("the database opens");
        let mut rows = database.prepare("select id from reserved order by id").expect("the table is there");
        let rows = rows.query_map([], |row| row.get(0)).expect("rows");
        rows.collect::<Result<_, _>>().expect("texts")
    }

    /// Where the process died in the run, if it did.
    pub(super) fn death_in(&self, run: &str) -> Option<String> {
        fs::read_to_string(self.folder().join(workflow::death_of(run))).ok()
    }

    fn start(&self) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_workflow_crash_child"));
        command.args(&self.command).spawn().expect("the child starts")
    }

    /// Starts the process again as often as it dies. Gives how often it did.
    pub(super) fn outlive(&self) -> u64 {
        let mut deaths = 0;
        loop {
            // Each of them ends by itself when it gets stuck.
            let ended = self.start().wait().expect("its status");
            if was_killed(ended) {
                deaths += 1;
            } else {
                assert!(ended.success(), "the child failed: {ended}");
                return deaths;
            }
        }
    }

    /// Kills the process again and again, each time after some further effects, and lets it finish in the end.
    pub(super) fn harass(&self, provider: &Provider, kills: u64, rng: &WorldRng) -> u64 {
        let mut deaths = 0;
        for _ in 0..kills {
            let target = provider.counted().total + 1 + rng.next_u64() % 30;
            let mut child = self.start();
            // Near the end there may be nothing more to send.
            provider.wait(Duration::from_secs(2), |counted| counted.total >= target);
            child.kill().expect("SIGKILL");
            deaths += u64::from(was_killed(child.wait().expect("it is dead")));
        }
        deaths + self.outlive()
    }
}

fn was_killed(ended: ExitStatus) -> bool {
    ended.signal() == Some(SIGKILL)
}
