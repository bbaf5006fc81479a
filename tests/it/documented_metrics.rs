//! `docs/metrics.md`: every series that can be scraped, as the program itself writes it when everything happens at once. A metric
//! without a place in a group here, or one that this scene does not show, fails the test.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use opensoul::domain::{
    Activity, Allowance, Assessed, Balance, Clocks, Condition, Credential, CredentialId, Finding, FingerprintKey,
    Gateway, GatewayState, Judgement, Kind, Origin, Owner, ProviderSummary, Pseudonyms, Quota, Renewal, Runway, Secret,
    Selection, Severity, Snapshot, SourceReport, State, Time, Verdict, VerdictKind,
};
use opensoul::engine::windows::Window;
use opensoul::export::metrics::{PushHealth, ReceiverHealth, ReportDates, Standing, snapshot_text, standing_text};
use opensoul::export::own::Own;
use opensoul::export::{ALERTMANAGER, HEARTBEAT};

/// Title, and how the names begin; the first that fits.
const GROUPS: [(&str, &[&str]); 5] = [
    ("Credentials", &["opensoul_credential_", "opensoul_quota_", "opensoul_balance"]),
    ("What stands around them", &["opensoul_provider_", "opensoul_gateway_", "opensoul_source_", "opensoul_doctor_"]),
    (
        "Incidents, messages and pushes",
        &[
            "opensoul_alerts",
            "opensoul_silences",
            "opensoul_window_",
            "opensoul_notification",
            "opensoul_receiver_",
            "opensoul_export_",
            "opensoul_heartbeat_",
            "opensoul_digest_",
        ],
    ),
    ("The monitor", &["opensoul_build_", "opensoul_config_", "opensoul_cycle"]),
    ("Its process", &["process_"]),
];

const HEAD: &str = "\
# Metrics

`http://127.0.0.1:10177/metrics` of `monitor run`; `opensoul status --format prom` prints the same without what only a running
monitor knows (its messages and pushes, itself, its process). Written by the program's own tests from what the program exports.

- A date is a Unix timestamp, never seconds left: compare it with `time()`. What is not known has no series, never 0.
- What has ended keeps its series; what was deleted has none from the next look on.
- Series of a credential carry `credential` (its id), `provider` and `kind`. A copy has its `opensoul_credential_info` and nothing
  else. E-mail addresses in ids are `user-<n>` unless `[export] emails = true`.
- A scrape shows the last look at the machine and asks no provider.

Dashboards and rules that use them: [dashboards](../dashboards), [fleet.md](fleet.md).
";

#[test]
fn the_documented_metrics_are_those_of_the_program() {
    let text = scene();
    let found = families(&text);
    let written: BTreeSet<String> =
        ["metrics.rs", "own.rs", "process.rs"].iter().flat_map(|file| named_in(file)).collect();
    let shown: BTreeSet<String> = found.keys().cloned().collect();
    assert_eq!(written, shown, "the scene of this test shows every metric of src/export, and no other");

    let mut fresh = HEAD.to_owned();
    let mut placed = BTreeSet::new();
    for (title, prefixes) in GROUPS {
        write!(fresh, "\n## {title}\n\n| metric | type | labels | |\n|---|---|---|---|\n").unwrap();
        let here = |name: &str| prefixes.iter().any(|prefix| name.starts_with(prefix));
        for (name, family) in found.iter().filter(|(name, _)| here(name)) {
            assert!(placed.insert(name.clone()), "{name} is in two groups");
            let labels: Vec<String> = family.labels.iter().map(|label| format!("`{label}`")).collect();
            let help = family.help.replace('|', "\\|");
            writeln!(fresh, "| `{name}` | {} | {} | {help} |", family.kind, labels.join(", ")).unwrap();
        }
    }
    assert_eq!(placed, shown, "every metric has a group");

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        return std::fs::write(path, fresh).unwrap();
    }
    let text = std::fs::read_to_string(path).unwrap_or_default();
    assert!(text == fresh, "docs/metrics.md is not up to date: UPDATE_DOCS=1 cargo test --test it documented_metrics");
}

#[derive(Default)]
struct Family {
    help: String,
    kind: String,
    labels: BTreeSet<String>,
}

fn families(text: &str) -> BTreeMap<String, Family> {
    let mut found: BTreeMap<String, Family> = BTreeMap::new();
    for line in text.lines() {
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
            found.entry(name.to_owned()).or_default().help = help.to_owned();
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            found.entry(name.to_owned()).or_default().kind = kind.to_owned();
        } else if let Some((name, rest)) = line.split_once('{') {
            let labels = rest.split("=\"").filter_map(|part| part.rsplit(['{', ',', '"']).next());
            let names = labels.filter(|label| label.chars().all(|c| c.is_ascii_lowercase() || c == '_'));
            let labels = names.filter(|label| !label.is_empty()).map(str::to_owned);
            found.entry(name.to_owned()).or_default().labels.extend(labels);
        }
    }
    found
}

/// The names that a file of `src/export` writes out.
fn named_in(file: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/export").join(file);
    let text = std::fs::read_to_string(path).unwrap();
    let code = text.split("#[cfg(test)]").next().unwrap();
    let strings = code.split('"').skip(1).step_by(2);
    let ours = strings.filter(|text| ["opensoul_", "process_"].iter().any(|prefix| text.starts_with(prefix)));
    ours.filter(|text| text.chars().all(|c| c.is_ascii_lowercase() || c == '_')).map(str::to_owned).collect()
}

/// Everything that can be scraped, at one instant.
fn scene() -> String {
    let at: Time = "2026-11-22T12:00:00Z".parse().unwrap();
    let credential = credential(at);
    let copy = Assessed { copy_of: Some(credential.credential.id.clone()), ..renamed(&credential, "env:COPY") };
    let snapshot = Snapshot {
        taken_at: at,
        host: "box".into(),
        credentials: vec![credential, copy],
        providers: vec![ProviderSummary {
            provider: "anthropic".into(),
            state: State::Expiring,
            in_use: true,
            usable: 1,
            total: 1,
            effective: None,
        }],
        gateway: Gateway { state: GatewayState::Up, detail: String::new() },
        findings: vec![Finding::new("x.y", Severity::Warning, "m", "f")],
        sources: vec![SourceReport {
            source: "claude-code".into(),
            looked: vec![],
            up: true,
            hidden: false,
            credentials: 1,
        }],
        clock_problem: None,
        fleet: true,
    };
    let standing = Standing {
        receivers: vec![ReceiverHealth {
            name: "ops".into(),
            channel: "email",
            queued: 1,
            oldest_queued: Some(at),
            last_success: Some(at),
            last_error: None,
            quarantined: None,
        }],
        pushes: [ALERTMANAGER, HEARTBEAT, "remote-write"]
            .map(|kind| PushHealth {
                name: "to".into(),
                kind,
                last_success: Some(at),
                failing_since: None,
                last_error: None,
            })
            .into(),
        last_cycle: Some(at),
        overdue: Some(at),
        report: Some(ReportDates { last: Some(at), next: Some(at) }),
        ..Standing::default()
    };
    let own = Own::new(at);
    own.receiver("email", "ops");
    own.push_target(ALERTMANAGER, "to");
    own.push_target(HEARTBEAT, "to");
    own.push_target("remote-write", "to");
    let windows = [Window { kind: "maintenance", name: "m".into(), open: None }];
    own.text()
        + &standing_text(&standing, &BTreeMap::new(), &windows)
        + &snapshot_text(&snapshot, &Pseudonyms::default())
}

fn renamed(one: &Assessed, id: &str) -> Assessed {
    let mut other = one.clone();
    other.credential.id = CredentialId::from(id);
    other
}

fn credential(at: Time) -> Assessed {
    let key = FingerprintKey::new(&[5; 32]);
    Assessed {
        credential: Box::new(Credential {
            id: CredentialId::from("claude-code:default"),
            provider: "anthropic".into(),
            profile: "default".into(),
            kind: Kind::Oauth,
            agent: None,
            origin: Origin { source: "claude-code".into(), path: None, modified: None },
            owner: Owner::Tool,
            renewal: Renewal::Auto,
            condition: Condition::Present,
            clocks: Clocks {
                access_expires: Some(at),
                refresh_due: Some(at),
                grant_expires: Some(at),
                last_renewed: Some(at),
                ..Clocks::default()
            },
            account: None,
            scopes: None,
            fingerprint: key.fingerprint(&Secret::new("access".to_owned())),
            refresh_fingerprint: key.fingerprint(&Secret::new("refresh".to_owned())),
            selection: Selection::NotApplicable,
            bench: None,
            activity: Activity::default(),
            declared_in_use: None,
            fix: "claude auth login".into(),
            notes: vec![],
        }),
        judgement: Judgement {
            state: State::Expiring,
            severity: Severity::Warning,
            in_use: true,
            expires: Some(at),
            warn_at: Some(at),
            critical_at: Some(at),
            tier: None,
            generation: "g".into(),
            because: vec!["…".into()],
            fix: None,
        },
        copies: vec![],
        copy_of: None,
        verdict: Some(Verdict { kind: VerdictKind::Accepted, at, detail: String::new() }),
        allowance: Some(Box::new(Allowance {
            balance: Some(Balance { amount: 1.0, currency: Some("USD".into()) }),
            quota: vec![Quota { window: "5h".into(), used_ratio: 0.5, resets_at: None }],
            runway: Some(Runway { ends: at, earliest: at, latest: None }),
            ..Allowance::default()
        })),
    }
}
