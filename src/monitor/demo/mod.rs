//! `monitor demo`: the real monitor on a throw-away home, so that a newcomer sees gauges, page and alerts within a minute.
//!
//! Everything is on loopback, on ports that the system chooses; the environment holds nothing of ours; no credential of this
//! machine is read; what is deleted in the end is the directory that was made in the beginning.

pub mod fake_provider;
pub mod home;
pub mod hook_sink;
pub mod mail_sink;

use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::doctor::Program;
use crate::domain::{Environment, Lang, Time};
use crate::output::wording::spoken_lines;

use home::{Home, RENEWED_AFTER, Sinks};
use hook_sink::Hook;
use mail_sink::Mail;

use super::daemon::{self, Start};
use super::ground::StartError;
use super::machine::Machine;
use super::ticker;

/// Signs the webhooks of the demonstration; worth nothing.
const SECRET: &str = "whsec_ZGVtb25zdHJhdGlvbi1vZi1zdGFuZGFyZC13ZWJob29rcw==";

/// Why there is no demonstration.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The throw-away home or the sinks cannot be made, or nobody reads what we print.
    #[error("the demonstration: {0}")]
    Io(#[from] io::Error),
    /// The monitor itself.
    #[error(transparent)]
    Start(#[from] StartError),
}

/// Shows everything until `lasts` is over or a signal comes. `ours` gives the time zone and nothing else.
///
/// # Errors
/// If it cannot start.
pub async fn demo(
    ours: &Environment,
    lasts: Option<Duration>,
    clock: Arc<dyn Clock>,
    (out, lang): (&mut (dyn Write + Send), Lang),
) -> Result<(), DemoError> {
    let directory = tempfile::Builder::new().prefix("opensoul-demo-").tempdir()?;
    let stop = CancellationToken::new();
    let (mail_sender, mails) = mpsc::channel(64);
    let (hook_sender, hooks) = mpsc::channel(64);
    let key = hook_sink::key(SECRET);
    let sinks = Sinks {
        mail: mail_sink::start(mail_sender, stop.clone()).await?.to_string(),
        hook: hook_sink::start(&key, hook_sender, stop.clone()).await?,
        provider: fake_provider::start(stop.clone()).await?,
        web: free_port()?,
    };
    let home = Home::new(directory.path());
    home.furnish(&sinks, SECRET, clock.now())?;
    home.renew(1, clock.now())?;

    let env = home.environment(ours);
    let (opened, pages) = mpsc::unbounded_channel();
    let start = Start {
        env: env.clone(),
        config: Some(home.config()),
        clock: Arc::clone(&clock),
        beat: ticker::SECOND,
        stop: stop.clone(),
        opened: Some(opened),
    };
    let running = daemon::run(start, move |ground| Ok(Machine::new(&env, Program::default(), ground)?.home_only()));
    let mut stage = Stage { home, clock, out, lang, pages, mails, hooks, round: 1 };
    stage.say(&format!("Samples in {}; nothing of yours is read.", directory.path().display()))?;

    tokio::pin!(running);
    let result = tokio::select! {
        ended = &mut running => ended.map_err(DemoError::from),
        shown = stage.show(lasts) => {
            stop.cancel();
            running.await?;
            shown.map_err(DemoError::from)
        }
    };
    stop.cancel();
    result?;
    directory.close()?;
    stage.say("Over. The samples are deleted.").map_err(DemoError::from)
}

/// A port that nobody has now; messages name it before the page opens.
fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// What happens beside the monitor.
struct Stage<'a> {
    home: Home,
    clock: Arc<dyn Clock>,
    out: &'a mut (dyn Write + Send),
    /// That of who looks on.
    lang: Lang,
    pages: mpsc::UnboundedReceiver<String>,
    mails: mpsc::Receiver<Mail>,
    hooks: mpsc::Receiver<Hook>,
    round: u32,
}

impl Stage<'_> {
    /// Shows what arrives, and plays the person who renews credentials, until the time is up.
    async fn show(&mut self, lasts: Option<Duration>) -> io::Result<()> {
        let over = async {
            match lasts {
                Some(lasts) => tokio::time::sleep(lasts).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(over);
        let mut renewal = tokio::time::interval(RENEWED_AFTER);
        renewal.tick().await;
        loop {
            tokio::select! {
                () = &mut over => return Ok(()),
                Some(url) = self.pages.recv() => {
                    self.say(&format!("Page     {url}/"))?;
                    self.say(&format!("Metrics  {url}/metrics"))?;
                    let end = lasts.map_or_else(String::new, |lasts| format!(", or after {} s", lasts.as_secs()));
                    self.say(&format!("Ctrl-C ends it{end}.\n"))?;
                }
                Some(mail) = self.mails.recv() => self.event(&format!("mail     {}", mail.subject))?,
                Some(hook) = self.hooks.recv() => {
                    let signed = if hook.signed { "signature verified" } else { "WRONG SIGNATURE" };
                    self.event(&format!("webhook  {}, {} ({signed})", hook.status, hook.alerts.join("; ")))?;
                }
                _ = renewal.tick() => {
                    self.round += 1;
                    self.home.renew(self.round, self.clock.now())?;
                    self.event("-        you renew the login and the token (the demonstration does)")?;
                }
            }
        }
    }

    fn event(&mut self, text: &str) -> io::Result<()> {
        let now: Time = self.clock.now();
        write!(self.out, "{}  ", now.format("%H:%M:%S"))?;
        self.say(text)
    }

    fn say(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{}", spoken_lines(self.lang, text.to_owned()))?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    #[tokio::test]
    async fn a_newcomer_sees_page_and_alerts() {
        let env: Environment = [("OPENAI_API_KEY".to_owned(), "canary-of-ours".to_owned())].into_iter().collect();
        let wanted = ["Page     http://127.0.0.1:", "mail     ", "webhook  firing", "(signature verified)"];
        let (mut text, mut missing) = (String::new(), Vec::new());
        // On a machine that is held up there is not time for everything in four seconds.
        for seconds in [4, 60] {
            let (mut seen, lasts) = (Vec::new(), Duration::from_secs(seconds));
            let shown = demo(&env, Some(lasts), Arc::new(SystemClock::new()), (&mut seen, Lang::English));
            tokio::time::timeout(lasts + Duration::from_secs(60), shown).await.expect("in time").unwrap();
            text = String::from_utf8(seen).unwrap();
            assert!(!text.contains("WRONG") && !text.contains("canary"), "{text}");
            let directory = text.split("Samples in ").nth(1).unwrap().split(';').next().unwrap();
            assert!(!std::path::Path::new(directory).exists(), "{directory}");
            missing = wanted.into_iter().filter(|part| !text.contains(part)).collect();
            if missing.is_empty() {
                break;
            }
        }
        assert!(missing.is_empty(), "{missing:?}\n{text}");
    }
}
