//! The folder of a run: the plan as it is carried out, the journal, and what people want of it.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
};

use sendoff_host::{Exit, Stopped};

use super::{
    Ended, Report, State,
    journal::{self, JournalError, Line, Step},
};
use crate::plan::{Cover, Plan, PlanError};

/// How many digits of its plan's hash name a run.
const DIGITS: usize = 16;

/// The folder of runs in a work folder.
#[must_use]
pub fn folder(work: &Path) -> PathBuf {
    work.join("runs")
}

/// A run's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFolder {
    path: PathBuf,
}

/// The only process that carries out a run. Others may start when it is dropped, or dead.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "the lock lasts as long as the file is open")] File);

/// A run's folder can't be used.
#[derive(Debug, thiserror::Error)]
#[error("the run's folder {} can't be used: {source}", path.display())]
pub struct FolderError {
    path: PathBuf,
    source: io::Error,
}

impl From<FolderError> for Stopped {
    fn from(error: FolderError) -> Self {
        Self::failed(error)
    }
}

/// What a run's folder says.
#[derive(Debug)]
pub struct Found {
    /// The plan.
    pub plan: Plan,
    /// How it stands.
    pub stands: Standing,
}

/// What a run's journal says.
#[derive(Debug)]
pub struct Standing {
    /// How far it came.
    pub state: State,
    /// How many bytes of its journal are whole.
    pub whole: u64,
    /// How it ended; `None` when nobody wrote that: it runs, or broke off. One that was aborted stays so, whatever came after.
    pub ended: Option<Ended>,
    /// When something was last written.
    pub last_at: Option<sendoff_events::Timestamp>,
}

impl RunFolder {
    /// The folder of the run of this plan, made with a copy of the plan if it isn't there.
    ///
    /// # Errors
    ///
    /// [`FolderError`].
    pub fn of(work: &Path, plan: &Cover) -> Result<Self, FolderError> {
        let name = plan.hash().get(..DIGITS).unwrap_or_default();
        let this = Self { path: folder(work).join(name) };
        this.prepare(plan).map_err(|source| this.failed(source))?;
        Ok(this)
    }

    fn prepare(&self, plan: &Cover) -> io::Result<()> {
        crate::deployment::private_folder(&self.path)?;
        if !self.plan().exists() {
            // It appears as a whole, so that a run that broke off here is begun anew.
            let mut copy = tempfile::NamedTempFile::new_in(&self.path)?;
            io::copy(&mut File::open(plan.path())?, &mut copy)?;
            copy.as_file().sync_all()?;
            copy.persist(self.plan()).map_err(|error| error.error)?;
        }
        // What is carried out is the copy: it must be of this plan and no other.
        let mut begin = vec![0; crate::plan::BEGIN.len() + plan.hash().len()];
        io::Read::read_exact(&mut File::open(self.plan())?, &mut begin)?;
        if begin.strip_prefix(crate::plan::BEGIN) != Some(plan.hash().as_bytes()) {
            let why = "its copy of the plan is another plan: look at it, and move the folder away";
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        Ok(())
    }

    /// The runs in a work folder, by name; also those of which only the journal is there.
    ///
    /// # Errors
    ///
    /// [`FolderError`].
    pub fn all(work: &Path) -> Result<Vec<Self>, FolderError> {
        let folder = folder(work);
        let failed = |source| FolderError { path: folder.clone(), source };
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut all = Vec::new();
        for entry in entries {
            let run = Self { path: entry.map_err(failed)?.path() };
            if run.plan().exists() || run.journal().exists() {
                all.push(run);
            }
        }
        all.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(all)
    }

    /// The one run whose plan's hash begins so, or that is of the plan at this path.
    ///
    /// # Errors
    ///
    /// When there is none, or more than one.
    pub fn find(work: &Path, here: &Path, named: &str) -> Result<Self, Stopped> {
        let wanted = named.to_ascii_lowercase();
        let is_hash = wanted.len() >= 4 && wanted.len() <= 64 && wanted.bytes().all(|b| b.is_ascii_hexdigit());
        let mut found = Self::all(work)?;
        if is_hash {
            found.retain(|run| run.name().starts_with(wanted.get(..DIGITS).unwrap_or(&wanted)));
        } else {
            let plan = match crate::plan::find(work, here, named) {
                Ok(plan) => plan,
                Err(Stopped { exit: Exit::NothingMatched, .. }) => return Err(no_run(named)),
                Err(error) => return Err(error),
            };
            found.retain(|run| plan.hash().starts_with(&run.name()));
        }
        match &found[..] {
            [run] => Ok(run.clone()),
            [] => Err(no_run(named)),
            _ => Err(Stopped::new(
                Exit::Usage,
                format_args!("`{}` is the beginning of {} runs: write more of it", named.escape_debug(), found.len()),
            )),
        }
    }

    /// Its name: the beginning of its plan's hash.
    #[must_use]
    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its copy of the plan.
    #[must_use]
    pub fn plan(&self) -> PathBuf {
        self.path.join("plan")
    }

    /// Its journal.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.path.join("journal.ndjson")
    }

    /// Where the leases are kept that it holds.
    #[must_use]
    pub fn leases(&self) -> PathBuf {
        self.path.join("leases.ndjson")
    }

    /// Makes this process the one that carries the run out; `None` when another one does.
    ///
    /// # Errors
    ///
    /// [`FolderError`].
    pub fn lock(&self) -> Result<Option<Lock>, FolderError> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(self.path.join("lock")).map_err(|source| self.failed(source))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(self.failed(source)),
        }
    }

    /// What it says.
    ///
    /// # Errors
    ///
    /// When the plan or the journal isn't what was written.
    pub fn read(&self) -> Result<Found, ReadRunError> {
        let plan = match Plan::open(&self.plan()) {
            Err(PlanError::Missing(path)) => return Err(ReadRunError::NoPlan { path, run: self.name() }),
            read => read?,
        };
        if !plan.hash().starts_with(&self.name()) {
            return Err(ReadRunError::OtherPlan { path: self.plan(), hash: plan.hash().to_owned() });
        }
        let stands = self.stands(&plan)?;
        Ok(Found { plan, stands })
    }

    /// How it stands by its journal, where its plan was read before.
    ///
    /// # Errors
    ///
    /// When the journal isn't what was written.
    pub fn stands(&self, plan: &Plan) -> Result<Standing, JournalError> {
        let mut state = State::new(plan);
        let (mut ended, mut aborted, mut last_at) = (None, None, None);
        let whole = journal::read(&self.journal(), |line: Line| {
            state.apply(&line);
            last_at = Some(line.at);
            ended = match line.step {
                Step::Paused { why } => Some(Ended::Paused { why, unreachable: false }),
                Step::Aborted { by } => {
                    aborted.get_or_insert(Ended::Aborted { by });
                    None
                }
                Step::Finished {} => Some(Ended::Finished),
                _ => None,
            };
        })?;
        Ok(Standing { state, whole, ended: aborted.or(ended), last_at })
    }

    /// Keeps a report.
    ///
    /// # Errors
    ///
    /// [`FolderError`].
    pub fn report(&self, report: &Report) -> Result<(), FolderError> {
        let written = || {
            let mut file = tempfile::NamedTempFile::new_in(&self.path)?;
            serde_json::to_writer_pretty(&mut file, report)?;
            file.as_file().sync_all()?;
            file.persist(self.path.join("report.json")).map(drop).map_err(|error| error.error)
        };
        written().map_err(|source| self.failed(source))
    }

    fn failed(&self, source: io::Error) -> FolderError {
        FolderError { path: self.path.clone(), source }
    }
}

fn no_run(named: &str) -> Stopped {
    let why = format!("there is no run `{}`; `dlq runs` lists those that there are", named.escape_debug());
    Stopped::new(Exit::NothingMatched, why)
}

/// A run can't be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadRunError {
    /// Its plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Its journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Its plan isn't there.
    #[error(
        "{} is gone, the plan of run {run}: put it back, by `dlq run PLAN --apply {run}` with the plan that it was copied from. Or, once \
         you know what the run has sent, move its folder away",
        path.display()
    )]
    NoPlan {
        /// Where it was.
        path: PathBuf,
        /// Which run.
        run: String,
    },
    /// Another plan stands in its place.
    #[error("{} is the plan {hash}, and not that of this run: look at it, and move the folder away", path.display())]
    OtherPlan {
        /// Which file.
        path: PathBuf,
        /// Its hash.
        hash: String,
    },
}

impl From<ReadRunError> for Stopped {
    fn from(error: ReadRunError) -> Self {
        match error {
            ReadRunError::Plan(error) => error.into(),
            ReadRunError::Journal(error) => error.into(),
            ReadRunError::NoPlan { .. } | ReadRunError::OtherPlan { .. } => Self::new(Exit::Refused, error),
        }
    }
}
