//! The daemon listens to a chat: long polling beside the cycles, each update dealt with in one transaction, answers sent after
//! it. What is wrong with the way there becomes a finding, so that a receiver hears of it.
//!
//! What must hold: an update is dealt with once, whenever the process dies; nothing is sent that is not committed; a listener
//! that is ended leaves nothing half-done.

mod health;
pub mod rivals;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::cycle::Monitor;
use super::sessions::GatewaySessions;
use super::watch::Changed;
use crate::chat::model::Sessions;
use crate::chat::telegram::talk::{Basis, Done, Saying, talk};
use crate::chat::telegram::update::{Heard, Unheard, read};
use crate::chat::telegram::{Api, Trouble};
use crate::config::{Chat, Config};
use crate::domain::{Environment, Time};
use crate::net::Clients;
use crate::store::Turn;

use health::Health;
pub use health::finding;

/// How long Telegram may keep a poll open that has nothing to give.
const POLL: Duration = Duration::from_secs(25);
/// How long we wait for that …
const POLL_PATIENCE: Duration = Duration::from_secs(40);
/// … and for any other answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// Before an update is asked for again that could not be dealt with.
const NOT_DEALT_WITH: Duration = Duration::from_secs(5);
/// The gateway holds the lock of its sessions for an instant; state.db waits meanwhile.
const SESSION_PATIENCE: Duration = Duration::from_secs(2);
/// Updates of one poll.
const BATCH: u32 = 50;
/// Strangers that the log has named; then it is quiet.
const NAMED: usize = 100;

/// Somebody listens.
pub struct Listener {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Listener {
    /// Begins to listen, if the configuration says to whom. `wake` begins a cycle.
    pub fn start(
        config: &Arc<Config>,
        env: &Environment,
        clients: &Arc<Clients>,
        monitor: &Monitor,
        wake: mpsc::Sender<Changed>,
    ) -> Option<Self> {
        let settings = config.chat.clone()?;
        let stop = CancellationToken::new();
        let ear = Ear {
            api: Api::new(&settings, env, clients),
            health: Health::new(&monitor.desk, &monitor.clock, wake.clone()),
            sessions: sessions(&settings, env),
            settings,
            config: Arc::clone(config),
            monitor: monitor.clone(),
            wake,
            named: BTreeSet::new(),
            was_away: true,
        };
        let task = tokio::spawn(ear.listen(stop.clone()));
        Some(Self { stop, task })
    }

    /// Stops listening; what is being written is written whole.
    pub async fn end(mut self) {
        self.stop.cancel();
        if tokio::time::timeout(Duration::from_secs(1), &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

/// What `/model` is about there.
fn sessions(settings: &Chat, env: &Environment) -> Option<Arc<dyn Sessions>> {
    Some(Arc::new(gateway_sessions(env, Some(settings.session.clone()?), None)))
}

/// A session of the gateway as the monitor reaches it.
pub(super) fn gateway_sessions(env: &Environment, session: Option<String>, agent: Option<String>) -> GatewaySessions {
    GatewaySessions { env: env.clone(), cwd: None, preferred: None, session, agent, patience: SESSION_PATIENCE }
}

/// Our own bot, as Telegram knows it.
struct Bot {
    id: i64,
    name: Option<String>,
}

struct Ear {
    api: Api,
    settings: Chat,
    sessions: Option<Arc<dyn Sessions>>,
    config: Arc<Config>,
    monitor: Monitor,
    health: Health,
    wake: mpsc::Sender<Changed>,
    named: BTreeSet<(i64, i64)>,
    /// Something was wrong, or we have just begun: what is there now may have waited.
    was_away: bool,
}

impl Ear {
    async fn listen(mut self, stop: CancellationToken) {
        let mut bot: Option<Bot> = None;
        let mut failures = 0;
        while !stop.is_cancelled() {
            let step = async {
                if bot.is_none() {
                    bot = unless(&stop, self.introduce()).await?;
                }
                let Some(bot) = &bot else { return Ok(None) };
                // An answer that is under way is not given up, or it would be given again.
                let patience = self.say_what_waits(&stop).await?;
                unless(&stop, self.poll(bot, patience)).await
            };
            let result = step.await;
            let wait = match result {
                Ok(None) => return,
                Ok(Some(updates)) => {
                    failures = 0;
                    self.health.works().await;
                    // Not interrupted: each is one short transaction.
                    let Some(bot) = &bot else { continue };
                    if self.hear_all(updates, bot).await {
                        continue;
                    }
                    // They come again at once.
                    NOT_DEALT_WITH
                }
                Err(trouble) => {
                    self.was_away = true;
                    failures += 1;
                    self.health.fails(&trouble).await;
                    if matches!(trouble, Trouble::Refused(_)) {
                        // It may be another bot's next time.
                        bot = None;
                    }
                    pause(&trouble, failures)
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Who we are.
    async fn introduce(&self) -> Result<Bot, Trouble> {
        let me = self.api.call("getMe", &json!({}), PATIENCE).await?.result;
        let id = me["id"].as_i64().ok_or_else(|| Trouble::Away("getMe names no bot".to_owned()))?;
        let name = me["username"].as_str().map(str::to_owned);
        tracing::info!(bot = name.as_deref().unwrap_or("?"), "listens to Telegram");
        Ok(Bot { id, name })
    }

    /// Waits for what people say, for so long at most.
    async fn poll(&self, bot: &Bot, patience: Duration) -> Result<Updates, Trouble> {
        let (id, now) = (bot.id, self.monitor.clock.now());
        let next = self.monitor.desk.with(move |store| store.next_update(id, now)).await;
        let Ok(Ok(next)) = next else {
            // Without knowing how far we are nothing may be asked for.
            return Err(Trouble::Away("state.db cannot be read".to_owned()));
        };
        let mut params = json!({
            "timeout": patience.as_secs(),
            "limit": BATCH,
            "allowed_updates": ["message", "callback_query"],
        });
        if let Some(next) = next {
            params["offset"] = next.into();
        }
        let given = self.api.call("getUpdates", &params, POLL_PATIENCE).await?;
        let Value::Array(all) = given.result else {
            return Err(Trouble::Away("getUpdates gives no list".to_owned()));
        };
        Ok(Updates { all, sent: given.at })
    }

    /// `false`: not all could be dealt with.
    async fn hear_all(&mut self, updates: Updates, bot: &Bot) -> bool {
        let sent = updates.sent.unwrap_or_else(|| self.monitor.clock.now());
        for update in &updates.all {
            let Some((id, heard)) = read(update, &self.settings, sent) else { continue };
            if let Err(why) = &heard {
                self.note(why);
            }
            if !self.hear(bot, id, heard.ok()).await {
                // It comes again with the next poll.
                self.was_away = true;
                return false;
            }
        }
        self.was_away = false;
        true
    }

    /// Deals with one update. `false`: it is not dealt with.
    async fn hear(&self, bot: &Bot, id: i64, heard: Option<Heard>) -> bool {
        let now = self.monitor.clock.now();
        let basis = self.basis(bot, now);
        let bot = bot.id;
        let work = move |turn: &Turn<'_>| match &heard {
            Some(heard) => talk(turn, heard, &basis),
            None => Ok(Done::default()),
        };
        let done = match self.monitor.desk.with(move |store| store.converse(bot, id, now, work)).await {
            Ok(Ok(done)) => done.unwrap_or_default(),
            Ok(Err(error)) => {
                tracing::error!(%error, "a message of the chat could not be dealt with");
                return false;
            }
            Err(error) => {
                tracing::error!(%error, "a message of the chat could not be dealt with");
                return false;
            }
        };
        if done.acted {
            // One that waits already will do.
            let _ = self.wake.try_send(Changed);
        }
        if let Some((query, words)) = done.pressed {
            // Only stops the button from turning; who presses it later learns the same from the message.
            let params = json!({ "callback_query_id": query, "text": words });
            if let Err(trouble) = self.api.call("answerCallbackQuery", &params, PATIENCE).await {
                tracing::debug!("a button was not answered: {}", trouble.words());
            }
        }
        true
    }

    fn basis(&self, bot: &Bot, now: Time) -> Basis {
        let view = self.monitor.site.as_ref().and_then(|site| site.view());
        let host = view.as_ref().map(|view| view.snapshot.host.clone());
        Basis {
            settings: self.settings.clone(),
            our_name: bot.name.clone(),
            snapshot: view.map(|view| Arc::clone(&view.snapshot)),
            policy: Arc::new(self.config.alerts.clone()),
            host: host.unwrap_or_else(|| super::observe::host(&self.config)),
            home: self.monitor.home.clone(),
            zone: self.config.status.zone,
            emails: self.config.export_emails,
            sessions: self.sessions.clone(),
            was_away: self.was_away,
            now,
        }
    }

    /// Sends what is still to be said, in order; how long there may be listened until it is tried again.
    async fn say_what_waits(&self, stop: &CancellationToken) -> Result<Duration, Trouble> {
        let now = self.monitor.clock.now();
        let Ok(Ok(sayings)) = self.monitor.desk.with(move |store| store.sayings(now)).await else { return Ok(POLL) };
        for one in sayings {
            if stop.is_cancelled() {
                return Ok(POLL);
            }
            match serde_json::from_str::<Saying>(&one.body) {
                // Somebody was asked there before, and is not listed any more.
                Ok(Saying { params, .. }) if !self.listed(&params) => {}
                Ok(Saying { method, params }) => match self.api.call(&method, &params, PATIENCE).await {
                    Ok(_) => {}
                    // A chat that is gone, a message that was deleted: nobody waits for it.
                    Err(Trouble::Wrong(words)) => tracing::warn!("an answer in the chat was not taken: {words}"),
                    Err(trouble @ Trouble::Refused(_)) => return Err(trouble),
                    // It waits, and so do those behind it. Whether Telegram is heard at all, the poll tells.
                    Err(trouble) => {
                        tracing::debug!("an answer waits: {}", trouble.words());
                        return Ok(pause(&trouble, 2).clamp(Duration::from_secs(1), POLL));
                    }
                },
                Err(_) => tracing::warn!("an answer in state.db cannot be read"),
            }
            if !matches!(self.monitor.desk.with(move |store| store.said(one.id)).await, Ok(Ok(()))) {
                tracing::warn!("an answer may be sent twice: state.db cannot be written");
            }
        }
        Ok(POLL)
    }

    fn listed(&self, params: &Value) -> bool {
        params["chat_id"].as_i64().is_none_or(|chat| self.settings.chats.contains(&chat))
    }

    /// For the log: who was not heard. Whoever sets this up finds the numbers there.
    fn note(&mut self, why: &Unheard) {
        match why {
            Unheard::Stranger { user, chat } => {
                if self.named.len() < NAMED && self.named.insert((*user, *chat)) {
                    tracing::warn!(user, chat, "somebody who is not listed in [chat] of monitor.toml wrote to the bot");
                }
            }
            Unheard::Late(age) => {
                tracing::info!(seconds = age.num_seconds(), "a message of the chat came too late and was dropped");
            }
            Unheard::Forwarded | Unheard::Nobody | Unheard::Other => tracing::debug!(?why, "a message was not heard"),
        }
    }
}

/// The work, unless it is the end before.
async fn unless<T>(
    stop: &CancellationToken,
    work: impl Future<Output = Result<T, Trouble>>,
) -> Result<Option<T>, Trouble> {
    tokio::select! {
        biased;
        () = stop.cancelled() => Ok(None),
        done = work => done.map(Some),
    }
}

struct Updates {
    all: Vec<Value>,
    sent: Option<Time>,
}

/// How long until the next try. Somebody else who listens as this bot is thrown out by each of our tries, so they become rare.
fn pause(trouble: &Trouble, failures: u32) -> Duration {
    let most = match trouble {
        Trouble::Busy(wait, _) => return *wait,
        Trouble::Refused(_) | Trouble::Taken(_) => 3600,
        Trouble::Wrong(_) | Trouble::Away(_) => 60,
    };
    let steps = [1, 5, 30, 120, 600, 3600];
    let step = steps.get(usize::try_from(failures.saturating_sub(1)).unwrap_or(usize::MAX)).copied().unwrap_or(3600);
    Duration::from_secs(step.min(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_become_rare() {
        let away = |n| pause(&Trouble::Away(String::new()), n).as_secs();
        let taken = |n| pause(&Trouble::Taken(String::new()), n).as_secs();
        assert_eq!((1..8).map(away).collect::<Vec<_>>(), [1, 5, 30, 60, 60, 60, 60]);
        assert_eq!((1..8).map(taken).collect::<Vec<_>>(), [1, 5, 30, 120, 600, 3600, 3600]);
        assert_eq!(pause(&Trouble::Busy(Duration::from_secs(9), String::new()), 4).as_secs(), 9);
    }
}
