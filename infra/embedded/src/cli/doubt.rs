//! `sendoff doubt`: the messages of which nobody knows whether they were sent. Works beside the process that serves the data, or
//! beside a deployment on AWS.

#[cfg(feature = "aws")]
mod on_aws;
mod on_embedded;

use on_embedded::OnEmbedded;
use sendoff_consumers::{DeliveryId, DeliveryRecord, Resolution};
use sendoff_embedded::{
    Decision,
    config::Config,
    program::{Exit, Stopped, print},
};
use sendoff_events::{EventId, Timestamp};
use serde::Serialize;

use super::args::{Backend, Doubt, DoubtCommand, Output, Resolve, TextOrJson};

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
    /// `waiting`, `running`, `dead-lettered` or `gone`; `unknown` on AWS, where nobody can look without touching; and `run` where
    /// it is a call of a workflow, which has no message.
    message: &'static str,
    /// Until when it waits, or runs at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
    /// Whether its consumer tries again by itself: `until` tells when, on AWS nobody can.
    tried_again: bool,
}

/// In place of a message's state, where a run goes on with it.
const RUN: &str = "run";

/// A decision as it is shown.
#[derive(Debug, Serialize)]
struct Line {
    at: Timestamp,
    #[serde(rename = "by")]
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
    /// Nobody yet, where it is only looked at.
    by: Option<&'a str>,
    because: &'a str,
    /// Whether it was done, or only would be.
    done: bool,
    what: &'static str,
}

/// What a decision came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Came {
    /// The job goes on.
    GoesOn,
    /// Other doubts of its job wait for a decision.
    OthersWait,
    /// No message is left that goes on with it.
    NoMessage,
    /// Its message isn't among the dead letters, and may wait in its queue.
    #[cfg_attr(not(feature = "aws"), expect(dead_code, reason = "only a queue on AWS can't be looked into"))]
    NoDeadLetter,
    /// It wasn't in doubt.
    NotInDoubt,
}

/// Where doubts are kept.
trait Books {
    /// Everything that is in doubt, the oldest first.
    async fn doubts(&self) -> Result<Vec<Row>, Stopped>;
    /// One doubt, if it is one.
    async fn doubt(&self, id: &DeliveryId) -> Result<Option<Row>, Stopped>;
    /// Carries out a decision.
    async fn settle(self, decision: Decision) -> Result<Came, Stopped>;
    /// What was decided, the oldest first.
    async fn audit(&self) -> Result<Vec<Line>, Stopped>;
}

pub(super) async fn run(config: &Config, args: Doubt) -> Result<Exit, Stopped> {
    match args.backend {
        Backend::Embedded => {
            let writes = matches!(&args.what, DoubtCommand::Resolve(what) if what.yes);
            carry_out(OnEmbedded::open(config, writes)?, args.what).await
        }
        Backend::Aws => on_aws(args.what).await,
    }
}

#[cfg(feature = "aws")]
async fn on_aws(what: DoubtCommand) -> Result<Exit, Stopped> {
    carry_out(on_aws::OnAws::open(&what).await?, what).await
}

#[cfg(not(feature = "aws"))]
async fn on_aws(_: DoubtCommand) -> Result<Exit, Stopped> {
    Err(super::backend::not_built("doubt"))
}

async fn carry_out(books: impl Books, what: DoubtCommand) -> Result<Exit, Stopped> {
    match what {
        DoubtCommand::Ls { output } => list(&books.doubts().await?, output),
        DoubtCommand::Resolve(what) => resolve(books, what).await,
        DoubtCommand::Audit { output } => audit(&books.audit().await?, output),
    }
}

fn list(doubts: &[Row], output: Output) -> Result<Exit, Stopped> {
    match output {
        Output::Table if doubts.is_empty() => {}
        Output::Table => print::data(table(doubts))?,
        Output::Json => print::json(&doubts)?,
        Output::Ndjson => doubts.iter().try_for_each(print::json_line)?,
    }
    if doubts.is_empty() {
        print::prose("nothing is in doubt");
        return Ok(Exit::Done);
    }
    let by_itself = match doubts.iter().filter(|doubt| doubt.tried_again).count() {
        0 => String::new(),
        some => format!(", {some} of them to be tried again without anybody's decision"),
    };
    print::prose(format_args!(
        "{} in doubt{by_itself}. Find out what became of each, then: sendoff doubt resolve ID --sent --yes, or --again --because TEXT --yes",
        doubts.len()
    ));
    Ok(Exit::InDoubt)
}

fn table(doubts: &[Row]) -> String {
    let heading = ["DELIVERY", "TYPE", "PROVIDER", "SINCE", "ATTEMPTS", "MESSAGE", "TRIED AGAIN", "NEWS", "REASON"];
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
            again(row),
            news.to_owned(),
            text(&row.reason),
        ]
    };
    print::table(heading, doubts.iter().map(cells))
}

/// When its consumer tries again by itself.
fn again(row: &Row) -> String {
    match (row.tried_again, row.until) {
        (false, _) => "-".into(),
        (true, Some(_)) if row.message == "running" => "now".into(),
        (true, Some(until)) => format!("{until:.0}"),
        (true, None) => "yes".into(),
    }
}

async fn resolve(books: impl Books, what: Resolve) -> Result<Exit, Stopped> {
    let Resolve { id, again, provider_id, because, by, yes, output, .. } = what;
    let Some(doubt) = books.doubt(&id).await? else {
        let why = format!("`{id}` is not in doubt; `sendoff doubt ls` lists what is");
        return Err(Stopped::new(Exit::NothingMatched, why));
    };
    let because = because.unwrap_or_else(|| "known to be sent".into());
    let (resolution, word) =
        if again { (Resolution::SendAgain, "send-again") } else { (Resolution::Sent { provider_id }, "sent") };
    let report =
        |done, what| Report { doubt: &doubt, resolution: word, by: by.as_deref(), because: &because, done, what };
    if !yes {
        tell(&report(false, plan(&doubt, again)), output)?;
        print::prose("nothing was done; add --yes to do it");
        return Ok(Exit::InDoubt);
    }
    let decision = Decision { id, resolution, who: by.clone().unwrap_or_default(), because: because.clone() };
    let came = books.settle(decision).await?;
    let (what, exit) = outcome(came, again, doubt.message == RUN)?;
    tell(&report(true, what), output)?;
    Ok(exit)
}

/// What a decision came to, in words. A call of a workflow has no message: its run goes on with it.
fn outcome(came: Came, again: bool, of_run: bool) -> Result<(&'static str, Exit), Stopped> {
    Ok(match (came, again) {
        (Came::GoesOn, false) => ("it counts as sent, and the rest of its job goes on", Exit::Done),
        (Came::GoesOn, true) => ("it is sent again", Exit::Done),
        // Somebody still has to decide.
        (Came::OthersWait, false) => {
            ("it counts as sent; the job goes on once its other doubts are settled", Exit::InDoubt)
        }
        (Came::OthersWait, true) => ("it is sent again once the other doubts of its job are settled", Exit::InDoubt),
        (Came::NoMessage | Came::NoDeadLetter, false) if of_run => {
            ("it counts as sent; a run that has failed for it goes on with `sendoff workflow redrive RUN`", Exit::Done)
        }
        (Came::NoMessage | Came::NoDeadLetter, true) if of_run => (
            "it may be sent again: a run that has failed for it does so with `sendoff workflow redrive RUN`",
            Exit::Done,
        ),
        (Came::NoMessage, false) => ("it counts as sent; nothing of its job is left to do", Exit::Done),
        (Came::NoMessage, true) => {
            ("it may be sent again, but its message is gone: nothing will send it", Exit::Partly)
        }
        (Came::NoDeadLetter, false) => (
            "it counts as sent; its message isn't among the dead letters, and if it waits in its queue, its job goes on by itself",
            Exit::Done,
        ),
        (Came::NoDeadLetter, true) => (
            "it may be sent again; its message isn't among the dead letters: it is sent only if it still waits in its queue",
            Exit::Partly,
        ),
        (Came::NotInDoubt, _) => {
            return Err(Stopped::new(Exit::NothingMatched, "somebody else has settled it in the meantime"));
        }
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
    let (id, because) = (print::one_line(&doubt.id), print::one_line(because));
    let by = by.map_or_else(|| "-".into(), print::one_line);
    let reason = doubt.reason.as_deref().map_or_else(|| "-".into(), print::one_line);
    let provider = doubt.provider.as_deref().unwrap_or("an unknown provider");
    let news = doubt.news.as_ref().map_or("nothing", |news| news.status.word());
    Ok(print::data(format_args!(
        "{id}\ntried   {:.0} by {provider}: {reason}\ntold    {news}\nmessage {}\ndecided by {by}: {because}\n{what}\n",
        doubt.since, doubt.message
    ))?)
}

fn audit(entries: &[Line], output: Output) -> Result<Exit, Stopped> {
    match output {
        Output::Table => {
            let cells = |l: &Line| {
                let (target, who, because) = (&l.target, &l.who, &l.because);
                let [target, who, because] = [target, who, because].map(|text| print::one_line(text));
                [format!("{:.0}", l.at), who, l.action.clone(), target, because]
            };
            print::data(print::table(["AT", "WHO", "WHAT", "ABOUT", "BECAUSE"], entries.iter().map(cells)))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_decides_on_a_call_of_a_workflow_is_told_that_its_run_goes_on_with_it() {
        for (came, again) in [(Came::NoMessage, true), (Came::NoDeadLetter, true), (Came::NoMessage, false)] {
            let (what, exit) = outcome(came, again, true).unwrap();
            assert!(what.contains("`sendoff workflow redrive RUN`") && exit == Exit::Done, "{what}");
            assert!(!outcome(came, again, false).unwrap().0.contains("redrive"));
        }
        assert_eq!(outcome(Came::NoMessage, true, false).unwrap().1, Exit::Partly);
    }
}
