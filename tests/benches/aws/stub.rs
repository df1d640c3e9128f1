//! The process that answers at once.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    process::{Child, Command, Stdio},
    rc::Rc,
};

use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::{answers::Answers, processor};

/// Makes this program the stub.
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
    pub(crate) fn start() -> Self {
        let program = std::env::current_exe().unwrap();
        let mut process = Command::new(program).arg(ARGUMENT).stdout(Stdio::piped()).spawn().unwrap();
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
pub(crate) fn serve() {
    processor::stay_on(1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let set = tokio::task::LocalSet::new();
    set.block_on(&runtime, async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{}", listener.local_addr().unwrap());
        let (answers, counts) = (Rc::new(Answers::new()), Rc::new(RefCell::new(Counts::new())));
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            tokio::task::spawn_local(converse(stream, answers.clone(), counts.clone()));
        }
    });
}

/// One connection: a request and its answer, again and again.
async fn converse(mut stream: TcpStream, answers: Rc<Answers>, counts: Rc<RefCell<Counts>>) {
    let mut buffer = Vec::with_capacity(64 * 1024);
    loop {
        let (head, length) = loop {
            if let Some(whole) = whole_request(&buffer) {
                break whole;
            }
            if !matches!(stream.read_buf(&mut buffer).await, Ok(read) if read > 0) {
                return;
            }
        };
        let (status, body) = answer(&buffer[..head], &buffer[head..head + length], &answers, &counts);
        buffer.drain(..head + length);
        let head = format!(
            "HTTP/1.1 {status} Stub\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let sent = [head.into_bytes(), body].concat();
        if stream.write_all(&sent).await.is_err() {
            return;
        }
    }
}

/// The lengths of a request's head and body, once all of it is there.
fn whole_request(buffer: &[u8]) -> Option<(usize, usize)> {
    let head = buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n")? + 4;
    let length = header(&buffer[..head], "content-length").map_or(0, |length| length.parse().unwrap());
    (buffer.len() >= head + length).then_some((head, length))
}

fn header<'a>(head: &'a [u8], name: &str) -> Option<&'a str> {
    let mut lines = std::str::from_utf8(head).unwrap().split("\r\n").skip(1);
    lines.find_map(|line| line.split_once(':').filter(|(of, _)| of.eq_ignore_ascii_case(name))).map(|(_, v)| v.trim())
}

fn answer(head: &[u8], body: &[u8], answers: &Answers, counts: &RefCell<Counts>) -> (u16, Vec<u8>) {
    if head.starts_with(format!("GET {COUNTS} ").as_bytes()) {
        return (200, serde_json::to_vec(&counts.take()).unwrap());
    }
    // What has no target speaks the query protocol, which is SNS.
    let call = header(head, "x-amz-target").map_or("PublishBatch", |target| target.rsplit('.').next().unwrap());
    let answer = answers.to(call, body);
    let mut counts = counts.borrow_mut();
    let count = counts.entry(call.to_owned()).or_default();
    count.calls += 1;
    let Some((body, written)) = answer else { return (501, Vec::new()) };
    count.written += written;
    (200, body)
}
