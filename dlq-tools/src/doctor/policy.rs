//! Whether a queue's policy lets a topic send, as far as the policy alone says
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html>).
//!
//! Only what is certain is said: a condition that isn't known here is taken as met for what allows, and as not met for what denies.

use serde_json::Value;

/// Whether SNS may send from this topic to this queue.
pub(super) fn lets_send(policy: &Value, queue: &str, topic: &str) -> bool {
    let statements = many(&policy["Statement"]);
    let applies = |statement: &&Value, effect: &str| {
        statement["Effect"] == effect && is_sns(statement) && is_send(statement) && is_queue(statement, queue)
    };
    let allows = |statement: &&Value| applies(statement, "Allow") && conditions(statement, topic) != Some(false);
    let denies = |statement: &&Value| applies(statement, "Deny") && conditions(statement, topic) == Some(true);
    statements.iter().any(allows) && !statements.iter().any(denies)
}

fn is_sns(statement: &Value) -> bool {
    let principal = &statement["Principal"];
    let service = |text: &str| text == "*" || text == "sns.amazonaws.com";
    principal == "*"
        || many(&principal["Service"]).into_iter().filter_map(Value::as_str).any(service)
        || many(&principal["AWS"]).into_iter().any(|who| who == "*")
}

fn is_send(statement: &Value) -> bool {
    let named = many(&statement["Action"]).into_iter().filter_map(Value::as_str);
    named.map(str::to_ascii_lowercase).any(|action| fits(&action, "sqs:sendmessage"))
}

fn is_queue(statement: &Value, queue: &str) -> bool {
    let named = many(&statement["Resource"]);
    named.is_empty() || named.into_iter().filter_map(Value::as_str).any(|resource| fits(resource, queue))
}

/// Whether all conditions are met when SNS sends; `None` when one isn't known here.
fn conditions(statement: &Value, topic: &str) -> Option<bool> {
    let account = topic.split(':').nth(4).unwrap_or_default();
    let mut met = Some(true);
    for (operator, keys) in statement["Condition"].as_object().into_iter().flatten() {
        for (key, wanted) in keys.as_object().into_iter().flatten() {
            let value = match key.to_ascii_lowercase().as_str() {
                "aws:sourcearn" => topic,
                "aws:sourceaccount" | "aws:sourceowner" => account,
                "aws:securetransport" => "true",
                _ => {
                    met = met.filter(|met| !met);
                    continue;
                }
            };
            let any =
                |matches: fn(&str, &str) -> bool| many(wanted).into_iter().any(|wanted| matches(&text(wanted), value));
            let here = match operator.as_str() {
                "ArnEquals" | "ArnLike" | "StringLike" => any(fits),
                "StringEquals" => any(|wanted, value| wanted == value),
                "Bool" | "StringEqualsIgnoreCase" => any(|wanted, value| wanted.eq_ignore_ascii_case(value)),
                "ArnNotEquals" | "ArnNotLike" | "StringNotLike" => !any(fits),
                "StringNotEquals" => !any(|wanted, value| wanted == value),
                _ => {
                    met = met.filter(|met| !met);
                    continue;
                }
            };
            if !here {
                met = Some(false);
            }
        }
    }
    met
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn many(value: &Value) -> Vec<&Value> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(all) => all.iter().collect(),
        one => vec![one],
    }
}

/// Whether a text is what a pattern with `*` and `?` means. Takes time in proportion to both lengths.
fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&c) if c == b'?' || c == text[t] => (p, t) = (p + 1, t + 1),
            _ => {
                // The last star takes one more.
                let Some((at, from)) = star else { return false };
                (p, t, star) = (at + 1, from + 1, Some((at, from + 1)));
            }
        }
    }
    pattern[p..].iter().all(|&c| c == b'*')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const QUEUE: &str = "arn:aws:sqs:eu-central-1:1:sendoff-email";
    const TOPIC: &str = "arn:aws:sns:eu-central-1:1:sendoff-events";

    fn allows(statements: Value) -> bool {
        lets_send(&json!({ "Statement": statements }), QUEUE, TOPIC)
    }

    fn ours(condition: Value) -> Value {
        json!({
            "Effect": "Allow", "Principal": { "Service": "sns.amazonaws.com" }, "Action": "sqs:SendMessage",
            "Resource": QUEUE, "Condition": condition,
        })
    }

    #[test]
    fn a_policy_for_this_topic_and_account_lets_it_send() {
        let condition =
            json!({ "ArnEquals": { "aws:SourceArn": TOPIC }, "StringEquals": { "aws:SourceAccount": "1" } });
        assert!(allows(json!(ours(condition.clone()))), "a single statement needs no list");
        let tls = json!({
            "Effect": "Deny", "Principal": "*", "Action": "sqs:SendMessage", "Resource": QUEUE,
            "Condition": { "Bool": { "aws:SecureTransport": "false" } },
        });
        assert!(allows(json!([tls, ours(condition)])));
        assert!(allows(json!([ours(json!({ "ArnLike": { "aws:SourceArn": "arn:aws:sns:*:1:sendoff-*" } }))])));
        assert!(allows(json!([{ "Effect": "Allow", "Principal": "*", "Action": ["SQS:*"] }])));
        assert!(allows(json!([ours(json!({ "DateLessThan": { "aws:CurrentTime": "2030-01-01" } }))])), "nobody knows");
    }

    #[test]
    fn one_for_another_topic_service_action_or_queue_does_not() {
        assert!(!allows(json!([])));
        assert!(!allows(json!([ours(json!({ "ArnEquals": { "aws:SourceArn": format!("{TOPIC}2") } }))])));
        assert!(!allows(json!([ours(json!({ "StringEquals": { "aws:SourceAccount": "2" } }))])));
        for (field, value) in [
            ("Principal", json!({ "Service": "events.amazonaws.com" })),
            ("Action", json!("sqs:ReceiveMessage")),
            ("Resource", json!(format!("{QUEUE}-dlq"))),
            ("Effect", json!("Deny")),
        ] {
            let mut other = ours(json!({}));
            other[field] = value;
            assert!(!allows(json!([other])), "{field}");
        }
        let denied = json!({ "Effect": "Deny", "Principal": "*", "Action": "sqs:*", "Resource": "*" });
        assert!(!allows(json!([ours(json!({})), denied])));
        assert!(!lets_send(&json!("no policy"), QUEUE, TOPIC));
    }

    #[test]
    fn stars_and_question_marks_are_read_as_iam_does() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("a*b*c", "aXbYbc", true),
            ("a*b", "aXbY", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("", "a", false),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
    }
}
