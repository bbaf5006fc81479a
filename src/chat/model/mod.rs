//! `/model`: which model a session uses and which credential it is pinned to. It says what the gateway's own `/model` says, and
//! besides what that does not say: that a pin will not hold, and why. Pure.
//!
//! * [`directive`]: where in a line the command is. [`choose`]: which model is meant. [`reply`]: what is answered.

pub mod choose;
pub mod directive;
pub mod reply;

pub use directive::{Directive, extract};
pub use reply::{Answer, Scene, answer};

/// What a line about a session came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The answer.
    pub text: String,
    /// What was wanted is not possible.
    pub refused: bool,
    /// The session is another now; or would be, if it was only asked.
    pub changes: bool,
}

/// Why there is no answer, or nothing was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Of what sort.
    pub kind: TroubleKind,
    /// In words.
    pub message: String,
}

/// See [`Trouble`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TroubleKind {
    /// The gateway refuses its own config.
    Config,
    /// The session, or its file, is not there.
    Absent,
    /// The file is not what it should be.
    Broken,
    /// Sessions are kept where we do not write.
    Elsewhere,
    /// Somebody else is writing there.
    Busy,
    /// It could not be written.
    Unwritten,
}

/// The sessions of a gateway, as chats reach them.
pub trait Sessions: Send + Sync {
    /// What a line is answered; nothing is changed. `None`: it is not about a session.
    ///
    /// # Errors
    /// See [`Trouble`].
    fn ask(&self, line: &str) -> Result<Option<Said>, Trouble>;

    /// Does what a line says. To do it twice is to do it once.
    ///
    /// # Errors
    /// See [`Trouble`].
    fn order(&self, line: &str) -> Result<Said, Trouble>;
}
