//! Where the gateways keep their things: state directories, config files, agents' directories. Looks only whether something
//! is there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::domain::Environment;
use crate::formats::installation::Family;

/// One state directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    /// Whose.
    pub family: Family,
    /// The directory.
    pub state_dir: PathBuf,
    /// The one that the gateway's own rules choose.
    pub chosen: bool,
    /// Its config, whether or not it exists.
    pub config_path: PathBuf,
}

const CONFIG_NAMES: [&str; 5] = ["opensoul.json", "openclaw.json", "clawdbot.json", "moltbot.json", "moldbot.json"];
const DEFAULTS: [(Family, &str); 5] = [
    (Family::OpenSoul, ".opensoul"),
    (Family::OpenClaw, ".openclaw"),
    (Family::Clawdbot, ".clawdbot"),
    (Family::Moltbot, ".moltbot"),
    (Family::Moltbot, ".moldbot"),
];

/// Every state directory, the chosen one first, whether or not it exists; the others only if they do.
///
/// A directory named by a variable replaces its family's default. Two ways to one directory are one. `preferred` is chosen
/// before the others where it is there.
#[must_use]
pub fn homes(env: &Environment, preferred: Option<Family>) -> Vec<Home> {
    let named: Vec<(Family, PathBuf)> =
        [(Family::OpenSoul, "OPENSOUL_STATE_DIR"), (Family::OpenClaw, "OPENCLAW_STATE_DIR")]
            .into_iter()
            .filter_map(|(family, name)| Some((family, env.expand(env.get(name)?))))
            .collect();
    let mut defaults: Vec<(Family, PathBuf)> =
        DEFAULTS.into_iter().map(|(family, name)| (family, env.home().join(name))).collect();
    // The older gateways have variables of their own, which the newer ones do not heed: they move a default and choose nothing.
    for (family, name) in [(Family::Clawdbot, "CLAWDBOT_STATE_DIR"), (Family::Moltbot, "MOLTBOT_STATE_DIR")] {
        if let Some(dir) = env.get(name).map(|dir| env.expand(dir)) {
            defaults.retain(|(other, _)| *other != family);
            defaults.push((family, dir));
        }
    }
    let existing = |dir: &Path| dir.is_dir();
    let usual = || named.first().or_else(|| defaults.iter().find(|(_, dir)| existing(dir)));
    let wanted = || {
        let candidates = if named.is_empty() { defaults.iter() } else { named.iter() };
        candidates.filter(|(family, _)| Some(*family) == preferred).find(|(_, dir)| existing(dir))
    };
    let wanted = wanted();
    let chosen = wanted.or_else(usual).unwrap_or(&defaults[0]).clone();
    let replaced: BTreeSet<Family> = named.iter().map(|(family, _)| *family).collect();
    let others = named.iter().chain(defaults.iter().filter(|(family, _)| !replaced.contains(family)));
    let mut seen: BTreeSet<PathBuf> = BTreeSet::new();
    let mut families = BTreeSet::new();
    let mut homes = Vec::new();
    for (family, dir) in std::iter::once(&chosen).chain(others) {
        let first = homes.is_empty();
        let real = dir.canonicalize().unwrap_or_else(|_| dir.clone());
        if (!first && !existing(dir)) || !seen.insert(real) || !families.insert(*family) {
            continue;
        }
        let config_path = if first {
            chosen_config(env, dir, wanted.is_some() || !named.is_empty(), &defaults)
        } else {
            own_config(*family, dir)
        };
        homes.push(Home { family: *family, state_dir: dir.clone(), chosen: first, config_path });
    }
    homes
}

fn chosen_config(env: &Environment, state_dir: &Path, named: bool, defaults: &[(Family, PathBuf)]) -> PathBuf {
    if let Some(path) = ["OPENSOUL_CONFIG_PATH", "OPENCLAW_CONFIG_PATH"].into_iter().find_map(|name| env.get(name)) {
        return env.expand(path);
    }
    // Who names a directory does not mean another one's config.
    let elsewhere = if named { &[] } else { defaults };
    std::iter::once(state_dir)
        .chain(elsewhere.iter().map(|(_, dir)| dir.as_path()))
        .flat_map(|dir| CONFIG_NAMES.iter().map(move |name| dir.join(name)))
        .find(|path| path.symlink_metadata().is_ok())
        .unwrap_or_else(|| state_dir.join(CONFIG_NAMES[0]))
}

fn own_config(family: Family, dir: &Path) -> PathBuf {
    let own = dir.join(format!("{}.json", family.word()));
    let others = CONFIG_NAMES.iter().map(|name| dir.join(name));
    std::iter::once(own.clone()).chain(others).find(|path| path.symlink_metadata().is_ok()).unwrap_or(own)
}

/// What an agent is called whose directory only a variable names; no gateway has such an id.
pub const AGENT_OF_VARIABLE: &str = "$AGENT_DIR";

/// The directory that takes the place of main's, if a variable says so.
#[must_use]
pub fn agent_dir_override(env: &Environment) -> Option<PathBuf> {
    let names = ["OPENSOUL_AGENT_DIR", "OPENCLAW_AGENT_DIR", "PI_CODING_AGENT_DIR"];
    names.into_iter().find_map(|name| env.get(name)).map(|dir| env.expand(dir))
}

/// Agents that have a directory, by name.
#[must_use]
pub fn agents_on_disk(state_dir: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(state_dir.join("agents")) else { return Vec::new() };
    let mut names: Vec<String> = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_ok_and(|t| t.is_dir() || t.is_symlink()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort_unstable();
    names
}
