//! Our own files.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use super::files::{Openness, chmod, exposure, openness, quoted, secret_file};
use super::{By, Check, Context};
use crate::domain::{Finding, Place, Repair, Severity};

pub(super) const CHECKS: &[Check] = &[
    Check { id: "own.config-permissions", about: "access to monitor.toml", by: By::Doctor(config) },
    Check { id: "own.state-permissions", about: "access to our state directory", by: By::Doctor(state) },
];

fn config(context: &Context<'_>) -> Vec<Finding> {
    let path = &context.own.config;
    let Ok(meta) = fs::metadata(path) else { return Vec::new() };
    let mode = meta.mode() & 0o7777;
    let finding = |severity, message: String, fix: String| {
        let finding = Finding::new("own.config-permissions", severity, message, fix).at(Place::file(path));
        let ours = meta.uid() == context.uid;
        vec![if ours { finding.mended_by(Repair::Close { path: path.clone(), keep: 0o600 }) } else { finding }]
    };
    if meta.uid() != context.uid && meta.uid() != 0 && context.uid != 0 {
        let message = format!(
            "monitor.toml belongs to user number {}: it can name programs to run, so it is refused.",
            meta.uid()
        );
        return finding(Severity::Critical, message, format!("sudo chown {} {}", context.uid, quoted(path)));
    }
    if mode & 0o022 != 0 {
        let message = format!("monitor.toml has mode {mode:04o}, so others can change it: it is refused.");
        return finding(Severity::Critical, message, chmod("600", path));
    }
    match exposure(path) {
        // It holds references, not secrets; a webhook's address may still be one.
        Some((_, mode)) => {
            let message = format!("monitor.toml has mode {mode:04o}: others can see who is told of what.");
            finding(Severity::Info, message, chmod("600", path))
        }
        None => Vec::new(),
    }
}

fn state(context: &Context<'_>) -> Vec<Finding> {
    let dir = &context.own.state;
    let Ok(meta) = fs::metadata(dir) else { return Vec::new() };
    let mut findings = Vec::new();
    let mode = meta.mode() & 0o7777;
    if let Some(open) = openness(dir, &meta) {
        let severity = match open {
            Openness::Change => Severity::Critical,
            Openness::Look => Severity::Warning,
            Openness::Shielded => Severity::Info,
        };
        let message =
            format!("The monitor's state directory has mode {mode:04o}; it should be open to its owner only.");
        let finding = Finding::new("own.state-permissions", severity, message, chmod("700", dir)).at(Place::file(dir));
        findings.push(finding.mended_by(Repair::Close { path: dir.clone(), keep: 0o700 }));
    }
    if context.uid != 0 && meta.uid() != context.uid {
        let message = format!(
            "The monitor's state directory belongs to user number {}, not to you ({}).",
            meta.uid(),
            context.uid
        );
        let fix = format!("sudo chown -R {} {}", context.uid, quoted(dir));
        findings.push(Finding::new("own.state-permissions", Severity::Warning, message, fix).at(Place::file(dir)));
    }
    let files = ["key", "token", "state.db", "state.db-wal", "state.db-shm"].map(|name| dir.join(name));
    let exposed = |path: &PathBuf| secret_file("own.state-permissions", "A file of the monitor's state", path);
    findings.extend(files.iter().filter_map(exposed));
    findings
}
