//! `opensoul monitor check-config`: all problems at once, or a short summary of what the monitor would do.

use std::fmt::Write;

use super::exit::{Failure, FailureKind, Outcome};
use super::{Context, print};
use crate::clock::{Clock, SystemClock};
use crate::config::channels::{Setting, Settings};
use crate::config::{
    self, Config, Listen, MaybeSecret, Problem, Provider, Receiver, ReceiverKind, SecretRef, SmtpSecurity, report,
    resolve_maybe,
};
use crate::domain::{Environment, Secret, Time};
use crate::engine::due::due;
use crate::engine::policy::{Rhythm, Schedule};
use crate::monitor::chat::rivals;
use crate::net::redact;
use crate::notify;
use crate::output::wording::padded;
use crate::providers::Catalog;

/// Runs the command.
///
/// # Errors
/// The configuration has problems (78).
pub fn run(context: &Context) -> Outcome {
    match rivals::load(context.global.config.as_deref(), &context.env) {
        Ok(config) => {
            let problems = notify::check(&config, SystemClock::new().now());
            if !problems.is_empty() {
                return Err(refused(&problems));
            }
            anstream::print!("{}", summary(&config, &context.env, SystemClock::new().now()));
            Ok(0)
        }
        Err(problems) => Err(refused(&problems)),
    }
}

fn refused(problems: &[Problem]) -> Failure {
    let count = match problems.len() {
        1 => "1 problem".to_owned(),
        count => format!("{count} problems"),
    };
    Failure::new(FailureKind::Config, format!("{count} in the configuration\n{}", report(problems)))
}

fn summary(config: &Config, env: &Environment, now: Time) -> String {
    let mut out = String::new();
    let mut say = |name: &str, value: String| {
        let _ = writeln!(out, "{} {}", padded(&print::spoken(name), 11), print::spoken(value));
    };
    say(
        "config",
        config.path.as_ref().map_or_else(
            || "no file, everything has its default (`opensoul monitor init` writes one)".to_owned(),
            |path| format!("{} is good", path.display()),
        ),
    );
    say("status", schedule(&config.status, now));
    say(
        "probe",
        config.probe.as_ref().map_or_else(|| "off: no provider is asked".to_owned(), |probe| schedule(probe, now)),
    );
    say(
        "web",
        match &config.web.listen {
            _ if !config.web.enabled => "off".to_owned(),
            Listen::Tcp(_) => config.web.url().unwrap_or_default(),
            Listen::Unix(path) => format!("unix:{}", path.display()),
        },
    );
    if config.receivers.is_empty() {
        say("receivers", "none: nobody is told; add [[receivers]]".to_owned());
    }
    for receiver in &config.receivers {
        say("receiver", format!("{}: {}", receiver.name, target(&receiver.kind)));
    }
    for peer in config.alertmanagers.iter().flat_map(|cluster| &cluster.peers) {
        say("alerts to", format!("Alertmanager {}", peer.name));
    }
    for outlet in &config.outlets {
        say("metrics to", format!("{} ({})", outlet.name, outlet.way.word()));
    }
    for one in &config.heartbeats {
        let on_critical = if one.fail_on_critical { ", a critical is a failure" } else { "" };
        say("heartbeat", format!("{}: {}{on_critical}", one.name, one.kind.word()));
    }
    if let Some(chat) = &config.chat {
        let may = if chat.writes { "ask, and act after a second look" } else { "ask" };
        say("chat", format!("Telegram: {} user(s) in {} chat(s) may {may}", chat.users.len(), chat.chats.len()));
    }
    for note in config.receivers.iter().filter_map(|receiver| caveat(receiver, env)) {
        say("note", note);
    }
    for note in config.providers.iter().filter_map(|(id, provider)| unknown(id, provider)) {
        say("note", note);
    }
    // The environment of a unit differs from that of this shell: worth a note, no problem of the file.
    for name in variables(config).into_iter().filter(|name| env.get(name).is_none()) {
        say("note", format!("{name} is not set in this shell; it must be where the monitor runs"));
    }
    out
}

/// A section for a provider that opensoul does not know may be right, if the gateway's config has such an entry.
fn unknown(id: &str, provider: &Provider) -> Option<String> {
    let catalog = Catalog::get();
    if catalog.provider(id).is_some() || provider.compatible.is_some() || provider.probe.is_some() {
        return None;
    }
    let ids = catalog.rows().map(|row| row.id.as_str());
    let near = ids.map(|known| (strsim::jaro_winkler(id, known), known)).max_by(|a, b| a.0.total_cmp(&b.0));
    let hint = match near.filter(|(likeness, _)| *likeness > 0.9) {
        Some((_, known)) => format!("did you mean {known}?"),
        None if provider.base_url.is_some() => {
            "nothing is asked there without compatible = \"openai\" or a probe".into()
        }
        None => "it counts only for credentials of exactly this provider".into(),
    };
    Some(format!("[providers.{id}]: opensoul does not know this provider; {hint}"))
}

fn schedule(schedule: &Schedule, now: Time) -> String {
    let how = match &schedule.rhythm {
        Rhythm::Cron(pattern) => format!("{pattern} ({})", schedule.zone),
        Rhythm::Every(span) => format!("every {}", notify::render::words(*span)),
    };
    match due(schedule, Some(now), now).next {
        Some(next) => format!("{how}, next {}", next.with_timezone(&schedule.zone).format("%Y-%m-%d %H:%M:%S %Z")),
        None => format!("{how}, never"),
    }
}

fn target(kind: &ReceiverKind) -> String {
    match kind {
        ReceiverKind::Email(email) => {
            let security = match email.security {
                SmtpSecurity::Plain => "without encryption",
                SmtpSecurity::StartTls => "STARTTLS",
                SmtpSecurity::Tls => "TLS",
            };
            format!("email to {} through {}:{} ({security})", email.to.join(", "), email.host, email.port)
        }
        ReceiverKind::Webhook(webhook) => {
            let place = match &webhook.url {
                MaybeSecret::Plain(url) => redact::url(url),
                MaybeSecret::Ref(reference) => format!("the URL of {reference}"),
            };
            let signed = if webhook.secrets.is_empty() { ", not signed" } else { ", signed" };
            format!("webhook to {place}{signed}")
        }
        ReceiverKind::Channel(settings) => channel(settings),
    }
}

fn channel(settings: &Settings) -> String {
    let shown = settings.channel.fields.iter().filter_map(|field| {
        let value = match settings.values.get(field.name)? {
            Setting::Text(text) => text.clone(),
            Setting::Value(MaybeSecret::Plain(url)) => redact::url(url),
            Setting::Value(MaybeSecret::Ref(reference)) => format!("({reference})"),
            Setting::Number(number) => number.to_string(),
            Setting::Flag(flag) => flag.to_string(),
            Setting::Texts(texts) => texts.join(" "),
        };
        Some(format!("{} {value}", field.name))
    });
    std::iter::once(settings.channel.title.to_owned()).chain(shown).collect::<Vec<_>>().join(", ")
}

/// What is right as it is written, and will not work, or not for long.
fn caveat(receiver: &Receiver, env: &Environment) -> Option<String> {
    let ReceiverKind::Channel(settings) = &receiver.kind else { return None };
    let url = settings.value("url").and_then(|url| resolve_maybe(url, env).ok());
    let url = url.as_ref().map_or("", Secret::expose);
    let what = match settings.channel.name {
        "teams" if notify::is_office_connector(url) => {
            "this is an Office 365 connector, which Microsoft has switched off: make a Workflow (\"Post to a channel when a \
             webhook request is received\") and use its URL"
        }
        "opsgenie" => "Opsgenie ends in April 2027: move to type = \"jsm\" (Jira Service Management)",
        "ntfy" if (url.is_empty() || url.contains("//ntfy.sh")) && settings.value("token").is_none() => {
            let topic = settings.text("topic").unwrap_or_default();
            if topic.len() >= 12 && topic.bytes().any(|byte| byte.is_ascii_digit()) {
                return None;
            }
            "whoever guesses this topic can read it on ntfy.sh: take a long random one, or a server with access control"
        }
        "serverchan" => "the free tier takes some five messages a day: a route should send it criticals only",
        _ => return None,
    };
    Some(format!("receiver {}: {what}", receiver.name))
}

/// The environment variables that hold secrets.
fn variables(config: &Config) -> Vec<&str> {
    let mut found: Vec<&SecretRef> = config.identity.key.iter().collect();
    found.extend(config.receivers.iter().flat_map(|receiver| receiver.references()));
    found.extend(config.alertmanagers.iter().flat_map(config::Alertmanager::references));
    found.extend(config.outlets.iter().flat_map(config::Outlet::references));
    found.extend(config.heartbeats.iter().flat_map(config::Heartbeat::references));
    found.extend(config.chat.iter().map(|chat| &chat.token));
    let mut names: Vec<&str> = found
        .into_iter()
        .filter_map(|reference| if let SecretRef::Env(name) = reference { Some(name.as_str()) } else { None })
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use crate::domain::Zone;

    use super::*;
    use crate::config::parse;

    #[test]
    fn says_when_whom_and_what_is_missing() {
        let text = r#"
            [schedule]
            probe = "6h"
            zone = "Asia/Shanghai"
            [[receivers]]
            name = "mail"
            type = "email"
            server = "smtps://mail.example.org"
            from = "a@example.org"
            to = ["b@example.org"]
            [[receivers]]
            name = "hook"
            type = "webhook"
            url = "https://hooks.example.org/services/abcdefghijklmnop1234"
            secret = [{ env = "ONE" }, { env = "TWO" }]
            [export]
            alertmanager = ["https://am1.example.org:9093", { env = "AM_URL" }]
            [heartbeat]
            type = "healthchecks"
            url = { env = "PING_URL" }
            on_critical = "fail"
        "#;
        let mut env = Environment::default();
        env.set("ONE", "x");
        let config = parse(text, None, &env, Zone::UTC).expect("good");
        let now = "2026-11-22T18:01:00Z".parse().expect("time");
        insta::assert_snapshot!(summary(&config, &env, now));
        insta::assert_snapshot!(summary(&parse("", None, &env, Zone::UTC).expect("good"), &env, now));
    }

    #[test]
    fn channels_are_shown_without_their_secrets_and_with_their_caveats() {
        let text = r#"
            [[receivers]]
            name = "phone"
            type = "ntfy"
            topic = "alerts"
            [[receivers]]
            name = "chat"
            type = "teams"
            url = { env = "TEAMS" }
            [[receivers]]
            name = "old"
            type = "opsgenie"
            key = { env = "GENIE" }
            [[receivers]]
            name = "fine"
            type = "ntfy"
            topic = "opensoul-7f3k2m9q"
        "#;
        let mut env = Environment::default();
        env.set("TEAMS", "https://contoso.webhook.office.com/webhookb2/abcdefgh12345678/IncomingWebhook/x");
        env.set("GENIE", "x");
        let config = parse(text, None, &env, Zone::UTC).expect("good");
        let shown = summary(&config, &env, "2026-11-22T18:01:00Z".parse().expect("time"));
        assert!(!shown.contains("abcdefgh12345678"));
        insta::assert_snapshot!(shown);
    }

    #[test]
    fn a_provider_that_nobody_knows_is_noted() {
        let note = |id: &str, toml: &str| {
            let config = parse(&format!("[providers.{id}]\n{toml}"), None, &Environment::default(), Zone::UTC);
            unknown(id, &config.expect("good").providers[id])
        };
        for (id, toml, expected) in [
            ("antropic", "max_age = \"90d\"", "did you mean anthropic?"),
            ("my-proxy", "base_url = \"https://x.org\"", "compatible = \"openai\" or a probe"),
            ("my-proxy", "max_age = \"90d\"", "exactly this provider"),
        ] {
            let said = note(id, toml).expect(id);
            assert!(said.starts_with(&format!("[providers.{id}]")) && said.contains(expected), "{said}");
        }
        for (id, toml) in
            [("anthropic", "max_age = \"90d\""), ("my-proxy", "base_url = \"https://x.org\"\ncompatible = \"openai\"")]
        {
            assert_eq!(note(id, toml), None);
        }
    }
}
