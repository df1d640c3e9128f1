//! What others put around an event on its way into a dead-letter queue, and what stands within.

use std::{borrow::Cow, collections::BTreeMap};

use sendoff_consumers::Attributes;
use sendoff_events::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

/// The largest body that is looked into: more than any broker takes.
const LIMIT: usize = 4 << 20;
/// How many wrappers are taken off: a notification inside an invocation inside a destination's record.
const DEPTH: usize = 4;

/// A wrapper that was recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wrapper {
    /// An SNS notification, in a queue or as the record that Lambda is invoked with.
    Notification,
    /// What Lambda tells a destination of an invocation that failed.
    Destination(LambdaTold),
    /// What Lambda tells a destination of a batch of a stream: no event, but where its records stand.
    Stream(LambdaTold),
}

/// Why Lambda gave up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct LambdaTold {
    pub(super) at: Option<Timestamp>,
    pub(super) condition: Option<String>,
    pub(super) invocations: Option<u32>,
    pub(super) function_error: Option<String>,
    pub(super) error_type: Option<String>,
    pub(super) error_message: Option<String>,
}

/// What stands within the wrappers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Inside<'a> {
    /// The wrappers, the outermost first.
    pub(super) wrappers: Vec<Wrapper>,
    /// The innermost body; `None` when there is none in the wrapper.
    pub(super) body: Option<Cow<'a, [u8]>>,
    /// The attributes that it had, when the wrapper tells them.
    pub(super) attributes: Option<Attributes>,
    /// Their types, where those aren't texts.
    pub(super) types: BTreeMap<String, String>,
    /// When it was published.
    pub(super) published_at: Option<Timestamp>,
}

impl<'a> Inside<'a> {
    /// Takes all wrappers off.
    pub(super) fn of(body: &'a [u8]) -> Self {
        let mut inside = Self { body: Some(Cow::Borrowed(body)), ..Self::default() };
        while inside.wrappers.len() < DEPTH {
            let Some(present) = inside.body.take() else { return inside };
            let unwrapped = match &present {
                Cow::Borrowed(body) => unwrap(body),
                Cow::Owned(body) => unwrap(body).map(Layer::into_owned),
            };
            match unwrapped {
                Some(layer) => layer.put_into(&mut inside),
                None => {
                    inside.body = Some(present);
                    return inside;
                }
            }
        }
        inside
    }
}

/// One wrapper that was taken off.
struct Layer<'a> {
    wrapper: Wrapper,
    body: Option<Cow<'a, [u8]>>,
    attributes: Option<(Attributes, BTreeMap<String, String>)>,
    published_at: Option<Timestamp>,
}

impl<'a> Layer<'a> {
    fn into_owned<'b>(self) -> Layer<'b> {
        let Self { wrapper, body, attributes, published_at } = self;
        Layer { wrapper, body: body.map(|body| Cow::Owned(body.into_owned())), attributes, published_at }
    }

    fn put_into(self, inside: &mut Inside<'a>) {
        inside.wrappers.push(self.wrapper);
        inside.body = self.body;
        if let Some((attributes, types)) = self.attributes {
            (inside.attributes, inside.types) = (Some(attributes), types);
        }
        inside.published_at = self.published_at.or(inside.published_at);
    }
}

/// Fields of all wrappers. Whatever is no text where one is expected is as if it weren't there.
#[derive(Deserialize)]
struct Outer<'a> {
    #[serde(rename = "Type", borrow)]
    kind: Option<&'a RawValue>,
    #[serde(rename = "TopicArn", borrow)]
    topic: Option<&'a RawValue>,
    #[serde(rename = "Message", borrow)]
    message: Option<&'a RawValue>,
    #[serde(rename = "Timestamp", borrow)]
    published_at: Option<&'a RawValue>,
    #[serde(rename = "MessageAttributes", borrow)]
    attributes: Option<&'a RawValue>,
    #[serde(rename = "Records", borrow)]
    records: Option<&'a RawValue>,
    #[serde(borrow)]
    timestamp: Option<&'a RawValue>,
    #[serde(rename = "requestContext", borrow)]
    request_context: Option<&'a RawValue>,
    #[serde(rename = "requestPayload", borrow)]
    request_payload: Option<&'a RawValue>,
    #[serde(rename = "responseContext", borrow)]
    response_context: Option<&'a RawValue>,
    #[serde(rename = "responsePayload", borrow)]
    response_payload: Option<&'a RawValue>,
    #[serde(rename = "DDBStreamBatchInfo", borrow)]
    stream: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Record<'a> {
    #[serde(rename = "Sns", borrow)]
    sns: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct SnsAttribute {
    #[serde(rename = "Type")]
    kind: String,
    #[serde(rename = "Value")]
    value: String,
}

fn unwrap(body: &[u8]) -> Option<Layer<'_>> {
    // Cheap first: wrappers are objects.
    if body.len() > LIMIT || body.trim_ascii_start().first() != Some(&b'{') {
        return None;
    }
    let outer: Outer<'_> = serde_json::from_slice(body).ok()?;
    if outer.stream.is_some() {
        let (wrapper, body) = (Wrapper::Stream(told(&outer)), None);
        return Some(Layer { wrapper, body, attributes: None, published_at: None });
    }
    if outer.request_context.is_some() && (outer.request_payload.is_some() || outer.response_context.is_some()) {
        let body = outer.request_payload.filter(|payload| payload.get() != "null").map(as_body);
        return Some(Layer { wrapper: Wrapper::Destination(told(&outer)), body, attributes: None, published_at: None });
    }
    if outer.topic.is_some() && text(outer.kind).as_deref() == Some("Notification") {
        return notification(&outer);
    }
    let records: Vec<Record<'_>> = serde_json::from_str(outer.records?.get()).ok()?;
    // SNS invokes Lambda with one notification at a time.
    let [Record { sns: Some(sns) }] = &records[..] else { return None };
    notification(&serde_json::from_str(sns.get()).ok()?)
}

fn notification<'a>(outer: &Outer<'a>) -> Option<Layer<'a>> {
    let message = text(outer.message)?;
    let all: BTreeMap<String, SnsAttribute> =
        outer.attributes.and_then(|all| serde_json::from_str(all.get()).ok()).unwrap_or_default();
    let typed = |(name, attribute): (&String, &SnsAttribute)| {
        (attribute.kind != "String").then(|| (name.clone(), attribute.kind.clone()))
    };
    let types = all.iter().filter_map(typed).collect();
    let attributes = all.into_iter().map(|(name, attribute)| (name, attribute.value)).collect();
    Some(Layer {
        wrapper: Wrapper::Notification,
        body: Some(bytes(message)),
        attributes: Some((attributes, types)),
        published_at: text(outer.published_at).and_then(|at| at.parse().ok()),
    })
}

fn told(outer: &Outer<'_>) -> LambdaTold {
    let part = |part: Option<&RawValue>| -> serde_json::Value {
        part.and_then(|part| serde_json::from_str(part.get()).ok()).unwrap_or_default()
    };
    let (request, response) = (part(outer.request_context), part(outer.response_context));
    // An error of a function has these two; what else it answered says nothing about why.
    let payload = part(outer.response_payload);
    let word = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    LambdaTold {
        at: text(outer.timestamp).and_then(|at| at.parse().ok()),
        condition: word(&request["condition"]),
        invocations: request["approximateInvokeCount"].as_u64().and_then(|count| count.try_into().ok()),
        function_error: word(&response["functionError"]),
        error_type: word(&payload["errorType"]),
        error_message: word(&payload["errorMessage"]),
    }
}

/// A text in JSON as what it says, anything else as it stands.
fn as_body(value: &RawValue) -> Cow<'_, [u8]> {
    text(Some(value)).map_or(Cow::Borrowed(value.get().as_bytes()), bytes)
}

fn text(value: Option<&RawValue>) -> Option<Cow<'_, str>> {
    let json = value?.get();
    if let Ok(plain) = serde_json::from_str::<&str>(json) {
        return Some(Cow::Borrowed(plain));
    }
    serde_json::from_str::<String>(json).ok().map(Cow::Owned)
}

fn bytes(text: Cow<'_, str>) -> Cow<'_, [u8]> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}
