//! Dead-man's pings: somebody outside who raises an alarm when we fall silent. Whether a ping is deserved is decided in
//! [`crate::engine::heartbeat`]; here it is brought to healthchecks, Uptime Kuma or Gatus in their own language, and is
//! believed only if the answer's *body* says so: all three of them, or a proxy before them, may answer 200 to a ping that
//! nobody counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;

use super::exchange::{Answer, Failure, Target};
use crate::config::{self, HeartbeatKind, resolve};
use crate::domain::{Environment, FailureReason, Time};
use crate::net::{Clients, redact};

/// Waits before the second and the third try: a ping is not worth more, the next cycle sends another.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3)];

/// Bytes of a body that are kept where the other side says nothing about it (healthchecks: `PING_BODY_LIMIT`).
const BODY: usize = 10_000;

/// Characters of what fits into a URL.
const LINE: usize = 250;

/// One who is pinged.
pub struct Heartbeat {
    config: config::Heartbeat,
    env: Arc<Environment>,
    clients: Arc<Clients>,
    /// The other side's limit, as its last answer gave it.
    body_limit: AtomicUsize,
    /// [`PAUSES`]; tests do not wait.
    pauses: [Duration; 2],
}

/// What a ping says.
#[derive(Clone, Debug, PartialEq)]
pub struct Ping {
    /// All well, or a failure.
    pub well: bool,
    /// One line.
    pub line: String,
    /// More, where there is room.
    pub more: Vec<String>,
    /// How long the cycle took.
    pub took: Duration,
    /// The machine.
    pub host: String,
    /// The cycle.
    pub at: Time,
}

impl Heartbeat {
    /// Opens nothing.
    #[must_use]
    pub fn new(config: config::Heartbeat, env: &Arc<Environment>, clients: &Arc<Clients>) -> Self {
        let (env, clients) = (Arc::clone(env), Arc::clone(clients));
        Self { config, env, clients, body_limit: AtomicUsize::new(BODY), pauses: PAUSES }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// Whether it is told of a critical as of a failure.
    #[must_use]
    pub fn fails_on_critical(&self) -> bool {
        self.config.fail_on_critical
    }

    /// Pings. Bounded in time by the caller.
    ///
    /// # Errors
    /// The last of up to three tries failed, or its answer was not that of somebody who counts pings.
    pub async fn ping(&self, ping: &Ping) -> Result<(), Failure> {
        let mut pauses = self.pauses.iter();
        loop {
            match (self.attempt(ping).await, pauses.next()) {
                (Err(failure), Some(pause)) if failure.may_pass() => tokio::time::sleep(*pause).await,
                (done, _) => return done,
            }
        }
    }

    async fn attempt(&self, ping: &Ping) -> Result<(), Failure> {
        let config = &self.config;
        let mut target = Target::new(&config.url, &config.headers, config.insecure, &self.env, &self.clients)?;
        if let Some(token) = &config.token {
            let token = resolve(token, &self.env).map_err(|text| Failure::new(FailureReason::Config, text))?;
            target.authorization("Bearer", token)?;
        }
        match config.kind {
            HeartbeatKind::Healthchecks => self.healthchecks(&target, ping).await,
            HeartbeatKind::UptimeKuma => uptime_kuma(&target, ping).await,
            HeartbeatKind::Gatus => gatus(&target, ping).await,
        }
    }

    async fn healthchecks(&self, target: &Target, ping: &Ping) -> Result<(), Failure> {
        let mut url = target.url.clone();
        if !ping.well {
            url.set_path(&format!("{}/fail", target.url.path().trim_end_matches('/')));
        }
        // The same for every try: what was counted already is known by it.
        url.query_pairs_mut().append_pair("rid", &run_id(ping).to_string());
        let body = self.body(ping);
        let answer = target.ask(Method::POST, url, Some(("text/plain; charset=utf-8", body.into_bytes()))).await?;
        let limit = answer.headers.get("ping-body-limit").and_then(|value| value.to_str().ok()?.trim().parse().ok());
        self.body_limit.store(limit.unwrap_or(BODY), Ordering::Relaxed);
        match (answer.status, answer.text.trim()) {
            (StatusCode::OK, "OK") | (StatusCode::CREATED, "Created" | "OK") => Ok(()),
            // It says 200 to everybody, and means it only here and there.
            (StatusCode::OK, said) if said.starts_with("OK (") => {
                let reason = if said.contains("rate") { FailureReason::RateLimited } else { FailureReason::Refused };
                Err(Failure { reason, ..target.refused(&answer) })
            }
            _ => Err(target.refused(&answer)),
        }
    }

    /// What fits, whole characters.
    fn body(&self, ping: &Ping) -> String {
        let mut text = ping.line.clone();
        for line in &ping.more {
            text.push('\n');
            text.push_str(line);
        }
        let limit = self.body_limit.load(Ordering::Relaxed).min(BODY).min(text.len());
        let whole = (0..=limit).rev().find(|at| text.is_char_boundary(*at));
        text.truncate(whole.unwrap_or(0));
        text
    }
}

/// Pairs what belongs to one cycle of one machine.
fn run_id(ping: &Ping) -> uuid::Uuid {
    let text = format!("{}\n{}\n{}", ping.host, ping.at.timestamp_millis(), ping.well);
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.as_ref()[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// `GET …/api/push/<token>`: people paste its URL with a query of examples, which ours replaces.
async fn uptime_kuma(target: &Target, ping: &Ping) -> Result<(), Failure> {
    #[derive(Deserialize)]
    struct Said {
        ok: bool,
        #[serde(default)]
        msg: String,
    }
    let url = with_query(
        &target.url,
        &[
            ("status", if ping.well { "up" } else { "down" }),
            ("msg", &redact::cut(&ping.line, LINE)),
            ("ping", &ping.took.as_millis().to_string()),
        ],
    );
    let answer = target.ask(Method::GET, url, None).await?;
    match serde_json::from_str::<Said>(&answer.text) {
        Ok(Said { ok: true, .. }) if answer.status.is_success() => Ok(()),
        // An unknown token is 404 or 500, by version; its words say which.
        Ok(Said { ok: false, msg }) => {
            Err(Failure::new(FailureReason::Refused, target.words(&format!("{} {msg}", answer.status.as_u16()))))
        }
        _ => Err(target.refused(&answer)),
    }
}

/// `POST …/api/v1/endpoints/<key>/external`
async fn gatus(target: &Target, ping: &Ping) -> Result<(), Failure> {
    let took = format!("{}ms", ping.took.as_millis());
    let error = redact::cut(&ping.line, LINE);
    let mut query = vec![("success", if ping.well { "true" } else { "false" }), ("duration", took.as_str())];
    if !ping.well {
        query.push(("error", &error));
    }
    let answer: Answer = target.ask(Method::POST, with_query(&target.url, &query), None).await?;
    // It answers with nothing; a page of somebody else is something.
    if answer.status == StatusCode::OK && answer.text.trim().is_empty() { Ok(()) } else { Err(target.refused(&answer)) }
}

fn with_query(url: &Url, query: &[(&str, &str)]) -> Url {
    let mut url = url.clone();
    url.query_pairs_mut().clear().extend_pairs(query);
    url
}

#[cfg(test)]
#[path = "heartbeat_tests.rs"]
mod tests;
