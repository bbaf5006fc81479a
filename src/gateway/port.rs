//! Does something answer on the gateway's port of this machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use super::process::Listener;

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

/// Asks. `table`: every listener of this machine, if the machine shows them; a port that is not in it needs no connection.
pub(super) fn ask(port: u16, table: Option<&[Listener]>) -> Answer {
    match table.map(|table| table.iter().find(|l| l.address.port() == port)) {
        Some(None) => Answer::No,
        Some(Some(listener)) => connect(reachable(listener.address)),
        None => match connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))) {
            Answer::No => connect(SocketAddr::from((Ipv6Addr::LOCALHOST, port))),
            answer => answer,
        },
    }
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

fn connect(address: SocketAddr) -> Answer {
    match TcpStream::connect_timeout(&address, PATIENCE) {
        Ok(_) => Answer::Yes(address),
        Err(error) if error.kind() == std::io::ErrorKind::TimedOut => Answer::Silent(address),
        Err(_) => Answer::No,
    }
}
