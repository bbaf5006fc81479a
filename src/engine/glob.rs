//! Patterns of ids as people write them in routes, silences and maintenance windows.

/// `*` stands for any text, also none; everything else stands for itself.
#[must_use]
pub fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn stars_stand_for_any_text() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("codex:*", "codex:default", true),
            ("codex:*", "xcodex:default", false),
            ("*default", "codex:default", true),
            ("c*:*t", "codex:default", true),
            ("a*a", "a", false),
            ("codex:default", "codex:default", true),
            ("codex", "codex:default", false),
            ("*x*y*", "axbyc", true),
            ("*y*x*", "axbyc", false),
            ("*ü*", "grüße", true),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} on {text}");
        }
    }
}
