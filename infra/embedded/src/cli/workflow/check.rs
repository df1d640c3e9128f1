//! `sendoff workflow check`.

use sendoff_embedded::program::{Exit, Stopped, print};
use sendoff_workflows::{
    Definition, Plan, Problem, Problems,
    asl::{self, Functions},
};
use serde::Serialize;

use super::{
    args::Check,
    input::{self, Checked, Source},
    problems,
};
use crate::cli::args::TableOrJson;

/// What there is to say about a definition.
#[derive(Serialize)]
struct Report {
    file: String,
    /// `APP/WORKFLOW`, of a definition that is good.
    workflow: Option<String>,
    problems: Problems,
    /// What Step Functions has no room for. It runs on the embedded engine all the same.
    warnings: Problems,
    #[serde(skip)]
    definition: Option<Box<Definition>>,
}

pub(super) fn run(args: &Check) -> Result<Exit, Stopped> {
    let source = Source::read(&args.definition)?;
    let report = report(&source, args)?;
    match args.output {
        TableOrJson::Json => print::json(&report)?,
        TableOrJson::Table => {
            let Report { file, problems: found, warnings, definition, .. } = &report;
            print::data(problems::page(file, found, definition.as_deref()))?;
            print::data(problems::warnings(file, warnings))?;
        }
    }
    let found = report.problems.0.len();
    if let Some(workflow) = report.workflow.filter(|_| found == 0) {
        print::prose(format_args!("{workflow}: the definition is right"));
        return Ok(Exit::Done);
    }
    print::prose(if found == 1 { "1 problem".to_owned() } else { format!("{found} problems") });
    Ok(Exit::Failed)
}

fn report(source: &Source, args: &Check) -> Result<Report, Stopped> {
    let (file, none) = (source.file.clone(), Problems(Vec::new()));
    let Checked { definition, plan } = match source.check() {
        Ok(checked) => checked,
        Err((problems, definition)) => {
            return Ok(Report { file, workflow: None, problems, warnings: none, definition });
        }
    };
    let problems = match &args.submission {
        None => none,
        Some(path) => {
            let submission = input::submission(path)?;
            let mut found = plan.input_fields(&submission.fields).err().map_or(Vec::new(), |Problems(found)| found);
            if let Some(app) = submission.app_id.filter(|app| *app != plan.app.as_str()) {
                found.push(Problem::new("app_id", format!("the submission is one of `{app}`, not of `{}`", plan.app)));
            }
            let of_it = |problem: Problem| Problem { place: format!("submission.{}", problem.place), ..problem };
            Problems(found.into_iter().map(of_it).collect())
        }
    };
    let workflow = Some(format!("{}/{}", plan.app, plan.name));
    Ok(Report { file, workflow, problems, warnings: warnings(&plan), definition: Some(Box::new(definition)) })
}

/// What Step Functions has no room for.
pub(super) fn warnings(plan: &Plan) -> Problems {
    let refused = asl::compile(plan, &Functions::placeholders(), asl::Output::Nothing).err();
    let mut warnings = refused.unwrap_or(Problems(Vec::new()));
    warnings.0.extend(asl::nested_lists(plan).0);
    warnings
}
