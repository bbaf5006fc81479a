//! `/proc`: who listens, which process is the gateway, since when, with which environment.
//!
//! Everything is optional: there is no `/proc` on macOS, and Android hides its network tables. Then the answer is "cannot be
//! seen".

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use zeroize::Zeroizing;

use crate::domain::{Secret, Span, Time};
use crate::formats::gateway_view::Stranger;
use crate::formats::proc_text::{self, Listener};
use crate::formats::provider_env;

/// The process that is the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub pid: u32,
    pub unit: Option<String>,
}

/// What a process has, by name: known names only, and where its state is.
pub type Variables = BTreeMap<String, Secret>;

/// Names that hold no secret and say which installation a process uses.
pub(super) const PLACES: [&str; 4] =
    ["OPENSOUL_STATE_DIR", "OPENCLAW_STATE_DIR", "CLAWDBOT_STATE_DIR", "MOLTBOT_STATE_DIR"];

/// Secrets that a gateway asks of those who connect.
pub(super) const GUARDS: [&str; 6] = [
    "OPENSOUL_GATEWAY_TOKEN",
    "OPENSOUL_GATEWAY_PASSWORD",
    "OPENCLAW_GATEWAY_TOKEN",
    "OPENCLAW_GATEWAY_PASSWORD",
    "CLAWDBOT_GATEWAY_TOKEN",
    "CLAWDBOT_GATEWAY_PASSWORD",
];

/// Programs that forward a port: what they hold is a gateway somewhere else, and their environment is not the gateway's.
const FORWARDERS: [&str; 10] = [
    "ssh",
    "autossh",
    "sshd",
    "docker-proxy",
    "rootlesskit",
    "rootlessport",
    "slirp4netns",
    "pasta",
    "socat",
    "kubectl",
];

/// What lies between reading one file of `/proc` and the next.
const SLACK: Span = Span::seconds(2);

/// The TCP listeners on these ports; `None` if the machine does not show them. The kernel takes milliseconds to write such a
/// table: the second is asked for only if the first has nothing.
pub(super) fn listeners(proc: &Path, ports: &[u16]) -> Option<Vec<Listener>> {
    let mut readable = false;
    for table in ["net/tcp", "net/tcp6"] {
        let Ok(text) = fs::read_to_string(proc.join(table)) else { continue };
        readable = true;
        let found: Vec<Listener> = proc_text::listeners(&text).filter(|l| ports.contains(&l.address.port())).collect();
        if !found.is_empty() {
            return Some(found);
        }
    }
    readable.then(Vec::new)
}

/// The gateway's process among those of `uid`: the owner of one of the sockets, else the first of a unit.
pub(super) fn find(proc: &Path, uid: u32, inodes: &[u64], units: &[&str]) -> Option<Found> {
    if inodes.is_empty() && units.is_empty() {
        return None;
    }
    let pids = pids_of(proc, uid);
    if let Some(&pid) = pids.iter().find(|pid| !inodes.is_empty() && owns_socket(proc, **pid, inodes)) {
        let unit = unit_of(proc, pid, units);
        return (unit.is_some() || is_gateway(proc, pid)).then_some(Found { pid, unit });
    }
    // A unit's processes are its main one and what that started: the main one is the oldest.
    pids.into_iter()
        .filter_map(|pid| unit_of(proc, pid, units).map(|unit| Found { pid, unit: Some(unit) }))
        .min_by_key(|found| (start_ticks(proc, found.pid), found.pid))
}

/// Who of ours has one of these sockets, and neither looks like a gateway nor forwards to one.
pub(super) fn stranger(proc: &Path, uid: u32, inodes: &[u64]) -> Option<Stranger> {
    if inodes.is_empty() {
        return None;
    }
    let pid = pids_of(proc, uid).into_iter().find(|pid| owns_socket(proc, *pid, inodes))?;
    let name = program(proc, pid).filter(|name| !name.is_empty() && !FORWARDERS.contains(&name.as_str()))?;
    (!is_gateway(proc, pid)).then_some(Stranger { pid, name })
}

/// Whether a process of ours was started with a secret that those who connect must show.
pub(super) fn is_guarded(proc: &Path, uid: u32, pid: u32) -> bool {
    let Ok(bytes) = fs::read(proc.join(pid.to_string()).join("environ")).map(Zeroizing::new) else { return false };
    let set = |entry: &[u8]| {
        let (name, value) = std::str::from_utf8(entry).ok()?.split_once('=')?;
        (GUARDS.contains(&name) && !value.trim().is_empty()).then_some(())
    };
    real_uid(proc, pid) == Some(uid) && bytes.split(|byte| *byte == 0).any(|entry| set(entry).is_some())
}

/// The main process of a unit, whoever runs it: its oldest.
pub(super) fn in_unit(proc: &Path, unit: &str) -> Option<u32> {
    let inside = pids(proc).into_iter().filter(|pid| unit_of(proc, *pid, &[unit]).is_some());
    inside.min_by_key(|pid| (start_ticks(proc, *pid), *pid))
}

/// Whether processes of others can be seen at all (`hidepid=` of proc(5)).
pub(super) fn shows_others(proc: &Path) -> bool {
    proc.join("1/cgroup").exists()
}

/// Every process, in order.
fn pids(proc: &Path) -> Vec<u32> {
    let Ok(entries) = fs::read_dir(proc) else { return Vec::new() };
    let mut pids: Vec<u32> =
        entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).collect();
    pids.sort_unstable();
    pids
}

/// Processes whose real uid is `uid`, in order.
fn pids_of(proc: &Path, uid: u32) -> Vec<u32> {
    let mut pids = pids(proc);
    pids.retain(|pid| {
        // The owner of the directory is the effective uid: cheap, and almost always enough to leave a process out.
        fs::metadata(proc.join(pid.to_string())).is_ok_and(|meta| meta.uid() == uid)
            && real_uid(proc, *pid) == Some(uid)
    });
    pids
}

fn real_uid(proc: &Path, pid: u32) -> Option<u32> {
    proc_text::real_uid(&fs::read_to_string(proc.join(pid.to_string()).join("status")).ok()?)
}

fn owns_socket(proc: &Path, pid: u32, inodes: &[u64]) -> bool {
    let Ok(entries) = fs::read_dir(proc.join(pid.to_string()).join("fd")) else { return false };
    entries.flatten().any(|entry| {
        fs::read_link(entry.path())
            .ok()
            .and_then(|link| proc_text::socket(link.to_str()?))
            .is_some_and(|inode| inodes.contains(&inode))
    })
}

fn unit_of(proc: &Path, pid: u32, units: &[&str]) -> Option<String> {
    proc_text::unit(&fs::read_to_string(proc.join(pid.to_string()).join("cgroup")).ok()?, units)
}

/// True if the command line is that of a gateway: it names one, and is not a forwarder of ports to one.
fn is_gateway(proc: &Path, pid: u32) -> bool {
    let Ok(bytes) = fs::read(proc.join(pid.to_string()).join("cmdline")) else { return false };
    let line = String::from_utf8_lossy(&bytes).to_lowercase();
    !program(proc, pid).is_some_and(|name| FORWARDERS.contains(&name.as_str()))
        && ["gateway", "opensoul", "openclaw", "clawdbot", "moltbot"].iter().any(|word| line.contains(word))
}

/// The name of a process's program, as it was called.
fn program(proc: &Path, pid: u32) -> Option<String> {
    proc_text::program(&fs::read(proc.join(pid.to_string()).join("cmdline")).ok()?)
}

fn start_ticks(proc: &Path, pid: u32) -> Option<u64> {
    proc_text::start_ticks(&fs::read_to_string(proc.join(pid.to_string()).join("stat")).ok()?)
}

/// When a process started, to a hundredth of a second.
pub(super) fn started(proc: &Path, pid: u32, now: Time) -> Option<Time> {
    // 1/100 s on every architecture that Rust's standard library supports.
    let after_boot = Span::try_milliseconds(i64::try_from(start_ticks(proc, pid)?).ok()?.checked_mul(10)?)?;
    let uptime = proc_text::uptime(&fs::read_to_string(proc.join("uptime")).ok()?)?;
    // In LXC the time since boot is the container's and the start of a process the machine's: they say nothing together.
    (after_boot <= uptime.checked_add(&SLACK)?)
        .then(|| now.checked_sub_signed(uptime)?.checked_add_signed(after_boot))?
}

/// What a process of ours was started with; `None` if it may not be read. The caller made sure that it is the gateway.
pub(super) fn environment(proc: &Path, uid: u32, pid: u32) -> Option<Variables> {
    let mut file = fs::File::open(proc.join(pid.to_string()).join("environ")).ok()?;
    // A process id can be given to another process between two looks.
    if real_uid(proc, pid) != Some(uid) {
        return None;
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(16 * 1024));
    file.by_ref().take(4 * 1024 * 1024).read_to_end(&mut bytes).ok()?;
    Some(variables(&bytes))
}

/// What stands in an `environ` that we know, by name.
#[must_use]
pub fn variables(environ: &[u8]) -> Variables {
    environ
        .split(|byte| *byte == 0)
        .filter_map(|entry| std::str::from_utf8(entry).ok()?.split_once('='))
        .filter(|(name, _)| PLACES.contains(name) || provider_env::provider_of(name).is_some())
        .map(|(name, value)| (name.to_owned(), Secret::new(value.to_owned())))
        .collect()
}

/// The state directory that a process was told to use.
pub(super) fn state_dir(variables: &Variables) -> Option<&Path> {
    PLACES.iter().find_map(|name| variables.get(*name)).filter(|v| !v.is_blank()).map(|v| Path::new(v.expose().trim()))
}
