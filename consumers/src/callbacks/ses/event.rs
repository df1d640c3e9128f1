//! What SES tells of a mail: feedback notifications (`notificationType`) and published events (`eventType`) look alike.
//!
//! <https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html>

use std::collections::BTreeMap;

use sendoff_producers::model::SuppressionReason;
use serde::Deserialize;

use crate::DeliveryStatus;

/// The header that a mail carries its delivery id in.
const HEADER: &str = "X-Idempotency-Key";

/// The tag that may carry it as well: SES leaves long headers out.
const TAG: &str = "delivery";

/// Something that happened to a mail.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SesEvent {
    #[serde(alias = "notificationType")]
    event_type: String,
    mail: Mail,
    #[serde(default)]
    bounce: Option<Bounce>,
    #[serde(default)]
    complaint: Option<Complaint>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mail {
    #[serde(default)]
    message_id: Option<String>,
    #[serde(default)]
    headers: Vec<Header>,
    #[serde(default)]
    tags: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
struct Header {
    name: String,
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bounce {
    bounce_type: String,
    #[serde(default)]
    bounce_sub_type: String,
    #[serde(default)]
    bounced_recipients: Vec<Recipient>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Complaint {
    #[serde(default)]
    complaint_feedback_type: Option<String>,
    #[serde(default)]
    complained_recipients: Vec<Recipient>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Recipient {
    email_address: String,
    #[serde(default)]
    diagnostic_code: Option<String>,
}

impl SesEvent {
    /// The delivery id that the mail was sent with.
    pub(super) fn delivery(&self) -> Option<&str> {
        let header = self.mail.headers.iter().find(|header| header.name.eq_ignore_ascii_case(HEADER));
        let tag = self.mail.tags.get(TAG).and_then(|values| values.first());
        header.map(|header| header.value.as_str()).or_else(|| tag.map(String::as_str))
    }

    /// The name that SES gave the mail.
    pub(super) fn message_id(&self) -> Option<&str> {
        self.mail.message_id.as_deref()
    }

    /// How far the mail has come; `None` for what isn't about that.
    ///
    /// What SES calls delivered has reached the recipient's mail server, which may still send it back. A bounce that isn't
    /// permanent may be a full mailbox or somebody on holiday: nobody knows whether it was read.
    pub(super) fn status(&self) -> Option<DeliveryStatus> {
        match self.event_type.as_str() {
            "Send" | "DeliveryDelay" => Some(DeliveryStatus::Accepted),
            "Delivery" => Some(DeliveryStatus::Sent),
            "Bounce" if self.bounced_for_good() => Some(DeliveryStatus::Undelivered),
            "Bounce" => Some(DeliveryStatus::Sent),
            "Reject" | "Rendering Failure" => Some(DeliveryStatus::Undelivered),
            "Open" | "Click" => Some(DeliveryStatus::Read),
            "Complaint" if self.complained() => Some(DeliveryStatus::Complained),
            _ => None,
        }
    }

    /// Why it went wrong, in one line.
    pub(super) fn reason(&self) -> Option<String> {
        match self.event_type.as_str() {
            "Bounce" => self.bounce.as_ref().map(|bounce| {
                let said = bounce.bounced_recipients.first().and_then(|recipient| recipient.diagnostic_code.as_deref());
                let Bounce { bounce_type, bounce_sub_type, .. } = bounce;
                format!("{bounce_type} bounce ({bounce_sub_type}): {}", said.unwrap_or("no diagnosis"))
            }),
            "Complaint" => {
                let kind = self.complaint.as_ref().and_then(|complaint| complaint.complaint_feedback_type.as_deref());
                Some(format!("complaint ({})", kind.unwrap_or("no type")))
            }
            "DeliveryDelay" | "Reject" | "Rendering Failure" => Some(self.event_type.to_lowercase()),
            _ => None,
        }
    }

    /// The recipients that nothing is to be sent to any more, and why.
    pub(super) fn suppressed(&self) -> Option<(SuppressionReason, impl Iterator<Item = &str>)> {
        let (reason, recipients) = match self.event_type.as_str() {
            "Bounce" if self.bounced_for_good() => {
                (SuppressionReason::Bounced, &self.bounce.as_ref()?.bounced_recipients)
            }
            "Complaint" if self.complained() => {
                (SuppressionReason::Complained, &self.complaint.as_ref()?.complained_recipients)
            }
            _ => return None,
        };
        Some((reason, recipients.iter().map(|recipient| recipient.email_address.as_str())))
    }

    fn bounced_for_good(&self) -> bool {
        self.bounce.as_ref().is_some_and(|bounce| bounce.bounce_type == "Permanent")
    }

    /// Some report that what was taken for spam is none.
    fn complained(&self) -> bool {
        let kind = self.complaint.as_ref().and_then(|complaint| complaint.complaint_feedback_type.as_deref());
        kind != Some("not-spam")
    }
}
