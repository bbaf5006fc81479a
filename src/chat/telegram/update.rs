//! Who speaks, whether he may, and what he says: one update of Telegram, read. Pure.
//!
//! Heard is only a person that is listed, in a chat that is listed, in own words, now. Nobody else gets an answer: who asks
//! whether we are there is not told.

use serde_json::Value;

use crate::config::{Chat, NOBODY};
use crate::domain::{Span, Time};

/// What has waited longer (while the monitor, the network or Telegram was away) is not what somebody wants now.
pub const FRESH: Span = Span::seconds(60);

/// One thing that somebody said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Who.
    pub user: i64,
    /// What he is called.
    pub name: String,
    /// Where.
    pub chat: i64,
    /// Nobody else is there.
    pub alone: bool,
    /// In which topic of a forum.
    pub topic: Option<i64>,
    /// The message; for a button the one below which it was.
    pub message: i64,
    /// What.
    pub what: What,
}

/// What somebody said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A line.
    Line(String),
    /// A button was pressed.
    Pressed {
        /// To be answered, or the button goes on turning.
        query: String,
        /// What we wrote on its back.
        data: String,
    },
}

/// Why an update is not heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unheard {
    /// Nothing that we listen to: an edit, a picture, somebody who joins.
    Other,
    /// By nobody in particular: an anonymous admin, a channel, a bot.
    Nobody,
    /// Not listed.
    Stranger {
        /// Who.
        user: i64,
        /// Where.
        chat: i64,
    },
    /// Somebody else's words.
    Forwarded,
    /// It has waited too long.
    Late(Span),
}

/// Reads an update; with its number, without which there is none. `sent` is when Telegram handed it over, by its own clock.
#[must_use]
pub fn read(update: &Value, settings: &Chat, sent: Time) -> Option<(i64, Result<Heard, Unheard>)> {
    let id = update["update_id"].as_i64()?;
    let heard = match (update.get("message"), update.get("callback_query")) {
        (Some(message), None) => line(message, settings, sent),
        (None, Some(query)) => pressed(query, settings),
        _ => Err(Unheard::Other),
    };
    Some((id, heard))
}

fn line(message: &Value, settings: &Chat, sent: Time) -> Result<Heard, Unheard> {
    let (user, chat) = listed(message, &message["from"], settings)?;
    let borrowed = message.as_object().is_some_and(|fields| {
        fields.keys().any(|key| key.starts_with("forward_"))
            || ["is_automatic_forward", "via_bot", "edit_date"].iter().any(|key| fields.contains_key(*key))
    });
    if borrowed {
        return Err(Unheard::Forwarded);
    }
    let text = message["text"].as_str().ok_or(Unheard::Other)?;
    let written =
        message["date"].as_i64().and_then(|seconds| Time::from_timestamp(seconds, 0)).ok_or(Unheard::Other)?;
    let age = sent - written;
    if age > FRESH {
        return Err(Unheard::Late(age));
    }
    let topic = message["is_topic_message"].as_bool() == Some(true);
    Ok(Heard {
        user,
        name: name(&message["from"]),
        chat,
        alone: message["chat"]["type"] == "private",
        topic: message["message_thread_id"].as_i64().filter(|_| topic),
        message: message["message_id"].as_i64().ok_or(Unheard::Other)?,
        what: What::Line(text.to_owned()),
    })
}

fn pressed(query: &Value, settings: &Chat) -> Result<Heard, Unheard> {
    let message = &query["message"];
    // One that Telegram does not show any more has no date.
    if message["date"].as_i64().unwrap_or(0) == 0 || query.get("inline_message_id").is_some() {
        return Err(Unheard::Other);
    }
    // The message is ours; who pressed is another question.
    let chat = message["chat"]["id"].as_i64().ok_or(Unheard::Other)?;
    let user = person(&query["from"])?;
    if !(settings.chats.contains(&chat) && settings.users.contains(&user)) {
        return Err(Unheard::Stranger { user, chat });
    }
    let text = |value: &Value| value.as_str().map(str::to_owned).ok_or(Unheard::Other);
    Ok(Heard {
        user,
        name: name(&query["from"]),
        chat,
        alone: message["chat"]["type"] == "private",
        topic: None,
        message: message["message_id"].as_i64().ok_or(Unheard::Other)?,
        what: What::Pressed { query: text(&query["id"])?, data: text(&query["data"])? },
    })
}

fn listed(message: &Value, from: &Value, settings: &Chat) -> Result<(i64, i64), Unheard> {
    if message.get("sender_chat").is_some() || message.get("business_connection_id").is_some() {
        return Err(Unheard::Nobody);
    }
    let user = person(from)?;
    let chat = message["chat"]["id"].as_i64().ok_or(Unheard::Other)?;
    if settings.chats.contains(&chat) && settings.users.contains(&user) {
        Ok((user, chat))
    } else {
        Err(Unheard::Stranger { user, chat })
    }
}

fn person(from: &Value) -> Result<i64, Unheard> {
    let user = from["id"].as_i64().ok_or(Unheard::Nobody)?;
    if from["is_bot"].as_bool() != Some(false) || NOBODY.contains(&user) {
        return Err(Unheard::Nobody);
    }
    Ok(user)
}

/// What a person is called. It is his own choice of words: the number beside it says who he is.
fn name(from: &Value) -> String {
    let named = ["username", "first_name"].into_iter().find_map(|field| from[field].as_str());
    let name: String = named.unwrap_or_default().chars().filter(|c| !c.is_control()).take(40).collect();
    if name.trim().is_empty() { "user".to_owned() } else { name.trim().to_owned() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::config::SecretRef;
    use crate::domain::{Lang, Place};

    fn settings() -> Chat {
        Chat {
            token: SecretRef::Env("T".into()),
            token_place: Place::default(),
            url: None,
            insecure: false,
            chats: [-100, 7].into(),
            users: [7, 8].into(),
            writes: true,
            session: None,
            lang: Lang::English,
        }
    }

    fn sent() -> Time {
        Time::from_timestamp(1_800_000_000, 0).unwrap()
    }

    fn message() -> Value {
        json!({
            "message_id": 5,
            "from": { "id": 7, "is_bot": false, "first_name": "Ann", "username": "ann" },
            "chat": { "id": -100, "type": "supergroup" },
            "date": 1_799_999_990,
            "text": "/status",
        })
    }

    fn heard(message: Value) -> Result<Heard, Unheard> {
        let (id, heard) = read(&json!({ "update_id": 12, "message": message }), &settings(), sent()).unwrap();
        assert_eq!(id, 12);
        heard
    }

    fn with(key: &str, value: Value) -> Result<Heard, Unheard> {
        let mut changed = message();
        changed[key] = value;
        heard(changed)
    }

    #[test]
    fn a_person_who_is_listed_in_a_chat_that_is_listed() {
        let expected = Heard {
            user: 7,
            name: "ann".into(),
            chat: -100,
            alone: false,
            topic: None,
            message: 5,
            what: What::Line("/status".into()),
        };
        assert_eq!(heard(message()), Ok(expected.clone()));
        let private = with("chat", json!({ "id": 7, "type": "private" }));
        assert_eq!(private, Ok(Heard { chat: 7, alone: true, ..expected.clone() }));
        let mut topic = message();
        topic["is_topic_message"] = true.into();
        topic["message_thread_id"] = 3.into();
        assert_eq!(heard(topic), Ok(Heard { topic: Some(3), ..expected }));
    }

    #[test]
    fn everybody_else_is_not_heard() {
        let user = |id: i64, bot: bool| json!({ "id": id, "is_bot": bot, "first_name": "X" });
        assert_eq!(with("from", user(9, false)), Err(Unheard::Stranger { user: 9, chat: -100 }));
        assert_eq!(
            with("chat", json!({ "id": -101, "type": "group" })),
            Err(Unheard::Stranger { user: 7, chat: -101 })
        );
        // A listed user's number as a chat that is not listed.
        assert_eq!(with("chat", json!({ "id": 8, "type": "private" })), Err(Unheard::Stranger { user: 7, chat: 8 }));
        for (key, value, why) in [
            ("from", user(1_087_968_824, true), Unheard::Nobody),
            ("from", user(7, true), Unheard::Nobody),
            ("from", json!({ "id": 7 }), Unheard::Nobody),
            ("from", Value::Null, Unheard::Nobody),
            ("sender_chat", json!({ "id": -100, "type": "supergroup" }), Unheard::Nobody),
            ("business_connection_id", json!("x"), Unheard::Nobody),
            ("forward_origin", json!({ "type": "user" }), Unheard::Forwarded),
            ("forward_date", json!(1), Unheard::Forwarded),
            ("forward_sender_name", json!("Ann"), Unheard::Forwarded),
            ("is_automatic_forward", json!(true), Unheard::Forwarded),
            ("via_bot", user(5, true), Unheard::Forwarded),
            ("edit_date", json!(1_799_999_995), Unheard::Forwarded),
            ("text", Value::Null, Unheard::Other),
            ("date", Value::Null, Unheard::Other),
            ("date", json!(1_799_999_939), Unheard::Late(Span::seconds(61))),
        ] {
            assert_eq!(with(key, value.clone()), Err(why), "{key}: {value}");
        }
        assert!(with("date", json!(1_799_999_940)).is_ok(), "a minute is soon enough");
        for kind in ["edited_message", "channel_post", "my_chat_member", "business_message"] {
            let update = json!({ "update_id": 1, kind: message() });
            assert_eq!(read(&update, &settings(), sent()), Some((1, Err(Unheard::Other))), "{kind}");
        }
        assert_eq!(read(&json!({ "message": message() }), &settings(), sent()), None);
    }

    #[test]
    fn a_button_is_pressed_by_a_person_too() {
        let query = json!({
            "id": "99",
            "from": { "id": 8, "is_bot": false, "first_name": "Bob\u{202e}\u{7}" },
            "message": { "message_id": 6, "from": { "id": 1, "is_bot": true }, "chat": { "id": -100, "type": "group" }, "date": 5 },
            "data": "yes:x",
        });
        let press =
            |query: &Value| read(&json!({ "update_id": 1, "callback_query": query }), &settings(), sent()).unwrap().1;
        let heard = press(&query).unwrap();
        assert_eq!((heard.user, heard.chat, heard.message), (8, -100, 6));
        assert_eq!(heard.what, What::Pressed { query: "99".into(), data: "yes:x".into() });
        for (path, value, why) in [
            ("/from/id", json!(9), Unheard::Stranger { user: 9, chat: -100 }),
            ("/message/chat/id", json!(-1), Unheard::Stranger { user: 8, chat: -1 }),
            ("/from/is_bot", json!(true), Unheard::Nobody),
            ("/message/date", json!(0), Unheard::Other),
            ("/data", Value::Null, Unheard::Other),
        ] {
            let mut changed = query.clone();
            *changed.pointer_mut(path).unwrap() = value;
            assert_eq!(press(&changed), Err(why), "{path}");
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[a-z/ ]{0,8}".prop_map(Value::from)
        ];
        let key = prop_oneof![
            Just("message"),
            Just("callback_query"),
            Just("from"),
            Just("chat"),
            Just("id"),
            Just("text"),
            Just("date")
        ];
        leaf.prop_recursive(4, 32, 6, move |inner| {
            proptest::collection::hash_map(key.clone(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()))
        })
    }

    proptest! {
        #[test]
        fn nothing_is_too_odd_and_nothing_odd_is_heard(value in any_json()) {
            let mut update = value;
            if update.is_object() {
                update["update_id"] = 1.into();
            }
            if let Some((_, Ok(heard))) = read(&update, &settings(), sent()) {
                prop_assert!(settings().users.contains(&heard.user) && settings().chats.contains(&heard.chat));
            }
        }
    }
}
