//! Which program a person gets who types `opensoul`.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::{By, Check, Context};
use crate::domain::{Finding, Place, Severity};

pub(super) const CHECKS: &[Check] =
    &[Check { id: "path.shadowed", about: "other programs named opensoul in PATH", by: By::Doctor(shadowed) }];

fn shadowed(context: &Context<'_>) -> Vec<Finding> {
    let (true, Some(us)) = (context.interactive, &context.program.exe) else { return Vec::new() };
    let us = us.canonicalize().unwrap_or_else(|_| us.clone());
    let all = executables("opensoul", context.env.get("PATH").unwrap_or_default());
    let Some(other) = all.iter().find(|path| real(path) != us) else { return Vec::new() };
    let ours = all.iter().position(|path| real(path) == us);
    let first_is_ours = ours == Some(0);
    let (severity, message, fix) = if first_is_ours {
        (
            Severity::Info,
            format!(
                "There is another `opensoul`: {}. This program comes first in PATH and wins; it hands every command that is \
                 not its own to that one.",
                other.display()
            ),
            format!("Nothing, if that is the gateway's own program; otherwise remove {}.", other.display()),
        )
    } else {
        let dir = us.parent().unwrap_or(Path::new("/")).display();
        (
            // Not in PATH by this name at all: somebody chose to call it otherwise.
            if ours.is_some() { Severity::Warning } else { Severity::Info },
            format!("`opensoul` runs {}, not this program ({}).", other.display(), us.display()),
            format!("Call this one opensoul-monitor, or put its directory first: export PATH='{dir}':\"$PATH\""),
        )
    };
    vec![Finding::new("path.shadowed", severity, message, fix).at(Place::file(other))]
}

fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// Every executable of that name in `PATH` order, each file once.
fn executables(name: &str, path: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    for dir in std::env::split_paths(path).filter(|dir| dir.is_absolute()) {
        let candidate = dir.join(name);
        let runs = candidate.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0);
        if runs && !found.iter().any(|seen| real(seen) == real(&candidate)) {
            found.push(candidate);
        }
    }
    found
}
