//! Does something answer on the gateway's port of this machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use crate::formats::proc_text::Listener;

/// A listener on this machine accepts within microseconds; only a machine under great load needs longer.
const PATIENCE: Duration = Duration::from_millis(150);

/// What became of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It was accepted.
    Yes(SocketAddr),
    /// Nobody listens.
    No,
    /// Neither accepted nor refused in time.
    Silent(SocketAddr),
}

/// How a connection is tried; tests give one of their own.
pub(super) type Dial = fn(SocketAddr) -> Answer;

/// The first of these ports that answers on loopback; else the first that is silent; else `No`.
pub(super) fn ask(ports: &[u16], dial: Dial) -> (u16, Answer) {
    let mut silent = None;
    for port in ports {
        for ip in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
            match dial(SocketAddr::new(ip, *port)) {
                Answer::Yes(address) => return (*port, Answer::Yes(address)),
                Answer::Silent(address) => silent = silent.or(Some((*port, Answer::Silent(address)))),
                Answer::No => {}
            }
        }
    }
    silent.unwrap_or((ports.first().copied().unwrap_or(super::DEFAULT_PORT), Answer::No))
}

/// A gateway that listens on one outer address only does not answer on loopback: its listener says where to ask.
pub(super) fn ask_listener(listeners: &[Listener], ports: &[u16], dial: Dial) -> Option<(u16, Answer)> {
    let port_of = |listener: &&Listener| ports.contains(&listener.address.port());
    let listener = listeners.iter().find(port_of)?;
    Some((listener.address.port(), dial(reachable(listener.address))))
}

/// "Every address" is reached by the loopback one of its family.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Connects, and closes at once.
pub(super) fn connect(address: SocketAddr) -> Answer {
    match TcpStream::connect_timeout(&address, PATIENCE) {
        Ok(_) => Answer::Yes(address),
        Err(error) if error.kind() == std::io::ErrorKind::TimedOut => Answer::Silent(address),
        Err(_) => Answer::No,
    }
}
