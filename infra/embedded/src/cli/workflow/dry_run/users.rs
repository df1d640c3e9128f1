//! The users that messages go to, as far as they are told of.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use sendoff_consumers::routing::{Case, Contact, Decision, contact, decide};
use sendoff_embedded::program::Stopped;
use sendoff_producers::model::{Channel, User, WORKFLOW};

use crate::cli::workflow::{args::DryRun, input};

/// Users by their ids, as their records have them. Of nobody else anything is known.
#[derive(Debug, Default)]
pub(super) struct Users(Option<BTreeMap<String, User>>);

/// What becomes of a message to a user.
pub(super) enum Reached<'a> {
    /// Users' records weren't given.
    NotLookedUp,
    /// It goes there.
    At(&'a User, Contact),
    /// It isn't sent, for this reason.
    Skipped(String),
}

impl Users {
    /// Those of `--users`, or those that came with the submission.
    pub(super) fn read(args: &DryRun, submitted: Option<BTreeMap<String, User>>) -> Result<Self, Stopped> {
        let given = args.users.as_deref().map(|path| input::json("--users", path, "an object of users by their ids"));
        Ok(Self(given.transpose()?.or(submitted)))
    }

    /// How the user is reached on this channel, if at all. Suppressed addresses aren't known here.
    pub(super) fn reach(&self, id: &str, channel: Channel, now: Timestamp) -> Reached<'_> {
        let Some(users) = &self.0 else { return Reached::NotLookedUp };
        let Some(user) = users.get(id) else { return Reached::Skipped("there is no such user".into()) };
        let (on, suppressed) = (&BTreeSet::from([channel]), &BTreeMap::new());
        let case = Case { channel, chain: &[channel], urgent: true, event: WORKFLOW, on, user, suppressed, now };
        match (decide(&case), contact(user, channel)) {
            (Ok(Decision::Skip(why)), _) => Reached::Skipped(why.into_owned()),
            (Err(error), _) => Reached::Skipped(error.to_string()),
            (_, Err(why)) => Reached::Skipped(why.to_owned()),
            (Ok(_), Ok(contact)) => Reached::At(user, contact),
        }
    }
}

/// The place as people know it.
pub(super) fn shown(contact: &Contact) -> String {
    match contact {
        Contact::Devices(tokens) if tokens.len() == 1 => "1 device".into(),
        Contact::Devices(tokens) => format!("{} devices", tokens.len()),
        address => address.suppressible().unwrap_or_default().to_owned(),
    }
}
