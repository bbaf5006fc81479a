use std::path::Path;

use super::*;
use crate::formats::config_document;
use crate::formats::gateway_config::{self, GatewayConfig};

const CONFIG: &str = "// our gateway\n{\n  env: { vars: { KEY: '${SECRET}' } }, // from the vault\n  \"agents\": {\n    // the dear one\n    defaults: { model: { primary: 'anthropic/claude-opus-4-5', }, },\n  },\n  auth: {\n    profiles: {\n      'anthropic:work': { provider: 'anthropic', mode: 'token', email: 'a@b.c' }, // mine\n    },\n    order: { Anthropic: ['anthropic:work'], openai: ['x'] },\n  },\n}\n";

fn read(text: &str) -> GatewayConfig {
    let mut none = |_: &Path| Err("is not there".to_owned());
    let mut document =
        config_document::read(Path::new("c"), text.to_owned(), &mut none).unwrap_or_else(|w| panic!("{w:?}\n{text}"));
    document.substitute(&|_| Some("v".to_owned()));
    let (config, problems) = gateway_config::interpret(&document, true);
    assert_eq!(problems, [], "{text}");
    config
}

/// Every comment and reference of the file is still there.
fn kept(text: &str) {
    for part in ["// our gateway\n", "// from the vault", "'${SECRET}'", "// the dear one", "// mine"] {
        assert!(text.contains(part), "{part} is gone:\n{text}");
    }
}

#[test]
fn a_profile_is_declared_and_goes_first() {
    let after = declare(CONFIG, "anthropic:new", "anthropic", "token").unwrap();
    kept(&after);
    let config = read(&after);
    let declared = config.declared("anthropic:new").unwrap();
    assert_eq!((declared.provider.as_str(), declared.mode.as_str(), &declared.email), ("anthropic", "token", &None));
    assert_eq!(config.auth_order[0].1, ["anthropic:new", "anthropic:work"]);
    assert_eq!(config.auth_order[1].1, ["x"]);

    let again = declare(&after, "anthropic:new", "anthropic", "token").unwrap();
    assert_eq!(again, after, "the same again changes nothing");
    let other = read(&declare(&after, "anthropic:work", "openai", "api_key").unwrap());
    let work = other.declared("anthropic:work").unwrap();
    assert_eq!((work.provider.as_str(), work.mode.as_str(), &work.email), ("openai", "api_key", &None));
    let mode = read(&declare(CONFIG, "anthropic:work", "anthropic", "api_key").unwrap());
    assert_eq!(mode.declared("anthropic:work").unwrap().email.as_deref(), Some("a@b.c"));
}

#[test]
fn a_profile_is_forgotten() {
    let after = forget(CONFIG, "anthropic:work").unwrap();
    assert!(after.contains("// our gateway\n") && after.contains("'${SECRET}'"));
    let config = read(&after);
    assert!(config.auth_profiles.is_empty());
    assert_eq!(
        config.auth_order,
        [("openai".to_owned(), vec!["x".to_owned()])],
        "an empty order would mean: none of them"
    );
    assert_eq!(forget(CONFIG, "nobody").unwrap(), CONFIG);
}

#[test]
fn from_nothing() {
    for text in [EMPTY, "", "{}"] {
        let config = read(&declare(text, "zai:manual", "zai", "token").unwrap());
        assert_eq!(config.declared("zai:manual").unwrap().provider, "zai");
        assert_eq!(config.auth_order, []);
    }
}

#[test]
fn includes_stay_and_are_not_resolved() {
    let text = "{ $include: './base.json5', auth: { $include: './auth.json5' } }";
    let after = declare(text, "a:b", "a", "token").unwrap();
    assert!(after.contains("$include: './base.json5'") && after.contains("$include: './auth.json5'"), "{after}");
    assert!(declare("{ auth: 5 }", "a:b", "a", "token").is_err());
}

#[test]
fn models() {
    let primary = read(&model(CONFIG, &ModelEdit::Primary("openai/gpt-5.2".into())).unwrap());
    assert_eq!(primary.model.primary.as_deref(), Some("openai/gpt-5.2"));
    assert!(primary.models.is_empty(), "no list of allowed models is made where there is none");
    let text = model(CONFIG, &ModelEdit::Alias("fast".into(), "groq/llama".into())).unwrap();
    kept(&text);
    let moved = model(&text, &ModelEdit::Alias("Fast".into(), "xai/grok".into())).unwrap();
    let config = read(&moved);
    assert_eq!(config.models, [("groq/llama".to_owned(), None), ("xai/grok".to_owned(), Some("Fast".to_owned()))]);
    let add = |text: &str, to: &str| model(text, &ModelEdit::AddFallback(to.into())).unwrap();
    let text = add(&add(&moved, "zai/glm"), "c/d");
    let allowed = read(&text);
    assert_eq!(allowed.model.fallbacks, Some(vec!["zai/glm".to_owned(), "c/d".to_owned()]));
    assert!(allowed.models.iter().any(|(model, _)| model == "zai/glm") && allowed.models.len() == 4);
    assert_eq!(add(&text, "zai/glm"), text, "once");
    let dropped = model(&text, &ModelEdit::DropFallbacks(vec!["zai/glm".into(), "no/such".into()])).unwrap();
    assert_eq!(read(&dropped).model.fallbacks, Some(vec!["c/d".to_owned()]));
    let cleared = read(&model(&text, &ModelEdit::NoFallbacks).unwrap());
    assert_eq!(cleared.model.fallbacks, Some(Vec::new()));
    // What stands for something else stays as it is written.
    let written = "{agents: {defaults: {model: {primary: 'a/b', fallbacks: ['${FB}', /* mine */ 'fast']}}}}";
    let more = add(written, "c/d");
    assert!(more.contains("'${FB}', /* mine */ 'fast'"), "{more}");
    let none = read(&model(&moved, &ModelEdit::NoAlias("fast".into())).unwrap());
    assert!(none.models.iter().all(|(_, alias)| alias.is_none()));
    let plain = model("{agents: {defaults: {model: 'a/b'}}}", &ModelEdit::AddFallback("c/d".into())).unwrap();
    let config = read(&plain);
    assert_eq!((config.model.primary.as_deref(), config.model.fallbacks), (Some("a/b"), Some(vec!["c/d".to_owned()])));
}

#[test]
fn a_renamed_login_takes_its_place_in_the_order_along() {
    let text = r#"{
  auth: {
    profiles: { "anthropic:default": { provider: "anthropic", mode: "oauth" } },
    order: {
      anthropic: [
        // first the one that is paid for
        "anthropic:default", // ann's
        "anthropic:key",
      ],
    },
  },
}
"#;
    let after = rename(text, "anthropic:default", "anthropic:ann").unwrap();
    assert!(after.contains("// first the one that is paid for"), "{after}");
    assert!(after.contains("\"anthropic:ann\", // ann's"), "{after}");
    assert!(after.contains("\"anthropic:ann\": {") && !after.contains("default"), "{after}");
    let both = text.replace("\"anthropic:key\"", "\"anthropic:ann\"");
    let after = rename(&both, "anthropic:default", "anthropic:ann").unwrap();
    let order = after.split("order").nth(1).unwrap();
    assert_eq!(order.matches("anthropic:ann").count(), 1, "{after}");
    assert!(after.contains("// first the one that is paid for"), "{after}");
}
