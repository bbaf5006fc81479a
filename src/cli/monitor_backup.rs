//! `opensoul monitor backup FILE`: the monitor's state in a file, also while it runs. Writes nothing else.

use std::path::Path;

use super::Context;
use super::exit::{Failure, FailureKind, Outcome};
use crate::config::locate;
use crate::store::{Reader, StoreError};

/// Runs the command.
///
/// # Errors
/// There is no state yet (66), or the file is there already or cannot be made (73).
pub fn run(context: &Context, file: &Path) -> Outcome {
    let state = locate(&context.env, context.global.config.as_deref()).state;
    let none = || {
        let text = format!("{} has no state of this version: the monitor has not looked yet", state.display());
        Failure::new(FailureKind::NoInput, text)
    };
    let reader = Reader::open(&state).map_err(|error| Failure::new(FailureKind::Io, error.to_string()))?;
    reader.ok_or_else(none)?.back_up(file).map_err(|error| failure(&error))?;
    say!("Wrote {}.", file.display());
    say!(
        "To go back to it: stop the monitor, put it in the place of {}, and begin again.",
        state.join("state.db").display()
    );
    Ok(0)
}

fn failure(error: &StoreError) -> Failure {
    let kind = match error {
        StoreError::Io { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => {
            FailureKind::NoPermission
        }
        _ => FailureKind::CannotCreate,
    };
    Failure::new(kind, error.to_string())
}
