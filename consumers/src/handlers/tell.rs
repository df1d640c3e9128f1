//! Tells people of an event on one channel.

use std::{collections::BTreeSet, marker::PhantomData, sync::Arc};

use futures::future::join_all;
use sendoff_events::Envelope;

use super::{Desk, Notice, Way, letter::Round};
use crate::{Context, Handler, HandlerError, Policy, join_outcomes, routing::To};

/// The step that says why nobody was told.
const NOBODY: &str = "(nobody)";

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
        if letters.is_empty() {
            let why =
                if rules.is_empty() { "no rule tells of this event" } else { "it concerns nobody whom a rule names" };
            return cx.skip(NOBODY, why).map(drop);
        }
        join_outcomes(join_all(letters.into_iter().map(|letter| desk.deliver(way, letter, tenant, cx))).await)
    }
}
