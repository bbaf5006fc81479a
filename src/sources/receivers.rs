//! The tokens by which our own receivers are spoken to (`[[receivers]]` of `monitor.toml`), and that of the bot of `[chat]`: one that ends or is revoked makes the
//! monitor dumb, and nobody would be told. They are watched like any other; those whose makers answer for free are proved.
//!
//! A reference that leads nowhere is told only by the monitor: in somebody's shell its variables need not be set.

use super::{Found, Harvest, Scene, Source};
use crate::config::{Chat, MaybeSecret, Receiver, ReceiverKind, SecretRef, resolve};
use crate::domain::{Activity, Clocks, Condition, Credential, CredentialId, Kind, Origin, Owner, Renewal, Selection};

/// See the module.
pub struct Receivers;

const NAME: &str = "receiver";

impl Source for Receivers {
    fn name(&self) -> &'static str {
        NAME
    }

    fn read(&self, scene: &Scene<'_>, harvest: &mut Harvest) {
        let found: Vec<Found> = scene.receivers.iter().filter_map(|receiver| of_receiver(receiver, scene)).collect();
        harvest.take(NAME, found.into_iter().chain(scene.chat.and_then(|chat| of_chat(chat, scene))).collect());
    }
}

/// The one secret that lets us in, whose it is in the catalog's words, and whether its maker may be asked about it: only at the
/// maker's own address, never at one that was configured in its place.
fn login(receiver: &Receiver) -> Option<(&SecretRef, &'static str, bool)> {
    let settings = match &receiver.kind {
        ReceiverKind::Email(email) => return Some((email.password.as_ref()?, "smtp", false)),
        ReceiverKind::Webhook(webhook) => return Some((webhook.secrets.first()?, "webhook", false)),
        ReceiverKind::Channel(settings) => settings,
    };
    let channel = settings.channel.name;
    let of = |field| match settings.value(field) {
        Some(MaybeSecret::Ref(reference)) => Some(reference),
        _ => None,
    };
    let reference = ["token", "key", "routing_key", "url"].into_iter().find_map(of)?;
    let asked = matches!(channel, "telegram" | "slack") && of("token").is_some() && settings.value("url").is_none();
    Some((reference, channel, asked))
}

fn of_receiver(receiver: &Receiver, scene: &Scene<'_>) -> Option<Found> {
    let (reference, provider, asked) = login(receiver)?;
    let token = Token {
        reference,
        provider,
        asked,
        id: format!("{NAME}:{}", receiver.name),
        profile: receiver.name.clone(),
        then: format!("opensoul alerts test {}", super::shell_word(&receiver.name)),
        note: format!("lets the monitor speak to its receiver {}", receiver.name),
    };
    found(token, scene)
}

fn of_chat(chat: &Chat, scene: &Scene<'_>) -> Option<Found> {
    let token = Token {
        reference: &chat.token,
        provider: "telegram",
        asked: chat.url.is_none(),
        id: "chat:telegram".to_owned(),
        profile: "chat".to_owned(),
        then: "opensoul monitor check-config".to_owned(),
        note: "lets the monitor listen to its chat".to_owned(),
    };
    found(token, scene)
}

struct Token<'a> {
    reference: &'a SecretRef,
    provider: &'static str,
    asked: bool,
    id: String,
    profile: String,
    /// What shows that a new one is good.
    then: String,
    note: String,
}

fn found(token: Token<'_>, scene: &Scene<'_>) -> Option<Found> {
    let Token { reference, provider, asked, id, profile, then, note } = token;
    let path = if let SecretRef::File(path) = reference { Some(path.as_path().into()) } else { None };
    let secret = resolve(reference, scene.env);
    let interactive = scene.cwd.is_some();
    if interactive && secret.is_err() && path.is_none() {
        return None;
    }
    let mut credential = Box::new(Credential {
        id: CredentialId(id),
        provider: provider.to_owned(),
        profile,
        kind: Kind::Token,
        agent: None,
        origin: Origin { source: NAME.into(), path, modified: None },
        owner: Owner::Environment,
        renewal: Renewal::None,
        condition: Condition::Present,
        clocks: Clocks::default(),
        account: None,
        scopes: None,
        fingerprint: None,
        refresh_fingerprint: None,
        selection: Selection::NotApplicable,
        bench: None,
        activity: Activity::default(),
        declared_in_use: Some(true),
        fix: format!("Put a new one into the {reference}, then: {then}"),
        notes: vec![note],
    });
    let secret = match secret {
        Ok(secret) => secret,
        Err(why) => {
            credential.condition = Condition::Unresolved(why);
            return Some(Found { credential, secret: None });
        }
    };
    credential.fingerprint = scene.key.fingerprint(&secret);
    super::decode(&mut credential, &secret);
    Some(Found { credential, secret: Some(secret).filter(|_| asked) })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Home, now};
    use super::*;
    use crate::config::parse;
    use crate::domain::Zone;

    const CONFIG: &str = "
[[receivers]]
name = \"phone\"
type = \"telegram\"
token = { env = \"TG\" }
chat = \"1\"
[[receivers]]
name = \"own-server\"
type = \"telegram\"
url = \"https://tg.example.org\"
token = { env = \"TG\" }
chat = \"1\"
[[receivers]]
name = \"hook\"
type = \"discord\"
url = { env = \"NOT_SET\" }
[[receivers]]
name = \"mail\"
type = \"email\"
server = \"smtps://mail.example.org\"
username = \"m\"
password = { file = \"/nowhere/smtp\" }
from = \"a@example.org\"
to = [\"b@example.org\"]
[[receivers]]
name = \"open\"
type = \"webhook\"
url = \"http://127.0.0.1:1/\"
[chat]
token = { env = \"CHAT\" }
chats = [1]
users = [1]
";

    fn read(interactive: bool) -> Vec<Found> {
        let mut home = Home::new();
        home.env.set("TG", "123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw0");
        home.env.set("CHAT", "654321:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1");
        let config = parse(CONFIG, None, &home.env, Zone::UTC).unwrap();
        (home.receivers, home.chat) = (config.receivers, config.chat);
        if interactive {
            home.cwd = Some(home.path("."));
        }
        home.read(&Receivers).found
    }

    #[test]
    fn what_lets_us_speak_is_watched_and_asked_about_at_its_makers_only() {
        let found = read(false);
        let shown: Vec<(&str, &str, bool)> = found
            .iter()
            .map(|one| (one.credential.id.as_str(), one.credential.provider.as_str(), one.secret.is_some()))
            .collect();
        assert_eq!(
            shown,
            [
                ("receiver:phone", "telegram", true),
                ("receiver:own-server", "telegram", false),
                ("receiver:hook", "discord", false),
                ("receiver:mail", "smtp", false),
                ("chat:telegram", "telegram", true),
            ]
        );
        assert!(found[0].credential.fingerprint.is_some());
        assert_eq!(
            found[0].credential.fix,
            "Put a new one into the environment variable TG, then: opensoul alerts test phone"
        );
        assert!(matches!(&found[2].credential.condition, Condition::Unresolved(why) if why.contains("NOT_SET")));
        assert!(matches!(&found[3].credential.condition, Condition::Unresolved(why) if why.contains("/nowhere/smtp")));
        let _ = now();
    }

    #[test]
    fn a_shell_need_not_have_the_monitors_variables() {
        let ids: Vec<String> = read(true).iter().map(|one| one.credential.id.to_string()).collect();
        assert_eq!(ids, ["receiver:phone", "receiver:own-server", "receiver:mail", "chat:telegram"]);
    }
}
