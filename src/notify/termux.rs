//! `type = "termux"`: a notification of the phone itself, by Termux:API. One for each group, so that news replaces what it makes old,
//! with buttons that acknowledge from the lock screen.
//!
//! `termux-notification` hangs where its app is missing: it is ended after a while, and that is a failure. Buttons are run by a shell
//! without a `PATH`: everything in them is quoted, and the program is named in full.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::compose::{Limit, Plain, compose};
use super::program::{self, Ended};
use super::render::Mood;
use super::{Receiver, Voice, transient};
use crate::domain::{Attempt, Environment, FailureReason, ItemStatus, Notification, Outcome};
use crate::output::wording::spoken;

/// What a phone shows.
const TEXT: Limit = Limit::Chars(2_000);

pub(super) struct Termux {
    pub name: String,
    pub voice: Voice,
    pub env: Arc<Environment>,
    /// For the buttons.
    pub program: PathBuf,
}

/// A word for `dash`, whatever is in it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Where our files are. A button starts with none of these, and would look elsewhere.
const PLACES: [&str; 5] =
    ["HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "OPENSOUL_MONITOR_CONFIG", "OPENSOUL_MONITOR_STATE"];

impl Termux {
    fn places(&self) -> Option<String> {
        let set = PLACES.iter().filter_map(|name| Some(format!("{name}={}", quoted(self.env.get(name)?))));
        let set: Vec<String> = set.collect();
        (!set.is_empty()).then(|| format!("export {}", set.join(" ")))
    }

    fn argv(&self, notification: &Notification, attempt: &Attempt) -> (Vec<String>, String) {
        let message = self.voice.render(notification, attempt.now);
        let (priority, sound) = match message.mood {
            Mood::Critical => ("max", true),
            Mood::Warning => ("high", true),
            Mood::Info | Mood::Over => ("low", false),
        };
        let mut argv: Vec<String> = [
            "termux-notification",
            "--id",
            &format!("opensoul-{}", notification.group_key),
            "--group",
            "opensoul",
            "--title",
            &message.subject,
            "--priority",
            priority,
        ]
        .map(str::to_owned)
        .to_vec();
        if sound {
            argv.push("--sound".to_owned());
        }
        let firing = notification.items.iter().filter(|item| item.status == ItemStatus::Firing);
        let ids: Vec<String> = firing.map(|item| quoted(item.incident.as_str())).collect();
        if !ids.is_empty() {
            let program = quoted(&self.program.to_string_lossy());
            let places = self.places();
            for (number, (label, span)) in [("1", ("Ack 24 h", "24h")), ("2", ("Ack 7 d", "7d"))] {
                let acts = ids.iter().map(|id| format!("{program} alerts ack {id} --for {span}"));
                let acts = places.iter().cloned().chain(acts);
                argv.extend([format!("--button{number}"), spoken(message.lang, label.to_owned())]);
                argv.extend([format!("--button{number}-action"), acts.collect::<Vec<_>>().join("; ")]);
            }
        }
        (argv, compose(&message, &Plain, TEXT))
    }
}

#[async_trait]
impl Receiver for Termux {
    fn name(&self) -> &str {
        &self.name
    }

    async fn deliver(&self, notification: &Notification, attempt: &Attempt) -> Outcome {
        let (argv, text) = self.argv(notification, attempt);
        match program::run(&argv, text.into_bytes(), &self.env, Duration::from_secs(10)).await {
            Ok(Ended { code: Some(0), .. }) => {
                Outcome::Delivered { detail: "the phone took it".to_owned(), keep: None }
            }
            Ok(Ended { said, .. }) => transient(FailureReason::ServerError, said, &attempt.progress),
            Err((FailureReason::Timeout, _)) => {
                let detail = "termux-notification hangs: is the app Termux:API installed, and allowed to run?";
                transient(FailureReason::Timeout, detail, &attempt.progress)
            }
            Err((reason, detail)) => transient(reason, format!("{detail} (pkg install termux-api)"), &attempt.progress),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{IncidentId, Item};
    use crate::notify::samples::{attempt, expiring, notification, now};

    fn termux() -> Termux {
        let env: Environment = [("HOME".to_owned(), "/data/ho'me".to_owned())].into_iter().collect();
        let program = PathBuf::from("/data/data/com.termux/files/usr/bin/open soul's");
        Termux { name: "phone".into(), voice: Voice::default(), env: Arc::new(env), program }
    }

    #[test]
    fn buttons_are_quoted_and_named_in_full() {
        let item = Item { incident: IncidentId::of("A", "x", "y"), ..expiring() };
        let (argv, text) = termux().argv(&notification(vec![item.clone()]), &attempt());
        let at = argv.iter().position(|word| word == "--button1-action").unwrap();
        let expected = format!(
            r"export HOME='/data/ho'\''me'; '/data/data/com.termux/files/usr/bin/open soul'\''s' alerts ack '{}' --for 24h",
            item.incident
        );
        assert_eq!(argv[at + 1], expected);
        assert!(text.contains("opensoul models auth setup-token"), "{text}");
        assert_eq!(quoted("a'; rm -rf ~ #"), r"'a'\''; rm -rf ~ #'");
    }

    #[test]
    fn what_is_over_replaces_it_quietly() {
        let over = Item { status: ItemStatus::Resolved, ended: Some(now()), ..expiring() };
        let (first, _) = termux().argv(&notification(vec![expiring()]), &attempt());
        let (last, _) = termux().argv(&notification(vec![over]), &attempt());
        assert_eq!(first[..3], last[..3], "one id for the group");
        assert!(last.contains(&"low".to_owned()) && !last.iter().any(|word| word.starts_with("--button")));
    }
}
