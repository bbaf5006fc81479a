//! One place that the metrics are pushed to, after each cycle: a file, a Pushgateway, a receiver of remote-write or OTLP.
//!
//! Each push carries everything. Nothing is kept for later: what was not taken is tried again for some seconds at most (as the
//! specifications of the protocols allow it, so never after a refusal), and the next cycle sends what is true then.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::{Method, Url};

use super::exchange::{Answer, Failure, Target};
use super::series::{Batch, Series, gone, present};
use super::{metrics, otlp, pushgateway, remote_write, textfile};
use crate::config::{self, MaybeSecret, Protocol, Server, Way};
use crate::domain::{Environment, FailureReason};
use crate::net::Clients;

/// Series in one request, as Prometheus itself sends them.
const BATCH: usize = 2000;

/// Waits before the second and the third try.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3)];

/// A place that metrics are pushed to.
pub struct Outlet {
    config: config::Outlet,
    env: Arc<Environment>,
    clients: Arc<Clients>,
    /// What was taken last; what is missing in the next batch has ended. Shared with the one that follows after a reload.
    taken: Arc<Mutex<Option<Batch>>>,
    /// [`PAUSES`]; tests do not wait.
    pauses: [Duration; 2],
}

/// What an outlet leaves behind, and where; two that are equal are one.
#[derive(Debug, PartialEq, Eq)]
pub enum Trace<'a> {
    /// A file.
    File(&'a Path),
    /// A group at a Pushgateway: its address, `job`, `instance`, other labels.
    Group(&'a MaybeSecret, &'a str, &'a str, &'a BTreeMap<String, String>),
}

impl Outlet {
    /// Opens nothing. `before` are those of the configuration that was in use until now.
    #[must_use]
    pub fn new(config: &config::Outlet, before: &[Arc<Self>], env: &Arc<Environment>, clients: &Arc<Clients>) -> Self {
        let same = before.iter().find(|one| one.config == *config);
        let taken = same.map(|one| Arc::clone(&one.taken)).unwrap_or_default();
        let (env, clients) = (Arc::clone(env), Arc::clone(clients));
        Self { config: config.clone(), env, clients, taken, pauses: PAUSES }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// The word for how metrics get there.
    #[must_use]
    pub fn way(&self) -> &'static str {
        self.config.way.word()
    }

    /// As it is configured.
    #[must_use]
    pub fn config(&self) -> &config::Outlet {
        &self.config
    }

    /// Whether the other side forgets what it does not hear again within minutes.
    #[must_use]
    pub fn forgets(&self) -> bool {
        matches!(self.config.way, Way::Http(Protocol::RemoteWrite | Protocol::Otlp, _))
    }

    /// What would be there for ever if nobody took it back.
    #[must_use]
    pub fn trace<'a>(&'a self, host: &'a str) -> Option<Trace<'a>> {
        match &self.config.way {
            Way::Textfile(path) => Some(Trace::File(path)),
            Way::Http(Protocol::Pushgateway, server) => {
                let instance = server.instance.as_deref().unwrap_or(host);
                Some(Trace::Group(&server.url, &server.job, instance, &server.labels))
            }
            Way::Http(..) => None,
        }
    }

    /// Pushes everything. Bounded in time by the caller.
    ///
    /// # Errors
    /// Not all of it was taken.
    pub async fn push(&self, batch: &Batch) -> Result<(), Failure> {
        match &self.config.way {
            Way::Textfile(path) => {
                let (path, families) = (path.clone(), Arc::clone(&batch.families));
                file(move || textfile::write(&path, &pushgateway::text(&families))).await?;
            }
            Way::Http(Protocol::Pushgateway, server) => {
                let target = self.target(server)?;
                let families = Arc::clone(&batch.families);
                let text = tokio::task::spawn_blocking(move || pushgateway::text(&families)).await;
                let text = text.map_err(|_| Failure::new(FailureReason::Config, "the text could not be made"))?;
                let url = group(&target.url, server, &batch.host);
                self.send(&target, Method::PUT, url, Some((metrics::CONTENT_TYPE, text.into_bytes()))).await?;
            }
            Way::Http(protocol, server) => self.stream(*protocol, server, batch).await?,
        }
        *self.taken.lock().unwrap_or_else(PoisonError::into_inner) = Some(batch.clone());
        Ok(())
    }

    /// Everything, and what has ended since the last time.
    async fn stream(&self, protocol: Protocol, server: &Server, batch: &Batch) -> Result<(), Failure> {
        let mut target = self.target(server)?;
        let sort = if protocol == Protocol::RemoteWrite {
            target.say("content-encoding", "snappy");
            target.say("x-prometheus-remote-write-version", "0.1.0");
            "application/x-protobuf"
        } else {
            "application/json"
        };
        let before = self.taken.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let ended = before.as_ref().map(|before| gone(&before.families, &batch.families)).unwrap_or_default();
        let all: Vec<Series<'_>> = present(&batch.families).chain(ended).collect();
        for part in all.chunks(BATCH) {
            let body =
                encoded(protocol, server, part, batch).map_err(|text| Failure::new(FailureReason::Config, text))?;
            let answer = self.send(&target, Method::POST, target.url.clone(), Some((sort, body))).await?;
            if let Some(why) = otlp::refused_in_part(&answer.text).filter(|_| protocol == Protocol::Otlp) {
                return Err(Failure::new(FailureReason::Refused, target.words(&why)));
            }
        }
        Ok(())
    }

    /// Takes back what others would show for ever: the group of a Pushgateway, the file.
    ///
    /// # Errors
    /// It is still there.
    pub async fn forget(&self, host: &str) -> Result<(), Failure> {
        match &self.config.way {
            Way::Textfile(path) => {
                let path = path.clone();
                file(move || textfile::remove(&path)).await
            }
            Way::Http(Protocol::Pushgateway, server) => {
                let target = self.target(server)?;
                let url = group(&target.url, server, host);
                self.send(&target, Method::DELETE, url, None).await.map(drop)
            }
            Way::Http(..) => Ok(()),
        }
    }

    fn target(&self, server: &Server) -> Result<Target, Failure> {
        let mut target = Target::new(&server.url, &server.headers, server.insecure, &self.env, &self.clients)?;
        target.log_in(server.login.as_ref(), &self.env)?;
        Ok(target)
    }

    /// One request, and again for a moment where the other side has trouble or wants us to wait.
    async fn send(
        &self,
        target: &Target,
        method: Method,
        url: Url,
        body: Option<(&'static str, Vec<u8>)>,
    ) -> Result<Answer, Failure> {
        let mut pauses = self.pauses.iter();
        loop {
            let (failure, asked) = match target.ask(method.clone(), url.clone(), body.clone()).await {
                // A page is not what a server of metrics says to a success.
                Ok(answer) if answer.status.is_success() && !answer.is_html() => return Ok(answer),
                Ok(answer) => (target.refused(&answer), answer.retry_after()),
                Err(failure) => (failure, None),
            };
            let again = failure.may_pass() || failure.reason == FailureReason::RateLimited;
            let Some(pause) = pauses.next().filter(|_| again) else { return Err(failure) };
            match asked.unwrap_or(*pause) {
                // Longer than a push may take: the next cycle.
                long if long > PAUSES[1] => return Err(failure),
                wait => tokio::time::sleep(wait).await,
            }
        }
    }
}

fn encoded(protocol: Protocol, server: &Server, part: &[Series<'_>], batch: &Batch) -> Result<Vec<u8>, String> {
    let instance = server.instance.as_deref().unwrap_or(&batch.host);
    if protocol == Protocol::Otlp {
        let (job, labels, counting) = (&server.job, &server.labels, batch.counting);
        return otlp::body(part, &otlp::Speaker { job, instance, labels, counting }, batch.at);
    }
    let mut labels: BTreeMap<&str, &str> =
        server.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    labels.extend([("job", server.job.as_str()), ("instance", instance)]);
    remote_write::body(part, &labels, batch.at)
}

fn group(base: &Url, server: &Server, host: &str) -> Url {
    pushgateway::group(base, &server.job, server.instance.as_deref().unwrap_or(host), &server.labels)
}

async fn file(work: impl FnOnce() -> io::Result<()> + Send + 'static) -> Result<(), Failure> {
    let done = tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)));
    done.map_err(|error| Failure::new(FailureReason::Config, error.to_string()))
}

#[cfg(test)]
#[path = "outlet_tests.rs"]
mod tests;
