//! What people type and paste beside a secret: life spans, profile ids, setup-tokens. The rules are the gateways'.

/// How long something lives, in milliseconds: a number with `ms`, `s`, `m`, `h` or `d`; without a unit, days.
///
/// # Errors
/// Why it is no span; quotes the text, which is no secret.
pub fn life(text: &str) -> Result<f64, String> {
    let trimmed = text.trim().to_lowercase();
    if trimmed.is_empty() {
        return Err("invalid duration (empty)".to_owned());
    }
    let invalid = || format!("invalid duration: {}", text.trim());
    let digits = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(digits);
    let plain = number.starts_with(|c: char| c.is_ascii_digit()) && number.ends_with(|c: char| c.is_ascii_digit());
    let number: f64 = number.parse().ok().filter(|_| plain).ok_or_else(invalid)?;
    let factor = match unit {
        "ms" => 1.0,
        "s" => 1e3,
        "m" => 6e4,
        "h" => 3.6e6,
        "d" | "" => 8.64e7,
        _ => return Err(invalid()),
    };
    Ok((number * factor).round())
}

/// What a setup-token begins with.
pub const SETUP_TOKEN: &str = "sk-ant-oat01-";
const SETUP_TOKEN_LENGTH: usize = 80;

/// What is wrong with a pasted setup-token; quotes nothing.
#[must_use]
pub fn setup_token_problem(token: &str) -> Option<&'static str> {
    let token = token.trim();
    if token.is_empty() {
        Some("Required")
    } else if !token.starts_with(SETUP_TOKEN) {
        Some("Expected token starting with sk-ant-oat01-")
    } else if token.len() < SETUP_TOKEN_LENGTH {
        Some("Token looks too short; paste the full setup-token")
    } else {
        None
    }
}

/// What is wrong with a profile id that somebody wants to write.
#[must_use]
pub fn profile_id_problem(id: &str) -> Option<&'static str> {
    if id.is_empty() {
        Some("is empty")
    } else if id == "__proto__" {
        Some("is a word that the gateway loses")
    } else if id.len() > 200 {
        Some("is longer than 200 bytes")
    } else if id.chars().any(char::is_control) {
        Some("has control characters in it")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lives() {
        for (text, want) in
            [("365d", 31_536_000_000.0), ("7", 604_800_000.0), (" 1.5H ", 5_400_000.0), ("30m", 1_800_000.0)]
        {
            assert_eq!(life(text), Ok(want), "{text}");
        }
        for text in ["-1d", "1w", "d", ".5d", "1.d", "1.2.3d", "1 d", "NaN", "inf"] {
            assert!(life(text).is_err(), "{text}");
        }
    }

    #[test]
    fn ids() {
        assert_eq!(profile_id_problem("anthropic:me@x.y/z"), None);
        for id in ["", "__proto__", "a\nb", &"x".repeat(201)] {
            assert!(profile_id_problem(id).is_some(), "{id}");
        }
    }
}
