use std::path::Path;

use super::*;
use crate::formats::config_document::read;

fn parse(text: &str, strict: bool) -> (GatewayConfig, Vec<Finding>) {
    let document = read(Path::new("/c"), text.to_owned(), &mut |_| Err("is missing".into()))
        .unwrap_or_else(|wrong| panic!("{wrong:?}"));
    interpret(&document, strict)
}

#[test]
fn everything_that_matters_is_read() {
    let text = r#"{
      auth: { profiles: { "a:x": { provider: "a", mode: "token", email: " m@e " } }, order: { "z.ai": ["b", "c"] } },
      agents: { defaults: { model: { primary: " p/m ", fallbacks: ["q/n"] }, imageModel: { primary: "r/i" },
                            models: { "p/m": { alias: "x" }, "q/n": {} } },
                list: [ { id: "Side Kick", agentDir: "~/d", model: "s/t" }, { id: "w", default: true, model: { fallbacks: [] } } ] },
      models: { providers: { my: { baseUrl: "http://x", apiKey: " k ", auth: "aws-sdk", models: [] }, "z.ai": { baseUrl: "u", models: [] } } },
      env: { shellEnv: { enabled: true, timeoutMs: 500 }, vars: { A: "1" } },
      gateway: { port: 18789, bind: "lan" }, meta: { lastTouchedVersion: "2026.2.1" },
    }"#;
    let (config, problems) = parse(text, true);
    assert_eq!(problems, []);
    assert_eq!(config.auth_profiles[0].email.as_deref(), Some("m@e"));
    assert_eq!(config.model.primary.as_deref(), Some("p/m"));
    assert_eq!(config.model_texts(None), ["p/m", "q/n", "r/i"]);
    assert_eq!(config.model_texts(Some("side-kick")), ["s/t", "q/n", "r/i"]);
    assert_eq!(config.model_texts(Some("w")), ["p/m", "r/i"]);
    assert_eq!(config.default_agent(), "w");
    assert_eq!(config.provider("zai").map(|p| p.id.as_str()), Some("z.ai"));
    assert_eq!(config.provider("my").and_then(|p| p.api_key.as_ref()).map(Secret::expose), Some("k"));
    assert_eq!((config.gateway_port, config.shell_timeout_ms), (Some(18789), Some(500)));
}

#[test]
fn what_the_gateway_refuses() {
    for (text, key, says) in [
        ("[]", "", "an array instead of an object"),
        ("{nope: 1}", "nope", "does not know"),
        ("{agents: {default: {}}}", "agents.default", "does not know"),
        ("{agents: {defaults: {model: 'a/b'}}}", "agents.defaults.model", "a string instead of an object"),
        (
            "{agents: {defaults: {model: {primary: 1}}}}",
            "agents.defaults.model.primary",
            "a number instead of a string",
        ),
        ("{agents: {defaults: {model: {fallback: []}}}}", "agents.defaults.model.fallback", "does not know"),
        ("{agents: {list: {}}}", "agents.list", "instead of a list"),
        ("{agents: {list: [{name: 'x'}]}}", "agents.list[0]", "has no `id`"),
        ("{auth: {order: {a: 'b'}}}", "auth.order.a", "a string instead of a list of strings"),
        ("{auth: {order: {a: [1]}}}", "auth.order.a[0]", "a number instead of a string"),
        ("{auth: {profiles: {a: {provider: 'x', mode: 'key'}}}}", "auth.profiles.a.mode", "none of"),
        ("{auth: {profiles: {a: {mode: 'token'}}}}", "auth.profiles.a", "has no `provider`"),
        ("{auth: {cooldowns: {billingMaxHours: 0}}}", "auth.cooldowns.billingMaxHours", "above 0"),
        ("{auth: null}", "auth", "null instead of an object"),
        ("{env: {A: 1}}", "env.A", "a number instead of a string"),
        ("{env: {shellEnv: {enabled: 'yes'}}}", "env.shellEnv.enabled", "instead of true or false"),
        ("{models: {providers: {p: {models: []}}}}", "models.providers.p", "has no `baseUrl`"),
        ("{models: {providers: {p: {baseUrl: 'x'}}}}", "models.providers.p", "has no `models`"),
    ] {
        let (_, problems) = parse(text, true);
        assert_eq!(problems.len(), 1, "{text}: {problems:?}");
        assert_eq!(problems[0].place.key.as_deref().unwrap_or_default(), key, "{text}");
        assert!(problems[0].message.contains(says), "{text}: {}", problems[0].message);
        assert!(problems[0].place.line.is_some() && !problems[0].fix.is_empty());
    }
    let (_, problems) = parse("{agents: {defualts: {}}, auth: {order: 5}, env: []}", true);
    assert_eq!(problems.len(), 3, "all at once: {problems:?}");
    assert!(problems.iter().any(|p| p.fix.contains("did you mean `defaults`")));
}

#[test]
fn other_versions_may_have_other_keys() {
    let (config, problems) = parse("{secrets: {}, agents: {entries: {work: {}}, defaults: {model: 'a/b'}}}", false);
    assert_eq!(problems, []);
    assert_eq!(config.model.primary.as_deref(), Some("a/b"));
    assert_eq!(config.agents[0].id, "work");
}

#[test]
fn versions_that_keep_credentials_in_sqlite() {
    for (version, want) in [
        ("2026.6.0", true),
        ("2026.9.6", true),
        ("2027.1", true),
        ("2026.5.9", false),
        ("2026.2.1-2", false),
        ("0.2.3", false),
        ("x", false),
    ] {
        assert_eq!(is_sqlite_version(version), want, "{version}");
    }
}
