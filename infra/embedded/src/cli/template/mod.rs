//! `sendoff template`: which templates there are, what they make, and whether they are good.

mod args;
mod check;
mod input;
mod ls;
mod preview;
mod send;
mod show;

use std::sync::Arc;

pub(super) use args::Template;
use args::TemplateCommand;
use sendoff_embedded::{
    config::Config,
    program::{Exit, Stopped},
    template_folder,
};

pub(super) async fn run(config: &Config, Template { dir, command }: &Template) -> Result<Exit, Stopped> {
    let templates = match dir {
        None => Ok(config.templates.clone()),
        Some(dir) => {
            let sids = config.settings.twilio_content_sids.as_deref().unwrap_or_default();
            template_folder::load(Some(dir)).and_then(|templates| templates.with_content_sids(sids)).map(Arc::new)
        }
    };
    match command {
        TemplateCommand::Check { output } => check::run(templates, *output),
        TemplateCommand::Ls { output } => ls::run(&*templates.map_err(wrong)?, *output),
        TemplateCommand::Preview(args) => preview::run(&*templates.map_err(wrong)?, args),
        TemplateCommand::Send(args) => send::run(config, &*templates.map_err(wrong)?, args).await,
    }
}

fn wrong(problems: impl std::fmt::Display) -> Stopped {
    Stopped::new(Exit::Usage, problems)
}
