//! Each rule by example, and by what must not set it off.

use super::super::fixture::Scene;
use super::*;
use crate::domain::{Secret, Span, Time};

/// A scene without the credential of a healthy machine.
fn scene() -> Scene {
    let mut scene = Scene::healthy();
    scene.snapshot.credentials.clear();
    scene
}

/// One login; `secret` and `refresh` tell logins apart.
struct Login<'a> {
    id: &'a str,
    provider: &'a str,
    state: State,
    secret: &'a str,
    refresh: Option<&'a str>,
    account: Option<&'a str>,
}

impl Default for Login<'_> {
    fn default() -> Self {
        Self { id: "", provider: "anthropic", state: State::Ok, secret: "s", refresh: None, account: None }
    }
}

fn add(scene: &mut Scene, login: &Login<'_>) {
    let print = |text: &str| scene.key.fingerprint(&Secret::new(text.to_owned()));
    let (secret, refresh) = (print(login.secret), login.refresh.and_then(print));
    let (source, rest) = login.id.split_once(':').unwrap();
    let stored = rest.split_once('/');
    let owner = if stored.is_some() { Owner::GatewayStore } else { Owner::Tool };
    let assessed = scene.add_credential(login.id, login.provider, owner, login.state);
    let credential = &mut assessed.credential;
    credential.kind = Kind::Oauth;
    credential.renewal = Renewal::Auto;
    credential.origin.source = source.to_owned().into();
    credential.origin.path = Some(std::path::PathBuf::from(format!("/home/u/{}", login.id.replace(':', "/"))).into());
    (credential.fingerprint, credential.refresh_fingerprint) = (secret, refresh);
    credential.account = login.account.map(str::to_owned);
    credential.fix = format!("renew {}", login.id);
    if let Some((agent, profile)) = stored {
        (credential.agent, credential.profile) = (Some(agent.into()), profile.to_owned());
    }
}

fn with(logins: &[Login<'_>]) -> Scene {
    let mut scene = scene();
    for login in logins {
        add(&mut scene, login);
    }
    scene
}

fn of(logins: &[Login<'_>], id: &str) -> Vec<Finding> {
    with(logins).of(id)
}

fn at(agent: &'static str, state: State, secret: &'static str) -> Login<'static> {
    Login { id: agent, state, secret, ..Login::default() }
}

#[test]
fn renewed_in_main_and_still_old_in_others() {
    let id = "credential.stale-copy";
    let main = || at("opensoul:main/anthropic:default", State::Ok, "new");
    let mail = |state, secret| at("opensoul:mail/anthropic:default", state, secret);
    let stocks = |state, secret| at("opensoul:stocks/anthropic:default", state, secret);
    let found = of(&[main(), mail(State::Expired, "old"), stocks(State::Rejected, "older")], id);
    assert_eq!(found.len(), 1);
    let finding = &found[0];
    assert!(
        finding.message.starts_with("anthropic:default works in main and is still the old one in mail and stocks (")
    );
    assert!(finding.message.contains("/home/u/opensoul/mail/anthropic/default"), "{}", finding.message);
    assert!(finding.fix.contains("renew opensoul:mail/anthropic:default; renew opensoul:stocks/anthropic:default"));
    assert_eq!(finding.severity, Severity::Warning);

    assert!(of(&[main(), mail(State::Ok, "other")], id).is_empty(), "two that work are two people's business");
    assert!(of(&[main(), mail(State::Expired, "new")], id).is_empty(), "the same secret is a copy");
    assert!(
        of(&[at("opensoul:main/anthropic:default", State::Expired, "a"), mail(State::Expired, "b")], id).is_empty()
    );
    assert!(
        of(&[main(), at("openclaw:mail/anthropic:default", State::Expired, "old")], id).is_empty(),
        "another gateway"
    );
    assert!(of(&[main(), at("opensoul:mail/anthropic:work", State::Expired, "old")], id).is_empty(), "another profile");
    let mine = Login { account: Some("me@x.org"), ..main() };
    let yours = Login { account: Some("you@x.org"), ..mail(State::Expired, "old") };
    assert!(of(&[mine, yours], id).is_empty(), "another account");
    assert!(of(&[at("claude-code:a", State::Ok, "new"), at("claude-code:b", State::Expired, "old")], id).is_empty());
}

#[test]
fn one_single_use_token_in_two_hands() {
    let id = "login.shared-refresh";
    let one = |id: &'static str| Login { id, secret: id, refresh: Some("r"), ..Login::default() };
    let severity = |logins: &[Login<'_>]| of(logins, id).first().map(|finding| finding.severity);
    let tool = || one("claude-code:default");
    assert_eq!(severity(&[tool(), one("opencode:anthropic")]), Some(Severity::Warning));
    assert_eq!(severity(&[tool(), one("opensoul:main/anthropic:default")]), Some(Severity::Warning));
    assert_eq!(
        severity(&[one("opensoul:main/anthropic:x"), one("openclaw:main/anthropic:x")]),
        Some(Severity::Warning)
    );
    assert_eq!(severity(&[one("opensoul:main/anthropic:x"), one("opensoul:mail/anthropic:x")]), Some(Severity::Info));
    let message = &of(&[tool(), one("opencode:anthropic")], id)[0].message;
    assert!(message.contains("/home/u/claude-code/default and /home/u/opencode/anthropic"), "{message}");

    assert_eq!(severity(&[tool()]), None);
    assert_eq!(severity(&[tool(), Login { refresh: Some("other"), ..one("opencode:anthropic") }]), None);
    assert_eq!(severity(&[tool(), one("openclaw:main/anthropic:claude-cli")]), None, "its gateway copies it again");
    let google = |id| Login { provider: "google", ..one(id) };
    assert_eq!(severity(&[google("gemini-cli:default"), google("opencode:google")]), None, "can be used again");
    let mut scene = with(&[tool(), one("opencode:anthropic")]);
    scene.snapshot.credentials[1].credential.renewal = Renewal::Manual;
    assert!(scene.of(id).is_empty(), "whoever does not renew races nobody");
}

#[test]
fn a_variable_goes_before_a_login() {
    let id = "login.overridden";
    let table = [
        ("claude-code:default", "ANTHROPIC_API_KEY", true),
        ("claude-code:default", "CLAUDE_CODE_OAUTH_TOKEN", true),
        ("gemini-cli:default", "GEMINI_API_KEY", true),
        ("gemini-cli:default", "GOOGLE_API_KEY", false),
        ("gh:github.com", "GITHUB_TOKEN", true),
        ("codex:default", "OPENAI_API_KEY", false),
    ];
    for (login, name, expected) in table {
        let mut scene = with(&[Login { id: login, ..Login::default() }]);
        scene.env.set(name, "  ");
        assert!(scene.of(id).is_empty(), "{name}: blank");
        scene.env.set(name, "canary");
        let found = scene.of(id);
        assert_eq!(!found.is_empty(), expected, "{login} {name}");
        for finding in found {
            assert_eq!((finding.severity, finding.place.key.as_deref()), (Severity::Info, Some(name)));
            assert!(finding.message.contains("/home/u/") && !format!("{finding:?}").contains("canary"));
        }
        scene.interactive = false;
        assert!(scene.of(id).is_empty(), "the monitor's environment is not the tools'");
    }

    let mut scene = with(&[Login { id: "claude-code:default", ..Login::default() }]);
    scene.env.set("ANTHROPIC_API_KEY", "canary");
    let key = scene.add_credential("env:ANTHROPIC_API_KEY", "anthropic", Owner::Environment, State::Rejected);
    key.credential.origin.source = "env".into();
    assert_eq!(scene.of(id)[0].severity, Severity::Warning, "a dead key hides a good login");
    scene.snapshot.credentials[1].credential.fingerprint = scene.snapshot.credentials[0].credential.fingerprint;
    assert!(scene.of(id).is_empty(), "the same secret");
    scene.snapshot.credentials[1].credential.fingerprint = None;
    scene.snapshot.credentials[0].judgement.state = State::Expired;
    assert!(scene.of(id).is_empty(), "the login is dead: the key is what works");

    let mut editor = with(&[Login { id: "copilot:github.com", ..Login::default() }]);
    editor.env.set("GH_TOKEN", "canary");
    assert!(editor.of(id).is_empty(), "editors do not look at it");
    editor.snapshot.credentials[0].credential.origin.path = Some(Path::new("/home/u/.copilot/config.json").into());
    assert_eq!(editor.of(id).len(), 1);
}

#[test]
fn one_account_in_two_logins() {
    let id = "login.same-account";
    let one = |id: &'static str, account| Login { id, secret: id, account: Some(account), ..Login::default() };
    let found = of(&[one("claude-code:default", "Me@x.org"), one("opencode:anthropic", "me@x.org ")], id);
    assert_eq!((found.len(), found[0].severity), (1, Severity::Info));
    assert!(!found[0].message.to_lowercase().contains("me@x.org"), "{}", found[0].message);
    assert!(of(&[one("claude-code:default", "me@x.org"), one("opencode:anthropic", "you@x.org")], id).is_empty());
    assert!(of(&[one("claude-code:default", " "), one("opencode:anthropic", " ")], id).is_empty());
    let other = Login { provider: "openai", ..one("opencode:openai", "me@x.org") };
    assert!(of(&[one("claude-code:default", "me@x.org"), other], id).is_empty());
    let mut scene = with(&[one("claude-code:default", "me@x.org"), one("opencode:anthropic", "me@x.org")]);
    scene.snapshot.credentials[1].copy_of = Some("claude-code:default".into());
    assert!(scene.of(id).is_empty(), "a copy is the same login");
}

#[test]
fn an_old_token_that_came_back() {
    let mut scene = with(&[Login { id: "claude-code:default", refresh: Some("now"), ..Login::default() }]);
    let key = &scene.key;
    let hex = |text: &str| key.fingerprint(&Secret::new(text.to_owned())).unwrap().to_hex();
    let (now, newer) = (hex("now"), hex("newer"));
    let at = |days: i64| -> Time { scene.now - Span::days(days) };
    let held = |token: &str, account: &str, first| HeldToken {
        fingerprint: token.to_owned(),
        account: account.to_owned(),
        first,
    };
    let (old, recent) = (at(9), at(2));
    let table = [
        (vec![held(&now, "", old), held(&newer, "", recent)], true),
        (vec![held(&newer, "", old), held(&now, "", recent)], false),
        (vec![held(&now, "", old)], false),
        (vec![held(&newer, "", recent)], false),
        // Another account was logged in meanwhile.
        (vec![held(&now, "", old), held(&newer, "other", recent)], false),
        (vec![held(&now, "other", old), held(&newer, "other", recent)], false),
    ];
    let id = CredentialId::from("claude-code:default");
    for (held, expected) in &table {
        let found = went_backwards(&scene.snapshot, &[(id.clone(), held.clone())].into());
        assert_eq!(!found.is_empty(), *expected, "{held:?}");
        assert!(found.iter().all(|finding| finding.severity == Severity::Info && finding.message.contains("/home/u/")));
    }
    let credential = &mut scene.snapshot.credentials[0].credential;
    credential.account = Some("me@x.org".to_owned());
    let mine = generation::account(credential).unwrap();
    let both = vec![held(&now, &mine, old), held(&newer, &mine, recent)];
    let known = || BTreeMap::from([(id.clone(), both.clone())]);
    assert_eq!(went_backwards(&scene.snapshot, &known())[0].severity, Severity::Warning);
    scene.snapshot.credentials[0].credential.provider = "google".to_owned();
    assert!(went_backwards(&scene.snapshot, &known()).is_empty(), "these can be used again");
}

#[test]
fn long_lists_are_cut() {
    let many: Vec<String> = (0..12).map(|n| format!("a{n}")).collect();
    assert_eq!(names(many.iter()), "a0, a1, a2, a3, a4, a5, a6, a7 and 4 more");
    assert_eq!(names(["a", "b", "a"].into_iter()), "a and b");
}

#[test]
fn a_parked_copy_is_worth_knowing_and_no_more() {
    let live = || Login { id: "claude-code:default", secret: "a", refresh: Some("r"), ..Login::default() };
    let copy = || Login { id: "caam:claude", secret: "a", refresh: Some("r"), ..Login::default() };
    let parked = |logins: &[Login<'_>]| {
        let mut scene = with(logins);
        for one in &mut scene.snapshot.credentials {
            if one.credential.origin.source == "caam" {
                one.credential.owner = Owner::Secondhand;
            }
        }
        scene.of("login.shared-refresh")
    };
    let found = parked(&[live(), copy()]);
    assert_eq!((found.len(), found[0].severity), (1, Severity::Info));
    assert!(found[0].message.contains("a parked copy"), "{}", found[0].message);
    // Beside one, two tools that both renew are as bad as ever.
    let other = Login { id: "opencode:anthropic", secret: "a", refresh: Some("r"), ..Login::default() };
    assert_eq!(parked(&[copy(), live(), other])[0].severity, Severity::Warning);
}
