//! `sendoff template`: which templates there are, what they make, and whether they are good.

mod args;
mod check;
mod input;
mod ls;
mod preview;
mod send;
mod show;

pub(super) use args::Template;
use args::TemplateCommand;
use sendoff_embedded::{
    config::Config,
    program::{Exit, Stopped},
    template_folder,
};

pub(super) async fn run(config: &Config, Template { dir, command }: &Template) -> Result<Exit, Stopped> {
    let templates = template_folder::load(dir.as_deref());
    match command {
        TemplateCommand::Check { output } => check::run(templates, *output),
        TemplateCommand::Ls { output } => ls::run(&templates.map_err(wrong)?, *output),
        TemplateCommand::Preview(args) => preview::run(&templates.map_err(wrong)?, args),
        TemplateCommand::Send(args) => send::run(config, &templates.map_err(wrong)?, args).await,
    }
}

fn wrong(problems: impl std::fmt::Display) -> Stopped {
    Stopped::new(Exit::Usage, problems)
}
