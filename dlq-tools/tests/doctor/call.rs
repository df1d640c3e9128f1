//! A call of the tool on a deployment.

use std::{collections::BTreeMap, path::Path};

use sendoff_aws::Resources;
use sendoff_dlq_tools::Session;

use crate::calls::{self, Ran};

/// Calls the tool in this folder with these variables and arguments; the terminal is looked at by a person if asked for.
pub(super) async fn call(folder: &Path, variables: &BTreeMap<String, String>, person: bool, arguments: &[&str]) -> Ran {
    calls::call(session(folder, variables, person), arguments).await
}

/// The call's session, on a disk with much room, whatever the machine has.
pub(super) fn session(folder: &Path, variables: &BTreeMap<String, String>, person: bool) -> Session {
    Session {
        variables: variables.clone(),
        folder: folder.to_owned(),
        disk: |_| Ok((40 << 30, 100 << 30)),
        out_is_terminal: person,
        err_is_terminal: false,
        ..Session::of_this_process()
    }
}

/// The variables that lead the tool to a deployment.
pub(super) fn variables(
    emulator: BTreeMap<String, String>,
    resources: &Resources,
    home: &Path,
) -> BTreeMap<String, String> {
    let mut variables = emulator;
    let pairs = [
        ("SENDOFF_TABLE", resources.table.clone()),
        ("SENDOFF_INBOX_TABLE", resources.inbox_table.clone()),
        ("SENDOFF_STREAM_ARN", resources.stream_arn.clone().unwrap()),
        ("SENDOFF_TOPIC_ARN", resources.topic_arn.clone()),
        ("SENDOFF_QUEUE_URL_BASE", resources.queue_url_base.clone()),
        ("SENDOFF_BUCKET", resources.bucket.clone()),
        ("SENDOFF_RUNS_ROLE_ARN", resources.runs_role_arn.clone()),
        ("SENDOFF_RUNS_PREFIX", resources.runs_prefix.clone()),
        ("HOME", home.display().to_string()),
        ("USER", "grace".to_owned()),
    ];
    variables.extend(pairs.map(|(name, value)| (name.to_owned(), value)));
    variables
}
