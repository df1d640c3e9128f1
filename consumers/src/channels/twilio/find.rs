//! Finding out what became of a message of which that isn't known.

use std::time::Duration;

use sendoff_events::Timestamp;

use super::{NAME, Twilio, classify::describe, listing::Listed, sender::TwilioSender, status::status};
use crate::{DeliveryStatus, Doubt, Found, channels::PhoneNumber};

/// How long before an attempt began its message may have come to be: clocks differ.
pub(super) const BEFORE: Duration = Duration::from_secs(60);

/// How long after it began: the longest request, one that was held up on its way, and clocks that differ.
pub(super) const AFTER: Duration = Duration::from_secs(10 * 60);

/// How long ago the last attempt has to be before a message that isn't listed is one that Twilio never took. It lists a message as soon as
/// it has answered; what is still on its way in the network by then has been given up by both ends.
const SETTLED: Duration = Duration::from_secs(60);

impl Twilio {
    /// What became of the message to `to` that reads `text`: see the module's description.
    pub(crate) async fn find(&self, to: &PhoneNumber, text: &str, doubt: &Doubt) -> Found {
        if doubt.provider.as_deref().is_some_and(|provider| provider != NAME) {
            return Found::CannotTell;
        }
        match self.look(&self.route.address(to.expose()), text, doubt).await {
            Ok(found) => found,
            Err(why) => {
                tracing::info!(delivery = doubt.idempotency_key, why, "Twilio can't tell what became of a message");
                Found::CannotTell
            }
        }
    }

    async fn look(&self, to: &str, text: &str, doubt: &Doubt) -> Result<Found, String> {
        // Few, and enough to find it once it was sent. But what waits at Twilio has no `DateSent`, and may be missing.
        let sent = self.list(to, Some(doubt.since - BEFORE)).await?;
        let candidates = self.candidates(sent, doubt);
        if !candidates.is_empty() {
            return self.judge(&candidates, to, text, doubt);
        }
        let last = self.attempts.last_of(&doubt.idempotency_key).map_or(doubt.since, |last| last.max(doubt.since));
        if self.clock.now() < last + SETTLED {
            return Err("the attempt was only just made".to_owned());
        }
        let candidates = self.candidates(self.list(to, None).await?, doubt);
        if candidates.is_empty() {
            let minutes = BEFORE.as_secs() / 60;
            let reason =
                format!("Twilio lists no message to this recipient since {minutes} minutes before the attempt");
            return Ok(Found::NotSent { reason });
        }
        self.judge(&candidates, to, text, doubt)
    }

    /// The messages that could be ours.
    fn candidates(&self, listed: Vec<Listed>, doubt: &Doubt) -> Vec<Listed> {
        let earliest = doubt.since - BEFORE;
        let could_be_ours = |message: &Listed| {
            let is_anothers = |sid: &String| self.attempts.is_anothers(sid, &doubt.idempotency_key);
            !message.is_incoming()
                && message.created().is_none_or(|created| created >= earliest)
                && !message.sid.as_ref().is_some_and(is_anothers)
        };
        listed.into_iter().filter(could_be_ours).collect()
    }

    fn judge(&self, candidates: &[Listed], to: &str, text: &str, doubt: &Doubt) -> Result<Found, String> {
        let [message] = candidates else { return Err(format!("{} messages could be it", candidates.len())) };
        let (Some(sid), Some(created), Some(body)) = (&message.sid, message.created(), &message.body) else {
            return Err("a message is listed without its name, time or text".to_owned());
        };
        if body.trim() != text.trim() || !self.is_from_us(message) {
            return Err("a message of another text or sender could be it, changed on its way".to_owned());
        }
        if !self.is_nobody_elses(to, created, doubt) {
            return Err("the same text could have been sent for another event".to_owned());
        }
        match message.status.as_deref().and_then(status) {
            None => Err("its status is unknown".to_owned()),
            Some(DeliveryStatus::Undelivered) => {
                let code = message.error_code;
                let words = code.and_then(describe).unwrap_or("without a reason that is known");
                let reason = match code {
                    Some(code) => format!("Twilio gave it up with {code}: {words}"),
                    None => format!("Twilio gave it up: {words}"),
                };
                Ok(Found::Failed { reason })
            }
            Some(_) => Ok(Found::Sent { provider: Some(NAME.into()), provider_id: Some(sid.clone()) }),
        }
    }

    fn is_nobody_elses(&self, to: &str, created: Timestamp, doubt: &Doubt) -> bool {
        self.only_sender && self.attempts.leave_only(&doubt.idempotency_key, to, created)
    }

    fn is_from_us(&self, message: &Listed) -> bool {
        match &self.from {
            TwilioSender::Service(sid) => message.messaging_service_sid.as_ref() == Some(sid),
            from => message.from.as_deref() == Some(&*self.route.address(&from.to_string())),
        }
    }
}
