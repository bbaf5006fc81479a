//! Receivers of the monitor for `onboard`, of flags or of a person's answers: any type that `monitor.toml` knows, by the same
//! fields. Secrets go into private files beside `monitor.toml`, which refers to them. Writes nothing.

use std::path::{Path, PathBuf};

use super::super::exit::{Failure, FailureKind};
use super::super::prompt::Terminal;
use crate::config::channels::{CHANNELS, Field, Sort, channel};
use crate::config::edit::{self, NewReceiver, NewValue};
use crate::config::{self, is_termux};
use crate::domain::{Environment, Secret, Zone};
use crate::output::models_status::short;

/// A receiver to set up.
pub struct Receiver {
    /// What goes into `monitor.toml`.
    pub entry: NewReceiver,
    /// What goes into private files first.
    pub secrets: Vec<(PathBuf, Secret)>,
}

const fn field(name: &'static str, sort: Sort, required: bool, example: &'static str, about: &'static str) -> Field {
    Field { name, sort, required, example, about }
}

/// What is asked about mail; its login is nothing that every server wants.
const EMAIL: &[Field] = &[
    field("server", Sort::Text, true, "\"smtps://mail.example.org\"", "smtps://host, or smtp+starttls://host"),
    field("from", Sort::Text, true, "\"opensoul <monitor@example.org>\"", "who it comes from: an address"),
    field("to", Sort::Texts, true, "[\"ops@example.org\"]", "who gets it: addresses, with commas between them"),
    field("username", Sort::Text, false, "\"monitor\"", "user of the mail server (Enter: it wants none)"),
    field("password", Sort::Secret, false, "{ file = \"x\" }", "that user's password"),
];
const WEBHOOK: &[Field] = &[
    field("url", Sort::Url, true, "{ file = \"x\" }", "the URL"),
    field("secret", Sort::Secret, false, "{ file = \"x\" }", "signs each call"),
];

/// The fields of a type; `None`: there is no such type.
fn fields(kind: &str) -> Option<&'static [Field]> {
    match kind {
        "email" => Some(EMAIL),
        "webhook" => Some(WEBHOOK),
        _ => channel(kind).map(|channel| channel.fields),
    }
}

/// `TYPE`, `TYPE:VALUE` (of the one field that it must have) or `TYPE:KEY=VALUE,KEY=VALUE`. The value of a secret is the file that it
/// is in.
///
/// # Errors
/// No such type or field, or a value that it cannot have (64).
pub fn of_flag(text: &str, env: &Environment) -> Result<Receiver, Failure> {
    let wrong = |what: String| {
        let forms = "write TYPE:KEY=VALUE,… with the keys of docs/channels.md and the path of a private file for a secret, such \
                     as ntfy:TOPIC, webhook:FILE, desktop, \
                     email:server=smtps://HOST,username=NAME,password=FILE,from=ADDRESS,to=ADDRESS";
        Failure::new(FailureKind::Usage, format!("--receiver: {what}; {forms}"))
    };
    let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
    let known = fields(kind).ok_or_else(|| wrong(format!("{kind:?} is no type of receiver")))?;
    let mut given: Vec<(&'static Field, String)> = Vec::new();
    let named = |key: &str| known.iter().find(|field| field.name == key);
    let starts = |part: &str| part.split_once('=').and_then(|(key, value)| Some((named(key)?, value.to_owned())));
    for part in rest.split(',').filter(|_| !rest.is_empty()) {
        let mut required = known.iter().filter(|field| field.required);
        match (starts(part), given.last_mut()) {
            (Some(found), _) => given.push(found),
            // A comma may be part of a value.
            (None, Some((_, value))) => *value = format!("{value},{part}"),
            (None, None) => match (required.next(), required.next()) {
                (Some(only), None) => given.push((only, part.to_owned())),
                _ => return Err(wrong(format!("{kind} has no such key: {}", part.split('=').next().unwrap_or(part)))),
            },
        }
    }
    let mut values: Vec<(&'static str, NewValue)> = Vec::new();
    for (field, text) in given {
        let value = match field.sort {
            Sort::Secret => NewValue::File(text),
            Sort::Url if !text.starts_with("http") => NewValue::File(text),
            Sort::Url if field.example.starts_with('{') => {
                return Err(wrong(format!("{} is a secret: name a private file that has it", field.name)));
            }
            _ => value(field, &text),
        };
        match (values.iter_mut().find(|(key, _)| *key == field.name), value) {
            (Some((_, NewValue::Texts(known))), NewValue::Texts(more)) => known.extend(more),
            (Some(_), _) => return Err(wrong(format!("{} is given twice", field.name))),
            (None, value) => values.push((field.name, value)),
        }
    }
    let entry = NewReceiver { name: kind.to_owned(), kind: kind.to_owned(), values };
    problem(&entry, env).map_or(Ok(Receiver { entry, secrets: Vec::new() }), |what| Err(wrong(what)))
}

/// Asks who is told; `None`: nobody yet. `folder`: where `monitor.toml` is.
///
/// # Errors
/// A cancelled question.
pub fn ask(terminal: &Terminal, folder: &Path, env: &Environment) -> Result<Option<Receiver>, Failure> {
    let own = if is_termux(env) { "termux: a notification of this phone" } else { "desktop: a notification here" };
    let ways = [
        "ntfy: a push message to your phone",
        "email: through a mail server of yours",
        "telegram: a bot of yours",
        "webhook: a URL of yours",
        own,
        "another way (Slack, PagerDuty, Feishu, …: docs/channels.md)",
        "nobody yet",
    ];
    let kind = match terminal.choose("Who is told before a credential stops?", &ways)? {
        6 => return Ok(None),
        5 => {
            let names: Vec<&str> = CHANNELS.iter().map(|channel| channel.name).collect();
            let unknown = |kind: &str| fields(kind).is_none().then(|| format!("one of: {}", names.join(", ")));
            terminal.line("Which way", "", unknown)?
        }
        way => ways[way].split(':').next().unwrap_or_default().to_owned(),
    };
    loop {
        let asked = of_answers(terminal, &kind, folder, env)?;
        match problem(&asked.entry, env) {
            None => return Ok(Some(asked)),
            Some(what) => note!("{what}; once more, please"),
        }
    }
}

fn of_answers(terminal: &Terminal, kind: &str, folder: &Path, env: &Environment) -> Result<Receiver, Failure> {
    let mut entry = NewReceiver { name: kind.to_owned(), kind: kind.to_owned(), values: Vec::new() };
    let mut secrets = Vec::new();
    let known = fields(kind).unwrap_or_default();
    // Where nothing must be there, one of several must.
    let either = !known.iter().any(|field| field.required);
    let login = |entry: &NewReceiver| entry.values.iter().any(|(key, _)| *key == "username");
    for field in known {
        let wanted = match (kind, field.name) {
            ("email", "password") => login(&entry),
            ("email", _) => true,
            _ => field.required || either && matches!(field.sort, Sort::Secret | Sort::Url | Sort::Text),
        };
        if !wanted {
            continue;
        }
        let question = format!("{} ({})", field.name, field.about);
        // Where a URL must be there, its path is a secret.
        if matches!(field.sort, Sort::Secret | Sort::Url) {
            let wrong = |text: &str| match field.sort {
                Sort::Url => config::values::http_url(text, false).err().map(|(what, fix)| format!("It {what}: {fix}")),
                _ => None,
            };
            let secret = match either {
                true => terminal.secret_or_none(&format!("{question}; Enter: none"), wrong)?,
                false => Some(terminal.secret(&question, wrong)?),
            };
            let Some(secret) = secret else { continue };
            let path = folder.join("secrets").join(format!("{kind}-{}", field.name));
            entry.values.push((field.name, NewValue::File(short(&path, &env.home()))));
            secrets.push((path, secret));
            continue;
        }
        let default = match (kind, field.name) {
            ("ntfy", "topic") => suggested_topic(),
            ("email", "to") => {
                entry.values.iter().find(|(key, _)| *key == "from").map_or_else(String::new, |(_, from)| {
                    if let NewValue::Text(from) = from { from.clone() } else { String::new() }
                })
            }
            _ => String::new(),
        };
        let text = terminal.line(&question, &default, |text| match text {
            "" => field.required.then(|| "Required".to_owned()),
            _ if either => None,
            _ => problem(&alone(kind, field, value(field, text)), env),
        })?;
        if !text.is_empty() {
            entry.values.push((field.name, value(field, &text)));
        }
    }
    Ok(Receiver { entry, secrets })
}

/// A receiver that is good but for, perhaps, this value.
fn alone(kind: &str, field: &Field, value: NewValue) -> NewReceiver {
    // A user goes with a password.
    let others = fields(kind).unwrap_or_default().iter().filter(|other| other.required || field.name == "username");
    let mut values: Vec<_> =
        others.filter(|other| other.name != field.name).map(|other| (other.name, sample(other))).collect();
    values.push((field.name, value));
    NewReceiver { name: kind.to_owned(), kind: kind.to_owned(), values }
}

/// The example of the documentation.
fn sample(field: &Field) -> NewValue {
    let unquoted = |text: &str| text.trim_matches('"').to_owned();
    match field.sort {
        Sort::Secret => NewValue::File("x".to_owned()),
        Sort::Url if field.example.starts_with('{') => NewValue::File("x".to_owned()),
        Sort::Texts => NewValue::Texts(field.example.trim_matches(['[', ']']).split(", ").map(unquoted).collect()),
        _ => value(field, &unquoted(field.example)),
    }
}

/// A value as it is typed.
fn value(field: &Field, text: &str) -> NewValue {
    match (field.sort, text.trim()) {
        (Sort::Texts, text) => {
            let each = text.split(',').map(str::trim).filter(|text| !text.is_empty());
            NewValue::Texts(each.map(str::to_owned).collect())
        }
        (Sort::Number(..), text) => text.parse().map_or_else(|_| NewValue::Text(text.to_owned()), NewValue::Number),
        (Sort::Flag, text) => text.parse().map_or_else(|_| NewValue::Text(text.to_owned()), NewValue::Flag),
        (_, text) => NewValue::Text(text.to_owned()),
    }
}

/// What `monitor.toml` would have against it.
fn problem(entry: &NewReceiver, env: &Environment) -> Option<String> {
    let text = match edit::receiver("", entry) {
        Ok((text, _)) => text,
        Err(what) => return Some(what),
    };
    let problems = config::parse(&text, None, env, Zone::UTC).err()?;
    let said: Vec<String> = problems
        .iter()
        .map(|one| {
            let key = one.place.key.as_deref().and_then(|key| key.rsplit('.').next()).unwrap_or_default();
            format!("{key} {}: {}", one.what, one.fix)
        })
        .collect();
    Some(said.join("; "))
}

/// A topic that nobody guesses.
fn suggested_topic() -> String {
    format!("opensoul-{}", &uuid::Uuid::now_v7().simple().to_string()[12..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(text: &str) -> Result<String, Failure> {
        of_flag(text, &Environment::default()).map(|one| edit::receiver("", &one.entry).expect("TOML").0)
    }

    #[test]
    fn in_short() {
        assert!(made("ntfy:my-topic").expect("good").ends_with("type = \"ntfy\"\ntopic = \"my-topic\"\n"));
        assert!(made("webhook:~/url").expect("good").ends_with("url = { file = \"~/url\" }\n"));
        assert!(made("desktop").expect("good").ends_with("type = \"desktop\"\n"));
        let email = "email:server=smtps://mail.example.org,username=me,password=~/p,from=A <a@example.org>,to=b@example.org,c@example.org";
        let written = "server = \"smtps://mail.example.org\"\nusername = \"me\"\npassword = { file = \"~/p\" }\nfrom = \"A \
                       <a@example.org>\"\nto = [\"b@example.org\", \"c@example.org\"]\n";
        assert!(made(email).expect("good").ends_with(written), "{}", made(email).expect("good"));
        assert_eq!(made(&email.replace(",c@", ",to=c@")), made(email), "named again, or with a comma");
        let telegram = made("telegram:chat=-1001,token=~/bot,topic=7").expect("good");
        assert!(telegram.ends_with("chat = \"-1001\"\ntoken = { file = \"~/bot\" }\ntopic = 7\n"), "{telegram}");
        assert!(made("discord:~/hook").expect("good").contains("url = { file = \"~/hook\" }"));
    }

    #[test]
    fn what_makes_no_receiver_is_said() {
        for (text, said) in [
            ("ntfy", "topic"),
            ("webhook", "url"),
            ("carrier-pigeon:x", "no type of receiver"),
            ("", "no type of receiver"),
            ("email:x", "no such key"),
            ("email:server=mail.example.org,from=a@example.org,to=b@example.org", "mail server"),
            ("email:server=smtps://m.example.org,from=a@example.org,to=nobody", "mail address"),
            ("email:server=smtps://m.example.org,username=me,from=a@example.org,to=b@example.org", "password"),
            ("telegram:token=~/bot", "chat"),
            ("ntfy:topic=a,topic=b", "twice"),
            ("webhook:https://hooks.example.org/canary", "is a secret"),
        ] {
            let failure = made(text).expect_err(text);
            assert!(failure.code() == 64 && failure.message.contains(said), "{text}: {failure}");
        }
    }

    /// One by one, so that a person is asked again for what is wrong and for nothing else.
    #[test]
    fn each_field_of_each_type_is_judged_alone() {
        let env = Environment::default();
        for kind in CHANNELS.iter().map(|channel| channel.name).chain(["email", "webhook"]) {
            for field in fields(kind).expect("fields").iter().filter(|field| field.required) {
                let good = alone(kind, field, sample(field));
                assert_eq!(problem(&good, &env), None, "{kind}: {good:?}");
            }
        }
        let of = |name: &str| EMAIL.iter().find(|field| field.name == name).expect("field");
        let judged = |name: &str, text: &str| problem(&alone("email", of(name), value(of(name), text)), &env);
        for (name, text) in [
            ("server", "smtp+starttls://m.example.org"),
            ("from", "a@example.org"),
            ("to", "a@x.org, b@x.org"),
            ("username", "me"),
        ] {
            assert_eq!(judged(name, text), None, "{name}");
        }
        for (name, text) in [("server", "m.example.org"), ("from", "a"), ("to", "a@x.org, b")] {
            assert!(judged(name, text).is_some_and(|said| said.starts_with(name)), "{name}: {:?}", judged(name, text));
        }
        assert!(suggested_topic().len() > 24 && suggested_topic() != suggested_topic());
    }
}
