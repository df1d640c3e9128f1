//! A deployment of one consumer with a full dead-letter queue, for measuring a tool that empties it: SQS with truthful leases, and
//! as much of DynamoDB as a ledger and an audit need. Each call is answered after the same time. It runs in a process of its own,
//! so its work isn't counted as the tool's.
//!
//! Letters aren't kept: each is made from its number when it is asked for, so a million of them cost nothing but their leases.

mod ledger;
mod letters;
mod queue;
mod state;
#[cfg(test)]
mod tests;

use std::{
    cell::RefCell,
    collections::BTreeMap,
    io::{self, Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use self::state::State;
use super::stub_http::{StubAnswer, StubRequest, answer_all};

/// What there is when the stub starts.
#[derive(Debug, Clone, Copy)]
pub struct Stocked {
    /// How many letters are in the dead-letter queue.
    pub letters: u64,
    /// After how long each call is answered.
    pub latency: Duration,
}

/// What was seen so far.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Seen {
    /// How many calls there were, by their names.
    pub calls: BTreeMap<String, u64>,
    /// How many letters are still in the dead-letter queue.
    pub left: u64,
    /// How many of them are leased to somebody.
    pub leased: u64,
    /// How many messages were sent to the consumer's queue.
    pub sent: u64,
    /// How many of them carry an event that was sent already.
    pub twice: u64,
    /// How many of them aren't as they should be: of no letter, still with their failure, or without a replay count.
    pub wrong: u64,
}

impl Stocked {
    /// The account, the region and what names begin with.
    pub const PREFIX: &str = "bench-";
    /// The consumer.
    pub const CONSUMER: &str = "email";

    /// Answers until the standard input ends. The first line that it writes is its address.
    ///
    /// # Errors
    ///
    /// When it can't listen.
    pub fn serve(self) -> io::Result<()> {
        std::thread::spawn(|| {
            let _ = io::stdin().read_to_end(&mut Vec::new());
            std::process::exit(0);
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        tokio::task::LocalSet::new().block_on(&runtime, async {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let address = listener.local_addr()?;
            writeln!(io::stdout(), "{address}")?;
            let state = RefCell::new(State::new(self.letters, format!("http://{address}"))?);
            answer_all(listener, self.latency, move |request| answer(&state, request)).await;
            Ok(())
        })
    }

    /// What leads a program to the stub at this address.
    #[must_use]
    pub fn variables(address: &str) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ENDPOINT_URL", format!("http://{address}")),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
            ("SENDOFF_QUEUE_URL_BASE", format!("http://{address}/000000000000/{}", Self::PREFIX)),
            ("SENDOFF_TABLE", "bench-records".to_owned()),
            ("SENDOFF_INBOX_TABLE", "bench-inbox".to_owned()),
            ("SENDOFF_BUCKET", "bench-payloads".to_owned()),
            ("SENDOFF_TOPIC_ARN", "arn:aws:sns:us-east-1:000000000000:bench-events".to_owned()),
        ]
    }

    /// What the stub at this address has seen.
    ///
    /// # Errors
    ///
    /// When it doesn't answer.
    pub fn seen(address: &str) -> io::Result<Seen> {
        let mut stream = TcpStream::connect(address)?;
        write!(stream, "GET /seen HTTP/1.1\r\nhost: stub\r\n\r\n")?;
        // Nothing more comes, so the answer ends the connection.
        stream.shutdown(std::net::Shutdown::Write)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        serde_json::from_str(body).map_err(io::Error::from)
    }
}

fn answer(state: &RefCell<State>, request: StubRequest<'_>) -> StubAnswer {
    let mut state = state.borrow_mut();
    if request.get().is_some() {
        return (200, serde_json::to_vec(&state.seen()).unwrap_or_default());
    }
    let call = request.target().unwrap_or("none");
    state.count(call);
    let answer = match call {
        "ListQueues" => Ok(state.list_queues()),
        "GetQueueUrl" => state.queue_url(request.body),
        "GetQueueAttributes" => state.queue_attributes(request.body),
        "ReceiveMessage" => state.receive(request.body),
        "SendMessageBatch" => state.send(request.body),
        "DeleteMessageBatch" => state.delete(request.body),
        "ChangeMessageVisibilityBatch" => state.change_visibility(request.body),
        "GetItem" => state.get_item(request.body),
        "BatchGetItem" => state.batch_get(request.body),
        "PutItem" => state.put_item(request.body),
        "TransactWriteItems" => state.transact(request.body),
        "TransactGetItems" | "Query" => Ok(br#"{"Items":[],"Count":0,"ScannedCount":0,"Responses":[]}"#.to_vec()),
        _ => Err(Refusal::new("UnknownOperationException", format!("the stub knows no {call}"))),
    };
    match answer {
        Ok(body) => (200, body),
        Err(Refusal { code, message }) => {
            let told = serde_json::json!({ "__type": format!("com.amazonaws.sqs#{code}"), "message": message });
            (400, told.to_string().into_bytes())
        }
    }
}

/// A call is refused.
#[derive(Debug)]
struct Refusal {
    code: &'static str,
    message: String,
}

impl Refusal {
    fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl From<serde_json::Error> for Refusal {
    fn from(error: serde_json::Error) -> Self {
        Self::new("ValidationException", error.to_string())
    }
}
