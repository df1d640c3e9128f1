//! Ports for servers that have to be told where to listen.

use std::{
    fmt, fs,
    hash::{BuildHasher as _, RandomState},
    net::{Ipv4Addr, TcpListener, UdpSocket},
};

/// A port of this machine that nobody listens at, and that nobody else is given as long as this lives.
///
/// It is none of those that the system gives to whoever asks for any: between the choice and the server's start a peer of another
/// test could be given it, and be taken for the server.
#[derive(Debug)]
pub struct Port {
    number: u16,
    /// The same number of the other protocol. It is taken from all processes, and given back however this one ends.
    _reserved: UdpSocket,
}

impl Port {
    /// One that is free.
    ///
    /// # Panics
    ///
    /// When there is none.
    #[must_use]
    pub fn free() -> Self {
        let (first, end) = (10_000, first_given());
        assert!(first < end, "the system gives every port from {end} to whoever asks: it leaves none for the tests");
        let size = u64::from(end - first);
        let start = RandomState::new().hash_one(0);
        let numbers = (0..size).filter_map(|step| u16::try_from(start.wrapping_add(step) % size).ok());
        numbers.map(|offset| first + offset).find_map(Self::reserve).expect("a free port")
    }

    fn reserve(number: u16) -> Option<Self> {
        let reserved = UdpSocket::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
        TcpListener::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
        Some(Self { number, _reserved: reserved })
    }

    /// Its number.
    #[must_use]
    pub const fn number(&self) -> u16 {
        self.number
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number.fmt(f)
    }
}

/// The first port that the system gives to whoever asks for any: on Linux a setting, elsewhere that of RFC 6335.
fn first_given() -> u16 {
    let setting = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    setting.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(49_152)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_none_that_the_system_gives_to_others_nor_one_that_is_taken() {
        let ports: Vec<Port> = (0..50).map(|_| Port::free()).collect();
        let mut numbers: Vec<u16> = ports.iter().map(Port::number).collect();
        assert!(numbers.iter().all(|number| *number < first_given()), "{numbers:?} from {}", first_given());
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), ports.len());
    }

    #[test]
    fn a_port_is_nobody_elses_until_it_is_dropped_nor_where_somebody_listens() {
        let port = Port::free();
        let number = port.number();
        assert!(Port::reserve(number).is_none(), "{number} was given twice");
        drop(port);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, number)).unwrap();
        assert!(Port::reserve(number).is_none(), "somebody listens at {number}");
        drop(listener);
        assert!(Port::reserve(number).is_some(), "{number} is free again");
    }
}
