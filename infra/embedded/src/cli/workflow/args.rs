//! `sendoff workflow`: its command line.

use std::{path::PathBuf, str::FromStr};

use clap::{Args, Subcommand, ValueEnum};
use sendoff_events::{AppId, SubmissionId, TenantId, Timestamp, UserId, WorkflowId};
use sendoff_workflows::engine::{Instance, Status};
use serde_json::Value;

use crate::cli::args::{Backend, Output, TableOrJson, words};

#[derive(Debug, Args)]
pub(crate) struct Workflow {
    #[command(subcommand)]
    pub(super) command: WorkflowCommand,
}

impl Workflow {
    /// Where what it is about is kept.
    pub(crate) const fn backend(&self) -> Backend {
        match &self.command {
            WorkflowCommand::Draw(args) => args.backend,
            WorkflowCommand::Diff(args) => args.backend,
            WorkflowCommand::Runs(args) => args.runs.backend,
            WorkflowCommand::Show(args) => args.runs.backend,
            WorkflowCommand::Redrive(args) | WorkflowCommand::Stop(args) => args.runs.backend,
            _ => Backend::Embedded,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum WorkflowCommand {
    /// Says all that is wrong with a definition: where, why and what to do
    Check(Check),
    /// Prints the state machine of a definition, as Step Functions takes it
    Compile(Compile),
    /// Draws a definition, or a run with what became of its steps
    Draw(Draw),
    /// Shows what a run would do, without doing it: the way it takes, its messages, its waits, and what it costs
    DryRun(DryRun),
    /// Shows what is different between two definitions, step by step
    Diff(Diff),
    /// Publishes a definition as the next version and switches it on
    Publish(Publish),
    /// Switches a workflow off: it starts no more. Runs go on, and publishing it switches it on again
    SwitchOff(SwitchOff),
    /// Asks for a run of a workflow that has the trigger `manual`
    Run(Run),
    /// Lists runs, those started last first
    Runs(Runs),
    /// Shows what a run has done, step by step
    Show(Show),
    /// Takes a run that failed up again, from where it failed
    Redrive(Steer),
    /// Stops a run. What is under way is given up
    Stop(Steer),
}

#[derive(Debug, Args)]
pub(super) struct Check {
    /// The definition, in YAML or JSON
    #[arg(value_name = "DEF")]
    pub(super) definition: PathBuf,
    /// A submission to check too: whether its fields are of the types that the definition declares
    #[arg(long, value_name = "FILE")]
    pub(super) submission: Option<PathBuf>,
    #[arg(long, value_enum, default_value_t)]
    pub(super) output: TableOrJson,
}

#[derive(Debug, Args)]
pub(super) struct Compile {
    /// The definition, in YAML or JSON
    #[arg(value_name = "DEF")]
    pub(super) definition: PathBuf,
    /// Prints a CloudFormation template around it: the state machine, its role and an alarm
    #[arg(long)]
    pub(super) template: bool,
}

#[derive(Debug, Args)]
pub(super) struct Draw {
    /// The definition, in YAML or JSON
    #[arg(value_name = "DEF", required_unless_present = "run")]
    pub(super) definition: Option<PathBuf>,
    /// A run, in place of a definition
    #[arg(long, value_name = "RUN", conflicts_with = "definition")]
    pub(super) run: Option<String>,
    /// Where the run is: in the data folder, or in the deployment on AWS that the environment names
    #[arg(long, value_enum, default_value_t, value_name = "BACKEND", requires = "run")]
    pub(super) backend: Backend,
    #[arg(long, value_enum, default_value_t)]
    pub(super) format: Format,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    #[default]
    Mermaid,
    Svg,
}

#[derive(Debug, Args)]
pub(super) struct DryRun {
    /// The definition, in YAML or JSON
    #[arg(value_name = "DEF")]
    pub(super) definition: PathBuf,
    /// The submission that starts it: `app_id`, `submission_id`, `author_id`, `revision` and `fields`
    #[arg(long, value_name = "FILE", required_unless_present = "trigger")]
    pub(super) submission: Option<PathBuf>,
    /// What starts it; the first of created, updated and manual that the definition has, unless given
    #[arg(long, value_enum)]
    pub(super) trigger: Option<Trigger>,
    /// When it starts; now unless given
    #[arg(long, value_name = "TIME")]
    pub(super) at: Option<Timestamp>,
    /// What is decided at a step that asks: approved, rejected or nobody. Where nothing is said, it is approved
    #[arg(long, value_name = "STEP=DECISION")]
    pub(super) approve: Vec<Of<Decided>>,
    /// An action that fails, and with what; `Action.Permanent` unless given. `Action.Transient` and `States.Timeout` are tried again
    #[arg(long, value_name = "STEP[=ERROR]", value_parser = failing)]
    pub(super) fail: Vec<Of<String>>,
    /// What an action answers, as JSON: `pay={"response":{"payout":"P-1"}}`. Where nothing is said, it is done, and what it answers is blank
    #[arg(long, value_name = "STEP=JSON")]
    pub(super) answer: Vec<Of<Answer>>,
    /// The users that messages go to, as a JSON object by their ids, each as `PUT /v1/users/ID` takes it: their language, where they
    /// are reached and what they want count then. Otherwise `users` of the submission's file, if it is there
    #[arg(long, value_name = "FILE")]
    pub(super) users: Option<PathBuf>,
    /// The language of messages made from templates, to those of whom no other is known
    #[arg(long, default_value = "en", value_name = "TAG")]
    pub(super) locale: String,
    /// A file with other prices than the list prices that are compiled in, of the same form
    #[arg(long, value_name = "FILE")]
    pub(super) prices: Option<PathBuf>,
    #[arg(long, value_enum, default_value_t)]
    pub(super) output: TableOrJson,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Trigger {
    Created,
    Updated,
    Manual,
    Schedule,
}

/// Something that is said of a step: of all its items, or of one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Of<T> {
    pub(super) step: Instance,
    pub(super) what: T,
}

impl<T> Of<T> {
    /// Whether it is about this step.
    pub(super) fn is_about(&self, instance: &Instance) -> bool {
        self.step == *instance || (self.step.items.is_empty() && self.step.step == instance.step)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decided {
    Approved,
    Rejected,
    Nobody,
}

/// What an action answers.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer(pub(super) serde_json::Map<String, Value>);

impl<T: FromStr<Err = String>> FromStr for Of<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (step, what) = text.split_once('=').ok_or("write it as STEP=…")?;
        Ok(Self { step: instance(step)?, what: what.parse()? })
    }
}

impl FromStr for Decided {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "approved" => Ok(Self::Approved),
            "rejected" => Ok(Self::Rejected),
            "nobody" => Ok(Self::Nobody),
            _ => Err("there are approved, rejected and nobody".into()),
        }
    }
}

impl FromStr for Answer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map(Self).map_err(|error| format!("it is no JSON object: {error}"))
    }
}

fn failing(text: &str) -> Result<Of<String>, String> {
    let (step, error) = text.split_once('=').unwrap_or((text, "Action.Permanent"));
    Ok(Of { step: instance(step)?, what: error.to_owned() })
}

fn instance(text: &str) -> Result<Instance, String> {
    text.parse().map_err(|error: sendoff_workflows::engine::NoInstance| error.to_string())
}

#[derive(Debug, Args)]
pub(super) struct Diff {
    /// The definition as it was: a file, or the number of a published version of the workflow that the other file defines
    #[arg(value_name = "A")]
    pub(super) before: String,
    /// The definition as it is now
    #[arg(value_name = "B")]
    pub(super) after: PathBuf,
    /// Whose versions, if A is a number
    #[arg(long, default_value = "acme")]
    pub(super) tenant: TenantId,
    /// Where the versions are, if A is a number: in the data folder, or in the deployment on AWS that the environment names
    #[arg(long, value_enum, default_value_t, value_name = "BACKEND")]
    pub(super) backend: Backend,
    #[arg(long, value_enum, default_value_t)]
    pub(super) output: TableOrJson,
}

/// Where something is asked for, and by whom.
#[derive(Debug, Args)]
pub(super) struct Asking {
    /// Whose data
    #[arg(long, default_value = "acme")]
    pub(super) tenant: TenantId,
    /// Who asks
    #[arg(long, default_value = "admin", value_name = "USER")]
    pub(super) by: UserId,
    /// The API of a server elsewhere, in place of the data folder. Its token is taken from SENDOFF_TOKEN, and says whose data and who asks
    #[arg(long, value_name = "URL")]
    pub(super) url: Option<url::Url>,
}

#[derive(Debug, Args)]
pub(super) struct Publish {
    /// The definition, in YAML or JSON
    #[arg(value_name = "DEF")]
    pub(super) definition: PathBuf,
    #[command(flatten)]
    pub(super) asking: Asking,
    #[arg(long, value_enum, default_value_t)]
    pub(super) output: TableOrJson,
}

#[derive(Debug, Args)]
pub(super) struct SwitchOff {
    /// Which workflow
    #[arg(value_name = "APP/WORKFLOW")]
    pub(super) workflow: OfApp,
    #[command(flatten)]
    pub(super) asking: Asking,
    #[arg(long, value_enum, default_value_t)]
    pub(super) output: TableOrJson,
}

#[derive(Debug, Args)]
pub(super) struct Run {
    /// Which workflow
    #[arg(value_name = "APP/WORKFLOW")]
    pub(super) workflow: OfApp,
    /// The submission of the app that it is about
    #[arg(long, value_name = "ID")]
    pub(super) submission: Option<SubmissionId>,
    #[command(flatten)]
    pub(super) asking: Asking,
    #[arg(long, value_enum, default_value_t)]
    pub(super) output: TableOrJson,
}

/// A workflow of an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OfApp {
    pub(super) app: AppId,
    pub(super) workflow: WorkflowId,
}

impl FromStr for OfApp {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (app, workflow) = text.split_once('/').ok_or("write it as APP/WORKFLOW")?;
        let app = app.parse().map_err(|error| format!("the app: {error}"))?;
        let workflow = workflow.parse().map_err(|error| format!("the workflow: {error}"))?;
        Ok(Self { app, workflow })
    }
}

/// Where runs are.
#[derive(Debug, Args)]
pub(super) struct Where {
    /// Whose runs: those of the data folder, or those of the deployment on AWS that the environment names
    #[arg(long, value_enum, default_value_t, value_name = "BACKEND")]
    pub(super) backend: Backend,
}

#[derive(Debug, Args)]
pub(super) struct Runs {
    /// Only those of an app, or of one of its workflows
    #[arg(value_name = "APP[/WORKFLOW]", value_parser = of)]
    pub(super) of: Option<(AppId, Option<WorkflowId>)>,
    /// Only those that stand there: running, succeeded, failed or stopped
    #[arg(long, value_parser = status)]
    pub(super) status: Option<Status>,
    /// Whose
    #[arg(long, default_value = "acme")]
    pub(super) tenant: TenantId,
    /// The most that are listed
    #[arg(long, default_value_t = 50, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(super) limit: u16,
    #[command(flatten)]
    pub(super) runs: Where,
    #[arg(long, value_enum, default_value_t)]
    pub(super) output: Output,
}

fn of(text: &str) -> Result<(AppId, Option<WorkflowId>), String> {
    if text.contains('/') {
        return text.parse::<OfApp>().map(|of| (of.app, Some(of.workflow)));
    }
    text.parse().map(|app| (app, None)).map_err(|error| format!("the app: {error}"))
}

fn status(text: &str) -> Result<Status, String> {
    serde_json::from_value(text.into()).map_err(|_| "there are running, succeeded, failed and stopped".into())
}

#[derive(Debug, Args)]
pub(super) struct Show {
    /// The run's name, as `workflow runs` tells it
    pub(super) run: String,
    /// Also shows what people wrote: the contents of inputs, outputs and messages
    #[arg(long)]
    pub(super) show_data: bool,
    #[command(flatten)]
    pub(super) runs: Where,
    #[arg(long, value_enum, default_value_t)]
    pub(super) output: Output,
}

#[derive(Debug, Args)]
pub(super) struct Steer {
    /// The run's name, as `workflow runs` tells it
    pub(super) run: String,
    /// Why; kept for others to read
    #[arg(long, value_name = "TEXT", value_parser = words)]
    pub(super) because: Option<String>,
    /// Who you are; the user of this terminal unless given
    #[arg(long, value_name = "WHO", env = "USER", value_parser = words)]
    pub(super) by: String,
    #[command(flatten)]
    pub(super) runs: Where,
    #[arg(long, value_enum, default_value_t)]
    pub(super) output: TableOrJson,
}
