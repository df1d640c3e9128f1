//! A CloudFormation that does as little as it is told to.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{Router, extract::State, http::StatusCode};
use tokio::net::TcpListener;

/// How it answers.
#[derive(Clone)]
enum Manner {
    Refuses { code: String, message: String },
    FailsAt { resource: String, reason: String },
    NeverEnds,
}

/// The stub, for as long as the test's runtime runs.
pub(crate) struct CloudFormation {
    address: SocketAddr,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    creations: AtomicUsize,
    deletions: AtomicUsize,
}

impl CloudFormation {
    /// Every call is refused.
    pub(crate) async fn that_refuses(code: &str, message: &str) -> Self {
        Self::start(Manner::Refuses { code: code.into(), message: message.into() }).await
    }

    /// A queue can't be made.
    pub(crate) async fn that_fails_at(resource: &str, reason: &str) -> Self {
        Self::start(Manner::FailsAt { resource: resource.into(), reason: reason.into() }).await
    }

    /// Creations go on until the stack is deleted.
    pub(crate) async fn that_never_ends() -> Self {
        Self::start(Manner::NeverEnds).await
    }

    async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let counts = Arc::new(Counts::default());
        let router = Router::new().fallback(answer).with_state((manner, counts.clone()));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, counts }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many stacks were asked for.
    pub(crate) fn creations(&self) -> usize {
        self.counts.creations.load(Ordering::SeqCst)
    }

    /// How many were to be deleted.
    pub(crate) fn deletions(&self) -> usize {
        self.counts.deletions.load(Ordering::SeqCst)
    }
}

async fn answer(State((manner, counts)): State<(Manner, Arc<Counts>)>, body: String) -> (StatusCode, String) {
    if let Manner::Refuses { code, message } = &manner {
        return (StatusCode::FORBIDDEN, refusal(code, message));
    }
    let call = body.split('&').find_map(|field| field.strip_prefix("Action=")).expect("a call");
    let result = match (call, &manner) {
        ("CreateStack", _) => {
            counts.creations.fetch_add(1, Ordering::SeqCst);
            "<StackId>arn:aws:cloudformation:us-east-1:000000000000:stack/demo/1</StackId>".to_owned()
        }
        ("DeleteStack", _) => {
            counts.deletions.fetch_add(1, Ordering::SeqCst);
            String::new()
        }
        ("DescribeStacks", _) if counts.deletions.load(Ordering::SeqCst) > 0 => {
            return (StatusCode::BAD_REQUEST, refusal("ValidationError", "Stack with id demo does not exist"));
        }
        ("DescribeStacks", Manner::FailsAt { .. }) => described("CREATE_FAILED"),
        ("DescribeStacks", _) => described("CREATE_IN_PROGRESS"),
        ("DescribeStackEvents", Manner::FailsAt { resource, reason }) => {
            // The newest first: what was cancelled because of the first failure.
            let events = [("Inbox", "Resource creation cancelled"), (resource.as_str(), reason.as_str())];
            let members: String = events.iter().map(|(id, reason)| event(id, reason)).collect();
            format!("<StackEvents>{members}</StackEvents>")
        }
        (call, _) => panic!("{call} is not expected"),
    };
    let xmlns = "http://cloudformation.amazonaws.com/doc/2010-05-15/";
    (
        StatusCode::OK,
        format!("<{call}Response xmlns=\"{xmlns}\"><{call}Result>{result}</{call}Result></{call}Response>"),
    )
}

fn refusal(code: &str, message: &str) -> String {
    format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
    )
}

fn described(status: &str) -> String {
    format!(
        "<Stacks><member><StackName>demo</StackName><CreationTime>2026-01-01T00:00:00Z</CreationTime><StackStatus>{status}\
         </StackStatus></member></Stacks>"
    )
}

fn event(resource: &str, reason: &str) -> String {
    format!(
        "<member><StackId>1</StackId><EventId>{resource}</EventId><StackName>demo</StackName><LogicalResourceId>{resource}\
         </LogicalResourceId><ResourceType>AWS::SQS::Queue</ResourceType><Timestamp>2026-01-01T00:00:00Z</Timestamp>\
         <ResourceStatus>CREATE_FAILED</ResourceStatus><ResourceStatusReason>{reason}</ResourceStatusReason></member>"
    )
}
