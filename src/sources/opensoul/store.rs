//! One agent's store, wherever its gateway would look: SQLite, `auth-profiles.json`, and what the gateway would import when
//! it has none. Nothing is imported, copied or deleted here; the result is the same as if it had been.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::sqlite;
use crate::domain::{Environment, Finding, Place, Severity, Time};
use crate::engine::check::STORE_UNPARSABLE;
use crate::files;
use crate::formats::auth_store::{self, AuthStore, Damage};
use crate::formats::installation::{AgentStore, Trouble};
use crate::formats::json::{self, Broken};
use crate::sources::shell_word;

/// A JSON store larger than this is not read: ten thousand profiles have three megabytes.
pub const LIMIT: u64 = 16 << 20;

/// Logins of other tools that the gateway mirrors into its store on every read.
/// Those with a source of their own are not said to be damaged here: it says so.
const MIRRORED: [(&str, &str, &str, bool); 2] = [
    ("qwen-portal:qwen-cli", "qwen-portal", ".qwen/oauth_creds.json", true),
    ("minimax-portal:minimax-cli", "minimax-portal", ".minimax/oauth_creds.json", false),
];

/// What all agents of one installation share.
pub struct Shared<'a> {
    /// Our own environment, for `HOME`.
    pub env: &'a Environment,
    /// The directory of `oauth.json`.
    pub oauth_dir: PathBuf,
    /// The shared SQLite store.
    pub shared: PathBuf,
    /// The instant of this observation.
    pub now: Time,
}

/// Reads the store of one agent. `main`: main's store; `None` for main itself.
#[must_use]
pub fn read(agent: &str, agent_dir: PathBuf, place: &Shared<'_>, main: Option<&AuthStore>) -> AgentStore {
    let mut out = AgentStore {
        agent: agent.to_owned(),
        store_path: agent_dir.join("auth-profiles.json"),
        agent_dir,
        ..AgentStore::default()
    };
    if from_sqlite(&mut out, place, main.is_none()) {
        return out;
    }
    let found = from_json(&mut out);
    if !found && main.is_none_or(|main| main.profiles.is_empty()) {
        import(&mut out, place);
    }
    state(&mut out);
    if main.is_none() {
        mirror(&mut out, place);
    } else {
        // Main's mirror shows through; an agent's own copy is renewed only where it has one.
        let own = MIRRORED.iter().any(|(id, ..)| out.store.profile(id).is_some());
        if own {
            mirror(&mut out, place);
        }
    }
    out
}

/// True if this agent's store is in SQLite.
fn from_sqlite(out: &mut AgentStore, place: &Shared<'_>, main: bool) -> bool {
    let own = out.agent_dir.join("openclaw-agent.sqlite");
    type Reader = fn(&Path) -> Result<sqlite::Rows, files::Trouble>;
    let shared = main.then_some((place.shared.clone(), sqlite::shared as Reader));
    for (path, reader) in shared.into_iter().chain([(own, sqlite::agent as Reader)]) {
        if path.symlink_metadata().is_err() {
            continue;
        }
        match reader(&path) {
            Ok(sqlite::Rows { store: Some(store), state, stale }) => {
                if stale {
                    out.findings
                        .push(super::super::sqlite::stale(&path, "start the gateway once: it completes the database"));
                }
                out.modified = files::modified(&path);
                out.store_path = path;
                take(out, &store);
                if let Some(state) = state {
                    take_state(out, &state);
                }
                return true;
            }
            Ok(_) => {}
            Err(trouble) => {
                out.store_path = path;
                whole(
                    out,
                    &trouble,
                    "Check the file and its owner, start the gateway once, or restore it from a backup.",
                );
                return true;
            }
        }
    }
    false
}

/// Files of the JSON era. Beside a SQLite store every command of that gateway that reads credentials fails.
const JSON_ERA: [&str; 3] = ["auth-profiles.json", "auth-state.json", "auth.json"];

/// Says which of them lie in the directory of an agent whose gateway (`word`) keeps its credentials in SQLite.
pub fn legacy_json(out: &mut AgentStore, word: &str, state_dir: &Path) {
    for path in JSON_ERA.map(|name| out.agent_dir.join(name)).into_iter().filter(|path| path.is_file()) {
        let message = format!(
            "{word} keeps its credentials in SQLite here; as long as this file lies beside it, every {word} command that reads \
             credentials fails"
        );
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let copy = state_dir.with_file_name(format!("{word}-{}-{name}", out.agent));
        let fix = format!(
            "Keep a copy and, while online (offline it can destroy logins), import it: cp -p {} {} && {word} doctor --fix",
            shell_word(&path.to_string_lossy()),
            shell_word(&copy.to_string_lossy()),
        );
        out.findings.push(Finding::new("store.legacy-json", Severity::Critical, message, fix).at(Place::file(&path)));
    }
}

/// The files that are read beside a store, or would be in its place, whether or not they exist: of one agent.
pub fn beside(agent: &AgentStore) -> impl Iterator<Item = PathBuf> + '_ {
    let store = agent.store_path.file_name();
    let names = JSON_ERA.into_iter().chain(["openclaw-agent.sqlite"]);
    names.filter(move |name| store != Some(OsStr::new(name))).map(|name| agent.agent_dir.join(name))
}

/// The same of all agents.
pub fn beside_all(place: &Shared<'_>) -> Vec<PathBuf> {
    let mut all = vec![place.oauth_dir.join("oauth.json"), place.shared.clone()];
    all.extend(MIRRORED.map(|(_, _, relative, _)| place.env.home().join(relative)));
    all
}

/// True if a valid store was read. A damaged one counts as none, as in the gateway.
fn from_json(out: &mut AgentStore) -> bool {
    match files::read(&out.store_path, LIMIT) {
        Ok(None) => false,
        Ok(Some(contents)) => {
            out.modified = contents.modified;
            take(out, &contents.text)
        }
        Err(trouble) => {
            let fix = "make it a readable file of this user, or move it away and enter the credentials again";
            whole(out, &trouble, fix);
            false
        }
    }
}

/// The whole store is lost.
fn whole(out: &mut AgentStore, trouble: &files::Trouble, fix: &str) {
    out.trouble = Some(if trouble.unparsable { Trouble::Unparsable } else { Trouble::Unreadable });
    let mut finding = trouble.finding(&out.store_path, fix);
    finding.severity = Severity::Critical;
    finding.message = format!("the credential store {}", trouble.why);
    out.findings.push(finding);
}

fn take(out: &mut AgentStore, text: &str) -> bool {
    match auth_store::parse(text) {
        Ok(parsed) => {
            out.store = parsed.store;
            report(out, parsed.damage);
            true
        }
        Err(broken) => {
            lost(out, &broken);
            false
        }
    }
}

fn lost(out: &mut AgentStore, broken: &Broken) {
    out.trouble = Some(Trouble::Unparsable);
    let path = out.store_path.clone();
    let message = format!("the credential store {}", broken.message);
    let fix = "restore it from a backup, or move it away and enter the credentials again; do not start the gateway before: it may overwrite it";
    let place = Place::file(path).at(broken.line, broken.column);
    out.findings.push(Finding::new(STORE_UNPARSABLE, Severity::Critical, message, fix).at(place));
}

fn report(out: &mut AgentStore, damage: Vec<Damage>) {
    let path = out.store_path.clone();
    report_in(out, &path, damage);
}

fn report_in(out: &mut AgentStore, path: &Path, damage: Vec<Damage>) {
    for Damage { path: key, at, message, fix } in damage {
        let place = Place::file(path).key(key.join("."));
        let place = at.map_or(place.clone(), |(line, column)| place.at(line, column));
        out.findings.push(Finding::new("store.damaged-profile", Severity::Warning, message, fix).at(place));
    }
}

/// The split-off state beside a JSON store.
fn state(out: &mut AgentStore) {
    let path = out.agent_dir.join("auth-state.json");
    match files::read(&path, LIMIT) {
        Ok(Some(contents)) => take_state_at(out, &contents.text, &path),
        Ok(None) => {}
        Err(trouble) => out.findings.push(side_file(&path, &trouble.why, trouble.at)),
    }
}

fn take_state(out: &mut AgentStore, text: &str) {
    let path = out.store_path.clone();
    take_state_at(out, text, &path);
}

fn take_state_at(out: &mut AgentStore, text: &str, path: &Path) {
    match auth_store::add_state(&mut out.store, text) {
        Ok(damage) => report_in(out, path, damage),
        Err(broken) => out.findings.push(side_file(path, &broken.message, Some((broken.line, broken.column)))),
    }
}

fn side_file(path: &Path, why: &str, at: Option<(usize, usize)>) -> Finding {
    let message = format!("the file {why}; what it says about order, cooldowns and logins is not known");
    let place = Place::file(path);
    let place = at.map_or(place.clone(), |(line, column)| place.at(line, column));
    Finding::new("store.damaged-side-file", Severity::Warning, message, "correct the file, or move it away").at(place)
}

/// The legacy files that the gateway would import.
fn import(out: &mut AgentStore, place: &Shared<'_>) {
    type Importer = fn(&mut AuthStore, &str) -> Result<Vec<Damage>, Broken>;
    let files: [(PathBuf, Importer); 2] = [
        (out.agent_dir.join("auth.json"), auth_store::import_auth_json),
        (place.oauth_dir.join("oauth.json"), auth_store::import_oauth_json),
    ];
    for (path, importer) in files {
        let before = out.store.profiles.len();
        match files::read(&path, LIMIT) {
            Ok(None) => continue,
            Err(trouble) => out.findings.push(side_file(&path, &trouble.why, trouble.at)),
            Ok(Some(contents)) => match importer(&mut out.store, &contents.text) {
                Err(broken) => out.findings.push(side_file(&path, &broken.message, Some((broken.line, broken.column)))),
                Ok(damage) => {
                    report_in(out, &path, damage);
                    for profile in &out.store.profiles[before..] {
                        out.imported.insert(profile.id.clone(), path.clone());
                    }
                    out.modified = out.modified.max(contents.modified);
                }
            },
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of this century are exact")]
fn mirror(out: &mut AgentStore, place: &Shared<'_>) {
    for (id, provider, relative, has_source) in MIRRORED {
        let path = place.env.home().join(relative);
        let text: Zeroizing<String> = match files::if_seen(files::read(&path, LIMIT)) {
            Ok(Some(contents)) => contents.text,
            Ok(None) => continue,
            Err(_) if has_source => continue,
            Err(trouble) => {
                out.findings.push(side_file(&path, &trouble.why, trouble.at));
                continue;
            }
        };
        if let Err(broken) = json::parse(&text) {
            if has_source {
                continue;
            }
            out.findings.push(side_file(&path, &broken.message, Some((broken.line, broken.column))));
            continue;
        }
        if auth_store::mirror_login(&mut out.store, id, provider, &text, place.now.timestamp_millis() as f64) {
            out.imported.insert(id.to_owned(), path);
        }
    }
}
