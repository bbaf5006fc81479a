//! Which known variables the gateway has: its process or its unit, then `.env` in its state directory, then its config, then
//! the login shell — in the gateway's own order.

use std::collections::BTreeMap;
use std::path::Path;

use super::process::{self, Variables};
use super::units::Found;
use crate::domain::{FingerprintKey, Secret};
use crate::formats::bearer;
use crate::formats::dotenv;
use crate::formats::gateway_view::{SeenIn, Sight, Sighting};
use crate::formats::installation::{Installation, Layer};
use crate::formats::provider_env;

/// `own`: the environment of the running process, if it could be read; `running`: whether there is one.
pub(super) fn merge(
    own: Option<Variables>,
    running: bool,
    unit: Option<&Found>,
    installations: &[Installation],
    key: &FingerprintKey,
) -> (BTreeMap<String, Sighting>, Sight) {
    let sight = match (&own, running, unit) {
        (Some(_), ..) => Sight::Running,
        (None, false, Some(unit)) if unit.complete => Sight::Planned,
        // What could be read of an unfinished picture is shown; what is not in it may be there all the same.
        _ => Sight::Blind,
    };
    let told = own.as_ref().and_then(process::state_dir).or(unit.and_then(|u| u.state_dir.as_deref()));
    let installation = installation_of(installations, told, unit);

    let mut visible = BTreeMap::new();
    match own {
        Some(own) => {
            for (name, value) in own.iter().filter(|(name, _)| provider_env::provider_of(name).is_some()) {
                visible.insert(
                    name.clone(),
                    Sighting::new(SeenIn::Process, key.fingerprint(value)).dated(bearer::read(value)),
                );
            }
        }
        None if !running => {
            for (name, fingerprint) in unit.iter().flat_map(|u| &u.unit.environment) {
                let from = SeenIn::Unit(unit.map(|u| u.unit.name.clone()).unwrap_or_default());
                let bearer = unit.and_then(|u| u.bearers.get(name)).cloned();
                visible.insert(name.clone(), Sighting::new(from, *fingerprint).dated(bearer));
            }
        }
        None => {}
    }
    if let Some(installation) = installation {
        add_files(&mut visible, installation, key);
    }
    (visible, sight)
}

/// The installation that the process or its unit was told to use; else the unit's family's; else the chosen one.
fn installation_of<'a>(
    installations: &'a [Installation],
    told: Option<&Path>,
    unit: Option<&Found>,
) -> Option<&'a Installation> {
    if let Some(dir) = told {
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        return installations.iter().find(|i| real(&i.state_dir) == real(dir));
    }
    let of_family = |found: &Found| installations.iter().find(|i| i.family == found.unit.family);
    unit.and_then(of_family).or_else(|| installations.iter().find(|i| i.chosen))
}

/// What the gateway adds by itself when it starts. A `.env` fills what is not set at all; config and login shell also fill
/// what is blank.
fn add_files(visible: &mut BTreeMap<String, Sighting>, installation: &Installation, key: &FingerprintKey) {
    let sighting = |from: SeenIn, value: String| {
        let value = Secret::new(value);
        Sighting::new(from, key.fingerprint(&value)).dated(bearer::read(&value))
    };
    let dotenv = installation.state_dir.join(".env");
    // Of two assignments with one name the last counts, so they are taken from the end.
    for assignment in dotenv::parse(&crate::files::text(&dotenv)).into_iter().rev() {
        if provider_env::provider_of(&assignment.name).is_some() {
            let from = SeenIn::StateDotenv(dotenv.clone());
            visible.entry(assignment.name).or_insert_with(|| sighting(from, assignment.value));
        }
    }
    let config = crate::files::text(&installation.config_path);
    for (name, (value, layer)) in &installation.env.vars {
        if provider_env::provider_of(name).is_none() || visible.get(name).is_some_and(|seen| !seen.blank) {
            continue;
        }
        let seen = match layer {
            Layer::Config => sighting(SeenIn::Config(installation.config_path.clone()), value.clone()),
            Layer::LoginShell => sighting(SeenIn::LoginShell, value.clone()),
            // Ours, not the gateway's. It may hide one of the config, whose value is then not known.
            Layer::Process | Layer::CwdDotenv(_) if sets(&config, name) => {
                let from = SeenIn::Config(installation.config_path.clone());
                Sighting { from, blank: false, fingerprint: None, bearer: None }
            }
            _ => continue,
        };
        visible.insert(name.clone(), seen);
    }
}

/// True if a JSON5 text has the name as a key; `"${NAME}"` is a use of it.
fn sets(config: &str, name: &str) -> bool {
    config.match_indices(name).any(|(at, _)| {
        let before = config[..at].chars().next_back();
        let after = config[at + name.len()..].trim_start_matches(['"', '\'']).trim_start();
        before.is_none_or(|c| !c.is_alphanumeric() && c != '_') && after.starts_with(':')
    })
}
