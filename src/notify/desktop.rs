//! `type = "desktop"`: a notification of this machine's desktop, by `notify-send` (Linux) or `osascript` (macOS).

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::compose::{Html, Limit, Plain, compose};
use super::program::{self, Ended};
use super::render::Mood;
use super::{Receiver, Voice, transient};
use crate::domain::{Attempt, Environment, FailureReason, Notification, Outcome};

const TEXT: Limit = Limit::Chars(1_000);

pub(super) struct Desktop {
    pub name: String,
    pub voice: Voice,
    pub env: Arc<Environment>,
    /// Whether the program is that of macOS.
    pub mac: bool,
}

impl Desktop {
    fn argv(&self, notification: &Notification, attempt: &Attempt) -> Vec<String> {
        let message = self.voice.render(notification, attempt.now);
        if self.mac {
            // The texts are arguments of the script, never a part of it.
            let script = "on run argv\ndisplay notification (item 2 of argv) with title (item 1 of argv)\nend run";
            let text = compose(&message, &Plain, Limit::Chars(300));
            return ["osascript", "-e", script, &message.subject, &text].map(str::to_owned).to_vec();
        }
        let urgency = match message.mood {
            Mood::Critical => "critical",
            Mood::Warning => "normal",
            Mood::Info | Mood::Over => "low",
        };
        // The body may have markup in most desktops: what is not ours must not become it.
        let text = compose(&message, &Html, TEXT);
        let urgency = format!("--urgency={urgency}");
        ["notify-send", "--app-name=opensoul", &urgency, "--", &message.subject, &text].map(str::to_owned).to_vec()
    }
}

#[async_trait]
impl Receiver for Desktop {
    fn name(&self) -> &str {
        &self.name
    }

    async fn deliver(&self, notification: &Notification, attempt: &Attempt) -> Outcome {
        let argv = self.argv(notification, attempt);
        match program::run(&argv, Vec::new(), &self.env, Duration::from_secs(10)).await {
            Ok(Ended { code: Some(0), .. }) => {
                Outcome::Delivered { detail: format!("{} took it", argv[0]), keep: None }
            }
            Ok(Ended { said, .. }) => {
                transient(FailureReason::ServerError, format!("{}: {said}", argv[0]), &attempt.progress)
            }
            Err((reason, detail)) => transient(reason, detail, &attempt.progress),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Item;
    use crate::notify::samples::{attempt, expiring, notification};

    fn desktop(mac: bool, path: &str) -> Desktop {
        let env: Environment = [("PATH".to_owned(), path.to_owned())].into_iter().collect();
        Desktop { name: "desk".into(), voice: Voice::default(), env: Arc::new(env), mac }
    }

    #[test]
    fn no_text_becomes_an_option_a_script_or_markup() {
        let item = Item { title: "--icon=x \" & (do shell script \"x\") <b>".into(), ..expiring() };
        let argv = desktop(false, "").argv(&notification(vec![item.clone()]), &attempt());
        assert_eq!(argv[..4], ["notify-send", "--app-name=opensoul", "--urgency=critical", "--"]);
        assert!(argv[5].contains("&lt;b&gt;"), "{argv:?}");
        let argv = desktop(true, "").argv(&notification(vec![item]), &attempt());
        assert!(!argv[2].contains("do shell script"), "{argv:?}");
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_or_fails() {
        let dir = tempfile::tempdir().unwrap();
        let desk = desktop(false, dir.path().to_str().unwrap());
        let message = notification(vec![expiring()]);
        let outcome = desk.deliver(&message, &attempt()).await;
        assert!(matches!(outcome, Outcome::Transient { reason: FailureReason::Config, .. }), "{outcome:?}");
        // Written by another process: what this one has open for writing, in whatever child of another test, cannot be run.
        let write = "printf '#!/bin/sh\\nexit %s\\n' \"$1\" >\"$2\" && chmod 755 \"$2\"";
        for (code, good) in [("0", true), ("1", false)] {
            let mut shell = std::process::Command::new("/bin/sh");
            let program = dir.path().join("notify-send");
            assert!(shell.args(["-c", write, "sh", code]).arg(program).status().unwrap().success());
            let outcome = desk.deliver(&message, &attempt()).await;
            assert_eq!(matches!(outcome, Outcome::Delivered { .. }), good, "{outcome:?}");
        }
    }
}
