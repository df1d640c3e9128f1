//! A Runtime API that hands out as many events as it may, and says when it was asked. It also stands in for AWS.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

use crate::messages::batch;

/// Longer than any start takes, under callgrind too.
const PATIENCE: Duration = Duration::from_secs(120);
/// An event that is no function's.
const EVENT: &str = r#"{"hello":"world"}"#;
/// The first byte of a connection with TLS.
const TLS_HANDSHAKE: u8 = 22;

/// What the function asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// An event.
    Next,
    /// Its answer was taken, whichever it was.
    Answered,
    /// A connection with TLS to AWS: its first message has arrived. It gets no answer.
    Hello,
}

/// What is handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Events {
    /// An event that is no function's; AWS has nothing of what is asked for.
    Strange,
    /// Batches of ten messages, each message another one; AWS takes everything.
    Batches,
}

/// How many more events may be handed out.
#[derive(Default)]
struct Permits {
    left: Mutex<u64>,
    given: Condvar,
}

impl Permits {
    fn give(&self, more: u64) {
        *self.left.lock().unwrap() += more;
        self.given.notify_all();
    }

    /// Waits for one, and gives the number of those that are left.
    fn take(&self) -> u64 {
        let mut left = self.given.wait_while(self.left.lock().unwrap(), |left| *left == 0).unwrap();
        *left -= 1;
        *left
    }
}

/// The server of one function.
pub(crate) struct RuntimeApi {
    address: SocketAddr,
    asked: Receiver<(Asked, Instant)>,
    permits: Arc<Permits>,
}

impl RuntimeApi {
    /// Starts it. Nothing is handed out before it may be.
    pub(crate) fn start(events: Events) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, asked) = channel();
        let permits = Arc::new(Permits::default());
        let server = Server { asked: sender, permits: Arc::clone(&permits), events };
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let server = server.clone();
                thread::spawn(move || server.converse(stream));
            }
        });
        Self { address, asked, permits }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets so many more events be handed out.
    pub(crate) fn hand_over(&self, events: u64) {
        self.permits.give(events);
    }

    /// The moment at which the function next asked for this.
    pub(crate) fn wait_for(&self, what: Asked) -> Instant {
        loop {
            let (asked, at) = self.asked.recv_timeout(PATIENCE).unwrap();
            if asked == what {
                return at;
            }
        }
    }
}

/// What each connection is served by.
#[derive(Clone)]
struct Server {
    asked: Sender<(Asked, Instant)>,
    permits: Arc<Permits>,
    events: Events,
}

impl Server {
    /// Answers the requests of one connection.
    fn converse(&self, mut stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let (mut buffer, mut piece) = (Vec::new(), [0; 16 * 1024]);
        loop {
            let at = match stream.read(&mut piece) {
                Ok(read) if read > 0 => {
                    // Also the moment of a request that comes in one piece, as all of these do.
                    #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
                    let at = Instant::now();
                    buffer.extend_from_slice(&piece[..read]);
                    at
                }
                _ => return,
            };
            if buffer[0] == TLS_HANDSHAKE {
                let _ = self.asked.send((Asked::Hello, at));
                continue;
            }
            let Some(Request { path, statements }) = take_request(&mut buffer) else { continue };
            let answer = if path.ends_with("/invocation/next") {
                // Whoever asked may have heard enough.
                let _ = self.asked.send((Asked::Next, at));
                let number = self.permits.take();
                event(match self.events {
                    Events::Strange => EVENT.to_owned(),
                    Events::Batches => batch(number),
                })
            } else if path.contains("/runtime/") {
                assert!(self.events == Events::Strange || path.ends_with("/response"), "the function failed: {path}");
                let _ = self.asked.send((Asked::Answered, at));
                "HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n".to_owned()
            } else if self.events == Events::Batches {
                let body = match statements {
                    0 => "{}".to_owned(),
                    count => format!(r#"{{"Responses":[{}]}}"#, vec!["{}"; count].join(",")),
                };
                format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                )
            } else {
                let body = r#"{"__type":"ResourceNotFoundException","message":"there is nothing here"}"#;
                format!("HTTP/1.1 400 Bad Request\r\ncontent-length: {}\r\n\r\n{body}", body.len())
            };
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }
}

/// The answer that hands an event over.
fn event(event: String) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nlambda-runtime-aws-request-id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd\r\n\
         lambda-runtime-deadline-ms: 4102444800000\r\n\
         lambda-runtime-invoked-function-arn: arn:aws:lambda:us-east-1:000000000000:function:f\r\n\
         lambda-runtime-trace-id: Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{event}",
        event.len()
    )
}

/// As much of a request as an answer needs.
struct Request {
    path: String,
    /// How many statements it has, where it is a batch of them.
    statements: usize,
}

/// Takes a request out of the buffer, if all of it is there.
fn take_request(buffer: &mut Vec<u8>) -> Option<Request> {
    let end = buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().unwrap())
    });
    let (chunked, length) = (head.to_ascii_lowercase().contains("transfer-encoding: chunked"), length.unwrap_or(0));
    let whole = if chunked { buffer.ends_with(b"0\r\n\r\n") } else { buffer.len() >= end + length };
    whole.then(|| {
        let statements = if head.contains(".BatchExecuteStatement\r\n") {
            let body: serde_json::Value = serde_json::from_slice(&buffer[end..]).unwrap();
            body["Statements"].as_array().unwrap().len()
        } else {
            0
        };
        buffer.clear();
        Request { path: head.split(' ').nth(1).unwrap_or_default().to_owned(), statements }
    })
}
