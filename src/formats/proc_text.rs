//! The texts of Linux's `/proc` (proc(5)), as far as they say who listens and what a process is. Pure.

// Addresses as values: nothing here opens a connection.
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::domain::Span;

/// A socket that waits for connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Where.
    pub address: SocketAddr,
    /// Whose.
    pub uid: u32,
    /// What the kernel calls it; never 0 for a socket that a process has.
    pub inode: u64,
}

/// The sockets of `net/tcp` or `net/tcp6` that listen.
pub fn listeners(table: &str) -> impl Iterator<Item = Listener> {
    table.lines().skip(1).filter_map(listener)
}

/// One row: `sl local remote st queues timer retransmits uid timeout inode …`; state 0A is LISTEN.
fn listener(row: &str) -> Option<Listener> {
    let fields: Vec<&str> = row.split_whitespace().collect();
    let [_, local, _, "0A", _, _, _, uid, _, inode, ..] = fields[..] else { return None };
    let (ip, port) = local.split_once(':')?;
    let ip = match ip.len() {
        8 => IpAddr::V4(Ipv4Addr::from(u32::from_str_radix(ip, 16).ok()?.to_ne_bytes())),
        // Four words, each in the machine's byte order.
        32 => {
            let mut bytes = [0; 16];
            for (index, slot) in bytes.chunks_exact_mut(4).enumerate() {
                slot.copy_from_slice(&u32::from_str_radix(ip.get(index * 8..index * 8 + 8)?, 16).ok()?.to_ne_bytes());
            }
            IpAddr::V6(Ipv6Addr::from(bytes))
        }
        _ => return None,
    };
    let port = u16::from_str_radix(port, 16).ok()?;
    Some(Listener { address: SocketAddr::new(ip, port), uid: uid.parse().ok()?, inode: inode.parse().ok()? })
}

/// The real uid in `status`.
#[must_use]
pub fn real_uid(status: &str) -> Option<u32> {
    status.lines().find_map(|line| line.strip_prefix("Uid:"))?.split_whitespace().next()?.parse().ok()
}

/// The socket that an entry of `fd` leads to.
#[must_use]
pub fn socket(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// Which of these units `cgroup` names.
#[must_use]
pub fn unit(cgroup: &str, units: &[&str]) -> Option<String> {
    cgroup.lines().flat_map(|line| line.split('/')).find(|part| units.contains(part)).map(str::to_owned)
}

/// The name of the program in `cmdline`, as it was called, in small letters.
#[must_use]
pub fn program(cmdline: &[u8]) -> Option<String> {
    let line = String::from_utf8_lossy(cmdline).to_lowercase();
    let name = line.split(['\0', ' ']).next()?.rsplit('/').next()?;
    Some(name.trim_end_matches(':').to_owned())
}

/// Field 22 of `stat`, 1/100 s after the start of the machine; the name in parentheses before it may hold anything.
#[must_use]
pub fn start_ticks(stat: &str) -> Option<u64> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

/// The first number of `uptime`: how long the machine runs.
#[must_use]
pub fn uptime(text: &str) -> Option<Span> {
    let (seconds, hundredths) = text.split_whitespace().next()?.split_once('.')?;
    let hundredths: u8 = hundredths.parse().ok().filter(|hundredths| *hundredths < 100)?;
    Span::try_seconds(seconds.parse().ok()?)?.checked_add(&Span::milliseconds(i64::from(hundredths) * 10))
}
