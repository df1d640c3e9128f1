//! Which addresses of webhooks are refused when they are registered: those that no call would ever go to, whatever their names lead
//! to. Whoever calls them checks again, by rules of its own, with the addresses that the name has then.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde_json::Value;

use super::contact;

/// Names that are never public, with everything below them: RFC 6761, RFC 6762, RFC 8375, ICANN's `internal`, and what routers and
/// clusters use.
pub const PRIVATE_NAMES: [&str; 12] = [
    "localhost",
    "local",
    "internal",
    "intranet",
    "private",
    "corp",
    "home",
    "lan",
    "localdomain",
    "home.arpa",
    "test",
    "onion",
];

/// Prefixes that aren't on the public internet, after IANA's registry of special-purpose addresses; the last is a cloud's own.
const V4: [(Ipv4Addr, u32); 16] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
    (Ipv4Addr::new(168, 63, 129, 16), 32),
];

/// The same within global unicast (`2000::/3`); nothing else is public.
const V6: [(Ipv6Addr, u32); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// Whether a webhook may be registered at this address, without a word to the network.
///
/// # Errors
///
/// The rule that it breaks, as the end of a sentence about it.
pub fn check(url: &str) -> Result<(), String> {
    contact::https(url.into()).map(drop)?;
    let uri = contact::web_address(url).ok_or("is not a URL")?;
    let port = uri.port_u16().unwrap_or(443);
    if port != 443 && port < 1024 {
        return Err(format!("is never called: its port is {port}: only 443 and ports above 1023 are called"));
    }
    let host = uri.host().unwrap_or_default().to_ascii_lowercase();
    match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(literal) => {
            let address = literal.parse::<Ipv6Addr>().map_err(|_| not_an_address(literal))?;
            public(address.into())
        }
        // Parsers of URLs take such names for numbers, in many notations: `0x7f.1` is `127.0.0.1`.
        None if host.rsplit('.').next().is_some_and(is_number) => {
            let address = host.parse::<Ipv4Addr>().map_err(|_| not_an_address(&host))?;
            public(address.into())
        }
        None => name(&host),
    }
}

/// The same for a value of a body.
pub(super) fn address(value: Value) -> Result<String, String> {
    let url = contact::https(value)?;
    check(&url).map(|()| url)
}

fn name(host: &str) -> Result<(), String> {
    if host.ends_with('.') {
        return Err("is never called: its host ends with a dot".into());
    }
    let below =
        |private: &&&str| host.strip_suffix(**private).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    match PRIVATE_NAMES.iter().find(below) {
        Some(private) => Err(format!("is never called: names in `{private}` are not public")),
        None if !host.contains('.') => Err(format!("is never called: `{host}` is not a full name")),
        None => Ok(()),
    }
}

fn public(address: IpAddr) -> Result<(), String> {
    let public = match address {
        IpAddr::V4(v4) => {
            let within =
                |(prefix, length): &(Ipv4Addr, u32)| (v4.to_bits() ^ prefix.to_bits()).leading_zeros() >= *length;
            !V4.iter().any(within)
        }
        IpAddr::V6(v6) => {
            let within =
                |(prefix, length): &(Ipv6Addr, u32)| (v6.to_bits() ^ prefix.to_bits()).leading_zeros() >= *length;
            v6.to_bits() >> 125 == 0b001 && !V6.iter().any(within)
        }
    };
    if public { Ok(()) } else { Err(format!("is never called: {address} is not a public address")) }
}

fn is_number(label: &str) -> bool {
    let hex = label.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
    hex || (!label.is_empty() && label.bytes().all(|b| b.is_ascii_digit()))
}

fn not_an_address(text: &str) -> String {
    format!("is never called: `{text}` is not how an IP address is written")
}
