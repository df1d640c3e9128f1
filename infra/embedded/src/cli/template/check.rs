//! `sendoff template check`.

use std::{fmt::Write as _, sync::Arc};

use sendoff_consumers::templates::{CheckReport, Finding, TemplateError, TemplateProblems, Templates};
use sendoff_embedded::program::{Exit, Stopped, print};

use crate::cli::args::TableOrJson;

pub(super) fn run(templates: Result<Arc<Templates>, TemplateProblems>, output: TableOrJson) -> Result<Exit, Stopped> {
    let (report, known) = match templates {
        Ok(templates) => (templates.check().map_err(Stopped::failed)?, templates.list().count()),
        Err(TemplateProblems(problems)) => {
            let problems = problems.into_iter().map(unfit).collect();
            (CheckReport { problems, ..CheckReport::default() }, 0)
        }
    };
    match output {
        TableOrJson::Json => print::json(&report)?,
        TableOrJson::Table => print::data(page(&report))?,
    }
    let CheckReport { rendered, problems, warnings } = &report;
    print::prose(match rendered {
        0 => format!("{} problems; nothing was tried before they are mended", problems.len()),
        _ => format!(
            "{known} templates, {rendered} texts made, {} problems, {} warnings",
            problems.len(),
            warnings.len()
        ),
    });
    Ok(if problems.is_empty() { Exit::Done } else { Exit::Failed })
}

fn unfit(error: TemplateError) -> Finding {
    Finding { what: error.what(), template: error.template, samples: Vec::new() }
}

fn page(report: &CheckReport) -> String {
    let mut page = String::new();
    for (kind, findings) in [("problem", &report.problems), ("warning", &report.warnings)] {
        for Finding { template, what, samples } in findings {
            let with = if samples.is_empty() { String::new() } else { format!(" (with {})", samples.join(", ")) };
            // Writing to a string can't fail.
            let _ = writeln!(page, "{kind}: {template}: {what}{with}");
        }
    }
    page
}
