//! A value in a tool's settings that only says where the secret is: a variable, a file, a command.
//!
//! Variables are looked up where our environment is the tool's (interactive commands), files are read, commands never run: they
//! may ask a person, spend money or do anything else.

use std::path::PathBuf;

use super::login::LoginFile;
use super::{Found, Scene};
use crate::domain::{Condition, Kind, Secret};
use crate::files;

/// As large as any secret could be.
const LIMIT: u64 = 64 << 10;

/// What stands in place of a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reference {
    /// The value of a variable.
    Env(String),
    /// The text of a file.
    File(String),
    /// What a command prints.
    Command,
    /// A text with references inside.
    Mixed,
}

/// `{env:NAME}`, `{file:path}` (opencode and its forks).
pub(super) fn in_braces(text: &str) -> Option<Reference> {
    let text = text.trim();
    let inner = |kind: &str| {
        let inner = text.strip_prefix('{')?.strip_prefix(kind)?.strip_prefix(':')?.strip_suffix('}')?;
        (!inner.contains(['{', '}'])).then(|| inner.trim().to_owned())
    };
    if let Some(name) = inner("env") {
        return Some(Reference::Env(name));
    }
    if let Some(path) = inner("file") {
        return Some(Reference::File(path));
    }
    (text.contains("{env:") || text.contains("{file:")).then_some(Reference::Mixed)
}

/// `$NAME`, `${NAME}`, `!command`, `$(command)` (pi and others that borrow from shells).
pub(super) fn in_shell(text: &str) -> Option<Reference> {
    let text = text.trim();
    if text.starts_with('!') || text.contains("$(") || text.starts_with('`') {
        return Some(Reference::Command);
    }
    let (_, rest) = text.split_once('$')?;
    let name = rest.strip_prefix('{').map_or(Some(rest), |rest| rest.strip_suffix('}'));
    match name.filter(|name| text.starts_with('$') && is_name(name)) {
        Some(name) => Some(Reference::Env(name.to_owned())),
        // A dollar before something else is a part of the secret.
        None => rest.starts_with(|c: char| c == '{' || c == '_' || c.is_ascii_alphabetic()).then_some(Reference::Mixed),
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic())
        && text.chars().all(|c| c == '_' || c.is_ascii_alphanumeric())
}

/// The credential behind a reference in `file`. `None`: the key is that of an environment which is not ours, and is shown
/// where that environment is read.
pub(super) fn follow(
    reference: &Reference,
    file: &LoginFile,
    (profile, provider, kind): (&str, &str, Kind),
    scene: &Scene<'_>,
) -> Option<Found> {
    // The secret is not in this file: no permission on it would help, or protect anything.
    let without = |condition, at: Option<PathBuf>| {
        let mut found = file.found(profile, provider, kind, condition);
        found.credential.origin.path = at.map(Into::into);
        found
    };
    let with = |secret: String, note: String, at: Option<PathBuf>| {
        let mut found = file.key(profile, provider, kind, Secret::new(secret), scene);
        found.credential.origin.path = at.map(Into::into);
        found.credential.notes.push(note);
        found
    };
    // It may well be there where the tool runs: shown, and nobody is alarmed.
    let elsewhere = |condition| {
        let mut found = without(condition, None);
        found.credential.declared_in_use = Some(false);
        found
    };
    let unreadable = |why: &str, fix: String| {
        let mut found = elsewhere(Condition::Unreadable(why.to_owned()));
        found.credential.fix = fix;
        found
    };
    let entry = || format!("{} has for {profile}", file.path().display());
    let named = || format!("as {} says", file.path().display());
    let (mut found, fix) = match reference {
        Reference::Command => {
            let fix =
                format!("Run the command that {} in your own shell; if it prints no key, correct it there.", entry());
            return Some(unreadable("it comes from a command, which is never run here", fix));
        }
        Reference::Mixed => {
            let fix = format!("See what {}: each variable in it must be set where its tool starts.", entry());
            return Some(unreadable("it is put together from several references", fix));
        }
        Reference::Env(_) if !scene.env_is_source => return None,
        Reference::Env(name) => match scene.env.get(name) {
            Some(value) => {
                let note = format!("its value is that of {name} in the environment");
                let fix = format!("Make a new key at {provider}, then set {name} where this environment comes from.");
                (with(value.to_owned(), note, None).secondhand(), fix)
            }
            None => {
                let found = elsewhere(Condition::Unresolved(format!("{name} is not set here")));
                (found, format!("Set {name} in the environment, {}.", named()))
            }
        },
        Reference::File(path) => {
            let path = scene.env.expand(path);
            let path = file.path().parent().map_or_else(|| path.clone(), |dir| dir.join(&path));
            let shown = path.display().to_string();
            let unresolved = |why: &str| without(Condition::Unresolved(format!("{shown} {why}")), None);
            let found = match files::read(&path, LIMIT) {
                Ok(Some(contents)) if contents.text.trim().is_empty() => unresolved("is empty"),
                Ok(Some(contents)) => {
                    with(contents.text.trim().to_owned(), format!("its value is in {shown}"), Some(path.clone()))
                }
                Ok(None) => unresolved("is not there"),
                Err(trouble) => without(Condition::Unreadable(format!("{shown} {}", trouble.why)), Some(path.clone())),
            };
            (found, format!("Write a new key to {shown}, {}.", named()))
        }
    };
    found.credential.fix = fix;
    Some(found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_form() {
        let env = |name: &str| Some(Reference::Env(name.to_owned()));
        for (text, expected) in [
            ("{env:OPENAI_API_KEY}", env("OPENAI_API_KEY")),
            (" {env: X } ", env("X")),
            ("{file:~/.keys/openai}", Some(Reference::File("~/.keys/openai".to_owned()))),
            ("Bearer {env:X}", Some(Reference::Mixed)),
            ("{env:X}{env:Y}", Some(Reference::Mixed)),
            ("sk-x", None),
            ("", None),
            ("{env:", Some(Reference::Mixed)),
        ] {
            assert_eq!(in_braces(text), expected, "{text}");
        }
        for (text, expected) in [
            ("$OPENAI_API_KEY", env("OPENAI_API_KEY")),
            ("${X_1}", env("X_1")),
            ("!op read op://a/b", Some(Reference::Command)),
            ("$(pass x)", Some(Reference::Command)),
            ("`pass x`", Some(Reference::Command)),
            ("${X:-y}", Some(Reference::Mixed)),
            ("Bearer $X", Some(Reference::Mixed)),
            ("${X", Some(Reference::Mixed)),
            ("12$$34", None),
            ("sk-x$1", None),
            ("sk-x", None),
            ("$", None),
        ] {
            assert_eq!(in_shell(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "[{}$a-z:(!`~/é ]{0,20}") {
            let _ = (in_braces(&text), in_shell(&text));
        }
    }
}
