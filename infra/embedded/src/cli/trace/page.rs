//! The life of an event for people.

use std::fmt::Write as _;

use super::{ConsumerLife, DecisionLife, Life, RunLife, Waits};
use sendoff_embedded::program::print;

/// The life of an event as text.
pub(super) fn page(life: &Life) -> String {
    let mut page = format!("event        {}\ntype         {}\n", life.id, print::one_line(&life.r#type));
    let mut fact = |name: &str, value: String| {
        let _ = writeln!(page, "{name:<12} {value}");
    };
    fact("tenant", life.tenant.clone());
    fact("subject", life.subject.clone());
    fact("correlation", life.correlation.clone());
    if let Some(cause) = life.caused_by {
        fact("caused by", cause.to_string());
    }
    if let Some(bytes) = life.payload_bytes {
        fact("body", format!("{bytes} bytes, in a file"));
    }
    for change in &life.changed {
        fact("changed", format!("{} to version {} by {}", change.record, change.version, change.actor));
    }
    fact("committed", format!("{:.3}", life.committed_at));
    fact("published", life.published_at.map_or_else(|| "not yet".into(), |at| format!("{at:.3}")));
    page.push('\n');
    if life.consumers.is_empty() {
        page.push_str("No consumer is subscribed to it.\n");
    } else {
        let row = |c: &ConsumerLife| {
            let outcome =
                c.failure.as_ref().map_or_else(|| c.outcome.into(), |f| format!("{}: {}", c.outcome, f.reason));
            let latency = c.latency_ms.map_or_else(String::new, |ms| format!("{ms}ms"));
            [c.consumer.clone(), outcome, c.attempts.to_string(), latency]
        };
        page.push_str(&print::table(["CONSUMER", "OUTCOME", "ATTEMPTS", "LATENCY"], life.consumers.iter().map(row)));
    }
    for consumer in &life.consumers {
        details(&mut page, consumer);
    }
    for DecisionLife { at, who, action, target, because } in &life.decisions {
        let [who, target, because] = [who, target, because].map(|text| print::one_line(text));
        let _ = writeln!(page, "\ndecided by {who} at {at:.3}: {action} {target}, because {because}");
    }
    for caused in &life.caused {
        let _ = writeln!(page, "\ncaused event {} {}", print::one_line(&caused.r#type), caused.id);
    }
    for run in &life.runs {
        let RunLife { name, workflow, version, status, failure, steps } = run;
        let (status, steps) = (print::word(status), steps.join(" > "));
        let _ = writeln!(page, "\nstarted run {name} of {workflow} version {version}: {status}, {steps}");
        if let Some(failure) = failure {
            let _ = writeln!(page, "run {name} failed: {}", print::one_line(failure));
        }
    }
    page
}

fn details(page: &mut String, consumer: &ConsumerLife) {
    let name = &consumer.consumer;
    for step in &consumer.steps {
        let known = [("by", &step.provider), ("provider id", &step.provider_id), ("because", &step.reason)]
            .map(|(what, value)| value.as_ref().map_or_else(String::new, |value| format!(", {what} {value}")));
        let _ = writeln!(
            page,
            "\n{name}: step {} {} at {:.3}{}",
            step.step,
            print::word(&step.state),
            step.at,
            known.concat()
        );
        if let Some(news) = &step.news {
            let reason = news.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
            let (status, provider, at) = (news.status.word(), &news.provider, news.at);
            let _ = writeln!(page, "{name}: step {} {status}, {provider} told at {at:.3}{reason}", step.step);
        }
    }
    for attempt in &consumer.failed_attempts {
        let class = print::word(&attempt.class);
        let _ = writeln!(page, "\n{name}: {class} at {:.3}: {}: {}", attempt.at, attempt.reason, attempt.error);
    }
    if let Some(waits) = &consumer.waits_in {
        let Waits { queue, message_id, receives, visible_at } = waits;
        let _ = writeln!(
            page,
            "\n{name}: message {message_id} in queue {queue}, received {receives} times, visible from {visible_at:.3}"
        );
    }
    if let Some(failure) = &consumer.failure {
        let _ =
            writeln!(page, "{name}: dead since {:.3}: {} ({})", failure.last_at, failure.error, failure.fingerprint);
    }
}
