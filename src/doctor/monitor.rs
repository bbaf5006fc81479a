//! Whether somebody watches: the monitor, its timer, and those who would be told. Only for people who ask: a monitor that does
//! not run cannot say so.

use std::path::PathBuf;

use super::{By, Check, Context, MonitorSeen};
use crate::config::ReceiverKind;
use crate::domain::{Finding, Place, Severity, Span, Time};
use crate::engine::due::next_after;
use crate::store::ReceiverState;

pub(super) const CHECKS: &[Check] = &[
    Check { id: "monitor.not-running", about: "whether the monitor runs", by: By::Retelling(not_running) },
    Check { id: "monitor.timer-not-firing", about: "whether the monitor's timer fires", by: By::Retelling(timer) },
    Check { id: "monitor.no-linger", about: "whether the monitor outlives a logout", by: By::Retelling(no_linger) },
    Check {
        id: "receiver.quarantined",
        about: "receivers that refuse messages for good",
        by: By::Retelling(quarantined),
    },
    Check { id: "receiver.waiting", about: "receivers that messages wait for", by: By::Retelling(waiting) },
    Check { id: "receiver.public-topic", about: "ntfy topics that anybody can read", by: By::Doctor(public_topic) },
];

/// Later than due by this much is too late: a machine may have slept, and timers have some play.
const GRACE: Span = Span::hours(1);
/// A message that waits for so long is stuck.
const STUCK: Span = Span::hours(1);
/// A topic of ntfy that is as long as this is not guessed.
const GUESSED: usize = 16;

/// Where units of the user are enabled: by the user, or for every user.
fn user_units(context: &Context<'_>) -> [PathBuf; 2] {
    let config = context.env.get("XDG_CONFIG_HOME").map_or_else(|| context.env.home().join(".config"), PathBuf::from);
    [config.join("systemd/user"), PathBuf::from("/etc/systemd/user")]
}

/// `opensoul-check.timer` where systemd starts timers: of the user (`true`), or of the machine.
fn timers(context: &Context<'_>) -> Vec<(PathBuf, bool)> {
    let wants = user_units(context).map(|dir| (dir, true)).into_iter().chain([("/etc/systemd/system".into(), false)]);
    let timer = |(dir, user): (PathBuf, bool)| (dir.join("timers.target.wants/opensoul-check.timer"), user);
    wants.map(timer).filter(|(path, _)| path.symlink_metadata().is_ok()).collect()
}

/// The machine runs a monitor for this user, under systemd's own state directory (`opensoul@USER.service`).
fn is_run_by_the_machine(context: &Context<'_>) -> bool {
    let user = context.env.get("USER").or(context.env.get("LOGNAME")).filter(|user| !user.contains('/'));
    user.is_some_and(|user| PathBuf::from("/var/lib/opensoul-users").join(user).exists())
}

/// Somebody set it up: there is a configuration, or a state that a cycle left.
fn is_set_up(monitor: &MonitorSeen<'_>) -> bool {
    monitor.configured || monitor.last_cycle.is_some()
}

/// The last cycle, if the next should have been by now.
fn overdue(monitor: &MonitorSeen<'_>, now: Time) -> Option<Option<Time>> {
    let Some(last) = monitor.last_cycle else { return Some(None) };
    let next = next_after(&monitor.config.status, last)?;
    (now > next + GRACE).then_some(Some(last))
}

fn since(last: Option<Time>) -> String {
    last.map_or_else(
        || "it has never looked".to_owned(),
        |last| format!("it last looked {}", last.format("%Y-%m-%d %H:%M UTC")),
    )
}

fn not_running(context: &Context<'_>) -> Vec<Finding> {
    let Some(monitor) = context.monitor.filter(|monitor| is_set_up(monitor) && !monitor.running) else {
        return Vec::new();
    };
    let Some(last) = overdue(monitor, context.now) else { return Vec::new() };
    if !timers(context).is_empty() || is_run_by_the_machine(context) {
        return Vec::new();
    }
    let message =
        format!("The monitor is set up and does not run: {}. Nobody is told when a credential ends.", since(last));
    let fix = "systemctl --user enable --now opensoul-monitor (or a timer, a cron line or a phone's job that runs: opensoul \
               monitor once)";
    vec![Finding::new("monitor.not-running", Severity::Warning, message, fix).at(Place::file(&context.own.state))]
}

fn timer(context: &Context<'_>) -> Vec<Finding> {
    let Some(monitor) = context.monitor.filter(|monitor| !monitor.running) else { return Vec::new() };
    let Some(last) = overdue(monitor, context.now) else { return Vec::new() };
    // The machine's timer keeps its state in a place of its own: what is ours says nothing about it.
    let ours = |(_, user): &(PathBuf, bool)| *user || context.own.state.starts_with("/var/lib/opensoul");
    let Some((path, user)) = timers(context).into_iter().find(ours) else { return Vec::new() };
    let message =
        format!("opensoul-check.timer is enabled and does not fire, or what it starts fails: {}.", since(last));
    let who = if user { "--user " } else { "" };
    let fix = format!(
        "systemctl {who}restart opensoul-check.timer; the reason: systemctl {who}status opensoul-check.timer \
         opensoul-check.service"
    );
    vec![Finding::new("monitor.timer-not-firing", Severity::Warning, message, fix).at(Place::file(path))]
}

fn no_linger(context: &Context<'_>) -> Vec<Finding> {
    let (Some(_), Some(false)) = (context.monitor, context.gateway.lingers) else { return Vec::new() };
    let of_user = user_units(context).into_iter().flat_map(|dir| {
        ["default.target.wants/opensoul-monitor.service", "timers.target.wants/opensoul-check.timer"]
            .map(|unit| dir.join(unit))
    });
    let Some(path) = of_user.into_iter().find(|path| path.symlink_metadata().is_ok()) else { return Vec::new() };
    let unit = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let message = format!("{unit} belongs to the user: it stops at logout and does not start at boot.");
    vec![Finding::new("monitor.no-linger", Severity::Info, message, "loginctl enable-linger").at(Place::file(path))]
}

/// Receivers that are still configured, with what is known of their deliveries.
fn receivers<'a>(context: &Context<'a>) -> impl Iterator<Item = &'a ReceiverState> {
    let monitor = context.monitor;
    let named = move |state: &&ReceiverState| {
        monitor.is_some_and(|monitor| monitor.config.receivers.iter().any(|receiver| receiver.name == state.name))
    };
    monitor.map(|monitor| monitor.receivers).unwrap_or_default().iter().filter(named)
}

fn quarantined(context: &Context<'_>) -> Vec<Finding> {
    receivers(context).filter_map(ReceiverState::finding).collect()
}

fn waiting(context: &Context<'_>) -> Vec<Finding> {
    let stuck = receivers(context).filter(|state| state.quarantine.is_none()).filter_map(|state| {
        let oldest = state.oldest.filter(|oldest| state.queued > 0 && context.now - *oldest > STUCK)?;
        let message = format!(
            "{} messages wait for the receiver {}, the oldest since {}: it cannot be reached, or nobody delivers.",
            state.queued,
            state.name,
            oldest.format("%Y-%m-%d %H:%M UTC")
        );
        let fix = format!("opensoul alerts test {}", super::files::quoted(std::path::Path::new(&state.name)));
        let place = Place::file(&context.own.config).key(format!("receivers.{}", state.name));
        Some(Finding::new("receiver.waiting", Severity::Warning, message, fix).at(place))
    });
    stuck.collect()
}

fn public_topic(context: &Context<'_>) -> Vec<Finding> {
    let all = context.monitor.map(|monitor| monitor.config.receivers.as_slice()).unwrap_or_default();
    let mut findings = Vec::new();
    for receiver in all {
        let ReceiverKind::Channel(settings) = &receiver.kind else { continue };
        let login = settings.value("token").is_some() || settings.text("username").is_some();
        let elsewhere = match settings.value("url") {
            Some(crate::config::MaybeSecret::Plain(url)) => !url.contains("//ntfy.sh"),
            other => other.is_some(),
        };
        if settings.channel.name != "ntfy" || login || elsewhere {
            continue;
        }
        let short = settings.text("topic").is_none_or(|topic| topic.len() < GUESSED);
        let (severity, how) = if short {
            (Severity::Warning, "it is short enough to be guessed")
        } else {
            (Severity::Info, "whoever learns its name can")
        };
        let message = format!(
            "The receiver {} writes to a topic of ntfy.sh that needs no login: anybody can read and write there, and {how}.",
            receiver.name
        );
        let fix =
            "Reserve the topic and add token = { file = \"…\" }, or choose a topic of 16 random characters or more.";
        let place = Place::file(&context.own.config).key(format!("receivers.{}", receiver.name));
        findings.push(Finding::new("receiver.public-topic", severity, message, fix).at(place));
    }
    findings
}
