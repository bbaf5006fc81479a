//! Every rule about assumed and declared dates.

use super::*;
use crate::config;
use crate::domain::{CredentialId, Environment};
use crate::engine::assess::tests::{login, stored};

fn at(text: &str) -> Time {
    text.parse().unwrap()
}

struct Case {
    config: Config,
    remembered: Remembered,
    key: FingerprintKey,
}

impl Case {
    fn new(toml: &str) -> Self {
        let config = config::parse(toml, None, &Environment::default(), crate::domain::Zone::UTC).unwrap();
        Self { config, remembered: Remembered::default(), key: FingerprintKey::new(&[7; 32]) }
    }

    fn seen(mut self, secret: &str, day: &str) -> Self {
        let print = self.key.fingerprint(&Secret::new(secret.to_owned())).unwrap();
        self.remembered.first_seen.insert(print.to_hex(), at(&format!("{day}T00:00:00Z")));
        self
    }

    fn beyond(&self) -> Beyond<'_> {
        Beyond { config: &self.config, remembered: &self.remembered, key: &self.key }
    }

    /// A credential with this secret, after everything that is known beyond its file.
    fn judge(&self, mut credential: Credential, secret: &str) -> Credential {
        let secret = Secret::new(secret.to_owned());
        credential.fingerprint = self.key.fingerprint(&secret);
        self.beyond().assume(&mut credential, &secret);
        let mut all = [Box::new(credential)];
        self.beyond().correct(&mut all);
        let [credential] = all;
        *credential
    }
}

/// The grant's end (its day) and its basis.
fn end(credential: &Credential) -> (Option<String>, Option<Basis>) {
    let clocks = &credential.clocks;
    (clocks.grant_expires.map(|at| at.format("%Y-%m-%d").to_string()), clocks.grant_basis)
}

fn day(text: &str, basis: Basis) -> (Option<String>, Option<Basis>) {
    (Some(text.to_owned()), Some(basis))
}

const SETUP: &str = "sk-ant-oat01-x";

#[test]
fn assumed_ends() {
    let key = || Credential { kind: Kind::ApiKey, renewal: Renewal::None, ..stored("k") };
    let dated = |mut credential: Credential| {
        credential.clocks.access_expires = Some(at("2026-05-01T00:00:00Z"));
        credential
    };
    let none = (None, None);
    let policy = "[thresholds]\nmax_age = \"200d\"\n[providers.openai]\nmax_age = \"90d\"\n";
    let openai = || Credential { provider: "openai".to_owned(), ..key() };
    let issued = |mut credential: Credential| {
        credential.clocks.issued = Some(at("2025-12-01T00:00:00Z"));
        credential
    };
    let table = [
        ("", stored("t"), SETUP, day("2027-01-01", Basis::Assumed)),
        ("", issued(stored("t")), SETUP, day("2026-12-01", Basis::Assumed)),
        ("", stored("t"), "ghp_x", none.clone()),
        ("", key(), "sk-x", none.clone()),
        // A login's access token looks like a setup-token, and is renewed.
        ("", login("l"), SETUP, none.clone()),
        ("", dated(stored("t")), SETUP, none.clone()),
        ("", Credential { condition: Condition::Blanked, ..stored("t") }, SETUP, none.clone()),
        (policy, key(), "sk-x", day("2026-07-20", Basis::Assumed)),
        (policy, openai(), "sk-x", day("2026-04-01", Basis::Assumed)),
        (policy, stored("t"), SETUP, day("2026-07-20", Basis::Assumed)),
        ("[thresholds]\nmax_age = \"3000d\"", stored("t"), SETUP, day("2027-01-01", Basis::Assumed)),
        (policy, login("l"), "x", none.clone()),
        (policy, dated(key()), "sk-x", none),
    ];
    for (toml, credential, secret, expected) in table {
        let case = Case::new(toml).seen(secret, "2026-01-01");
        let name = format!("{toml} {} {secret}", credential.id);
        let judged = case.judge(credential, secret);
        assert_eq!(end(&judged), expected, "{name}");
        if expected.0.is_some() {
            assert_eq!(judged.renewal, Renewal::Manual);
            assert!(judged.clocks.issued.is_some() && judged.notes[0].starts_with("assumed: "), "{name}");
        }
    }
    assert_eq!(
        end(&Case::new("").judge(stored("t"), SETUP)),
        (None, None),
        "nothing is assumed of what was never seen"
    );
}

#[test]
fn a_person_knows_better_than_an_assumption_and_not_better_than_a_file() {
    let toml = |more: &str| format!("[[declared]]\nfor = \"env:T\"\n{more}");
    let token = || stored("env:T");
    let judge = |toml: &str, credential| Case::new(toml).seen(SETUP, "2026-01-01").judge(credential, SETUP);
    let ends = |credential: Credential, day: &str| {
        let mut credential = credential;
        credential.clocks.grant_expires = Some(at(&format!("{day}T00:00:00Z")));
        credential.clocks.grant_basis = Some(Basis::Decoded);
        credential
    };
    let declared = toml("expires = 2026-06-01\nissued = 2025-06-01\nfix = \"ask Jo\"\n");
    let judged = judge(&declared, token());
    assert_eq!(end(&judged), day("2026-06-01", Basis::Declared));
    assert_eq!((judged.clocks.issued, judged.fix.as_str()), (Some(at("2025-06-01T00:00:00Z")), "ask Jo"));
    assert!(judged.notes.iter().all(|note| !note.starts_with("assumed")), "{:?}", judged.notes);
    assert_eq!(judged.declared_in_use, None);
    assert_eq!(judge(&toml("expires = 2026-06-01"), token()).clocks.issued, None, "first sight is no issue");

    assert_eq!(end(&judge(&declared, ends(token(), "2026-05-01"))), day("2026-05-01", Basis::Decoded));
    assert_eq!(end(&judge(&declared, ends(token(), "2026-07-01"))), day("2026-06-01", Basis::Declared));
    let mut access = token();
    access.clocks.access_expires = Some(at("2026-05-01T00:00:00Z"));
    assert_eq!(end(&judge(&declared, access)), (None, None), "the store's own date is sooner");

    let idle = judge(&toml("in_use = false"), token());
    assert_eq!((idle.declared_in_use, end(&idle)), (Some(false), day("2027-01-01", Basis::Assumed)));
    assert!(idle.notes.iter().any(|note| note == DECLARED_USE[0]), "{:?}", idle.notes);
    let bare = Credential { kind: Kind::ApiKey, renewal: Renewal::None, ..token() };
    let keyed = judge(&toml("expires = 2026-06-01"), Credential { id: "env:T".into(), ..bare });
    assert_eq!((end(&keyed), keyed.renewal), (day("2026-06-01", Basis::Declared), Renewal::Manual));

    let case = Case::new(&declared);
    let findings = case.beyond().correct(&mut [Box::new(stored("env:OTHER"))]);
    assert_eq!((findings.len(), findings[0].id.as_str()), (1, "own.declared-unknown"));
}

#[test]
fn a_declaration_is_about_the_secret_that_was_there_then() {
    let toml = "[[declared]]\nfor = \"env:T\"\nexpires = 2026-06-01\nas_of = 2026-03-01T12:00:00Z\n";
    let table = [
        // When the secret was first seen, when anything was, whether the declaration counts.
        (Some("2026-02-01"), "2026-01-01", true),
        // Seen by the cycle after the declaration.
        (Some("2026-03-02"), "2026-01-01", true),
        (Some("2026-04-01"), "2026-01-01", false),
        // The ledger is younger than the declaration and cannot know.
        (Some("2026-04-01"), "2026-04-01", true),
        (None, "2026-01-01", true),
    ];
    for (seen, ledger, counts) in table {
        let mut case = Case::new(toml).seen("something else", ledger);
        if let Some(seen) = seen {
            case = case.seen("ghp_x", seen);
        }
        let judged = case.judge(stored("env:T"), "ghp_x");
        assert_eq!(judged.clocks.grant_expires.is_some(), counts, "{seen:?} {ledger}");
        assert!(counts || judged.notes[0].contains("earlier secret"), "{:?}", judged.notes);
    }
    // The command notes which secret it means: then an hour is enough, and the ledger need not have seen anything.
    for (key, meant, counts) in [(7, "ghp_x", true), (7, "ghp_old", false), (8, "ghp_old", true)] {
        let key = FingerprintKey::new(&[key; 32]);
        let mark = key.mark(key.fingerprint(&Secret::new(meant.to_owned())).unwrap());
        let toml = format!("{toml}generation = \"{mark}\"\n");
        for seen in [Some("2026-03-01"), None] {
            let mut case = Case::new(&toml).seen("something else", "2026-01-01");
            if let Some(seen) = seen {
                case = case.seen("ghp_x", seen);
            }
            let judged = case.judge(stored("env:T"), "ghp_x");
            assert_eq!(judged.clocks.grant_expires.is_some(), counts, "{meant} {seen:?}");
        }
    }
    // A login keeps its declared end while its tokens are renewed, until a new login was witnessed.
    let mut case = Case::new(toml).seen("x", "2026-01-01");
    let judged = case.judge(login("env:T"), "access");
    assert_eq!(end(&judged), day("2026-06-01", Basis::Declared));
    case.remembered.begun.insert(CredentialId::from("env:T"), at("2026-05-01T00:00:00Z"));
    assert_eq!(case.judge(login("env:T"), "access").clocks.grant_expires, None);
}
