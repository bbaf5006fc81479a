//! Whether a silence fits an incident, and matchers as people write them (`provider=anthropic`, `credential=~codex:*`).

use crate::domain::{Comparison, Incident, Label, Matcher, Severity, Silence, Subject};
use crate::engine::glob::fits;

/// The labels of an alert.
#[derive(Clone, Copy, Debug)]
pub struct Labels<'a> {
    /// Its alert name.
    pub name: &'a str,
    /// What it is about.
    pub subject: &'a Subject,
    /// The provider, for credentials.
    pub provider: Option<&'a str>,
    /// How bad it is now.
    pub severity: Severity,
    /// This machine.
    pub host: &'a str,
}

impl<'a> Labels<'a> {
    /// Those of an incident.
    #[must_use]
    pub fn of(incident: &'a Incident, host: &'a str) -> Self {
        Self {
            name: &incident.name,
            subject: &incident.subject,
            provider: incident.provider.as_deref(),
            severity: incident.severity,
            host,
        }
    }

    fn value(&self, label: Label) -> &str {
        match (label, self.subject) {
            (Label::Alertname, _) => self.name,
            (Label::Provider, _) => self.provider.unwrap_or_default(),
            (Label::Credential, Subject::Credential(id)) => id.as_str(),
            (Label::Check, Subject::Check(id)) => id,
            (Label::Credential | Label::Check, _) => "",
            (Label::Severity, _) => self.severity.word(),
            (Label::Host, _) => self.host,
        }
    }
}

/// Whether all matchers of a silence fit. Whether it holds now is another question.
#[must_use]
pub fn matches(silence: &Silence, labels: &Labels<'_>) -> bool {
    !silence.matchers.is_empty() && all_fit(&silence.matchers, labels)
}

/// Whether all of these fit; so do none at all.
#[must_use]
pub fn all_fit(matchers: &[Matcher], labels: &Labels<'_>) -> bool {
    matchers.iter().all(|matcher| {
        let value = labels.value(matcher.label);
        match matcher.comparison {
            Comparison::Is => value == matcher.value,
            Comparison::IsNot => value != matcher.value,
            Comparison::Like => fits(&matcher.value, value),
            Comparison::Unlike => !fits(&matcher.value, value),
        }
    })
}

/// Reads a matcher.
///
/// # Errors
/// A sentence that says what is wrong and what would be right.
pub fn parse(text: &str) -> Result<Matcher, String> {
    let text = text.trim();
    let wrong = |what: &str| format!("\"{text}\" {what}; write for example provider=anthropic or credential=~codex:*");
    let at = text.find(['=', '!']).ok_or_else(|| wrong("is not a condition"))?;
    let (name, rest) = text.split_at(at);
    let signs = [Comparison::IsNot, Comparison::Like, Comparison::Unlike, Comparison::Is];
    let comparison = signs.into_iter().find(|one| rest.starts_with(one.sign()));
    let comparison = comparison.ok_or_else(|| wrong("has none of =, !=, =~, !~"))?;
    let value = rest[comparison.sign().len()..].trim().trim_matches('"').to_owned();
    let known = || Label::ALL.map(Label::word).join(", ");
    let label = Label::ALL.into_iter().find(|label| label.word() == name.trim());
    let label = label.ok_or_else(|| format!("\"{}\" is not a label; there are {}", name.trim(), known()))?;
    if value.chars().any(char::is_control) || value.chars().count() > 300 {
        return Err(wrong("has a value that nothing has"));
    }
    if matches!(comparison, Comparison::Is | Comparison::IsNot) && value.contains('*') {
        let sign = if comparison == Comparison::Is { "=~" } else { "!~" };
        return Err(format!(
            "{} compares letter for letter; for a pattern write {}{sign}{value}",
            comparison.sign(),
            label.word()
        ));
    }
    if label == Label::Severity
        && matches!(comparison, Comparison::Is | Comparison::IsNot)
        && !["info", "warning", "critical"].contains(&value.as_str())
    {
        return Err(format!("\"{value}\" is not a severity; there are info, warning, critical"));
    }
    Ok(Matcher { label, comparison, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn silence(matchers: &[&str]) -> Silence {
        let at = "2026-01-05T09:00:00Z".parse().unwrap();
        Silence {
            id: "s".into(),
            matchers: matchers.iter().map(|text| parse(text).unwrap()).collect(),
            starts_at: at,
            ends_at: at,
            created_at: at,
            author: String::new(),
            comment: String::new(),
            unannounced: false,
        }
    }

    #[test]
    fn all_matchers_must_fit() {
        let subject = Subject::Credential("codex:default".into());
        let labels = Labels {
            name: "CredentialExpiring",
            subject: &subject,
            provider: Some("openai"),
            severity: Severity::Warning,
            host: "box",
        };
        for (matchers, expected) in [
            (&["alertname=CredentialExpiring"][..], true),
            (&["alertname=CredentialRejected"], false),
            (&["alertname!=CredentialRejected"], true),
            (&["provider=openai", "severity=warning"], true),
            (&["provider=openai", "severity=critical"], false),
            (&["credential=~codex:*"], true),
            (&["credential!~codex:*"], false),
            (&["credential!~claude*"], true),
            (&["check="], true),
            (&["check=~gateway*"], false),
            (&["host=box", "alertname=~*"], true),
            (&["host!=box"], false),
        ] {
            assert_eq!(matches(&silence(matchers), &labels), expected, "{matchers:?}");
        }
        assert!(!matches(&silence(&[]), &labels), "no matcher matches nothing");
        let gateway = Subject::Check("gateway".into());
        let labels = Labels { name: "GatewayDown", subject: &gateway, provider: None, ..labels };
        assert!(matches(&silence(&["provider=", "check=gateway"]), &labels));
    }

    #[test]
    fn what_is_written_wrongly_is_said() {
        assert_eq!(parse(" provider = \"anthropic\" ").unwrap().to_string(), "provider=anthropic");
        for (text, part) in [
            ("anthropic", "not a condition"),
            ("provider~x", "not a condition"),
            ("provider!x", "none of"),
            ("owner=me", "there are alertname, provider, credential, check, severity, host"),
            ("credential=codex:*", "credential=~codex:*"),
            ("credential!=codex:*", "credential!~codex:*"),
            ("severity=high", "info, warning, critical"),
        ] {
            let said = parse(text).unwrap_err();
            assert!(said.contains(part), "{text}: {said}");
        }
    }
}
