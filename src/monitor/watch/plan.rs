//! Which directories to watch, and which names in them matter, so that a change of some paths is noticed.
//!
//! On the way to a path, every symbolic link is watched where it stands (a Kubernetes secret is switched by renaming the link
//! `..data`), and in the end the directory of the file; of what does not exist yet, the nearest directory that does.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

/// Links in a circle end here, as they do for the system.
const LINKS: usize = 40;

/// Databases are written through another file, which stays open.
const DATABASES: [&str; 4] = ["sqlite", "sqlite3", "db", "vscdb"];

/// What happened to a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// Something was written, and its writer may go on.
    Write,
    /// A writer closed it, or it got another owner or mode.
    Touch,
    /// It appeared, vanished or was replaced.
    Other,
}

/// What matters in one directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Names {
    /// Everything does.
    pub all: bool,
    /// These.
    pub some: BTreeSet<OsString>,
    /// Of these even each single write, because they are not closed after it.
    pub open: BTreeSet<OsString>,
}

impl Names {
    pub(super) fn matters(&self, name: &OsStr, what: What) -> bool {
        match what {
            What::Write => self.open.contains(name),
            // Whoever only reads a database opens its log for writing all the same (and as root sets its owner); so do we.
            What::Touch => !self.open.contains(name) && (self.all || self.some.contains(name)),
            What::Other => self.all || self.some.contains(name) || self.open.contains(name),
        }
    }

    pub(super) fn join(&mut self, other: &Self) {
        self.all |= other.all;
        self.some.extend(other.some.iter().cloned());
        self.open.extend(other.open.iter().cloned());
    }
}

/// What to watch for these paths. Looks at the file system and never fails: what cannot be looked at is watched up to there.
pub(super) fn plan<'p>(paths: impl IntoIterator<Item = &'p Path>) -> BTreeMap<PathBuf, Names> {
    let mut plan = BTreeMap::new();
    for path in paths {
        trail(path, &mut plan);
    }
    plan
}

fn trail(path: &Path, plan: &mut BTreeMap<PathBuf, Names>) {
    let mut here = PathBuf::from("/");
    let mut rest: VecDeque<OsString> = names_of(path).collect();
    let mut links = 0;
    while let Some(name) = rest.pop_front() {
        if name == ".." {
            here.pop();
            continue;
        }
        let next = here.join(&name);
        match next.symlink_metadata() {
            Ok(facts) if facts.is_dir() => {
                here = next;
                if rest.is_empty() {
                    plan.entry(here.clone()).or_default().all = true;
                }
            }
            Ok(facts) if facts.is_symlink() => {
                plan.entry(here.clone()).or_default().some.insert(name);
                links += 1;
                let Ok(target) = next.read_link() else { return };
                if links > LINKS {
                    return;
                }
                if target.is_absolute() {
                    here = PathBuf::from("/");
                }
                for name in names_of(&target).collect::<Vec<_>>().into_iter().rev() {
                    rest.push_front(name);
                }
            }
            // The file, or the first that is not there (yet).
            _ => {
                let names = plan.entry(here).or_default();
                if Path::new(&name).extension().is_some_and(|end| DATABASES.iter().any(|one| end == *one)) {
                    let mut log = name.clone();
                    log.push("-wal");
                    names.open.insert(log);
                }
                names.some.insert(name);
                return;
            }
        }
    }
}

fn names_of(path: &Path) -> impl Iterator<Item = OsString> {
    path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn every_way_to_a_change() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let make = |path: &str| std::fs::create_dir_all(root.join(path)).unwrap();
        make("tool");
        std::fs::write(root.join("tool/auth.json"), "").unwrap();
        make("dotfiles/tool");
        symlink("../dotfiles/tool/auth.json", root.join("tool/linked.json")).unwrap();
        make("pod/..2026_01_01");
        std::fs::write(root.join("pod/..2026_01_01/token"), "").unwrap();
        symlink("..2026_01_01", root.join("pod/..data")).unwrap();
        symlink("..data/token", root.join("pod/token")).unwrap();
        symlink("circle", root.join("circle")).unwrap();
        let watched = |path: &str| -> Vec<(String, Vec<String>, bool)> {
            let text = |path: &OsStr| path.to_string_lossy().into_owned();
            plan([root.join(path).as_path()])
                .into_iter()
                .filter(|(place, _)| place.starts_with(&root))
                .map(|(place, names)| {
                    let place = text(place.strip_prefix(&root).unwrap().as_os_str());
                    (place, names.some.iter().chain(&names.open).map(|name| text(name)).collect(), names.all)
                })
                .collect()
        };
        let entry = |place: &str, names: &[&str]| {
            (place.to_owned(), names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>(), false)
        };
        assert_eq!(watched("tool/auth.json"), [entry("tool", &["auth.json"])]);
        assert_eq!(watched("tool/../tool/auth.json"), [entry("tool", &["auth.json"])]);
        assert_eq!(watched("tool/later.json"), [entry("tool", &["later.json"])]);
        assert_eq!(watched("tool/a/b/later.json"), [entry("tool", &["a"])], "what is there of it");
        assert_eq!(
            watched("tool/linked.json"),
            [entry("dotfiles/tool", &["auth.json"]), entry("tool", &["linked.json"])],
            "the link and what it leads to"
        );
        assert_eq!(watched("pod/token"), [entry("pod", &["..data", "token"]), entry("pod/..2026_01_01", &["token"])]);
        assert_eq!(watched("tool/auth.json/below"), [entry("tool", &["auth.json"])]);
        assert_eq!(watched("circle"), [entry("", &["circle"])]);
        assert_eq!(watched("tool/x.sqlite"), [entry("tool", &["x.sqlite", "x.sqlite-wal"])]);
        assert_eq!(watched("tool"), [("tool".to_owned(), Vec::new(), true)], "a directory of credentials");
    }

    #[test]
    fn names_that_matter() {
        let names = Names { all: false, some: ["a".into()].into(), open: ["a-wal".into()].into() };
        let matters =
            |name: &str| [What::Write, What::Touch, What::Other].map(|what| names.matters(OsStr::new(name), what));
        assert_eq!(matters("a"), [false, true, true], "a write is not the end of writing");
        assert_eq!(matters("a-wal"), [true, false, true], "readers close it, too");
        assert_eq!(matters("b"), [false, false, false]);
    }
}
