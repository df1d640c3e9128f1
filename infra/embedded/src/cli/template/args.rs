//! `sendoff template`: its command line.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use sendoff_producers::model::Channel;

use crate::cli::args::{SettingFlags, TableOrJson, TextOrJson};

#[derive(Debug, Args)]
pub(crate) struct Template {
    /// A folder of own templates, which stand over the standard ones; that of `templates.dir` unless given
    #[arg(long, global = true, value_name = "DIR")]
    pub(super) dir: Option<PathBuf>,
    #[command(subcommand)]
    pub(super) command: TemplateCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum TemplateCommand {
    /// Lists them, by name, channel and language
    Ls {
        #[arg(long, value_enum, default_value_t)]
        output: TableOrJson,
    },
    /// Shows what one makes of data
    Preview(Preview),
    /// Sends one to try it, by the configured provider. Without --yes nothing leaves this machine
    Send(Send),
    /// Tries all of them in all languages with all sample events, and says what is amiss
    Check {
        #[arg(long, value_enum, default_value_t)]
        output: TableOrJson,
    },
}

/// Which template, and what it is made from.
#[derive(Debug, Args)]
pub(super) struct Text {
    /// Its name, such as `app-assigned`
    pub(super) name: String,
    /// The reader's language
    #[arg(long, default_value = "en", value_name = "TAG")]
    pub(super) locale: String,
    /// A file with the data as a JSON object; that of a sample event unless given
    // It takes the place of the flag of the same id that names the data folder: see `take_data`.
    #[arg(long = "data", id = "data", value_name = "FILE")]
    pub(super) data: Option<String>,
    /// A file with a tenant's branding: `name`, `logo_url`, `color`, `footer`
    #[arg(long, value_name = "FILE")]
    pub(super) brand: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Preview {
    #[command(flatten)]
    pub(super) text: Text,
    /// The channel; all that have it unless given
    #[arg(long, value_parser = channel)]
    pub(super) channel: Option<Channel>,
    /// Where the HTML of a mail is written to; a new temporary folder unless given
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    #[arg(long, value_enum, default_value_t)]
    pub(super) output: TextOrJson,
}

#[derive(Debug, Args)]
pub(super) struct Send {
    #[command(flatten)]
    pub(super) text: Text,
    /// Who gets it: an email address, a phone number such as `+4930123456`, or the token of a device
    #[arg(long, value_name = "ADDRESS")]
    pub(super) to: String,
    /// The channel
    #[arg(long, default_value = "email", value_parser = channel)]
    pub(super) channel: Channel,
    /// Do it, also where the message leaves this machine
    #[arg(long)]
    pub(super) yes: bool,
    #[arg(long, value_enum, default_value_t)]
    pub(super) output: TextOrJson,
}

impl Template {
    /// Tells apart what `--data` names: here a file, elsewhere the folder that everything is kept in. clap gives the last of
    /// the two to both.
    pub(crate) fn take_data(&mut self, flags: &mut SettingFlags) {
        let (TemplateCommand::Preview(Preview { text, .. }) | TemplateCommand::Send(Send { text, .. })) =
            &mut self.command
        else {
            return;
        };
        let data = &mut text.data;
        if data.as_ref().is_some_and(|path| PathBuf::from(path).is_dir()) {
            *data = None;
        } else if data.is_some() {
            flags.data = None;
        }
    }
}

fn channel(text: &str) -> Result<Channel, String> {
    let found = Channel::ALL.into_iter().find(|channel| channel.name() == text);
    found.ok_or_else(|| "there are email, sms, whatsapp and push".into())
}
