//! Tells people of an event on one channel.

use std::{collections::BTreeSet, marker::PhantomData, sync::Arc};

use futures::future::join_all;
use sendoff_events::{Envelope, TenantId};

use super::{
    Desk, Notice, Way,
    letter::{Letter, Letters, Round},
    way::Whose,
};
use crate::{Context, Handler, HandlerError, InboxRecord, Once, Policy, StepState, join_outcomes, routing::To};

/// The step that says why nobody was told.
const NOBODY: &str = "(nobody)";

/// Why a message that may have been sent is not sent again.
const STRAY: &str = "the address that it went to is its recipient's no more, or they are not to be told any more";

/// Tells everybody whom the rules name of an event, on one channel. Each is a step of their own, which says what became of it:
/// when one message fails, the retry sends that one only; who gets none has the reason there.
pub struct Tell<E, W> {
    desk: Arc<Desk>,
    way: Arc<W>,
    event: PhantomData<fn() -> E>,
}

impl<E, W> Tell<E, W> {
    /// Tells of events `E` by `way`.
    pub const fn new(desk: Arc<Desk>, way: Arc<W>) -> Self {
        Self { desk, way, event: PhantomData }
    }
}

impl<E: Notice, W: Way> Handler for Tell<E, W> {
    type Event = E;

    const NAME: &'static str = W::NAME;
    const POLICY: Policy = W::POLICY;

    async fn handle(&self, event: &Envelope<E>, cx: &Context) -> Result<(), HandlerError> {
        let (desk, way, tenant) = (&*self.desk, &*self.way, &event.header.tenant);
        let rules = desk.routing.rules(E::TYPE);
        let mut round = Round::new(desk, way, event, cx);
        // All letters are written before the first one goes: a template that fails, fails for nobody in part.
        let mut letters = Vec::new();
        let (mut known, mut places) = (BTreeSet::new(), BTreeSet::new());
        for rule in rules {
            if let To::Address { pointer, channel } = &rule.to {
                if places.insert((pointer, channel)) {
                    letters.extend(round.for_address(rule, pointer, *channel).await?);
                }
                continue;
            }
            for user in event.data.people(&rule.to, desk, tenant).await? {
                // Whoever is meant by several rules is told once.
                if known.insert(user.clone()) {
                    letters.extend(round.for_user(rule, &user).await?);
                }
            }
        }
        let written: BTreeSet<_> = letters.iter().map(|letter| letter.step.clone()).collect();
        let strays = strays(&cx.record(), &written);
        if letters.is_empty() && strays.is_empty() {
            let why =
                if rules.is_empty() { "no rule tells of this event" } else { "it concerns nobody whom a rule names" };
            return cx.skip(NOBODY, why).map(drop);
        }
        let told = join_all(letters.into_iter().map(|letter| desk.deliver(way, letter, tenant, cx))).await;
        let strays = join_all(strays.into_iter().map(|step| self.leave(step, tenant, cx))).await;
        join_outcomes(told.into_iter().chain(strays))
    }
}

impl<E: Notice, W: Way> Tell<E, W> {
    /// Finds out about a message that may have gone out, but of which there is no letter any more: its device was replaced or
    /// forgotten, or nobody is meant by it now. It isn't sent again. News settle it; without any, trying again is useless where
    /// that would be to send again, and the job ends for a person to decide.
    async fn leave(&self, step: String, tenant: &TenantId, cx: &Context) -> Result<Once, HandlerError> {
        let letter = Letter { step: step.clone(), whose: Whose::Nobody, what: Letters::Skipped(STRAY.into()) };
        let left = self.desk.deliver(&*self.way, letter, tenant, cx).await;
        let doubted = matches!(cx.state_of(&step), Some(StepState::InDoubt | StepState::Sending));
        if doubted && W::POLICY.on_doubt.resends() {
            // What is dead-lettered with a step in doubt is in doubt, whatever its reason.
            let why = format!("`{step}` may have been sent: {STRAY}; a person has to decide whether it was");
            return Err(HandlerError::Reject { reason: "doubt-without-recipient".into(), source: why.into() });
        }
        left
    }
}

/// The steps in doubt that none of the letters is about. Those in brackets are no messages.
fn strays(record: &InboxRecord, written: &BTreeSet<String>) -> Vec<String> {
    let doubted = record.steps.iter().filter(|(_, step)| matches!(step.state, StepState::InDoubt | StepState::Sending));
    doubted.map(|(name, _)| name.clone()).filter(|name| !name.starts_with('(') && !written.contains(name)).collect()
}
