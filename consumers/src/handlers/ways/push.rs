//! By notification on a phone.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use sendoff_producers::model::Channel;
use sha2::{Digest, Sha256};

use super::RESEND;
use crate::{
    Effect, Policy,
    channels::{Provider, push::Push},
    handlers::{Address, Draft, Way, Writing},
    routing::Contact,
    templates::TemplateError,
};

/// Push messages. Each of a user's devices is a step of its own, `{user}/{hash of its token}`: when one fails, the retry sends
/// to that one only, and a token that is replaced is another step.
pub struct ByPush {
    /// What sends.
    pub provider: Arc<dyn Provider<Push>>,
}

impl Way for ByPush {
    const CHANNEL: Channel = Channel::Push;
    const NAME: &'static str = "push";
    /// When the outcome is unknown it is sent again: a device shows the later one in place of the earlier, by their key.
    /// It may sound again each time, so that is done seldom.
    const POLICY: Policy = Policy {
        max_attempts: 8,
        timeout: Duration::from_secs(120),
        effect: Effect::Once,
        on_doubt: RESEND,
        ..Policy::DEFAULT
    };

    type Message = Push;

    fn provider(&self) -> &dyn Provider<Push> {
        &*self.provider
    }

    fn write(&self, writing: &Writing<'_>) -> Result<Vec<Draft<Push>>, TemplateError> {
        let Contact::Devices(tokens) = writing.contact else { return Ok(Vec::new()) };
        let Writing { templates, locale, data, branding, .. } = writing;
        let content = templates.render_push(writing.template, locale, data, branding)?;
        let mut drafts = BTreeMap::new();
        for token in tokens {
            let step = format!("{}/{}", writing.step, hash(token.expose()));
            let message = Push {
                token: token.clone(),
                title: content.title.clone(),
                body: content.body.clone(),
                data: BTreeMap::from([("event_id".to_owned(), event_id(writing))]),
                idempotency_key: writing.idempotency_key(&step),
            };
            let draft = Draft { step: step.clone(), message, address: Address::Device(token.clone()) };
            drafts.insert(step, draft);
        }
        Ok(drafts.into_values().collect())
    }
}

fn event_id(writing: &Writing<'_>) -> String {
    writing.key.as_str().rsplit('/').next().unwrap_or_default().to_owned()
}

/// 64 bits of it, which is enough to tell the devices of a user apart, and tells nobody the token.
fn hash(token: &str) -> String {
    Sha256::digest(token).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
