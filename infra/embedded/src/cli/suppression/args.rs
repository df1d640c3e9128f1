//! What `sendoff suppression` is asked for.

use clap::{Args, Subcommand, ValueEnum};
use sendoff_consumers::channels::{PhoneNumber, email::EmailAddress};
use sendoff_embedded::program::{Exit, Stopped};
use sendoff_producers::model::{Channel, suppression_key};

use crate::cli::args::{Backend, Output, TextOrJson, words};

#[derive(Debug, Args)]
pub(crate) struct Suppression {
    /// Whose: that of the data folder, or that of the deployment on AWS that the environment names
    #[arg(long, global = true, value_enum, default_value_t, value_name = "BACKEND")]
    pub(crate) backend: Backend,
    #[command(subcommand)]
    pub(crate) what: SuppressionCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SuppressionCommand {
    /// Lists what is suppressed, by channel: a hash in place of each address, since no address is kept
    Ls {
        #[arg(long, value_enum, default_value_t)]
        output: Output,
    },
    /// Lets messages go to an address again. Without --yes it only shows why none do
    Lift(Lift),
}

#[derive(Debug, Args)]
pub(crate) struct Lift {
    /// The channel on which nothing is sent to it
    #[arg(value_enum)]
    pub(super) channel: Kind,
    /// The mail address, or the phone number as in +4930123456
    address: String,
    /// Why; kept for others to read, so don't write the address here
    #[arg(long, value_name = "TEXT", required_if_eq("yes", "true"), value_parser = words)]
    pub(super) because: Option<String>,
    /// Who you are; the user of this terminal unless given
    #[arg(long, value_name = "WHO", env = "USER", required_if_eq("yes", "true"), value_parser = words)]
    pub(super) by: Option<String>,
    /// Do it
    #[arg(long)]
    pub(super) yes: bool,
    #[arg(long, value_enum, default_value_t)]
    pub(super) output: TextOrJson,
}

/// A channel whose addresses can be suppressed. Devices that are gone are struck from their users instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    Email,
    Sms,
    Whatsapp,
}

impl SuppressionCommand {
    /// Whether it is to change anything.
    pub(super) const fn writes(&self) -> bool {
        matches!(self, Self::Lift(Lift { yes: true, .. }))
    }
}

impl Lift {
    /// The key that the address is suppressed under, if it is.
    pub(super) fn key(&self) -> Result<sendoff_producers::RecordKey, Stopped> {
        let wrong = |error: &dyn std::fmt::Display| Stopped::new(Exit::Usage, error);
        let address = self.address.trim();
        match self.channel {
            Kind::Email => {
                let address: EmailAddress = address.parse().map_err(|error| wrong(&error))?;
                Ok(suppression_key(Channel::Email, address.expose()))
            }
            Kind::Sms | Kind::Whatsapp => {
                let channel = if self.channel == Kind::Sms { Channel::Sms } else { Channel::Whatsapp };
                let phone: PhoneNumber = address.parse().map_err(|error| wrong(&error))?;
                Ok(suppression_key(channel, phone.expose()))
            }
        }
    }
}
