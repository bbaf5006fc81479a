//! The languages that people are spoken to in. JSON, ids and exit codes never depend on it.

use serde::Serialize;

/// A language.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Lang {
    /// English.
    #[default]
    #[serde(rename = "en")]
    English,
    /// 简体中文
    #[serde(rename = "zh-CN")]
    Chinese,
}

impl Lang {
    /// `en`, `zh-CN`, or a locale's name such as `zh_CN.UTF-8`. `None`: neither English nor Chinese.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let lower = text.trim().to_ascii_lowercase();
        match lower.split(['-', '_', '.', '@']).next().unwrap_or_default() {
            "en" => Some(Self::English),
            "zh" => Some(Self::Chinese),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_languages_and_locales() {
        for (text, lang) in [
            ("en", Some(Lang::English)),
            ("en_GB.UTF-8", Some(Lang::English)),
            ("zh-CN", Some(Lang::Chinese)),
            ("zh_CN.UTF-8", Some(Lang::Chinese)),
            (" ZH ", Some(Lang::Chinese)),
            ("de_DE", None),
            ("C", None),
            ("", None),
        ] {
            assert_eq!(Lang::parse(text), lang, "{text}");
        }
    }
}
