//! The gateway's own program, where only it may write: since it keeps its credentials in SQLite, a file of ours would break it.
//! A secret goes to it on standard input, never among its arguments.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::exit::{Failure, FailureKind, Outcome};
use super::{Context, handover};
use crate::domain::Secret;
use crate::formats::installation::Installation;
use crate::formats::shell;

/// A command of the gateway's own program.
pub struct Owner {
    program: PathBuf,
    words: Vec<String>,
    /// As a person would type it.
    line: String,
    env: Vec<(String, String)>,
}

impl std::fmt::Display for Owner {
    /// As a person would type it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.line)
    }
}

/// What the gateway's program is told by variables: that we started it, and what `--profile` and `--dev` mean for us.
pub(super) fn variables(context: &Context) -> Vec<(String, String)> {
    let own = ["OPENSOUL_STATE_DIR", "OPENSOUL_CONFIG_PATH"];
    let own = own.into_iter().filter_map(|name| Some((name.to_owned(), context.env.get(name)?.to_owned())));
    std::iter::once(handover::marker(&context.env)).chain(own).collect()
}

impl Owner {
    /// Finds the program.
    ///
    /// # Errors
    /// It is not in `PATH` (69, with the command to run where it is).
    pub fn of(installation: &Installation, words: &[&str], context: &Context) -> Result<Self, Failure> {
        let name = installation.family.word();
        let line = std::iter::once(name).chain(words.iter().copied()).map(shell::word).collect::<Vec<_>>().join(" ");
        let Some(program) = handover::program_of(name, &context.env) else {
            let message = format!(
                "{name} keeps its credentials in SQLite here ({}), and only its own program may write there; it is not in PATH. \
                 Nothing was changed. Run it where it is:\n  {line}",
                installation.state_dir.display()
            );
            return Err(Failure::new(FailureKind::Unavailable, message));
        };
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        Ok(Self { program, words, line, env: variables(context) })
    }

    /// Runs it in this terminal; with `secret`, that is all it gets on its standard input.
    ///
    /// # Errors
    /// It cannot be run, or does not end well (69).
    pub fn run(&self, secret: Option<&Secret>) -> Outcome {
        let failed = |why: String| Failure::new(FailureKind::Unavailable, format!("`{}` {why}", self.line));
        let mut command = Command::new(&self.program);
        command.args(&self.words).envs(self.env.iter().map(|(name, value)| (name, value)));
        if secret.is_some() {
            command.stdin(Stdio::piped());
        }
        note!("opensoul: running {}", self.line);
        let mut child = command.spawn().map_err(|error| failed(format!("cannot be run: {error}")))?;
        if let (Some(secret), Some(mut pipe)) = (secret, child.stdin.take()) {
            let written = pipe.write_all(secret.expose().as_bytes()).and_then(|()| pipe.write_all(b"\n"));
            // Who closes it early says why with the exit code.
            if let Err(error) = written
                && error.kind() != std::io::ErrorKind::BrokenPipe
            {
                return Err(failed(format!("did not take the secret: {error}")));
            }
        }
        let status = child.wait().map_err(|error| failed(format!("cannot be waited for: {error}")))?;
        if status.success() { Ok(0) } else { Err(failed(format!("did not succeed ({status})"))) }
    }
}
