//! The channels over HTTP: strict stubs of their providers that fail as they are told.

use std::{collections::BTreeMap, iter, sync::Arc, time::Duration};

use futures::{StreamExt as _, future::BoxFuture, stream};
use sendoff_consumers::channels::{
    http::{HttpClient, HttpSettings},
    push::{FcmPush, Push, ServiceAccount},
    webhook::{Guard, SystemLookup, Webhook, WebhookProvider},
};
use sendoff_events::{Clock as _, Personal};

use super::{
    Cell, End, Lasts, OnDoubt,
    drive::{drive, guarded},
    phones::{self, Account, AtFault},
};
use crate::{
    conformance::WarpClock,
    servers::{FcmDevice, FcmStub, PeerFault, Script, WebhookStub},
};

/// How many cells run at once: each waits for its peer most of the time.
const AT_ONCE: usize = 96;

/// One case: which fault, for how long, and what is done about a doubt.
#[derive(Clone, Copy)]
pub(super) struct Case {
    fault: Option<PeerFault>,
    /// Whether the peer is away for a while after that, and takes messages again then.
    away: bool,
    lasts: Lasts,
    pub(super) on_doubt: OnDoubt,
}

impl Case {
    /// Tells the peer.
    pub(super) fn tell(&self, script: &Script) {
        match (self.fault, self.lasts) {
            (None, _) => {}
            (Some(fault), Lasts::Once) => script.next(self.faults(fault)),
            (Some(fault), Lasts::Always) => script.always(Some(fault)),
        }
    }

    /// The same, of requests for `subject` only.
    pub(super) fn tell_for(&self, script: &Script, subject: &str) {
        match (self.fault, self.lasts) {
            (None, _) => {}
            (Some(fault), Lasts::Once) => script.next_for(subject, self.faults(fault)),
            (Some(fault), Lasts::Always) => script.always_for(subject, Some(fault)),
        }
    }

    /// What the peer does, one after the other.
    fn faults(&self, fault: PeerFault) -> impl Iterator<Item = PeerFault> {
        let away = if self.away { 3 } else { 0 };
        iter::once(fault).chain(iter::repeat_n(PeerFault::Throttled { retry_after: None }, away))
    }

    /// What it is called in the table.
    fn name(&self) -> String {
        let name = self.fault.map_or_else(|| "none".to_owned(), PeerFault::name);
        if self.away { format!("{name}, then 429 three times") } else { name }
    }

    /// A client that gives up on a peer that never answers, and has patience with any other on a busy machine.
    pub(super) fn http(&self) -> HttpClient {
        HttpClient::new(&self.http_settings()).expect("a client")
    }

    /// Whether its peer never answers.
    fn hangs(&self) -> bool {
        matches!(self.fault, Some(PeerFault::HangBefore | PeerFault::HangAfter))
    }

    fn http_settings(&self) -> HttpSettings {
        let timeout = if self.hangs() { Duration::from_millis(1500) } else { Duration::from_secs(30) };
        HttpSettings { timeout, ..HttpSettings::default() }
    }
}

/// Runs one case: how often the peer took the message, and its end.
type Run = fn(Case) -> BoxFuture<'static, (usize, End)>;

/// Every cell of these channels.
pub(super) async fn cells() -> Vec<Cell> {
    let channels: [(&'static str, Run); 10] = [
        ("sms (twilio, nobody else uses the account)", |case| Box::pin(phones::sms(case, Account::Ours))),
        ("sms (twilio, shared account)", |case| Box::pin(phones::sms(case, Account::Shared))),
        ("sms (twilio, its list fails as well)", |case| Box::pin(phones::sms(case, Account::ListFails))),
        ("whatsapp (twilio), a template", |case| Box::pin(phones::twilio(case))),
        ("whatsapp (meta), a template", |case| Box::pin(phones::meta(case, true))),
        ("whatsapp (meta), free text", |case| Box::pin(phones::meta(case, false))),
        ("whatsapp (twilio, then meta)", |case| Box::pin(phones::failover(case, AtFault::First))),
        ("whatsapp (twilio, then meta), both at fault", |case| Box::pin(phones::failover(case, AtFault::Both))),
        ("push (fcm)", |case| Box::pin(push(case))),
        ("webhook", |case| Box::pin(webhook(case))),
    ];
    let mut faults = vec![(None, Lasts::Once, false)];
    for fault in PeerFault::ALL.map(Some) {
        faults.extend([(fault, Lasts::Once, false), (fault, Lasts::Always, false)]);
    }
    faults.push((Some(PeerFault::ResetAfter), Lasts::Once, true));
    let mut cases = Vec::new();
    for (channel, run) in channels {
        for &(fault, lasts, away) in &faults {
            for on_doubt in [OnDoubt::Hold, OnDoubt::Resend] {
                cases.push((cases.len(), channel, run, Case { fault, away, lasts, on_doubt }));
            }
        }
    }
    // Those whose peer never answers wait time and again: they begin first, and the others are done beside them.
    cases.sort_by_key(|(_, _, _, case)| !case.hangs());
    let running = cases.into_iter().map(|(place, channel, run, case)| async move {
        let (taken, end) = run(case).await;
        (place, Cell { channel, fault: case.name(), lasts: case.lasts, on_doubt: case.on_doubt, taken, end })
    });
    let mut cells: Vec<(usize, Cell)> = stream::iter(running).buffer_unordered(AT_ONCE).collect().await;
    cells.sort_by_key(|(place, _)| *place);
    cells.into_iter().map(|(_, cell)| cell).collect()
}

async fn push(case: Case) -> (usize, End) {
    const DEVICE: &str = "device-1:APA91b";
    let clock = WarpClock::new();
    let stub = FcmStub::start(Arc::new(clock.clone())).await;
    stub.peer().set_device(DEVICE, FcmDevice::Registered);
    // The request for an access token is no message.
    case.tell_for(stub.script(), DEVICE);
    let account = ServiceAccount::parse(&FcmStub::service_account(&stub.url()).into()).expect("an account");
    let provider = FcmPush::new(account, &stub.url(), case.http(), Arc::new(clock.clone()));
    let make = |idempotency_key| Push {
        token: Personal::new(DEVICE.into()),
        title: "CRM".into(),
        body: "It is ready for you".into(),
        data: BTreeMap::new(),
        idempotency_key,
    };
    let end = drive(guarded(provider, &clock), Arc::new(make), case.on_doubt, &clock).await.1;
    (stub.peer().notified().len(), end)
}

async fn webhook(case: Case) -> (usize, End) {
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let clock = WarpClock::new();
    let stub = WebhookStub::start(Arc::new(clock.clone())).await;
    stub.peer().set_secret("/in", SECRET);
    case.tell(stub.script());
    let url = stub.url();
    let guard = Guard::new([url.trim_start_matches("http://").parse().expect("its address")]);
    let provider = WebhookProvider::new(guard, Arc::new(SystemLookup), &case.http_settings());
    let now = clock.clone();
    let make = move |idempotency_key| Webhook {
        url: format!("{url}/in"),
        body: "{}".into(),
        secrets: vec![SECRET.into()],
        idempotency_key,
        at: now.now(),
    };
    // Without a circuit, as everywhere: each endpoint is another system.
    let end = drive(Arc::new(provider.expect("a provider")), Arc::new(make), case.on_doubt, &clock).await.1;
    (stub.peer().calls().len(), end)
}
