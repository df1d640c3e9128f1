//! A function with its settings.

use std::{path::Path, time::Duration};

use sendoff_tests::{lambda::LambdaFunction, servers::TwilioStub};
use serde_json::{Value, json};

use crate::{binaries::FUNCTIONS, endpoint::Endpoint};

/// Longer than any of them takes, on a machine that is busy with something else.
const PATIENCE: Duration = Duration::from_secs(60);

/// A function without any settings but where AWS is.
pub(crate) async fn bare(name: &str, endpoint: &Endpoint) -> LambdaFunction {
    with(name, endpoint, Vec::new()).await
}

/// A function with the settings that the template gives.
pub(crate) async fn function(name: &str, endpoint: &Endpoint) -> LambdaFunction {
    function_with(name, endpoint, []).await
}

/// The same with these settings in place of those, or beside them.
pub(crate) async fn function_with<const N: usize>(
    name: &str,
    endpoint: &Endpoint,
    more: [(&'static str, String); N],
) -> LambdaFunction {
    let secret = |of: &str| format!("arn:aws:secretsmanager:us-east-1:000000000000:secret:{of}");
    let settings = [
        ("SENDOFF_TABLE", "records".to_owned()),
        ("SENDOFF_INBOX_TABLE", "inbox".to_owned()),
        ("SENDOFF_TOPIC_ARN", "arn:aws:sns:us-east-1:000000000000:events".to_owned()),
        ("SENDOFF_QUEUE_URL_BASE", format!("{}/000000000000/test-", endpoint.url())),
        ("SENDOFF_BUCKET", "payloads".to_owned()),
        ("SENDOFF_RUNS_ROLE_ARN", "arn:aws:iam::000000000000:role/runs".to_owned()),
        ("SENDOFF_RUNS_PREFIX", "runs".to_owned()),
        ("SENDOFF_FUNCTIONS", r#"{"steps":"arn:aws:lambda:us-east-1:000000000000:function:steps"}"#.to_owned()),
        ("SENDOFF_SCHEDULE_GROUP", "schedules".to_owned()),
        ("SENDOFF_SCHEDULE_ROLE_ARN", "arn:aws:iam::000000000000:role/schedules".to_owned()),
        ("SENDOFF_MAIL_FROM", "Sendoff <noreply@example.org>".to_owned()),
        ("SMTP_URL_ARN", secret("smtp")),
        ("SENDOFF_AUTH_KEYS_ARN", secret("keys")),
        ("SENDOFF_PUBLIC_URL", "https://api.example.org".to_owned()),
        ("SENDOFF_LINK_SECRET_ARN", secret("links")),
        ("SENDOFF_CHANNELS", "email,sms,whatsapp,push".to_owned()),
        ("TWILIO_ACCOUNT_SID", TwilioStub::ACCOUNT.to_owned()),
        ("TWILIO_AUTH_TOKEN_ARN", secret("twilio")),
        ("TWILIO_SMS_FROM", TwilioStub::NUMBER.to_owned()),
        ("META_PHONE_NUMBER_ID", "106540352242922".to_owned()),
        ("META_ACCESS_TOKEN_ARN", secret("meta")),
        ("META_APP_SECRET_ARN", secret("meta-app")),
        ("META_VERIFY_TOKEN_ARN", secret("meta-verify")),
        ("FCM_SERVICE_ACCOUNT_ARN", secret("fcm")),
    ];
    with(name, endpoint, settings.into_iter().chain(more).collect()).await
}

async fn with(name: &str, endpoint: &Endpoint, settings: Vec<(&'static str, String)>) -> LambdaFunction {
    let (_, path) = FUNCTIONS.into_iter().find(|(of, _)| *of == name).expect("there is such a function");
    let variables = settings.into_iter().chain([("AWS_ENDPOINT_URL", endpoint.url())]);
    LambdaFunction::start(Path::new(path), variables, PATIENCE).await.expect("the function starts")
}

/// A request of an HTTP API, as API Gateway hands it over.
pub(crate) fn request(method: &str, path: &str, authorization: Option<&str>) -> Value {
    let mut headers = json!({ "host": "api.example.org", "content-type": "application/json" });
    if let Some(authorization) = authorization {
        headers["authorization"] = authorization.into();
    }
    json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": headers,
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "api",
            "domainName": "api.example.org",
            "domainPrefix": "api",
            "http": {
                "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "test",
            },
            "requestId": "id",
            "routeKey": "$default",
            "stage": "$default",
            "time": "12/Mar/2026:19:03:58 +0000",
            "timeEpoch": 1_773_342_238_000_u64,
        },
        "isBase64Encoded": false,
    })
}
