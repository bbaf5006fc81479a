//! Logs: to stderr, as `RUST_LOG` says, and never a secret whatever it says. Where stderr is the journal, each line says how
//! urgent it is (`sd-daemon(3)`), and its time is left to the journal.

use std::io::IsTerminal;

use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::filter::{FilterExt, Targets, filter_fn};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
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
    let layer = if to_journal(env) {
        layer.event_format(Urgent(fmt::format().without_time().with_target(false))).with_ansi(false).boxed()
    } else {
        layer.boxed()
    };
    let filter = wanted.and(filter_fn(may_show));
    let _ = tracing_subscriber::registry().with(layer.with_filter(filter)).try_init();
}

/// Whether stderr is the journal: a process inherits the variable, not always the stream.
fn to_journal(env: &Environment) -> bool {
    let Some((device, inode)) = env.get("JOURNAL_STREAM").and_then(|stream| stream.split_once(':')) else {
        return false;
    };
    rustix::fs::fstat(std::io::stderr())
        .is_ok_and(|stat| stat.st_dev.to_string() == device && stat.st_ino.to_string() == inode)
}

/// A message that ends the program, as stderr wants it.
#[must_use]
pub fn last_words(env: &Environment, message: &str) -> String {
    if to_journal(env) { format!("<3>{}", message.replace('\n', "\n<3>")) } else { message.to_owned() }
}

/// Puts what syslog calls the level before a line.
struct Urgent<F>(F);

impl<S, N, F> FormatEvent<S, N> for Urgent<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> std::fmt::Result {
        writer.write_str(urgency(*event.metadata().level()))?;
        self.0.format_event(context, writer, event)
    }
}

fn urgency(level: Level) -> &'static str {
    match level {
        Level::ERROR => "<3>",
        Level::WARN => "<4>",
        Level::INFO => "<6>",
        Level::DEBUG | Level::TRACE => "<7>",
    }
}

fn may_show(what: &Metadata<'_>) -> bool {
    let wire = WIRE.iter().any(|name| what.target().split("::").next() == Some(name));
    !wire || *what.level() <= LevelFilter::INFO
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_journal_is_told_how_urgent_a_line_is() {
        let stream =
            |value: &str| [("JOURNAL_STREAM".to_owned(), value.to_owned())].into_iter().collect::<Environment>();
        let stat = rustix::fs::fstat(std::io::stderr()).unwrap();
        let ours = format!("{}:{}", stat.st_dev, stat.st_ino);
        assert_eq!(last_words(&stream(&ours), "a\nb"), "<3>a\n<3>b");
        // Inherited by a program whose stderr is something else.
        for other in ["8:1", "", "x"] {
            assert_eq!(last_words(&stream(other), "a"), "a", "{other}");
        }
        assert_eq!(last_words(&Environment::default(), "a"), "a");
    }
}
