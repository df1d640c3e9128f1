//! What keeps a load test from doing harm: limits before it begins and while it runs, a kill switch, and this machine alone unless
//! another one is named.

mod halt;

use std::{net::IpAddr, path::Path};

pub use halt::{Halt, Reason};
use reqwest::Url;

use crate::scenario::Scenario;

/// A guard says no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The scenario sends more than it may.
    #[error("the scenario sends {expected} events, and may send {most}: raise guards.max_events if that is meant")]
    Events {
        /// How many it would send.
        expected: u64,
        /// How many it may.
        most: u64,
    },
    /// The scenario is faster than it may be.
    #[error("the scenario goes up to {peak}/s, and may go to {most}: raise guards.max_rate if that is meant")]
    Rate {
        /// How fast it would be a second, rounded up to the thousandth.
        peak: String,
        /// How fast it may be.
        most: String,
    },
    /// The API is somewhere else.
    #[error("`{host}` is another machine: name it in guards.allow (or with --allow) if it may be put under load")]
    Elsewhere {
        /// Its host.
        host: String,
    },
    /// The address of the API is none.
    #[error("`{0}` is no address of an API: it reads like `http://127.0.0.1:8080`")]
    Address(String),
    /// The address of the API says who asks.
    #[error("the address of an API has no user and no password: give a token with --token-file")]
    Credentials,
    /// The kill switch is there already.
    #[error("the kill switch `{0}` is there: remove it first")]
    KillSwitch(String),
}

/// Checks a scenario against its limits.
///
/// # Errors
///
/// [`Refusal`] of the first guard that says no.
pub fn check(scenario: &Scenario) -> Result<(), Refusal> {
    let (peak, limit) = (scenario.shape.peak(), scenario.guards.max_rate);
    if peak > limit.a_second() {
        return Err(Refusal::Rate { peak: thousandths_up(peak), most: limit.to_string() });
    }
    let (expected, most) = (scenario.expected(), scenario.guards.max_events);
    if expected > most {
        return Err(Refusal::Events { expected, most });
    }
    Ok(())
}

/// Rounded up: what is over a limit never looks as if it weren't.
fn thousandths_up(per_second: f64) -> String {
    ((per_second * 1000.0 - 1e-6).ceil() / 1000.0).to_string()
}

/// Checks that an API is on this machine, or on one that is named.
///
/// # Errors
///
/// [`Refusal::Elsewhere`] where it isn't; [`Refusal::Address`] or [`Refusal::Credentials`] where it is no address of an API.
pub fn check_api(api: &str, allow: &[String]) -> Result<(), Refusal> {
    // What stands before the `@` may be a password.
    let shown = || api.rsplit_once('@').map_or_else(|| api.to_owned(), |(_, host)| format!("…@{host}"));
    let address = Url::parse(api).map_err(|_| Refusal::Address(shown()))?;
    let host = address.host_str().filter(|_| matches!(address.scheme(), "http" | "https"));
    let host = host.ok_or_else(|| Refusal::Address(shown()))?;
    if !address.username().is_empty() || address.password().is_some() {
        return Err(Refusal::Credentials);
    }
    let is_here = match host.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(ip) => ip.is_loopback(),
        // A name may lead anywhere, but for this one (RFC 6761).
        Err(_) => host == "localhost",
    };
    if is_here || allow.iter().any(|allowed| allowed == host) {
        Ok(())
    } else {
        Err(Refusal::Elsewhere { host: host.to_owned() })
    }
}

/// Checks that the kill switch isn't there.
///
/// # Errors
///
/// [`Refusal::KillSwitch`] where it is.
pub fn check_switch(path: &Path) -> Result<(), Refusal> {
    if path.exists() { Err(Refusal::KillSwitch(path.display().to_string())) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_may_be_loaded_unless_another_one_is_named() {
        for here in ["http://127.0.0.1:8080", "http://[::1]:8080", "http://localhost:1"] {
            assert_eq!(check_api(here, &[]), Ok(()), "{here}");
        }
        let there = "https://api.example.org";
        assert_eq!(check_api(there, &[]), Err(Refusal::Elsewhere { host: "api.example.org".into() }));
        assert_eq!(check_api(there, &["api.example.org".into()]), Ok(()));
        // What only looks like it.
        assert!(check_api("http://localhost.example.org", &[]).is_err());
        assert!(check_api("http://127.0.0.1@example.org", &[]).is_err());
        assert!(matches!(check_api("soon", &[]), Err(Refusal::Address(_))));
        assert_eq!(check_api("ftp://127.0.0.1", &[]), Err(Refusal::Address("ftp://127.0.0.1".into())));
        assert_eq!(check_api("http://me:secret@127.0.0.1", &[]), Err(Refusal::Credentials));
        assert_eq!(check_api("http://me:secret@127.0.0.1:x", &[]), Err(Refusal::Address("…@127.0.0.1:x".into())));
    }

    #[test]
    fn a_rate_that_is_refused_is_told_with_its_decimals() {
        for (peak, shown) in [(2.0, "2"), (1.001, "1.001"), (100.1 / 60.0, "1.669"), (0.0003, "0.001")] {
            assert_eq!(thousandths_up(peak), shown);
        }
        let refusal = Refusal::Rate { peak: thousandths_up(100.1 / 60.0), most: "100/min".into() };
        let told = "the scenario goes up to 1.669/s, and may go to 100/min: raise guards.max_rate if that is meant";
        assert_eq!(refusal.to_string(), told);
    }

    #[test]
    fn the_first_reason_to_halt_counts() {
        let halt = Halt::default();
        assert_eq!(halt.reason(), None);
        halt.halt(Reason::Events(5));
        halt.halt(Reason::Signal("Ctrl-C".into()));
        assert_eq!(halt.reason(), Some(Reason::Events(5)));
        futures::executor::block_on(halt.stop().requested());
    }
}
