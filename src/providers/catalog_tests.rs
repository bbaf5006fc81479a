use std::collections::BTreeSet;

use super::*;

/// Lists that answer 200 to any key (facts: public-list traps), as host and the beginning of a path.
const TRAPS: &[(&str, &str)] = &[
    ("openrouter.ai", "/api/v1/models"),
    ("integrate.api.nvidia.com", ""),
    ("ollama.com", "/api/tags"),
    ("api.sambanova.ai", "/v1/models"),
    ("api.venice.ai", "/api/v1/models"),
    ("ai-gateway.vercel.sh", "/v1/models"),
    ("router.huggingface.co", ""),
    ("llm.chutes.ai", ""),
    ("api.deepinfra.com", "/v1/openai/models"),
    ("opencode.ai", "/zen/v1/models"),
    ("api.kilo.ai", "/api/gateway"),
    ("models.github.ai", ""),
    ("api.synthetic.new", "/openai"),
];

/// Endpoints of subscriptions that no provider documents: never asked by default.
const UNDOCUMENTED: &[&str] = &[
    "/api/oauth/usage",
    "/api/oauth/profile",
    "/backend-api/",
    "/copilot_internal/",
    "v1internal",
    "/v1/me",
    "/chat/completions",
    "/messages",
];

#[test]
fn the_catalog_is_sound() {
    let catalog = Catalog::get();
    let mut ids = BTreeSet::new();
    let mut prefixes = BTreeSet::new();
    for row in catalog.rows() {
        for id in std::iter::once(&row.id).chain(&row.aliases) {
            assert!(ids.insert(id), "{id} is there twice");
            assert!(id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b)), "{id}");
        }
        for prefix in &row.key_prefixes {
            assert!(prefixes.insert(prefix), "two providers claim {prefix}");
            assert!(prefix.len() >= 3, "{prefix} is too common");
        }
        assert!(row.probe.is_some() != row.unverifiable.is_some(), "{}: a probe or a reason, not both", row.id);
        assert!(!row.name.is_empty() && !row.renew.is_empty(), "{}", row.id);
        assert!(row.status_page.as_ref().is_none_or(|page| page.starts_with("https://")), "{}", row.id);
        let Some(probe) = &row.probe else { continue };
        let id = &row.id;
        assert!(probe.documented, "{id}: only documented requests");
        assert!(probe.base_url.starts_with("https://") && !probe.base_url.ends_with('/'), "{id}");
        assert!(!probe.base_url.contains(['@', '?', '#']), "{id}");
        assert!(probe.path.starts_with('/'), "{id}");
        assert!(!probe.expect.is_empty(), "{id}: a 200 of any shape would be believed");
        assert!(!probe.kinds.is_empty(), "{id}");
        let url = format!("{}{}", probe.base_url, probe.path);
        for (host, path) in TRAPS {
            let trap = format!("https://{host}{path}");
            assert!(!url.starts_with(&trap), "{id}: {url} is a public list");
        }
        for part in UNDOCUMENTED {
            assert!(
                !probe
                    .path
                    .split('?')
                    .next()
                    .is_some_and(|path| path.ends_with(part) || part.ends_with('/') && path.contains(part)),
                "{id}: {part}"
            );
        }
        if let Auth::Header(name) = &probe.auth {
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{id}");
        }
        let pointers = probe.expect.iter().chain(&probe.expiry).chain(probe.dead.iter().map(|dead| &dead.at));
        let pointers =
            pointers.chain(probe.balance.iter().flat_map(|at| std::iter::once(&at.amount).chain(&at.currency_at)));
        for pointer in pointers {
            assert!(pointer.starts_with('/'), "{id}: {pointer} is no JSON pointer");
        }
        for dead in &probe.dead {
            let set = [dead.is.is_some(), dead.is_not.is_some(), dead.at_most.is_some()];
            assert_eq!(set.iter().filter(|set| **set).count(), 1, "{id}: {}", dead.at);
            assert_ne!(dead.verdict, VerdictKind::Accepted, "{id}");
        }
        for text in probe.alive.iter().chain(probe.says.iter().map(|says| &says.text)) {
            assert_eq!(*text, text.to_lowercase(), "{id}");
            assert!(text.len() >= 6, "{id}: {text} is too common");
        }
        assert!(probe.says.iter().all(|says| says.verdict != VerdictKind::Accepted), "{id}: use `alive`");
        for status in probe.statuses.keys() {
            assert!(matches!(status.parse(), Ok(400..=499u16)), "{id}: {status}");
        }
        if let Some(other) = &probe.other_region {
            let other = catalog
                .provider(other)
                .and_then(|row| row.probe.as_ref())
                .expect("the other region is a row with a probe");
            assert_eq!((&other.auth, &other.kinds), (&probe.auth, &probe.kinds), "{id}");
        }
        for name in probe.headers.keys() {
            assert!(!name.contains("authorization"), "{id}");
        }
    }
}

fn plan(provider: &str, kind: Kind, secret: &str) -> Result<String, String> {
    Catalog::get().plan(provider, kind, &Secret::new(secret.to_owned())).map(|(row, _)| row.id.clone())
}

#[test]
fn what_may_be_asked_about() {
    let anthropic = "sk-ant-api03-abcdefghijklmnop";
    assert_eq!(plan("anthropic", Kind::ApiKey, anthropic), Ok("anthropic".into()));
    assert_eq!(plan("anthropic", Kind::ApiKey, &format!(" {anthropic}\n")), Ok("anthropic".into()));
    assert_eq!(plan("moonshotai", Kind::ApiKey, "sk-abcdef"), Ok("moonshot".into()));
    assert_eq!(plan("openrouter", Kind::Token, "sk-or-v1-0000"), Ok("openrouter".into()));
    for (provider, kind, secret, why) in [
        ("anthropic", Kind::ApiKey, "sk-ant-oat01-abcdefgh", "undocumented"),
        ("anthropic", Kind::ApiKey, "sk-ant-admin01-abcdefgh", "admin key"),
        ("anthropic", Kind::Oauth, anthropic, "undocumented"),
        ("anthropic", Kind::Token, "opaque", "undocumented"),
        ("openai", Kind::ApiKey, anthropic, "looks like a key of Anthropic"),
        ("openai", Kind::ApiKey, "sk-or-v1-abc", "looks like a key of OpenRouter"),
        ("openai", Kind::ApiKey, "eyJhbGciOi.x.y", "ChatGPT login"),
        ("deepseek", Kind::ApiKey, "gsk_abc", "looks like a key of Groq"),
        ("openai-codex", Kind::Oauth, "eyJ", "undocumented"),
        ("nvidia", Kind::ApiKey, "nvapi-1", "public"),
        ("somebody-else", Kind::ApiKey, "sk-1", "no free, documented way"),
        ("groq", Kind::ApiKey, "  ", "no secret"),
        ("groq", Kind::ApiKey, "gsk_a\nb", "no key has"),
        ("groq", Kind::ApiKey, "“gsk_ab”", "no key has"),
    ] {
        let said = plan(provider, kind, secret).expect_err(provider);
        assert!(said.contains(why), "{provider} {secret}: {said}");
        assert!(secret.trim().is_empty() || !said.contains(secret.trim()), "{said}");
    }
}

#[test]
fn a_key_goes_to_its_own_provider_only() {
    // Whatever shape one provider claims, no other provider's probe is planned for it.
    let catalog = Catalog::get();
    for owner in catalog.rows() {
        for prefix in &owner.key_prefixes {
            for other in catalog.rows().filter(|other| other.id != owner.id) {
                let secret = format!("{prefix}Zq7Zq7Zq7Zq7Zq7Zq7");
                assert!(plan(&other.id, Kind::ApiKey, &secret).is_err(), "{prefix} would go to {}", other.id);
            }
        }
    }
}
