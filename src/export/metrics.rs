//! Prometheus metrics as a view of a snapshot and of what the store knows (CONTRACTS §5). Pure: what the process knows of
//! itself is in [`super::own`].
//!
//! Rules of the field that are kept here: timestamps, never seconds left; what is unknown is left out, never 0 or −1; an
//! expired credential keeps its series; one 0/1 series per state; known label values start at 0; no e-mail address, error
//! text or secret is ever a label. Everything is built from the snapshot each time, so what is gone vanishes at once.

use std::collections::{BTreeMap, HashSet};

use prometheus::TextEncoder;
use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};

use crate::domain::{
    Assessed, Basis, GatewayState, Incident, IncidentId, IncidentStatus, Pseudonyms, Severity, Silence, Snapshot,
    State, Time, VerdictKind, Withheld,
};
use crate::engine::windows::Window;

/// The `Content-Type` of a scrape; Prometheus 3 refuses one without it.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What the store knows about one receiver's queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiverHealth {
    /// Its name in `monitor.toml`.
    pub name: String,
    /// Its type: `email`, `webhook`, …
    pub channel: &'static str,
    /// Messages that wait.
    pub queued: usize,
    /// When the oldest of them was made.
    pub oldest_queued: Option<Time>,
    /// When it last confirmed a message.
    pub last_success: Option<Time>,
    /// What it said last, if that was a failure; redacted.
    pub last_error: Option<String>,
    /// It refuses us and is tried once an hour: when next.
    pub quarantined: Option<Time>,
}

/// What is known of one target of state pushes: a peer of Alertmanager, a heartbeat, an outlet for metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushHealth {
    /// Its name.
    pub name: String,
    /// `alertmanager`, `heartbeat`, or the way of an outlet for metrics.
    pub kind: &'static str,
    /// When it last took a push.
    pub last_success: Option<Time>,
    /// Since when it takes none.
    pub failing_since: Option<Time>,
    /// What it said last, if that was a failure, or why no ping was sent; redacted.
    pub last_error: Option<String>,
}

/// What the store knows: the same in the daemon and in `status --format prom`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Standing {
    /// Incidents that are not over.
    pub incidents: Vec<Incident>,
    /// Every configured receiver.
    pub receivers: Vec<ReceiverHealth>,
    /// Every configured target of state pushes.
    pub pushes: Vec<PushHealth>,
    /// When the last cycle was committed.
    pub last_cycle: Option<Time>,
    /// From when the next one is overdue ([`crate::engine::due::overdue_at`]).
    pub overdue: Option<Time>,
    /// Silences that are not over.
    pub silences: Vec<Silence>,
    /// The dates of `[digest]`, if it is configured.
    pub report: Option<ReportDates>,
}

/// When the report was last due, and when it is next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportDates {
    /// The last date that was taken care of.
    pub last: Option<Time>,
    /// The next one.
    pub next: Option<Time>,
}

/// Whoever takes families, one after the other.
pub type Take<'a> = dyn FnMut(MetricFamily) + 'a;

/// The series of a snapshot. The long part of a scrape: the caller renders it once per snapshot and keeps it.
#[must_use]
pub fn snapshot_text(snapshot: &Snapshot, names: &Pseudonyms) -> String {
    text(|take| snapshot_families(snapshot, names, take))
}

/// The series of incidents, queues and cycles.
#[must_use]
pub fn standing_text(standing: &Standing, withheld: &BTreeMap<IncidentId, Withheld>, windows: &[Window]) -> String {
    text(|take| standing_families(standing, withheld, windows, take))
}

fn text(families: impl FnOnce(&mut Take<'_>)) -> String {
    let mut out = String::new();
    families(&mut |family| encode(&mut out, [family]));
    out
}

/// The same as [`snapshot_text`].
pub fn snapshot_families(snapshot: &Snapshot, names: &Pseudonyms, take: &mut Take<'_>) {
    let credentials = labelled(snapshot, names);
    for family in credential_families(&credentials, snapshot) {
        take(family());
    }
    take(gateway_up(snapshot));
    take(doctor_findings(snapshot));
    sources(snapshot).into_iter().for_each(&mut *take);
    take(providers(snapshot));
}

/// The same as [`standing_text`].
pub fn standing_families(
    standing: &Standing,
    withheld: &BTreeMap<IncidentId, Withheld>,
    windows: &[Window],
    take: &mut Take<'_>,
) {
    take(alerts(&standing.incidents, withheld));
    take(silences(&standing.silences, standing.last_cycle));
    take(windows_open(windows));
    queues(&standing.receivers).into_iter().for_each(&mut *take);
    pushes(&standing.pushes).into_iter().for_each(&mut *take);
    let report = standing.report.unwrap_or_default();
    let dates = [
        (
            "opensoul_cycle_last_completed_timestamp_seconds",
            "When the last observation was judged and committed.",
            standing.last_cycle,
        ),
        (
            "opensoul_cycle_overdue_timestamp_seconds",
            "From when something keeps the next cycle away: three rounds of [schedule] after the last, at least half an hour.",
            standing.overdue,
        ),
        ("opensoul_digest_last_timestamp_seconds", "When the report of [digest] was last due.", report.last),
        ("opensoul_digest_next_timestamp_seconds", "When the report of [digest] is due next.", report.next),
    ];
    for (name, help, date) in dates {
        let mut due = family(name, help, MetricType::GAUGE);
        due.set_metric(date.map(|at| gauge(Vec::new(), seconds(at))).into_iter().collect());
        take(due);
    }
}

/// A credential with the labels that all its series carry.
struct Labelled<'a> {
    assessed: &'a Assessed,
    labels: Vec<LabelPair>,
}

/// Sorted by id. Two addresses that have no number yet would share a label set; the second gets a suffix, because a scrape
/// with a repeated series is refused as a whole.
fn labelled<'a>(snapshot: &'a Snapshot, names: &Pseudonyms) -> Vec<Labelled<'a>> {
    let mut all: Vec<&Assessed> = snapshot.credentials.iter().collect();
    all.sort_by(|a, b| a.credential.id.cmp(&b.credential.id));
    let mut taken = HashSet::with_capacity(all.len());
    all.into_iter()
        .map(|assessed| {
            let public = names.apply(assessed.credential.id.as_str());
            let mut id = public.clone();
            let mut n = 2;
            while !taken.insert(id.clone()) {
                id = format!("{public}~{n}");
                n += 1;
            }
            let labels = vec![
                label("credential", id),
                label("provider", names.apply(&assessed.credential.provider)),
                label("kind", assessed.credential.kind.word()),
            ];
            Labelled { assessed, labels }
        })
        .collect()
}

type Make<'a> = Box<dyn Fn() -> MetricFamily + 'a>;

/// One after the other, so that only one family of 10,000 credentials is in memory at a time.
fn credential_families<'a>(all: &'a [Labelled<'a>], snapshot: &'a Snapshot) -> Vec<Make<'a>> {
    let make = |name: &'static str, help: &'static str, series: Box<dyn Fn() -> Vec<Metric> + 'a>| -> Make<'a> {
        Box::new(move || {
            let mut family = family(name, help, MetricType::GAUGE);
            family.set_metric(series());
            family
        })
    };
    let mut families = vec![
        make(
            "opensoul_credential_info",
            "Every credential found; copy_of names the place that counts when several hold the same secret.",
            Box::new(move || all.iter().map(|one| info_series(one, all, snapshot)).collect()),
        ),
        make(
            "opensoul_credential_state",
            "1 for the state the credential is in, 0 for the others.",
            Box::new(move || canonical(all).flat_map(state_series).collect()),
        ),
        make(
            "opensoul_credential_severity",
            "1 for how bad its state is for those who depend on it, 0 for the others; all 0 where nothing is wrong.",
            Box::new(move || canonical(all).flat_map(severity_series).collect()),
        ),
        make(
            "opensoul_balance",
            "What is left behind a key, as its provider says, in its currency or unit.",
            Box::new(move || canonical(all).filter_map(balance_series).collect()),
        ),
        make(
            "opensoul_quota_used_ratio",
            "Used share of a window, as the provider says; 1 is all of it.",
            Box::new(move || canonical(all).flat_map(quota_series).collect()),
        ),
    ];
    families.extend(VALUES.iter().map(|&(name, help, value)| {
        let series =
            move || canonical(all).filter_map(|one| Some(gauge(one.labels.clone(), value(one.assessed)?))).collect();
        make(name, help, Box::new(series))
    }));
    families
}

/// A copy has its `info` and nothing else: a rule must not fire once per copy.
fn canonical<'a>(all: &'a [Labelled<'a>]) -> impl Iterator<Item = &'a Labelled<'a>> {
    all.iter().filter(|one| one.assessed.copy_of.is_none())
}

type Value = fn(&Assessed) -> Option<f64>;

/// The gauges with one value per credential, or none where it is not known.
const VALUES: [(&str, &str, Value); 11] = [
    (
        "opensoul_credential_expiration_timestamp_seconds",
        "The date that counts: the end of the grant if it is known, else of the access of what a person must renew.",
        |a| a.judgement.expires.map(seconds),
    ),
    ("opensoul_credential_warn_at_timestamp_seconds", "From when the coming end is a warning.", |a| {
        a.judgement.warn_at.map(seconds)
    }),
    (
        "opensoul_credential_critical_at_timestamp_seconds",
        "From when the coming end is critical if nothing else is left; an end that is only assumed never is.",
        |a| {
            let assumed = a.credential.clocks.grant_basis == Some(Basis::Assumed);
            a.judgement.critical_at.filter(|_| !assumed).map(seconds)
        },
    ),
    (
        "opensoul_credential_access_expiration_timestamp_seconds",
        "When the access token ends; normal to pass for what its owner renews.",
        |a| a.credential.clocks.access_expires.map(seconds),
    ),
    ("opensoul_credential_refresh_due_timestamp_seconds", "When its owner should have renewed it.", |a| {
        a.credential.clocks.refresh_due.map(seconds)
    }),
    ("opensoul_credential_grant_expiration_timestamp_seconds", "When the login or key itself ends.", |a| {
        a.credential.clocks.grant_expires.map(seconds)
    }),
    (
        "opensoul_balance_exhaustion_timestamp_seconds",
        "When the balance will be used up if it goes on as it did.",
        |a| a.allowance.as_ref()?.runway.map(|runway| seconds(runway.ends)),
    ),
    ("opensoul_credential_last_renewed_timestamp_seconds", "When its owner last renewed it.", |a| {
        a.credential.clocks.last_renewed.map(seconds)
    }),
    ("opensoul_credential_in_use", "1 if a configured model, a tool or a declaration uses it.", |a| {
        Some(f64::from(u8::from(a.judgement.in_use)))
    }),
    ("opensoul_credential_accepted", "1 if the provider took it at the last conclusive probe, 0 if it did not.", |a| {
        let verdict = a.verdict.as_ref().filter(|v| v.kind.is_conclusive())?;
        Some(f64::from(u8::from(matches!(verdict.kind, VerdictKind::Accepted | VerdictKind::Limited))))
    }),
    (
        "opensoul_credential_last_accepted_timestamp_seconds",
        "When the provider took it, if that is its last answer.",
        |a| a.verdict.as_ref().filter(|v| v.kind == VerdictKind::Accepted).map(|v| seconds(v.at)),
    ),
];

fn info_series(one: &Labelled<'_>, all: &[Labelled<'_>], snapshot: &Snapshot) -> Metric {
    let mut labels = one.labels.clone();
    labels.push(label("source", one.assessed.credential.origin.source.to_string()));
    labels.push(label("renewal", one.assessed.credential.renewal.word()));
    if let Some(original) = &one.assessed.copy_of
        && let Ok(at) = all.binary_search_by(|other| other.assessed.credential.id.cmp(original))
    {
        labels.push(label("copy_of", all[at].labels[0].value()));
    }
    if let Some(identity) = snapshot.identity(&one.assessed.credential) {
        labels.push(label("identity", identity));
    }
    gauge(labels, 1.0)
}

fn balance_series(one: &Labelled<'_>) -> Option<Metric> {
    let balance = one.assessed.allowance.as_ref()?.balance.as_ref()?;
    let mut labels = one.labels.clone();
    labels.push(label("currency", balance.currency.clone().unwrap_or_default()));
    Some(gauge(labels, balance.amount))
}

fn quota_series<'a>(one: &'a Labelled<'a>) -> impl Iterator<Item = Metric> + 'a {
    one.assessed.allowance.iter().flat_map(|allowance| &allowance.quota).map(|quota| {
        let mut labels = one.labels.clone();
        labels.push(label("window", quota.window.clone()));
        gauge(labels, quota.used_ratio)
    })
}

fn state_series<'a>(one: &'a Labelled<'a>) -> impl Iterator<Item = Metric> + 'a {
    State::ALL.iter().map(|state| {
        let mut labels = one.labels.clone();
        labels.push(label("state", state.word()));
        gauge(labels, f64::from(u8::from(one.assessed.judgement.state == *state)))
    })
}

fn severity_series<'a>(one: &'a Labelled<'a>) -> impl Iterator<Item = Metric> + 'a {
    SEVERITIES.iter().map(|severity| {
        let mut labels = one.labels.clone();
        labels.push(label("severity", severity.word()));
        gauge(labels, f64::from(u8::from(one.assessed.judgement.severity == *severity)))
    })
}

fn gateway_up(snapshot: &Snapshot) -> MetricFamily {
    let mut up =
        family("opensoul_gateway_up", "1 if the gateway answers, 0 if it is there and does not.", MetricType::GAUGE);
    let value = match snapshot.gateway.state {
        GatewayState::Up => Some(1.0),
        GatewayState::Down => Some(0.0),
        GatewayState::Absent | GatewayState::Unknown => None,
    };
    up.set_metric(value.map(|v| gauge(Vec::new(), v)).into_iter().collect());
    up
}

const SEVERITIES: [Severity; 3] = [Severity::Info, Severity::Warning, Severity::Critical];

fn doctor_findings(snapshot: &Snapshot) -> MetricFamily {
    let mut findings = family("opensoul_doctor_findings", "Findings of the checks.", MetricType::GAUGE);
    findings.set_metric(
        SEVERITIES
            .iter()
            .map(|severity| {
                let count = snapshot.findings.iter().filter(|f| f.severity == *severity).count();
                gauge(vec![label("severity", severity.word())], number(count))
            })
            .collect(),
    );
    findings
}

fn sources(snapshot: &Snapshot) -> [MetricFamily; 2] {
    let mut by_name: BTreeMap<&str, (bool, usize)> = BTreeMap::new();
    for report in &snapshot.sources {
        let entry = by_name.entry(&report.source).or_insert((true, 0));
        entry.0 &= report.up;
        entry.1 += report.credentials;
    }
    let mut up = family("opensoul_source_up", "0 if something is there and could not be read.", MetricType::GAUGE);
    let mut count = family("opensoul_source_credentials", "Credentials that came of a source.", MetricType::GAUGE);
    for (name, (is_up, credentials)) in by_name {
        up.mut_metric().push(gauge(vec![label("source", name)], f64::from(u8::from(is_up))));
        count.mut_metric().push(gauge(vec![label("source", name)], number(credentials)));
    }
    [up, count]
}

fn providers(snapshot: &Snapshot) -> MetricFamily {
    let mut usable = family(
        "opensoul_provider_usable_credentials",
        "How many credentials of a provider would work now; only providers in use.",
        MetricType::GAUGE,
    );
    usable.set_metric(
        snapshot
            .providers
            .iter()
            .filter(|p| p.in_use)
            .map(|p| gauge(vec![label("provider", p.provider.as_str())], number(p.usable)))
            .collect(),
    );
    usable
}

/// Where an open incident can stand; each is in one of them.
const STATUSES: [&str; 5] = ["pending", "firing", "acked", "silenced", "inhibited"];

fn alerts(incidents: &[Incident], withheld: &BTreeMap<IncidentId, Withheld>) -> MetricFamily {
    let mut alerts = family(
        "opensoul_alerts",
        "Incidents that are not over; acked, silenced and inhibited ones are not firing.",
        MetricType::GAUGE,
    );
    let open = || incidents.iter().filter(|incident| incident.status != IncidentStatus::Resolved);
    for severity in SEVERITIES {
        for status in STATUSES {
            let stands = |one: &&Incident| one.severity == severity && word(one, withheld.get(&one.id)) == status;
            let labels = vec![label("severity", severity.word()), label("status", status)];
            alerts.mut_metric().push(gauge(labels, number(open().filter(stands).count())));
        }
    }
    alerts
}

fn word(incident: &Incident, withheld: Option<&Withheld>) -> &'static str {
    match withheld.map(Withheld::word) {
        Some(word) if STATUSES.contains(&word) => word,
        _ => incident.status.word(),
    }
}

fn silences(silences: &[Silence], now: Option<Time>) -> MetricFamily {
    let mut count = family("opensoul_silences", "Silences that hold or will.", MetricType::GAUGE);
    let active = silences.iter().filter(|silence| now.is_none_or(|now| silence.starts_at <= now)).count();
    for (state, number) in [("active", active), ("pending", silences.len() - active)] {
        count.mut_metric().push(gauge(vec![label("state", state)], self::number(number)));
    }
    count
}

fn windows_open(windows: &[Window]) -> MetricFamily {
    let help = "Whether a maintenance window, or the quiet hours, hold messages back now.";
    let mut open = family("opensoul_window_open", help, MetricType::GAUGE);
    // Two of one name are one to whoever reads it.
    let mut all: BTreeMap<(&str, &str), bool> = BTreeMap::new();
    for one in windows {
        *all.entry((one.kind, one.name.as_str())).or_default() |= one.open.is_some();
    }
    let series = all
        .into_iter()
        .map(|((kind, name), open)| gauge(vec![label("kind", kind), label("window", name)], number(usize::from(open))));
    open.set_metric(series.collect());
    open
}

fn queues(receivers: &[ReceiverHealth]) -> [MetricFamily; 4] {
    let each = |name: &str, help: &str, value: fn(&ReceiverHealth) -> Option<f64>| {
        let mut values = family(name, help, MetricType::GAUGE);
        let series = receivers.iter().filter_map(|r| Some(gauge(vec![label("receiver", r.name.as_str())], value(r)?)));
        values.set_metric(series.collect());
        values
    };
    [
        each("opensoul_notification_queue_length", "Messages that wait for a receiver.", |r| Some(number(r.queued))),
        each(
            "opensoul_notification_oldest_queued_timestamp_seconds",
            "When the oldest message that waits for a receiver was made.",
            |r| r.oldest_queued.map(seconds),
        ),
        each(
            "opensoul_notification_last_success_timestamp_seconds",
            "When a receiver last confirmed a message.",
            |r| r.last_success.map(seconds),
        ),
        each("opensoul_receiver_quarantined", "1 if a receiver refuses us and is tried once an hour.", |r| {
            Some(f64::from(u8::from(r.quarantined.is_some())))
        }),
    ]
}

fn pushes(targets: &[PushHealth]) -> [MetricFamily; 3] {
    let dates = |name: &str, help: &str, labels: &dyn Fn(&PushHealth) -> Option<Vec<LabelPair>>| {
        let mut last = family(name, help, MetricType::GAUGE);
        let series = targets.iter().filter_map(|one| Some(gauge(labels(one)?, seconds(one.last_success?))));
        last.set_metric(series.collect());
        last
    };
    let of_kind = |kind: &'static str, name: &'static str| {
        move |one: &PushHealth| (one.kind == kind).then(|| vec![label(name, one.name.as_str())])
    };
    let outlet = |one: &PushHealth| {
        let other = [super::ALERTMANAGER, super::HEARTBEAT].contains(&one.kind);
        (!other).then(|| vec![label("channel", one.kind), label("outlet", one.name.as_str())])
    };
    [
        dates(
            "opensoul_export_alertmanager_last_success_timestamp_seconds",
            "When an Alertmanager last took the state of everything.",
            &of_kind(super::ALERTMANAGER, "peer"),
        ),
        dates(
            "opensoul_export_metrics_last_success_timestamp_seconds",
            "When an outlet last took the metrics.",
            &outlet,
        ),
        dates(
            "opensoul_heartbeat_last_success_timestamp_seconds",
            "When a dead-man's ping last went through.",
            &of_kind(super::HEARTBEAT, "receiver"),
        ),
    ]
}

pub(super) fn family(name: &str, help: &str, kind: MetricType) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family
}

pub(super) fn label(name: &str, value: impl Into<String>) -> LabelPair {
    let mut pair = LabelPair::default();
    pair.set_name(name.to_owned());
    pair.set_value(value.into());
    pair
}

pub(super) fn gauge(labels: Vec<LabelPair>, value: f64) -> Metric {
    let mut gauge = Gauge::default();
    gauge.set_value(value);
    let mut metric = Metric::from_gauge(gauge);
    metric.set_label(labels);
    metric
}

pub(super) fn counter(labels: Vec<LabelPair>, value: f64) -> Metric {
    let mut counter = Counter::default();
    counter.set_value(value);
    let mut metric = Metric::from_label(labels);
    metric.set_counter(counter);
    metric
}

/// Families without a series are left out, header and all.
pub(super) fn encode(out: &mut String, families: impl IntoIterator<Item = MetricFamily>) {
    for family in families {
        if !family.get_metric().is_empty() {
            TextEncoder::new().encode_utf8(&[family], out).expect("a named family with a series can be encoded");
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "dates and counts are far below 2^53")]
pub(super) fn seconds(at: Time) -> f64 {
    at.timestamp_millis() as f64 / 1000.0
}

#[expect(clippy::cast_precision_loss, reason = "dates and counts are far below 2^53")]
pub(super) fn number(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
