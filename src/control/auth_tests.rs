use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::clock::SystemClock;
use crate::domain::Secret;
use crate::formats::auth_store::ProfileType;
use crate::formats::installation::{Family, LayeredEnv};

struct Bench {
    dir: tempfile::TempDir,
    installation: Installation,
    clock: SystemClock,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let state_dir = dir.path().join(".opensoul");
        let agent_dir = state_dir.join("agents/main/agent");
        let agent = AgentStore {
            agent: "main".to_owned(),
            store_path: agent_dir.join("auth-profiles.json"),
            agent_dir,
            ..AgentStore::default()
        };
        let installation = Installation {
            family: Family::OpenSoul,
            config_path: state_dir.join("opensoul.json"),
            state_dir,
            chosen: true,
            config: None,
            config_problems: Vec::new(),
            beside: Vec::new(),
            agents: vec![agent],
            env: LayeredEnv::default(),
            sqlite: false,
        };
        Self { dir, installation, clock: SystemClock::new() }
    }

    fn writer(&self) -> Writer<'_> {
        let keeper = Keeper { clock: &self.clock, patience: Duration::from_millis(50), waiting: &|_| {} };
        Writer { installation: &self.installation, agent: &self.installation.agents[0], keeper }
    }

    fn store(&self) -> &Path {
        &self.installation.agents[0].store_path
    }

    fn read(&self, path: &Path) -> Value {
        serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
    }

    fn write(&self, path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

fn token(id: &str) -> NewProfile {
    NewProfile {
        id: id.to_owned(),
        provider: "anthropic".to_owned(),
        kind: ProfileType::Token,
        secret: Secret::new("t".to_owned()),
        expires: None,
    }
}

#[test]
fn on_a_fresh_machine_both_files_are_made_private() {
    let bench = Bench::new();
    let written = bench.writer().put(&token("anthropic:manual")).unwrap();
    assert!(written.store.created && written.config.created && written.imported.is_empty());
    let profile = json!({"type": "token", "provider": "anthropic", "token": "t"});
    assert_eq!(bench.read(bench.store())["profiles"]["anthropic:manual"], profile);
    let config = &bench.installation.config_path;
    assert_eq!(
        bench.read(config),
        json!({"auth": {"profiles": {"anthropic:manual": {"provider": "anthropic", "mode": "token"}}}})
    );
    for (path, mode) in
        [(bench.store(), 0o600), (config.as_path(), 0o600), (bench.installation.state_dir.as_path(), 0o700)]
    {
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, mode, "{}", path.display());
    }
    let removed = bench.writer().remove("anthropic:manual", true).unwrap();
    assert!(removed.store.changed && removed.config.changed);
    assert_eq!(bench.read(bench.store())["profiles"], json!({}));
    let nothing = bench.writer().remove("anthropic:manual", true).unwrap();
    assert!(!nothing.store.changed && !nothing.config.changed);
}

#[test]
fn a_config_that_cannot_be_edited_is_found_out_before_anything_is_written() {
    for config in ["{ auth: 5 }", "{ nonsense: 1 }", "{ broken", "{ a: '${NOT_SET}' }"] {
        let bench = Bench::new();
        bench.write(&bench.installation.config_path, config);
        let refused = bench.writer().put(&token("anthropic:manual")).unwrap_err();
        assert!(matches!(refused, AuthError::Nothing(WriteError::Unusable { .. })), "{refused}");
        assert!(!bench.store().exists());
        assert_eq!(fs::read_to_string(&bench.installation.config_path).unwrap(), config);
    }
}

#[test]
fn the_old_config_is_kept_and_what_did_not_change_is_not() {
    let bench = Bench::new();
    let config = bench.installation.config_path.clone();
    bench.write(&config, "// mine\n{}\n");
    bench.writer().put(&token("anthropic:manual")).unwrap();
    let backup = bench.installation.state_dir.join("opensoul.json.bak");
    assert_eq!(fs::read_to_string(&backup).unwrap(), "// mine\n{}\n");
    assert!(fs::read_to_string(&config).unwrap().starts_with("// mine\n"));
    bench.writer().put(&token("anthropic:manual")).unwrap();
    assert!(!bench.installation.state_dir.join("opensoul.json.bak.1").exists());
}

#[test]
fn half_is_said_as_half() {
    let bench = Bench::new();
    let config = bench.installation.config_path.clone();
    bench.write(&config, "{}");
    fs::create_dir(bench.installation.state_dir.join("opensoul.json.lock")).unwrap();
    let half = bench.writer().put(&token("anthropic:manual")).unwrap_err();
    assert!(matches!(half, AuthError::Half { .. }) && half.to_string().contains("was written, but"), "{half}");
    assert_eq!(bench.read(bench.store())["profiles"]["anthropic:manual"]["token"], "t");
    assert_eq!(fs::read_to_string(&config).unwrap(), "{}");
}

#[test]
fn a_new_store_takes_in_what_it_would_hide() {
    let mut bench = Bench::new();
    let agent_dir = bench.installation.agents[0].agent_dir.clone();
    let (legacy, logins) = (agent_dir.join("auth.json"), bench.installation.state_dir.join("credentials/oauth.json"));
    bench.write(&legacy, r#"{"openai":{"type":"api_key","key":"k"}}"#);
    bench.write(&logins, r#"{"chutes":{"access":"a","refresh":"r","expires":1}}"#);
    let mirrored = bench.dir.path().join(".qwen/oauth_creds.json");
    bench.installation.agents[0].imported = [
        ("openai:default".to_owned(), legacy.clone()),
        ("chutes:default".to_owned(), logins),
        ("qwen-portal:qwen-cli".to_owned(), mirrored),
    ]
    .into();
    let written = bench.writer().put(&token("anthropic:manual")).unwrap();
    assert_eq!(written.imported, ["openai:default", "chutes:default"]);
    let profiles = bench.read(bench.store())["profiles"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(profiles, ["anthropic:manual", "chutes:default", "openai:default"]);
    assert!(legacy.exists(), "other people's files are not deleted");
    assert!(bench.writer().put(&token("anthropic:other")).unwrap().imported.is_empty());
}

#[test]
fn a_damaged_store_is_not_written_over() {
    let bench = Bench::new();
    bench.write(bench.store(), "{\"profiles\": {\"a\"");
    let refused = bench.writer().put(&token("anthropic:manual")).unwrap_err();
    assert!(refused.to_string().contains("no store that can be written to"), "{refused}");
    assert_eq!(fs::read_to_string(bench.store()).unwrap(), "{\"profiles\": {\"a\"");
    assert!(!bench.installation.config_path.exists());
}

#[test]
fn an_order_goes_where_the_gateway_reads_it() {
    let bench = Bench::new();
    let ids = vec!["a".to_owned(), "b".to_owned()];
    assert!(!bench.writer().order("x", None).unwrap().changed);
    assert!(!bench.store().exists(), "clearing nothing makes nothing");
    bench.writer().order("x", Some(&ids)).unwrap();
    assert_eq!(bench.read(bench.store())["order"], json!({"x": ["a", "b"]}));

    let state = bench.installation.agents[0].agent_dir.join("auth-state.json");
    bench.write(&state, r#"{"version":1,"order":{"y":["c"]}}"#);
    bench.writer().order("x", Some(&ids[..1])).unwrap();
    assert_eq!(bench.read(&state)["order"], json!({"x": ["a"], "y": ["c"]}));
    assert_eq!(bench.read(bench.store())["order"], json!({"x": ["a", "b"]}));
    assert!(bench.writer().order("x", None).unwrap().changed);
    assert_eq!(bench.read(&state)["order"], json!({"y": ["c"]}));
    assert_eq!(bench.read(bench.store()).get("order"), None);
}
