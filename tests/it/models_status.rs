//! `models status` as a program: exit codes, damage, secrets, width, and that reading changes nothing.

use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

struct Home(tempfile::TempDir);

struct Answer {
    code: i32,
    out: String,
    err: String,
}

#[expect(clippy::disallowed_methods, reason = "the program under test has only the machine's clock")]
fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

fn hours(n: i64) -> i64 {
    now() + n * 3_600_000
}

const STORE: &str = ".opensoul/agents/main/agent/auth-profiles.json";
const CONFIG: &str =
    r#"{agents:{defaults:{model:{primary:"anthropic/claude-opus-4-6",fallbacks:["anthropic/claude-haiku-4-5"]}}}}"#;

impl Home {
    fn new(store: &str) -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        home.write(".opensoul/opensoul.json", CONFIG);
        if !store.is_empty() {
            home.write(STORE, store);
        }
        home
    }

    fn profiles(profiles: &str, rest: &str) -> Self {
        Self::new(&format!(r#"{{"version":1,"profiles":{{{profiles}}}{rest}}}"#))
    }

    fn write(&self, place: &str, text: &str) {
        let path = self.0.path().join(place);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn run(&self, args: &[&str]) -> Answer {
        self.run_with(args, &[])
    }

    fn run_with(&self, args: &[&str], env: &[(&str, &str)]) -> Answer {
        let output = Command::new(env!("CARGO_BIN_EXE_opensoul"))
            .args(args)
            .env_clear()
            .env("HOME", self.0.path())
            .env("PATH", "/usr/bin:/bin")
            .envs(env.iter().copied())
            .current_dir(self.0.path())
            .output()
            .unwrap();
        Answer {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    fn check(&self) -> i32 {
        self.run(&["models", "status", "--check"]).code
    }
}

fn api_key(id: &str, key: &str) -> String {
    format!(r#""{id}":{{"type":"api_key","provider":"anthropic","key":"{key}"}}"#)
}

fn token(id: &str, provider: &str, expires: &str) -> String {
    format!(r#""{id}":{{"type":"token","provider":"{provider}","token":"tok-{id}","expires":{expires}}}"#)
}

#[test]
fn the_check_judges_what_is_in_use() {
    let later = hours(30).to_string();
    let soon = hours(1).to_string();
    let past = hours(-1).to_string();
    for (name, profiles, rest, want) in [
        ("a key", api_key("a", "k"), "", 0),
        ("an expired token beside a key", format!("{},{}", token("t", "anthropic", &past), api_key("a", "k")), "", 0),
        ("another provider's expired token", format!("{},{}", token("t", "other", &past), api_key("a", "k")), "", 0),
        ("expired", token("t", "anthropic", &past), "", 1),
        ("ends in an hour", token("t", "anthropic", &soon), "", 2),
        (
            "one ends in an hour, one does not",
            format!("{},{}", token("t", "anthropic", &soon), token("u", "anthropic", &later)),
            "",
            0,
        ),
        ("an empty key", api_key("a", ""), "", 1),
        (
            "disabled",
            api_key("a", "k"),
            &*format!(r#","usageStats":{{"a":{{"disabledUntil":{later},"disabledReason":"billing"}}}}"#),
            1,
        ),
        ("cooling down", api_key("a", "k"), &*format!(r#","usageStats":{{"a":{{"cooldownUntil":{later}}}}}"#), 0),
        ("an order that excludes it", api_key("a", "k"), r#","order":{"anthropic":["gone"]}"#, 1),
        ("a string for a date", token("t", "anthropic", "\"2099-01-01\""), "", 1),
        ("a damaged profile beside a good one", format!("\"x\":5,{}", api_key("a", "k")), "", 0),
        ("spelled with blanks", token("t", " Anthropic ", &past), "", 1),
    ] {
        assert_eq!(Home::profiles(&profiles, rest).check(), want, "{name}");
    }
    assert_eq!(Home::new("").check(), 1);
    let key = [("ANTHROPIC_API_KEY", "k")];
    assert_eq!(Home::new("").run_with(&["models", "status", "--check"], &key).code, 0);
}

#[test]
fn a_lost_store_is_not_an_empty_one() {
    for (store, code) in [("{\"profiles\":{\"a", 78), ("{\"anthropic\":{}}", 78), ("\u{feff}{\"profiles\":{}}", 78)] {
        let home = Home::new(store);
        let answer = home.run(&["models", "status", "--check"]);
        assert_eq!(answer.code, code, "{store}");
        assert!(!answer.out.contains("No credentials found"), "{}", answer.out);
        assert!(answer.out.contains("auth-profiles.json:1:"), "{}", answer.out);
        // With a key that works the rest is judged.
        assert_eq!(home.run_with(&["models", "status", "--check"], &[("ANTHROPIC_API_KEY", "k")]).code, 0);
        assert_eq!(home.run(&["models", "status", "--check", "--scope", "store"]).code, 1);
    }
    let home = Home::new("");
    std::fs::create_dir_all(home.0.path().join(STORE)).unwrap();
    assert_eq!(home.check(), 66);
    assert!(Home::new("").run(&["models", "status"]).out.contains("No credentials found"));
}

#[test]
fn errors_of_use_and_of_the_config() {
    let home = Home::profiles(&api_key("a", "k"), "");
    for args in [
        &["--json", "--plain"][..],
        &["--plain", "--probe"],
        &["--probe-timeout", "0"],
        &["--probe-concurrency=-1"],
        &["--nope"],
        &["extra"],
        &["--agent", "nobody"],
    ] {
        let answer = home.run(&[&["models", "status"], args].concat());
        assert_eq!(answer.code, 64, "{args:?}: {}", answer.err);
        assert!(answer.out.is_empty() && !answer.err.is_empty(), "{args:?}");
    }
    assert_eq!(home.run(&["models", "status", "--check", "--exit-codes", "nagios", "--agent", "no"]).code, 3);
    home.write(".opensoul/opensoul.json", "{agents:{defaults:{model:'x'}},\n auth:{order:{a:'b'}}, env:{K:'${NOPE}'}}");
    let answer = home.run(&["models", "status", "--json"]);
    assert_eq!(answer.code, 78);
    assert!(answer.out.is_empty());
    for said in ["agents.defaults.model", "auth.order.a", "NOPE", ":2:"] {
        assert!(answer.err.contains(said), "{said}: {}", answer.err);
    }
}

#[test]
fn nagios_codes() {
    for (expires, code) in [(hours(1), 1), (hours(-1), 2), (hours(1000), 0)] {
        let home = Home::profiles(&token("t", "anthropic", &expires.to_string()), "");
        assert_eq!(home.run(&["models", "status", "--check", "--exit-codes", "nagios"]).code, code);
    }
}

fn tree(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            out.extend(tree(&path));
        }
        out.push((path.display().to_string(), std::fs::read(&path).unwrap_or_default()));
    }
    out.sort();
    out
}

#[test]
fn no_secret_comes_out_and_nothing_changes() {
    let canary = "canary-5f2b9c71e0d84a36";
    let profiles = format!(
        r#""k":{{"type":"api_key","provider":"anthropic","key":"{canary}1"}},
           "t":{{"type":"token","provider":"openai","token":"{canary}2","expires":"{canary}3"}},
           "o":{{"type":"oauth","provider":"anthropic","access":"{canary}4","refresh":"{canary}5","expires":{}}},
           "bad":{{"type":"{canary}6","provider":"x","key":"{canary}7"}}, "odd":"{canary}8""#,
        hours(-1)
    );
    let home = Home::profiles(&profiles, "");
    home.write(".opensoul/.env", &format!("GROQ_API_KEY={canary}9\nMISTRAL_API_KEY='{canary}"));
    home.write(
        ".opensoul/opensoul.json",
        &format!(r#"{{models:{{providers:{{my:{{baseUrl:"http://x",apiKey:"{canary}a",models:[]}}}}}}}}"#),
    );
    let before = tree(home.0.path());
    let env = [("XAI_API_KEY", canary)];
    for args in
        [&[][..], &["--json"], &["--plain"], &["--check"], &["--json", "--probe"], &["--scope", "store", "--json"]]
    {
        let answer = home.run_with(&[&["models", "status"], args].concat(), &env);
        assert!(!answer.out.contains("canary") && !answer.err.contains("canary"), "{args:?}\n{}", answer.out);
        assert!(!answer.out.is_empty(), "{}", answer.err);
    }
    assert_eq!(tree(home.0.path()), before);
    home.write(".opensoul/opensoul.json", &format!("{{env:{{A:'{canary}"));
    let answer = home.run(&["models", "status"]);
    assert_eq!(answer.code, 78);
    assert!(!answer.err.contains("canary"), "{}", answer.err);
}

#[test]
fn pages_fit_and_the_soonest_comes_first() {
    let profiles = [
        token("anthropic:later", "anthropic", &hours(400).to_string()),
        token("anthropic:soon", "anthropic", &hours(2).to_string()),
        token("anthropic:gone", "anthropic", &hours(-50).to_string()),
        api_key("anthropic:key", ""),
    ];
    let home = Home::profiles(&profiles.join(","), "");
    for width in [40, 80] {
        let columns = width.to_string();
        let page = home.run_with(&["models", "status"], &[("COLUMNS", columns.as_str()), ("TZ", "Asia/Tokyo")]).out;
        for line in page.lines() {
            // A long word, and a command, are left whole so that they can be copied.
            let single = line.split_whitespace().count() <= 2 || line.trim_start().starts_with("run: ");
            assert!(line.chars().count() <= width || single, "{width}: {line}");
        }
        let at = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text}: {page}"));
        assert!(at("anthropic:gone") < at("anthropic:soon") && at("anthropic:soon") < at("anthropic:later"));
        assert!(page.contains("in 2h (2") && page.contains("2d ago"), "{page}");
    }
}

#[test]
fn additions_say_what_would_be_used_and_why() {
    let profiles = format!("{},{}", api_key("a", "k"), api_key("b", "l"));
    let home = Home::profiles(&profiles, r#","order":{"anthropic":["b","a"]}"#);
    let document: Value = serde_json::from_str(&home.run(&["models", "status", "--json"]).out).unwrap();
    let selection = &document["auth"]["providers"][0]["selection"];
    assert_eq!(selection["chosen"]["profileId"], "b");
    assert_eq!(selection["order"], serde_json::json!(["b", "a"]));
    assert_eq!(selection["orderFrom"], "the store's order");
    let profile = &document["auth"]["oauth"]["profiles"][0];
    assert_eq!((&profile["state"], profile["why"].as_array().map(Vec::is_empty)), (&"static".into(), Some(false)));
    // One row for each provider, however it is spelled.
    let spelled = format!(r#""x":{{"type":"api_key","provider":"Z.AI","key":"k"}},{}"#, token("y", "zai", "null"));
    let home = Home::profiles(&spelled, "");
    let document: Value = serde_json::from_str(&home.run(&["models", "status", "--json"]).out).unwrap();
    let rows = document["auth"]["providers"].as_array().unwrap();
    assert_eq!((rows.len(), &rows[0]["profiles"]["count"]), (1, &2.into()));
}

#[test]
fn an_alias_is_not_a_missing_provider() {
    let home = Home::profiles(&api_key("a", "k"), "");
    let config = r#"{agents:{defaults:{model:{primary:"fast"},models:{"anthropic/claude-haiku-4-5":{alias:"Fast"}}}}}"#;
    home.write(".opensoul/opensoul.json", config);
    let answer = home.run(&["models", "status", "--json", "--check"]);
    let document: Value = serde_json::from_str(&answer.out).unwrap();
    assert_eq!((answer.code, &document["auth"]["missingProvidersInUse"]), (0, &serde_json::json!([])));
    assert_eq!(document["resolvedDefault"], "anthropic/claude-haiku-4-5");
    assert_eq!(home.run(&["models", "status", "--check", "--scope", "store"]).code, 1);
}

#[test]
fn a_plugin_gets_one_line_and_unknown_for_whatever_goes_wrong() {
    let home = Home::profiles("", "");
    home.write(".config/opensoul/monitor.toml", "nonsense = 1\n");
    for line in [
        "models status --check --exit-codes nagios --bogus",
        "models status --exit-codes=nagios --probe-timeout x",
        "models status --check --exit-codes nagios --agent nobody",
        "--profile .. models status --exit-codes nagios",
        "status --format nagios --bogus",
        "status --format nagios",
        "statsu --format nagios",
    ] {
        let answer = home.run(&line.split(' ').collect::<Vec<_>>());
        assert_eq!(answer.code, 3, "{line}: {}", answer.err);
        assert!(
            answer.out.starts_with("OPENSOUL UNKNOWN - ") && answer.out.lines().count() == 1,
            "{line}: {}",
            answer.out
        );
    }
    let json = home.run(&["models", "status", "--json", "--check", "--exit-codes", "nagios", "--agent", "nobody"]);
    assert_eq!((json.code, json.out.as_str()), (3, ""), "standard output is a document or empty");
    assert_eq!(home.run(&["status", "--bogus"]).code, 64);
}

#[test]
fn a_model_without_a_provider_is_warned_of() {
    let home = Home::profiles("", "");
    home.write(
        ".opensoul/opensoul.json",
        r#"{agents:{defaults:{model:{primary:"claude-x",fallbacks:["claude-x","a/b"]}}}}"#,
    );
    let answer = home.run(&["models", "status", "--plain"]);
    assert_eq!(answer.out, "anthropic/claude-x\n");
    assert_eq!(answer.err.matches("\"anthropic/claude-x\"").count(), 2, "{}", answer.err);
    assert_eq!(answer.err.lines().count(), 1, "once, however often it is configured: {}", answer.err);
}

#[test]
fn doctor_repairs_nothing_where_nobody_can_be_asked() {
    for option in ["--fix", "--repair"] {
        let answer = Home::profiles("", "").run(&["doctor", option]);
        assert_eq!(answer.code, 64);
        assert!(answer.err.contains("nothing was changed") && answer.err.contains("--yes"), "{}", answer.err);
    }
}

#[test]
fn a_shared_key_that_cannot_be_had_is_said() {
    let home = Home::profiles(r#""openai:x":{"type":"api_key","provider":"openai","key":"k"}"#, "");
    home.write(".config/opensoul/monitor.toml", "[identity]\nkey = { env = \"NOPE\" }\n");
    let answer = home.run(&["status"]);
    assert!(answer.code == 0 && answer.out.contains("openai:x"), "{}", answer.err);
    assert!(answer.err.contains("[identity] key") && answer.err.contains("NOPE"), "{}", answer.err);
    let doctor = home.run(&["doctor", "--json", "--only", "own.config-invalid"]);
    assert!(doctor.code == 1 && doctor.out.contains("[identity] key"), "{}", doctor.out);
}

#[test]
fn a_link_to_no_configuration_is_said() {
    let home = Home::profiles("", "");
    std::fs::create_dir_all(home.0.path().join(".config/opensoul")).unwrap();
    std::os::unix::fs::symlink("/nowhere/x", home.0.path().join(".config/opensoul/monitor.toml")).unwrap();
    let answer = home.run(&["status"]);
    assert!(answer.code == 78 && answer.err.contains("monitor.toml"), "{} {}", answer.code, answer.err);
}
