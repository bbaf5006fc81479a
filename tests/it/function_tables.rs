//! Single rules of the original, recorded as tables: `../shared/corpus/functions/*.jsonl`. Where the tables are not there,
//! the tests say so and pass; `OPENSOUL_CORPUS` names another place.

use std::path::{Path, PathBuf};

use opensoul::chat::model::{self, Directive, extract};
use opensoul::domain::Secret;
use opensoul::engine::cooldown::{Backoff, Stats};
use opensoul::engine::oauth_id::{Login, successor};
use opensoul::engine::order::{Besides, Effective};
use opensoul::formats::auth_store::{self, ProfileType};
use opensoul::formats::config_edit;
use opensoul::formats::eligibility::View;
use opensoul::formats::gateway_config::{DeclaredProfile, GatewayConfig, ModelProvider};
use opensoul::formats::installation::{AgentStore, Layer, LayeredEnv};
use opensoul::formats::pasted;
use opensoul::formats::sessions::{self, Entry};
use opensoul::formats::{config_document, gateway_config, provider_id};
use opensoul::output::remaining::remaining;
use serde_json::Value;

const NOW: i64 = 1_795_000_000_000;

/// The lines of a table.
fn lines(name: &str) -> Vec<String> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    let corpus = std::env::var_os("OPENSOUL_CORPUS").map_or_else(beside, PathBuf::from);
    let path = corpus.join("functions").join(format!("{name}.jsonl"));
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            let lines: Vec<String> = text.lines().map(str::to_owned).collect();
            assert!(lines.len() > 4, "{name} has too few rows to be the table");
            lines
        }
        Err(_) => {
            println!("skipped: {} is not there (OPENSOUL_CORPUS names another place)", path.display());
            Vec::new()
        }
    }
}

/// The rows of a table, with `{{now…}}` filled in.
fn table(name: &str) -> Vec<Value> {
    lines(name).iter().map(|line| fill(serde_json::from_str(line).unwrap())).collect()
}

fn fill(value: Value) -> Value {
    match value {
        Value::String(text) => {
            let inner = text.strip_prefix("{{now").and_then(|t| t.strip_suffix("}}"));
            match inner.map(|t| t.trim_start_matches("_ms")) {
                Some("") => NOW.into(),
                Some(offset) => (NOW + offset.parse::<i64>().unwrap()).into(),
                None => Value::String(text),
            }
        }
        Value::Array(items) => items.into_iter().map(fill).collect(),
        Value::Object(entries) => Value::Object(entries.into_iter().map(|(k, v)| (k, fill(v))).collect()),
        other => other,
    }
}

fn store(value: &Value, order: &[&str]) -> AgentStore {
    // serde_json sorts keys; the order of the file is put back.
    let profiles: Vec<String> =
        order.iter().map(|id| format!("{}:{}", Value::from(*id), value["profiles"][*id])).collect();
    let mut rest = value.clone();
    rest["profiles"] = Value::Null;
    let text = rest.to_string().replacen("\"profiles\":null", &format!("\"profiles\":{{{}}}", profiles.join(",")), 1);
    let store = auth_store::parse(&text).unwrap_or_else(|broken| panic!("{broken:?}")).store;
    AgentStore { agent: "main".into(), store, ..AgentStore::default() }
}

/// Profile ids in the order in which a line names them.
fn ids(line: &str, value: &Value) -> Vec<String> {
    let profiles = line.split("\"profiles\":{").nth(1).unwrap_or_default();
    let mut ids: Vec<String> = value["profiles"].as_object().unwrap().keys().cloned().collect();
    ids.sort_by_key(|id| profiles.find(&format!("\"{id}\":{{")));
    ids
}

fn config(value: &Value) -> GatewayConfig {
    let mut config = GatewayConfig::default();
    for (id, entry) in value["auth"]["profiles"].as_object().into_iter().flatten() {
        config.auth_profiles.push(DeclaredProfile {
            id: id.clone(),
            provider: entry["provider"].as_str().unwrap().into(),
            mode: entry["mode"].as_str().unwrap().into(),
            email: None,
        });
    }
    for (provider, list) in value["auth"]["order"].as_object().into_iter().flatten() {
        let list = list.as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect();
        config.auth_order.push((provider.clone(), list));
    }
    for (id, entry) in value["models"]["providers"].as_object().into_iter().flatten() {
        config.providers.push(ModelProvider {
            id: id.clone(),
            base_url: None,
            api: None,
            api_key: entry["apiKey"].as_str().map(|key| Secret::new(key.to_owned())),
            auth: entry["auth"].as_str().map(str::to_owned),
        });
    }
    config
}

#[test]
fn auth_order() {
    for (row, line) in table("auth_order").iter().zip(lines("auth_order")) {
        let input = &row["input"];
        let ids = ids(&line, &input["store"]);
        let agent = store(&input["store"], &ids.iter().map(String::as_str).collect::<Vec<_>>());
        let config = config(&input["cfg"]);
        let view = View::of(&agent, None, &config, NOW as f64);
        let provider = provider_id::normalize(input["provider"].as_str().unwrap());
        let order = view.order_preferring(&provider, input["preferredProfile"].as_str());
        let got: Vec<&str> = order.iter().map(|n| view.profiles[*n].profile.id.as_str()).collect();
        let want: Vec<&str> = row["output"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
        assert_eq!(got, want, "{line}");
    }
}

#[test]
fn effective_credential() {
    for (row, line) in table("effective_credential").iter().zip(lines("effective_credential")) {
        let (input, want) = (&row["input"], &row["output"]);
        let ids = ids(&line, &input["store"]);
        let agent = store(&input["store"], &ids.iter().map(String::as_str).collect::<Vec<_>>());
        let config = config(&input["cfg"]);
        let mut env = LayeredEnv::default();
        for (name, value) in input["env"].as_object().unwrap() {
            env.set_absent(name, value.as_str().unwrap(), &Layer::Process);
        }
        let view = View::of(&agent, None, &config, NOW as f64);
        let provider = input["provider"].as_str().unwrap();
        let entry = config.provider(provider);
        let key = env.key(provider).filter(|_| provider != "amazon-bedrock");
        let besides = Besides {
            auth_mode: entry.and_then(|e| e.auth.as_deref()),
            environment: key.is_some(),
            models_json: entry.is_some_and(|e| e.api_key.is_some()),
            aws: env.aws(),
        };
        let (source, mode, secret) = match view.effective(provider, &config, besides, NOW as f64) {
            Effective::Aws(source) => (source.to_owned(), "aws-sdk", None),
            Effective::Profile(n) => {
                let profile = view.profiles[n].profile;
                let mode = match profile.kind {
                    ProfileType::ApiKey => "api-key",
                    ProfileType::Token => "token",
                    ProfileType::Oauth => "oauth",
                };
                assert_eq!(want["profileId"], profile.id.as_str(), "{line}");
                (format!("profile:{}", profile.id), mode, profile.secret.as_ref().map(|s| s.expose().to_owned()))
            }
            Effective::Environment => {
                let key = key.unwrap();
                let mode = if key.is_oauth() { "oauth" } else { "api-key" };
                (key.source(), mode, key.name.and_then(|name| env.get(name)).map(str::to_owned))
            }
            Effective::ModelsJson => ("models.json".to_owned(), "api-key", None),
            Effective::Nothing => {
                assert!(want["error"].is_string(), "{line}: found nothing");
                continue;
            }
        };
        assert!(want["error"].is_null(), "{line}: found {source}");
        assert_eq!((want["source"].as_str(), want["mode"].as_str()), (Some(source.as_str()), Some(mode)), "{line}");
        assert_eq!(want["apiKey"].as_str(), secret.as_deref(), "{line}");
    }
}

/// A config as the gateway's own file would be read.
fn whole_config(value: &Value) -> GatewayConfig {
    let mut none = |_: &Path| Err("no includes".to_owned());
    let document = config_document::read(Path::new("opensoul.json"), value.to_string(), &mut none);
    let document = document.unwrap_or_else(|problems| panic!("{problems:?}"));
    let (config, problems) = gateway_config::interpret(&document, false);
    assert!(problems.is_empty(), "{problems:?}");
    config
}

fn entry(value: &Value) -> Entry {
    value.as_object().unwrap().clone()
}

#[test]
fn extract_model_directive() {
    for row in table("extract_model_directive") {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let aliases: Vec<String> = row["input"]["aliases"].as_array().into_iter().flatten().filter_map(text).collect();
        let want = &row["output"];
        let want = Directive {
            cleaned: text(&want["cleaned"]).unwrap(),
            model: text(&want["rawModel"]),
            profile: text(&want["rawProfile"]),
            found: want["hasDirective"].as_bool().unwrap(),
        };
        assert_eq!(extract(row["input"]["body"].as_str().unwrap(), &aliases), want, "{row}");
    }
}

#[test]
fn session_override() {
    for (row, line) in table("session_override").iter().zip(lines("session_override")) {
        let input = &row["input"];
        let ids = ids(&line, &input["store"]);
        let agent = store(&input["store"], &ids.iter().map(String::as_str).collect::<Vec<_>>());
        let config = config(&input["cfg"]);
        let view = View::of(&agent, None, &config, NOW as f64);
        let mut entry = entry(&input["entry"]);
        let provider = input["provider"].as_str().unwrap();
        let is_new = input["isNewSession"].as_bool().unwrap();
        let taken = sessions::begin_turn(&mut entry, &view, provider, is_new, NOW);
        assert_eq!(taken.as_deref(), row["output"]["profile"].as_str(), "{line}");
        assert_eq!(Value::Object(entry), row["output"]["entry"], "{line}");
    }
}

#[test]
fn model_command() {
    for (row, line) in table("model_command").iter().zip(lines("model_command")) {
        let input = &row["input"];
        let ids = ids(&line, &input["store"]);
        let mut agent = store(&input["store"], &ids.iter().map(String::as_str).collect::<Vec<_>>());
        let home = Path::new("/home/me");
        agent.store_path = home.join(".opensoul/agents/main/agent/auth-profiles.json");
        let config = whole_config(&input["cfg"]);
        let view = View::of(&agent, None, &config, NOW as f64);
        let before = entry(&input["entry"]);
        let env = LayeredEnv::default();
        let scene =
            model::Scene { config: &config, agent: "main", view: &view, env: &env, entry: &before, home, now_ms: NOW };
        let directive = extract(input["body"].as_str().unwrap(), &model::reply::aliases(&config));
        let answer = model::answer(&scene, &directive);
        let want = row["output"]["text"].as_str().unwrap();
        // Ours says more; what the original says is in it, line by line.
        let mut said = answer.text.lines();
        for part in want.lines() {
            assert!(
                said.any(|line| line.starts_with(part)),
                "{line}\n{part:?} is not in its place in\n{}",
                answer.text
            );
        }
        let after = answer.entry.unwrap_or(before);
        assert_eq!(Value::Object(after), row["output"]["entry"], "{line}");
    }
}

#[test]
fn normalize_provider() {
    for row in table("normalize_provider") {
        assert_eq!(provider_id::normalize(row["input"]["p"].as_str().unwrap()), row["output"], "{row}");
    }
}

#[test]
fn normalize_agent() {
    for row in table("normalize_agent") {
        assert_eq!(provider_id::normalize_agent(row["input"]["a"].as_str().unwrap()), row["output"], "{row}");
    }
}

#[test]
fn format_remaining() {
    for row in table("format_remaining") {
        assert_eq!(remaining(row["input"]["ms"].as_f64()), row["output"], "{row}");
    }
}

fn stats(value: &Value) -> Stats {
    let count = |value: &Value| value.as_u64().map(|n| u32::try_from(n).unwrap());
    let failures = value["failureCounts"].as_object().into_iter().flatten();
    Stats {
        last_used: value["lastUsed"].as_f64(),
        cooldown_until: value["cooldownUntil"].as_f64(),
        disabled_until: value["disabledUntil"].as_f64(),
        disabled_reason: value["disabledReason"].as_str().map(str::to_owned),
        errors: count(&value["errorCount"]),
        failures: failures.map(|(reason, n)| (reason.clone(), count(n).unwrap())).collect(),
        last_failure: value["lastFailureAt"].as_f64(),
    }
}

#[test]
fn usage_update() {
    for (row, line) in table("usage_update").iter().zip(lines("usage_update")) {
        let (before, cooldowns) = (stats(&row["input"]["existing"]), &row["input"]["cfg"]["auth"]["cooldowns"]);
        let by_provider = cooldowns["billingBackoffHoursByProvider"].as_object().into_iter().flatten();
        let own = by_provider.filter(|(id, _)| provider_id::normalize(id) == "anthropic").find_map(|(_, n)| n.as_f64());
        let usual = Backoff::default();
        let backoff = Backoff {
            billing: own.or(cooldowns["billingBackoffHours"].as_f64()).unwrap_or(usual.billing),
            billing_max: cooldowns["billingMaxHours"].as_f64().unwrap_or(usual.billing_max),
            window: cooldowns["failureWindowHours"].as_f64().unwrap_or(usual.window),
        };
        let after = match row["input"]["reason"].as_str().unwrap() {
            "used" => before.after_use(NOW as f64),
            "clear" => before.after_clearing(),
            reason => before.after_failure(reason, backoff, NOW as f64),
        };
        assert_eq!(after, stats(&row["output"]), "{line}");
    }
}

#[test]
fn repair_oauth_id() {
    const LEGACY: &str = "anthropic:default";
    for (row, line) in table("repair_oauth_id").iter().zip(lines("repair_oauth_id")) {
        let (cfg, store) = (&row["input"]["cfg"], &row["input"]["store"]);
        let declared = &cfg["auth"]["profiles"][LEGACY];
        let ids = ids(&line, store);
        let stored = ids.iter().map(|id| (id.as_str(), &store["profiles"][id.as_str()]));
        let logins: Vec<Login<'_>> = stored
            .filter(|(_, one)| one["type"] == "oauth" && one["provider"] == declared["provider"])
            .map(|(id, one)| Login { id, email: one["email"].as_str() })
            .collect();
        let last_good = store["lastGood"]["anthropic"].as_str();
        let oauth = declared["mode"] == "oauth";
        let to = successor(LEGACY, declared["email"].as_str(), &logins, last_good).filter(|_| oauth);
        assert_eq!((to.is_some(), to), (row["output"]["migrated"] == true, row["output"]["to"].as_str()), "{line}");
        let text = cfg.to_string();
        let after = to.map_or_else(|| text.clone(), |to| config_edit::rename(&text, LEGACY, to).unwrap());
        assert_eq!(serde_json::from_str::<Value>(&after).unwrap(), row["output"]["config"], "{line}");
    }
}

#[test]
fn parse_duration_default_days() {
    for row in table("parse_duration_default_days") {
        let want = &row["output"];
        match pasted::life(row["input"]["d"].as_str().unwrap()) {
            // The reader of the table is wrong in the last bit of large numbers.
            Ok(life) => assert!(want.as_f64().is_some_and(|want| (life - want).abs() <= want * f64::EPSILON), "{row}"),
            Err(why) => assert_eq!(Some(why.as_str()), want["error"].as_str(), "{row}"),
        }
    }
}

#[test]
fn validate_setup_token() {
    for row in table("validate_setup_token") {
        assert_eq!(pasted::setup_token_problem(row["input"]["t"].as_str().unwrap()), row["output"].as_str(), "{row}");
    }
}
