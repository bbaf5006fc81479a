//! Questions to a person at a terminal. A cancelled one (Ctrl-C, Esc) ends the command with 130, and nothing was changed by it.

use std::io::IsTerminal;

use inquire::{Confirm, InquireError, Password, PasswordDisplayMode, Select, Text};

use super::exit::{Failure, FailureKind};
use crate::domain::Secret;

/// Yes or no.
///
/// # Errors
/// The person cancelled, or there is no terminal to ask on.
pub fn yes(question: &str, default: bool) -> Result<bool, Failure> {
    Confirm::new(question).with_default(default).prompt().map_err(|error| cancelled(&error))
}

/// One line; Enter alone gives the default.
///
/// # Errors
/// As [`yes`].
pub fn text(question: &str, default: &str) -> Result<String, Failure> {
    let asked = Text::new(question);
    let asked = if default.is_empty() { asked } else { asked.with_default(default) };
    asked.prompt().map(|text| text.trim().to_owned()).map_err(|error| cancelled(&error))
}

/// A secret, typed or pasted without being shown.
///
/// # Errors
/// As [`yes`].
pub fn secret(question: &str) -> Result<Secret, Failure> {
    let asked = Password::new(question).without_confirmation().with_display_mode(PasswordDisplayMode::Hidden);
    asked.prompt().map(|text| Secret::new(text.trim().to_owned())).map_err(|error| cancelled(&error))
}

/// One of several; gives its place in the list.
///
/// # Errors
/// As [`yes`].
pub fn choice(question: &str, ways: &[&str]) -> Result<usize, Failure> {
    let chosen = Select::new(question, ways.to_vec()).raw_prompt().map_err(|error| cancelled(&error))?;
    Ok(chosen.index)
}

/// Somebody can be asked.
///
/// # Errors
/// Nobody is there (64).
pub fn terminal(command: &str) -> Result<(), Failure> {
    if std::io::stdin().is_terminal() && std::io::stderr().is_terminal() {
        return Ok(());
    }
    let message =
        format!("{command} asks at a terminal, and this is none: add --non-interactive and say what you want (--help)");
    Err(Failure::new(FailureKind::Usage, message))
}

fn cancelled(error: &InquireError) -> Failure {
    match error {
        InquireError::OperationCanceled | InquireError::OperationInterrupted => {
            Failure::new(FailureKind::Cancelled, "cancelled; nothing was changed")
        }
        InquireError::NotTTY => Failure::new(FailureKind::Usage, "there is no terminal to ask on"),
        other => Failure::new(FailureKind::Io, format!("cannot ask: {other}")),
    }
}
