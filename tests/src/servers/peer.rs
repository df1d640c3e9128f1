//! HTTP/1.1 servers that do as a test tells them, down to the socket: no framework would let a request be read and its
//! connection then be reset. One request per connection.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use super::script::{PeerFault, Script};

/// The most that a request may hold, in bytes.
const MAX_REQUEST: usize = 1024 * 1024;

/// A request as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Its method: `POST`.
    pub method: String,
    /// Its target: the path, still percent-encoded.
    pub path: String,
    /// What follows the `?`, still percent-encoded.
    pub query: String,
    /// Its headers, names in lower case, in order.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

impl Asked {
    /// A header, by its name in lower case; the first, if there are several.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }

    /// The fields of its query, decoded, in order.
    #[must_use]
    pub fn query_fields(&self) -> Vec<(String, String)> {
        url::form_urlencoded::parse(self.query.as_bytes()).into_owned().collect()
    }

    /// The fields of its body, taken as a form, decoded, in order.
    #[must_use]
    pub fn form_fields(&self) -> Vec<(String, String)> {
        url::form_urlencoded::parse(&self.body).into_owned().collect()
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its headers, but for the length.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

impl Answer {
    /// An answer in JSON.
    #[must_use]
    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        Self { status, headers, body: body.to_string().into_bytes() }
    }

    /// The answer with one header more.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }
}

/// What a peer is: how it answers when nothing goes wrong, and what its failures look like.
pub trait Peer: Send + Sync + 'static {
    /// What a request is about, as scripts name it: its recipient, say. Empty when it can't be told.
    fn subject(&self, asked: &Asked) -> String;

    /// Checks the request as strictly as the real one, acts on it if it is good, and answers.
    fn answer(&self, asked: &Asked) -> Answer;

    /// What the body of its failure with this status looks like.
    fn failure(&self, status: u16) -> Answer;
}

/// A running peer. It ends when this is dropped, or the runtime in which it was started.
pub struct Served<P> {
    address: SocketAddr,
    peer: Arc<P>,
    script: Arc<Script>,
    asked: Arc<Mutex<Vec<Asked>>>,
    accepting: JoinHandle<()>,
}

impl<P: Peer> Served<P> {
    /// Serves `peer` at a free port of this machine.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub async fn start(peer: P) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let (peer, script) = (Arc::new(peer), Arc::<Script>::default());
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let accepting = {
            let (peer, script, asked) = (peer.clone(), script.clone(), asked.clone());
            tokio::spawn(async move {
                let mut open = tokio::task::JoinSet::new();
                while let Ok((stream, _)) = listener.accept().await {
                    while open.try_join_next().is_some() {}
                    let (peer, script, asked) = (peer.clone(), script.clone(), asked.clone());
                    open.spawn(async move { serve(&*peer, &script, &asked, stream).await });
                }
            })
        };
        Self { address, peer, script, asked, accepting }
    }

    /// Its URL, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The peer itself, to see what it has acted on.
    #[must_use]
    pub fn peer(&self) -> &P {
        &self.peer
    }

    /// What goes wrong.
    #[must_use]
    pub fn script(&self) -> &Script {
        &self.script
    }

    /// All requests that it has read to their end, in order, whatever became of them.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<P> Drop for Served<P> {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(peer: &impl Peer, script: &Script, log: &Mutex<Vec<Asked>>, mut stream: TcpStream) -> Option<()> {
    let asked = match read(&mut stream).await? {
        Ok(asked) => asked,
        Err(refusal) => return write(&mut stream, &refusal).await,
    };
    log.lock().unwrap_or_else(PoisonError::into_inner).push(asked.clone());
    let fault = script.draw(&peer.subject(&asked));
    let good = fault.is_none_or(PeerFault::acts).then(|| peer.answer(&asked));
    match (fault, good) {
        (None, Some(good)) => write(&mut stream, &good).await,
        (Some(PeerFault::Slow(time)), Some(good)) => {
            tokio::time::sleep(time).await;
            write(&mut stream, &good).await
        }
        (Some(PeerFault::Torn), Some(good)) => {
            let mut bytes = bytes_of(&good);
            bytes.truncate(bytes.len() - good.body.len() / 2);
            stream.write_all(&bytes).await.ok()?;
            // No reset: it could overtake what was sent before it, and the client should see the status.
            stream.shutdown().await.ok()
        }
        (Some(PeerFault::Garbled), Some(good)) => {
            let page = "<html><body>Something went wrong</body></html>";
            let headers = vec![("content-type".to_owned(), "text/html".to_owned())];
            write(&mut stream, &Answer { status: good.status, headers, body: page.into() }).await
        }
        (Some(PeerFault::Throttled { retry_after }), _) => {
            let mut answer = peer.failure(429);
            if let Some(seconds) = retry_after {
                answer = answer.with("retry-after", seconds);
            }
            write(&mut stream, &answer).await
        }
        (Some(PeerFault::FailedBefore(status) | PeerFault::FailedAfter(status)), _) => {
            write(&mut stream, &peer.failure(status)).await
        }
        (Some(PeerFault::HangBefore | PeerFault::HangAfter), _) => {
            // The client's end of the connection is the end of waiting.
            while stream.read(&mut [0; 64]).await.is_ok_and(|read| read > 0) {}
            None
        }
        (Some(PeerFault::ResetBefore | PeerFault::ResetAfter), _) => stream.set_zero_linger().ok(),
        (None | Some(PeerFault::Slow(_) | PeerFault::Torn | PeerFault::Garbled), None) => None,
    }
}

/// Reads one request: `None` when the connection ended before it did, an answer when it isn't one.
async fn read(stream: &mut TcpStream) -> Option<Result<Asked, Answer>> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        if bytes.len() > MAX_REQUEST || stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let mut asked = match parse(&bytes[..head]) {
        Some(asked) => asked,
        None => return Some(Err(refused(400, "no HTTP/1.1 request"))),
    };
    if asked.header("transfer-encoding").is_some() {
        return Some(Err(refused(411, "say the length")));
    }
    let length = match asked.header("content-length").unwrap_or("0").parse::<usize>() {
        Ok(length) if length <= MAX_REQUEST => length,
        _ => return Some(Err(refused(413, "too long"))),
    };
    while bytes.len() < head + 4 + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    asked.body = bytes[head + 4..head + 4 + length].to_vec();
    Some(Ok(asked))
}

fn parse(head: &[u8]) -> Option<Asked> {
    let mut lines = std::str::from_utf8(head).ok()?.split("\r\n");
    let mut words = lines.next()?.split(' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers = lines
        .map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        })
        .collect::<Option<Vec<_>>>()?;
    let good = version == "HTTP/1.1" && path.starts_with('/') && headers.iter().any(|(name, _)| name == "host");
    good.then(|| Asked {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers,
        body: Vec::new(),
    })
}

fn refused(status: u16, why: &str) -> Answer {
    Answer { status, headers: Vec::new(), body: why.into() }
}

fn bytes_of(answer: &Answer) -> Vec<u8> {
    let mut head =
        format!("HTTP/1.1 {} \r\ncontent-length: {}\r\nconnection: close\r\n", answer.status, answer.body.len());
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    [head.as_bytes(), &answer.body].concat()
}

async fn write(stream: &mut TcpStream, answer: &Answer) -> Option<()> {
    stream.write_all(&bytes_of(answer)).await.ok()?;
    stream.shutdown().await.ok()
}
