//! Which known variables the gateway has: its process or its unit, then `.env` in its state directory, then its config, then
//! the login shell — in the gateway's own order.

use std::collections::BTreeMap;
use std::path::Path;

use super::process::{self, Variables};
use super::units::Found;
use crate::domain::{FingerprintKey, Secret};
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
        (None, true, _) | (None, false, None) => Sight::Blind,
        (None, false, Some(_)) => Sight::Planned,
    };
    let told = own.as_ref().and_then(process::state_dir).or(unit.and_then(|u| u.state_dir.as_deref()));
    let installation = installation_of(installations, told, unit);

    let mut visible = BTreeMap::new();
    match own {
        Some(own) => {
            for (name, value) in own.iter().filter(|(name, _)| provider_env::provider_of(name).is_some()) {
                let sighting = Sighting { from: SeenIn::Process, fingerprint: key.fingerprint(value) };
                visible.insert(name.clone(), sighting);
            }
        }
        None if sight == Sight::Planned => {
            for (name, fingerprint) in unit.iter().flat_map(|u| &u.unit.environment) {
                let from = SeenIn::Unit(unit.map(|u| u.unit.name.clone()).unwrap_or_default());
                visible.insert(name.clone(), Sighting { from, fingerprint: *fingerprint });
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
    for (name, (value, layer)) in &installation.env.vars {
        if provider_env::provider_of(name).is_none() {
            continue;
        }
        let (from, fills_blank) = match layer {
            Layer::StateDotenv(path) => (SeenIn::StateDotenv(path.clone()), false),
            Layer::Config => (SeenIn::Config(installation.config_path.clone()), true),
            Layer::LoginShell => (SeenIn::LoginShell, true),
            // Ours, not the gateway's.
            Layer::Process | Layer::CwdDotenv(_) => continue,
        };
        let free = visible.get(name).is_none_or(|seen| fills_blank && seen.fingerprint.is_none());
        if free {
            visible.insert(name.clone(), Sighting { from, fingerprint: key.fingerprint(&Secret::new(value.clone())) });
        }
    }
}
