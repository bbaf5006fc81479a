//! What is known about the gateway that runs here, or would. Pure data: `gateway` looks, `doctor` judges.
//!
//! Values of variables never get here, only their keyed hashes.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::bearer::Bearer;
use super::installation::Family;
use crate::domain::{Fingerprint, Gateway, Time};

/// Everything one look saw.
#[derive(Clone, Debug, PartialEq)]
pub struct GatewayView {
    /// The answer in one line, for the snapshot.
    pub gateway: Gateway,
    /// The port that was asked.
    pub port: u16,
    /// The gateway's process, if it could be tied to the port or to a unit and belongs to us.
    pub process: Option<GatewayProcess>,
    /// Its service units, first the one that its process runs in.
    pub units: Vec<GatewayUnit>,
    /// Known variables that the running gateway has, with the place it has them from. Meaningful only if
    /// [`GatewayView::sight`] says so.
    pub visible: BTreeMap<String, Sighting>,
    /// How far `visible` can be trusted.
    pub sight: Sight,
    /// Whether systemd manages this machine: where it does not, its units say nothing about what runs.
    pub systemd: bool,
    /// Whether services of this user go on when the user logs out; `None`: not known, or not a question here.
    pub lingers: Option<bool>,
    /// Who waits for connections to its port.
    pub listening: Listening,
}

/// Who waits for connections to the gateway's port, as far as the machine shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listening {
    /// An address beyond loopback on which somebody waits.
    pub outer: Option<String>,
    /// A process that has the port and does not look like a gateway, nor like a tunnel to one.
    pub stranger: Option<Stranger>,
    /// The process was started with a token or a password for those who connect.
    pub guarded: bool,
}

/// A process that is not the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stranger {
    /// Process id.
    pub pid: u32,
    /// The name of its program.
    pub name: String,
}

/// How far [`GatewayView::visible`] can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// The environment of the running process was read: what is not listed is not there.
    Running,
    /// No process was seen; this is what its files would give it. Its manager may add more.
    Planned,
    /// Nothing could be read: the absence of a name means nothing.
    Blind,
}

/// A running gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayProcess {
    /// Process id.
    pub pid: u32,
    /// When it started, if the machine says so.
    pub started: Option<Time>,
    /// The service unit it runs in.
    pub unit: Option<String>,
}

/// Who runs a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitScope {
    /// `systemctl --user`
    User,
    /// `systemctl`
    System,
    /// `launchctl`, macOS.
    Launchd,
}

/// An installed service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayUnit {
    /// `opensoul-gateway.service`
    pub name: String,
    /// Which gateway.
    pub family: Family,
    /// Who runs it.
    pub scope: UnitScope,
    /// Its main file.
    pub path: PathBuf,
    /// Whether something starts it at boot or login.
    pub enabled: bool,
    /// Every file that its environment comes from, with the time of its last change.
    pub files: Vec<(PathBuf, Option<Time>)>,
    /// Known variables that its files set.
    pub environment: BTreeMap<String, Option<Fingerprint>>,
    /// What it is given as files (`LoadCredential=`), by the names of the files that are those of known variables.
    pub credentials: BTreeMap<String, GivenFile>,
    /// The files that its command line names in full: the program, and mostly the script that it runs.
    pub program: Vec<PathBuf>,
    /// The port on its command line or in its environment.
    pub port: Option<u16>,
    /// Its files give it a token or a password for those who connect.
    pub guarded: bool,
}

/// A secret that a service is given as a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenFile {
    /// The variable that its name is that of.
    pub variable: String,
    /// Where it was read, or would be.
    pub path: Option<PathBuf>,
    /// Keyed hash of its content, or why there is none.
    pub content: Result<Option<Fingerprint>, String>,
    /// What it says about its own end.
    pub bearer: Option<Bearer>,
}

impl GatewayUnit {
    /// The command that restarts it.
    #[must_use]
    pub fn restart_command(&self) -> String {
        match self.scope {
            UnitScope::User => format!("systemctl --user restart {}", self.name),
            UnitScope::System => format!("sudo systemctl restart {}", self.name),
            UnitScope::Launchd => format!("launchctl kickstart -k gui/$(id -u)/{}", self.name),
        }
    }
}

/// One variable that a gateway has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Where it has it from.
    pub from: SeenIn,
    /// Set, and to nothing.
    pub blank: bool,
    /// Keyed hash of the value; `None` if it is blank or cannot be read from here.
    pub fingerprint: Option<Fingerprint>,
    /// What the value says about its own end.
    pub bearer: Option<Bearer>,
}

impl Sighting {
    /// A variable with a known value.
    #[must_use]
    pub fn new(from: SeenIn, fingerprint: Option<Fingerprint>) -> Self {
        Self { from, blank: fingerprint.is_none(), fingerprint, bearer: None }
    }

    /// The same, with what the value says about its own end.
    #[must_use]
    pub fn dated(self, bearer: Option<Bearer>) -> Self {
        Self { bearer, ..self }
    }
}

/// Where a variable was seen, strongest first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SeenIn {
    /// The environment of the running process.
    Process,
    /// A file of its unit.
    Unit(String),
    /// `.env` in its state directory.
    StateDotenv(PathBuf),
    /// `env` in its config.
    Config(PathBuf),
    /// The login shell (`env.shellEnv`).
    LoginShell,
}

impl GatewayView {
    /// The command that restarts the gateway, whoever runs it.
    #[must_use]
    pub fn restart_command(&self) -> String {
        self.units.first().map_or_else(
            || {
                self.process.as_ref().map_or_else(
                    || "start the gateway again".to_owned(),
                    |p| format!("stop the gateway (process {}) and start it again", p.pid),
                )
            },
            GatewayUnit::restart_command,
        )
    }
}
