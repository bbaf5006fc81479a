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

use std::path::Path;

use crate::domain::{Environment, FingerprintKey, Gateway, GatewayState, Span, Time};
use crate::formats::gateway_view::{GatewayProcess, GatewayUnit, GatewayView, Listening, UnitScope};
use crate::formats::installation::{Family, Installation};
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
        let seen = Seen { port, answer, process: process.as_ref(), units: &units, installed, proc: proc.is_dir(), now };
        GatewayView {
            gateway: seen.judge(),
            port,
            process,
            units,
            visible,
            sight,
            lingers: self.lingers(env),
            listening,
        }
    }

    /// systemd keeps one file for each user whose services outlive a logout. Root's always do.
    fn lingers(&self, env: &Environment) -> Option<bool> {
        let systemd = self.root.join("var/lib/systemd");
        let user = env.get("USER").or(env.get("LOGNAME")).filter(|user| !user.contains('/'))?;
        (self.uid != 0 && systemd.is_dir()).then(|| systemd.join("linger").join(user).exists())
    }
}

/// The first address beyond loopback on which somebody listens to the port.
fn outer(table: &[process::Listener], port: u16) -> Option<String> {
    let outer = table.iter().find(|l| l.address.port() == port && !l.address.ip().is_loopback())?;
    Some(outer.address.to_string())
}

/// What the judgement rests on.
struct Seen<'a> {
    port: u16,
    answer: Answer,
    process: Option<&'a GatewayProcess>,
    units: &'a [GatewayUnit],
    installed: bool,
    proc: bool,
    now: Time,
}

impl Seen<'_> {
    fn judge(&self) -> Gateway {
        let port = self.port;
        let (state, detail) = match (self.answer, self.process) {
            (Answer::Yes(address), Some(process)) => {
                (GatewayState::Up, format!("answers on {address}, {}", name_of(process)))
            }
            (Answer::Yes(address), None) if self.installed || !self.units.is_empty() => {
                (GatewayState::Up, format!("answers on {address}; its process cannot be seen"))
            }
            (Answer::Yes(address), None) => (
                GatewayState::Unknown,
                format!("something answers on {address}, and nothing else here looks like a gateway"),
            ),
            (Answer::Silent(address), _) => {
                (GatewayState::Unknown, format!("{address} accepted no connection in time"))
            }
            (Answer::No, Some(process)) if process.started.is_some_and(|at| self.now - at < STARTING) => (
                GatewayState::Unknown,
                format!("{} has just started; nothing answers on port {port} yet", name_of(process)),
            ),
            (Answer::No, Some(process)) => {
                (GatewayState::Down, format!("{} runs, and nothing answers on port {port}", name_of(process)))
            }
            (Answer::No, None) if !self.proc => (
                GatewayState::Unknown,
                format!("nothing answers on port {port}; this system does not show its processes"),
            ),
            (Answer::No, None) => match self.units.iter().find(|u| u.enabled).or(self.units.first()) {
                Some(unit) if unit.enabled => (
                    GatewayState::Down,
                    format!("{} is enabled and not running; nothing answers on port {port}", unit.name),
                ),
                Some(unit) => {
                    (GatewayState::Absent, format!("{} is installed, not enabled and not running", unit.name))
                }
                None => (GatewayState::Absent, format!("no process, no service unit, nothing answers on port {port}")),
            },
        };
        Gateway { state, detail }
    }
}

fn name_of(process: &GatewayProcess) -> String {
    match &process.unit {
        Some(unit) => format!("process {} ({unit})", process.pid),
        None => format!("process {}", process.pid),
    }
}

/// The ports that the gateway may listen on, likeliest first: its unit's command line and environment, our environment, its
/// config, the default.
fn candidate_ports(units: &[units::Found], installations: &[Installation], env: &Environment) -> Vec<u16> {
    let of_env = ["OPENSOUL_GATEWAY_PORT", "OPENCLAW_GATEWAY_PORT", "CLAWDBOT_GATEWAY_PORT"]
        .into_iter()
        .find_map(|name| env.get(name))
        .and_then(|text| text.parse().ok());
    let mut chosen_first: Vec<&Installation> = installations.iter().collect();
    chosen_first.sort_by_key(|i| !i.chosen);
    let configured = chosen_first.into_iter().filter_map(|i| i.config.as_ref()?.gateway_port);
    let mut ports = Vec::new();
    for port in of_env.into_iter().chain(units.iter().filter_map(|u| u.port)).chain(configured).chain([DEFAULT_PORT]) {
        if port != 0 && !ports.contains(&port) {
            ports.push(port);
        }
    }
    ports
}

#[cfg(test)]
mod tests;
