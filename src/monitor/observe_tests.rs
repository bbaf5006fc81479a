//! A home with real files, looked at whole.

use super::*;
use crate::config;
use crate::domain::{Basis, Selection, Span, State, VerdictKind};
use crate::store::StoredVerdict;

struct Home {
    dir: tempfile::TempDir,
    env: Environment,
    config: Config,
    location: Location,
    key: FingerprintKey,
}

fn now() -> Time {
    "2027-01-10T12:00:00Z".parse().unwrap()
}

impl Home {
    fn new(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (place, content) in files {
            let path = dir.path().join(place);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        let mut env = Environment::default();
        env.set("HOME", dir.path().to_str().unwrap());
        let location = config::locate(&env, None);
        let config = config::parse("[identity]\nhost = \"box\"\n", None, &env, crate::domain::Zone::UTC).unwrap();
        Self { dir, env, config, location, key: FingerprintKey::new(&[1; 32]) }
    }

    fn observe(&self, remembered: &Remembered, interactive: bool) -> Observed {
        observe(&Look {
            env: &self.env,
            cwd: interactive.then_some(self.dir.path()),
            config: &self.config,
            location: &self.location,
            program: Program::default(),
            remembered,
            key: &self.key,
            keep_secrets: true,
            now: now(),
        })
    }
}

const LOGIN: &str = r#"{"claudeAiOauth":{"accessToken":"a","refreshToken":"r","expiresAt":1799586000000}}"#;

#[test]
fn files_become_a_snapshot_and_secrets_stay_apart() {
    let mut home = Home::new(&[(".claude/.credentials.json", LOGIN), (".codex/auth.json", "{broken")]);
    home.env.set("GROQ_API_KEY", "gsk_x");
    let observed = home.observe(&Remembered::default(), true);
    let ids: Vec<&str> = observed.snapshot.credentials.iter().map(|a| a.credential.id.as_str()).collect();
    for id in ["claude-code:default", "codex:default", "env:GROQ_API_KEY"] {
        assert!(ids.contains(&id), "{ids:?}");
    }
    assert_eq!(observed.secrets[&CredentialId::from("env:GROQ_API_KEY")].expose(), "gsk_x");
    assert_eq!(observed.snapshot.host, "box");
    assert!(observed.snapshot.findings.iter().any(|finding| finding.id == "store.unparsable"));
    let alone = home.observe(&Remembered::default(), false);
    assert!(!alone.secrets.contains_key(&CredentialId::from("env:GROQ_API_KEY")), "the monitor's own environment");
    let left: Vec<_> = std::fs::read_dir(home.dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "looking makes nothing: {left:?}");
}

#[test]
fn what_earlier_cycles_know_counts() {
    let home = Home::new(&[(".claude/.credentials.json", LOGIN)]);
    let state = |remembered: &Remembered| {
        let observed = home.observe(remembered, false);
        observed.snapshot.credentials[0].judgement.state
    };
    let mut remembered = Remembered::default();
    assert_eq!(state(&remembered), State::Ok);
    let first = home.observe(&remembered, false).snapshot.credentials.remove(0);
    let (id, generation) = (first.credential.id, first.judgement.generation);
    let verdict = Verdict { kind: VerdictKind::Rejected, at: now() - Span::hours(2), detail: String::new() };
    let of = |generation: &str| StoredVerdict {
        conclusive: Some((generation.to_owned(), verdict.clone())),
        inconclusive: None,
        not_before: None,
    };
    remembered.generations.insert(id.clone(), generation.clone());
    remembered.verdicts.insert(id.clone(), of(&generation));
    assert_eq!(state(&remembered), State::Rejected);
    remembered.verdicts.insert(id, of("another login"));
    assert_eq!(state(&remembered), State::Ok, "an answer to another generation says nothing");
    remembered.last_time = Some(now() + Span::hours(1));
    assert!(home.observe(&remembered, false).snapshot.clock_problem.is_some());
}

#[test]
fn a_setup_token_gets_its_usual_year_from_the_ledger() {
    let mut home = Home::new(&[]);
    home.env.set("CLAUDE_CODE_OAUTH_TOKEN", "sk-ant-oat01-x");
    let first = home.observe(&Remembered::default(), true).snapshot.credentials.remove(0).credential;
    assert_eq!(first.clocks.grant_expires, None);
    let seen = now() - Span::days(360);
    let hex = first.fingerprint.unwrap().to_hex();
    let remembered = Remembered { first_seen: [(hex, seen)].into(), ..Remembered::default() };
    let assessed = home.observe(&remembered, true).snapshot.credentials.remove(0);
    assert_eq!(assessed.credential.clocks.grant_expires, Some(seen + Span::days(365)));
    assert_eq!(
        (assessed.credential.clocks.grant_basis, assessed.judgement.state),
        (Some(Basis::Assumed), State::Expiring)
    );
}

#[test]
fn the_gateway_takes_the_first_name_and_only_those_it_knows() {
    let mut home = Home::new(&[(
        ".opensoul/opensoul.json",
        "{agents:{defaults:{model:{primary:'anthropic/claude-opus-4-6',fallbacks:['google/gemini-3-pro-preview','minimax-portal/m']}}}}",
    )]);
    for name in ["ANTHROPIC_API_KEY", "ANTHROPIC_OAUTH_TOKEN", "GOOGLE_API_KEY", "MINIMAX_API_KEY", "GROQ_API_KEY"] {
        home.env.set(name, format!("value of {name}"));
    }
    let observed = home.observe(&Remembered::default(), true);
    let get = |name: &str| {
        let id = format!("env:{name}");
        observed.snapshot.credentials.iter().find(|a| a.credential.id.as_str() == id).unwrap()
    };
    let excluded = |name: &str| matches!(get(name).credential.selection, Selection::Excluded(_));
    assert!(excluded("ANTHROPIC_API_KEY") && excluded("GOOGLE_API_KEY"));
    assert!(!excluded("ANTHROPIC_OAUTH_TOKEN") && get("ANTHROPIC_OAUTH_TOKEN").judgement.in_use);
    assert_eq!(get("MINIMAX_API_KEY").credential.provider, "minimax-portal");
    assert!(!get("GROQ_API_KEY").judgement.in_use);
}
