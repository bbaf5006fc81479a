//! `status`: every credential of this machine and the truth about it.

use std::mem::ManuallyDrop;

use super::args::{Format, Status};
use super::exit::{Failure, FailureKind, Outcome};
use super::reading::Reading;
use super::{Context, print};
use crate::config;
use crate::domain::{IncidentStatus, Pseudonyms};
use crate::engine::check::{self, CheckScope};
use crate::engine::due::overdue_at;
use crate::engine::overlays::Overlays;
use crate::export::metrics::{Standing, snapshot_text, standing_text};
use crate::monitor::observe::Observed;
use crate::output::status::{Incidents, Options, checkmk, document, nagios, text};
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
        note!("opensoul: what the monitor remembers cannot be read, going on without it: {problem}");
    }
    if args.probe || args.probe_paid {
        reading.probe(&context.program, args.probe_paid)?;
    }
    if let Some(problem) = &reading.key_problem {
        note!("opensoul: {problem}; going on without it");
    }
    // Not dropped: the process ends with this command, and to take ten thousand credentials apart would only cost time.
    let observed = ManuallyDrop::new(reading.observe(context.program.clone()));
    let Observed { snapshot, .. } = &*observed;
    let home = reading.env.home();
    let all = &reading.remembered.incidents;
    let silences = match Reader::open(&reading.location.state) {
        Ok(Some(reader)) => reader.silences().unwrap_or_default(),
        _ => Vec::new(),
    };
    let withheld = Overlays::new(&reading.config.alerts, &silences, &snapshot.host, reading.now).all(all);
    let incidents = Incidents { all, withheld: &withheld };
    let mut code = if args.check { check::exit_code(snapshot, CheckScope::InUse).code } else { 0 };
    let out = match format {
        Format::Text => {
            let width = print::width(&reading.env);
            let zone = config::local_zone(&reading.env);
            text(snapshot, incidents, &Options { width, zone, home: Some(&home), lang: print::lang() })
        }
        Format::Json => {
            print::json(&document(snapshot, incidents, Some(&home)))?;
            return Ok(code);
        }
        Format::Nagios => {
            let (line, plugin) = nagios::nagios(snapshot);
            code = plugin;
            line
        }
        Format::Checkmk => checkmk::checkmk(snapshot),
        Format::Prom => {
            let allow = reading.config.export_emails;
            let names = match Reader::open(&reading.location.state) {
                Ok(Some(reader)) => reader.pseudonyms(allow),
                _ => Ok(Pseudonyms::new([].into(), allow)),
            };
            let names = names.map_err(|error| Failure::new(FailureKind::Io, error.to_string()))?;
            let open = all.iter().filter(|incident| incident.status != IncidentStatus::Resolved).cloned();
            // Queues are the monitor's own business; it exports them itself.
            let standing = Standing {
                incidents: open.collect(),
                last_cycle: reading.remembered.last_time,
                overdue: reading.remembered.last_time.and_then(|last| overdue_at(&reading.config.status, last)),
                silences: silences.into_iter().filter(|silence| silence.ends_at > reading.now).collect(),
                ..Standing::default()
            };
            snapshot_text(snapshot, &names)
                + &standing_text(&standing, &withheld, &reading.config.alerts.windows(reading.now))
        }
    };
    print::text(&out)?;
    Ok(code)
}
