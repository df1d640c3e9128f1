//! `sendoff doubt`: the messages of which nobody knows whether they were sent. Works beside the process that serves the data.

use sendoff_consumers::{DeliveryRecord, Resolution};
use sendoff_embedded::{
    AuditEntry, Decision, DoubtMessage, OpenDoubt, Settled, Store, StoreOptions,
    config::Config,
    program::{Exit, Stopped, print},
};
use sendoff_events::{EventId, Timestamp};
use serde::Serialize;

use super::{
    args::{self, Output, Resolve, TextOrJson},
    reading,
};

/// A doubt as it is shown.
#[derive(Debug, Serialize)]
struct Row {
    /// `consumer/event-id/step`.
    id: String,
    channel: String,
    recipient: String,
    event: Option<EventId>,
    r#type: Option<String>,
    tenant: Option<String>,
    provider: Option<String>,
    since: Timestamp,
    attempts: u32,
    reason: Option<String>,
    news: Option<DeliveryRecord>,
    /// `waiting`, `running`, `dead-lettered` or `gone`.
    message: &'static str,
    /// Until when it waits, or runs at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
}

/// A decision as it is shown.
#[derive(Debug, Serialize)]
struct Line {
    at: Timestamp,
    who: String,
    action: String,
    target: String,
    because: String,
}

/// What was done about a doubt, or would be.
#[derive(Debug, Serialize)]
struct Report<'a> {
    doubt: &'a Row,
    resolution: &'static str,
    by: &'a str,
    because: &'a str,
    /// Whether it was done, or only would be.
    done: bool,
    what: &'static str,
}

pub(super) async fn run(config: &Config, command: args::Doubt) -> Result<Exit, Stopped> {
    match command {
        args::Doubt::Ls { output } => list(config, output).await,
        args::Doubt::Resolve(what) => resolve(config, what).await,
        args::Doubt::Audit { output } => audit(config, output).await,
    }
}

async fn list(config: &Config, output: Output) -> Result<Exit, Stopped> {
    let doubts: Vec<Row> = reading::open(config)?.doubts().await?.into_iter().map(row).collect();
    match output {
        Output::Table if doubts.is_empty() => {}
        Output::Table => print::data(table(&doubts))?,
        Output::Json => print::json(&doubts)?,
        Output::Ndjson => doubts.iter().try_for_each(print::json_line)?,
    }
    if doubts.is_empty() {
        print::prose("nothing is in doubt");
        return Ok(Exit::Done);
    }
    print::prose(format_args!(
        "{} in doubt. Find out what became of each, then: sendoff doubt resolve ID --sent --yes, or --again --because TEXT --yes",
        doubts.len()
    ));
    Ok(Exit::InDoubt)
}

fn table(doubts: &[Row]) -> String {
    let heading = ["DELIVERY", "TYPE", "PROVIDER", "SINCE", "ATTEMPTS", "MESSAGE", "NEWS", "REASON"];
    let text = |value: &Option<String>| value.as_deref().map_or_else(|| "-".to_owned(), print::one_line);
    let cells = |row: &Row| {
        let news = row.news.as_ref().map_or("-", |news| news.status.word());
        [
            print::one_line(&row.id),
            text(&row.r#type),
            text(&row.provider),
            format!("{:.0}", row.since),
            row.attempts.to_string(),
            row.message.to_owned(),
            news.to_owned(),
            text(&row.reason),
        ]
    };
    print::table(heading, doubts.iter().map(cells))
}

fn row(doubt: OpenDoubt) -> Row {
    let OpenDoubt { id, event, provider, since, attempts, reason, news, message } = doubt;
    let (message, until) = match message {
        DoubtMessage::Waits { until } => ("waiting", Some(until)),
        DoubtMessage::Running { until } => ("running", Some(until)),
        DoubtMessage::DeadLettered => ("dead-lettered", None),
        DoubtMessage::Gone => ("gone", None),
    };
    Row {
        channel: id.key.consumer().to_owned(),
        recipient: id.step.clone(),
        event: id.event(),
        r#type: event.as_ref().map(|event| event.event_type.to_string()),
        tenant: event.map(|event| event.tenant.to_string()),
        id: id.to_string(),
        provider,
        since,
        attempts,
        reason,
        news,
        message,
        until,
    }
}

async fn resolve(config: &Config, what: Resolve) -> Result<Exit, Stopped> {
    let Resolve { id, again, provider_id, because, by, yes, output, .. } = what;
    let store =
        if yes { Store::open_beside(&config.settings.data, StoreOptions::default())? } else { reading::open(config)? };
    let Some(doubt) = store.doubt(&id).await?.map(row) else {
        let why = format!("`{id}` is not in doubt; `sendoff doubt ls` lists what is");
        return Err(Stopped::new(Exit::NothingMatched, why));
    };
    let because = because.unwrap_or_else(|| "known to be sent".into());
    let (resolution, word) =
        if again { (Resolution::SendAgain, "send-again") } else { (Resolution::Sent { provider_id }, "sent") };
    let report = |done, what| Report { doubt: &doubt, resolution: word, by: &by, because: &because, done, what };
    if !yes {
        tell(&report(false, plan(&doubt, again)), output)?;
        print::prose("nothing was done; add --yes to do it");
        return Ok(Exit::InDoubt);
    }
    let decision = Decision { id, resolution, who: by.clone(), because: because.clone() };
    let settled = store.settle_doubt(decision).await?;
    store.shutdown().await;
    let what = match (settled, again) {
        (Settled::GoesOn, false) => "it counts as sent, and the rest of its job goes on",
        (Settled::GoesOn, true) => "it is sent again",
        (Settled::OthersWait, false) => "it counts as sent; the job goes on once its other doubts are settled",
        (Settled::OthersWait, true) => "it is sent again once the other doubts of its job are settled",
        (Settled::NoMessage, false) => "it counts as sent; nothing of its job is left to do",
        (Settled::NoMessage, true) => "it may be sent again, but its message is gone: nothing will send it",
        (Settled::NotInDoubt, _) => {
            return Err(Stopped::new(Exit::NothingMatched, "somebody else has settled it in the meantime"));
        }
    };
    tell(&report(true, what), output)?;
    Ok(match settled {
        // Somebody still has to decide.
        Settled::OthersWait => Exit::InDoubt,
        Settled::NoMessage if again => Exit::Partly,
        Settled::GoesOn | Settled::NoMessage | Settled::NotInDoubt => Exit::Done,
    })
}

const fn plan(doubt: &Row, again: bool) -> &'static str {
    match (again, doubt.message.as_bytes()) {
        (false, b"dead-lettered") => "it would count as sent, and its message would leave the dead letters",
        (false, _) => "it would count as sent",
        (true, b"dead-lettered") => "its message would leave the dead letters, and it would be sent again",
        (true, _) => "it would be sent again",
    }
}

fn tell(report: &Report<'_>, output: TextOrJson) -> Result<(), Stopped> {
    if output == TextOrJson::Json {
        return Ok(print::json(report)?);
    }
    let Report { doubt, by, because, what, .. } = report;
    let (id, by, because) = (print::one_line(&doubt.id), print::one_line(by), print::one_line(because));
    let reason = doubt.reason.as_deref().map_or_else(|| "-".into(), print::one_line);
    let provider = doubt.provider.as_deref().unwrap_or("an unknown provider");
    let news = doubt.news.as_ref().map_or("nothing", |news| news.status.word());
    Ok(print::data(format_args!(
        "{id}\ntried   {:.0} by {provider}: {reason}\ntold    {news}\nmessage {}\ndecided by {by}: {because}\n{what}\n",
        doubt.since, doubt.message
    ))?)
}

async fn audit(config: &Config, output: Output) -> Result<Exit, Stopped> {
    let entries: Vec<Line> = reading::open(config)?.audit(None).await?.into_iter().map(line).collect();
    match output {
        Output::Table => {
            let cells = |l: &Line| {
                let (target, who, because) = (&l.target, &l.who, &l.because);
                let [target, who, because] = [target, who, because].map(|text| print::one_line(text));
                [format!("{:.0}", l.at), who, l.action.clone(), target, because]
            };
            print::data(print::table(["AT", "WHO", "WHAT", "DELIVERY", "BECAUSE"], entries.iter().map(cells)))?;
        }
        Output::Json => print::json(&entries)?,
        Output::Ndjson => entries.iter().try_for_each(print::json_line)?,
    }
    if entries.is_empty() {
        print::prose("nothing was decided by hand yet");
        return Ok(Exit::NothingMatched);
    }
    Ok(Exit::Done)
}

fn line(entry: AuditEntry) -> Line {
    let AuditEntry { at, who, action, target, because, .. } = entry;
    Line { at, who, action, target, because }
}
