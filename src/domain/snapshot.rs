//! Everything known at one instant. Immutable: whatever shows or sends something is a view of a snapshot.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Allowance, Credential, CredentialId, Finding, Judgement, State, Time, Verdict};

/// A credential with what we make of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Assessed {
    /// The facts.
    pub credential: Box<Credential>,
    /// The judgement.
    pub judgement: Judgement,
    /// The other places that hold the same secret, if this one is canonical.
    pub copies: Vec<CredentialId>,
    /// The canonical place, if this one is a copy. Copies are shown and never alerted on.
    pub copy_of: Option<CredentialId>,
    /// The last conclusive answer of the provider for this generation, else the last answer at all.
    pub verdict: Option<Verdict>,
    /// What the provider said besides yes or no about this generation.
    pub allowance: Option<Box<Allowance>>,
}

/// One provider, over all its credentials.
#[derive(Clone, Debug, PartialEq)]
pub struct ProviderSummary {
    /// Provider id.
    pub provider: String,
    /// Best state among what is in use: what a request would meet.
    pub state: State,
    /// Whether anything uses this provider.
    pub in_use: bool,
    /// How many credentials would work now.
    pub usable: usize,
    /// How many there are, copies not counted.
    pub total: usize,
    /// What would be used now, in the gateway's order.
    pub effective: Option<CredentialId>,
}

/// Whether the gateway is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GatewayState {
    /// Its port or socket answers.
    Up,
    /// It is installed or was seen, and does not answer.
    Down,
    /// No sign of a gateway on this machine.
    Absent,
    /// We could not find out.
    Unknown,
}

impl GatewayState {
    /// The word used in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Absent => "absent",
            Self::Unknown => "unknown",
        }
    }
}

/// The gateway's health, in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// Up, down, absent, unknown.
    pub state: GatewayState,
    /// What was seen ("answers on 127.0.0.1:18789", "no process, no unit").
    pub detail: String,
}

/// How reading one source went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceReport {
    /// The source's word (`claude-code`, `opensoul`, …).
    pub source: String,
    /// Places looked at, whether or not something was there ("No credentials found" names them).
    pub looked: Vec<PathBuf>,
    /// False if something is there and could not be read.
    pub up: bool,
    /// True if one of those places lies in a directory that nobody can look into: what is not seen may be there.
    pub hidden: bool,
    /// How many credentials came of it.
    pub credentials: usize,
}

/// Everything known at one instant.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// When it was taken, by our clock.
    pub taken_at: Time,
    /// This machine's name.
    pub host: String,
    /// Every credential, soonest date first, then by id.
    pub credentials: Vec<Assessed>,
    /// Every provider that has a credential or is asked for by the gateway's models, by name.
    pub providers: Vec<ProviderSummary>,
    /// The gateway.
    pub gateway: Gateway,
    /// Findings, worst first.
    pub findings: Vec<Finding>,
    /// How reading went.
    pub sources: Vec<SourceReport>,
    /// Why dates cannot be trusted now, if they cannot (DESIGN §6, a wrong clock).
    pub clock_problem: Option<String>,
    /// The machines of a fleet share the key of the fingerprints (`[identity] key`): then a short hash of each login is shown, so
    /// that one login on two machines is found. Otherwise no hash is shown to anybody.
    pub fleet: bool,
}

impl Snapshot {
    /// What tells one login from another all over the fleet: a short keyed hash of its refresh token, or of its secret.
    #[must_use]
    pub fn identity(&self, credential: &Credential) -> Option<String> {
        let login = credential.refresh_fingerprint.or(credential.fingerprint)?;
        self.fleet.then(|| login.short())
    }
}
