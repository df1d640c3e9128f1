//! The process that answers at once.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    process::{Child, Command, Stdio},
    time::Duration,
};

use sendoff_tests::{
    processor,
    servers::{StubAnswer, StubRequest, answer_all},
};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use crate::answers::Answers;

/// Makes this program the stub. Behind it stands how many milliseconds an answer takes.
pub(crate) const ARGUMENT: &str = "--stub";
/// Asked for by the benchmark itself: what was counted since it asked last.
const COUNTS: &str = "/counts";

/// What was asked for by one name.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Count {
    pub(crate) calls: u64,
    /// Items that DynamoDB would have written.
    pub(crate) written: u64,
}

/// What was asked for, by the names of the calls.
pub(crate) type Counts = BTreeMap<String, Count>;

/// The stub, as long as it runs.
pub(crate) struct Stub {
    process: Child,
    address: String,
}

impl Stub {
    /// One that answers after so many milliseconds.
    pub(crate) fn start(latency: u64) -> Self {
        let program = std::env::current_exe().unwrap();
        let arguments = [ARGUMENT, &latency.to_string()];
        let mut process = Command::new(program).args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut address = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut address).unwrap();
        Self { process, address: address.trim().to_owned() }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What was asked for since this was called last.
    pub(crate) fn counts(&self) -> Counts {
        let mut stream = std::net::TcpStream::connect(&self.address).unwrap();
        write!(stream, "GET {COUNTS} HTTP/1.1\r\nhost: stub\r\n\r\n").unwrap();
        // Nothing more comes, so the answer ends the connection.
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Answers until it is killed. The first line that it writes is its address.
pub(crate) fn serve(latency: u64) {
    processor::stay_on(1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let set = tokio::task::LocalSet::new();
    set.block_on(&runtime, async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{}", listener.local_addr().unwrap());
        let (answers, counts) = (Answers::new(), RefCell::new(Counts::new()));
        answer_all(listener, Duration::from_millis(latency), move |request| answer(request, &answers, &counts)).await;
    });
}

fn answer(request: StubRequest<'_>, answers: &Answers, counts: &RefCell<Counts>) -> StubAnswer {
    if request.get() == Some(COUNTS) {
        return (200, serde_json::to_vec(&counts.take()).unwrap());
    }
    // What has no target speaks the query protocol, which is SNS.
    let call = request.target().unwrap_or("PublishBatch");
    let answer = answers.to(call, request.body);
    let mut counts = counts.borrow_mut();
    let count = counts.entry(call.to_owned()).or_default();
    count.calls += 1;
    let Some((body, written)) = answer else { return (501, Vec::new()) };
    count.written += written;
    (200, body)
}
