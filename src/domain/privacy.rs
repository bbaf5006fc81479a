//! E-mail addresses inside ids become `user-<n>` wherever an id leaves the machine (DESIGN §5.2).

use std::collections::BTreeMap;

/// Address → number. Stable: the numbers live in our ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pseudonyms {
    numbers: BTreeMap<String, u32>,
    /// `[export] emails = true`: the user allows addresses to be shown outside.
    allow: bool,
}

impl Pseudonyms {
    /// From the ledger's numbers.
    #[must_use]
    pub fn new(numbers: BTreeMap<String, u32>, allow: bool) -> Self {
        Self { numbers, allow }
    }

    /// The e-mail addresses inside a text, in order.
    pub fn addresses(text: &str) -> impl Iterator<Item = &str> {
        text.split(|c: char| !(c.is_alphanumeric() || "@._%+-".contains(c))).filter(|word| {
            word.split_once('@').is_some_and(|(name, domain)| {
                !name.is_empty() && domain.contains('.') && !domain.starts_with('.') && !domain.contains('@')
            })
        })
    }

    /// The text as it may leave the machine. An address without a number (not yet in the ledger) becomes `user-0`.
    #[must_use]
    pub fn apply(&self, text: &str) -> String {
        if self.allow || !text.contains('@') {
            return text.to_owned();
        }
        let found: Vec<&str> = Self::addresses(text).collect();
        let mut out = text.to_owned();
        for address in found {
            let number = self.numbers.get(address).copied().unwrap_or(0);
            out = out.replace(address, &format!("user-{number}"));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_become_stable_numbers() {
        let names = Pseudonyms::new([("me@x.org".to_owned(), 3)].into(), false);
        assert_eq!(names.apply("opensoul:main/openai:me@x.org"), "opensoul:main/openai:user-3");
        assert_eq!(
            names.apply("opensoul:main/openai:new@x.org and me@x.org"),
            "opensoul:main/openai:user-0 and user-3"
        );
        assert_eq!(names.apply("anthropic/claude@anthropic:work"), "anthropic/claude@anthropic:work");
        assert_eq!(Pseudonyms::new([].into(), true).apply("a@b.org"), "a@b.org");
    }
}
