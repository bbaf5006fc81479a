use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::formats::provider_env;

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
const UNDOCUMENTED: &[&str] =
    &["/api/oauth/usage", "/api/oauth/profile", "/backend-api/", "/copilot_internal/", "v1internal", "/v1/me"];

/// Endpoints that cost something.
const SPENDS: &[&str] = &["completions", "messages", "embeddings", "search", "generate", "responses"];

#[test]
fn the_catalog_is_sound() {
    let catalog = Catalog::get();
    let mut ids = BTreeSet::new();
    let mut prefixes = BTreeSet::new();
    for row in catalog.rows() {
        let id = &row.id;
        for id in std::iter::once(&row.id).chain(&row.aliases) {
            assert!(ids.insert(id), "{id} is there twice");
            assert!(id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b)), "{id}");
        }
        for prefix in &row.key_prefixes {
            assert!(prefixes.insert(prefix), "two providers claim {prefix}");
            assert!(prefix.len() >= 3, "{prefix} is too common");
        }
        let reasons = usize::from(row.unverifiable.is_some()) + usize::from(row.retired.is_some());
        assert_eq!(usize::from(!row.probes.is_empty()) + reasons, 1, "{id}: a probe or one reason");
        assert!(!row.name.is_empty() && !row.renew.is_empty(), "{id}");
        assert!(row.docs.starts_with("https://"), "{id}: where is that documented?");
        for base in row.regions.values() {
            let local = base.starts_with("http://127.0.0.1:");
            assert!((base.starts_with("https://") || local) && !base.ends_with('/'), "{id}: {base}");
        }
        if let Some(page) = &row.status_page {
            assert!(page.url.starts_with("https://"), "{id}");
            assert!(page.component.as_ref().is_none_or(|part| *part == part.to_lowercase()), "{id}");
        }
        let at_home = row.probes.iter().all(|probe| probe.base_url.is_none());
        assert!(
            row.compatible.is_none() || !row.regions.is_empty() || at_home,
            "{id}: where would a paid question go?"
        );
        for probe in &row.probes {
            sound(catalog, row, probe);
        }
        // The general one and the one for a shape may not be confused.
        let general = |documented| {
            let probes = row.probes.iter().filter(|p| p.prefixes.is_empty() && p.documented == documented);
            probes.flat_map(|p| &p.kinds).copied().collect::<Vec<_>>()
        };
        for documented in [true, false] {
            let kinds = general(documented);
            assert_eq!(kinds.len(), kinds.iter().collect::<BTreeSet<_>>().len(), "{id}: two probes for one kind");
        }
    }
    assert!(catalog.rows().count() >= 100);
    assert!(catalog.rows().filter(|row| row.probes.iter().any(|probe| probe.documented)).count() >= 40);
}

fn sound(catalog: &Catalog, row: &Provider, probe: &Probe) {
    let id = &row.id;
    assert_eq!(probe.unsound(), [], "{id}");
    assert!(!probe.control, "{id}: what needs a control is not sure");
    if let Some(base) = &probe.base_url {
        assert!(base.starts_with("https://") && !base.ends_with('/') && !base.contains(['@', '?', '#']), "{id}");
    }
    let url = format!("{}{}", probe.base_url.as_deref().unwrap_or_default(), probe.path);
    for (host, path) in TRAPS {
        let trap = format!("https://{host}{path}");
        assert!(!url.starts_with(&trap), "{id}: {url} is a public list");
    }
    let path = probe.path.split('?').next().unwrap_or_default();
    for part in UNDOCUMENTED {
        let found = path.ends_with(part) || part.ends_with('/') && path.contains(part);
        assert!(!found || !probe.documented, "{id}: {part}");
    }
    for part in SPENDS {
        assert!(!path.contains(part), "{id}: {part} costs something");
    }
    if let Some(other) = &probe.other_region {
        let other = &catalog.provider(other).expect("the other region is a row").probes[0];
        assert_eq!(
            (&other.auth, &other.kinds, other.documented),
            (&probe.auth, &probe.kinds, probe.documented),
            "{id}"
        );
        assert_ne!(other.host(), probe.host(), "{id}");
    }
    assert!(probe.every_minutes.is_none_or(|minutes| minutes >= 15), "{id}");
}

/// Providers that are asked, and of which no page is read: there is none, or it has nothing for machines.
const SILENT: &[&str] = &[
    // Checkly, a page that refuses programs, one for people, RSS of all of Azure, one for people.
    "mistral",
    "xai",
    "deepinfra",
    "azure",
    "synthetic",
    // Servers of one's own.
    "litellm",
    "matrix",
    // No page is known, or it answers in China only.
    "zai",
    "zhipuai",
    "siliconflow",
    "siliconflow-cn",
    "chutes",
    "opencode",
    "kilo",
    "crof",
    "neuralwatt",
    "tavily",
    "telegram",
];

#[test]
fn whoever_is_asked_has_a_page_that_can_be_read_or_is_known_to_have_none() {
    for row in Catalog::get().rows().filter(|row| !row.probes.is_empty()) {
        let read = row.status_page.as_ref().is_some_and(|page| page.format != PageFormat::Html);
        assert_ne!(read, SILENT.contains(&row.id.as_str()), "{}", row.id);
    }
}

#[test]
fn variables_are_those_that_are_read() {
    let catalog = Catalog::get();
    let table: BTreeMap<&str, BTreeSet<&str>> =
        provider_env::TABLE.iter().map(|row| (row.provider, row.names().collect())).collect();
    for row in catalog.rows() {
        let here: BTreeSet<&str> = row.env.iter().map(String::as_str).collect();
        let read = table.get(row.id.as_str()).cloned().unwrap_or_default();
        assert_eq!(here, read, "{}: formats/provider_env.rs says otherwise", row.id);
    }
    for provider in table.keys() {
        let row = catalog.provider(provider);
        assert!(row.is_none_or(|row| row.id == *provider), "{provider} is an alias here: use the same id");
    }
}

#[test]
fn shapes_are_sound() {
    for shape in [Shape::Openai, Shape::Anthropic, Shape::Google] {
        let row = Catalog::get().shape(shape);
        assert_eq!(row.probe.unsound(), []);
        assert!(row.probe.control, "{shape:?}: nobody knows whether that list is public");
        assert!(row.probe.base_url.is_none());
    }
    for paid in Catalog::get().rows().filter_map(|row| row.paid.as_ref()).chain(
        [Shape::Openai, Shape::Anthropic].into_iter().filter_map(|shape| Catalog::get().shape(shape).paid.as_ref()),
    ) {
        let body = paid.body.replace("{model}", "\"m\"");
        let body: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!(body["model"], "m");
        let most = body.get("max_tokens").or(body.get("max_completion_tokens"));
        assert_eq!(most, Some(&serde_json::Value::from(1)), "one token");
    }
}

#[test]
fn keys_of_known_shape_are_hidden_in_foreign_words() {
    for row in Catalog::get().rows() {
        for prefix in &row.key_prefixes {
            let key = format!("{prefix}Zq7Zq7Zq7Zq7Zq7Zq7Zq7Zq7Zq7");
            let shown = crate::net::redact::words(&format!("key {key} is bad"), &[], 200);
            assert!(!shown.contains("Zq7Zq7"), "{}: {shown}", row.id);
        }
    }
}

fn plan(provider: &str, kind: Kind, secret: &str) -> Result<String, String> {
    let planned = Catalog::get().plan(provider, kind, &Secret::new(secret.to_owned()), false);
    planned.map(|(row, _)| row.id.clone()).map_err(Unasked::text)
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
        ("google-gemini-cli", Kind::Oauth, "ya29.x", "undocumented"),
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
            for other in catalog.rows().filter(|other| other.id != owner.id && !shares_host(owner, other)) {
                let secret = format!("{prefix}Zq7Zq7Zq7Zq7Zq7Zq7");
                assert!(plan(&other.id, Kind::ApiKey, &secret).is_err(), "{prefix} would go to {}", other.id);
            }
        }
    }
}

#[test]
fn undocumented_ways_need_permission() {
    let path = |provider: &str, kind, secret: &str, allowed| {
        let planned = Catalog::get().plan(provider, kind, &Secret::new(secret.to_owned()), allowed);
        planned.map(|(_, probe)| probe.path.clone()).map_err(|why| matches!(why, Unasked::Undocumented(_)))
    };
    let setup = "sk-ant-oat01-abcdefgh";
    assert_eq!(path("anthropic", Kind::Token, setup, false), Err(true));
    assert_eq!(path("anthropic", Kind::Token, setup, true).as_deref(), Ok("/api/oauth/usage"));
    assert_eq!(path("anthropic", Kind::Oauth, "opaque", true).as_deref(), Ok("/api/oauth/usage"));
    assert_eq!(path("anthropic", Kind::ApiKey, "sk-ant-api03-a", true).as_deref(), Ok("/v1/models?limit=1"));
    assert_eq!(path("openai-codex", Kind::Oauth, "eyJx", true).as_deref(), Ok("/wham/usage"));
    // GitHub tells for free that a token is genuine; whether there is a seat behind it only with permission.
    assert_eq!(path("github-copilot", Kind::Token, "ghp_abc", false).as_deref(), Ok("/rate_limit"));
    assert_eq!(path("github-copilot", Kind::Token, "gho_abc", true).as_deref(), Ok("/copilot_internal/user"));
    // A token that says whose it is can be refused for good; the older ones cannot.
    let statuses = |secret: &str| {
        let planned =
            Catalog::get().plan("cloudflare-workers-ai", Kind::ApiKey, &Secret::new(secret.to_owned()), false);
        planned.map(|(_, probe)| probe.statuses.len()).unwrap()
    };
    assert!(statuses("cfut_abc") == 0 && statuses("abcdef") > 0);
}

/// The table of docs/providers.md, from the rows.
fn table() -> String {
    let mut out = String::from(
        "| provider | id | variables | asked with | tells also | status page |\n|---|---|---|---|---|---|\n",
    );
    let mut rows: Vec<&Provider> = Catalog::get().rows().collect();
    rows.sort_by_key(|row| &row.id);
    for row in rows {
        let code = |list: &[String]| list.iter().map(|one| format!("`{one}`")).collect::<Vec<_>>().join(" ");
        let ask = |probe: &Probe| {
            let method = format!("{:?}", probe.method).to_uppercase();
            let place = probe.base_url.as_deref().unwrap_or("your `base_url`, ");
            let how = if probe.documented { "" } else { " (undocumented)" };
            format!("{method} {place}{}{how}", probe.path)
        };
        let mut asked: Vec<String> = row.probes.iter().map(ask).collect();
        asked.dedup();
        let asked = match (&row.unverifiable, &row.retired) {
            (Some(why), _) => format!("not asked: {why}"),
            (None, Some(why)) => format!("retired: {why}"),
            (None, None) => asked.join("<br>"),
        };
        let has = |test: fn(&Probe) -> bool| row.probes.iter().any(test);
        let tells: Vec<&str> = [
            ("expiry", has(|probe| probe.expiry.is_some() || probe.expiry_header.is_some())),
            ("balance", has(|probe| probe.balance.is_some())),
            ("quota", has(|probe| !probe.quota.is_empty())),
        ]
        .into_iter()
        .filter_map(|(word, there)| there.then_some(word))
        .collect();
        let aliases = std::iter::once(row.id.clone()).chain(row.aliases.iter().cloned()).collect::<Vec<_>>();
        let page = row.status_page.as_ref().map(|page| {
            let host = page.url.trim_start_matches("https://").split('/').next().unwrap_or_default();
            if page.format == PageFormat::Html { format!("{host} (not read)") } else { host.to_owned() }
        });
        let cells = [
            format!("[{}]({})", row.name, row.docs),
            code(&aliases),
            code(&row.env),
            asked,
            tells.join(", "),
            page.unwrap_or_default(),
        ];
        out.push_str(&format!("| {} |\n", cells.map(|cell| cell.replace('|', "\\|")).join(" | ")));
    }
    out
}

#[test]
fn the_documented_table_is_that_of_the_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/providers.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (head, _) = text.split_once("| provider | id |").expect("docs/providers.md has the table at its end");
    let fresh = format!("{head}{}", table());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, fresh).unwrap();
    } else {
        assert!(text == fresh, "docs/providers.md is not up to date: UPDATE_DOCS=1 cargo test --lib documented_table");
    }
}
