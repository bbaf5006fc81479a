//! `status`: every credential of this machine and the truth about it.

use std::io::Write;

use anstream::{AutoStream, ColorChoice};

use super::Context;
use super::args::{Format, Status};
use super::exit::{Failure, FailureKind, Outcome};
use super::reading::Reading;
use crate::config;
use crate::domain::{IncidentStatus, Pseudonyms};
use crate::engine::check::{self, CheckScope};
use crate::export::metrics::{Standing, snapshot_text, standing_text};
use crate::monitor::observe::Observed;
use crate::output::status::{Options, checkmk, json, nagios, text};
use crate::store::Reader;

/// Runs the command.
///
/// # Errors
/// What is wrong with our own configuration (78); an output that cannot be written (74).
pub fn run(args: &Status, context: &Context) -> Outcome {
    let format = if args.json { Format::Json } else { args.format.unwrap_or(Format::Text) };
    status(format, args, context)
}

fn status(format: Format, args: &Status, context: &Context) -> Outcome {
    let mut reading = Reading::open(context).map_err(|error| Failure::new(FailureKind::Io, error.to_string()))?;
    if !reading.config_problems.is_empty() {
        return Err(Failure::new(FailureKind::Config, config::report(&reading.config_problems)));
    }
    if let Some(problem) = &reading.store_problem {
        anstream::eprintln!("opensoul: what the monitor remembers cannot be read, going on without it: {problem}");
    }
    if args.probe || args.probe_paid {
        reading.probe(&context.program, args.probe_paid)?;
    }
    if let Some(problem) = &reading.key_problem {
        anstream::eprintln!("opensoul: {problem}; going on without it");
    }
    let Observed { snapshot, .. } = reading.observe(context.program.clone());
    let home = reading.env.home();
    let incidents = &reading.remembered.incidents;
    let mut code = if args.check { check::exit_code(&snapshot, CheckScope::InUse).code } else { 0 };
    let out = match format {
        Format::Text => {
            let columns = reading.env.get("COLUMNS").and_then(|columns| columns.parse().ok());
            let width = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0)).or(columns).unwrap_or(80);
            let zone = config::local_zone(&reading.env);
            text(&snapshot, incidents, &Options { width, zone, home: Some(&home) })
        }
        Format::Json => json(&snapshot, incidents, Some(&home))
            .map_err(|error| Failure::new(FailureKind::Bug, error.to_string()))?,
        Format::Nagios => {
            let (line, plugin) = nagios::nagios(&snapshot);
            code = plugin;
            line
        }
        Format::Checkmk => checkmk::checkmk(&snapshot),
        Format::Prom => {
            let allow = reading.config.export_emails;
            let names = match Reader::open(&reading.location.state) {
                Ok(Some(reader)) => reader.pseudonyms(allow),
                _ => Ok(Pseudonyms::new([].into(), allow)),
            };
            let names = names.map_err(|error| Failure::new(FailureKind::Io, error.to_string()))?;
            let open = incidents.iter().filter(|incident| incident.status != IncidentStatus::Resolved).cloned();
            // Queues are the monitor's own business; it exports them itself.
            let standing =
                Standing { incidents: open.collect(), receivers: Vec::new(), last_cycle: reading.remembered.last_time };
            snapshot_text(&snapshot, &names) + &standing_text(&standing)
        }
    };
    print(&out)?;
    Ok(code)
}

/// Writes everything, to a pipe of any size. Styles go only to a terminal; they are taken out beforehand, because a stream
/// that does so on the way makes one system call for each piece.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let plain = match AutoStream::choice(&out) {
        ColorChoice::Never => Some(anstream::adapter::strip_str(text).to_string()),
        _ => None,
    };
    let text = plain.as_deref().unwrap_or(text);
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // Whoever closed the pipe has read enough.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::new(FailureKind::Io, format!("cannot write the report: {error}")))
        }
        _ => Ok(()),
    }
}
