//! How one receiver is spoken to: its language and zone, its runbook, and its own templates in place of our words. A template
//! that fails costs nobody an alert: the message goes out in our words and says so.

use std::cell::LazyCell;
use std::path::Path;

use minijinja::value::{Serde, Value};

use super::Signer;
use super::render::{Manner, Rendered, render_in, shortened};
use super::template::{Form, Trouble, fill_own};
use crate::config::{self, Problem, ReceiverKind, Templates};
use crate::domain::{
    IncidentId, Item, ItemStatus, Notification, NotificationId, NotificationKind, Place, Severity, Span, Time, Zone,
};
use crate::output::wording::spoken;

/// How one receiver is spoken to.
#[derive(Clone, Debug, Default)]
pub struct Voice {
    manner: Manner,
    templates: Templates,
}

impl Voice {
    /// Reads nothing: templates are read with each message.
    #[must_use]
    pub fn new(receiver: &config::Receiver, zone: Zone, runbook: Option<&str>) -> Self {
        let manner = Manner { lang: receiver.lang, zone, runbook: runbook.map(str::to_owned), signer: None };
        Self { manner, templates: receiver.templates.clone() }
    }

    /// With links that act.
    #[must_use]
    pub fn signing(mut self, signer: Option<Signer>) -> Self {
        self.manner.signer = signer;
        self
    }

    /// The message in this receiver's words.
    #[must_use]
    pub fn render(&self, notification: &Notification, now: Time) -> Rendered {
        let mut message = render_in(notification, &self.manner, now);
        if let Err((path, trouble)) = self.rewrite(&mut message) {
            self.apologise(&mut message, path, &trouble);
        }
        message
    }

    /// The body that a template of the receiver makes for programs.
    ///
    /// # Errors
    /// What is wrong with the template, for people.
    pub fn body(&self, template: &Path, notification: &Notification, now: Time) -> Result<String, String> {
        let message = render_in(notification, &self.manner, now);
        fill_own(template, Form::Json, &view(&message, notification)).map_err(|trouble| said(template, &trouble))
    }

    /// All or nothing: half of one and half of the other would puzzle people.
    fn rewrite(&self, message: &mut Rendered) -> Result<(), (&Path, Trouble)> {
        let mut made = [None, None, None];
        let view = LazyCell::new(|| Value::from(Serde(message.clone())));
        for (made, (path, form)) in made.iter_mut().zip(parts(&self.templates)) {
            if let Some(path) = path {
                *made = Some(fill_own(path, form, &view).map_err(|trouble| (path, trouble))?);
            }
        }
        drop(view);
        let [subject, text, html] = made;
        if let Some(subject) = subject {
            message.subject = shortened(&subject);
        }
        if let Some(text) = text {
            message.text.clone_from(&text);
            message.own = Some(text);
        }
        if let Some(html) = html {
            message.html = html;
        }
        Ok(())
    }

    fn apologise(&self, message: &mut Rendered, path: &Path, trouble: &Trouble) {
        let notice =
            format!("The template of this receiver failed, so this is the usual message: {}", said(path, trouble));
        tracing::warn!(template = %path.display(), problem = trouble.what, "a template failed; the usual message goes out");
        message.notice = Some(spoken(self.manner.lang, notice));
        message.fill();
    }
}

/// Subject, text and page.
fn parts(templates: &Templates) -> [(Option<&Path>, Form); 3] {
    let Templates { subject, text, html } = templates;
    [(subject.as_deref(), Form::Text), (text.as_deref(), Form::Text), (html.as_deref(), Form::Html)]
}

fn said(path: &Path, trouble: &Trouble) -> String {
    let line = trouble.place.map(|(line, _)| format!(":{line}")).unwrap_or_default();
    format!("{}{line}: {}", path.display(), trouble.what)
}

/// What a template for programs sees: the words, and what they were made of.
fn view(message: &Rendered, notification: &Notification) -> Value {
    let words = Value::from(Serde(message.clone()));
    let raw = Value::from(Serde(notification.clone()));
    minijinja::context! { text => &message.text, notification => raw, ..words }
}

/// Every template of a configuration, tried with messages of each kind: all problems at once.
#[must_use]
pub fn check(config: &config::Config, now: Time) -> Vec<Problem> {
    let mut problems: Vec<Problem> = Vec::new();
    for receiver in &config.receivers {
        let voice = Voice::new(receiver, config.status.zone, config.runbook.as_deref());
        let body = match &receiver.kind {
            ReceiverKind::Webhook(config::Webhook { body: config::Body::Template(path), .. }) => Some(path.as_path()),
            _ => None,
        };
        let templates = parts(&receiver.templates).into_iter().chain([(body, Form::Json)]);
        for (path, form) in templates.filter_map(|(path, form)| Some((path?, form))) {
            let tried = specimens(receiver, now).into_iter().find_map(|specimen| {
                let message = render_in(&specimen, &voice.manner, now);
                let view = if form == Form::Json { view(&message, &specimen) } else { Value::from(Serde(message)) };
                fill_own(path, form, &view).err()
            });
            if let Some(Trouble { place, what, fix }) = tried {
                let file = Place::file(path);
                let place = place.map_or(file.clone(), |(line, column)| file.at(line, column));
                let problem = Problem::new(place, format!("the template of receiver `{}`: {what}", receiver.name), fix);
                if !problems.contains(&problem) {
                    problems.push(problem);
                }
            }
        }
    }
    problems
}

/// Messages with everything and with next to nothing in them.
fn specimens(receiver: &config::Receiver, now: Time) -> [Notification; 3] {
    let full = Item {
        incident: IncidentId::of("CredentialExpiring", "opensoul:main/anthropic:work", "example"),
        name: "CredentialExpiring".to_owned(),
        subject: "opensoul:main/anthropic:work".to_owned(),
        provider: Some("anthropic".to_owned()),
        status: ItemStatus::Firing,
        severity: Severity::Critical,
        tier: None,
        since: now - Span::hours(3),
        ended: None,
        expires: Some(now + Span::hours(52)),
        title: "opensoul:main/anthropic:work must be renewed".to_owned(),
        summary: "\"an example\" <of> \\ {{ everything }}".to_owned(),
        because: vec!["no expiry is known".to_owned()],
        fix: Some("claude auth login".to_owned()),
    };
    let bare = Item {
        status: ItemStatus::Firing,
        provider: None,
        expires: None,
        title: "the gateway does not answer".to_owned(),
        summary: "the gateway does not answer".to_owned(),
        because: Vec::new(),
        fix: None,
        ..full.clone()
    };
    let past = Item { status: ItemStatus::WasDown, ended: Some(now), ..full.clone() };
    let message = |items: Vec<Item>, waited: Span| Notification {
        id: NotificationId("example".to_owned()),
        receiver: receiver.name.clone(),
        group_key: "example".to_owned(),
        kind: NotificationKind::Alert,
        severity: Severity::Critical,
        host: "example".to_owned(),
        created_at: now - waited,
        items,
    };
    [
        message(vec![full.clone()], Span::zero()),
        message(vec![bare], Span::zero()),
        message(vec![full, past], Span::hours(2)),
    ]
}

#[cfg(test)]
#[path = "voice_tests.rs"]
mod tests;
