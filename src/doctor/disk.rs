//! Room on the disks that the gateway and the monitor write to. Without it a renewed token is lost and an alert is kept in
//! memory only.

use std::path::{Path, PathBuf};

use super::{By, Check, Context};
use crate::domain::{Finding, Place, Severity};

pub(super) const CHECKS: &[Check] =
    &[Check { id: "disk.full", about: "room where the gateway and the monitor write", by: By::Doctor(full) }];

const MIB: u64 = 1 << 20;

/// What a file system has left for a user.
#[derive(Clone, Copy, Debug)]
struct Room {
    bytes: u64,
    /// Files that can still be made; `None`: it does not count them.
    files: Option<u64>,
}

/// Absolute, not a share: a store has kilobytes, and a large disk with a hundredth left has room for years.
fn judge(room: Room) -> Option<(Severity, String)> {
    let left = match room {
        Room { files: Some(0), .. } => {
            return Some((Severity::Critical, "no file can be made there any more".to_owned()));
        }
        Room { bytes, .. } if bytes < MIB => return Some((Severity::Critical, "it is full".to_owned())),
        Room { bytes, .. } => bytes / MIB,
    };
    (left < 64).then(|| (Severity::Warning, format!("{left} MiB are left")))
}

fn room(path: &Path) -> Option<Room> {
    let seen = rustix::fs::statvfs(path).ok()?;
    let files = (seen.f_files > 0).then_some(seen.f_favail);
    Some(Room { bytes: seen.f_bavail.saturating_mul(seen.f_frsize), files })
}

fn full(context: &Context<'_>) -> Vec<Finding> {
    let gateway = context.installations.iter().filter(|i| i.chosen).map(|i| &i.state_dir);
    let dirs: Vec<&PathBuf> = gateway.chain([&context.own.state]).filter(|dir| dir.is_dir()).collect();
    let mut findings: Vec<Finding> = Vec::new();
    for dir in dirs {
        let Some((severity, what)) = room(dir).and_then(judge) else { continue };
        let message = format!("The disk of {} has no room: {what}.", dir.display());
        let fix = format!("Free some space there (df -h {0}; df -i {0}).", super::files::quoted(dir));
        findings.push(Finding::new("disk.full", severity, message, fix).at(Place::file(dir)));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_room_is_a_warning_and_none_is_critical() {
        let said = |bytes, files| judge(Room { bytes, files });
        assert_eq!(said(1 << 40, Some(7)), None);
        assert_eq!(said(64 * MIB, None), None);
        assert_eq!(said(63 * MIB, None), Some((Severity::Warning, "63 MiB are left".to_owned())));
        assert_eq!(said(4096, None), Some((Severity::Critical, "it is full".to_owned())));
        assert_eq!(said(1 << 40, Some(0)).map(|(severity, _)| severity), Some(Severity::Critical));
    }

    #[test]
    fn a_real_disk_is_looked_at() {
        assert!(room(Path::new("/")).is_some_and(|room| room.bytes > 0));
        assert!(room(Path::new("/nonexistent")).is_none());
    }
}
