//! A deployment on AWS.

use std::{path::PathBuf, sync::Arc};

use sendoff_aws::{
    Aws, Environment, Store,
    settings::{Need, Settings},
    worker::WorkerError,
};
use sendoff_host::{Exit, Stopped};

use super::{Backend, Deployment, Native, Place};
use crate::Session;

/// What no verb can do without. What else a verb needs is missed when it is called, by its variable.
const NEEDS: [Need; 2] = [Need::InboxTable, Need::Queues];

/// The deployment that the environment names, by the variables that its worker takes.
pub(super) async fn open(session: &Session, place: &Place) -> Result<Deployment, Stopped> {
    if let Some(data) = &place.data {
        let why = format!(
            "--data {data} names a data folder, and a deployment on AWS has none: leave it out, or say --backend sqlite:PATH"
        );
        return Err(Stopped::new(Exit::Usage, why));
    }
    let work = work(session, place)?;
    let settings = Settings::read(session.variables.clone(), &NEEDS)?;
    let environment = Environment::of(session.variables.clone());
    // What the variables say goes first, as it does for the command line; profiles and roles are only looked for without them.
    let aws = match Aws::from_environment(environment.clone()) {
        Ok(aws) => aws,
        Err(_) => Aws::load(environment).await.map_err(WorkerError::from)?,
    };
    let (clock, rng) = (Arc::clone(&session.clock), Arc::clone(&session.rng));
    let store = Store::new(aws, settings.resources(), clock, rng);
    Ok(Deployment {
        backend: Backend::Aws,
        letters: store.dead_letter_queues(),
        audit: store.audit(),
        inbox: store.inbox(),
        blobs: store.blobs(),
        records: store.records(),
        work,
        inbox_keep: settings.inbox_keep,
        needs_approval: settings.needs_approval,
        native: Native::Aws(store),
    })
}

/// Where snapshots, plans and journals are kept: where programs of this user keep what they have to find again.
fn work(session: &Session, place: &Place) -> Result<PathBuf, Stopped> {
    if let Some(work) = &place.work {
        return Ok(session.folder.join(work));
    }
    let named = |name: &str| session.variables.get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    // The specification has relative paths passed over.
    let state = named("XDG_STATE_HOME").filter(|path| path.is_absolute());
    let state = state.or_else(|| Some(named("HOME")?.join(".local/state")));
    let state = state.ok_or_else(|| {
        Stopped::new(
            Exit::Usage,
            "there is no folder to keep snapshots, plans and journals in: say --work DIR, or set HOME",
        )
    })?;
    Ok(state.join("sendoff/dlq"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn session(variables: &[(&str, &str)]) -> Session {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let variables: BTreeMap<_, _> = variables.iter().map(own).collect();
        Session { variables, folder: "/here".into(), ..Session::of_this_process() }
    }

    fn place(work: Option<&str>) -> Place {
        Place { work: work.map(PathBuf::from), ..Place::default() }
    }

    #[test]
    fn the_work_folder_is_the_one_that_is_named_or_else_where_the_user_keeps_state() {
        let of = |variables: &[(&str, &str)], named| work(&session(variables), &place(named)).unwrap();
        assert_eq!(of(&[("HOME", "/home/ada")], Some("w")), PathBuf::from("/here/w"));
        assert_eq!(of(&[("HOME", "/home/ada")], None), PathBuf::from("/home/ada/.local/state/sendoff/dlq"));
        assert_eq!(
            of(&[("HOME", "/home/ada"), ("XDG_STATE_HOME", "/state")], None),
            PathBuf::from("/state/sendoff/dlq")
        );
        assert_eq!(
            of(&[("HOME", "/h"), ("XDG_STATE_HOME", "state")], None),
            PathBuf::from("/h/.local/state/sendoff/dlq")
        );
        let stopped = work(&session(&[]), &place(None)).unwrap_err();
        assert_eq!(stopped.exit, Exit::Usage);
    }

    #[test]
    fn what_is_missing_is_told_by_its_variable_before_anything_is_called() {
        let session =
            session(&[("HOME", "/h"), ("SENDOFF_QUEUE_URL_BASE", "https://sqs.eu-central-1.amazonaws.com/1/sendoff-")]);
        let stopped = futures::executor::block_on(open(&session, &place(None))).err().unwrap();
        let told = stopped.message.unwrap_or_default();
        assert!(stopped.exit == Exit::Usage && told.contains("SENDOFF_INBOX_TABLE"), "{told}");
    }

    #[test]
    fn a_data_folder_is_none_of_a_deployment_on_aws() {
        let place = Place { data: Some("data".into()), ..place(None) };
        let stopped = futures::executor::block_on(open(&session(&[]), &place)).err().unwrap();
        assert_eq!(stopped.exit, Exit::Usage);
    }
}
