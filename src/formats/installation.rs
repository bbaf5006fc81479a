//! The parsed pieces of one gateway's state directory (OpenSoul family). Pure data: `sources::opensoul` reads the files.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::domain::Finding;

/// Which of the gateways that share this layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// `~/.opensoul`
    OpenSoul,
    /// `~/.openclaw`
    OpenClaw,
    /// `~/.clawdbot`
    Clawdbot,
    /// `~/.moltbot`
    Moltbot,
}

impl Family {
    /// The word that begins credential ids; also the name of the gateway's program.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::OpenSoul => "opensoul",
            Self::OpenClaw => "openclaw",
            Self::Clawdbot => "clawdbot",
            Self::Moltbot => "moltbot",
        }
    }
}

/// Where a variable that the gateway sees comes from, first wins (`facts` §6 of the original).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layer {
    /// The process environment.
    Process,
    /// A `.env` in the working directory: provider keys only.
    CwdDotenv(PathBuf),
    /// `<state dir>/.env`.
    StateDotenv(PathBuf),
    /// `env` in the gateway's config.
    Config,
    /// The login shell (`env.shellEnv`).
    LoginShell,
}

/// The variables as the gateway would see them.
#[derive(Clone, Default)]
pub struct LayeredEnv {
    /// Name → value and where it came from.
    pub vars: BTreeMap<String, (String, Layer)>,
}

impl std::fmt::Debug for LayeredEnv {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LayeredEnv({} variables)", self.vars.len())
    }
}

/// One gateway on this machine.
pub struct Installation {
    /// Which.
    pub family: Family,
    /// Its state directory.
    pub state_dir: PathBuf,
    /// The one that the gateway's own rules choose (CONTRACTS §4); the others are read too.
    pub chosen: bool,
    /// Its config file, whether or not it exists.
    pub config_path: PathBuf,
    /// The config, if it exists and is valid.
    pub config: Option<super::gateway_config::GatewayConfig>,
    /// What is wrong with the config file.
    pub config_problems: Vec<Finding>,
    /// One entry for each agent that has a directory or is configured; `main` always.
    pub agents: Vec<AgentStore>,
    /// The variables as the gateway would see them if it were started from here.
    pub env: LayeredEnv,
    /// True if it keeps its credentials in SQLite (OpenClaw 2026.6 and later): JSON stores must never be made there.
    pub sqlite: bool,
}

/// One agent's credentials, as its gateway would merge them over main's.
pub struct AgentStore {
    /// Agent id.
    pub agent: String,
    /// Its directory.
    pub agent_dir: PathBuf,
    /// The file that was read (or would be).
    pub store_path: PathBuf,
    /// What it holds.
    pub store: super::auth_store::AuthStore,
    /// What was wrong with it.
    pub findings: Vec<Finding>,
}
