use serde_json::Value;

use super::*;
use crate::config::SecretRef;
use crate::domain::{Incident, Lang, Place, Severity, Silence, Span, State};
use crate::engine::incidents::decide;
use crate::engine::incidents::world::{credential, snapshot, start};
use crate::store::{CycleRecord, Store};

/// A machine with one problem, a bot, and what was said so far.
struct Talk {
    store: Store,
    basis: Basis,
    updates: i64,
}

const BOT: i64 = 110_001;
const ANN: i64 = 7;

impl Talk {
    fn new(lang: Lang, writes: bool) -> Self {
        let mut store = Store::in_memory().unwrap();
        let seen = snapshot(vec![credential("opensoul:main/anthropic:me@x.org", State::Expired, Severity::Critical)]);
        let policy = AlertPolicy::default();
        let record = CycleRecord { snapshot: &seen, verdicts: &[], runs: &[], now: start() };
        let names = crate::domain::Pseudonyms::default();
        store.commit_cycle(&record, |standing| decide(standing, &seen, &policy, &names, start())).unwrap();
        let settings = Chat {
            token: SecretRef::Env("T".into()),
            token_place: Place::default(),
            url: None,
            insecure: false,
            chats: [-100].into(),
            users: [ANN, 8].into(),
            writes,
            session: None,
            lang,
        };
        let basis = Basis {
            settings,
            our_name: Some("WatchBot".into()),
            host: seen.host.clone(),
            snapshot: Some(Arc::new(seen)),
            policy: Arc::new(policy),
            home: "/home/me".into(),
            zone: Zone::UTC,
            emails: false,
            sessions: None,
            was_away: false,
            now: start(),
        };
        Self { store, basis, updates: 0 }
    }

    fn hear(&mut self, user: i64, what: What) -> Option<Done> {
        self.updates += 1;
        self.hear_again(user, what)
    }

    fn hear_again(&mut self, user: i64, what: What) -> Option<Done> {
        let heard = Heard { user, name: "ann".into(), chat: -100, alone: false, topic: None, message: 5, what };
        let (basis, updates) = (&self.basis, self.updates);
        self.store.converse(BOT, updates, basis.now, |turn| talk(turn, &heard, basis)).unwrap()
    }

    fn line(&mut self, text: &str) -> Vec<Value> {
        self.hear(ANN, What::Line(text.to_owned()));
        self.said()
    }

    fn press(&mut self, user: i64, data: &str) -> (Done, Vec<Value>) {
        let done = self.hear(user, What::Pressed { query: "q".into(), data: data.to_owned() }).unwrap();
        (done, self.said())
    }

    /// What would be sent now, method and parameters; it counts as sent.
    fn said(&mut self) -> Vec<Value> {
        let sayings = self.store.sayings(self.basis.now).unwrap();
        if let Some(last) = sayings.last() {
            self.store.said(last.id).unwrap();
        }
        sayings.iter().map(|one| serde_json::from_str(&one.body).unwrap()).collect()
    }

    fn incident(&self) -> Incident {
        self.store.incidents().unwrap().remove(0)
    }

    fn silences(&self) -> Vec<Silence> {
        self.store.silences().unwrap()
    }
}

fn text(saying: &Value) -> String {
    saying["params"]["text"].as_str().unwrap().to_owned()
}

fn button(saying: &Value, which: usize) -> String {
    saying["params"]["reply_markup"]["inline_keyboard"][0][which]["callback_data"].as_str().unwrap().to_owned()
}

#[test]
fn questions_are_answered_in_both_languages() {
    for lang in [Lang::English, Lang::Chinese] {
        let mut talk = Talk::new(lang, true);
        let mut all = String::new();
        for line in ["/help", "/status", "/expiring 14d", "/doctor", "/ack 1a2b3c 2x", "/silence owner=me 2h"] {
            let said = talk.line(line);
            assert_eq!(said[0]["method"], "sendMessage");
            all.push_str(&format!("> {line}\n{}\n\n", text(&said[0])));
        }
        assert!(!all.contains("me@x.org"), "an address leaves the machine: {all}");
        insta::assert_snapshot!(format!("answers_{lang:?}"), all);
    }
}

#[test]
fn an_ack_is_asked_back_and_then_done_once() {
    let mut talk = Talk::new(Lang::English, true);
    let id = talk.incident().id.to_string();
    let asked = talk.line(&format!("/ack_{} 2h on it", &id[..6])).remove(0);
    assert!(text(&asked).starts_with("Acknowledge it until in 2 h"), "{}", text(&asked));
    assert!(text(&asked).contains("Only ann can answer, within 5 minutes."));
    assert!(talk.incident().ack.is_none(), "not before the button");
    let yes = button(&asked, 0);
    assert!(yes.len() <= 64, "Telegram takes no more");

    let (other, said) = talk.press(8, &yes);
    assert_eq!((other.acted, said.len()), (false, 0), "somebody else's button");
    assert_eq!(other.pressed, Some(("q".into(), "Only who asked can answer this.".into())));

    let (done, said) = talk.press(ANN, &yes);
    assert!(done.acted);
    assert_eq!(said[0]["method"], "editMessageText");
    assert!(said[0]["params"].get("reply_markup").is_none());
    assert!(text(&said[0]).contains("Acknowledged until in 2 h") && text(&said[0]).contains("— ann (Telegram 7)"));
    let ack = talk.incident().ack.unwrap();
    assert_eq!((ack.by.as_str(), ack.comment.as_deref()), ("ann (Telegram 7)", Some("on it")));
    assert_eq!(ack.until, Some(start() + Span::hours(2)));

    let (again, said) = talk.press(ANN, &yes);
    assert_eq!((again.acted, said.len()), (false, 0), "a button works once");
}

#[test]
fn an_update_that_comes_again_is_not_dealt_with_again() {
    let mut talk = Talk::new(Lang::English, true);
    let id = talk.incident().id.to_string();
    let yes = button(&talk.line(&format!("/snooze {id} 1h"))[0], 0);
    let press = What::Pressed { query: "q".into(), data: yes };
    assert!(talk.hear(ANN, press.clone()).unwrap().acted);
    assert_eq!(talk.hear_again(ANN, press), None);
    talk.updates -= 1;
    assert_eq!(talk.hear_again(ANN, What::Line("/status".into())), None);
    assert_eq!(talk.said().len(), 1);
    assert_eq!(talk.store.next_update(BOT, start()).unwrap(), Some(3));
    assert_eq!(talk.store.next_update(BOT + 1, start()).unwrap(), None, "another bot's are numbered otherwise");
    assert_eq!(talk.store.next_update(BOT, start() + Span::days(7)).unwrap(), None, "Telegram numbers anew");
}

#[test]
fn no_old_button_and_no_button_of_an_absence_does_anything() {
    for (later, away) in [(Span::minutes(6), false), (Span::seconds(61), true)] {
        let mut talk = Talk::new(Lang::English, true);
        let id = talk.incident().id.to_string();
        let yes = button(&talk.line(&format!("/ack {id}"))[0], 0);
        talk.basis.now = start() + later;
        talk.basis.was_away = away;
        let (done, said) = talk.press(ANN, &yes);
        assert!(!done.acted && text(&said[0]).contains("not open any more"), "{later}");
        assert!(talk.incident().ack.is_none());
    }
}

#[test]
fn a_silence_says_what_it_fits_and_no_is_no() {
    let mut talk = Talk::new(Lang::English, true);
    let asked = talk.line("/silence provider=anthropic 2h moving house").remove(0);
    assert!(text(&asked).contains("It fits 1 of 1 open incidents now."), "{}", text(&asked));
    let (done, said) = talk.press(ANN, &button(&asked, 1));
    assert!(!done.acted && text(&said[0]) == "Nothing was done.");
    assert!(talk.silences().is_empty());

    let asked = talk.line("/silence provider=anthropic 2h moving house").remove(0);
    talk.press(ANN, &button(&asked, 0));
    let made = talk.silences().remove(0);
    assert_eq!((made.comment.as_str(), made.ends_at), ("moving house", start() + Span::hours(2)));
    let asked = talk.line(&format!("/unsilence_{}", made.id)).remove(0);
    let (done, _) = talk.press(ANN, &button(&asked, 0));
    assert!(done.acted && !talk.silences()[0].holds(start()));
}

#[test]
fn nothing_is_written_where_that_is_not_allowed() {
    let mut talk = Talk::new(Lang::English, false);
    let id = talk.incident().id.to_string();
    for line in [format!("/ack {id}"), "/silence alertname=~* 2h".to_owned(), "/ack".to_owned()] {
        let said = talk.line(&line).remove(0);
        assert!(text(&said).contains("writes is not true") && said["params"].get("reply_markup").is_none(), "{line}");
    }
    // Nor by a button of the time when it was.
    let mut talk = Talk::new(Lang::English, true);
    let yes = button(&talk.line(&format!("/ack {id}"))[0], 0);
    talk.basis.settings.writes = false;
    assert!(!talk.press(ANN, &yes).0.acted);
    assert!(talk.incident().ack.is_none());
}

#[test]
fn talk_in_a_group_is_not_answered() {
    let mut talk = Talk::new(Lang::English, true);
    for line in ["hello", "/status@OtherBot", "/somebodyelses"] {
        assert_eq!(talk.line(line), [] as [Value; 0], "{line}");
    }
    assert_eq!(talk.line("/status@watchbot").len(), 1);
    for data in ["", "yes", "yes:", "yes:nothing", "drop:table"] {
        let (done, said) = talk.press(ANN, data);
        assert_eq!((done.acted, said.len()), (false, 0), "{data}");
    }
}

#[test]
fn what_was_not_said_waits_but_not_for_ever() {
    let mut talk = Talk::new(Lang::English, true);
    talk.hear(ANN, What::Line("/help".into()));
    assert_eq!(talk.store.sayings(start() + Span::minutes(59)).unwrap().len(), 1);
    assert_eq!(talk.store.sayings(start() + Span::minutes(61)).unwrap().len(), 0);
    for _ in 0..150 {
        talk.hear(ANN, What::Line("/help".into()));
    }
    assert_eq!(talk.said().len(), 100, "the newest");
    assert_eq!(talk.said().len(), 0);
}

/// A session that remembers what it was told.
#[derive(Default)]
struct Pinned(std::sync::Mutex<Vec<String>>);

impl Sessions for Pinned {
    fn ask(&self, line: &str) -> Result<Option<Said>, crate::chat::model::Trouble> {
        let changes = line.contains('@');
        Ok(Some(Said { text: "Current: a/b\nCredential: openai:me@x.org".into(), refused: false, changes }))
    }

    fn order(&self, line: &str) -> Result<Said, crate::chat::model::Trouble> {
        self.0.lock().unwrap().push(line.to_owned());
        Ok(Said { text: "Model set to GPT (openai/gpt-5.2).".into(), refused: false, changes: true })
    }
}

#[test]
fn a_session_is_asked_about_and_changed_after_a_second_look() {
    let mut talk = Talk::new(Lang::English, true);
    assert!(text(&talk.line("/model status")[0]).contains("[chat] session is not set"));
    let pinned = Arc::new(Pinned::default());
    talk.basis.sessions = Some(Arc::<Pinned>::clone(&pinned));
    talk.basis.settings.session = Some("agent:main:main".into());
    assert_eq!(text(&talk.line("/model@WatchBot")[0]), "Current: a/b\nCredential: openai:user-0");
    assert_eq!(talk.line("/model@OtherBot"), [] as [Value; 0]);
    let asked = talk.line("/model gpt@openai:work").remove(0);
    assert!(
        text(&asked).starts_with("Do this in the session agent:main:main?\n/model gpt@openai:work\n"),
        "{}",
        text(&asked)
    );
    assert!(pinned.0.lock().unwrap().is_empty());
    let (done, said) = talk.press(ANN, &button(&asked, 0));
    assert!(!done.acted && text(&said[0]) == "Model set to GPT (openai/gpt-5.2).");
    assert_eq!(*pinned.0.lock().unwrap(), ["/model gpt@openai:work"]);
    talk.press(ANN, &button(&asked, 0));
    assert_eq!(pinned.0.lock().unwrap().len(), 1, "a button works once");
    talk.basis.settings.writes = false;
    assert!(text(&talk.line("/model gpt@openai:work")[0]).contains("writes is not true"));
}
