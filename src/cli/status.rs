//! `status`: every credential of this machine, or of another one that is asked, and the truth about it.

use std::mem::ManuallyDrop;
use std::path::Path;

use super::args::{Format, Status};
use super::exit::{Failure, FailureKind, Outcome};
use super::reading::Reading;
use super::{Context, asking, monitor_run, print};
use crate::clock::SystemClock;
use crate::config;
use crate::domain::{IncidentStatus, Pseudonyms};
use crate::engine::due::overdue_at;
use crate::engine::overlays::Overlays;
use crate::export::metrics::{Standing, snapshot_text, standing_text};
use crate::monitor::elsewhere::{Unheard, hear};
use crate::monitor::observe::Observed;
use crate::output::status::{Incidents, Options, Report, checkmk, document, nagios, text};
use crate::remote::{Destination, Probing, Unreached};
use crate::store::Reader;

/// Runs the command.
///
/// # Errors
/// What is wrong with our own configuration (78); an output that cannot be written (74).
pub fn run(args: &Status, context: &Context) -> Outcome {
    let format = if args.json { Format::Json } else { args.format.unwrap_or(Format::Text) };
    match &args.host {
        Some(host) => elsewhere(host, format, args, context),
        None => status(format, args, context),
    }
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
    let open = all.iter().filter(|incident| incident.status != IncidentStatus::Resolved).cloned();
    // Queues are the monitor's own business; it exports them itself.
    let standing = || Standing {
        incidents: open.collect(),
        last_cycle: reading.remembered.last_time,
        overdue: reading.remembered.last_time.and_then(|last| overdue_at(&reading.config.status, last)),
        silences: silences.into_iter().filter(|silence| silence.ends_at > reading.now).collect(),
        ..Standing::default()
    };
    let incidents = Incidents { all, withheld: &withheld };
    show(format, args.check, &Report::of(snapshot), incidents, Some(&home), &reading, standing)
}

/// The same of another machine, as it says itself.
fn elsewhere(host: &Destination, format: Format, args: &Status, context: &Context) -> Outcome {
    let probing = match (args.probe_paid, args.probe) {
        (true, _) => Probing::Paid,
        (false, true) => Probing::Free,
        (false, false) => Probing::None,
    };
    if probing == Probing::Paid {
        asking::consent_elsewhere(&host.to_string())?;
    }
    let reading = Reading::open(context).map_err(|error| Failure::new(FailureKind::Io, error.to_string()))?;
    let heard = monitor_run::runtime()?.block_on(hear(host, probing, &context.env, &SystemClock::new()));
    let answer = ManuallyDrop::new(heard.map_err(|why| {
        let kind = match &why {
            Unheard::Misunderstood { .. } | Unheard::Unreached(Unreached::Flood { .. }) => FailureKind::Data,
            Unheard::Unreached(_) => FailureKind::Unavailable,
        };
        Failure::new(kind, why.to_string())
    })?);
    let standing = || Standing { incidents: answer.incidents.clone(), ..Standing::default() };
    // Paths are of that machine, which has shortened its own home.
    show(format, args.check, &answer.report(), answer.incidents(), None, &reading, standing)
}

fn show(
    format: Format,
    check: bool,
    report: &Report<'_>,
    incidents: Incidents<'_>,
    home: Option<&Path>,
    reading: &Reading,
    standing: impl FnOnce() -> Standing,
) -> Outcome {
    let mut code = if check { report.check.code } else { 0 };
    let out = match format {
        Format::Text => {
            let width = print::width(&reading.env);
            let zone = config::local_zone(&reading.env);
            text(report, incidents, &Options { width, zone, home, lang: print::lang() })
        }
        Format::Json => {
            print::json(&document(report, incidents, home))?;
            return Ok(code);
        }
        Format::Nagios => {
            let (line, plugin) = nagios::nagios(report);
            code = plugin;
            line
        }
        Format::Checkmk => checkmk::checkmk(report),
        Format::Prom => {
            let allow = reading.config.export_emails;
            let names = match Reader::open(&reading.location.state) {
                Ok(Some(reader)) => reader.pseudonyms(allow),
                _ => Ok(Pseudonyms::new([].into(), allow)),
            };
            let names = names.map_err(|error| Failure::new(FailureKind::Io, error.to_string()))?;
            let windows = reading.config.alerts.windows(reading.now);
            snapshot_text(report.snapshot, &names) + &standing_text(&standing(), incidents.withheld, &windows)
        }
    };
    print::text(&out)?;
    Ok(code)
}
