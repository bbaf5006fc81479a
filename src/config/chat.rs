//! `[chat]`: Telegram as a mouth of ours. Tree → validated values. Pure.
//!
//! Whether the bot is a gateway's own is seen by who reads the gateways' files ([`crate::monitor::chat::rivals`]).

use std::collections::BTreeSet;

use toml::de::DeValue;

use super::tree::Table;
use super::{Context, SecretRef, receivers, values};
use crate::domain::{Lang, Place};

/// `[chat]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chat {
    /// Token of the bot.
    pub token: SecretRef,
    /// Where that is written.
    pub token_place: Place,
    /// Another server of the Bot API than Telegram's own.
    pub url: Option<String>,
    /// Plain http beyond loopback is allowed.
    pub insecure: bool,
    /// Chats that are listened to: numbers of users (private chats) or of groups (negative).
    pub chats: BTreeSet<i64>,
    /// Users that are listened to, in these chats.
    pub users: BTreeSet<i64>,
    /// Whether they may also do something.
    pub writes: bool,
    /// The session of a gateway that `/model` is about there; `None`: there is no `/model`.
    pub session: Option<String>,
    /// The language of the answers.
    pub lang: Lang,
}

/// Users by whom Telegram itself speaks, for who wants to stay unknown: anonymous admins, channels, its own service.
pub const NOBODY: [i64; 3] = [1_087_968_824, 136_817_688, 777_000];

/// As many numbers are read; a list of more is no list of people.
const MOST: usize = 100;

/// `[chat]`
pub(super) fn chat(root: &mut Table<'_>, context: &Context<'_>) -> Option<Chat> {
    let mut table = root.table("chat")?;
    let token_place = table.value("token").map_or_else(|| table.place.clone(), |value| value.place);
    let token = match table.value("token") {
        Some(value) => context.secret(&value),
        None => {
            let fix = "write for example token = { env = \"CHAT_BOT_TOKEN\" }";
            table.problem(table.place.clone(), "`token` is missing", fix);
            None
        }
    };
    let insecure = table.flag("insecure").unwrap_or(false);
    let url = table.text("url").and_then(|text| match values::http_url(text.value, insecure) {
        Ok(_) => Some(text.value.trim().trim_end_matches('/').to_owned()),
        Err((what, fix)) => {
            table.problem(text.place, what, fix);
            None
        }
    });
    let chats = numbers(&mut table, "chats", "[-1001234567890]");
    let users = numbers(&mut table, "users", "[123456789]");
    let writes = table.flag("writes").unwrap_or(false);
    let session = table.text("session").map(|text| text.value.trim().to_owned()).filter(|key| !key.is_empty());
    let lang = receivers::lang(&mut table);
    table.finish();
    let (chats, users) = (chats?, users?);
    Some(Chat { token: token?, token_place, url, insecure, chats, users, writes, session, lang })
}

fn numbers(table: &mut Table<'_>, name: &'static str, example: &str) -> Option<BTreeSet<i64>> {
    let fix = format!(
        "write for example {name} = {example}; who writes to the bot and is not listed is named in the monitor's log"
    );
    let Some(value) = table.value(name) else {
        table.problem(table.place.clone(), format!("`{name}` is missing"), fix);
        return None;
    };
    let elements = value.elements()?;
    if elements.is_empty() || elements.len() > MOST {
        value.problem(if elements.is_empty() { "lists nobody" } else { "lists too many" }, fix);
        return None;
    }
    let mut found = BTreeSet::new();
    for element in elements {
        let number = match element.inner {
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).ok(),
            DeValue::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        match number.filter(|number| *number != 0) {
            Some(number) if name == "users" && number < 0 => {
                element.problem("is the number of a group, not of a person", "write it into `chats`");
            }
            Some(number) if name == "users" && NOBODY.contains(&number) => element.problem(
                "stands for whoever wants to stay unknown (an anonymous admin, a channel)",
                "write the numbers of people, who then speak as themselves",
            ),
            Some(number) => drop(found.insert(number)),
            None => element.problem("is not the number of a chat or a user", fix.clone()),
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use crate::config::{SecretRef, parse};
    use crate::domain::{Environment, Lang, Zone};

    fn read(text: &str) -> Result<super::Chat, String> {
        let all = |problems: Vec<crate::config::Problem>| crate::config::report(&problems);
        let config = parse(text, None, &Environment::default(), Zone::UTC).map_err(all)?;
        config.chat.ok_or_else(|| "no chat".to_owned())
    }

    #[test]
    fn who_may_and_what() {
        let chat = read("[chat]\ntoken = { env = 'T' }\nchats = [-100, '7']\nusers = [7]\nwrites = true\nlang = 'zh'");
        let chat = chat.expect("good");
        assert_eq!((chat.chats, chat.users), ([-100, 7].into(), [7].into()));
        assert_eq!((chat.writes, chat.lang, chat.token), (true, Lang::Chinese, SecretRef::Env("T".into())));
        let chat = read("[chat]\ntoken = { env = 'T' }\nchats = [1]\nusers = [1]\nurl = 'https://tg.example.org/'");
        let chat = chat.expect("good");
        assert!(!chat.writes);
        assert_eq!(chat.url.as_deref(), Some("https://tg.example.org"));
        assert_eq!(read(""), Err("no chat".to_owned()));
    }

    #[test]
    fn what_is_wrong_is_said() {
        const GOOD: &str = "[chat]\ntoken = { env = 'T' }\n";
        for (text, part) in [
            ("[chat]\nchats = [1]\nusers = [1]", "chat: `token` is missing"),
            ("[chat]\ntoken = '1:a'\nchats = [1]\nusers = [1]", "a secret is written here in the open"),
            (&format!("{GOOD}users = [1]"), "`chats` is missing"),
            (&format!("{GOOD}chats = [1]"), "`users` is missing"),
            (&format!("{GOOD}chats = [1]\nusers = []"), "chat.users: lists nobody"),
            (&format!("{GOOD}chats = [1]\nusers = [-100]"), "chat.users[1]: is the number of a group"),
            (&format!("{GOOD}chats = [1]\nusers = [1087968824]"), "stands for whoever wants to stay unknown"),
            (&format!("{GOOD}chats = ['@ops']\nusers = [1]"), "chat.chats[1]: is not the number"),
            (&format!("{GOOD}chats = [1]\nusers = [1]\nurl = 'http://tg.example.org'"), "is not encrypted"),
            (&format!("{GOOD}chats = [1]\nusers = [1]\nwrite = true"), "did you mean `writes`?"),
            ("[[chat]]\n", "is written as a list of tables"),
        ] {
            let said = read(text).expect_err(text);
            assert!(said.contains(part), "{text}: {said}");
        }
    }
}
