//! Who carries WhatsApp messages: those that are asked for, are set up, and can say what we have to say.

use sendoff_host::config::{Problem, Source, rules::WhatsappCarrier};

use super::Settings;

const ORDER: &str = "SENDOFF_WHATSAPP_PROVIDERS";
const CONTENT_SIDS: &str = "TWILIO_CONTENT_SIDS";

impl Settings {
    /// Who carries WhatsApp messages, in the order in which they are asked. Twilio isn't among them while it knows none of
    /// our templates: it would refuse each of them for good, and nobody after it would be asked.
    #[must_use]
    pub fn whatsapp_carriers(&self) -> Vec<WhatsappCarrier> {
        let mut carriers = self.asked_and_set_up();
        carriers.retain(|carrier| *carrier != WhatsappCarrier::Twilio || self.twilio_content_sids.is_some());
        carriers
    }

    /// Whether Twilio is asked for and set up, and left out nevertheless.
    pub(crate) fn leaves_twilio_out(&self) -> bool {
        self.asked_and_set_up().contains(&WhatsappCarrier::Twilio) && self.twilio_content_sids.is_none()
    }

    fn asked_and_set_up(&self) -> Vec<WhatsappCarrier> {
        self.whatsapp_providers.iter().copied().filter(|carrier| self.has(*carrier)).collect()
    }

    fn has(&self, carrier: WhatsappCarrier) -> bool {
        match carrier {
            WhatsappCarrier::Twilio => self.twilio_whatsapp_from.is_some(),
            WhatsappCarrier::Meta => self.meta_phone_number_id.is_some(),
        }
    }

    /// Adds what would leave WhatsApp without anybody although somebody is set up. Whoever counts the channel as on would wait
    /// for it.
    pub(super) fn check_whatsapp(&self, problems: &mut Vec<Problem>) {
        let set_up = [WhatsappCarrier::Twilio, WhatsappCarrier::Meta].into_iter().find(|carrier| self.has(*carrier));
        let Some(set_up) = set_up.filter(|_| self.whatsapp_carriers().is_empty()) else { return };
        let (key, rule) = if self.asked_and_set_up().is_empty() {
            let (word, asked) = (set_up.word(), self.whatsapp_providers.iter().map(|carrier| carrier.word()));
            let asked: Vec<_> = asked.collect();
            let rule = format!(
                "names only `{}`, which isn't set up: name `{word}`, which is, or set the other one up",
                asked.join(",")
            );
            (ORDER, rule)
        } else {
            let rule = "is missing: Twilio sends no template for WhatsApp without the id that it has there, and nobody else \
                        is set up. Give the ids, such as `app-assigned/en=HX…`, or set up Meta";
            (CONTENT_SIDS, rule.to_owned())
        };
        problems.push(Problem {
            key: key.to_owned(),
            source: Source::Variable(key.to_owned()),
            value: None,
            rule,
            suggestion: None,
        });
    }
}
