//! How much is asked at the same time, and what silence means: of one host, or of all of them.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::config::values::is_loopback;

/// The limits on how much is asked at the same time.
pub struct Gates {
    all: Semaphore,
    hosts: HashMap<String, Host>,
}

impl Gates {
    /// Limits for these hosts.
    #[must_use]
    pub fn new<'a>(hosts: impl Iterator<Item = &'a str>, concurrency: usize, per_host: usize) -> Self {
        let host = || Host { gate: Semaphore::new(per_host.clamp(1, 16)), silent: AtomicU32::new(0) };
        let hosts = hosts.map(|name| (name.to_owned(), host())).collect();
        Self { all: Semaphore::new(concurrency.clamp(1, 64)), hosts }
    }

    /// What became of a request to this host.
    pub fn note(&self, host: &str, answered: bool) {
        if let Some(host) = self.hosts.get(host).filter(|_| !answered) {
            host.silent.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The host left two questions of this run unanswered: the rest would only wait for nothing.
    #[must_use]
    pub fn gave_up(&self, host: &str) -> bool {
        self.hosts.get(host).is_some_and(|host| host.silent.load(Ordering::Relaxed) >= 2)
    }

    /// Waits for a turn. The host first: who waits for a slow host must not keep the others from going.
    pub async fn pass(&self, host: &str) -> Passed<'_> {
        let host = match self.hosts.get(host) {
            Some(host) => host.gate.acquire().await.ok(),
            None => None,
        };
        Passed { _host: host, _all: self.all.acquire().await.ok() }
    }
}

struct Host {
    gate: Semaphore,
    silent: AtomicU32,
}

/// A turn; given back when dropped.
pub struct Passed<'a> {
    _host: Option<SemaphorePermit<'a>>,
    _all: Option<SemaphorePermit<'a>>,
}

/// Which of the unrelated parties asked answered at all.
#[derive(Default)]
pub struct Reached(BTreeMap<String, bool>);

impl Reached {
    /// What became of a request to this host.
    pub fn note(&mut self, host: &str, answered: bool) {
        // This machine's own loopback says nothing about its network, and two hosts of one domain are one party.
        if is_loopback(host) {
            return;
        }
        let mut labels: Vec<&str> = host.rsplit('.').take(2).collect();
        labels.reverse();
        *self.0.entry(labels.join(".")).or_default() |= answered;
    }

    /// At least two parties were asked, and none answered.
    #[must_use]
    pub fn own_network_is_down(&self) -> bool {
        self.0.len() >= 2 && self.0.values().all(|answered| !answered)
    }
}
