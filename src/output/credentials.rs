//! `credentials list`: every credential with its id and state, each copy under the one that stands for it; and which id somebody
//! may have meant.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use chrono::SecondsFormat;
use serde::Serialize;

use super::collate;
use super::status::lines::{clean, columns, padded};
use super::wording::{marks, spoken};
use crate::domain::{Assessed, CredentialId, Lang, Snapshot};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    schema: &'static str,
    taken_at: String,
    host: &'a str,
    credentials: Vec<Entry<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    id: &'a str,
    provider: &'a str,
    kind: &'static str,
    agent: Option<&'a str>,
    source: &'a str,
    state: &'static str,
    severity: &'static str,
    in_use: bool,
    canonical: bool,
    copy_of: Option<&'a str>,
    copies: Vec<&'a str>,
    expires_at: Option<String>,
}

/// The list as one JSON document, in the order of the text.
///
/// # Errors
/// Never for these types; the signature is that of the serialiser.
pub fn json(snapshot: &Snapshot) -> serde_json::Result<String> {
    let document = Document {
        schema: "opensoul.credentials/v1",
        taken_at: snapshot.taken_at.to_rfc3339_opts(SecondsFormat::Secs, true),
        host: &snapshot.host,
        credentials: ordered(snapshot).into_iter().map(entry).collect(),
    };
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

fn entry(assessed: &Assessed) -> Entry<'_> {
    let (credential, judgement) = (&assessed.credential, &assessed.judgement);
    Entry {
        id: credential.id.as_str(),
        provider: &credential.provider,
        kind: credential.kind.word(),
        agent: credential.agent.as_deref(),
        source: &credential.origin.source,
        state: judgement.state.word(),
        severity: judgement.severity.word(),
        in_use: judgement.in_use,
        canonical: assessed.copy_of.is_none(),
        copy_of: assessed.copy_of.as_ref().map(CredentialId::as_str),
        copies: assessed.copies.iter().map(CredentialId::as_str).collect(),
        expires_at: judgement.expires.map(|at| at.to_rfc3339_opts(SecondsFormat::Secs, true)),
    }
}

/// The list for people; below 60 columns each credential takes two lines.
#[must_use]
pub fn text(snapshot: &Snapshot, width: usize, lang: Lang) -> String {
    let said = |text: &str| spoken(lang, text.to_owned());
    let ordered = ordered(snapshot);
    if ordered.is_empty() {
        return said("No credentials found. `opensoul status` says where it looked.") + "\n";
    }
    let name = |one: &Assessed| {
        let indent = if one.copy_of.is_some() { "  " } else { "" };
        format!("{indent}{}", clean(one.credential.id.as_str()))
    };
    let about = |one: &Assessed| {
        let mut about = vec![clean(&one.credential.provider)];
        if one.copy_of.is_some() {
            about.push(said("copy").into());
        } else if !one.judgement.in_use {
            about.push(said("unused").into());
        }
        about.join(marks(lang).0)
    };
    // One column of names for all lines; what is longer stands on a line of its own.
    const STATE: usize = 15;
    let last = ordered.iter().map(|one| columns(&about(one))).max().unwrap_or(0);
    let room = width.saturating_sub(2 + STATE + 2 + last);
    let aligned = width >= 60 && room >= 20;
    let longest = ordered.iter().map(|one| columns(&name(one))).filter(|size| *size <= room).max().unwrap_or(20);
    let mut out = String::new();
    for one in ordered {
        let (name, state, about) = (name(one), said(one.judgement.state.word()), about(one));
        if !aligned {
            out.push_str(&format!("{name}\n    {state}{}{about}\n", marks(lang).0));
            continue;
        }
        let size = columns(&name);
        let (gap, pad) = if size > longest { ("\n", longest) } else { ("", longest - size) };
        out.push_str(&format!("{name}{gap}{}  {}  {about}\n", " ".repeat(pad), padded(&state, STATE)));
    }
    out
}

/// By id; each copy follows the one that stands for it.
fn ordered(snapshot: &Snapshot) -> Vec<&Assessed> {
    let by_name = |a: &&Assessed, b: &&Assessed| -> Ordering {
        collate::compare(a.credential.id.as_str(), b.credential.id.as_str())
            .then_with(|| a.credential.id.cmp(&b.credential.id))
    };
    let mut copies: BTreeMap<&CredentialId, Vec<&Assessed>> = BTreeMap::new();
    for one in &snapshot.credentials {
        if let Some(original) = &one.copy_of {
            copies.entry(original).or_default().push(one);
        }
    }
    let mut originals: Vec<&Assessed> = snapshot.credentials.iter().filter(|one| one.copy_of.is_none()).collect();
    originals.sort_by(by_name);
    let mut all = Vec::with_capacity(snapshot.credentials.len());
    for one in originals {
        all.push(one);
        let mut its = copies.remove(&one.credential.id).unwrap_or_default();
        its.sort_by(by_name);
        all.extend(its);
    }
    all
}

/// Ids that somebody may have meant who wrote `text`, the likeliest first: those that contain it, else those that look like it.
#[must_use]
pub fn suggestions<'a>(text: &str, ids: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    const MOST: usize = 5;
    let wanted = text.trim().to_lowercase();
    let ids: Vec<&str> = ids.into_iter().collect();
    let mut near: Vec<&str> =
        ids.iter().copied().filter(|id| !wanted.is_empty() && id.to_lowercase().contains(&wanted)).collect();
    // Where it begins with it, it was probably not finished.
    near.sort_by_key(|id| (!id.to_lowercase().starts_with(&wanted), id.len(), *id));
    if near.is_empty() {
        let mut alike: Vec<(f64, &str)> = ids
            .into_iter()
            .map(|id| (strsim::jaro_winkler(&wanted, &id.to_lowercase()), id))
            .filter(|(likeness, _)| *likeness > 0.75)
            .collect();
        alike.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
        near = alike.into_iter().map(|(_, id)| id).collect();
    }
    near.truncate(MOST);
    near
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::assess::{
        assess,
        tests::{login, observe, stored},
    };
    use crate::engine::policy::Thresholds;

    fn snapshot() -> Snapshot {
        let mut copy = stored("opensoul:main/anthropic:work");
        let mut tool = login("claude-code:default");
        tool.fingerprint = copy.fingerprint;
        let mut other = stored("env:GROQ_API_KEY");
        other.provider = "groq".to_owned();
        copy.agent = Some("main".into());
        assess(observe(vec![copy, other, tool]), &Thresholds::default(), "2027-01-10T12:00:00Z".parse().unwrap())
    }

    #[test]
    fn copies_stand_under_what_they_are_copies_of() {
        let expected = "claude-code:default             ok               anthropic
  opensoul:main/anthropic:work  static           anthropic, copy
env:GROQ_API_KEY                static           groq, unused
";
        assert_eq!(text(&snapshot(), 80, Lang::English), expected);
        let narrow = text(&snapshot(), 40, Lang::English);
        assert!(narrow.lines().all(|line| line.len() <= 40), "{narrow}");
        assert!(narrow.starts_with(
            "claude-code:default\n    ok, anthropic\n  opensoul:main/anthropic:work\n    static, anthropic, copy"
        ));
        let document: serde_json::Value = serde_json::from_str(&json(&snapshot()).unwrap()).unwrap();
        assert_eq!(document["schema"], "opensoul.credentials/v1");
        assert_eq!(document["credentials"][0]["copies"][0], "opensoul:main/anthropic:work");
        assert_eq!(document["credentials"][1]["copyOf"], "claude-code:default");
        assert_eq!(document["credentials"][1]["canonical"], false);
        let mut long = snapshot();
        long.credentials[0].credential.id = format!("dotenv:/home/u/{}#GROQ_API_KEY", "x".repeat(60)).as_str().into();
        let wide = text(&long, 80, Lang::English);
        let column = |line: &&str| line.find(" anthropic").or_else(|| line.find(" groq"));
        let columns: std::collections::BTreeSet<_> = wide.lines().filter_map(|line| column(&line)).collect();
        assert_eq!((columns.len(), wide.lines().count()), (1, 3), "{wide}");
        let none = assess(observe(Vec::new()), &Thresholds::default(), snapshot().taken_at);
        assert!(text(&none, 80, Lang::English).starts_with("No credentials found"));
    }

    #[test]
    fn what_may_have_been_meant() {
        let ids = ["claude-code:default", "codex:default", "opensoul:main/anthropic:work", "env:OPENAI_API_KEY"];
        for (text, expected) in [
            ("claude", &["claude-code:default"][..]),
            ("default", &["codex:default", "claude-code:default"]),
            ("anthropic:work", &["opensoul:main/anthropic:work"]),
            ("openai_api_key", &["env:OPENAI_API_KEY"]),
            ("cluade-code:default", &["claude-code:default", "codex:default"]),
            ("zzz", &[]),
            ("", &[]),
        ] {
            assert_eq!(suggestions(text, ids), expected, "{text}");
        }
    }
}
