//! The one place that asks the system's keyring, by running `secret-tool` (Linux) or `security` (macOS).
//!
//! Asked only where a tool's own file says that its login is there, or where the keyring is what the tool uses on this platform:
//! a plain Linux machine starts no process. Two seconds, 256 KiB, an environment of five names, nothing of what the programs
//! say is shown, and no dialog is ever opened:
//!
//! - `secret-tool lookup` unlocks what is locked, that is, it asks the user. `secret-tool search` without `--unlock` shows an
//!   item that is locked without its secret, so that it also tells "locked" from "absent".
//! - macOS hands an item silently to the program that made it only. What tools write with `security` itself is ours to read;
//!   of the others only their being there is asked, which needs no leave.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use zeroize::Zeroizing;

use crate::domain::{Environment, Secret};
use crate::formats::keyring_answer;

/// One thing that a keyring holds.
#[derive(Clone, Copy)]
pub(super) struct Item<'a> {
    /// The service.
    pub service: &'a str,
    /// The account, if the tool gives one.
    pub account: Option<&'a str>,
    /// With what its tool writes it.
    pub writer: Writer,
}

/// With what a tool writes its items: that decides what they are called, and who may read them unasked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writer {
    /// The program `security` (Claude Code).
    Security,
    /// Go's `go-keyring` (gh): `security` on macOS, attributes `service` and `username` on Linux; values may be in base64.
    Go,
    /// Rust's `keyring` (Codex, goose): attributes `service` and `username`.
    Rust,
    /// Node's `keytar` (Gemini CLI, Copilot CLI): attributes `service` and `account`.
    Node,
    /// Zed: the address of the API in place of a service (attribute `url`; on macOS a password for the internet).
    Zed,
}

/// What the keyring said.
pub(super) enum Answer {
    /// The secret.
    Found(Secret),
    /// There is no such item.
    Absent,
    /// There is one, and it is not given away: why, to follow "it cannot be read:".
    Locked(String),
    /// There may be one, and the keyring does not say: why, to follow the same.
    Unreadable(String),
}

/// Whose keyring there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Platform {
    /// The Secret Service (GNOME, KDE).
    Linux,
    /// The login keychain.
    Mac,
    /// None that we know of.
    Other,
}

impl Platform {
    /// This one.
    pub const HERE: Self = if cfg!(target_os = "macos") {
        Self::Mac
    } else if cfg!(target_os = "linux") {
        Self::Linux
    } else {
        Self::Other
    };
}

/// An answer comes within milliseconds; what takes longer waits for a person.
const PATIENCE: Duration = Duration::from_secs(2);
/// After a kill, the end of the program is certain and soon.
const FAREWELL: Duration = Duration::from_secs(1);
/// Blobs of logins have a few kilobytes.
const LIMIT: usize = 256 << 10;
/// `errSecItemNotFound`, `errSecInteractionNotAllowed`, `errSecAuthFailed`, as exit codes; the last is a refused dialog.
const NOT_FOUND: i32 = 44;
const NOT_ALLOWED: [i32; 3] = [36, 51, 128];

/// Asks this machine's keyring.
pub(super) fn ask(item: &Item<'_>, env: &Environment) -> Answer {
    ask_on(Platform::HERE, item, env)
}

/// The same for a given platform.
pub(super) fn ask_on(platform: Platform, item: &Item<'_>, env: &Environment) -> Answer {
    match platform {
        Platform::Linux => secret_service(item, env),
        Platform::Mac => keychain(item, env),
        Platform::Other => unreadable(item, "and this system has no keyring that can be asked"),
    }
}

fn unreadable(item: &Item<'_>, why: &str) -> Answer {
    Answer::Unreadable(words(item, why))
}

fn locked(item: &Item<'_>, why: &str) -> Answer {
    Answer::Locked(words(item, why))
}

fn words(item: &Item<'_>, why: &str) -> String {
    let account = item.account.map(|account| format!(", account {account}")).unwrap_or_default();
    format!("it is kept in the keyring (service {}{account}), {why}", item.service)
}

fn secret_service(item: &Item<'_>, env: &Environment) -> Answer {
    if env.get("DBUS_SESSION_BUS_ADDRESS").is_none() {
        return unreadable(item, "and there is no session to ask it in (DBUS_SESSION_BUS_ADDRESS is not set)");
    }
    let name = if item.writer == Writer::Node { "account" } else { "username" };
    let service = if item.writer == Writer::Zed { "url" } else { "service" };
    let mut arguments = vec!["search", service, item.service];
    arguments.extend(item.account.iter().flat_map(|account| [name, account]));
    let (output, status) = match run("secret-tool", &arguments, env) {
        Ok(ran) => ran,
        Err(why) => return unreadable(item, &why),
    };
    match keyring_answer::found_by_search(&output) {
        _ if !status.success() => unreadable(item, "which did not answer"),
        None if output.iter().all(u8::is_ascii_whitespace) => Answer::Absent,
        None => locked(item, "which is locked"),
        Some(secret) => text(item, secret),
    }
}

fn keychain(item: &Item<'_>, env: &Environment) -> Answer {
    let readable = matches!(item.writer, Writer::Security | Writer::Go);
    let find = if item.writer == Writer::Zed { "find-internet-password" } else { "find-generic-password" };
    let mut arguments = vec![find, "-s", item.service];
    arguments.extend(item.account.iter().flat_map(|account| ["-a", account]));
    if readable {
        arguments.push("-w");
    }
    let (output, status) = match run("security", &arguments, env) {
        Ok(ran) => ran,
        Err(why) => return unreadable(item, &why),
    };
    match status.code() {
        Some(0) if readable => text(item, &output),
        Some(0) => locked(item, "which gives it to its own tool only, unless you are asked"),
        Some(NOT_FOUND) => Answer::Absent,
        Some(code) if NOT_ALLOWED.contains(&code) => {
            unreadable(item, "which is locked or may not be read from this session (over ssh, mostly)")
        }
        _ => unreadable(item, "which did not answer"),
    }
}

/// The value as its tool wrote it.
fn text(item: &Item<'_>, bytes: &[u8]) -> Answer {
    match keyring_answer::value(bytes) {
        Some(value) => Answer::Found(value),
        None => locked(item, "but what is there is not text"),
    }
}

/// The first `digits` of the SHA-256 of a text, in hexadecimal: what tools tell their own directories apart by.
pub(super) fn short_hash(text: &str, digits: usize) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    let mut hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    hex.truncate(digits);
    hex
}

type Ran = (Zeroizing<Vec<u8>>, ExitStatus);

/// Runs a program of the system; why it has no answer follows "it is kept in the keyring,".
fn run(program: &str, arguments: &[&str], env: &Environment) -> Result<Ran, String> {
    let path = in_path(program, env).ok_or_else(|| format!("and {program} is not installed"))?;
    let kept = ["DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR", "HOME", "USER", "PATH"];
    let mut child = Command::new(path)
        .args(arguments)
        .env_clear()
        .envs(kept.into_iter().filter_map(|name| Some((name, env.raw(name)?))))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(|_| format!("and {program} cannot be started"))?;
    let group = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    let stdout = child.stdout.take().ok_or_else(|| format!("and {program} has no output"))?;
    let kill = || {
        if let Some(group) = group {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    };
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        // One allocation: growing would leave copies of secrets behind.
        let mut output = Zeroizing::new(Vec::with_capacity(LIMIT + 1));
        let read = stdout.take(LIMIT as u64 + 1).read_to_end(&mut output);
        let _ = send.send((read.is_ok() && output.len() <= LIMIT).then_some(output));
    });
    let answer = receive.recv_timeout(PATIENCE);
    if !matches!(answer, Ok(Some(_))) {
        kill();
    }
    // Its output is complete, and still it may not end.
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let _ = send.send(child.wait());
    });
    let status = receive.recv_timeout(FAREWELL);
    if status.is_err() {
        kill();
    }
    match (answer, status) {
        (Ok(Some(output)), Ok(Ok(status))) => Ok((output, status)),
        (Ok(None), _) => Err(format!("and {program} says more than any keyring holds")),
        _ => Err("which does not answer in time: it may wait for you to unlock it".to_owned()),
    }
}

/// The first program of this name in an absolute directory of `PATH`.
fn in_path(program: &str, env: &Environment) -> Option<PathBuf> {
    let dirs = env.get("PATH")?.split(':').map(Path::new).filter(|dir| dir.is_absolute());
    let executable =
        |path: &PathBuf| path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0);
    dirs.map(|dir| dir.join(program)).find(executable)
}

#[cfg(test)]
#[path = "keyring_tests.rs"]
pub(super) mod tests;
