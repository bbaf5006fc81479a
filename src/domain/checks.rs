//! The ids of the doctor's checks, and how words choose them. People write ids into scripts and into `monitor.toml`, which is
//! read by a room that does not know the checks themselves; a test holds this list and the registry together.

/// Every id that a finding may have, by name.
pub const IDS: &[&str] = &[
    "auth.env-blank",
    "auth.env-differs",
    "auth.env-not-inherited",
    "chat.failing",
    "clock.skew",
    "clock.wrong",
    "config.invalid",
    "config.legacy-key",
    "config.permissions",
    "config.unreadable",
    "credential.billing",
    "credential.expired",
    "credential.expiring",
    "credential.forbidden",
    "credential.limited",
    "credential.missing",
    "credential.refresh-overdue",
    "credential.rejected",
    "credential.retired",
    "credential.stale-copy",
    "credential.subscription-only",
    "credential.unknown",
    "credential.unreadable",
    "disk.full",
    "doctor.check-failed",
    "dotenv.passed-over",
    "dotenv.permissions",
    "env.login-shell",
    "export.alertmanager-failing",
    "export.metrics-failing",
    "gateway.down",
    "gateway.env-stale",
    "gateway.no-linger",
    "gateway.no-service",
    "gateway.not-enabled",
    "gateway.open-bind",
    "gateway.port-conflict",
    "gateway.program-missing",
    "gateway.several-services",
    "gateway.version-manager-node",
    "heartbeat.failing",
    "login.overridden",
    "login.permissions",
    "login.same-account",
    "login.shared-refresh",
    "login.stale-mirror",
    "login.went-backwards",
    "machine.unreached",
    "monitor.no-linger",
    "monitor.not-running",
    "monitor.timer-not-firing",
    "network.connection",
    "network.dns",
    "network.proxy",
    "network.tls",
    "network.unreachable",
    "order.unknown-profile",
    "own.config-invalid",
    "own.config-permissions",
    "own.declared-unknown",
    "own.state-permissions",
    "own.state-unreadable",
    "path.shadowed",
    "profile.cooldown",
    "profile.deprecated",
    "profile.disabled",
    "profile.mode-mismatch",
    "profile.not-in-store",
    "profile.unused",
    "provider.nothing-usable",
    "provider.trouble",
    "receiver.public-topic",
    "receiver.quarantined",
    "receiver.waiting",
    "sessions.permissions",
    "state.damaged",
    "state.disk",
    "state.migrated",
    "state.missing-directory",
    "state.not-writable",
    "state.owner",
    "state.permissions",
    "state.several-dirs",
    "store.archived-secrets",
    "store.damaged-profile",
    "store.damaged-side-file",
    "store.legacy-json",
    "store.permissions",
    "store.stale",
    "store.stale-lock",
    "store.unparsable",
    "store.unreadable",
];

/// True if a word chooses a check: its id, or the beginning of it up to a dot (`credential` chooses `credential.expired`).
#[must_use]
pub fn covers(word: &str, id: &str) -> bool {
    id.strip_prefix(word).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// True if a word chooses anything.
#[must_use]
pub fn is_known(word: &str) -> bool {
    IDS.iter().any(|id| covers(word, id))
}

/// What was probably meant by a word that chooses nothing.
#[must_use]
pub fn suggestion(word: &str) -> Option<&'static str> {
    let areas = IDS.iter().filter_map(|id| id.split_once('.').map(|(area, _)| area));
    IDS.iter()
        .copied()
        .chain(areas)
        .map(|id| (strsim::jaro_winkler(word, id), id))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, id)| id)
}
