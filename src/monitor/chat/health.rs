//! Whether we are heard: noted in the ledger, so that a restart neither forgets nor repeats it, and said as a finding.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::chat::telegram::Trouble;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::{Finding, Place, Severity, Span, Time};
use crate::monitor::desk::Desk;
use crate::monitor::watch::Changed;
use crate::store::{Store, StoreError};

/// In what way it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// The token is refused.
    Refused,
    /// Somebody else listens as this bot.
    Taken,
    /// Telegram is not reached.
    Away,
}

impl Way {
    const ALL: [Self; 3] = [Self::Refused, Self::Taken, Self::Away];

    /// In the ledger of last runs: since when it is so (1970: it is not).
    fn name(self) -> &'static str {
        match self {
            Self::Refused => "chat refused",
            Self::Taken => "chat taken",
            Self::Away => "chat away",
        }
    }

    fn of(trouble: &Trouble) -> Option<Self> {
        match trouble {
            // What is wrong with a question that names no chat is wrong with the bot ("Logged out").
            Trouble::Refused(_) | Trouble::Wrong(_) => Some(Self::Refused),
            Trouble::Taken(_) => Some(Self::Taken),
            Trouble::Away(_) => Some(Self::Away),
            Trouble::Busy(..) => None,
        }
    }

    /// How long it must have been so, by two answers, before anybody is told. Another poll of our own that is not closed yet,
    /// and a network that comes back, are nobody's business.
    fn patience(self) -> Span {
        match self {
            Self::Refused => Span::seconds(1),
            Self::Taken => Span::seconds(5),
            Self::Away => Span::minutes(10),
        }
    }
}

/// The last failure, in the ledger.
const LAST: &str = "chat failed";

/// A failure that nobody has seen again for so long is not known to last: no monitor that listens has run.
const KNOWN: Span = Span::hours(2);

/// Notes how it goes.
pub(super) struct Health {
    desk: Desk,
    clock: Arc<dyn Clock>,
    wake: mpsc::Sender<Changed>,
    /// What was said last; `None`: nothing yet.
    said: Option<Option<Way>>,
}

impl Health {
    pub fn new(desk: &Desk, clock: &Arc<dyn Clock>, wake: mpsc::Sender<Changed>) -> Self {
        Self { desk: desk.clone(), clock: Arc::clone(clock), wake, said: None }
    }

    /// It works.
    pub async fn works(&mut self) {
        if self.said == Some(None) {
            return;
        }
        if self.said.is_some() {
            tracing::info!("Telegram is heard again");
        }
        self.note(None).await;
    }

    /// It does not.
    pub async fn fails(&mut self, trouble: &Trouble) {
        let Some(way) = Way::of(trouble) else { return };
        if self.said != Some(Some(way)) {
            tracing::warn!("Telegram is not heard: {}", trouble.words());
        }
        self.note(Some(way)).await;
    }

    async fn note(&mut self, way: Option<Way>) {
        let now = self.clock.now();
        let noted = self.desk.with(move |store| note(store, way, now)).await;
        match noted {
            Ok(Ok(news)) => {
                self.said = Some(way);
                if news {
                    // The next cycle says it, or takes it back.
                    let _ = self.wake.try_send(Changed);
                }
            }
            _ => tracing::warn!("how the chat goes could not be noted: state.db cannot be written"),
        }
    }
}

fn since(store: &Store, way: Way) -> Result<Option<Time>, StoreError> {
    Ok(store.last_run(way.name())?.filter(|at| *at > Time::UNIX_EPOCH))
}

/// Whether that changes what is told.
fn note(store: &mut Store, way: Option<Way>, now: Time) -> Result<bool, StoreError> {
    let before = told(store, now)?;
    // Nobody knows how it went while no monitor listened: what failed then and fails now may have worked in between.
    let gap = store.last_run(LAST)?.is_none_or(|last| now - last >= KNOWN);
    for one in Way::ALL {
        match (since(store, one)?, way == Some(one)) {
            (since, true) if since.is_none() || gap => store.set_last_run(one.name(), now)?,
            (Some(_), false) => store.set_last_run(one.name(), Time::UNIX_EPOCH)?,
            _ => {}
        }
    }
    if way.is_some() {
        store.set_last_run(LAST, now)?;
    }
    Ok(before != told(store, now)?)
}

/// What lasts for so long that it is told.
fn told(store: &Store, now: Time) -> Result<Option<(Way, Time)>, StoreError> {
    let Some(last) = store.last_run(LAST)?.filter(|last| now - *last < KNOWN) else { return Ok(None) };
    for way in Way::ALL {
        if let Some(since) = since(store, way)?.filter(|since| last - *since >= way.patience()) {
            return Ok(Some((way, since)));
        }
    }
    Ok(None)
}

/// The finding `chat.failing`, which the monitor adds to its snapshot: so a receiver hears of it.
///
/// # Errors
/// If the store fails.
pub fn finding(store: &Store, config: &Config, now: Time) -> Result<Option<Finding>, StoreError> {
    let Some(chat) = &config.chat else { return Ok(None) };
    let Some((way, since)) = told(store, now)? else { return Ok(None) };
    let since = since.format("%Y-%m-%d %H:%M UTC");
    let (what, fix) = match way {
        Way::Refused => (
            format!(
                "the bot of [chat] has not been let in since {since} (its token is refused or cannot be read): nobody can ask us anything there"
            ),
            format!("get the bot's token from @BotFather, put it into the {}, then restart the monitor", chat.token),
        ),
        Way::Taken => (
            format!(
                "somebody else has listened as the bot of [chat] since {since}: messages to it are lost to one of the two"
            ),
            "give [chat] a bot of its own (@BotFather), or end the other program or its webhook".to_owned(),
        ),
        Way::Away => (
            format!("Telegram has not been reached for [chat] since {since}"),
            "check the connection to Telegram, or [chat] url; the monitor's log shows its answer".to_owned(),
        ),
    };
    let mut finding = Finding::new("chat.failing", Severity::Warning, what, fix);
    finding.place = Place::default().key("chat");
    Ok(Some(finding))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;
    use crate::domain::{Environment, Zone};

    fn at(seconds: i64) -> Time {
        Time::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    #[test]
    fn what_lasts_is_told_and_taken_back() {
        let text = "[chat]\ntoken = { env = 'T' }\nchats = [1]\nusers = [1]";
        let config = parse(text, None, &Environment::default(), Zone::UTC).unwrap();
        let mut store = Store::in_memory().unwrap();
        let said = |store: &Store, seconds| finding(store, &config, at(seconds)).unwrap().map(|one| one.message);
        assert!(!note(&mut store, Some(Way::Refused), at(0)).unwrap(), "once is not enough");
        assert_eq!(said(&store, 0), None);
        assert!(note(&mut store, Some(Way::Refused), at(5)).unwrap());
        assert!(said(&store, 5).is_some_and(|text| text.contains("has not been let in")));
        assert!(!note(&mut store, Some(Way::Refused), at(35)).unwrap(), "no news");
        assert_eq!(said(&store, 3 * 3600), None, "nobody has listened since");
        assert!(note(&mut store, None, at(40)).unwrap());
        assert_eq!(said(&store, 40), None);

        assert!(!note(&mut store, Some(Way::Away), at(100)).unwrap());
        assert!(!note(&mut store, Some(Way::Away), at(400)).unwrap(), "a network that comes back");
        assert!(note(&mut store, Some(Way::Away), at(800)).unwrap());
        assert!(note(&mut store, Some(Way::Taken), at(801)).unwrap(), "that is over, and the other is not yet told");
        assert_eq!(said(&store, 801), None);
        assert!(note(&mut store, Some(Way::Taken), at(840)).unwrap());
        assert!(said(&store, 840).is_some_and(|text| text.contains("somebody else")));
    }

    #[test]
    fn without_a_chat_there_is_nothing_to_tell() {
        let config = parse("", None, &Environment::default(), Zone::UTC).unwrap();
        let mut store = Store::in_memory().unwrap();
        note(&mut store, Some(Way::Refused), at(0)).unwrap();
        note(&mut store, Some(Way::Refused), at(60)).unwrap();
        assert_eq!(finding(&store, &config, at(60)).unwrap(), None);
    }
}
