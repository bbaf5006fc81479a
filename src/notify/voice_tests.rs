use std::fs;

use super::*;
use crate::config::parse;
use crate::domain::Environment;
use crate::notify::samples::{expiring, notification, now};

/// A receiver of this type whose templates are in a folder of their own.
struct Own {
    folder: tempfile::TempDir,
    config: config::Config,
}

impl Own {
    fn new(fields: &str, files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            fs::write(folder.path().join(name), text).expect("a template");
        }
        let path = folder.path().join("monitor.toml");
        let text = format!("[[receivers]]\nname = \"it\"\n{fields}\n");
        let config = parse(&text, Some(&path), &Environment::default(), Zone::UTC);
        Self { config: config.unwrap_or_else(|problems| panic!("{problems:?}")), folder }
    }

    fn render(&self) -> Rendered {
        Voice::new(&self.config.receivers[0], Zone::UTC, None).render(&notification(vec![expiring()]), now())
    }

    fn problems(&self) -> Vec<String> {
        let home = self.folder.path().to_string_lossy().into_owned();
        check(&self.config, now()).iter().map(|problem| problem.to_string().replace(&home, "~")).collect()
    }
}

const MAIL: &str =
    "type = \"email\"\nserver = \"smtps://m.example.org\"\nfrom = \"a@example.org\"\nto = [\"b@example.org\"]";
const NTFY: &str = "type = \"ntfy\"\ntopic = \"it\"";
const HOOK: &str = "type = \"webhook\"\nurl = \"https://h.example.org\"\nbody = { template = \"hook.json\" }";

#[test]
fn own_words_take_the_place_of_ours() {
    let fields = format!("{MAIL}\ntemplate = {{ subject = \"s\", text = \"t\", html = \"h\" }}");
    let files = [
        ("s", "{{ items[0].title }}\non {{ host }}"),
        ("t", "{% for item in items %}{{ item.mark }} {{ item.subject }}: {{ item.fix }}{% endfor %}"),
        ("h", "<p lang={{ lang }}>{{ items[0].summary }}</p>"),
    ];
    let own = Own::new(&fields, &files);
    let message = own.render();
    assert_eq!(message.subject, "anthropic:work is about to end on build-7");
    assert!(
        message.text.starts_with("CRITICAL opensoul:main/anthropic:work: opensoul models auth"),
        "{}",
        message.text
    );
    assert_eq!(message.own.as_ref(), Some(&message.text));
    assert_eq!(message.html, "<p lang=en>The token ends in 2 days, and nothing renews it.</p>");
    assert_eq!((message.notice.as_deref(), own.problems()), (None, vec![]));
    fs::write(own.folder.path().join("s"), "edited").expect("a template");
    assert_eq!(own.render().subject, "edited", "an edit counts at once");
}

#[test]
fn a_template_that_fails_costs_no_alert() {
    let fields = format!("{NTFY}\nlang = \"zh-CN\"\ntemplate = {{ subject = \"s\", text = \"t\" }}");
    let own = Own::new(&fields, &[("s", "fine"), ("t", "one\n{{ item.titel }}")]);
    let message = own.render();
    assert!(message.subject.starts_with("[opensoul] build-7："), "all or nothing: {}", message.subject);
    assert_eq!(message.own, None);
    let notice = message.notice.clone().expect("a notice");
    assert!(notice.starts_with("此接收方的模板出错") && notice.contains("/t:2: undefined value"), "{notice}");
    assert!(message.text.contains(&notice) && message.text.contains("严重"), "{}", message.text);
    assert!(message.html.contains("此接收方的模板出错"));
    let problems = own.problems();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].starts_with("~/t:2:4: the template of receiver `it`: undefined value"), "{problems:?}");
    fs::remove_file(own.folder.path().join("t")).expect("it is there");
    assert!(own.render().notice.is_some_and(|notice| notice.contains("is not there")));
}

#[test]
fn what_is_good_for_one_message_only_is_found_before() {
    // The first specimen has a command, the second none.
    let fields = format!("{NTFY}\ntemplate = {{ text = \"t\" }}");
    let own = Own::new(&fields, &[("t", "{{ items[0].fix | upper }}")]);
    let _ = own.problems();
    let own = Own::new(&fields, &[("t", "{{ items[1].title }}")]);
    assert_eq!(own.problems().len(), 1);
}

#[test]
fn a_body_of_ones_own_is_json_whatever_is_in_it() {
    let own = Own::new(
        HOOK,
        &[(
            "hook.json",
            "{\"text\": {{ text }}, \"first\": {{ notification.items[0] }}, \"ends\": {{ notification.items[0].expires }}}",
        )],
    );
    assert_eq!(own.problems(), Vec::<String>::new());
    let voice = Voice::new(&own.config.receivers[0], Zone::UTC, None);
    let evil = Item { title: "\"}, \\ {{ x }} \u{1}".into(), ..expiring() };
    let body = voice.body(&own.folder.path().join("hook.json"), &notification(vec![evil]), now()).expect("JSON");
    let value: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(value["first"]["name"], "CredentialExpiring");
    let own = Own::new(HOOK, &[("hook.json", "{\"text\": \"{{ subject }}\"}")]);
    assert!(
        own.problems()[0].starts_with("~/hook.json: the template of receiver `it`: does not make JSON"),
        "{:?}",
        own.problems()
    );
}
