//! The channels that are configured by a table of fields: what may be written for each, and how it is read. PURE.
//!
//! A channel is one row here and one file in `notify/`; what its fields mean is decided there. Email and webhook have
//! types of their own ([`super::Email`], [`super::Webhook`]), because their fields depend on each other.

use std::collections::BTreeMap;

use toml::de::DeValue;

use super::tree::Table;
use super::{Context, MaybeSecret, SecretRef, values};

/// A channel.
#[derive(Debug)]
pub struct Channel {
    /// `type = "…"`.
    pub name: &'static str,
    /// What it is, for people.
    pub title: &'static str,
    /// Its fields, besides those that every receiver has.
    pub fields: &'static [Field],
    /// What is wrong with values that are good each by itself: the field, what, the remedy.
    pub check: fn(&Settings) -> Vec<Complaint>,
}

/// A field, what is wrong with its value, and what to do.
pub type Complaint = (&'static str, String, String);

/// One field of a channel.
#[derive(Debug)]
pub struct Field {
    /// Its key.
    pub name: &'static str,
    /// What it takes.
    pub sort: Sort,
    /// Whether it must be there.
    pub required: bool,
    /// A value as it would be written.
    pub example: &'static str,
    /// What it is for, for people.
    pub about: &'static str,
}

/// What a field takes.
#[derive(Clone, Copy, Debug)]
pub enum Sort {
    /// A text that may be shown.
    Text,
    /// A secret: a reference, never written plainly.
    Secret,
    /// A URL: https, or http on loopback or with `insecure = true`. One that contains a token may be a reference.
    Url,
    /// One of some words.
    Choice(&'static [&'static str]),
    /// A whole number.
    Number(i64, i64),
    /// True or false.
    Flag,
    /// A list of texts.
    Texts,
    /// A path; `~` is the home directory, and a relative one begins where the configuration is.
    Path,
}

/// The value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setting {
    /// [`Sort::Text`], [`Sort::Choice`], and [`Sort::Path`] in full.
    Text(String),
    /// [`Sort::Secret`] and [`Sort::Url`].
    Value(MaybeSecret),
    /// [`Sort::Number`]
    Number(i64),
    /// [`Sort::Flag`]
    Flag(bool),
    /// [`Sort::Texts`]
    Texts(Vec<String>),
}

/// The values of one receiver.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The channel.
    pub channel: &'static Channel,
    /// What was written; what was not has no entry.
    pub values: BTreeMap<&'static str, Setting>,
}

impl PartialEq for Settings {
    fn eq(&self, other: &Self) -> bool {
        self.channel.name == other.channel.name && self.values == other.values
    }
}

impl Eq for Settings {}

impl Settings {
    /// A text, a choice or a path.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        if let Some(Setting::Text(text)) = self.values.get(name) { Some(text) } else { None }
    }

    /// A flag; not written is `false`.
    #[must_use]
    pub fn flag(&self, name: &str) -> bool {
        matches!(self.values.get(name), Some(Setting::Flag(true)))
    }

    /// A number.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<i64> {
        if let Some(Setting::Number(number)) = self.values.get(name) { Some(*number) } else { None }
    }

    /// A list of texts; not written is empty.
    #[must_use]
    pub fn texts(&self, name: &str) -> &[String] {
        if let Some(Setting::Texts(texts)) = self.values.get(name) { texts } else { &[] }
    }

    /// A URL or a secret as it was written.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&MaybeSecret> {
        if let Some(Setting::Value(value)) = self.values.get(name) { Some(value) } else { None }
    }

    /// Every reference to a secret.
    pub fn references(&self) -> impl Iterator<Item = &SecretRef> {
        self.values.values().filter_map(|value| match value {
            Setting::Value(MaybeSecret::Ref(reference)) => Some(reference),
            _ => None,
        })
    }
}

const fn needed(name: &'static str, sort: Sort, example: &'static str, about: &'static str) -> Field {
    Field { name, sort, required: true, example, about }
}

const fn optional(name: &'static str, sort: Sort, example: &'static str, about: &'static str) -> Field {
    Field { name, sort, required: false, example, about }
}

/// Plain http beyond loopback; every channel with a URL has it.
const INSECURE: Field = optional("insecure", Sort::Flag, "false", "plain http beyond loopback");

fn fine(_: &Settings) -> Vec<Complaint> {
    Vec::new()
}

/// Every channel of this table, by name.
pub const CHANNELS: &[Channel] = &[
    Channel {
        name: "bark",
        title: "Bark",
        fields: &[
            needed("key", Sort::Secret, "{ env = \"BARK_KEY\" }", "the device's key"),
            optional("url", Sort::Url, "\"https://api.day.app\"", "the server"),
            optional(
                "loud",
                Sort::Flag,
                "false",
                "criticals break through silence (needs Apple's permission for critical alerts)",
            ),
            INSECURE,
        ],
        check: fine,
    },
    Channel { name: "desktop", title: "notification of this machine's desktop", fields: &[], check: fine },
    Channel {
        name: "dingtalk",
        title: "DingTalk",
        fields: &[
            needed("url", Sort::Url, "{ env = \"DINGTALK_URL\" }", "the robot's URL, with its access_token"),
            optional("secret", Sort::Secret, "{ env = \"DINGTALK_SECRET\" }", "signs, where the robot asks for it"),
            optional("keyword", Sort::Text, "\"opensoul\"", "goes before each message, where the robot asks for one"),
            optional("at", Sort::Texts, "[\"13800000000\"]", "mobile numbers to call"),
            optional("at_all", Sort::Flag, "false", "call everybody"),
            INSECURE,
        ],
        check: token_in_url,
    },
    Channel {
        name: "discord",
        title: "Discord",
        fields: &[needed("url", Sort::Url, "{ env = \"DISCORD_URL\" }", "the webhook's URL"), INSECURE],
        check: token_in_url,
    },
    Channel {
        name: "exec",
        title: "a program of yours",
        fields: &[
            needed(
                "argv",
                Sort::Texts,
                "[\"/usr/local/bin/page-me\", \"--now\"]",
                "gets the alert as JSON on its standard input",
            ),
            optional("timeout", Sort::Number(1, 55), "20", "seconds; then it is ended with everything it started"),
        ],
        check: exec,
    },
    Channel {
        name: "feishu",
        title: "Feishu, Lark",
        fields: &[
            needed("url", Sort::Url, "{ env = \"FEISHU_URL\" }", "the bot's URL"),
            optional("secret", Sort::Secret, "{ env = \"FEISHU_SECRET\" }", "signs, where the bot asks for it"),
            optional("keyword", Sort::Text, "\"opensoul\"", "goes before each message, where the bot asks for one"),
            INSECURE,
        ],
        check: token_in_url,
    },
    Channel {
        name: "file",
        title: "a file, one line of JSON for each incident",
        fields: &[needed("path", Sort::Path, "\"~/alerts.jsonl\"", "is made if it is not there, readable by you only")],
        check: fine,
    },
    Channel {
        name: "google-chat",
        title: "Google Chat",
        fields: &[needed("url", Sort::Url, "{ env = \"GOOGLE_CHAT_URL\" }", "the space's webhook"), INSECURE],
        check: token_in_url,
    },
    Channel {
        name: "gotify",
        title: "Gotify",
        fields: &[
            needed("url", Sort::Url, "\"https://gotify.example.org\"", "the server"),
            needed("token", Sort::Secret, "{ env = \"GOTIFY_TOKEN\" }", "an application's token"),
            INSECURE,
        ],
        check: fine,
    },
    Channel {
        name: "journal",
        title: "journald",
        fields: &[optional("socket", Sort::Path, "\"/run/systemd/journal/socket\"", "where it listens")],
        check: fine,
    },
    Channel {
        name: "jsm",
        title: "Jira Service Management",
        fields: &[
            needed("key", Sort::Secret, "{ env = \"JSM_KEY\" }", "an API integration's key"),
            optional("url", Sort::Url, "\"https://api.atlassian.com/jsm/ops/integration\"", "another server"),
            INSECURE,
        ],
        check: fine,
    },
    Channel {
        name: "matrix",
        title: "Matrix",
        fields: &[
            needed("url", Sort::Url, "\"https://matrix.example.org\"", "the home server"),
            needed("token", Sort::Secret, "{ env = \"MATRIX_TOKEN\" }", "an access token"),
            needed("room", Sort::Text, "\"!abc:example.org\"", "the room's id; the user must be in it"),
            INSECURE,
        ],
        check: matrix,
    },
    Channel {
        name: "mattermost",
        title: "Mattermost",
        fields: &[
            needed("url", Sort::Url, "{ env = \"MATTERMOST_URL\" }", "the incoming webhook"),
            optional("channel", Sort::Text, "\"ops\"", "another channel than the webhook's"),
            INSECURE,
        ],
        check: token_in_url,
    },
    Channel {
        name: "ntfy",
        title: "ntfy",
        fields: &[
            optional("url", Sort::Url, "\"https://ntfy.sh\"", "the server"),
            needed("topic", Sort::Text, "\"opensoul-7f3k2m9q\"", "whoever guesses it on a public server can read it"),
            optional("token", Sort::Secret, "{ env = \"NTFY_TOKEN\" }", "an access token"),
            optional("username", Sort::Text, "\"monitor\"", "with `password`, in place of a token"),
            optional("password", Sort::Secret, "{ file = \"~/.secrets/ntfy\" }", "of `username`"),
            INSECURE,
        ],
        check: ntfy,
    },
    Channel {
        name: "opsgenie",
        title: "Opsgenie (ends in April 2027: use jsm)",
        fields: &[
            needed("key", Sort::Secret, "{ env = \"OPSGENIE_KEY\" }", "an API integration's key"),
            optional("url", Sort::Url, "\"https://api.eu.opsgenie.com\"", "the server of another region"),
            INSECURE,
        ],
        check: fine,
    },
    Channel {
        name: "pagerduty",
        title: "PagerDuty",
        fields: &[
            needed("routing_key", Sort::Secret, "{ env = \"PAGERDUTY_KEY\" }", "an Events API v2 integration's key"),
            optional("region", Sort::Choice(&["us", "eu"]), "\"eu\"", "where the account is"),
            optional("url", Sort::Url, "\"https://events.pagerduty.com\"", "another server"),
            INSECURE,
        ],
        check: fine,
    },
    Channel {
        name: "pushdeer",
        title: "PushDeer",
        fields: &[
            needed("key", Sort::Secret, "{ env = \"PUSHDEER_KEY\" }", "the push key"),
            optional("url", Sort::Url, "\"https://api2.pushdeer.com\"", "the server"),
            INSECURE,
        ],
        check: fine,
    },
    Channel {
        name: "pushover",
        title: "Pushover",
        fields: &[
            needed("token", Sort::Secret, "{ env = \"PUSHOVER_TOKEN\" }", "the application's token"),
            needed("user", Sort::Secret, "{ env = \"PUSHOVER_USER\" }", "the key of a user or a group"),
            optional("device", Sort::Text, "\"phone\"", "only this device"),
            optional("emergency", Sort::Flag, "false", "criticals ring until somebody confirms them"),
            optional("url", Sort::Url, "\"https://api.pushover.net\"", "another server"),
            INSECURE,
        ],
        check: fine,
    },
    Channel {
        name: "rocket-chat",
        title: "Rocket.Chat",
        fields: &[
            needed("url", Sort::Url, "{ env = \"ROCKET_CHAT_URL\" }", "the incoming integration"),
            optional("channel", Sort::Text, "\"#ops\"", "another channel than the integration's"),
            INSECURE,
        ],
        check: token_in_url,
    },
    Channel {
        name: "serverchan",
        title: "Server酱",
        fields: &[
            needed(
                "key",
                Sort::Secret,
                "{ env = \"SENDKEY\" }",
                "the SendKey; the free tier takes five messages a day",
            ),
            optional("url", Sort::Url, "\"https://sctapi.ftqq.com\"", "another server than the key's own"),
            INSECURE,
        ],
        check: fine,
    },
    Channel {
        name: "slack",
        title: "Slack",
        fields: &[
            optional("url", Sort::Url, "{ env = \"SLACK_URL\" }", "an incoming webhook; with `token`, another server"),
            optional(
                "token",
                Sort::Secret,
                "{ env = \"SLACK_TOKEN\" }",
                "a bot's token, with `channel`: it answers in threads",
            ),
            optional("channel", Sort::Text, "\"#ops\"", "where the bot speaks"),
            INSECURE,
        ],
        check: slack,
    },
    Channel {
        name: "teams",
        title: "Microsoft Teams",
        fields: &[needed("url", Sort::Url, "{ env = \"TEAMS_URL\" }", "the URL of a Workflow"), INSECURE],
        check: token_in_url,
    },
    Channel {
        name: "telegram",
        title: "Telegram",
        fields: &[
            needed("token", Sort::Secret, "{ env = \"TELEGRAM_TOKEN\" }", "the bot's token"),
            needed("chat", Sort::Text, "\"-1001234567890\"", "id of a chat, or @name of a channel"),
            optional("topic", Sort::Number(1, i64::MAX), "7", "id of a topic of a forum group"),
            optional("quiet", Sort::Flag, "false", "warnings make no sound"),
            optional("url", Sort::Url, "\"https://api.telegram.org\"", "another API server"),
            INSECURE,
        ],
        check: telegram,
    },
    Channel { name: "termux", title: "notification of this phone (Termux:API)", fields: &[], check: fine },
    Channel {
        name: "wecom",
        title: "WeCom (企业微信)",
        fields: &[
            needed("url", Sort::Url, "{ env = \"WECOM_URL\" }", "the robot's URL, with its key"),
            optional("mention", Sort::Texts, "[\"@all\"]", "users to call; the message is then plain text"),
            INSECURE,
        ],
        check: token_in_url,
    },
];

/// The row of a `type`.
#[must_use]
pub fn channel(name: &str) -> Option<&'static Channel> {
    CHANNELS.iter().find(|channel| channel.name == name)
}

fn complain(field: &'static str, what: &str, fix: &str) -> Vec<Complaint> {
    vec![(field, what.to_owned(), fix.to_owned())]
}

/// The URL of these channels is all that is needed to send: it is a secret.
fn token_in_url(settings: &Settings) -> Vec<Complaint> {
    let plain = matches!(settings.value("url"), Some(MaybeSecret::Plain(url)) if !loopback(url));
    if plain {
        return complain(
            "url",
            "holds the right to send, and is written here in the open",
            "write a reference: { env = \"NAME\" }, { file = \"path\" } or { credential = \"name\" }",
        );
    }
    Vec::new()
}

fn loopback(url: &str) -> bool {
    let host = reqwest::Url::parse(url).ok().and_then(|url| url.host_str().map(values::is_loopback));
    host.unwrap_or(false)
}

fn exec(settings: &Settings) -> Vec<Complaint> {
    match settings.texts("argv").first() {
        None => complain("argv", "names no program", "write argv = [\"/path/of/program\"]"),
        Some(program) if !program.starts_with('/') => {
            complain("argv", "does not begin with the full path of a program", "write argv = [\"/path/of/program\"]")
        }
        Some(_) => Vec::new(),
    }
}

fn matrix(settings: &Settings) -> Vec<Complaint> {
    if settings.text("room").is_some_and(|room| room.starts_with('!')) {
        return Vec::new();
    }
    complain(
        "room",
        "is not the id of a room",
        "the settings of the room show it under \"Advanced\": it begins with `!`",
    )
}

fn ntfy(settings: &Settings) -> Vec<Complaint> {
    let topic = settings.text("topic").unwrap_or_default();
    // https://github.com/binwiederhier/ntfy/blob/main/server/server.go: what the server takes for a topic.
    let good = (1..=64).contains(&topic.len())
        && topic.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    let mut all = Vec::new();
    if !good {
        all.extend(complain("topic", "is not a topic of ntfy", "up to 64 letters, digits, `-` and `_`"));
    }
    match (settings.text("username"), settings.value("password"), settings.value("token")) {
        (Some(_), None, None) => {
            all.extend(complain("username", "has no password", "add password = { file = \"path\" }"))
        }
        (None, Some(_), _) => all.extend(complain("password", "has no `username`", "add username = \"…\"")),
        _ => {}
    }
    all
}

fn slack(settings: &Settings) -> Vec<Complaint> {
    match (settings.value("url"), settings.value("token"), settings.text("channel")) {
        (Some(_), None, None) => token_in_url(settings),
        (_, Some(_), Some(_)) => Vec::new(),
        (_, Some(_), None) => complain("token", "needs a channel", "add channel = \"#ops\""),
        (_, None, Some(_)) => {
            complain("channel", "needs a bot", "add token = { env = \"SLACK_TOKEN\" }; a webhook has its own channel")
        }
        (None, None, None) => complain(
            "",
            "says neither where nor who",
            "add `url` of an incoming webhook, or `token` and `channel` of a bot",
        ),
    }
}

fn telegram(settings: &Settings) -> Vec<Complaint> {
    let chat = settings.text("chat").unwrap_or_default();
    if chat.parse::<i64>().is_ok() || chat.strip_prefix('@').is_some_and(|name| !name.is_empty()) {
        return Vec::new();
    }
    complain(
        "chat",
        "is not the id of a chat",
        "write the number that @userinfobot shows, such as \"-1001234567890\", or \"@name\" of a public channel",
    )
}

/// The fields of a receiver of this channel. `None`: something needed is missing or wrong, and said.
pub(super) fn settings(channel: &'static Channel, table: &mut Table<'_>, context: &Context<'_>) -> Option<Settings> {
    let insecure = channel.fields.iter().any(|field| field.name == "insecure") && table.flag("insecure") == Some(true);
    let mut values = BTreeMap::new();
    let mut places = BTreeMap::new();
    let mut whole = true;
    for field in channel.fields {
        let Some(value) = table.value(field.name) else {
            if field.required {
                let fix = format!("write for example {} = {}", field.name, field.example);
                table.problem(table.place.clone(), format!("`{}` is missing", field.name), fix);
                whole = false;
            }
            continue;
        };
        let setting = match field.sort {
            Sort::Text => value.text().map(|text| text.value.trim().to_owned()).and_then(|text| {
                if text.is_empty() || text.chars().any(char::is_control) {
                    value.problem("is empty or has control characters", format!("write for example {}", field.example));
                    return None;
                }
                Some(Setting::Text(text))
            }),
            Sort::Path => {
                value.text().map(|text| Setting::Text(context.path(text.value).to_string_lossy().into_owned()))
            }
            Sort::Choice(words) => value.text().and_then(|text| {
                let found = words.contains(&text.value).then(|| Setting::Text(text.value.to_owned()));
                if found.is_none() {
                    let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
                    value.problem(
                        format!("{} is not possible here", super::tree::shown(text.value)),
                        format!("write one of {}", words.join(", ")),
                    );
                }
                found
            }),
            Sort::Secret => context.secret(&value).map(|reference| Setting::Value(MaybeSecret::Ref(reference))),
            Sort::Url => match value.inner {
                DeValue::String(text) => match values::http_url(text, insecure) {
                    Ok(_) => Some(Setting::Value(MaybeSecret::Plain(text.trim().to_owned()))),
                    Err((what, fix)) => {
                        value.problem(what, fix);
                        None
                    }
                },
                _ => context.secret(&value).map(|reference| Setting::Value(MaybeSecret::Ref(reference))),
            },
            Sort::Number(from, to) => table.number(field.name, from..=to).map(Setting::Number),
            Sort::Flag => table.flag(field.name).map(Setting::Flag),
            Sort::Texts => table
                .texts(field.name)
                .map(|texts| Setting::Texts(texts.iter().map(|text| text.value.trim().to_owned()).collect())),
        };
        places.insert(field.name, value.place.clone());
        match setting {
            Some(setting) => drop(values.insert(field.name, setting)),
            None => whole = false,
        }
    }
    if !whole {
        return None;
    }
    let settings = Settings { channel, values };
    let complaints = (channel.check)(&settings);
    let good = complaints.is_empty();
    for (field, what, fix) in complaints {
        let place = places.get(field).unwrap_or(&table.place).clone();
        table.problem(place, what, fix);
    }
    good.then_some(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_every_field_says_what_it_is_like() {
        for (index, channel) in CHANNELS.iter().enumerate() {
            assert!(CHANNELS[..index].iter().all(|other| other.name != channel.name), "{}", channel.name);
            for (index, field) in channel.fields.iter().enumerate() {
                assert!(channel.fields[..index].iter().all(|other| other.name != field.name), "{}", field.name);
                assert!(!field.example.is_empty(), "{}.{}", channel.name, field.name);
                let example = match field.sort {
                    Sort::Text | Sort::Choice(_) | Sort::Path => field.example.starts_with('"'),
                    Sort::Url => field.example.starts_with('"') || field.example.starts_with('{'),
                    Sort::Secret => field.example.starts_with('{'),
                    Sort::Texts => field.example.starts_with('['),
                    Sort::Number(..) => field.example.parse::<i64>().is_ok(),
                    Sort::Flag => field.example == "true" || field.example == "false",
                };
                assert!(example, "{}.{} = {}", channel.name, field.name, field.example);
            }
        }
    }
}
