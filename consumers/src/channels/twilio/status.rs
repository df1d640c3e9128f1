//! Twilio's words for how far a message has come.

use crate::DeliveryStatus;

/// How far a message of this status has come; `None` for the statuses of incoming messages and for words that aren't Twilio's.
///
/// Source: the values of `status` of a Message resource
/// (<https://www.twilio.com/docs/messaging/api/message-resource#message-status-values>).
#[must_use]
pub fn status(word: &str) -> Option<DeliveryStatus> {
    Some(match word {
        "accepted" | "scheduled" | "queued" | "sending" => DeliveryStatus::Accepted,
        // Of several recipients, which we never write to at once.
        "sent" | "partially_delivered" => DeliveryStatus::Sent,
        "undelivered" | "failed" | "canceled" => DeliveryStatus::Undelivered,
        "delivered" => DeliveryStatus::Delivered,
        "read" => DeliveryStatus::Read,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_of_an_outgoing_message_is_known() {
        use DeliveryStatus::{Accepted, Delivered, Read, Sent, Undelivered};
        for (words, expected) in [
            (&["accepted", "scheduled", "queued", "sending"][..], Some(Accepted)),
            (&["sent", "partially_delivered"], Some(Sent)),
            (&["failed", "undelivered", "canceled"], Some(Undelivered)),
            (&["delivered"], Some(Delivered)),
            (&["read"], Some(Read)),
            (&["receiving", "received", "", "SENT", "gone"], None),
        ] {
            for word in words {
                assert_eq!(status(word), expected, "{word}");
            }
        }
    }
}
