//! `sendoff template preview`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use sendoff_consumers::templates::{Rendered, Sample, TemplateError, Templates, samples};
use sendoff_embedded::program::{Exit, Stopped, print};
use sendoff_producers::model::{Branding, Channel};
use serde_json::Value;

use super::{args::Preview, input, show::Shown};
use crate::cli::args::TextOrJson;

pub(super) fn run(templates: &Templates, args: &Preview) -> Result<Exit, Stopped> {
    let branding = input::branding(args.brand.as_deref())?;
    let data = args.data.as_ref().map(|path| input::data(Path::new(path))).transpose()?;
    let samples = samples().map_err(Stopped::failed)?;
    let mut shown = Vec::new();
    for channel in channels(templates, args)? {
        let language = templates.language(channel, &args.name, &args.locale).map_err(unknown)?;
        let text = match &data {
            Some(data) => templates.render(channel, &args.name, language, data, &branding),
            None => with_sample(templates, channel, &args.name, language, &samples, &branding),
        };
        let page = text.map_err(Stopped::failed)?;
        let file = format!("{}.{language}.html", args.name);
        shown.push(Shown::of(channel, language, page, |html| write(args.out.as_deref(), &file, html))?);
    }
    match args.output {
        TextOrJson::Json => print::json(&shown)?,
        TextOrJson::Text => {
            let pages: Vec<_> = shown.iter().map(ToString::to_string).collect();
            print::data(pages.join("\n"))?;
        }
    }
    if data.is_none() {
        print::prose("shown with the data of a sample event; --data FILE takes your own");
    }
    Ok(Exit::Done)
}

/// The channels to show: the one asked for, or all that have the template.
fn channels(templates: &Templates, args: &Preview) -> Result<Vec<Channel>, Stopped> {
    let has = |channel: &Channel| templates.language(*channel, &args.name, &args.locale).is_ok();
    let all: Vec<_> = match args.channel {
        Some(channel) => vec![channel],
        None => Channel::ALL.into_iter().filter(has).collect(),
    };
    match all.is_empty() {
        // The mails' answer to the unknown name is as good as any: it names what there is.
        true => templates.language(Channel::Email, &args.name, &args.locale).map(|_| all).map_err(unknown),
        false => Ok(all),
    }
}

/// With the first sample of the event that the template is named after; else with the first that it is good with.
fn with_sample(
    templates: &Templates,
    channel: Channel,
    name: &str,
    language: &str,
    samples: &[Sample],
    branding: &Branding,
) -> Result<Rendered, TemplateError> {
    let render = |data: &Value| templates.render(channel, name, language, data, branding);
    if let Some(own) = samples.iter().find(|sample| sample.is_of(name)) {
        return render(&own.data);
    }
    let mut tried = samples.iter().map(|sample| render(&sample.data));
    let first = tried.next().unwrap_or_else(|| render(&Value::Object(serde_json::Map::new())));
    if first.is_ok() { first } else { tried.find(Result::is_ok).unwrap_or(first) }
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

fn unknown(error: TemplateError) -> Stopped {
    Stopped::new(Exit::NothingMatched, error)
}
