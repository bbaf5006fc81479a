//! `type = "exec"`: a program of yours gets the alert as JSON on its standard input, in the form of `type = "webhook"`. Exit code 0 is
//! delivered, 75 is "try again later"; any other is believed when it is repeated.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::program::{self, Ended};
use super::refusals::Refusals;
use super::{Links, Receiver, transient, webhook};
use crate::config::channels::Settings;
use crate::domain::{Attempt, Environment, FailureReason, Notification, Outcome};

/// `EX_TEMPFAIL` of sysexits.h.
const LATER: i32 = 75;

pub(super) struct Exec {
    name: String,
    argv: Vec<String>,
    links: Links,
    limit: Duration,
    env: Arc<Environment>,
    refusals: Refusals,
}

impl Exec {
    /// Runs nothing.
    pub fn new(name: String, settings: &Settings, links: Links, env: Arc<Environment>) -> Self {
        let limit = settings.number("timeout").and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(20);
        let argv = settings.texts("argv").to_vec();
        Self { name, argv, links, limit: Duration::from_secs(limit), env, refusals: Refusals::default() }
    }
}

#[async_trait]
impl Receiver for Exec {
    fn name(&self) -> &str {
        &self.name
    }

    async fn deliver(&self, notification: &Notification, attempt: &Attempt) -> Outcome {
        let body = webhook::body(notification, &self.links, attempt.now);
        let ended = program::run(&self.argv, body, &self.env, self.limit).await;
        let again = |reason, detail: String| transient(reason, detail, &attempt.progress);
        match ended {
            Err((reason, detail)) => again(reason, detail),
            Ok(Ended { code: Some(0), said }) => Outcome::Delivered { detail: format!("exit 0 {said}"), keep: None },
            Ok(Ended { code: Some(LATER), said }) => again(FailureReason::ServerError, format!("exit {LATER} {said}")),
            Ok(Ended { code: None, said }) => again(FailureReason::ServerError, format!("ended by a signal {said}")),
            Ok(Ended { code: Some(code), said }) => {
                let detail = format!("exit {code} {said}");
                if self.refusals.again(&notification.id) {
                    return Outcome::Permanent { reason: FailureReason::Refused, detail };
                }
                again(FailureReason::Refused, detail)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::samples::{expiring, notification};
    use crate::notify::testing::{Channel, failure};
    use FailureReason::{Refused, ServerError};

    fn fields(script: &str) -> String {
        format!("type = \"exec\"\nargv = [\"/bin/sh\", \"-c\", {script:?}]")
    }

    #[tokio::test]
    async fn the_alert_is_on_its_standard_input() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("alert.json");
        let bench = Channel::new(&fields(&format!("cat > {}", file.display()))).await;
        assert_eq!(failure(&bench.deliver(&notification(vec![expiring()])).await), None);
        let alert: serde_json::Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        assert_eq!((&alert["version"], &alert["alerts"][0]["labels"]["severity"]), (&"4".into(), &"critical".into()));
    }

    #[tokio::test]
    async fn what_exit_codes_mean() {
        for (script, first, second) in [
            ("exit 75", (false, ServerError), (false, ServerError)),
            ("kill -9 $$", (false, ServerError), (false, ServerError)),
            ("exit 1", (false, Refused), (true, Refused)),
        ] {
            let bench = Channel::new(&fields(script)).await;
            for expected in [first, second] {
                assert_eq!(failure(&bench.deliver(&notification(vec![expiring()])).await), Some(expected), "{script}");
            }
        }
    }
}
