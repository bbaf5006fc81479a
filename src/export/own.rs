//! What the running monitor knows of itself: counters since its start, reloads, build, process.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use prometheus::proto::{MetricFamily, MetricType};
use prometheus::{IntCounter, IntCounterVec, Opts, Registry};

use crate::domain::{FailureReason, Time};

use super::metrics::{encode, family, gauge, label, seconds};
use super::process;

/// Counters of one sort of state push: attempts and failures.
struct Pushed {
    all: IntCounterVec,
    failed: IntCounterVec,
}

struct Pushes {
    alertmanager: Pushed,
    metrics: Pushed,
    heartbeat: Pushed,
    withheld: IntCounterVec,
}

/// Counters since the start of this process, and the outcome of the last reload.
pub struct Own {
    registry: Registry,
    cycles: IntCounter,
    missed: IntCounter,
    sent: IntCounterVec,
    failed: IntCounterVec,
    pushes: Pushes,
    reload_ok: AtomicBool,
    /// Milliseconds since 1970.
    reload_at: AtomicI64,
    started: Time,
}

impl Own {
    /// Starts counting at `started`, when the first configuration had been read.
    #[must_use]
    pub fn new(started: Time) -> Self {
        let registry = Registry::new();
        let counter = |name: &str, help: &str| {
            let counter = IntCounter::new(name, help).expect("a valid name");
            registry.register(Box::new(counter.clone())).expect("registered once");
            counter
        };
        let counters = |name: &str, help: &str, labels: &[&str]| {
            let counters = IntCounterVec::new(Opts::new(name, help), labels).expect("valid names");
            registry.register(Box::new(counters.clone())).expect("registered once");
            counters
        };
        Self {
            cycles: counter("opensoul_cycles_total", "Cycles that were committed."),
            missed: counter(
                "opensoul_cycle_missed_total",
                "Cycles that were due while the machine slept or the last one still ran.",
            ),
            sent: counters(
                "opensoul_notifications_total",
                "Messages that a receiver has confirmed.",
                &["channel", "receiver"],
            ),
            failed: counters(
                "opensoul_notifications_failed_total",
                "Attempts to deliver that failed.",
                &["channel", "receiver", "reason"],
            ),
            pushes: Pushes {
                alertmanager: Pushed {
                    all: counters(
                        "opensoul_export_alertmanager_pushes_total",
                        "Attempts to give an Alertmanager the state of everything.",
                        &["peer"],
                    ),
                    failed: counters(
                        "opensoul_export_alertmanager_pushes_failed_total",
                        "Attempts that an Alertmanager did not take.",
                        &["peer", "reason"],
                    ),
                },
                metrics: Pushed {
                    all: counters(
                        "opensoul_export_metrics_pushes_total",
                        "Attempts to give an outlet the metrics.",
                        &["channel", "outlet"],
                    ),
                    failed: counters(
                        "opensoul_export_metrics_pushes_failed_total",
                        "Attempts that an outlet did not take.",
                        &["channel", "outlet", "reason"],
                    ),
                },
                heartbeat: Pushed {
                    all: counters("opensoul_heartbeat_pings_total", "Dead-man's pings that were sent.", &["receiver"]),
                    failed: counters(
                        "opensoul_heartbeat_pings_failed_total",
                        "Dead-man's pings that did not go through.",
                        &["receiver", "reason"],
                    ),
                },
                withheld: counters(
                    "opensoul_heartbeat_withheld_total",
                    "Dead-man's pings that were not deserved and not sent.",
                    &["receiver"],
                ),
            },
            registry,
            reload_ok: AtomicBool::new(true),
            reload_at: AtomicI64::new(started.timestamp_millis()),
            started,
        }
    }

    /// A cycle was committed.
    pub fn cycle(&self) {
        self.cycles.inc();
    }

    /// Cycles were due and did not run.
    pub fn missed(&self, cycles: u64) {
        self.missed.inc_by(cycles);
    }

    /// Shows a receiver's counters from the start, at 0, so that `increase()` sees their first step.
    pub fn receiver(&self, channel: &str, receiver: &str) {
        self.sent.with_label_values(&[channel, receiver]);
        for reason in FailureReason::ALL {
            self.failed.with_label_values(&[channel, receiver, reason.word()]);
        }
    }

    /// A receiver confirmed a message.
    pub fn sent(&self, channel: &str, receiver: &str) {
        self.sent.with_label_values(&[channel, receiver]).inc();
    }

    /// An attempt failed.
    pub fn failed(&self, channel: &str, receiver: &str, reason: FailureReason) {
        self.failed.with_label_values(&[channel, receiver, reason.word()]).inc();
    }

    /// The counters of a target of state pushes, and what it is called there.
    fn pushed_to<'a>(&self, kind: &'a str, name: &'a str) -> (&Pushed, Vec<&'a str>) {
        match kind {
            super::ALERTMANAGER => (&self.pushes.alertmanager, vec![name]),
            super::HEARTBEAT => (&self.pushes.heartbeat, vec![name]),
            way => (&self.pushes.metrics, vec![way, name]),
        }
    }

    /// Shows the counters of a target of state pushes from the start, at 0.
    pub fn push_target(&self, kind: &str, name: &str) {
        let (counters, who) = self.pushed_to(kind, name);
        counters.all.with_label_values(&who);
        for reason in FailureReason::ALL {
            counters.failed.with_label_values(&[who.as_slice(), &[reason.word()]].concat());
        }
        if kind == super::HEARTBEAT {
            self.pushes.withheld.with_label_values(&[name]);
        }
    }

    /// A state push was tried; `failed` is why it came to nothing.
    pub fn pushed(&self, kind: &str, name: &str, failed: Option<FailureReason>) {
        let (counters, who) = self.pushed_to(kind, name);
        counters.all.with_label_values(&who).inc();
        if let Some(reason) = failed {
            counters.failed.with_label_values(&[who.as_slice(), &[reason.word()]].concat()).inc();
        }
    }

    /// A ping was not deserved.
    pub fn withheld(&self, heartbeat: &str) {
        self.pushes.withheld.with_label_values(&[heartbeat]).inc();
    }

    /// The configuration was read again, or could not be.
    pub fn reloaded(&self, result: Result<Time, ()>) {
        self.reload_ok.store(result.is_ok(), Ordering::Relaxed);
        if let Ok(at) = result {
            self.reload_at.store(at.timestamp_millis(), Ordering::Relaxed);
        }
    }

    /// When it began to count.
    #[must_use]
    pub fn started(&self) -> Time {
        self.started
    }

    /// Everything as Prometheus text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        encode(&mut out, self.families());
        out
    }

    /// The same as families.
    #[must_use]
    pub fn families(&self) -> Vec<MetricFamily> {
        let mut build = family("opensoul_build_info", "What is running.", MetricType::GAUGE);
        let target = format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS);
        build.set_metric(vec![gauge(vec![label("version", env!("CARGO_PKG_VERSION")), label("target", target)], 1.0)]);
        let mut ok = family(
            "opensoul_config_last_reload_successful",
            "1 if the configuration in use is the one in the file.",
            MetricType::GAUGE,
        );
        ok.set_metric(vec![gauge(Vec::new(), f64::from(u8::from(self.reload_ok.load(Ordering::Relaxed))))]);
        let mut at = family(
            "opensoul_config_last_reload_success_timestamp_seconds",
            "When the configuration in use was read.",
            MetricType::GAUGE,
        );
        #[expect(clippy::cast_precision_loss, reason = "dates are far below 2^53")]
        let read = self.reload_at.load(Ordering::Relaxed) as f64 / 1000.0;
        at.set_metric(vec![gauge(Vec::new(), read)]);
        let mut all = vec![build, ok, at];
        all.extend(self.registry.gather());
        all.extend(process::families(seconds(self.started)));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_there_from_the_start() {
        let own = Own::new("2026-11-22T12:00:00Z".parse().unwrap());
        own.receiver("email", "ops");
        let text = own.text();
        assert!(text.contains(r#"opensoul_notifications_total{channel="email",receiver="ops"} 0"#), "{text}");
        assert!(
            text.contains(r#"opensoul_notifications_failed_total{channel="email",reason="tls",receiver="ops"} 0"#),
            "{text}"
        );
        assert!(text.contains("opensoul_config_last_reload_successful 1"));
        own.reloaded(Err(()));
        own.sent("email", "ops");
        own.failed("email", "ops", FailureReason::Tls);
        let text = own.text();
        assert!(text.contains("opensoul_config_last_reload_successful 0"));
        assert!(text.contains("opensoul_config_last_reload_success_timestamp_seconds 1795348800"), "{text}");
        assert!(text.contains(r#"opensoul_notifications_total{channel="email",receiver="ops"} 1"#));
        assert!(text.contains(r#"reason="tls",receiver="ops"} 1"#));
    }
}
