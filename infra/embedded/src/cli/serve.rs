//! `sendoff`: the whole system, until it is asked to stop.

use std::time::Duration;

use sendoff_embedded::{
    System,
    config::{Config, Mail},
    program::{Exit, Stopped, print},
};

use sendoff_host::Signals;

use super::{reading, token};

pub(super) async fn run(config: &Config) -> Result<Exit, Stopped> {
    let mut signals = Signals::listen().map_err(Stopped::failed)?;
    let mut system = System::start(config).await?;
    welcome(config, &system)?;
    let signal = tokio::select! {
        signal = signals.next() => signal,
        failure = system.failed() => {
            // Half a system is worse than none: what still runs is stopped in order, and whoever started it is told.
            let _ = system.shutdown().await;
            return Err(Stopped::failed(failure));
        }
    };
    print::prose(format_args!("{signal}: finishing what is running; once more to stop at once"));
    tokio::select! {
        ended = system.shutdown() => ended?,
        signal = signals.next() => {
            let why = format!("{signal}: stopped at once; what was running is delivered again at the next start");
            return Err(Stopped::failed(why));
        }
    }
    print::prose(format_args!("stopped; {}", left(config).await?));
    Ok(Exit::Done)
}

/// What stands in the queues for the next start.
async fn left(config: &Config) -> Result<String, Stopped> {
    let queues = reading::open(config)?.queues().await?;
    let waiting: u64 = queues.iter().map(|q| q.depth.visible + q.depth.in_flight + q.depth.delayed).sum();
    let dead: u64 = queues.iter().map(|q| q.depth.dead).sum();
    Ok(format!("{waiting} messages wait for the next start, {dead} are dead letters"))
}

fn welcome(config: &Config, system: &System) -> Result<(), Stopped> {
    let address = system.address();
    print::data(format_args!("listening on http://{address}\n"))?;
    print::prose(format_args!("data in {}", config.settings.data.display()));
    match &config.mail {
        Mail::Sink => {
            print::prose("mail goes to the mail server inside this process and no further (SMTP_URL sends it)")
        }
        Mail::Servers { first, fallback: None } => print::prose(format_args!("mail goes to {}", first.url)),
        Mail::Servers { first, fallback: Some(fallback) } => {
            print::prose(format_args!("mail goes to {}, and to {} while that can't be used", first.url, fallback.url));
        }
    }
    if let Some(sink) = system.sink() {
        print::prose(format_args!(
            "text messages, WhatsApp messages and notifications stay inside this process; webhook endpoints to try: \
             {}/webhooks/NAME",
            sink.base_url
        ));
    }
    if config.has_keys {
        return Ok(());
    }
    let (Ok(tenant), Ok(user)) = ("acme".parse(), "admin".parse()) else { return Ok(()) };
    let token = token::development(config, &tenant, &user, Duration::from_secs(12 * 3600))?;
    print::prose(format_args!(
        "
Try it (any other terminal; the token is valid for 12 hours):

  export TOKEN={token}
  curl -X PUT http://{address}/v1/users/ada -H \"Authorization: Bearer $TOKEN\" \\
    -H 'Content-Type: application/json' -d '{{\"name\":\"Ada\",\"email\":\"ada@example.org\"}}'
  curl -X PUT http://{address}/v1/apps/expenses -H \"Authorization: Bearer $TOKEN\" \\
    -H 'Content-Type: application/json' -d '{{\"name\":\"Expenses\",\"owners\":[\"ada\"]}}'
  curl -X PUT http://{address}/v1/apps/expenses/assignments/ada -H \"Authorization: Bearer $TOKEN\"

  sendoff tail         events and outcomes as they happen
  sendoff mail ls      the mail that was sent
  sendoff messages ls  the other messages

Ctrl-C stops it and loses nothing."
    ));
    Ok(())
}
