//! Asking another machine over the system's `ssh` for its `status --json`. Decides how `ssh` is called and how long and how much is
//! listened to; what the answer means is read elsewhere (`output::status::read`).
//!
//! It runs one fixed command there and sends nothing: no agent, no X, no forwarding of ports, no terminal, no question to a person.
//! What comes back is bounded in size and time, and `ssh` is ended with everything that it started.

mod destination;

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

use crate::domain::Environment;
use crate::net::redact;

pub use destination::{Destination, NoDestination};

/// What a status takes: a connection of at most 10 s, and a look at files.
const PATIENCE: Duration = Duration::from_secs(20);
/// With the providers asked first, a refusal twice.
const PATIENCE_WITH_PROBES: Duration = Duration::from_secs(90);
/// Ten thousand credentials are 11 MB.
const LARGEST: u64 = 16 * 1024 * 1024;
/// What is read of what `ssh` itself says.
const WORDS: u64 = 8 * 1024;
/// How long it may still say something after it has ended: a helper of its own may hold the other end.
const LAST_WORDS: Duration = Duration::from_millis(300);

/// Its names there, most certain first: `opensoul` may be the gateway's own program. Our packages install both.
const PROGRAMS: [&str; 2] = ["opensoul-monitor", "opensoul"];
/// `env` found no such program.
const NOT_FOUND: i32 = 127;
/// `ssh` itself failed.
const SSH_FAILED: i32 = 255;

/// Whether the providers are asked first, there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Probing {
    /// No.
    #[default]
    None,
    /// With requests that cost nothing.
    Free,
    /// With requests of one token where a model is configured.
    Paid,
}

impl Probing {
    fn option(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Free => Some("--probe"),
            Self::Paid => Some("--probe-paid"),
        }
    }

    fn patience(self) -> Duration {
        if self == Self::None { PATIENCE } else { PATIENCE_WITH_PROBES }
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreached {
    /// No `ssh` here.
    #[error("ssh cannot be run here ({0}): install OpenSSH's client")]
    NoSsh(String),
    /// `ssh` did not get there.
    #[error(
        "{host} was not reached: {said} (ssh ended with 255); try `ssh {host} true`, which must work without a question"
    )]
    NotConnected {
        /// Which machine.
        host: String,
        /// What `ssh` said.
        said: String,
    },
    /// There is no opensoul.
    #[error("{host} has no opensoul: install it there, into PATH, ~/.local/bin or ~/.cargo/bin")]
    NotInstalled {
        /// Which machine.
        host: String,
    },
    /// It is there, and failed.
    #[error("opensoul on {host} failed with {code}: {said}")]
    Failed {
        /// Which machine.
        host: String,
        /// Its exit code.
        code: i32,
        /// What it said.
        said: String,
    },
    /// Ended from outside.
    #[error("ssh to {host} was ended by a signal")]
    Ended {
        /// Which machine.
        host: String,
    },
    /// No answer in time.
    #[error("{host} did not answer within {seconds} s; the next call tries again")]
    Late {
        /// Which machine.
        host: String,
        /// How long was waited.
        seconds: u64,
    },
    /// More than any status.
    #[error("{host} answers with more than {} MiB, which is no status of opensoul", LARGEST >> 20)]
    Flood {
        /// Which machine.
        host: String,
    },
}

/// What `ssh` is called with.
#[must_use]
pub fn arguments(to: &Destination, program: &str, probing: Probing) -> Vec<String> {
    let options = ["-a", "-x", "-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "ClearAllForwardings=yes"];
    let mut all: Vec<String> = options.map(str::to_owned).to_vec();
    if let Some(port) = to.port() {
        all.extend(["-p".to_owned(), port.to_string()]);
    }
    // Where people install for themselves a shell without a login does not look. One simple command that every shell understands
    // alike; all of its words are ours.
    let path = "\"PATH=$HOME/.local/bin:$HOME/.cargo/bin:$PATH\"";
    let mut command = vec!["env", path, program, "status", "--json"];
    command.extend(probing.option());
    all.extend(["--".to_owned(), to.login(), command.join(" ")]);
    all
}

/// What the machine says to `status --json`; its exit code was 0. Nothing of it has been looked at.
///
/// # Errors
/// There is no answer.
pub async fn ask(to: &Destination, probing: Probing, env: &Environment) -> Result<Vec<u8>, Unreached> {
    let patience = probing.patience();
    let both = async {
        let mut answer = Err(Unreached::NotInstalled { host: to.to_string() });
        for program in PROGRAMS {
            answer = once(to, program, probing, env).await;
            if !matches!(answer, Err(Unreached::NotInstalled { .. })) {
                break;
            }
        }
        answer
    };
    // A machine that does not answer in time is dropped with its `ssh` ([`Group`]).
    let late = |_| Err(Unreached::Late { host: to.to_string(), seconds: patience.as_secs() });
    tokio::time::timeout(patience, both).await.unwrap_or_else(late)
}

/// `ssh` and everything that it started: ended when it is dropped.
struct Group(Option<rustix::process::Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw))
    }

    /// It has ended by itself; its number may soon be another's.
    fn ended(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}

async fn once(to: &Destination, program: &str, probing: Probing, env: &Environment) -> Result<Vec<u8>, Unreached> {
    let host = to.to_string();
    let mut command = Command::new("ssh");
    // Its agent, its configuration and its helpers are found by the variables of the person who calls us.
    command.env_clear().envs(env.iter()).args(arguments(to, program, probing)).process_group(0).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let failed = |error: std::io::Error| Unreached::NoSsh(error.to_string());
    let mut child = command.spawn().map_err(failed)?;
    let group = Group::of(&child);
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let said = tokio::spawn(read(err, WORDS));
    let answer = read(out, LARGEST + 1).await;
    if answer.len() as u64 > LARGEST {
        return Err(Unreached::Flood { host });
    }
    let status = child.wait().await.map_err(failed)?;
    group.ended();
    let said = tokio::time::timeout(LAST_WORDS, said).await.ok().and_then(Result::ok).unwrap_or_default();
    judge(status, answer, &said, host)
}

fn judge(status: ExitStatus, answer: Vec<u8>, said: &[u8], host: String) -> Result<Vec<u8>, Unreached> {
    let said = || reason(&String::from_utf8_lossy(said));
    match status.code() {
        Some(0) => Ok(answer),
        Some(SSH_FAILED) => Err(Unreached::NotConnected { host, said: said() }),
        Some(NOT_FOUND) => Err(Unreached::NotInstalled { host }),
        Some(code) => Err(Unreached::Failed { host, code, said: said() }),
        None => Err(Unreached::Ended { host }),
    }
}

/// What is left unread is not waited for: whoever says more has said enough.
async fn read(stream: Option<impl AsyncRead + Unpin>, limit: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        let _ = stream.take(limit).read_to_end(&mut bytes).await;
    }
    bytes
}

/// The line that says why, fit to be shown: the one of opensoul, else the last, for `ssh` shows the banner of the other machine and
/// its own warnings before what ended it.
fn reason(said: &str) -> String {
    let mut lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
    let line = lines.clone().find_map(|line| line.strip_prefix("opensoul: ")).or_else(|| lines.next_back());
    match line.map(|line| redact::words(line, &[], 200)).filter(|line| !line.is_empty()) {
        Some(line) => line,
        None => "it does not say why".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ssh_gets_one_fixed_command() {
        let to = "ann@box:2222".parse().unwrap();
        let command = "env \"PATH=$HOME/.local/bin:$HOME/.cargo/bin:$PATH\" opensoul-monitor status --json --probe";
        assert_eq!(
            arguments(&to, PROGRAMS[0], Probing::Free),
            [
                "-a",
                "-x",
                "-T",
                "-o",
                "BatchMode=yes",
                "-o",
                "ConnectTimeout=10",
                "-o",
                "ClearAllForwardings=yes",
                "-p",
                "2222",
                "--",
                "ann@box",
                command
            ]
        );
        let plain = arguments(&"box".parse().unwrap(), PROGRAMS[1], Probing::None);
        assert_eq!(plain[9..11], ["--", "box"]);
        assert!(plain[11].ends_with(" opensoul status --json"));
    }

    #[test]
    fn of_what_ssh_says_one_line_is_shown() {
        let said = "Warning: Permanently added 'x'.\r\nAuthorised use only.\n\nann@box: Permission \u{1b}[31mdenied (publickey).\r\n\n";
        assert_eq!(reason(said), "ann@box: Permission [31mdenied (publickey).");
        assert_eq!(reason("Authorised use only.\nopensoul: it is wrong\nhere\n"), "it is wrong");
        assert_eq!(reason(" \n"), "it does not say why");
        assert!(!reason("kex: sk-ant-api03-abcdefghijk refused").contains("abcdef"));
    }
}
