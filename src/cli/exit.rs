//! The only place that knows exit codes (CONTRACTS §2). Our own errors use the numbers of `sysexits.h`; 1 and 2 belong to
//! `--check`, 0 to 3 to monitoring plugins.

use std::fmt;
use std::process::ExitCode;

/// An error of ours, with what happened, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What sort of error it is.
    pub kind: FailureKind,
    /// What happened, where, and what to do; no secret; may have several lines.
    pub message: String,
}

/// What sort of error it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// The command line was used wrongly.
    Usage,
    /// The input data was wrong.
    Data,
    /// An input file does not exist or cannot be read.
    NoInput,
    /// A program or a service that we need is not there.
    Unavailable,
    /// A bug of ours.
    Bug,
    /// An output file cannot be made.
    CannotCreate,
    /// Reading or writing failed.
    Io,
    /// Something temporary: a lock, a time limit.
    TryAgain,
    /// Permission denied.
    NoPermission,
    /// The configuration is wrong.
    Config,
    /// A person cancelled a prompt.
    Cancelled,
}

impl Failure {
    /// A failure of a kind.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// Its exit code.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self.kind {
            FailureKind::Usage => 64,
            FailureKind::Data => 65,
            FailureKind::NoInput => 66,
            FailureKind::Unavailable => 69,
            FailureKind::Bug => 70,
            FailureKind::CannotCreate => 73,
            FailureKind::Io => 74,
            FailureKind::TryAgain => 75,
            FailureKind::NoPermission => 77,
            FailureKind::Config => 78,
            FailureKind::Cancelled => 130,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<Failure> for ExitCode {
    fn from(failure: Failure) -> Self {
        Self::from(failure.code())
    }
}

/// What a command ends with: a code of its own, or a failure that `main` prints.
pub type Outcome = Result<u8, Failure>;
