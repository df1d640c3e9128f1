//! A call of the tool within the test's process.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    path::Path,
    sync::{Arc, Mutex},
};

use sendoff_aws::Resources;
use sendoff_dlq_tools::{Session, dlq};
use sendoff_host::Exit;
use serde_json::Value;

/// What a call printed, and how it ended.
#[derive(Debug)]
pub(super) struct Called {
    pub(super) exit: Exit,
    /// What it said as it stopped.
    pub(super) message: String,
    pub(super) out: String,
    pub(super) err: String,
}

impl Called {
    /// What it printed, as JSON.
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Captured {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// Calls the tool in this folder with these variables and arguments; the terminal is looked at by a person if asked for.
pub(super) async fn call(
    folder: &Path,
    variables: &BTreeMap<String, String>,
    person: bool,
    arguments: &[&str],
) -> Called {
    let (out, err) = (Captured::default(), Captured::default());
    let mut session = Session {
        variables: variables.clone(),
        folder: folder.to_owned(),
        out: Box::new(out.clone()),
        err: Box::new(err.clone()),
        out_is_terminal: person,
        err_is_terminal: false,
        ..Session::of_this_process()
    };
    let arguments = std::iter::once("dlq").chain(arguments.iter().copied()).map(Into::into);
    let (exit, message) = match dlq(arguments, &mut session).await {
        Ok(exit) => (exit, String::new()),
        Err(stopped) => (stopped.exit, stopped.message.unwrap_or_default()),
    };
    Called { exit, message, out: out.text(), err: err.text() }
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
        ("SENDOFF_RUNS_ARN", resources.runs_arn.clone()),
        ("HOME", home.display().to_string()),
        ("USER", "grace".to_owned()),
    ];
    variables.extend(pairs.map(|(name, value)| (name.to_owned(), value)));
    variables
}
