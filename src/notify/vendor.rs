//! Channels that are one vendor's HTTP API: each says, as pure functions, what to send and what an answer means; here it is
//! sent. A channel is one file with a [`Vendor`] and one row in [`vendor`]; its fields are a row of `config::channels`.
//!
//! What must hold for all: delivered is what the vendor's *body* calls delivered; for good is what the vendor's own code calls
//! so, and an unknown refusal is believed when it is repeated; no secret is in what is shown.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::http::{self, Call, Judgement};
use super::pace::{Bucket, Pace};
use super::refusals::Refusals;
use super::render::Rendered;
use super::{
    Receiver, Voice, bark, dingtalk, discord, feishu, google_chat, gotify, matrix, mattermost, ntfy, opsgenie,
    pagerduty, pushdeer, pushover, rocket_chat, serverchan, slack, teams, telegram, transient, wecom,
};
use crate::config::channels::Settings;
use crate::config::{self, MaybeSecret};
use crate::domain::{Attempt, Environment, FailureReason, Notification, Outcome, Secret};
use crate::net::{self, Clients, address};

/// What a channel knows of its vendor. PURE.
pub(super) trait Vendor: Send + Sync {
    /// The requests that bring this letter, in order.
    ///
    /// # Errors
    /// Why the settings do not allow any.
    fn parts(&self, letter: &Letter<'_>) -> Result<Vec<Part>, String>;

    /// What an answer to a part means that is no HTML page.
    fn judge(&self, letter: &Letter<'_>, part: &str, answer: &http::Answer) -> Judgement;

    /// How fast the vendor may be spoken to, if that is known.
    fn pace(&self) -> Option<Pace> {
        None
    }
}

/// The channels of [`config::channels::CHANNELS`] that are vendors.
fn vendor(name: &str) -> Option<&'static dyn Vendor> {
    Some(match name {
        "bark" => &bark::Bark,
        "dingtalk" => &dingtalk::DingTalk,
        "discord" => &discord::Discord,
        "feishu" => &feishu::Feishu,
        "google-chat" => &google_chat::GoogleChat,
        "gotify" => &gotify::Gotify,
        "jsm" => &opsgenie::Opsgenie { server: "https://api.atlassian.com/jsm/ops/integration" },
        "matrix" => &matrix::Matrix,
        "mattermost" => &mattermost::Mattermost,
        "ntfy" => &ntfy::Ntfy,
        "opsgenie" => &opsgenie::Opsgenie { server: "https://api.opsgenie.com" },
        "pagerduty" => &pagerduty::PagerDuty,
        "pushdeer" => &pushdeer::PushDeer,
        "pushover" => &pushover::Pushover,
        "rocket-chat" => &rocket_chat::RocketChat,
        "serverchan" => &serverchan::ServerChan,
        "slack" => &slack::Slack,
        "teams" => &teams::Teams,
        "telegram" => &telegram::Telegram,
        "wecom" => &wecom::WeCom,
        _ => return None,
    })
}

/// One request of several; `key` is kept in the progress when it is through (empty if there is only one).
pub(super) struct Part {
    pub key: String,
    pub call: Call,
}

impl Part {
    /// The only one.
    pub fn only(call: Call) -> Vec<Self> {
        vec![Self { key: String::new(), call }]
    }
}

/// A message and everything that is needed to send it.
pub(super) struct Letter<'a> {
    pub notification: &'a Notification,
    /// In words, in the receiver's language.
    pub rendered: &'a Rendered,
    pub settings: &'a Settings,
    secrets: &'a Secrets,
    pub attempt: &'a Attempt,
}

impl Letter<'_> {
    /// A URL or a secret; empty if it was not written.
    pub fn value(&self, name: &str) -> &str {
        self.secrets.0.iter().find(|(known, _)| *known == name).map_or("", |(_, secret)| secret.expose())
    }

    /// The server's address, without a slash at its end.
    pub fn url(&self, otherwise: &'static str) -> &str {
        let given = self.value("url").trim_end_matches('/');
        if given.is_empty() { otherwise } else { given }
    }
}

/// The values of a receiver that are, or may be, secret, read at the moment they are needed.
struct Secrets(Vec<(&'static str, Secret)>);

impl Secrets {
    fn read(settings: &Settings, env: &Environment) -> Result<Self, String> {
        let fields = settings.channel.fields.iter();
        let values = fields.filter_map(|field| Some((field.name, settings.value(field.name)?)));
        values.map(|(name, value)| Ok((name, config::resolve_maybe(value, env)?))).collect::<Result<_, _>>().map(Self)
    }

    /// Those that must never be shown: what was written plainly is no secret.
    fn hidden(&self, settings: &Settings) -> Vec<&Secret> {
        let secret = |name: &str| matches!(settings.value(name), Some(MaybeSecret::Ref(_)));
        self.0.iter().filter(|(name, _)| secret(name)).map(|(_, secret)| secret).collect()
    }
}

/// A receiver whose channel is a vendor's API.
pub(super) struct Post {
    name: String,
    vendor: &'static dyn Vendor,
    settings: Settings,
    voice: Voice,
    env: Arc<Environment>,
    clients: Arc<Clients>,
    bucket: Mutex<Bucket>,
    refusals: Refusals,
    /// For one request.
    pub(super) total: Duration,
    /// For all requests of an attempt; what is not through by then follows with the next.
    budget: Duration,
}

/// Less than what the courier gives an attempt, which would forget what got through.
const BUDGET: Duration = Duration::from_secs(45);

impl Post {
    /// Opens nothing.
    pub fn new(
        receiver: &config::Receiver,
        settings: &Settings,
        voice: Voice,
        env: Arc<Environment>,
        clients: Arc<Clients>,
    ) -> Self {
        Self {
            name: receiver.name.clone(),
            vendor: vendor(settings.channel.name)
                .expect("a row of the table that is not local has one: a test shows it"),
            settings: settings.clone(),
            voice,
            env,
            clients,
            bucket: Mutex::default(),
            refusals: Refusals::default(),
            total: http::TOTAL,
            budget: BUDGET,
        }
    }

    async fn attempt(&self, notification: &Notification, attempt: &Attempt) -> Outcome {
        let mut progress = attempt.progress.clone();
        let secrets = match Secrets::read(&self.settings, &self.env) {
            Ok(secrets) => secrets,
            Err(text) => return transient(FailureReason::Config, text, &progress),
        };
        let rendered = self.voice.render(notification, attempt.now);
        let letter = Letter { notification, rendered: &rendered, settings: &self.settings, secrets: &secrets, attempt };
        let parts = match self.vendor.parts(&letter) {
            Ok(parts) => parts,
            Err(text) => return transient(FailureReason::Config, text, &progress),
        };
        let (mut keep, mut detail) = (None, "it had everything already".to_owned());
        let count = parts.len();
        let mut late = std::pin::pin!(tokio::time::sleep(self.budget));
        for part in parts.into_iter().filter(|part| part.key.is_empty() || !attempt.progress.0.contains(&part.key)) {
            if let Some(wait) = self.too_fast(attempt) {
                let detail = "waits: the vendor does not take more at once".to_owned();
                return Outcome::Transient {
                    reason: FailureReason::RateLimited,
                    detail,
                    retry_after: Some(wait),
                    progress,
                };
            }
            let sent = tokio::select! {
                sent = self.send(&letter, &part.key, part.call) => sent,
                () = &mut late => {
                    let detail = format!("{} of {count} parts are through, the others follow", progress.0.len());
                    return transient(FailureReason::Timeout, detail, &progress);
                }
            };
            match sent {
                Ok((said, kept)) => {
                    detail = said;
                    keep = kept.or(keep);
                    if !part.key.is_empty() {
                        progress.0.insert(part.key);
                    }
                }
                Err(Refusal::Permanent(reason, detail)) => return Outcome::Permanent { reason, detail },
                Err(Refusal::Transient(reason, detail, retry_after)) => {
                    return Outcome::Transient { reason, detail, retry_after, progress };
                }
            }
        }
        Outcome::Delivered { detail, keep }
    }

    fn too_fast(&self, attempt: &Attempt) -> Option<Duration> {
        let pace = self.vendor.pace()?;
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner).take(pace, attempt.now).err()
    }

    /// One request, and what has to be sent in its place if the vendor says so; what came of it in words, and what to keep.
    async fn send(&self, letter: &Letter<'_>, part: &str, mut call: Call) -> Result<(String, Option<String>), Refusal> {
        const INSTEAD: usize = 2;
        let hidden = letter.secrets.hidden(&self.settings);
        for again in 0..=INSTEAD {
            let insecure = self.settings.flag("insecure");
            let answer = http::exchange(&self.clients, &call, insecure, &hidden, self.total, letter.attempt.now).await;
            let answer = answer.map_err(|(reason, detail)| Refusal::Transient(reason, detail, None))?;
            return match self.hear(letter, part, answer) {
                Heard::Said(meaning) => meaning,
                Heard::Instead(other, _) if again < INSTEAD => {
                    call = *other;
                    continue;
                }
                Heard::Instead(_, said) => Err(Refusal::Transient(FailureReason::Refused, said, None)),
            };
        }
        unreachable!("the last round always returns")
    }

    /// What an answer comes to. PURE, but for the memory of what was refused before.
    fn hear(&self, letter: &Letter<'_>, part: &str, answer: http::Answer) -> Heard {
        let judgement = if answer.html { http::by_status(&answer) } else { self.vendor.judge(letter, part, &answer) };
        let said = answer.said;
        Heard::Said(match judgement {
            Judgement::Delivered { keep } => Ok((said, keep)),
            Judgement::Permanent(reason) => Err(Refusal::Permanent(reason, said)),
            Judgement::Transient(reason, wait) => Err(Refusal::Transient(reason, said, wait)),
            Judgement::Refused(reason) if self.refusals.again(&letter.notification.id) => {
                Err(Refusal::Permanent(reason, said))
            }
            Judgement::Refused(reason) => Err(Refusal::Transient(reason, said, None)),
            Judgement::Instead(other) => return Heard::Instead(other, said),
        })
    }
}

/// What an answer comes to.
enum Heard {
    /// It is through, or why not.
    Said(Result<(String, Option<String>), Refusal>),
    /// This has to be sent in its place; and what was said.
    Instead(Box<Call>, String),
}

/// What this status, these headers and this body would come to as the answer to each part of a message, without a request: the
/// reading of foreign words alone, for whoever tries it with answers that no vendor gives. Empty for a channel that is no vendor.
#[must_use]
pub fn reading(
    receiver: &config::Receiver,
    env: &Environment,
    notification: &Notification,
    attempt: &Attempt,
    (status, headers, body): (u16, &[(String, String)], &str),
) -> Vec<Outcome> {
    let config::ReceiverKind::Channel(settings) = &receiver.kind else { return Vec::new() };
    if vendor(settings.channel.name).is_none() {
        return Vec::new();
    }
    let post = Post::new(receiver, settings, Voice::default(), Arc::new(env.clone()), Clients::new(env));
    let Ok(secrets) = Secrets::read(settings, env) else { return Vec::new() };
    let rendered = post.voice.render(notification, attempt.now);
    let letter = Letter { notification, rendered: &rendered, settings, secrets: &secrets, attempt };
    let header = |name: &str| {
        let same = headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        same.map_or("", |(_, value)| value.as_str())
    };
    let heard = |part: Part| {
        let url = address::url(&part.call.url, true).ok()?;
        let head = http::Head {
            status,
            kind: header("content-type"),
            retry_after: net::http::retry_after(header("retry-after"), attempt.now),
            leads: String::new(),
        };
        let answer = http::Answer::read(head, body.to_owned(), &url, &secrets.hidden(settings));
        let progress = attempt.progress.clone();
        Some(match post.hear(&letter, &part.key, answer) {
            Heard::Said(Ok((detail, keep))) => Outcome::Delivered { detail, keep },
            Heard::Said(Err(Refusal::Permanent(reason, detail))) => Outcome::Permanent { reason, detail },
            Heard::Said(Err(Refusal::Transient(reason, detail, retry_after))) => {
                Outcome::Transient { reason, detail, retry_after, progress }
            }
            Heard::Instead(_, said) => transient(FailureReason::Refused, said, &progress),
        })
    };
    post.vendor.parts(&letter).unwrap_or_default().into_iter().filter_map(heard).collect()
}

/// Why a part did not get through, and the vendor's words.
enum Refusal {
    Permanent(FailureReason, String),
    Transient(FailureReason, String, Option<Duration>),
}

#[async_trait]
impl Receiver for Post {
    fn name(&self) -> &str {
        &self.name
    }

    async fn deliver(&self, notification: &Notification, attempt: &Attempt) -> Outcome {
        self.attempt(notification, attempt).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::channels::CHANNELS;

    #[test]
    fn every_channel_has_somebody_who_speaks_it() {
        for channel in CHANNELS {
            let local = ["desktop", "exec", "file", "journal", "termux"].contains(&channel.name);
            assert_ne!(vendor(channel.name).is_some(), local, "{}", channel.name);
        }
    }
    /// One alert for each of many incidents takes longer than an attempt may: nothing of it is done twice, and all of it is.
    #[tokio::test]
    async fn many_parts_are_brought_in_several_attempts() {
        use crate::notify::samples::{attempt, expiring, notification};
        use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

        // Not one that the next test is given, with what is still on its way there.
        let server = MockServer::builder().start().await;
        let answer = ResponseTemplate::new(202).set_body_string(r#"{"status":"success","dedup_key":"x"}"#);
        Mock::given(any()).respond_with(answer.set_delay(Duration::from_millis(60))).mount(&server).await;
        let mut env = Environment::default();
        env.set("KEY", "R".repeat(32));
        let text = format!(
            "[[receivers]]\nname = \"it\"\ntype = \"pagerduty\"\nurl = \"{}\"\nrouting_key = {{ env = \"KEY\" }}\n",
            server.uri()
        );
        let config = config::parse(&text, None, &env, crate::domain::Zone::UTC).unwrap();
        let config::ReceiverKind::Channel(settings) = &config.receivers[0].kind else { panic!("a channel") };
        let clients = Clients::new(&env);
        let mut post = Post::new(&config.receivers[0], settings, Voice::default(), Arc::new(env), clients);
        post.budget = Duration::from_millis(200);
        let items = (0..10).map(|n| {
            let mut item = expiring();
            item.incident = crate::domain::IncidentId::of("test", "x", &n.to_string());
            item
        });
        let message = notification(items.collect());
        let mut start = attempt();
        for round in 1.. {
            match post.deliver(&message, &start).await {
                Outcome::Delivered { .. } => {
                    assert!(round > 1, "ten take longer than one attempt");
                    break;
                }
                Outcome::Transient { reason, progress, .. } => {
                    assert_eq!(reason, FailureReason::Timeout);
                    assert!(progress.0.len() >= start.progress.0.len() && round < 50);
                    start.progress = progress;
                }
                outcome @ Outcome::Permanent { .. } => panic!("{outcome:?}"),
            }
        }
        assert!(server.received_requests().await.unwrap().len() >= 10);
    }
}
