//! Files with secrets that others can read or change, and files that belong to somebody else.

use std::ffi::OsString;
use std::fs::{self, DirEntry, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{By, Check, Context, locks};
use crate::cores::{self, WAITING};
use crate::domain::{Assessed, Finding, Owner, Place, Repair, Severity};
use crate::formats::installation::{AgentStore, Installation};

pub(super) const CHECKS: &[Check] = &[
    Check { id: "state.permissions", about: "access to the gateway's state directory", by: By::Doctor(state_dir) },
    Check { id: "state.owner", about: "owner of the gateway's files", by: By::Doctor(owner) },
    Check { id: "config.permissions", about: "access to the gateway's config and its backups", by: By::Doctor(config) },
    Check { id: "store.permissions", about: "access to the gateway's auth stores", by: By::Doctor(stores) },
    Check { id: "dotenv.permissions", about: "access to .env files with keys", by: By::Doctor(dotenv) },
    Check { id: "sessions.permissions", about: "access to the gateway's sessions", by: By::Doctor(sessions) },
    Check { id: "login.permissions", about: "access to the login files of tools", by: By::Doctor(logins) },
];

/// Who, beside its owner, can read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Exposure {
    /// Nobody; but its own mode would let others, if it were copied or its directory opened.
    Shielded,
    /// A group.
    Group,
    /// Every user.
    World,
}

/// `None`: the file is not there, or its mode gives others nothing. Links are followed: what they point to holds the secret.
pub(super) fn exposure(path: &Path) -> Option<(Exposure, u32)> {
    exposed(path, fs::metadata(path).ok()?.mode() & 0o7777)
}

fn exposed(path: &Path, mode: u32) -> Option<(Exposure, u32)> {
    if mode & 0o044 == 0 {
        return None;
    }
    let path = path.canonicalize().ok()?;
    let exposure = if mode & 0o004 != 0 && lets_through(&path, EVERYBODY) {
        Exposure::World
    } else if mode & 0o040 != 0 && lets_through(&path, GROUP) {
        Exposure::Group
    } else {
        Exposure::Shielded
    };
    Some((exposure, mode))
}

/// The bits by which a directory lets every user through, and its group.
const EVERYBODY: u32 = 0o001;
const GROUP: u32 = 0o011;

/// Whether each directory on the way to a real path lets such users through.
fn lets_through(path: &Path, bit: u32) -> bool {
    path.ancestors().skip(1).all(|dir| fs::metadata(dir).is_ok_and(|meta| meta.mode() & bit != 0))
}

/// What others can do in a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Openness {
    /// Nothing, only because of the directories around it.
    Shielded,
    /// Look into it.
    Look,
    /// Replace what is in it.
    Change,
}

/// `None`: its mode gives others nothing. A group with the number of its user is that user's own, as Debian makes them.
pub(super) fn openness(dir: &Path, meta: &Metadata) -> Option<Openness> {
    let mode = meta.mode();
    if mode & 0o077 == 0 {
        return None;
    }
    let dir = dir.canonicalize().ok()?;
    let (everybody, group) = (lets_through(&dir, EVERYBODY), meta.gid() != meta.uid() && lets_through(&dir, GROUP));
    let may = |bits: u32| (mode & bits & 0o007 != 0 && everybody) || (mode & bits & 0o070 != 0 && group);
    Some(match (may(0o022), may(0o055)) {
        (true, _) => Openness::Change,
        (false, true) => Openness::Look,
        (false, false) => Openness::Shielded,
    })
}

/// A finding for a file whose content is secret.
pub(super) fn secret_file(id: &str, what: &str, path: &Path) -> Option<Finding> {
    // A directory in its place is no file to close: it could not be entered any more.
    let found = fs::metadata(path).ok().filter(|found| !found.is_dir())?;
    secret_with_mode(id, what, path, found.mode() & 0o7777)
}

fn secret_with_mode(id: &str, what: &str, path: &Path, mode: u32) -> Option<Finding> {
    let (exposure, mode) = exposed(path, mode)?;
    let (severity, who) = match exposure {
        Exposure::World => (Severity::Critical, "every user of this machine can read it"),
        Exposure::Group => (Severity::Warning, "its group can read it"),
        Exposure::Shielded => {
            (Severity::Info, "only the mode of its directory keeps others out, and a copy would keep this mode")
        }
    };
    let message = format!("{what} has mode {mode:04o}: {who}.");
    let finding = Finding::new(id, severity, message, chmod("600", path)).at(Place::file(path));
    Some(finding.mended_by(Repair::Close { path: path.to_owned(), keep: 0o600 }))
}

/// The same for what is private and opens no account: one step less.
fn private_file(id: &str, what: &str, path: &Path) -> Option<Finding> {
    secret_file(id, what, path).map(|mut finding| {
        finding.severity = finding.severity.min(Severity::Warning);
        finding
    })
}

pub(super) fn chmod(mode: &str, path: &Path) -> String {
    format!("chmod {mode} {}", quoted(path))
}

/// A path as a shell takes it.
pub(super) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@,".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

fn entries(dir: &Path) -> impl Iterator<Item = DirEntry> {
    fs::read_dir(dir).into_iter().flatten().flatten()
}

fn is_file(entry: &DirEntry) -> bool {
    match entry.file_type() {
        Ok(kind) if kind.is_symlink() => entry.path().is_file(),
        kind => kind.is_ok_and(|kind| kind.is_file()),
    }
}

fn named(dir: &Path, wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let wanted = |entry: &DirEntry| entry.file_name().to_str().is_some_and(&wanted) && is_file(entry);
    let mut paths: Vec<PathBuf> = entries(dir).filter(wanted).map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// Each existing installation once, even if two names lead to one directory.
pub(super) fn present<'a>(context: &Context<'a>) -> Vec<&'a Installation> {
    existing(context.installations)
}

fn existing(installations: &[Installation]) -> Vec<&Installation> {
    let mut seen = Vec::new();
    let mut chosen_first: Vec<&Installation> = installations.iter().collect();
    chosen_first.sort_by_key(|i| !i.chosen);
    chosen_first.retain(|installation| {
        let Ok(real) = installation.state_dir.canonicalize() else { return false };
        let new = !seen.contains(&real);
        seen.push(real);
        new
    });
    chosen_first
}

/// What lies in the directories of one installation and its agents, looked at once, whatever the number of checks.
pub struct Surveyed<'a> {
    pub(super) installation: &'a Installation,
    /// Its files that hold credentials.
    pub(super) files: Vec<Stored>,
    /// The directories of its agents.
    pub(super) dirs: Vec<AgentDir<'a>>,
    /// The directories of its sessions, of which something is to be told.
    pub(super) sessions: Vec<Sessions>,
}

/// A directory of sessions.
pub(super) struct Sessions {
    dir: PathBuf,
    /// How many files in it others can read.
    open: usize,
    /// Where the lock of its list is, if there is one.
    pub lock: Option<PathBuf>,
}

/// The directory of an agent.
pub(super) struct AgentDir<'a> {
    pub path: &'a Path,
    /// Whose it is; `None` if it is not there.
    uid: Option<u32>,
    /// It is there, and we cannot write to it.
    pub closed: bool,
    /// Where the lock of its store is, if there is one.
    pub lock: Option<PathBuf>,
}

/// Looks at every installation that is there.
#[must_use]
pub fn survey(installations: &[Installation]) -> Vec<Surveyed<'_>> {
    let one = |installation| {
        let (files, dirs) = of_agents(installation);
        Surveyed { installation, files: store_files(installation, files), dirs, sessions: sessions_of(installation) }
    };
    existing(installations).into_iter().map(one).collect()
}

/// The same, if nobody has looked yet.
pub(super) fn surveyed<'c, 'a>(context: &'c Context<'a>) -> &'c [Surveyed<'a>] {
    context.surveyed.get_or_init(|| survey(context.installations))
}

/// A file of a gateway that holds credentials.
pub struct Stored {
    /// Where it is.
    pub path: PathBuf,
    /// Who may read it; `None` if that cannot be seen.
    mode: Option<u32>,
    /// Whose it is.
    uid: Option<u32>,
}

impl From<PathBuf> for Stored {
    fn from(path: PathBuf) -> Self {
        let meta = fs::metadata(&path).ok();
        Self { path, mode: meta.as_ref().map(|meta| meta.mode() & 0o7777), uid: meta.map(|meta| meta.uid()) }
    }
}

/// Of each agent its files that hold credentials, and its directory: listed once, so that nobody asks for what is not there.
fn of_agents(installation: &Installation) -> (Vec<Vec<Stored>>, Vec<AgentDir<'_>>) {
    let (files, dirs) = cores::for_each(WAITING, &installation.agents, of_agent).into_iter().unzip();
    (files, dirs)
}

fn of_agent(agent: &AgentStore) -> (Vec<Stored>, AgentDir<'_>) {
    let wanted = |name: &str| {
        name.starts_with("auth-profiles.json") || name.starts_with("openclaw-agent.sqlite") || name == "auth.json"
    };
    let path = agent.agent_dir.as_path();
    let mut files = Vec::new();
    let mut lock = None;
    for entry in entries(path) {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        if locks::concerns(&entry, name, locks::STORE) {
            lock = Some(locks::beside(&path.join(locks::STORE)));
        }
        if wanted(name) && is_file(&entry) {
            files.push(entry.path());
        }
    }
    let files = files.into_iter().map(Stored::from).collect();
    let meta = fs::metadata(path).ok();
    let closed = is_closed(path, meta.as_ref());
    (files, AgentDir { path, uid: meta.map(|meta| meta.uid()), closed, lock })
}

/// A directory that is there and that we cannot write to.
pub(super) fn is_closed(dir: &Path, meta: Option<&Metadata>) -> bool {
    meta.is_some_and(Metadata::is_dir) && rustix::fs::access(dir, rustix::fs::Access::WRITE_OK).is_err()
}

fn store_files(installation: &Installation, of_agents: Vec<Vec<Stored>>) -> Vec<Stored> {
    let mut files: Vec<PathBuf> = Vec::new();
    files.extend(named(&installation.state_dir.join("state"), |name| name.starts_with("openclaw.sqlite")));
    files.extend(named(&installation.state_dir.join("credentials"), |name| name.ends_with(".json")));
    let mut files: Vec<Stored> = of_agents.into_iter().flatten().chain(files.into_iter().map(Stored::from)).collect();
    files.retain(|file| file.path.extension().is_none_or(|e| e != "lock"));
    files.sort_by(|one, other| one.path.cmp(&other.path));
    files.dedup_by(|one, other| one.path == other.path);
    files
}

fn config_files(installation: &Installation) -> Vec<PathBuf> {
    let config = &installation.config_path;
    let (Some(dir), Some(name)) = (config.parent(), config.file_name().and_then(|n| n.to_str())) else {
        return Vec::new();
    };
    let backup = format!("{name}.bak");
    named(dir, |file| file == name || file.starts_with(&backup))
}

fn state_dir(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for installation in present(context) {
        let dir = &installation.state_dir;
        let Ok(meta) = fs::metadata(dir) else { continue };
        let (severity, who) = match openness(dir, &meta) {
            Some(Openness::Change) => (Severity::Critical, "others can replace the files in it"),
            Some(Openness::Look) => (Severity::Info, "others can look into it"),
            Some(Openness::Shielded) => (Severity::Info, "only the directories around it keep others out"),
            None => continue,
        };
        let mode = meta.mode() & 0o7777;
        let message = format!("The state directory has mode {mode:04o}: {who}.");
        let finding = Finding::new("state.permissions", severity, message, chmod("700", dir)).at(Place::file(dir));
        findings.push(finding.mended_by(Repair::Close { path: dir.clone(), keep: 0o700 }));
    }
    findings
}

fn owner(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for Surveyed { installation, files, dirs, .. } in surveyed(context) {
        let dir = &installation.state_dir;
        let Ok(expected) = fs::metadata(dir).map(|meta| meta.uid()) else { continue };
        let of = |path: &Path| Some((path.to_owned(), fs::metadata(path).ok()?.uid()));
        let known = files.iter().filter_map(|file| Some((file.path.as_path(), file.uid?)));
        let dirs = dirs.iter().filter_map(|dir| Some((dir.path, dir.uid?)));
        let foreign: Vec<(PathBuf, u32)> = [of(&installation.config_path), of(&dir.join(".env"))]
            .into_iter()
            .flatten()
            .chain(known.chain(dirs).filter(|(_, uid)| *uid != expected).map(|(path, uid)| (path.to_owned(), uid)))
            .filter(|(_, uid)| *uid != expected)
            .collect();
        let fix = |path: &Path| format!("sudo chown -R --reference={} {}", quoted(dir), quoted(path));
        if expected != context.uid && context.uid != 0 {
            let message =
                format!("The state directory belongs to user number {expected}, not to you ({}).", context.uid);
            let fix = format!("sudo chown -R {} {}", context.uid, quoted(dir));
            findings.push(Finding::new("state.owner", Severity::Warning, message, fix).at(Place::file(dir)));
        }
        for (path, uid) in foreign {
            let message = format!(
                "A file of the gateway belongs to user number {uid}, the directory around it to {expected}: the gateway may be unable to read or \
                 renew it (a command was probably run with sudo)."
            );
            findings.push(Finding::new("state.owner", Severity::Warning, message, fix(&path)).at(Place::file(&path)));
        }
    }
    findings
}

fn config(context: &Context<'_>) -> Vec<Finding> {
    let files = present(context).into_iter().flat_map(config_files);
    files
        .filter_map(|path| {
            let backup = path.extension().is_none_or(|e| e != "json" && e != "json5");
            let what = if backup { "A backup of the gateway's config" } else { "The gateway's config" };
            private_file("config.permissions", what, &path)
        })
        .collect()
}

fn stores(context: &Context<'_>) -> Vec<Finding> {
    let files = surveyed(context).iter().flat_map(|one| &one.files);
    let open = |file: &Stored| secret_with_mode("store.permissions", "A file with credentials", &file.path, file.mode?);
    files.filter_map(open).collect()
}

fn dotenv(context: &Context<'_>) -> Vec<Finding> {
    let ours: Vec<PathBuf> = present(context).into_iter().map(|i| i.state_dir.join(".env")).collect();
    let origins = context.snapshot.credentials.iter().map(|a| &a.credential.origin);
    let of_source = origins.filter(|o| o.source == "dotenv").filter_map(|o| o.path.as_deref().map(Path::to_owned));
    let mut others: Vec<PathBuf> = of_source.filter(|path| !ours.contains(path)).collect();
    others.sort();
    others.dedup();
    let finding = |path: &PathBuf| secret_file("dotenv.permissions", "A .env file", path);
    // An application's file may be its group's on purpose, and no hand of ours touches it.
    let of_an_application = |path: &PathBuf| {
        let mut finding = Finding { repair: None, ..finding(path)? };
        if finding.severity == Severity::Warning {
            finding.severity = Severity::Info;
            finding.fix = format!("{} (unless its group is meant to read it)", finding.fix);
        }
        Some(finding)
    };
    ours.iter().filter_map(finding).chain(others.iter().filter_map(of_an_application)).collect()
}

fn sessions_of(installation: &Installation) -> Vec<Sessions> {
    let all = installation.state_dir.join("agents");
    let mut agents: Vec<OsString> = entries(&all).map(|entry| entry.file_name()).collect();
    agents.sort_unstable();
    let of_agent = |agent: &OsString| {
        let dir = all.join(agent).join("sessions");
        let (mut open, mut lock) = (0, None);
        for entry in entries(&dir) {
            if entry.file_name().to_str().is_some_and(|name| locks::concerns(&entry, name, locks::SESSIONS)) {
                lock = Some(locks::beside(&dir.join(locks::SESSIONS)));
            }
            let others_read = || exposure(&entry.path()).is_some_and(|(exposure, _)| exposure > Exposure::Shielded);
            open += usize::from(is_file(&entry) && others_read());
        }
        (open > 0 || lock.is_some()).then_some(Sessions { dir, open, lock })
    };
    cores::for_each(WAITING, &agents, of_agent).into_iter().flatten().collect()
}

fn sessions(context: &Context<'_>) -> Vec<Finding> {
    // One finding a directory: a hundred open transcripts are one problem.
    let one = |Sessions { dir, open, .. }: &Sessions| {
        let message = format!("Other users can read {open} files of sessions (conversations).");
        let fix = format!("chmod -R go= {}", quoted(dir));
        let repair = Repair::CloseFilesIn { path: dir.clone(), keep: 0o600 };
        Finding::new("sessions.permissions", Severity::Warning, message, fix).at(Place::file(dir)).mended_by(repair)
    };
    surveyed(context).iter().flat_map(|seen| &seen.sessions).filter(|sessions| sessions.open > 0).map(one).collect()
}

fn logins(context: &Context<'_>) -> Vec<Finding> {
    let of_tools = |a: &&Assessed| matches!(a.credential.owner, Owner::Tool | Owner::Secondhand);
    let tools = context.snapshot.credentials.iter().filter(of_tools);
    let mut files: Vec<PathBuf> =
        tools.filter_map(|a| a.credential.origin.path.as_deref().map(Path::to_owned)).collect();
    files.sort();
    files.dedup();
    // The files of other tools are theirs: no hand of ours touches them.
    let of_a_tool = |path: &PathBuf| secret_file("login.permissions", "A login file", path);
    files.iter().filter_map(of_a_tool).map(|finding| Finding { repair: None, ..finding }).collect()
}
