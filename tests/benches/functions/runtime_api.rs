//! A Runtime API that hands out one event, or none, and says when it was asked.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::{Duration, Instant},
};

/// Longer than any start takes, under callgrind too.
const PATIENCE: Duration = Duration::from_secs(120);
/// An event that is no function's.
const EVENT: &str = r#"{"hello":"world"}"#;

/// What the function asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// An event.
    Next,
    /// Its answer was taken, whichever it was.
    Answered,
}

/// The server of one function. It also stands in for AWS, which has nothing of what is asked for.
pub(crate) struct RuntimeApi {
    address: SocketAddr,
    asked: Receiver<(Asked, Instant)>,
}

impl RuntimeApi {
    /// Starts it. With `hand_over` the first question for an event is answered; all others have to wait.
    pub(crate) fn start(hand_over: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, asked) = channel();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let sender = sender.clone();
                thread::spawn(move || converse(stream, hand_over, &sender));
            }
        });
        Self { address, asked }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The moment at which the function first asked for this.
    pub(crate) fn wait_for(&self, what: Asked) -> Instant {
        loop {
            let (asked, at) = self.asked.recv_timeout(PATIENCE).unwrap();
            if asked == what {
                return at;
            }
        }
    }
}

/// Answers the requests of one connection.
fn converse(mut stream: TcpStream, hand_over: bool, asked: &Sender<(Asked, Instant)>) {
    let (mut buffer, mut piece) = (Vec::new(), [0; 16 * 1024]);
    let mut handed_over = !hand_over;
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
        let Some(path) = take_request(&mut buffer) else { continue };
        let answer = if path.ends_with("/invocation/next") {
            // Whoever asked may have heard enough.
            let _ = asked.send((Asked::Next, at));
            if std::mem::replace(&mut handed_over, true) {
                continue;
            }
            format!(
                "HTTP/1.1 200 OK\r\nlambda-runtime-aws-request-id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd\r\n\
                 lambda-runtime-deadline-ms: 4102444800000\r\n\
                 lambda-runtime-invoked-function-arn: arn:aws:lambda:us-east-1:000000000000:function:f\r\n\
                 lambda-runtime-trace-id: Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0\r\n\
                 content-type: application/json\r\ncontent-length: {}\r\n\r\n{EVENT}",
                EVENT.len()
            )
        } else if path.contains("/runtime/") {
            let _ = asked.send((Asked::Answered, at));
            "HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n".to_owned()
        } else {
            let body = r#"{"__type":"ResourceNotFoundException","message":"there is nothing here"}"#;
            format!("HTTP/1.1 400 Bad Request\r\ncontent-length: {}\r\n\r\n{body}", body.len())
        };
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// Takes a request out of the buffer, if all of it is there, and gives its path.
fn take_request(buffer: &mut Vec<u8>) -> Option<String> {
    let end = buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().unwrap())
    });
    let (chunked, length) = (head.to_ascii_lowercase().contains("transfer-encoding: chunked"), length.unwrap_or(0));
    let whole = if chunked { buffer.ends_with(b"0\r\n\r\n") } else { buffer.len() >= end + length };
    whole.then(|| {
        buffer.clear();
        head.split(' ').nth(1).unwrap_or_default().to_owned()
    })
}
