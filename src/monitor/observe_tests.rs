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

#[test]
fn a_providers_date_and_balance_count_for_their_generation() {
    let mut home = Home::new(&[]);
    home.env.set("OPENROUTER_API_KEY", "sk-or-v1-x");
    let first = home.observe(&Remembered::default(), true).snapshot.credentials.remove(0);
    assert_eq!((first.judgement.state, first.allowance), (State::Static, None));
    let end = now() + Span::days(2);
    let balance = crate::domain::Balance { amount: 3.0, currency: Some("USD".into()) };
    let allowance = Allowance { expires: Some(end), balance: Some(balance), ..Allowance::default() };
    let knows = |generation: &str| Remembered {
        allowances: [(first.credential.id.clone(), (generation.to_owned(), allowance.clone()))].into(),
        ..Remembered::default()
    };
    let seen = home.observe(&knows(&first.judgement.generation), true).snapshot.credentials.remove(0);
    assert_eq!(seen.judgement.state, State::Expiring);
    assert_eq!(
        (seen.credential.clocks.grant_expires, seen.credential.clocks.grant_basis),
        (Some(end), Some(Basis::Server))
    );
    assert_eq!(seen.judgement.generation, first.judgement.generation, "a date is no new key");
    assert_eq!(seen.allowance.unwrap().balance.unwrap().amount, 3.0);
    let other = home.observe(&knows("another key"), true).snapshot.credentials.remove(0);
    assert_eq!((other.judgement.state, other.allowance), (State::Static, None));
}

#[test]
fn a_renewal_that_was_witnessed_is_newer_than_a_refusal() {
    let home = Home::new(&[(".claude/.credentials.json", LOGIN)]);
    let first = home.observe(&Remembered::default(), false).snapshot.credentials.remove(0);
    let id = first.credential.id.clone();
    let own = first.credential.refresh_fingerprint.unwrap().to_hex();
    let held = |fingerprint: &str, ago: i64| crate::store::HeldToken {
        fingerprint: fingerprint.to_owned(),
        account: String::new(),
        first: now() - Span::hours(ago),
    };
    let refused = Verdict { kind: VerdictKind::Rejected, at: now() - Span::hours(2), detail: String::new() };
    let stored =
        StoredVerdict { conclusive: Some((first.judgement.generation.clone(), refused)), ..StoredVerdict::default() };
    let sees = |key: i64, tokens: Vec<crate::store::HeldToken>| {
        let remembered = Remembered {
            generations: [(id.clone(), first.judgement.generation.clone())].into(),
            verdicts: [(id.clone(), stored.clone())].into(),
            refresh_tokens: [(id.clone(), tokens)].into(),
            key: Some(key),
            ..Remembered::default()
        };
        let seen = home.observe(&remembered, false).snapshot.credentials.remove(0);
        (seen.judgement.state, seen.credential.clocks.last_renewed)
    };
    let key = home.key.id();
    let hour = now() - Span::hours(1);
    assert_eq!(sees(key, vec![held("older", 9), held(&own, 1)]), (State::Ok, Some(hour)));
    for (tokens, why) in [
        (vec![held("older", 9), held(&own, 3)], "it was there when the provider refused it"),
        (vec![held(&own, 1)], "it replaced nothing that was seen"),
        (vec![held("older", 9)], "not committed yet"),
        (vec![], "nothing is known"),
    ] {
        assert_eq!(sees(key, tokens).0, State::Rejected, "{why}");
    }
    assert_eq!(sees(key + 1, vec![held("older", 9), held(&own, 1)]), (State::Rejected, None), "under another key");
}

#[test]
fn a_beginning_is_witnessed_by_the_first_look_that_sees_it() {
    let home = Home::new(&[(".claude/.credentials.json", LOGIN)]);
    let (id, generation) = {
        let first = home.observe(&Remembered::default(), false).snapshot.credentials.remove(0);
        assert_eq!(first.credential.clocks.issued, None, "nobody knows what was there before");
        (first.credential.id, first.judgement.generation)
    };
    let issued = |before: &str, ago: Option<Span>, key: i64| {
        let remembered = Remembered {
            generations: [(id.clone(), before.to_owned())].into(),
            last_time: ago.map(|ago| now() - ago),
            key: Some(key),
            ..Remembered::default()
        };
        home.observe(&remembered, false).snapshot.credentials.remove(0).credential.clocks.issued
    };
    let (key, minutes) = (home.key.id(), Some(Span::minutes(5)));
    assert_eq!(issued("auto:out", minutes, key), Some(now()));
    assert_eq!(issued(&generation, minutes, key), None, "the same as before");
    assert_eq!(issued(&format!("copy:{generation}"), minutes, key), None, "the same, and a copy then");
    assert_eq!(issued("auto:out", Some(Span::days(3)), key), None, "nobody looked for days");
    assert_eq!(issued("auto:out", None, key), None);
    assert_eq!(issued("auto:out", minutes, key + 1), None, "under another key");
}

#[test]
fn the_own_network_is_one_finding() {
    let mut home = Home::new(&[]);
    home.env.set("OPENROUTER_API_KEY", "sk-or-v1-x");
    home.env.set("GROQ_API_KEY", "gsk_x");
    let found = |kinds: [VerdictKind; 2], ago: Span| {
        let mut remembered = Remembered::default();
        for (id, kind) in ["env:OPENROUTER_API_KEY", "env:GROQ_API_KEY"].into_iter().zip(kinds) {
            let verdict = Verdict { kind, at: now() - ago, detail: String::new() };
            let stored = StoredVerdict { inconclusive: Some(("g".to_owned(), verdict)), ..StoredVerdict::default() };
            remembered.verdicts.insert(id.into(), stored);
        }
        let findings = home.observe(&remembered, true).snapshot.findings;
        findings.iter().filter(|finding| finding.id == "network.unreachable").count()
    };
    use VerdictKind::{Network, ProviderDown, Unverifiable};
    assert_eq!(found([Network, Network], Span::minutes(30)), 1);
    assert_eq!(found([Network, ProviderDown], Span::minutes(30)), 0);
    assert_eq!(found([Network, Unverifiable], Span::minutes(30)), 0, "one party alone may be down");
    assert_eq!(found([Network, Network], Span::hours(3)), 0);
}
