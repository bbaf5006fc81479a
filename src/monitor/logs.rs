//! Logs: to stderr, as `RUST_LOG` says, and never a secret whatever it says.

use std::io::IsTerminal;

use tracing::Metadata;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{FilterExt, Targets, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use crate::domain::Environment;

/// Crates that show what goes over the wire (headers, `AUTH`) below this level: it is out of reach for `RUST_LOG`.
const WIRE: [&str; 8] = ["h2", "hyper", "hyper_util", "reqwest", "rustls", "tokio_rustls", "lettre", "tower_http"];

/// Starts logging for the rest of the process; does nothing the second time.
pub fn init(env: &Environment, verbose: u8) {
    let usual = match verbose {
        0 => "info,tokio_cron_scheduler=warn",
        1 => "info,tokio_cron_scheduler=warn,opensoul=debug",
        _ => "debug,tokio_cron_scheduler=warn,opensoul=trace",
    };
    // By target and level, as everybody writes it; no spans and fields, which would take a machine of regular expressions.
    let wanted = |text: &str| text.parse::<Targets>().ok();
    let wanted = env.get("RUST_LOG").and_then(wanted).or_else(|| wanted(usual)).unwrap_or_default();
    let terminal = std::io::stderr().is_terminal() && env.get("NO_COLOR").is_none();
    let layer = fmt::layer().with_writer(std::io::stderr).with_ansi(terminal).with_target(false);
    // The journal has its own time.
    let layer = if env.get("JOURNAL_STREAM").is_some() { layer.without_time().boxed() } else { layer.boxed() };
    let filter = wanted.and(filter_fn(may_show));
    let _ = tracing_subscriber::registry().with(layer.with_filter(filter)).try_init();
}

fn may_show(what: &Metadata<'_>) -> bool {
    let wire = WIRE.iter().any(|name| what.target().split("::").next() == Some(name));
    !wire || *what.level() <= LevelFilter::INFO
}
