//! Directories that nobody can look into. Whether a tool keeps something in one is not known: nothing is made up for it and
//! nothing is taken for gone ([`SourceReport::hidden`]); the directory is said once, not once for each tool.
//!
//! [`SourceReport::hidden`]: crate::domain::SourceReport::hidden

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::{Harvest, Scene, bases, mounted, shell_word};
use crate::cores;
use crate::domain::{Finding, Place, Severity};
use crate::engine::check::STORE_UNREADABLE;
use crate::files;

/// Looks once more at everything that was looked at.
pub(super) fn tell(scene: &Scene<'_>, harvest: &mut Harvest) {
    let mut closed: BTreeSet<PathBuf> = BTreeSet::new();
    let agents = harvest.installations.iter().flat_map(|installation| &installation.agents);
    // What was read says that its directory is open.
    let open: HashSet<&OsStr> =
        agents.filter(|agent| agent.modified.is_some()).map(|agent| agent.agent_dir.as_os_str()).collect();
    for report in &mut harvest.reports {
        let telling = telling(&report.looked, &open);
        let dirs: Vec<PathBuf> =
            cores::for_each(cores::WAITING, &telling, |place| files::closed(place)).into_iter().flatten().collect();
        report.hidden = !dirs.is_empty();
        closed.extend(dirs);
    }
    let said = |dir: &PathBuf| {
        harvest.findings.iter().any(|finding| finding.place.path.as_ref().is_some_and(|path| path.starts_with(dir)))
    };
    let news: Vec<Finding> = closed.iter().filter(|dir| !said(dir)).map(|dir| finding(dir.clone(), scene)).collect();
    harvest.findings.extend(news);
}

/// One place for each directory, as what hides a file hides those beside it; and each that may be a directory itself. A thousand
/// agents have four thousand places.
fn telling<'a>(looked: &'a [PathBuf], open: &HashSet<&'a OsStr>) -> Vec<&'a Path> {
    let mut seen = open.clone();
    let tells = |place: &'a PathBuf| {
        let is_new = match place.extension().and_then(OsStr::to_str) {
            Some("json" | "sqlite") => place.parent().is_some_and(|dir| seen.insert(dir.as_os_str())),
            _ => !mounted::is_default(place),
        };
        (is_new && place.is_absolute()).then_some(place.as_path())
    };
    looked.iter().filter_map(tells).collect()
}

/// What everybody keeps things in may be closed on a machine where nobody has a login there; where only one tool does, it has
/// mostly one.
fn finding(dir: PathBuf, scene: &Scene<'_>) -> Finding {
    let env = scene.env;
    let home = env.home();
    let common = [
        bases::config(env),
        bases::data(env),
        bases::state(env),
        bases::cache(env),
        home.join("Library/Application Support"),
        home,
    ];
    let severity = if common.iter().any(|base| base.starts_with(&dir)) { Severity::Info } else { Severity::Warning };
    let message = format!("{} cannot be looked into: whether there are logins in it is not known", dir.display());
    let fix = format!("Give it back to this user, as root: chown -R USER {}", shell_word(&dir.to_string_lossy()));
    Finding::new(STORE_UNREADABLE, severity, message, fix).at(Place::file(dir))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_place_tells_of_a_directory_of_files() {
        let looked = [
            "/a/agents/x/auth.json",
            "/a/agents/x/auth-state.json",
            "/a/agents",
            "/a/state",
            "/b/store.sqlite",
            "rel.json",
        ]
        .map(PathBuf::from);
        let telling: Vec<_> =
            telling(&looked, &HashSet::new()).into_iter().map(|path| path.to_str().unwrap()).collect();
        assert_eq!(telling, ["/a/agents/x/auth.json", "/a/agents", "/a/state", "/b/store.sqlite"]);
    }
}
