//! Alertmanager, API v2: the state of every problem, posted to *every* peer of a cluster after each cycle.
//!
//! Nothing is kept for later and nothing is tried again: the next cycle sends the whole state anew, so an Alertmanager that
//! was away or has forgotten everything knows it again within a cycle. What is said about each problem is decided in
//! [`alerts`]; here it is brought to a peer.

pub mod alerts;

use std::sync::Arc;

use reqwest::{Method, Url};

use self::alerts::Alert;
use super::exchange::{Failure, Target};
use crate::config;
use crate::domain::{Environment, FailureReason, Time};
use crate::net::Clients;

/// Alerts in one request.
const BATCH: usize = 256;

/// The path of the interface below a peer's address.
const PATH: &str = "/api/v2/alerts";

/// One peer of a cluster.
pub struct Peer {
    /// Its name.
    pub name: String,
    url: config::MaybeSecret,
    cluster: Arc<config::Alertmanager>,
    env: Arc<Environment>,
    clients: Arc<Clients>,
}

/// Every peer of every cluster. Opens nothing.
#[must_use]
pub fn peers(all: &[config::Alertmanager], env: &Arc<Environment>, clients: &Arc<Clients>) -> Vec<Arc<Peer>> {
    let of = |cluster: &config::Alertmanager| {
        let cluster = Arc::new(cluster.clone());
        let peer = |peer: &config::Peer| {
            Arc::new(Peer {
                name: peer.name.clone(),
                url: peer.url.clone(),
                cluster: Arc::clone(&cluster),
                env: Arc::clone(env),
                clients: Arc::clone(clients),
            })
        };
        cluster.peers.iter().map(peer).collect::<Vec<_>>()
    };
    all.iter().flat_map(of).collect()
}

impl Peer {
    /// Gives it the state as of `now`. Bounded in time by the caller.
    ///
    /// # Errors
    /// It has not taken all of it.
    pub async fn push(&self, alerts: &[Alert], now: Time) -> Result<(), Failure> {
        let mut target =
            Target::new(&self.url, &self.cluster.headers, self.cluster.insecure, &self.env, &self.clients)?;
        target.log_in(self.cluster.login.as_ref(), &self.env)?;
        let url = endpoint(&target.url);
        // Even if nothing is wrong: that it would be heard is worth knowing before something is.
        let mut rest = alerts;
        loop {
            let (batch, later) = rest.split_at(rest.len().min(BATCH));
            self.post(&target, &url, batch, now).await?;
            rest = later;
            if rest.is_empty() {
                return Ok(());
            }
        }
    }

    async fn post(&self, target: &Target, url: &Url, batch: &[Alert], now: Time) -> Result<(), Failure> {
        let body = alerts::body(batch, &self.cluster.labels);
        let answer = target.ask(Method::POST, url.clone(), Some(("application/json", body))).await?;
        // It answers with nothing at all, or with an object (what stands before some of them).
        let taken = answer.text.trim().is_empty() || answer.text.trim_start().starts_with('{');
        if !answer.status.is_success() || !taken {
            return Err(target.refused(&answer));
        }
        // What ends before it begins to be heard would be taken and forgotten.
        let ends = batch.iter().filter(|alert| alert.ends_at > now).map(|alert| alert.ends_at).min();
        match (ends, answer.date()) {
            (Some(ends), Some(there)) if there >= ends => Err(Failure::new(
                FailureReason::Refused,
                format!(
                    "its clock shows {}, ours {}: what we say is over for it as it arrives",
                    there.format("%Y-%m-%d %H:%M UTC"),
                    now.format("%Y-%m-%d %H:%M UTC"),
                ),
            )),
            _ => Ok(()),
        }
    }
}

/// Where alerts go: the address may have a path of its own before the interface's, or be that of the interface already.
fn endpoint(address: &Url) -> Url {
    let mut url = address.clone();
    let path = address.path().trim_end_matches('/');
    let path = path.strip_suffix(PATH).unwrap_or(path);
    url.set_path(&format!("{path}{PATH}"));
    url
}

#[cfg(test)]
#[path = "alertmanager_tests.rs"]
mod tests;
