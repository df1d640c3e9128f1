//! `sendoff workflow publish`, `switch-off` and `run`: what the API does.

use sendoff_embedded::{
    config::Config,
    program::{Exit, Stopped, print},
};
use serde_json::{Value, json};

use super::{
    api::{Answered, Api},
    args::{Publish, Run, SwitchOff},
    check, input, problems,
};
use crate::cli::args::TableOrJson;

pub(super) async fn publish(config: &Config, args: &Publish, token: Option<String>) -> Result<Exit, Stopped> {
    let checked = input::checked(&args.definition)?;
    let (app, workflow) = (&checked.plan.app, &checked.plan.name);
    let definition = serde_json::to_value(&checked.definition).map_err(Stopped::failed)?;
    let api = Api::open(config, &args.asking, token)?;
    let answered = api.post(&format!("/v1/apps/{app}/workflows/{workflow}/versions"), &definition).await;
    api.close().await;
    let Answered { status, body, events } = answered?;
    match args.output {
        TableOrJson::Json => print::json(&told(body, &events))?,
        TableOrJson::Table => {
            let version = &body["version"];
            let what = match (status, events.is_empty()) {
                (201, _) => format!("{app}/{workflow}: version {version} is published and switched on"),
                (_, true) => format!("{app}/{workflow}: version {version} says the same, and is switched on already"),
                (_, false) => format!("{app}/{workflow}: version {version} says the same, and is switched on again"),
            };
            print::data(format_args!("{what}\n"))?;
        }
    }
    // It runs here all the same.
    let warnings = problems::warnings(&args.definition.display().to_string(), &check::warnings(&checked.plan));
    if !warnings.is_empty() {
        print::prose(warnings.trim_end());
    }
    Ok(Exit::Done)
}

pub(super) async fn switch_off(config: &Config, args: &SwitchOff, token: Option<String>) -> Result<Exit, Stopped> {
    let (app, workflow) = (&args.workflow.app, &args.workflow.workflow);
    let api = Api::open(config, &args.asking, token)?;
    let answered = api.delete(&format!("/v1/apps/{app}/workflows/{workflow}")).await;
    api.close().await;
    answered?;
    match args.output {
        TableOrJson::Json => print::json(&json!({ "app_id": app, "workflow": workflow, "switched_on": false }))?,
        TableOrJson::Table => print::data(format_args!(
            "{app}/{workflow} is switched off: it starts no more. Its runs go on; see: sendoff workflow runs {app}/{workflow} --status running\n"
        ))?,
    }
    Ok(Exit::Done)
}

pub(super) async fn start(config: &Config, args: &Run, token: Option<String>) -> Result<Exit, Stopped> {
    let body = match &args.submission {
        Some(id) => json!({ "submission_id": id }),
        None => json!({}),
    };
    let (app, workflow) = (&args.workflow.app, &args.workflow.workflow);
    let api = Api::open(config, &args.asking, token)?;
    let answered = api.post(&format!("/v1/apps/{app}/workflows/{workflow}/runs"), &body).await;
    api.close().await;
    let Answered { body, events, .. } = answered?;
    match args.output {
        TableOrJson::Json => print::json(&told(body, &events))?,
        TableOrJson::Table => {
            let event = events.first().map_or("?", String::as_str);
            print::data(format_args!("asked for a run of {app}/{workflow}; see: sendoff trace {event}\n"))?;
        }
    }
    Ok(Exit::Done)
}

fn told(mut body: Value, events: &[String]) -> Value {
    body["events"] = json!(events);
    body
}
