//! Batches of which one entry fails: the JSON protocol of SQS, the query protocol of SNS, and statements to DynamoDB.

use aws_smithy_runtime_api::client::{
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
};
use aws_smithy_types::{body::SdkBody, byte_stream::ByteStream};
use serde_json::{Value, json};

/// The id of an entry that was left out, and the protocol of its batch.
pub(super) enum LeftOut {
    Json(String),
    Query(String),
    /// The last statement: they have no ids.
    Statement,
}

/// Takes the last entry out of a batch of at least two; `None` when it is none.
pub(super) fn without_its_last_entry(request: &mut HttpRequest, call: &str) -> Option<LeftOut> {
    let body = request.body().bytes()?.to_vec();
    let (body, left_out) = match call {
        "AmazonSQS.SendMessageBatch" | "AmazonSQS.DeleteMessageBatch" | "AmazonSQS.ChangeMessageVisibilityBatch" => {
            let mut batch: Value = serde_json::from_slice(&body).ok()?;
            let entries = batch.get_mut("Entries")?.as_array_mut().filter(|entries| entries.len() > 1)?;
            let id = entries.pop()?.get("Id")?.as_str()?.to_owned();
            (serde_json::to_vec(&batch).ok()?, LeftOut::Json(id))
        }
        "DynamoDB_20120810.BatchExecuteStatement" => {
            let mut batch: Value = serde_json::from_slice(&body).ok()?;
            batch.get_mut("Statements")?.as_array_mut().filter(|statements| statements.len() > 1)?.pop()?;
            (serde_json::to_vec(&batch).ok()?, LeftOut::Statement)
        }
        "PublishBatch" => {
            let text = String::from_utf8(body).ok()?;
            let prefix = |n: usize| format!("PublishBatchRequestEntries.member.{n}.");
            let last = (1..=10).rev().find(|n| text.contains(&prefix(*n))).filter(|last| *last > 1)?;
            let (gone, kept): (Vec<&str>, Vec<&str>) =
                text.split('&').partition(|pair| pair.starts_with(&prefix(last)));
            let id = gone.iter().find_map(|pair| pair.strip_prefix(&format!("{}Id=", prefix(last))))?;
            (kept.join("&").into_bytes(), LeftOut::Query(id.to_owned()))
        }
        _ => return None,
    };
    request.headers_mut().insert("content-length", body.len().to_string());
    *request.body_mut() = SdkBody::from(body);
    Some(left_out)
}

/// The answer that tells of the entry that was left out.
pub(super) async fn with_failure(answer: HttpResponse, left_out: &LeftOut) -> Result<HttpResponse, ConnectorError> {
    let status = answer.status();
    let read = ByteStream::new(answer.into_body()).collect().await;
    let body = read.map_err(|error| ConnectorError::io(error.into()))?.into_bytes();
    let body = match left_out {
        LeftOut::Json(id) => {
            let mut told: Value = serde_json::from_slice(&body).unwrap_or_default();
            let failed =
                json!({ "Id": id, "SenderFault": false, "Code": "InternalError", "Message": "made up by the test" });
            match told["Failed"].as_array_mut() {
                Some(failures) => failures.push(failed),
                None => told["Failed"] = json!([failed]),
            }
            told.to_string()
        }
        LeftOut::Statement => {
            let mut told: Value = serde_json::from_slice(&body).unwrap_or_default();
            let failed = json!({ "Error": { "Code": "InternalServerError", "Message": "made up by the test" } });
            if let Some(answers) = told["Responses"].as_array_mut() {
                answers.push(failed);
            }
            told.to_string()
        }
        LeftOut::Query(id) => {
            let member =
                format!("<member><Id>{id}</Id><Code>InternalError</Code><SenderFault>false</SenderFault></member>");
            let text = String::from_utf8_lossy(&body).into_owned();
            let told = text.replacen("<Failed/>", &format!("<Failed>{member}</Failed>"), 1);
            match told == text {
                false => told,
                true => text.replacen("<Failed>", &format!("<Failed>{member}"), 1),
            }
        }
    };
    Ok(HttpResponse::new(status, SdkBody::from(body)))
}
