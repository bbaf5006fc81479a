//! The gateway's state directories: how many, whether they can be used, and what must not lie in them.

use std::path::PathBuf;

use super::files::{Stored, is_closed, present, quoted, surveyed};
use super::{By, Check, Context};
use crate::domain::{Finding, Place, Severity};
use crate::formats::installation::Installation;

pub(super) const CHECKS: &[Check] = &[
    Check { id: "state.several-dirs", about: "several state directories", by: By::Doctor(several) },
    Check { id: "state.not-writable", about: "whether the gateway can write its files", by: By::Doctor(not_writable) },
    Check {
        id: "store.archived-secrets",
        about: "archives with credentials in plain text",
        by: By::Doctor(archived_secrets),
    },
];

fn several(context: &Context<'_>) -> Vec<Finding> {
    let present = present(context);
    let Some((used, others)) = present.split_first().filter(|(_, others)| !others.is_empty()) else {
        return Vec::new();
    };
    let holds = |i: &&Installation| i.sqlite || i.agents.iter().any(|a| a.store_path.is_file());
    let severity = if others.iter().any(holds) { Severity::Warning } else { Severity::Info };
    let list: Vec<String> = others.iter().map(|i| i.state_dir.display().to_string()).collect();
    let message = format!(
        "There are {} state directories. The gateway uses {}; what is written to {} does not reach it.",
        present.len(),
        used.state_dir.display(),
        list.join(", ")
    );
    let moves: Vec<String> = others
        .iter()
        .map(|i| format!("mv {} {}", quoted(&i.state_dir), quoted(&with_suffix(&i.state_dir, ".old"))))
        .collect();
    let fix = format!(
        "Keep one. If {} is right: {}. Otherwise choose with OPENSOUL_STATE_DIR.",
        used.state_dir.display(),
        moves.join(" && ")
    );
    vec![Finding::new("state.several-dirs", severity, message, fix).at(Place::file(&used.state_dir))]
}

fn with_suffix(path: &std::path::Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn not_writable(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    // Only of the one in use, and not under systemd, where a read-only home is our own hardening.
    for seen in surveyed(context).iter().filter(|seen| seen.installation.chosen && context.interactive) {
        let state_dir = seen.installation.state_dir.as_path();
        let own = is_closed(state_dir, state_dir.metadata().ok().as_ref()).then_some(state_dir);
        for dir in own.into_iter().chain(seen.dirs.iter().filter(|dir| dir.closed).map(|dir| dir.path)) {
            let message = "The gateway's directory cannot be written: renewed tokens cannot be stored there.";
            let fix = format!(
                "chmod u+rwx {dir}; if it belongs to somebody else: sudo chown -R {} {dir}",
                context.uid,
                dir = quoted(dir)
            );
            findings.push(Finding::new("state.not-writable", Severity::Critical, message, fix).at(Place::file(dir)));
        }
    }
    findings
}

fn archived_secrets(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for seen in surveyed(context) {
        for Stored { path, .. } in &seen.files {
            let archive = path.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.contains(".json.migrated-"));
            if archive {
                let message =
                    "An archive of the old store, with every credential in plain text, was left by the import.";
                let fix = format!("When the imported logins work: rm {}", quoted(path));
                findings
                    .push(Finding::new("store.archived-secrets", Severity::Info, message, fix).at(Place::file(path)));
            }
        }
    }
    findings
}
