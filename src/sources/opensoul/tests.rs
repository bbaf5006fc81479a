use std::collections::BTreeMap;
use std::path::Path;

use super::super::testing::{Home, database, every_database, now};
use super::*;
use crate::domain::{Condition, Renewal, Selection};
use crate::engine::check::{STORE_UNPARSABLE, STORE_UNREADABLE};
use crate::formats::installation::Family;

const STORE: &str = ".opensoul/agents/main/agent/auth-profiles.json";

fn ms(hours: i64) -> i64 {
    now().timestamp_millis() + hours * 3_600_000
}

fn profiles(home: &Home) -> BTreeMap<String, Found> {
    home.read(&OpenSoul).found.into_iter().map(|f| (f.credential.id.0.clone(), f)).collect()
}

fn one(json: &str) -> crate::domain::Credential {
    let home = Home::new();
    home.write(STORE, format!(r#"{{"profiles":{{"p:x":{json}}}}}"#));
    let mut found = home.read(&OpenSoul).found;
    assert_eq!(found.len(), 1, "{json}");
    *found.remove(0).credential
}

/// Every file below a directory with its content, to show that reading changes nothing.
fn tree(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut out = BTreeMap::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                out.insert(path.clone(), Vec::new());
                open.push(path);
            } else {
                out.insert(path.clone(), std::fs::read(&path).unwrap_or_default());
            }
        }
    }
    out
}

#[test]
fn every_agent_of_every_family() {
    let home = Home::new();
    let store =
        |id: &str| format!(r#"{{"profiles":{{"{id}":{{"type":"api_key","provider":"anthropic","key":"k"}}}}}}"#);
    home.write(STORE, store("a:1"));
    home.write(".opensoul/agents/office/agent/auth-profiles.json", store("a:2"));
    home.write(".opensoul/opensoul.json", r#"{agents:{list:[{id:"far",agentDir:"~/elsewhere"}],defaults:{model:{primary:"anthropic/x",fallbacks:["Z.AI/y"]}}}}"#);
    home.write("elsewhere/auth-profiles.json", store("a:3"));
    home.write(".openclaw/agents/main/agent/auth-profiles.json", store("a:4"));
    home.write(".moltbot/agents/main/agent/auth-profiles.json", store("a:5"));
    let harvest = home.read(&OpenSoul);
    let ids: Vec<&str> = harvest.found.iter().map(|f| f.credential.id.as_str()).collect();
    assert_eq!(
        ids,
        ["opensoul:main/a:1", "opensoul:far/a:3", "opensoul:office/a:2", "openclaw:main/a:4", "moltbot:main/a:5"]
    );
    assert!(harvest.demand.models_configured);
    assert_eq!(harvest.demand.providers.iter().map(String::as_str).collect::<Vec<_>>(), ["anthropic", "zai"]);
    assert_eq!(harvest.installations.iter().filter(|i| i.chosen).count(), 1);
    assert!(harvest.reports.iter().all(|r| r.up && !r.looked.is_empty()));
    assert_eq!(harvest.findings, []);
}

#[test]
fn conditions_and_dates() {
    for (json, condition, renewal, access, grant) in [
        (r#"{"type":"api_key","provider":"p","key":"k"}"#.to_owned(), "present", Renewal::None, false, false),
        (r#"{"type":"api_key","provider":"p","key":"  "}"#.into(), "absent", Renewal::None, false, false),
        (r#"{"type":"api_key","provider":"p"}"#.into(), "absent", Renewal::None, false, false),
        (r#"{"type":"token","provider":"p","token":"t"}"#.into(), "present", Renewal::Manual, false, false),
        (format!(r#"{{"type":"token","provider":"p","token":"t","expires":{}}}"#, ms(1)), "present", Renewal::Manual, false, true),
        (format!(r#"{{"type":"token","provider":"p","token":"t","expires":{}}}"#, ms(1) / 1000), "present", Renewal::Manual, false, true),
        (r#"{"type":"token","provider":"p","token":"t","expires":0}"#.into(), "present", Renewal::Manual, false, false),
        (r#"{"type":"token","provider":"p","token":"t","expires":1.5}"#.into(), "damaged", Renewal::Manual, false, false),
        (r#"{"type":"token","provider":"p","token":"t","expires":1e300}"#.into(), "damaged", Renewal::Manual, false, false),
        (r#"{"type":"token","provider":"p","token":"t","expires":"2027-01-01"}"#.into(), "damaged", Renewal::Manual, false, false),
        (r#"{"type":"token","provider":"p"}"#.into(), "damaged", Renewal::Manual, false, false),
        (r#"{"type":"api_key","provider":"p","key":7}"#.into(), "damaged", Renewal::None, false, false),
        (format!(r#"{{"type":"oauth","provider":"anthropic","access":"a","refresh":"r","expires":{}}}"#, ms(1)), "present", Renewal::Auto, true, false),
        (format!(r#"{{"type":"oauth","provider":"own","access":"a","refresh":"r","expires":{}}}"#, ms(1)), "present", Renewal::Manual, true, false),
        (r#"{"type":"oauth","provider":"anthropic","access":"a","refresh":"r"}"#.into(), "present", Renewal::Auto, false, false),
        (r#"{"type":"oauth","provider":"anthropic","access":"a"}"#.into(), "damaged", Renewal::Manual, false, false),
        (r#"{"type":"oauth","provider":"anthropic","access":"","refresh":"","expires":0}"#.into(), "blanked", Renewal::Manual, false, false),
        (r#"{"type":"oauth","provider":"anthropic","access":"openclaw-oauth-refresh-fence:v1:x:failed:y","refresh":"openclaw-oauth-refresh-fence:v1:x:failed:y","expires":1}"#.into(), "absent", Renewal::Auto, false, false),
        (r#"{"type":"apikey","provider":"p","key":"k"}"#.into(), "damaged", Renewal::None, false, false),
    ] {
        let credential = one(&json);
        let word = match credential.condition {
            Condition::Present => "present",
            Condition::Blanked => "blanked",
            Condition::Absent(_) => "absent",
            Condition::Unresolved(_) => "unresolved",
            Condition::Unreadable(_) => "unreadable",
            Condition::Damaged(_) => "damaged",
            Condition::Retired(_) => "retired",
        };
        let clocks = &credential.clocks;
        let got = (word, credential.renewal, clocks.access_expires.is_some(), clocks.grant_expires.is_some());
        assert_eq!(got, (condition, renewal, access, grant), "{json}");
        assert!(!credential.fix.is_empty());
    }
}

#[test]
fn whatever_is_in_the_way_is_said_with_its_place() {
    for (content, id, place) in [
        (Some(&b"{\"profiles\": {\n  \"a\""[..]), STORE_UNPARSABLE, "~/S:2:5"),
        (Some(b"\xef\xbb\xbf{\"profiles\":{}}"), STORE_UNPARSABLE, "~/S:1:1"),
        (Some(b"[]"), STORE_UNPARSABLE, "~/S:1:1"),
        (Some(b""), STORE_UNPARSABLE, "~/S:1:1"),
        (Some(b"\x7fELF\xff\xfe"), STORE_UNPARSABLE, "~/S:1:5"),
        (None, STORE_UNREADABLE, "~/S"),
        (
            Some(b"{\"profiles\":{\"a:b\":\n {\"type\":\"nope\",\"provider\":\"a\"}}}"),
            "store.damaged-profile",
            "~/S:2:10 profiles.a:b.type",
        ),
    ] {
        let home = Home::new();
        match content {
            Some(content) => home.write(STORE, content),
            None => std::fs::create_dir_all(home.path(STORE)).unwrap(),
        }
        let harvest = home.read(&OpenSoul);
        assert_eq!(harvest.findings.len(), 1, "{content:?}: {:?}", harvest.findings);
        let finding = &harvest.findings[0];
        let got = home.relative(&finding.place.to_string()).replace(STORE, "S");
        assert_eq!((finding.id.as_str(), got.as_str()), (id, place), "{content:?}");
        assert_eq!(harvest.reports[0].up, id == "store.damaged-profile");
    }
}

#[test]
fn a_huge_store_is_refused_quickly() {
    let home = Home::new();
    home.write(STORE, "");
    std::fs::File::options().write(true).open(home.path(STORE)).unwrap().set_len(100 << 20).unwrap();
    let harvest = home.read(&OpenSoul);
    assert_eq!(harvest.findings[0].id, STORE_UNREADABLE);
    assert!(harvest.findings[0].message.contains("16 MiB"), "{}", harvest.findings[0].message);
}

#[test]
fn imports_are_shown_and_nothing_is_touched() {
    let home = Home::new();
    home.write(".opensoul/agents/main/agent/auth.json", r#"{"anthropic":{"type":"api_key","key":"k"}}"#);
    home.write(
        ".opensoul/credentials/oauth.json",
        format!(r#"{{"openai-codex":{{"access":"a","refresh":"r","expires":{}}}}}"#, ms(9)),
    );
    home.write(
        ".qwen/oauth_creds.json",
        format!(r#"{{"access_token":"a","refresh_token":"r","expiry_date":{}}}"#, ms(5)),
    );
    home.write(".opensoul/agents/office/agent/.keep", "");
    let before = tree(&home.path("."));
    let found = profiles(&home);
    assert_eq!(tree(&home.path(".")), before);
    let ids: Vec<&str> = found.keys().map(String::as_str).collect();
    let expected =
        ["opensoul:main/anthropic:default", "opensoul:main/openai-codex:default", "opensoul:main/qwen-portal:qwen-cli"];
    assert_eq!(ids, expected);
    let path = |id: &str| home.relative(&found[id].credential.origin.path.as_ref().unwrap().display().to_string());
    assert_eq!(path(ids[0]), "~/.opensoul/agents/main/agent/auth.json");
    assert_eq!(path(ids[2]), "~/.qwen/oauth_creds.json");
}

fn shared_store(home: &Home, wal: bool) -> rusqlite::Connection {
    let dir = home.path(".openclaw/state");
    std::fs::create_dir_all(&dir).unwrap();
    let db = rusqlite::Connection::open(dir.join("openclaw.sqlite")).unwrap();
    if wal {
        db.execute_batch("PRAGMA journal_mode=WAL").unwrap();
    }
    db.execute_batch(
        "CREATE TABLE config_machine_state(state_key TEXT PRIMARY KEY, value_json TEXT, updated_at_ms INT) STRICT;",
    )
    .unwrap();
    let rows = [
        (
            "authProfiles.store",
            r#"{"version":1,"profiles":{
            "a:env":{"type":"api_key","provider":"a","keyRef":{"source":"env","provider":"default","id":"MY_KEY"}},
            "a:none":{"type":"api_key","provider":"a","keyRef":{"source":"env","provider":"default","id":"NOPE"}},
            "a:file":{"type":"token","provider":"a","tokenRef":{"source":"file","provider":"vault","id":"/x/y"}},
            "a:exec":{"type":"api_key","provider":"a","keyRef":{"source":"exec","provider":"op","id":"z"}},
            "a:zero":{"type":"token","provider":"a","token":"t","expires":0}}}"#,
        ),
        ("authProfiles.state", r#"{"version":1,"order":{"a":["a:file","a:env"]}}"#),
    ];
    for (key, value) in rows {
        db.execute("INSERT INTO config_machine_state VALUES (?1, ?2, 0)", [key, value]).unwrap();
    }
    db
}

#[test]
fn databases_are_read_without_a_trace() {
    for wal in [false, true] {
        let mut home = Home::new();
        home.env.set("MY_KEY", "k");
        home.write("vault.json", r#"{"x":{"y":"secret"}}"#);
        home.write(".openclaw/openclaw.json", r#"{secrets:{providers:{vault:{source:"file",path:"~/vault.json"}}}}"#);
        drop(shared_store(&home, wal));
        let agent = home.path(".openclaw/agents/office/agent");
        std::fs::create_dir_all(&agent).unwrap();
        let db = rusqlite::Connection::open(agent.join("openclaw-agent.sqlite")).unwrap();
        db.execute_batch(
            r#"CREATE TABLE auth_profile_store(store_key TEXT PRIMARY KEY, store_json TEXT, updated_at INTEGER);
               CREATE TABLE auth_profile_state(state_key TEXT PRIMARY KEY, state_json TEXT, updated_at INTEGER);
               INSERT INTO auth_profile_store VALUES ('main', '{"profiles":{"b:x":{"type":"api_key","provider":"b","key":"k"}}}', 1);"#,
        )
        .unwrap();
        drop(db);
        let before = tree(&home.path("."));
        let found = profiles(&home);
        assert_eq!(tree(&home.path(".")), before, "wal {wal}");
        let ids: Vec<&str> = found.keys().map(String::as_str).collect();
        let expected = ["a:env", "a:exec", "a:file", "a:none", "a:zero"].map(|id| format!("openclaw:main/{id}"));
        assert_eq!(ids[..5], expected);
        assert_eq!(ids[5], "openclaw:office/b:x");
        let of = |id: &str| &found[&format!("openclaw:main/a:{id}")];
        assert_eq!(of("env").secret.as_ref().unwrap().expose(), "k");
        assert_eq!(of("file").secret.as_ref().unwrap().expose(), "secret");
        assert_eq!(of("file").credential.selection, Selection::Eligible(0));
        assert!(matches!(&of("none").credential.condition, Condition::Unresolved(why) if why.contains("NOPE")));
        assert!(matches!(&of("exec").credential.condition, Condition::Unresolved(why) if why.contains("never run")));
        assert!(matches!(of("zero").credential.condition, Condition::Damaged(_)));
    }
}

#[test]
fn a_database_in_use_is_read_with_its_newest_changes() {
    let mut home = Home::new();
    home.env.set("MY_KEY", "k");
    let open = shared_store(&home, true);
    assert!(home.path(".openclaw/state/openclaw.sqlite-wal").exists());
    assert_eq!(profiles(&home).len(), 5);
    drop(open);
}

#[test]
fn in_whatever_state_a_database_is() {
    let store = r#"{"version":1,"profiles":{"a:x":{"type":"token","provider":"a","token":"t"}}}"#;
    let shared = "CREATE TABLE config_machine_state(state_key TEXT PRIMARY KEY, value_json TEXT)";
    let rows = [("authProfiles.store", store)];
    every_database(&OpenSoul, ".openclaw/state/openclaw.sqlite", |home, place, wal| {
        database(home, place, wal, shared, ("config_machine_state", &rows))
    });
    let own =
        "CREATE TABLE auth_profile_store(store_key TEXT PRIMARY KEY, store_json TEXT, updated_at INTEGER DEFAULT 1);
               CREATE TABLE auth_profile_state(state_key TEXT PRIMARY KEY, state_json TEXT, updated_at INTEGER);";
    let rows = [("main", store)];
    every_database(&OpenSoul, ".openclaw/agents/main/agent/openclaw-agent.sqlite", |home, place, wal| {
        database(home, place, wal, own, ("auth_profile_store(store_key, store_json)", &rows))
    });
}

#[test]
fn a_database_whose_log_was_left_alone_is_not_empty() {
    let home = Home::new();
    let open = shared_store(&home, true);
    let other = Home::new();
    for suffix in ["", "-wal"] {
        let name = format!(".openclaw/state/openclaw.sqlite{suffix}");
        other.write(&name, std::fs::read(home.path(&name)).unwrap());
    }
    drop(open);
    let harvest = other.read(&OpenSoul);
    let [finding] = harvest.findings.as_slice() else { panic!("{:?}", harvest.findings) };
    assert_eq!((finding.id.as_str(), finding.severity), (STORE_UNREADABLE, Severity::Critical));
    assert!(finding.message.contains("-wal") && !harvest.reports[0].up);
}

#[test]
fn a_file_in_place_of_the_state_directory_is_said() {
    let mut home = Home::new();
    home.write("file", "x");
    home.env.set("OPENSOUL_STATE_DIR", "~/file");
    let harvest = home.read(&OpenSoul);
    assert_eq!(harvest.findings[0].message, "the gateway's state directory is a file");
    assert!(!harvest.reports[0].up);
}

#[test]
fn files_of_the_json_era_beside_a_database_are_said_once_and_safely() {
    let home = Home::new();
    drop(shared_store(&home, false));
    for name in ["auth-profiles.json", "auth-state.json"] {
        home.write(&format!(".openclaw/agents/main/agent/{name}"), r#"{"profiles":{}}"#);
    }
    home.write(".openclaw/agents/office/agent/auth.json", "{}");
    let harvest = home.read(&OpenSoul);
    let said: Vec<_> = harvest.findings.iter().filter(|f| f.id == "store.legacy-json").collect();
    let names: Vec<_> = said.iter().map(|f| f.place.path.as_ref().unwrap().file_name().unwrap()).collect();
    assert_eq!(names, ["auth-profiles.json", "auth-state.json", "auth.json"]);
    for finding in said {
        assert_eq!(finding.severity, Severity::Critical);
        assert!(finding.fix.contains("online") && finding.fix.contains("cp -p "), "{}", finding.fix);
    }
    home.write(".opensoul/agents/main/agent/auth-state.json", "{}");
    let here = |f: &&Finding| f.place.path.as_ref().is_some_and(|path| path.starts_with(home.path(".opensoul")));
    assert_eq!(home.read(&OpenSoul).findings.iter().find(here), None, "a JSON store has such files");
}

#[test]
fn a_legacy_file_of_the_wrong_shape_is_said() {
    let home = Home::new();
    home.write(".opensoul/credentials/oauth.json", "\n[{\"access\":\"a\"}]");
    let harvest = home.read(&OpenSoul);
    assert!(harvest.found.is_empty());
    let [finding] = harvest.findings.as_slice() else { panic!("{:?}", harvest.findings) };
    assert_eq!(finding.id, "store.damaged-side-file");
    assert!(finding.place.to_string().ends_with(".opensoul/credentials/oauth.json:1:1"), "{}", finding.place);
    home.write(".opensoul/credentials/oauth.json", r#"{"anthropic":"a"}"#);
    let finding = home.read(&OpenSoul).findings.remove(0);
    assert!(finding.place.to_string().ends_with("oauth.json:1:14 anthropic"), "{}", finding.place);
}

#[test]
fn damage_of_the_split_off_state_is_placed_there() {
    let home = Home::new();
    home.write(STORE, r#"{"profiles":{}}"#);
    home.write(".opensoul/agents/main/agent/auth-state.json", r#"{"order":{"openai":5}}"#);
    let finding = home.read(&OpenSoul).findings.remove(0);
    assert!(finding.place.to_string().contains("auth-state.json:1:20"), "{}", finding.place);
}

#[test]
fn a_file_that_is_no_database_is_said() {
    let place = ".openclaw/state/openclaw.sqlite";
    let said = |home: &Home| {
        let harvest = home.read(&OpenSoul);
        assert!(harvest.found.is_empty());
        harvest.findings.into_iter().next().map(|f| (f.id, f.message)).unwrap()
    };
    for (content, what) in [
        (
            "not a database at all, but long enough to look like one, if a file has the size of a header, which is a hundred",
            "damaged",
        ),
        ("", "empty"),
    ] {
        let home = Home::new();
        home.write(place, content);
        let (id, message) = said(&home);
        assert!(id == STORE_UNPARSABLE && message.contains(what), "{id} {message}");
    }
    let home = Home::new();
    std::fs::create_dir_all(home.path(".openclaw/state")).unwrap();
    std::os::unix::fs::symlink(home.path(place), home.path(place)).unwrap();
    assert_eq!(
        said(&home),
        (STORE_UNREADABLE.to_owned(), "the credential store is a loop of symbolic links".to_owned())
    );
}

#[test]
fn an_odd_expiry_has_a_place() {
    for value in ["\"1790000000000\"", "1790000000", "0", "-5", "true", "1e300"] {
        let home = Home::new();
        let store = format!(
            "{{\"profiles\":{{\n\"p:x\":{{\"type\":\"token\",\"provider\":\"p\",\"token\":\"t\",\n\"expires\":{value}}}}}}}"
        );
        home.write(STORE, store);
        let harvest = home.read(&OpenSoul);
        let [finding] = harvest.findings.as_slice() else { panic!("{value}: {:?}", harvest.findings) };
        assert!(
            finding.place.to_string().ends_with("auth-profiles.json:3:11 profiles.p:x.expires"),
            "{}",
            finding.place
        );
        assert_eq!(harvest.found.len(), 1, "{value}");
    }
}

#[test]
fn a_config_that_is_no_text_is_invalid_and_not_unreadable() {
    let home = Home::new();
    home.write(".opensoul/opensoul.json", b"{\n\xff}");
    let finding = home.read(&OpenSoul).findings.remove(0);
    assert_eq!(finding.id, "config.invalid");
    assert!(finding.place.to_string().ends_with(":2:1"), "{}", finding.place);
}

#[test]
fn a_damaged_login_that_the_gateway_mirrors_is_said() {
    let home = Home::new();
    home.write(".minimax/oauth_creds.json", "{\"access_token\":");
    // Qwen Code's own source says that.
    home.write(".qwen/oauth_creds.json", "{\"access_token\":");
    let findings = home.read(&OpenSoul).findings;
    let [finding] = findings.as_slice() else { panic!("{findings:?}") };
    assert_eq!(finding.id, "store.damaged-side-file");
    assert!(finding.place.to_string().contains(".minimax/oauth_creds.json:1:"), "{}", finding.place);
}

#[test]
fn the_layers_of_the_environment() {
    let mut home = Home::new();
    home.write("office/.env", "GROQ_API_KEY=cwd\nOPENSOUL_STATE_DIR=/evil\nSHELL=/evil\nXAI_API_KEY=cwd\n");
    home.write(
        ".opensoul/.env",
        "GROQ_API_KEY=state\nMISTRAL_API_KEY=state\nOPENAI_API_KEY=state\nGEMINI_API_KEY=state\n",
    );
    home.write(
        ".opensoul/opensoul.json",
        r#"{env:{vars:{OPENAI_API_KEY:"config",CEREBRAS_API_KEY:"config",GEMINI_API_KEY:"config"}}}"#,
    );
    home.env.set("OPENAI_API_KEY", "");
    home.env.set("XAI_API_KEY", "process");
    home.cwd = Some(home.path("office"));
    let harvest = home.read(&OpenSoul);
    let env = &harvest.installations[0].env;
    for (name, value) in [
        ("XAI_API_KEY", Some("process")),
        ("GROQ_API_KEY", Some("cwd")),
        ("MISTRAL_API_KEY", Some("state")),
        ("GEMINI_API_KEY", Some("state")),
        ("OPENAI_API_KEY", Some("config")),
        ("CEREBRAS_API_KEY", Some("config")),
        ("SHELL", None),
        ("OPENSOUL_STATE_DIR", None),
    ] {
        assert_eq!(env.get(name), value, "{name}");
    }
    let ids: Vec<&str> = harvest.found.iter().map(|f| f.credential.id.as_str()).collect();
    assert_eq!(ids, ["opensoul:config#env.CEREBRAS_API_KEY", "opensoul:config#env.OPENAI_API_KEY"]);
}

fn with_shell(script: &str, interactive: bool, timeout: u32) -> Harvest {
    let mut home = Home::new();
    home.program("shell", script);
    home.env.set("SHELL", home.path("shell").to_str().unwrap());
    home.write(".opensoul/opensoul.json", format!("{{env:{{shellEnv:{{enabled:true,timeoutMs:{timeout}}}}}}}"));
    home.cwd = interactive.then(|| home.path("."));
    home.read(&OpenSoul)
}

#[test]
fn the_login_shell_is_asked_only_when_it_may_be() {
    let script = r"printf 'GROQ_API_KEY=no\0ANTHROPIC_API_KEY=yes\0ZAI_API_KEY= \0'";
    let env = |harvest: &Harvest| harvest.installations[0].env.clone();
    let asked = env(&with_shell(script, true, 60_000));
    assert_eq!((asked.get("ANTHROPIC_API_KEY"), asked.get("GROQ_API_KEY")), (Some("yes"), None));
    assert_eq!(asked.from_login_shell, ["ANTHROPIC_API_KEY"]);
    assert_eq!(asked.key("anthropic").map(|k| k.source()).as_deref(), Some("shell env: ANTHROPIC_API_KEY"));
    assert_eq!(env(&with_shell(script, false, 60_000)).get("ANTHROPIC_API_KEY"), None, "never in the monitor");
    let failed = env(&with_shell("exit 3", true, 60_000));
    assert!(failed.problems[0].message.contains("failed"));
    let hung = env(&with_shell("sleep 600 & sleep 600", true, 1_500));
    assert!(hung.problems[0].message.contains("did not answer within 1500 ms"), "{:?}", hung.problems);
}

#[test]
fn two_agents_in_one_directory_are_refused() {
    let home = Home::new();
    home.write(".opensoul/opensoul.json", r#"{agents:{list:[{id:"a",agentDir:"~/same"},{id:"b",agentDir:"~/same"}]}}"#);
    let harvest = home.read(&OpenSoul);
    assert!(harvest.findings.iter().any(|f| f.id == "config.invalid" && f.message.contains("agent b shares")));
}

#[test]
fn the_directory_of_a_variable_is_not_called_main() {
    let mut home = Home::new();
    let store = |id: &str| format!(r#"{{"profiles":{{"a:{id}":{{"type":"token","provider":"a","token":"t"}}}}}}"#);
    home.write(STORE, store("main"));
    home.write(".opensoul/agents/office/agent/auth-profiles.json", store("office"));
    home.write("far/auth-profiles.json", store("far"));
    let ids = |home: &Home| -> Vec<String> { profiles(home).into_keys().collect() };
    home.env.set("OPENSOUL_AGENT_DIR", "~/far");
    assert_eq!(ids(&home), ["opensoul:$AGENT_DIR/a:far", "opensoul:main/a:main", "opensoul:office/a:office"]);
    let far = &profiles(&home)["opensoul:$AGENT_DIR/a:far"];
    assert!(!far.credential.fix.contains("--agent"), "{}", far.credential.fix);
    home.env.set("OPENSOUL_AGENT_DIR", "~/.opensoul/agents/office/agent");
    assert_eq!(ids(&home), ["opensoul:main/a:main", "opensoul:office/a:office"], "it has a name already");
}

#[test]
fn the_family_of_the_programs_name_is_preferred() {
    let mut home = Home::new();
    let chosen = |home: &Home, family| {
        let first = locate::homes(&home.env, family).remove(0);
        (first.family, home.relative(&first.config_path.display().to_string()))
    };
    home.write(".opensoul/opensoul.json", "{}");
    home.write(".clawdbot/x", "");
    assert_eq!(chosen(&home, Some(Family::OpenClaw)).0, Family::OpenSoul, "it is not there");
    let clawdbot = (Family::Clawdbot, "~/.clawdbot/opensoul.json".to_owned());
    assert_eq!(chosen(&home, Some(Family::Clawdbot)), clawdbot, "and not with another family's config");
    assert_eq!(chosen(&home, None).0, Family::OpenSoul);
    home.env.set("OPENSOUL_STATE_DIR", "~/.opensoul");
    assert_eq!(chosen(&home, Some(Family::Clawdbot)).0, Family::OpenSoul, "a variable says more");
}

#[test]
fn one_directory_reached_twice_is_one() {
    let mut home = Home::new();
    home.write(STORE, r#"{"profiles":{}}"#);
    std::os::unix::fs::symlink(home.path(".opensoul"), home.path(".openclaw")).unwrap();
    assert_eq!(home.read(&OpenSoul).installations.len(), 1);
    home.env.set("OPENSOUL_STATE_DIR", " ~/other ");
    let harvest = home.read(&OpenSoul);
    let dirs: Vec<String> =
        harvest.installations.iter().map(|i| home.relative(&i.state_dir.display().to_string())).collect();
    assert_eq!(dirs, ["~/other", "~/.openclaw"]);
}

#[test]
fn a_mirror_without_a_gateway_is_used_by_nobody() {
    let home = Home::new();
    let login = format!(r#"{{"access_token":"a","refresh_token":"r","expiry_date":{}}}"#, ms(5));
    home.write(".qwen/oauth_creds.json", login);
    let in_use = |home: &Home| profiles(home)["opensoul:main/qwen-portal:qwen-cli"].credential.declared_in_use;
    assert_eq!(in_use(&home), Some(false));
    home.write(".opensoul/opensoul.json", "{}");
    assert_eq!(in_use(&home), None);
}

#[test]
fn everything_that_is_read_is_watched() {
    let home = Home::new();
    home.write(
        ".openclaw/openclaw.json",
        r#"{"$include": "./more.json5", "secrets": {"providers": {"f": {"source": "file", "path": "~/token"}}}}"#,
    );
    home.write(".openclaw/more.json5", "{}");
    home.write(".openclaw/agents/office/agent/auth-profiles.json", r#"{"version":1,"profiles":{}}"#);
    let looked = &home.read(&OpenSoul).reports[0].looked;
    for place in [
        "more.json5",
        "agents",
        "agents/main/agent/auth-profiles.json",
        "agents/main/agent/auth-state.json",
        "agents/office/agent/auth-state.json",
        "credentials/oauth.json",
    ] {
        assert!(looked.contains(&home.path(".openclaw").join(place)), "{place}: {looked:?}");
    }
    assert!(looked.contains(&home.path("token")), "{looked:?}");
}

#[test]
fn what_stands_in_the_place_of_a_directory_is_said() {
    let home = Home::new();
    home.write(".opensoul/agents", "");
    let harvest = home.read(&OpenSoul);
    assert!(harvest.findings.iter().any(|f| f.message.contains("a file is where")), "{:?}", harvest.findings);
    assert!(!harvest.reports[0].up);
    let home = Home::new();
    std::os::unix::fs::symlink(home.path("nowhere"), home.path(".opensoul")).unwrap();
    let harvest = home.read(&OpenSoul);
    assert!(harvest.findings.iter().any(|f| f.message.ends_with("a link to nothing")), "{:?}", harvest.findings);
    assert!(!harvest.reports[0].up);
}
