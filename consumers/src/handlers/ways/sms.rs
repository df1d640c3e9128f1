//! By text message.

use std::{sync::Arc, time::Duration};

use sendoff_events::Personal;
use sendoff_producers::model::Channel;

use super::HOLD;
use crate::{
    Effect, OnDoubt, Policy,
    channels::{Provider, sms::Sms},
    handlers::{Address, Draft, Way, Writing},
    routing::Contact,
    templates::TemplateError,
};

/// Text messages.
pub struct BySms {
    /// What sends.
    pub provider: Arc<dyn Provider<Sms>>,
}

impl Way for BySms {
    const CHANNEL: Channel = Channel::Sms;
    const NAME: &'static str = "sms";
    /// When the outcome is unknown, nothing is sent again before somebody knows: providers of text messages don't deduplicate,
    /// they report back, and what they send costs money and sleep.
    const POLICY: Policy = Policy {
        max_attempts: 8,
        timeout: Duration::from_secs(120),
        effect: Effect::Once,
        on_doubt: OnDoubt::Hold { window: HOLD },
        ..Policy::DEFAULT
    };

    type Message = Sms;

    fn provider(&self) -> &dyn Provider<Sms> {
        &*self.provider
    }

    fn write(&self, writing: &Writing<'_>) -> Result<Vec<Draft<Sms>>, TemplateError> {
        let Contact::Phone(to) = writing.contact else { return Ok(Vec::new()) };
        let Writing { templates, locale, data, branding, .. } = writing;
        let text = templates.render_sms(writing.template, locale, data, branding)?;
        let idempotency_key = writing.idempotency_key(writing.step);
        let message = Sms { to: Personal::new(to.clone()), text, idempotency_key };
        let address = Address::Of(Channel::Sms, Personal::new(to.expose().to_owned()));
        Ok(vec![Draft { step: writing.step.to_owned(), message, address }])
    }
}
