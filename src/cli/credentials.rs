//! `credentials`: the list, and everything about one.

use super::args::CredentialsCommand;
use super::credentials_declare;
use super::exit::{Failure, FailureKind, Outcome};
use super::reading::Reading;
use super::{Context, print};
use crate::config;
use crate::domain::{Assessed, Snapshot};
use crate::output::{credentials, explain};
use crate::store::Reader;

/// Runs the command.
///
/// # Errors
/// An id that does not exist (64), what is wrong with our own configuration (78), an output that cannot be written (74).
pub fn run(command: &CredentialsCommand, context: &Context) -> Outcome {
    let reading = open(context)?;
    match command {
        CredentialsCommand::Declare(args) => return credentials_declare::run(args, reading, context),
        CredentialsCommand::List { json } => {
            let snapshot = reading.observe(context.program.clone()).snapshot;
            let out = if *json {
                credentials::json(&snapshot).map_err(bug)?
            } else {
                credentials::text(&snapshot, print::width(&reading.env), print::lang())
            };
            print::text(&out)?;
        }
        CredentialsCommand::Explain { id, json } => {
            let snapshot = reading.observe(context.program.clone()).snapshot;
            let assessed = find(&snapshot, id)?;
            let history = history(&reading, assessed);
            let subject = explain::Subject {
                snapshot: &snapshot,
                assessed,
                first_seen: reading.remembered.first_seen_of(&assessed.credential, &reading.key),
                history: &history,
            };
            let home = reading.env.home();
            let zone = config::local_zone(&reading.env);
            let (width, lang) = (print::width(&reading.env), print::lang());
            let options = explain::Options { width, zone, home: Some(&home), lang };
            let out = if *json {
                explain::json(&subject, Some(&home)).map_err(bug)?
            } else {
                explain::text(&subject, &options)
            };
            print::text(&out)?;
        }
    }
    Ok(0)
}

fn open(context: &Context) -> Result<Reading, Failure> {
    let reading = Reading::open(context).map_err(|error| Failure::new(FailureKind::Io, error.to_string()))?;
    if !reading.config_problems.is_empty() {
        return Err(Failure::new(FailureKind::Config, config::report(&reading.config_problems)));
    }
    if let Some(problem) = &reading.store_problem {
        note!("opensoul: what the monitor remembers cannot be read, going on without it: {problem}");
    }
    if let Some(problem) = &reading.key_problem {
        note!("opensoul: {problem}; going on without it");
    }
    Ok(reading)
}

/// The credential of that id.
///
/// # Errors
/// There is none (64); those that may have been meant are named.
pub(super) fn find<'a>(snapshot: &'a Snapshot, id: &str) -> Result<&'a Assessed, Failure> {
    let all = &snapshot.credentials;
    if let Some(found) = all.iter().find(|one| one.credential.id.as_str() == id.trim()) {
        return Ok(found);
    }
    let near = credentials::suggestions(id, all.iter().map(|one| one.credential.id.as_str()));
    let hint = match near.as_slice() {
        [] => "`opensoul credentials list` shows all ids.".to_owned(),
        [one] => format!("Did you mean {one}?"),
        several => format!("Did you mean one of these?\n  {}", several.join("\n  ")),
    };
    Err(Failure::new(FailureKind::Usage, format!("there is no credential `{}`. {hint}", id.trim())))
}

/// What the monitor has recorded; nothing where there is none.
fn history(reading: &Reading, assessed: &Assessed) -> Vec<explain::Past> {
    let changes = Reader::open(&reading.location.state)
        .and_then(|reader| reader.map_or_else(|| Ok(Vec::new()), |reader| reader.history(&assessed.credential.id)));
    let past =
        |change: crate::store::Change| explain::Past { at: change.at, state: change.state, severity: change.severity };
    let mut past: Vec<_> = changes.unwrap_or_default().into_iter().map(past).collect();
    // A change of the date or the secret alone is none of these.
    past.dedup_by_key(|past| (past.state, past.severity));
    past
}

fn bug(error: serde_json::Error) -> Failure {
    Failure::new(FailureKind::Bug, error.to_string())
}
