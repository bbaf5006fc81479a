//! One file per owner of credentials: it knows where the owner keeps them and what its fields mean.
//!
//! A source reads, never writes, never asks a provider, never runs a program of the owner. It converts units at its door and
//! says what it found odd as findings. Adding a source means one file and one line in [`all`].

use std::path::{Path, PathBuf};

use crate::config::Declared;
use crate::domain::{Credential, Environment, Finding, FingerprintKey, Secret, SourceReport, Time};
use crate::engine::observation::Demand;
use crate::formats::installation::Installation;

/// What a source may look at.
pub struct Scene<'a> {
    /// The process environment (for `HOME` and the owners' own variables).
    pub env: &'a Environment,
    /// Working directory of an interactive command: a `.env` there may hold provider keys. `None` in the monitor.
    pub cwd: Option<&'a Path>,
    /// Whether our own environment is a source: interactive commands, or `[sources] env = true`.
    pub env_is_source: bool,
    /// Extra `.env` files from `monitor.toml`.
    pub dotenv: &'a [PathBuf],
    /// `[[declared]]` of `monitor.toml`.
    pub declared: &'a [Declared],
    /// The instant of this observation.
    pub now: Time,
    /// Key of the fingerprints.
    pub key: &'a FingerprintKey,
}

/// A credential with its secret held apart.
pub struct Found {
    /// The facts.
    pub credential: Credential,
    /// The secret, for a probe of this very cycle; `None` when there is none or nobody may use it.
    pub secret: Option<Secret>,
}

/// What all sources found together.
#[derive(Default)]
pub struct Harvest {
    /// Credentials, in no particular order.
    pub found: Vec<Found>,
    /// What was odd.
    pub findings: Vec<Finding>,
    /// How reading went, one for each source that looked anywhere.
    pub reports: Vec<SourceReport>,
    /// What the gateways' models need.
    pub demand: Demand,
    /// The gateways themselves, for `gateway` and `doctor`.
    pub installations: Vec<Installation>,
}

/// An owner of credentials.
pub trait Source {
    /// The source's word, as in credential ids and in `opensoul_source_up{source}`.
    fn name(&self) -> &'static str;
    /// Reads everything it knows of into `harvest`. Never fails: what cannot be read is a finding and a report that is not up.
    fn read(&self, scene: &Scene<'_>, harvest: &mut Harvest);
}

/// Every source.
#[must_use]
pub fn all() -> Vec<Box<dyn Source>> {
    vec![]
}

/// Reads every source.
#[must_use]
pub fn harvest(scene: &Scene<'_>) -> Harvest {
    let mut harvest = Harvest::default();
    for source in all() {
        source.read(scene, &mut harvest);
    }
    harvest
}
