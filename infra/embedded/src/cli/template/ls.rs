//! `sendoff template ls`.

use sendoff_consumers::templates::{Origin, TemplateInfo, Templates};
use sendoff_embedded::program::{Exit, Stopped, print};

use crate::cli::args::TableOrJson;

pub(super) fn run(templates: &Templates, output: TableOrJson) -> Result<Exit, Stopped> {
    let mut all: Vec<_> = templates.list().collect();
    all.sort_by(|a, b| (&a.name, a.channel, &a.locale).cmp(&(&b.name, b.channel, &b.locale)));
    match output {
        TableOrJson::Json => print::json(&all)?,
        TableOrJson::Table => {
            let row = |t: &&TemplateInfo| [t.name.clone(), t.channel.name().into(), t.locale.clone(), from(t)];
            print::data(print::table(["NAME", "CHANNEL", "LOCALE", "FROM"], all.iter().map(row)))?;
        }
    }
    Ok(Exit::Done)
}

/// Whose it is; where it is mixed, which files are the operator's own.
fn from(template: &TemplateInfo) -> String {
    let own: Vec<_> = template.files.iter().filter(|file| file.origin == Origin::Own).collect();
    if own.is_empty() {
        return "standard".into();
    }
    if own.len() == template.files.len() {
        return "own".into();
    }
    let names: Vec<_> = own.iter().filter_map(|file| file.path.rsplit('/').next()).collect();
    format!("standard, own {}", names.join(", "))
}
