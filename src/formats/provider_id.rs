//! Provider and agent ids as the gateways normalise them.

/// Trimmed, lower-case, with the gateways' own aliases resolved (`z.ai` → `zai`).
#[must_use]
pub fn normalize(provider: &str) -> String {
    let id = super::javascript::trim(provider).to_lowercase();
    match id.as_str() {
        "z.ai" | "z-ai" => "zai".to_owned(),
        "opencode-zen" => "opencode".to_owned(),
        "qwen" => "qwen-portal".to_owned(),
        "kimi-code" => "kimi-coding".to_owned(),
        _ => id,
    }
}

/// An agent id: trimmed, lower-case; anything but `[a-z0-9_-]` becomes `-`, edges are stripped, 64 characters at most, and
/// nothing at all is `main`.
#[must_use]
pub fn normalize_agent(agent: &str) -> String {
    let id = super::javascript::trim(agent).to_lowercase();
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    let fits = !id.is_empty() && id.len() <= 64 && id.chars().all(allowed) && !id.starts_with(['_', '-']);
    if fits {
        return id;
    }
    let mut cleaned = String::with_capacity(id.len());
    for c in id.chars() {
        if allowed(c) {
            cleaned.push(c);
        } else if !cleaned.ends_with('-') {
            cleaned.push('-');
        }
    }
    let cleaned: String = cleaned.trim_matches('-').chars().take(64).collect();
    if cleaned.is_empty() { "main".to_owned() } else { cleaned }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents() {
        for (raw, want) in [("", "main"), ("日本", "main"), ("a  b", "a-b"), ("main", "main"), ("-x-", "x")] {
            assert_eq!(normalize_agent(raw), want, "{raw:?}");
        }
    }
}
