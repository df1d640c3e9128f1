//! A step as it is written.

use std::collections::BTreeMap;

use super::{
    Approval, Case, Database, Duration, Elif, Email, Formula, Http, OnError, Push, Record, Retry, Sms, Wait, Whatsapp,
    Words, shape::object,
};

object! {
    /// A step: exactly one of `email`, `sms`, `whatsapp`, `push`, `http`, `database`, `record`, `if`, `switch`, `parallel`, `for_each`,
    /// `wait`, `approval`, `set`, `stop` and `fail`, and what belongs to it.
    #[schemars(transform = super::schema::one_kind)]
    Step {
        /// What expressions and runs call it, unique in the workflow: a small letter, then up to 39 of `a-z`, `0-9` and `_`.
        #[schemars(regex(pattern = "^[a-z][a-z0-9_]{0,39}$"))]
        id: String,
        /// What people call it.
        name: Option<String>,
        /// Sends a mail.
        email: Option<Email>,
        /// Sends a text message.
        sms: Option<Sms>,
        /// Sends a WhatsApp message.
        whatsapp: Option<Whatsapp>,
        /// Sends a push message.
        push: Option<Push>,
        /// Calls another system.
        http: Option<Http>,
        /// Asks or changes a database.
        database: Option<Database>,
        /// Makes or changes a submission.
        record: Option<Record>,
        /// Does `then` where this holds.
        r#if: Option<Formula>,
        /// Of `if`: what is done where it holds.
        then: Option<Vec<Step>>,
        /// Of `if`: other conditions, tried in order.
        elif: Option<Vec<Elif>>,
        /// Of `if` and `switch`: what is done otherwise.
        r#else: Option<Vec<Step>>,
        /// Does the first of `cases` that this is equal to.
        switch: Option<Formula>,
        /// Of `switch`.
        cases: Option<Vec<Case>>,
        /// Does several lists of steps at the same time.
        parallel: Option<Vec<Vec<Step>>>,
        /// Does `do` for each item of this list.
        for_each: Option<Formula>,
        /// Of `for_each`: what the item is called; `item` by default.
        r#as: Option<String>,
        /// Of `for_each`: how many at the same time, 1 to 40; 1 by default.
        #[schemars(range(min = 1, max = 40))]
        at_once: Option<u32>,
        /// Of `for_each`: what is kept of each item, in the order of the list.
        collect: Option<Formula>,
        /// Of `for_each`: what is done for each item.
        r#do: Option<Vec<Step>>,
        /// Waits.
        wait: Option<Wait>,
        /// Asks somebody to decide.
        approval: Option<Approval>,
        /// Gives variables other values, all at once.
        set: Option<BTreeMap<String, Formula>>,
        /// Ends the run, well: `stop: true`.
        stop: Option<bool>,
        /// Fails, and says why.
        fail: Option<Words>,
        /// Of what is done in the world: how it is tried again.
        retry: Option<Retry>,
        /// Of what is done in the world: how long one attempt may take, from a second to 15 minutes.
        timeout: Option<Duration>,
        /// Of what is done in the world, `approval`, `parallel` and `for_each`: what is done when it fails for good.
        on_error: Option<OnError>,
    }
}
