//! What is done about something heard: the answer, the question with its buttons, the deed when somebody says yes. All of it is
//! written through the [`Turn`]; only when that is committed is anything sent.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::update::{FRESH, Heard, What};
use crate::chat::answer::{self, PATIENCE, Scene};
use crate::chat::bounds::{TELEGRAM, within};
use crate::chat::command::{Command, Write, parse};
use crate::chat::conversation::{self, Reply, Speaker};
use crate::chat::model::{Said, Sessions};
use crate::config::Chat;
use crate::domain::{Snapshot, Time, Zone};
use crate::engine::overlays::Overlays;
use crate::engine::policy::AlertPolicy;
use crate::store::{StoreError, Turn};

/// What answers are made of, besides what the store knows.
pub struct Basis {
    /// `[chat]`
    pub settings: Chat,
    /// What we are called there.
    pub our_name: Option<String>,
    /// What was last observed.
    pub snapshot: Option<Arc<Snapshot>>,
    /// What the user chose about alerts.
    pub policy: Arc<AlertPolicy>,
    /// This machine's name.
    pub host: String,
    /// Shortened to `~`.
    pub home: PathBuf,
    /// Zone of the absolute times.
    pub zone: Zone,
    /// E-mail addresses inside ids may leave the machine.
    pub emails: bool,
    /// What `/model` is about.
    pub sessions: Option<Arc<dyn Sessions>>,
    /// We have just come back: buttons that were pressed meanwhile count only if their question is young.
    pub was_away: bool,
    /// The instant.
    pub now: Time,
}

/// A request to Telegram, as it waits in the store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Saying {
    /// `sendMessage`, `editMessageText`
    pub method: String,
    /// Its parameters.
    pub params: Value,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Something about alerts was changed: a cycle should draw the consequences.
    pub acted: bool,
    /// The button that was pressed, and a few words for who pressed it.
    pub pressed: Option<(String, String)>,
}

/// What a line would do.
enum Wanted<'a> {
    Alerts(Write),
    Session(&'a Arc<dyn Sessions>),
}

/// What waits for a button.
#[derive(Serialize, Deserialize)]
struct Wish {
    user: i64,
    chat: i64,
    line: String,
}

/// Deals with something heard.
///
/// # Errors
/// If the store fails.
pub fn talk(turn: &Turn<'_>, heard: &Heard, basis: &Basis) -> Result<Done, StoreError> {
    let (incidents, silences) = (turn.incidents()?, turn.silences()?);
    let names = turn.pseudonyms(basis.emails)?;
    let withheld = Overlays::new(&basis.policy, &silences, &basis.host, basis.now).all(&incidents);
    let scene = Scene {
        snapshot: basis.snapshot.as_deref(),
        incidents: &incidents,
        silences: &silences,
        withheld: &withheld,
        names: &names,
        host: &basis.host,
        home: &basis.home,
        zone: basis.zone,
        lang: basis.settings.lang,
        writes: basis.settings.writes,
        now: basis.now,
    };
    match &heard.what {
        What::Line(line) => {
            if let Some(line) = about_session(line, basis.our_name.as_deref()) {
                session(turn, &scene, heard, &line, basis)?;
                return Ok(Done::default());
            }
            let speaker = Speaker { our_name: basis.our_name.as_deref(), alone: heard.alone, who: &heard.name };
            match conversation::reply(&scene, line, &speaker) {
                Reply::Nothing => {}
                Reply::Text(text) => say(turn, &send(&scene, heard, &text, None))?,
                Reply::Ask { question, write } => {
                    ask(turn, &scene, heard, &question, write.line())?;
                }
            }
            Ok(Done::default())
        }
        What::Pressed { query, data } => {
            let (acted, words) = press(turn, &scene, heard, data, basis)?;
            Ok(Done { acted, pressed: Some((query.clone(), within(&words, 190, |_| "…".to_owned()))) })
        }
    }
}

/// The line, if it is one of `/model` and meant for us.
fn about_session(line: &str, our_name: Option<&str>) -> Option<String> {
    let line = line.trim();
    let first = line.split_whitespace().next()?;
    let word = match (first.split_once('@'), our_name) {
        (Some((word, whose)), Some(name)) if whose.eq_ignore_ascii_case(name) => word,
        (Some(_), _) => return None,
        (None, _) => first,
    };
    let ours = ["/model", "/models"].iter().any(|ours| word.eq_ignore_ascii_case(ours));
    ours.then(|| format!("{word}{}", &line[first.len()..]))
}

fn session(turn: &Turn<'_>, scene: &Scene<'_>, heard: &Heard, line: &str, basis: &Basis) -> Result<(), StoreError> {
    let text = match &basis.sessions {
        None => scene.say("There is no /model here: [chat] session is not set in monitor.toml."),
        Some(sessions) => match sessions.ask(line) {
            Ok(Some(Said { changes: true, .. })) if scene.writes => {
                let session = basis.settings.session.as_deref().unwrap_or_default();
                let question = format!(
                    "{}\n{line}\n{}",
                    scene.say(&format!("Do this in the session {session}?")),
                    answer::who_may_answer(scene, &heard.name),
                );
                return ask(turn, scene, heard, &question, line.to_owned());
            }
            Ok(Some(Said { changes: true, .. })) => answer::no_writes(scene),
            Ok(Some(said)) => lines(scene, &said.text),
            Ok(None) => answer::unknown(scene),
            Err(trouble) => lines(scene, &trouble.message),
        },
    };
    say(turn, &send(scene, heard, &text, None))
}

/// In the gateway's own words; but no e-mail address goes out with them.
fn lines(scene: &Scene<'_>, text: &str) -> String {
    text.lines().map(|line| scene.say(line)).collect::<Vec<_>>().join("\n")
}

fn ask(turn: &Turn<'_>, scene: &Scene<'_>, heard: &Heard, question: &str, line: String) -> Result<(), StoreError> {
    let wish = Wish { user: heard.user, chat: heard.chat, line };
    let id = turn.keep(&serde_json::to_string(&wish)?)?;
    say(turn, &send(scene, heard, question, Some(&id)))
}

/// Whether something was done, and a few words.
fn press(
    turn: &Turn<'_>,
    scene: &Scene<'_>,
    heard: &Heard,
    data: &str,
    basis: &Basis,
) -> Result<(bool, String), StoreError> {
    let gone = || scene.say("This question is not open any more; ask again.");
    let Some((answer, id)) = data.split_once(':') else { return Ok((false, gone())) };
    let Some((asked, body)) = turn.kept(id)? else { return Ok((false, gone())) };
    let Ok(wish) = serde_json::from_str::<Wish>(&body) else { return Ok((false, gone())) };
    if (wish.user, wish.chat) != (heard.user, heard.chat) {
        return Ok((false, scene.say("Only who asked can answer this.")));
    }
    let age = basis.now - asked;
    let wanted = match (parse(&wish.line, None), &basis.sessions) {
        (Ok(Command::Write(write)), _) => Some(Wanted::Alerts(write)),
        (_, Some(sessions)) if about_session(&wish.line, None).is_some() => Some(Wanted::Session(sessions)),
        _ => None,
    };
    turn.forget(id)?;
    // An order to a session is not undone if we die before the commit: pressed again, it is answered as it would have been.
    let fresh = if matches!(wanted, Some(Wanted::Session(_))) { PATIENCE } else { FRESH };
    let text = match (answer, wanted) {
        _ if age > PATIENCE || (basis.was_away && age > fresh) => gone(),
        ("no", _) => scene.say("Nothing was done."),
        ("yes", Some(_)) if !scene.writes => answer::no_writes(scene),
        ("yes", Some(Wanted::Session(sessions))) => match sessions.order(&wish.line) {
            Ok(said) => lines(scene, &said.text),
            Err(trouble) => lines(scene, &trouble.message),
        },
        ("yes", Some(Wanted::Alerts(write))) => {
            let (acted, text) = act(turn, scene, heard, &write)?;
            say(turn, &edit(scene, heard, &text))?;
            let first = text.lines().next().unwrap_or_default().to_owned();
            return Ok((acted, first));
        }
        _ => gone(),
    };
    say(turn, &edit(scene, heard, &text))?;
    Ok((false, text))
}

fn act(turn: &Turn<'_>, scene: &Scene<'_>, heard: &Heard, write: &Write) -> Result<(bool, String), StoreError> {
    let by = format!("{} (Telegram {})", heard.name, heard.user);
    let result = turn.act(&write.action(scene.now), &by)?;
    tracing::info!(by, "{}: {}", write.line(), if result.is_ok() { "done" } else { "refused" });
    Ok((result.is_ok(), conversation::outcome(scene, write, &result, &by)))
}

fn say(turn: &Turn<'_>, saying: &Saying) -> Result<(), StoreError> {
    turn.say(&serde_json::to_string(saying)?)
}

fn fitting(scene: &Scene<'_>, text: &str) -> String {
    within(text, TELEGRAM, |lines| scene.say(&format!("… {lines} more lines")))
}

/// An answer to a message; with buttons, if something waits for them.
fn send(scene: &Scene<'_>, heard: &Heard, text: &str, wish: Option<&str>) -> Saying {
    let mut params = json!({
        "chat_id": heard.chat,
        "text": fitting(scene, text),
        "link_preview_options": { "is_disabled": true },
        "reply_parameters": { "message_id": heard.message, "allow_sending_without_reply": true },
    });
    if let Some(topic) = heard.topic {
        params["message_thread_id"] = topic.into();
    }
    if let Some(id) = wish {
        let button =
            |word: &str, answer: &str| json!({ "text": scene.say(word), "callback_data": format!("{answer}:{id}") });
        params["reply_markup"] = json!({ "inline_keyboard": [[button("Yes", "yes"), button("No", "no")]] });
    }
    Saying { method: "sendMessage".to_owned(), params }
}

/// The question becomes its answer, and its buttons go.
fn edit(scene: &Scene<'_>, heard: &Heard, text: &str) -> Saying {
    let params = json!({
        "chat_id": heard.chat,
        "message_id": heard.message,
        "text": fitting(scene, text),
        "link_preview_options": { "is_disabled": true },
    });
    Saying { method: "editMessageText".to_owned(), params }
}

#[cfg(test)]
#[path = "talk_tests.rs"]
mod tests;
