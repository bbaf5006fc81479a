//! Which model is meant: an alias, `provider/model`, a bare name of the default provider; and where the config allows only some,
//! the one of them that is most like what was written. The weights are the gateway's own, or it would choose another one.

use crate::formats::model_ref::{self, ModelRef};
use crate::formats::provider_id::normalize;
use crate::output::collate;

/// What there is to choose from.
pub struct Models<'a> {
    /// The default one.
    pub default: &'a ModelRef,
    /// Alias → model key.
    pub aliases: &'a [(String, String)],
    /// Those that the config allows; empty: any.
    pub allowed: &'a [ModelRef],
}

/// What was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The model.
    pub model: ModelRef,
    /// It is the default one.
    pub is_default: bool,
    /// The alias by which it was called.
    pub alias: Option<String>,
}

/// Words that tell the variants of a model apart.
const VARIANTS: [&str; 9] = ["lightning", "preview", "mini", "fast", "turbo", "lite", "beta", "small", "nano"];

/// A likeness below this is none: within the provider that was named, and among all.
const ENOUGH: (i64, i64) = (90, 120);

impl Models<'_> {
    /// Finds it.
    ///
    /// # Errors
    /// What to answer.
    pub fn choose(&self, raw: &str) -> Result<Choice, String> {
        const WHERE: &str = "Use /models to list providers, or /models <provider> to list models.";
        let raw = raw.trim();
        if !raw.is_empty() && raw.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err("Numeric model selection is not supported in chat.\n\nBrowse: /models or /models <provider>\nSwitch: /model <provider/model>".to_owned());
        }
        let Some((model, alias)) = self.written(raw) else {
            let near = self.nearest(None, raw).map(|model| self.called(model));
            return near.ok_or_else(|| format!("Unrecognized model \"{raw}\". {WHERE}"));
        };
        if self.allowed.is_empty() || self.allowed.contains(&model) {
            return Ok(Choice { is_default: model == *self.default, model, alias });
        }
        let within =
            raw.split_once('/').and_then(|(provider, fragment)| self.nearest(Some(&normalize(provider)), fragment));
        let near = within.or_else(|| self.nearest(None, raw)).map(|model| self.called(model));
        near.ok_or_else(|| format!("Model \"{model}\" is not allowed. {WHERE}"))
    }

    /// What is written, taken at its word.
    fn written(&self, raw: &str) -> Option<(ModelRef, Option<String>)> {
        if !raw.contains('/') {
            let wanted = raw.to_lowercase();
            let found = self.aliases.iter().rev().find(|(alias, _)| alias.trim().to_lowercase() == wanted);
            if let Some((alias, key)) = found {
                return Some((self.parse(key)?, Some(alias.clone())));
            }
        }
        Some((self.parse(raw)?, None))
    }

    fn parse(&self, raw: &str) -> Option<ModelRef> {
        let raw = raw.trim();
        if raw.contains('/') {
            model_ref::parse(raw)
        } else {
            model_ref::parse(&format!("{}/{raw}", self.default.provider))
        }
    }

    fn called(&self, model: ModelRef) -> Choice {
        let alias = self.aliases_of(&model).next().map(str::to_owned);
        Choice { is_default: model == *self.default, model, alias }
    }

    /// The aliases of a model.
    pub fn aliases_of<'s>(&'s self, model: &'s ModelRef) -> impl Iterator<Item = &'s str> {
        self.aliases.iter().filter(|(_, key)| self.parse(key).as_ref() == Some(model)).map(|(alias, _)| alias.as_str())
    }

    fn nearest(&self, provider: Option<&str>, fragment: &str) -> Option<ModelRef> {
        let fragment = fragment.trim().to_lowercase();
        if fragment.is_empty() {
            return None;
        }
        let candidates = self.allowed.iter().filter(|model| provider.is_none_or(|provider| model.provider == provider));
        let mut scored: Vec<(Likeness, &ModelRef)> =
            candidates.map(|model| (self.likeness(model, &fragment), model)).collect();
        scored.sort_by(|(a, one), (b, other)| {
            let better = b.score.cmp(&a.score).then(b.is_default.cmp(&a.is_default));
            let variants = b.shared.cmp(&a.shared).then(a.variants.cmp(&b.variants));
            let shorter = one.model.chars().count().cmp(&other.model.chars().count());
            better.then(variants).then(shorter).then_with(|| collate::compare(&one.to_string(), &other.to_string()))
        });
        let enough = if provider.is_some() { ENOUGH.0 } else { ENOUGH.1 };
        scored.first().filter(|(likeness, _)| likeness.score >= enough).map(|(_, model)| (*model).clone())
    }

    fn likeness(&self, model: &ModelRef, fragment: &str) -> Likeness {
        let (provider, name) = (model.provider.to_lowercase(), model.model.to_lowercase());
        let grade = |value: &str, [exact, starts, within]: [i64; 3]| {
            if value == fragment {
                exact
            } else if value.starts_with(fragment) {
                starts
            } else if value.contains(fragment) {
                within
            } else {
                0
            }
        };
        let mut score = grade(&format!("{provider}/{name}"), [220, 140, 110]);
        score += grade(&provider, [180, 120, 90]) + grade(&name, [160, 110, 80]);
        let distance = strsim::levenshtein(fragment, &name);
        if distance <= 3 {
            score += (3 - i64::try_from(distance).unwrap_or(3)) * 70;
        }
        score += self.aliases_of(model).map(|alias| grade(&alias.to_lowercase(), [140, 90, 60])).sum::<i64>();
        if name.starts_with(&provider) {
            score += 30;
        }
        let count = |text: &str| VARIANTS.iter().filter(|word| text.contains(**word)).count();
        let both = VARIANTS.iter().filter(|word| fragment.contains(**word) && name.contains(**word)).count();
        let number = |count: usize| i64::try_from(count).unwrap_or(0);
        let variants = count(&name);
        score += match (count(fragment), both) {
            (0, _) => -30 * number(variants),
            (_, 0) => -20,
            (_, both) => 40 * number(both),
        };
        let is_default = model == self.default;
        Likeness { score: score + if is_default { 20 } else { 0 }, is_default, shared: both, variants }
    }
}

struct Likeness {
    score: i64,
    is_default: bool,
    shared: usize,
    variants: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(raw: &str, allowed: &[&str]) -> Result<String, String> {
        let default = model_ref::parse("anthropic/claude-opus-4-5").unwrap();
        let aliases = [
            ("Opus".to_owned(), "anthropic/claude-opus-4-5".to_owned()),
            ("GPT".to_owned(), "openai/gpt-5.2".to_owned()),
        ];
        let allowed: Vec<ModelRef> = allowed.iter().filter_map(|text| model_ref::parse(text)).collect();
        let models = Models { default: &default, aliases: &aliases, allowed: &allowed };
        models.choose(raw).map(|choice| {
            format!("{}{} {}", choice.model, if choice.is_default { "*" } else { "" }, choice.alias.unwrap_or_default())
        })
    }

    #[test]
    fn by_name_alias_and_likeness() {
        let some = ["anthropic/claude-opus-4-5", "anthropic/claude-haiku-4-5", "openai/gpt-5.2", "openai/gpt-5-mini"];
        for (raw, allowed, expected) in [
            ("OPUS", &some[..], "anthropic/claude-opus-4-5* Opus"),
            ("gpt", &[], "openai/gpt-5.2 GPT"),
            ("openai/gpt-5.2", &some, "openai/gpt-5.2 "),
            ("claude-haiku-4-5", &some, "anthropic/claude-haiku-4-5 "),
            ("haiku", &some, "anthropic/claude-haiku-4-5 "),
            ("openai/mini", &some, "openai/gpt-5-mini "),
            ("openai/gpt", &some, "openai/gpt-5.2 GPT"),
            ("anything/at-all", &[], "anything/at-all "),
        ] {
            assert_eq!(chosen(raw, allowed).as_deref(), Ok(expected), "{raw}");
        }
        for (raw, part) in [
            ("3", "Numeric model selection"),
            ("deepseek/x", "Model \"deepseek/x\" is not allowed."),
            ("zzz", "Model \"anthropic/zzz\" is not allowed."),
            ("zz/", "Unrecognized model \"zz/\"."),
        ] {
            assert!(chosen(raw, &some).is_err_and(|said| said.starts_with(part)), "{raw}: {:?}", chosen(raw, &some));
        }
    }
}
