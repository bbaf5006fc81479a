//! Is the gateway there, is it well, what can it see.
//!
//! A look is synchronous and takes milliseconds: it reads files and `/proc`, and opens one connection on this machine. It runs
//! no program. What it cannot know is unknown, never down. Another process's environment is read only if its real uid is ours
//! and it owns the gateway's port or runs in its unit; only known names are kept, and of their values only keyed hashes
//! (DESIGN §5.9).

mod environment;
mod port;
mod process;
mod units;

use std::net::SocketAddr;
use std::path::Path;

use crate::domain::{Environment, FingerprintKey, Gateway, GatewayState, Span, Time};
use crate::formats::gateway_view::{GatewayProcess, GatewayUnit, GatewayView, Listening, Stranger, UnitScope};
use crate::formats::installation::{Family, Installation};
use crate::formats::proc_text::Listener;
use port::Answer;
pub use process::variables;

/// The port of a gateway that nobody configured.
pub const DEFAULT_PORT: u16 = 18789;

/// A gateway needs some seconds from its start to its first answer; until then its silence proves nothing.
const STARTING: Span = Span::seconds(60);

/// Looks at the gateway of this machine.
#[must_use]
pub fn look(installations: &[Installation], env: &Environment, key: &FingerprintKey, now: Time) -> GatewayView {
    let machine = Machine { root: Path::new("/"), uid: rustix::process::getuid().as_raw(), dial: port::connect };
    machine.look(installations, env, key, now)
}

/// The machine that is looked at; tests give a tree of files of their own.
struct Machine<'a> {
    root: &'a Path,
    uid: u32,
    dial: port::Dial,
}

impl Machine<'_> {
    fn look(&self, installations: &[Installation], env: &Environment, key: &FingerprintKey, now: Time) -> GatewayView {
        let proc = self.root.join("proc");
        let mut units = units::find(self.root, env, key);
        let ports = candidate_ports(&units, installations, env);
        let (mut port, mut answer) = port::ask(&ports, self.dial);
        // Who has the port, if there is an answer; where it listens, if there is none and there should be one.
        let bound_elsewhere = |i: &Installation| {
            i.config
                .as_ref()
                .and_then(|c| c.gateway_bind.as_deref())
                .is_some_and(|bind| bind != "loopback" && bind != "lan")
        };
        let expected = answer != Answer::No || !units.is_empty() || installations.iter().any(bound_elsewhere);
        let table = if expected { process::listeners(&proc, &ports).unwrap_or_default() } else { Vec::new() };
        if answer == Answer::No
            && let Some(found) = port::ask_listener(&table, &ports, self.dial)
        {
            (port, answer) = found;
        }
        let mine = table.iter().filter(|l| l.address.port() == port && l.uid == self.uid);
        let inodes: Vec<u64> = mine.map(|l| l.inode).collect();
        let names: Vec<&str> =
            units.iter().filter(|u| u.unit.scope != UnitScope::Launchd).map(|u| u.unit.name.as_str()).collect();
        let found = process::find(&proc, self.uid, &inodes, &names);
        let process = found.as_ref().map(|found| GatewayProcess {
            pid: found.pid,
            started: process::started(&proc, found.pid, now),
            unit: found.unit.clone(),
        });

        let chosen = installations.iter().find(|i| i.chosen).map_or(Family::OpenSoul, |i| i.family);
        let running = process.as_ref().and_then(|p| p.unit.clone());
        units.sort_by_key(|u| {
            (running.as_ref() != Some(&u.unit.name), u.unit.family != chosen, !u.unit.enabled, u.unit.name.clone())
        });
        let own = process.as_ref().and_then(|p| process::environment(&proc, self.uid, p.pid));
        let unit = units.first().filter(|u| running.is_none() || running.as_ref() == Some(&u.unit.name));
        let installed = installations.iter().any(|i| i.state_dir.is_dir());
        let (visible, sight) = environment::merge(own, process.is_some(), unit, installations, key);
        let units: Vec<GatewayUnit> = units.into_iter().map(|u| u.unit).collect();
        let listening = Listening {
            outer: outer(&table, port),
            stranger: if found.is_none() { process::stranger(&proc, self.uid, &inodes) } else { None },
            guarded: found.as_ref().is_some_and(|found| process::is_guarded(&proc, self.uid, found.pid)),
        };
        let systemd = self.systemd();
        let owner = table.iter().find(|l| l.address.port() == port).map(|l| l.uid);
        let seen = Seen {
            port,
            answer,
            process: process.as_ref(),
            stranger: listening.stranger.as_ref(),
            foreign: owner.filter(|uid| *uid != 0 && *uid != self.uid),
            units: &units,
            installed,
            systemd,
            proc: &proc,
            now,
        };
        GatewayView {
            gateway: seen.judge(),
            systemd,
            port,
            process,
            units,
            visible,
            sight,
            lingers: self.lingers(env),
            listening,
        }
    }

    /// Whether systemd manages this machine (sd_booted(3)). In a container with the home of its host, units prove nothing.
    fn systemd(&self) -> bool {
        self.root.join("run/systemd/system").is_dir()
    }

    /// systemd keeps one file for each user whose services outlive a logout. Root's always do.
    fn lingers(&self, env: &Environment) -> Option<bool> {
        let user = env.get("USER").or(env.get("LOGNAME")).filter(|user| !user.contains('/'))?;
        (self.uid != 0 && self.systemd()).then(|| self.root.join("var/lib/systemd/linger").join(user).exists())
    }
}

/// The first address beyond loopback on which somebody listens to the port.
fn outer(table: &[Listener], port: u16) -> Option<String> {
    let outer = table.iter().find(|l| l.address.port() == port && !l.address.ip().is_loopback())?;
    Some(outer.address.to_string())
}

/// What the judgement rests on.
struct Seen<'a> {
    port: u16,
    answer: Answer,
    process: Option<&'a GatewayProcess>,
    /// Somebody else's program that has the port.
    stranger: Option<&'a Stranger>,
    /// Another user, not root, who has the port.
    foreign: Option<u32>,
    units: &'a [GatewayUnit],
    installed: bool,
    systemd: bool,
    proc: &'a Path,
    now: Time,
}

impl Seen<'_> {
    fn judge(&self) -> Gateway {
        let (state, detail) = self.of_the_port();
        match self.silent_sibling() {
            Some(detail) if state == GatewayState::Up => Gateway { state: GatewayState::Down, detail },
            _ => Gateway { state, detail },
        }
    }

    fn of_the_port(&self) -> (GatewayState, String) {
        let port = self.port;
        match (self.answer, self.process) {
            (Answer::Yes(address), Some(process)) => {
                (GatewayState::Up, format!("answers on {address}, {}", name_of(process)))
            }
            (Answer::Yes(address), None) => self.of_an_unseen(address),
            (Answer::Silent(address), _) => {
                (GatewayState::Unknown, format!("{address} accepted no connection in time"))
            }
            (Answer::No, Some(process)) if self.has_just_started(process.started) => (
                GatewayState::Unknown,
                format!("{} has just started; nothing answers on port {port} yet", name_of(process)),
            ),
            (Answer::No, Some(process)) => {
                (GatewayState::Down, format!("{} runs, and nothing answers on port {port}", name_of(process)))
            }
            (Answer::No, None) if !self.proc.is_dir() => (
                GatewayState::Unknown,
                format!("nothing answers on port {port}; this system does not show its processes"),
            ),
            (Answer::No, None) => match self.units.iter().find(|u| u.enabled).or(self.units.first()) {
                Some(unit) if unit.enabled => self.of_the_unit(unit),
                Some(unit) => {
                    (GatewayState::Absent, format!("{} is installed, not enabled and not running", unit.name))
                }
                None => (GatewayState::Absent, format!("no process, no service unit, nothing answers on port {port}")),
            },
        }
    }

    /// Something that answers, of which no process of ours is known.
    fn of_an_unseen(&self, address: SocketAddr) -> (GatewayState, String) {
        // A service of the machine has a user of its own.
        let system = self.units.iter().any(|unit| unit.scope == UnitScope::System);
        match (self.stranger, self.foreign.filter(|_| !system)) {
            (Some(Stranger { pid, name }), _) => (
                GatewayState::Unknown,
                format!("{address} belongs to {name} (process {pid}), which does not look like a gateway"),
            ),
            (None, Some(uid)) => (GatewayState::Unknown, format!("{address} belongs to another user (uid {uid})")),
            (None, None) if self.installed || !self.units.is_empty() => {
                (GatewayState::Up, format!("answers on {address}; its process cannot be seen"))
            }
            (None, None) => (
                GatewayState::Unknown,
                format!("something answers on {address}, and nothing else here looks like a gateway"),
            ),
        }
    }

    /// A unit that should run, has no process of ours, and whose port is silent.
    fn of_the_unit(&self, unit: &GatewayUnit) -> (GatewayState, String) {
        let (name, port) = (&unit.name, self.port);
        if unit.scope != UnitScope::Launchd && !self.systemd {
            let detail = format!("{name} is enabled, and systemd does not run here; nothing answers on port {port}");
            return (GatewayState::Unknown, detail);
        }
        let down = (GatewayState::Down, format!("{name} is enabled and not running; nothing answers on port {port}"));
        if unit.scope != UnitScope::System {
            return down;
        }
        // It may run as a user of its own, whose configuration, with the port, is not ours to read.
        match process::in_unit(self.proc, name) {
            Some(pid) if self.has_just_started(process::started(self.proc, pid, self.now)) => (
                GatewayState::Unknown,
                format!("process {pid} ({name}) has just started; nothing answers on port {port} yet"),
            ),
            Some(pid) if unit.port.is_some() => {
                (GatewayState::Down, format!("process {pid} ({name}) runs, and nothing answers on port {port}"))
            }
            Some(pid) => {
                (GatewayState::Unknown, format!("process {pid} ({name}) runs as another user; its port is not known"))
            }
            None if !process::shows_others(self.proc) => (
                GatewayState::Unknown,
                format!("{name} is enabled; nothing answers on port {port}; this system does not show its processes"),
            ),
            None => down,
        }
    }

    /// Another gateway of this machine that should run, whose port is known, and which nobody listens on.
    fn silent_sibling(&self) -> Option<String> {
        let candidates =
            self.units.iter().filter(|unit| self.systemd && unit.enabled && unit.scope != UnitScope::Launchd);
        for unit in candidates {
            let Some(port) = unit.port.filter(|port| *port != self.port) else { continue };
            if !process::listeners(self.proc, &[port]).is_some_and(|listeners| listeners.is_empty()) {
                continue;
            }
            let name = &unit.name;
            match process::in_unit(self.proc, name) {
                Some(pid) if self.has_just_started(process::started(self.proc, pid, self.now)) => {}
                Some(pid) => return Some(format!("process {pid} ({name}) runs, and nobody listens on port {port}")),
                None if unit.scope == UnitScope::System && !process::shows_others(self.proc) => {}
                None => return Some(format!("{name} is enabled and not running; nobody listens on port {port}")),
            }
        }
        None
    }

    fn has_just_started(&self, started: Option<Time>) -> bool {
        started.is_some_and(|at| self.now - at < STARTING)
    }
}

fn name_of(process: &GatewayProcess) -> String {
    match &process.unit {
        Some(unit) => format!("process {} ({unit})", process.pid),
        None => format!("process {}", process.pid),
    }
}

/// The ports that the gateway may listen on, likeliest first: our environment, its units' command lines and environments, its
/// config; the default only for whom nothing names another: it may be the port of somebody else's gateway.
fn candidate_ports(units: &[units::Found], installations: &[Installation], env: &Environment) -> Vec<u16> {
    let of_env = ["OPENSOUL_GATEWAY_PORT", "OPENCLAW_GATEWAY_PORT", "CLAWDBOT_GATEWAY_PORT"]
        .into_iter()
        .find_map(|name| env.get(name))
        .and_then(|text| text.parse().ok());
    let mut chosen_first: Vec<&Installation> = installations.iter().collect();
    chosen_first.sort_by_key(|i| !i.chosen);
    let configured: Vec<u16> =
        chosen_first.into_iter().filter_map(|i| i.config.as_ref()?.gateway_port).filter(|port| *port != 0).collect();
    let unnamed = configured.is_empty() && (units.is_empty() || units.iter().any(|unit| unit.port.is_none()));
    let mut ports = Vec::new();
    let named = of_env.into_iter().chain(units.iter().filter_map(|u| u.port)).chain(configured);
    for port in named.filter(|port| *port != 0) {
        if !ports.contains(&port) {
            ports.push(port);
        }
    }
    if ports.is_empty() || (unnamed && of_env.is_none()) {
        ports.push(DEFAULT_PORT);
    }
    ports
}

#[cfg(test)]
mod tests;
