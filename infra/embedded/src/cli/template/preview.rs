//! `sendoff template preview`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use sendoff_consumers::templates::Templates;
use sendoff_embedded::program::{Exit, Stopped, print};
use sendoff_producers::model::Channel;

use super::{
    args::Preview,
    input::{Material, unknown},
    show::Shown,
};
use crate::cli::args::TextOrJson;

pub(super) fn run(templates: &Templates, args: &Preview) -> Result<Exit, Stopped> {
    let material = Material::of(&args.text)?;
    let name = &args.text.name;
    let mut shown = Vec::new();
    for channel in channels(templates, args)? {
        let language = templates.language(channel, name, &args.text.locale).map_err(unknown)?;
        let page = material.render(templates, channel, name, language)?;
        let file = format!("{name}.{language}.html");
        shown.push(Shown::of(channel, language, page, |html| write(args.out.as_deref(), &file, html))?);
    }
    match args.output {
        TextOrJson::Json => print::json(&shown)?,
        TextOrJson::Text => {
            let pages: Vec<_> = shown.iter().map(ToString::to_string).collect();
            print::data(pages.join("\n"))?;
        }
    }
    material.tell();
    Ok(Exit::Done)
}

/// The channels to show: the one asked for, or all that have the template.
fn channels(templates: &Templates, args: &Preview) -> Result<Vec<Channel>, Stopped> {
    let has = |channel: &Channel| templates.language(*channel, &args.text.name, &args.text.locale).is_ok();
    let all: Vec<_> = match args.channel {
        Some(channel) => vec![channel],
        None => Channel::ALL.into_iter().filter(has).collect(),
    };
    match all.is_empty() {
        // The mails' answer to the unknown name is as good as any: it names what there is.
        true => templates.language(Channel::Email, &args.text.name, &args.text.locale).map(|_| all).map_err(unknown),
        false => Ok(all),
    }
}

fn write(folder: Option<&Path>, file: &str, html: &str) -> Result<PathBuf, Stopped> {
    let folder = match folder {
        Some(folder) => fs::create_dir_all(folder).map(|()| folder.to_owned()).map_err(|e| (folder.to_owned(), e)),
        None => {
            let made = tempfile::Builder::new().prefix("sendoff-preview-").tempdir();
            made.map(tempfile::TempDir::keep).map_err(|e| (std::env::temp_dir(), e))
        }
    };
    let written = folder.and_then(|folder| {
        let path = folder.join(file);
        fs::write(&path, html).map(|()| path.clone()).map_err(|e| (path, e))
    });
    written.map_err(|(path, e)| Stopped::failed(format!("{} can't be written: {e}", path.display())))
}
