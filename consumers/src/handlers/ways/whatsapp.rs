//! By WhatsApp.

use std::{sync::Arc, time::Duration};

use sendoff_events::Personal;
use sendoff_producers::model::Channel;

use super::HOLD;
use crate::{
    Effect, OnDoubt, Policy,
    channels::{Provider, whatsapp::Whatsapp},
    handlers::{Address, Draft, Way, Writing},
    routing::Contact,
    templates::TemplateError,
};

/// WhatsApp messages.
pub struct ByWhatsapp {
    /// What sends.
    pub provider: Arc<dyn Provider<Whatsapp>>,
}

impl Way for ByWhatsapp {
    const CHANNEL: Channel = Channel::Whatsapp;
    const NAME: &'static str = "whatsapp";
    /// As text messages: what may have gone out isn't sent again before somebody knows.
    const POLICY: Policy = Policy {
        max_attempts: 8,
        timeout: Duration::from_secs(120),
        effect: Effect::Once,
        on_doubt: OnDoubt::Hold { window: HOLD },
        ..Policy::DEFAULT
    };

    type Message = Whatsapp;

    fn provider(&self) -> &dyn Provider<Whatsapp> {
        &*self.provider
    }

    fn write(&self, writing: &Writing<'_>) -> Result<Vec<Draft<Whatsapp>>, TemplateError> {
        let Contact::Phone(to) = writing.contact else { return Ok(Vec::new()) };
        let Writing { templates, locale, data, branding, .. } = writing;
        let content = templates.render_whatsapp(writing.template, locale, data, branding)?;
        let idempotency_key = writing.idempotency_key(writing.step);
        let message = Whatsapp { to: Personal::new(to.clone()), content, idempotency_key };
        let address = Address::Of(Channel::Whatsapp, Personal::new(to.expose().to_owned()));
        Ok(vec![Draft { step: writing.step.to_owned(), message, address }])
    }
}
