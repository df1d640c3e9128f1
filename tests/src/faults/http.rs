//! The HTTP client below the SDK, with faults.

use std::{io, sync::Arc};

use aws_smithy_runtime_api::{
    client::{
        http::{
            HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
            SharedHttpConnector,
        },
        orchestrator::{HttpRequest, HttpResponse},
        result::ConnectorError,
        runtime_components::RuntimeComponents,
    },
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;

use super::{Fault, SLOW, Weather, batch};

/// The HTTP client that there is for all of AWS, failing as its [`Weather`] says.
#[derive(Debug, Clone)]
pub struct FaultyHttp {
    inner: SharedHttpClient,
    weather: Arc<Weather>,
}

impl FaultyHttp {
    /// A client in this weather.
    #[must_use]
    pub fn client(weather: Arc<Weather>) -> SharedHttpClient {
        SharedHttpClient::new(Self { inner: sendoff_aws::http_client(), weather })
    }
}

impl HttpClient for FaultyHttp {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(Faulty { inner, weather: self.weather.clone() })
    }
}

#[derive(Debug)]
struct Faulty {
    inner: SharedHttpConnector,
    weather: Arc<Weather>,
}

impl HttpConnector for Faulty {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        let call = call_of(&request);
        let Some(fault) = self.weather.draw(&call) else { return self.inner.call(request) };
        let json = request.headers().get("x-amz-target").is_some();
        let inner = self.inner.clone();
        HttpConnectorFuture::new(async move {
            match fault {
                Fault::Throttled => Ok(refusal(json, 400, "ThrottlingException")),
                Fault::NotConnected => {
                    Err(ConnectorError::io(io::Error::from(io::ErrorKind::ConnectionRefused).into()))
                }
                Fault::FailedBefore => Ok(refusal(json, 500, "InternalServerError")),
                Fault::FailedAfter => inner.call(request).await.map(|_| refusal(json, 500, "InternalServerError")),
                Fault::AnswerLost => {
                    inner.call(request).await?;
                    Err(ConnectorError::timeout("no answer".into()))
                }
                Fault::PartlyFailed => match batch::without_its_last_entry(&mut request, &call) {
                    Some(left_out) => batch::with_failure(inner.call(request).await?, &left_out).await,
                    None => slowly(inner.call(request)).await,
                },
                Fault::Slow => slowly(inner.call(request)).await,
            }
        })
    }
}

async fn slowly(call: HttpConnectorFuture) -> Result<HttpResponse, ConnectorError> {
    let answer = call.await;
    tokio::time::sleep(SLOW).await;
    answer
}

/// The call by the name that its protocol gives it: `DynamoDB_20120810.PutItem`, `AmazonSQS.ReceiveMessage`, `PublishBatch`.
fn call_of(request: &HttpRequest) -> String {
    if let Some(target) = request.headers().get("x-amz-target") {
        return target.to_owned();
    }
    let body = request.body().bytes().unwrap_or_default();
    let action = body.split(|b| *b == b'&').find_map(|pair| pair.strip_prefix(b"Action="));
    match action {
        Some(action) => String::from_utf8_lossy(action).into_owned(),
        None => format!("S3 {}", request.method()),
    }
}

/// An error answer in the protocol of the request.
fn refusal(json: bool, status: u16, code: &str) -> HttpResponse {
    let body = if json {
        format!(r#"{{"__type":"{code}","message":"made up by the test"}}"#)
    } else {
        format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>made up by the test</Message></Error>\
             <RequestId>1</RequestId></ErrorResponse>"
        )
    };
    let status = StatusCode::try_from(status).expect("a valid status");
    HttpResponse::new(status, SdkBody::from(body))
}
