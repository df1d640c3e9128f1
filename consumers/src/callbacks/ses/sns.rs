//! What SNS posts, and how it proves it.
//!
//! <https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html>

use std::{fmt, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sendoff_events::Timestamp;
use serde::Deserialize;
use url::Url;

use super::certificate::{Hash, Key};

/// How old a message may be. An attacker who got hold of one can't bring it again for long.
const MAX_AGE: Duration = Duration::from_secs(3600);

/// How far clocks may differ.
const SKEW: Duration = Duration::from_secs(900);

/// What kind of message it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum Kind {
    /// What somebody has published.
    Notification,
    /// SNS asks whether we want to hear from the topic.
    SubscriptionConfirmation,
    /// We won't hear from the topic any more.
    UnsubscribeConfirmation,
}

/// A message of SNS.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Notification {
    #[serde(rename = "Type")]
    pub(super) kind: Kind,
    message_id: String,
    #[serde(rename = "TopicArn")]
    pub(super) topic: String,
    pub(super) message: String,
    #[serde(default)]
    subject: Option<String>,
    timestamp: String,
    #[serde(default)]
    token: Option<String>,
    #[serde(default, rename = "SubscribeURL")]
    pub(super) subscribe_url: Option<String>,
    signature_version: String,
    signature: String,
    #[serde(rename = "SigningCertURL")]
    pub(super) certificate: String,
}

impl Notification {
    /// Whether it was published within the last hour.
    pub(super) fn is_recent(&self, now: Timestamp) -> bool {
        let Ok(at) = self.timestamp.parse::<Timestamp>() else { return false };
        let age = now.duration_since(at);
        age.unsigned_abs() <= if age.is_negative() { SKEW } else { MAX_AGE }
    }

    /// Whether the key signed it.
    pub(super) fn is_signed_by(&self, key: &Key) -> bool {
        let hash = match self.signature_version.as_str() {
            "1" => Hash::Sha1,
            "2" => Hash::Sha256,
            _ => return false,
        };
        let signature = STANDARD.decode(&self.signature);
        signature.is_ok_and(|signature| key.signed(hash, self.canonical().as_bytes(), &signature))
    }

    /// What is signed: the names and values of some members in a fixed order, each on its line.
    pub(super) fn canonical(&self) -> String {
        let kind = format!("{:?}", self.kind);
        let of_subscription = self.kind != Kind::Notification;
        let only = |wanted: bool, value: &Option<String>| value.clone().filter(|_| wanted);
        let members = [
            ("Message", Some(self.message.clone())),
            ("MessageId", Some(self.message_id.clone())),
            ("Subject", only(!of_subscription, &self.subject)),
            ("SubscribeURL", only(of_subscription, &self.subscribe_url)),
            ("Timestamp", Some(self.timestamp.clone())),
            ("Token", only(of_subscription, &self.token)),
            ("TopicArn", Some(self.topic.clone())),
            ("Type", Some(kind)),
        ];
        members.into_iter().filter_map(|(name, value)| value.map(|value| format!("{name}\n{value}\n"))).collect()
    }
}

/// A topic that we listen to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Topic {
    arn: String,
    /// Where SNS is, in the topic's region.
    host: String,
}

impl Topic {
    /// The topic of an ARN, if it is one.
    pub(super) fn parse(arn: &str) -> Option<Self> {
        let parts: Vec<_> = arn.split(':').collect();
        let ["arn", partition, "sns", region, account, name] = &*parts else { return None };
        let word = |text: &str| {
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        let end = match *partition {
            "aws" | "aws-us-gov" => "amazonaws.com",
            "aws-cn" => "amazonaws.com.cn",
            _ => return None,
        };
        let digits = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
        let named =
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        (word(region) && digits && named).then(|| Self { arn: arn.to_owned(), host: format!("sns.{region}.{end}") })
    }

    pub(super) fn arn(&self) -> &str {
        &self.arn
    }

    /// The address of a certificate, if it is SNS that offers it.
    pub(super) fn certificate(&self, url: &str) -> Option<String> {
        let url = self.at_sns(url)?;
        let name = url.path().strip_prefix("/SimpleNotificationService-")?.strip_suffix(".pem")?;
        let hex = (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_hexdigit());
        (hex && url.query().is_none()).then(|| url.into())
    }

    /// The address that confirms a subscription to this topic, if it is SNS that offers it.
    pub(super) fn confirmation(&self, url: &str) -> Option<String> {
        let url = self.at_sns(url)?;
        let mut asked = [("Action", "ConfirmSubscription"), ("TopicArn", self.arn.as_str())].into_iter();
        let all = asked.all(|(name, value)| {
            let mut given = url.query_pairs().filter(|(known, _)| known == name);
            given.next().is_some_and(|(_, given)| given == value) && given.next().is_none()
        });
        (all && url.path() == "/").then(|| url.into())
    }

    /// An https address at SNS in the topic's region, and nowhere else.
    fn at_sns(&self, url: &str) -> Option<Url> {
        let url = Url::parse(url).ok()?;
        let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        let there = url.scheme() == "https" && url.host_str() == Some(&self.host) && url.port().is_none();
        (plain && there).then_some(url)
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.arn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic() -> Topic {
        Topic::parse("arn:aws:sns:us-east-1:123456789012:ses-events").unwrap()
    }

    #[test]
    fn only_sns_itself_in_the_topics_region_offers_its_certificate() {
        let path = "/SimpleNotificationService-0f1E2d.pem";
        let good = format!("https://sns.us-east-1.amazonaws.com{path}");
        assert_eq!(topic().certificate(&good).as_deref(), Some(good.as_str()));
        assert_eq!(topic().certificate(&good.replace("com/", "com:443/")).as_deref(), Some(good.as_str()));
        let china = Topic::parse("arn:aws-cn:sns:cn-north-1:123456789012:t").unwrap();
        assert!(china.certificate(&format!("https://sns.cn-north-1.amazonaws.com.cn{path}")).is_some());
        for wrong in [
            format!("http://sns.us-east-1.amazonaws.com{path}"),
            format!("https://sns.eu-west-1.amazonaws.com{path}"),
            format!("https://sns.us-east-1.amazonaws.com.cn{path}"),
            format!("https://sns.us-east-1.amazonaws.com.evil.example{path}"),
            format!("https://sns.us-east-1.amazonaws.com@evil.example{path}"),
            format!("https://evil.example@sns.us-east-1.amazonaws.com{path}"),
            format!("https://evil-sns.us-east-1.amazonaws.com{path}"),
            format!("https://sns.us-east-1.amazonaws.com:8443{path}"),
            format!("https://sns.us-east-1.amazonaws.com.{path}"),
            format!("https://evil.example/sns.us-east-1.amazonaws.com{path}"),
            format!("https://evil.example\\@sns.us-east-1.amazonaws.com{path}"),
            format!("https://bucket.s3.us-east-1.amazonaws.com{path}"),
            format!("https://sns.us-east-1.amazonaws.com/x{path}"),
            format!("https://sns.us-east-1.amazonaws.com/x/..{path}?x"),
            format!("https://sns.us-east-1.amazonaws.com{path}?x=1"),
            format!("https://sns.us-east-1.amazonaws.com{path}#x"),
            "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-.pem".into(),
            "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-xyz.pem".into(),
            "https://sns.us-east-1.amazonaws.com/?Action=Publish".into(),
            "file:///etc/passwd".into(),
            String::new(),
        ] {
            assert_eq!(topic().certificate(&wrong), None, "{wrong}");
        }
    }

    #[test]
    fn only_the_topics_own_confirmation_is_followed() {
        let arn = "arn:aws:sns:us-east-1:123456789012:ses-events";
        let good = format!("https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={arn}&Token=23");
        assert_eq!(topic().confirmation(&good).as_deref(), Some(good.as_str()));
        for wrong in [
            good.replace("https", "http"),
            good.replace("amazonaws.com", "amazonaws.com.evil.example"),
            good.replace("us-east-1.", "eu-west-1."),
            good.replace("ses-events", "others"),
            good.replace("ConfirmSubscription", "Publish"),
            good.replace("/?", "/x?"),
            format!("{good}&Action=Publish"),
            format!("{good}&TopicArn=arn"),
        ] {
            assert_eq!(topic().confirmation(&wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_no_topic_is_refused() {
        for wrong in [
            "",
            "arn:aws:sns:us-east-1:123456789012",
            "arn:aws:sqs:us-east-1:123456789012:queue",
            "arn:aws:sns:us-east-1/../:123456789012:t",
            "arn:aws:sns::123456789012:t",
            "arn:evil:sns:us-east-1:123456789012:t",
            "arn:aws:sns:us-east-1:1:t",
            "arn:aws:sns:us-east-1:123456789012:t:subscription",
        ] {
            assert_eq!(Topic::parse(wrong), None, "{wrong}");
        }
    }
}
