//! Writes of the same moment, in one call: a function claims the records of its whole batch at once, and settles many of them
//! at once.
//!
//! Of DynamoDB's calls only the batch of PartiQL statements takes several writes that each have a condition. None of them
//! depends on another, and each costs what it costs alone
//! (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchExecuteStatement.html>). What isn't plainly
//! stored or refused there goes by a call of its own, so that nothing depends on this one.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use aws_sdk_dynamodb::types::{
    AttributeValue, BatchStatementError, BatchStatementErrorCodeEnum as Code, BatchStatementRequest,
    BatchStatementResponse, ReturnValuesOnConditionCheckFailure,
};
use futures::{
    FutureExt as _,
    future::{Shared, WeakShared},
};
use sendoff_events::BoxFuture;

use super::item::{FENCE, OPTIONAL, REVISION, SAME};
use crate::{
    CallError, Cause,
    item::{Attribute, Item},
    table::Table,
    tables::inbox::ID,
};

/// How many statements a batch may have.
const STATEMENTS: usize = 25;

/// About as many letters as a statement has.
const LETTERS: usize = 512;

const CALL: &str = "dynamodb:BatchExecuteStatement";

/// A write with the condition that it has.
#[derive(Debug)]
pub(super) enum Write {
    /// Only where nothing stands.
    New(Item),
    /// Only over an earlier write of the same claim.
    Next(Item),
}

/// What became of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    Stored,
    /// It was to be new, and something stands there.
    Taken,
    /// This stands there, and its condition isn't met.
    Refused(Item),
    /// It wasn't done, or nobody knows: it is for a call of its own.
    Alone,
    /// The call failed as a whole.
    Failed(CallError),
}

/// Gathers the writes of a moment. Whoever waits for an answer drives the call, so it goes on as long as anybody waits.
pub(super) struct Together {
    table: Table,
    open: Mutex<Option<Batch>>,
    /// The role may not do this, or the service doesn't take it.
    off: Arc<AtomicBool>,
}

/// The answers to a batch, once it was sent.
type Sent = BoxFuture<'static, Arc<[Answer]>>;

struct Batch {
    writes: Arc<Gathered>,
    /// There as long as anybody waits for it: a write that nobody waits for any more isn't sent with others.
    sent: Option<WeakShared<Sent>>,
}

/// The writes so far; `None` once they are on their way.
struct Gathered(Mutex<Option<Vec<Write>>>);

impl Together {
    pub(super) fn new(table: Table) -> Self {
        Self { table, open: Mutex::new(None), off: Arc::new(AtomicBool::new(false)) }
    }

    /// Writes with whoever writes at this moment.
    pub(super) async fn write(&self, write: Write) -> Answer {
        if self.off.load(Ordering::Relaxed) {
            return Answer::Alone;
        }
        let (place, sent) = self.join(write);
        // Everybody has a turn who can go on now, and may join.
        tokio::task::yield_now().await;
        sent.await.get(place).cloned().unwrap_or(Answer::Alone)
    }

    fn join(&self, write: Write) -> (usize, Shared<Sent>) {
        let mut open = lock(&self.open);
        let awaited = open.as_ref().and_then(|batch| Some((&batch.writes, batch.sent.as_ref()?.upgrade()?)));
        let write = match awaited {
            None => write,
            Some((writes, sent)) => match writes.add(write) {
                Ok(place) => return (place, sent),
                Err(write) => write,
            },
        };
        let writes = Arc::new(Gathered(Mutex::new(Some(vec![write]))));
        let sent = self.send(Arc::clone(&writes));
        *open = Some(Batch { writes, sent: sent.downgrade() });
        (0, sent)
    }

    /// Sends them when the first one asks for its answer.
    fn send(&self, writes: Arc<Gathered>) -> Shared<Sent> {
        let (table, off) = (self.table.clone(), Arc::clone(&self.off));
        let sent: Sent = Box::pin(async move {
            let writes = writes.close();
            if writes.len() < 2 {
                return Arc::from([Answer::Alone]);
            }
            let count = writes.len();
            match execute(&table, writes).await {
                Ok(answers) => {
                    if let Some(BatchStatementError { message, .. }) = refusal(&answers) {
                        give_up(&off, message.as_deref().unwrap_or_default());
                    }
                    let mut answers = answers.into_iter().map(judge);
                    (0..count).map(|_| answers.next().unwrap_or(Answer::Alone)).collect()
                }
                Err(error) if error.may_pass() => vec![Answer::Failed(error); count].into(),
                Err(error) => {
                    if lasts(&error) {
                        give_up(&off, &error.to_string());
                    }
                    vec![Answer::Alone; count].into()
                }
            }
        });
        sent.shared()
    }
}

/// What the service will say again, whatever the records: that the role may not, or that it takes none of these statements.
fn refusal(answers: &[BatchStatementResponse]) -> Option<&BatchStatementError> {
    let errors = || answers.iter().filter_map(BatchStatementResponse::error);
    let is_invalid = |error: &BatchStatementError| matches!(error.code, Some(Code::ValidationError));
    let none_is_taken = answers.iter().all(|answer| answer.error().is_some_and(is_invalid));
    let denied = errors().find(|error| matches!(error.code, Some(Code::AccessDenied)));
    denied.or_else(|| errors().next().filter(|_| none_is_taken))
}

/// Whether the service will say so again. Credentials that have run out, or a table that isn't there yet, are another matter.
fn lasts(error: &CallError) -> bool {
    match error.cause {
        Cause::Denied => error.code.as_deref().is_some_and(|code| code.starts_with("AccessDenied")),
        cause => cause == Cause::Refused,
    }
}

fn give_up(off: &AtomicBool, why: &str) {
    if !off.swap(true, Ordering::Relaxed) {
        tracing::warn!(
            why,
            "inbox records are written one by one from now on, which costs more calls. If a permission is missing, let the \
             role do dynamodb:PartiQLInsert and dynamodb:PartiQLUpdate on the inbox's table"
        );
    }
}

impl Gathered {
    /// The place of a write that was taken in; the write itself, if these are on their way, full, or have its record already.
    fn add(&self, write: Write) -> Result<usize, Write> {
        let mut writes = lock(&self.0);
        match &mut *writes {
            Some(writes) if writes.len() < STATEMENTS && !writes.iter().any(|other| other.id() == write.id()) => {
                writes.push(write);
                Ok(writes.len() - 1)
            }
            _ => Err(write),
        }
    }

    fn close(&self) -> Vec<Write> {
        lock(&self.0).take().unwrap_or_default()
    }
}

impl Write {
    fn id(&self) -> Option<&Attribute> {
        let (Self::New(item) | Self::Next(item)) = self;
        item.get(ID)
    }

    /// The statement on a table, with its parameters. Names are written and values never.
    fn statement(self, table: &str) -> (String, Vec<AttributeValue>) {
        let mut text = String::with_capacity(LETTERS);
        match self {
            Self::New(item) => {
                text.extend(["INSERT INTO \"", table, "\" VALUE {"]);
                let attributes = item.into_attributes();
                let mut parameters = Vec::with_capacity(attributes.len());
                for (name, value) in attributes {
                    let comma = if parameters.is_empty() { "" } else { "," };
                    text.extend([comma, "'", &name, "':?"]);
                    parameters.push(value.into());
                }
                text.push('}');
                (text, parameters)
            }
            Self::Next(item) => {
                text.extend(["UPDATE \"", table, "\""]);
                for name in OPTIONAL.iter().filter(|name| !item.has(name)) {
                    text.extend([" REMOVE \"", name, "\""]);
                }
                let last = [ID, FENCE, REVISION].map(|name| item.get(name).cloned().map(AttributeValue::from));
                let attributes = item.into_attributes();
                let mut parameters = Vec::with_capacity(attributes.len() + last.len());
                for (name, value) in attributes.filter(|(name, _)| !SAME.contains(&&**name)) {
                    text.extend([" SET \"", &name, "\"=?"]);
                    parameters.push(value.into());
                }
                text.extend([" WHERE \"", ID, "\"=? AND \"", FENCE, "\"=? AND \"", REVISION, "\"<?"]);
                parameters.extend(last.into_iter().flatten());
                (text, parameters)
            }
        }
    }
}

async fn execute(table: &Table, writes: Vec<Write>) -> Result<Vec<BatchStatementResponse>, CallError> {
    let mut request = table.client().batch_execute_statement();
    for write in writes {
        let (text, parameters) = write.statement(table.name());
        let statement = BatchStatementRequest::builder()
            .statement(text)
            .set_parameters(Some(parameters))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let refused = |error: aws_smithy_types::error::operation::BuildError| CallError {
            call: CALL,
            resource: table.name().to_owned(),
            cause: Cause::Refused,
            code: None,
            message: error.to_string(),
        };
        request = request.statements(statement.build().map_err(refused)?);
    }
    match request.send().await {
        Ok(answer) => Ok(answer.responses.unwrap_or_default()),
        Err(error) => Err(CallError::of(CALL, table.name(), &error)),
    }
}

fn judge(answer: BatchStatementResponse) -> Answer {
    let Some(error) = answer.error else { return Answer::Stored };
    match (error.code, error.item) {
        (Some(Code::DuplicateItem), _) => Answer::Taken,
        (Some(Code::ConditionalCheckFailed), Some(item)) if !item.is_empty() => Answer::Refused(item.into()),
        _ => Answer::Alone,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
