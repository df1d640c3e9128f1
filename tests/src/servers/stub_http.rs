//! As much of HTTP as the SDK needs of a stub, and no more, so that the stub takes little of a shared machine.

use std::{rc::Rc, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// A request that has arrived.
#[derive(Debug, Clone, Copy)]
pub struct StubRequest<'a> {
    head: &'a [u8],
    /// Its body.
    pub body: &'a [u8],
}

impl<'a> StubRequest<'a> {
    /// The path that is asked for with `GET`; `None` for any other method.
    #[must_use]
    pub fn get(&self) -> Option<&'a str> {
        let head = std::str::from_utf8(self.head).ok()?;
        head.strip_prefix("GET ")?.split(' ').next()
    }

    /// The name of the call in AWS's JSON protocol.
    #[must_use]
    pub fn target(&self) -> Option<&'a str> {
        header(self.head, "x-amz-target")?.rsplit('.').next()
    }
}

/// What is answered: the status and the body.
pub type StubAnswer = (u16, Vec<u8>);

/// Answers every request on every connection, each after `latency`, until the listener fails. What a request does is done when it
/// arrives. To be run in a `LocalSet`.
pub async fn answer_all(
    listener: TcpListener,
    latency: Duration,
    answer: impl Fn(StubRequest<'_>) -> StubAnswer + 'static,
) {
    let answer = Rc::new(answer);
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let answer = Rc::clone(&answer);
        tokio::task::spawn_local(async move { converse(stream, latency, &*answer).await });
    }
}

/// One connection: a request and its answer, again and again.
async fn converse(mut stream: TcpStream, latency: Duration, answer: &impl Fn(StubRequest<'_>) -> StubAnswer) {
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
        let (status, body) = answer(StubRequest { head: &buffer[..head], body: &buffer[head..head + length] });
        buffer.drain(..head + length);
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
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
    let length = header(&buffer[..head], "content-length").map_or(0, |length| length.parse().unwrap_or(0));
    (buffer.len() >= head + length).then_some((head, length))
}

fn header<'a>(head: &'a [u8], name: &str) -> Option<&'a str> {
    let mut lines = std::str::from_utf8(head).ok()?.split("\r\n").skip(1);
    lines.find_map(|line| line.split_once(':').filter(|(of, _)| of.eq_ignore_ascii_case(name))).map(|(_, v)| v.trim())
}
