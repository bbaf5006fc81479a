//! The documented shapes and every way in which they break.

use super::super::testing::{Home, breaks, credentials, jwt, now, only};
use super::*;
use crate::domain::{Renewal, Span};

const PLACE: &str = ".gemini/oauth_creds.json";
const ENV: &str = ".gemini/.env";

fn creds(expiry: &str) -> String {
    let id = jwt(r#"{"email":"id@x.org"}"#);
    format!(
        r#"{{"access_token":"ya29.a","refresh_token":"1//r","scope":"openid","token_type":"Bearer","id_token":"{id}","expiry_date":{expiry}}}"#
    )
}

#[test]
fn the_documented_shape() {
    let home = Home::new();
    let end = now() - Span::days(3);
    home.write(PLACE, creds(&end.timestamp_millis().to_string()));
    home.write(".gemini/google_accounts.json", r#"{"active":"me@x.org","old":["old@x.org"]}"#);
    let (credential, harvest) = only(&home, &Gemini);
    assert_eq!((credential.id.as_str(), credential.provider.as_str()), ("gemini-cli:default", "google-gemini-cli"));
    assert_eq!((credential.kind, credential.renewal), (Kind::Oauth, Renewal::Auto));
    assert_eq!((credential.clocks.access_expires, credential.clocks.grant_expires), (Some(end), None));
    assert_eq!(credential.account.as_deref(), Some("me@x.org"));
    assert_eq!(credential.fix, "Run `gemini`, then /auth.");
    assert!(credential.notes.is_empty() && harvest.findings.is_empty() && credential.declared_in_use.is_none());
    assert_eq!(harvest.found[0].secret.as_ref().unwrap().expose(), "ya29.a");
    assert_eq!(harvest.reports[0].looked, [home.path(PLACE), home.path(ENV)]);
}

#[test]
fn nothing_there() {
    let harvest = Home::new().read(&Gemini);
    assert!(harvest.found.is_empty() && harvest.findings.is_empty() && harvest.reports[0].up);
}

#[test]
fn its_own_home_and_the_account_of_the_id_token() {
    let mut home = Home::new();
    home.env.set("GEMINI_CLI_HOME", "~/two words");
    home.write("two words/.gemini/oauth_creds.json", creds("1799582400000"));
    home.write(PLACE, "not looked at");
    let (credential, harvest) = only(&home, &Gemini);
    assert_eq!(credential.fix, "Run `GEMINI_CLI_HOME='~/two words' gemini`, then /auth.");
    assert_eq!(credential.account.as_deref(), Some("id@x.org"));
    assert!(harvest.findings.is_empty());
}

#[test]
fn keys_of_its_env_file() {
    let home = Home::new();
    home.write(
        ENV,
        "# mine\nexport GEMINI_API_KEY=\"AIza-x\"\nGOOGLE_API_KEY=\nANTHROPIC_API_KEY=sk-ant\nGOOGLE_CLOUD_PROJECT=p\n",
    );
    let (key, harvest) = only(&home, &Gemini);
    assert_eq!((key.id.as_str(), key.provider.as_str()), ("gemini-cli:GEMINI_API_KEY", "google"));
    assert_eq!((key.kind, key.renewal), (Kind::ApiKey, Renewal::None));
    assert_eq!(harvest.found[0].secret.as_ref().unwrap().expose(), "AIza-x");
    assert!(key.fix.contains(".gemini/.env"), "{}", key.fix);
    for (make, id) in [
        ((|home| std::fs::create_dir_all(home.path(ENV)).unwrap()) as fn(&Home), "store.unreadable"),
        (|home| home.write(ENV, [b'A', b'=', 0xff]), "store.unparsable"),
    ] {
        let home = Home::new();
        make(&home);
        let harvest = home.read(&Gemini);
        assert_eq!((harvest.found.len(), harvest.findings[0].id.as_str(), harvest.reports[0].up), (0, id, false));
    }
}

#[test]
fn what_the_settings_chose() {
    let type_of = |word: &str| format!("// mine\n{{\"security\":{{\"auth\":{{\"selectedType\":\"{word}\",}}}}}}");
    let table: [(String, bool, Option<bool>, &str); 7] = [
        (type_of("oauth-personal"), false, None, ""),
        (type_of("oauth-personal"), true, None, "without a terminal"),
        (type_of("gemini-api-key"), true, Some(false), "chose gemini-api-key"),
        (type_of("vertex-ai"), false, Some(false), "chose vertex-ai"),
        (type_of("something new"), false, None, ""),
        (r#"{"selectedAuthType":"gemini-api-key"}"#.to_owned(), false, Some(false), "chose gemini-api-key"),
        ("{ broken".to_owned(), false, None, ""),
    ];
    for (settings, key, in_use, words) in table {
        let home = Home::new();
        home.write(PLACE, creds("1799582400000"));
        home.write(".gemini/settings.json", &settings);
        if key {
            home.write(ENV, "GEMINI_API_KEY=AIza-x");
        }
        let found = credentials(&home.read(&Gemini));
        assert_eq!(found.len(), 1 + usize::from(key));
        assert_eq!(found[0].declared_in_use, in_use, "{settings}");
        assert_eq!(found[0].notes.is_empty(), words.is_empty(), "{settings}");
        assert!(found[0].notes.iter().all(|note| note.contains(words)), "{settings}: {:?}", found[0].notes);
    }
    let mut home = Home::new();
    home.write(PLACE, creds("1799582400000"));
    home.env.set("GEMINI_API_KEY", "AIza-x");
    assert!(only(&home, &Gemini).0.notes[0].contains("without a terminal"));
    home.env_is_source = false;
    assert!(only(&home, &Gemini).0.notes.is_empty(), "the monitor's environment is not Gemini CLI's");
}

#[test]
fn what_cannot_be_read_is_said() {
    let mut home = Home::new();
    home.env.set("GEMINI_FORCE_ENCRYPTED_FILE_STORAGE", "true");
    assert!(home.read(&Gemini).found.is_empty(), "nobody ever logged in");
    home.write(".gemini/google_accounts.json", r#"{"active":null,"old":["me@x.org"]}"#);
    assert!(home.read(&Gemini).found.is_empty(), "logged out");
    home.write(".gemini/google_accounts.json", r#"{"active":"me@x.org"}"#);
    let says = |home: &Home| {
        let (credential, harvest) = only(home, &Gemini);
        assert!(harvest.findings.is_empty() && credential.origin.path.is_none());
        match credential.condition {
            Condition::Unreadable(why) => home.relative(&why),
            other => panic!("{other:?}"),
        }
    };
    assert!(says(&home).contains("service gemini-cli-oauth"));
    home.write(".gemini/gemini-credentials.json", "c2VjcmV0");
    assert_eq!(says(&home), "it is encrypted by Gemini CLI, in ~/.gemini/gemini-credentials.json");
    home.write(PLACE, creds("1799582400000"));
    assert_eq!(only(&home, &Gemini).0.condition, Condition::Present, "a login that can be read goes first");
}

#[test]
fn conditions_and_odd_dates() {
    let damaged = |what: &str| Condition::Damaged(what.to_owned());
    for (text, condition) in [
        (r#"{"access_token":"","refresh_token":"","expiry_date":0}"#, Condition::Blanked),
        ("{}", Condition::Blanked),
        (r#"{"access_token":{},"refresh_token":"r"}"#, damaged("access_token is not a text")),
        (r#"{"access_token":"a","refresh_token":7}"#, damaged("refresh_token is not a text")),
    ] {
        let home = Home::new();
        home.write(PLACE, text);
        assert_eq!(only(&home, &Gemini).0.condition, condition, "{text}");
    }
    let home = Home::new();
    home.write(PLACE, creds(&now().timestamp().to_string()));
    let (seconds, _) = only(&home, &Gemini);
    assert_eq!(seconds.clocks.access_expires, Some(now()));
    assert!(seconds.notes[0].contains("in seconds where milliseconds belong"));
    home.write(PLACE, creds("\"soon\""));
    let (_, harvest) = only(&home, &Gemini);
    assert!(harvest.findings[0].place.line.is_some(), "{:?}", harvest.findings);
    home.write(PLACE, r#"{"access_token":"a","expiry_date":1799582400000}"#);
    assert_eq!(only(&home, &Gemini).0.renewal, Renewal::Manual);
}

#[test]
fn broken_files() {
    breaks(&Gemini, PLACE, true);
}

#[cfg(target_os = "linux")]
#[test]
fn a_login_in_the_keyring() {
    let end: crate::domain::Time = "2027-01-10T13:00:00Z".parse().unwrap();
    let token = format!(r#"{{"accessToken":"ya29","refreshToken":"1//r","expiresAt":{}}}"#, end.timestamp_millis());
    for (item, condition) in [
        (token.clone(), Condition::Present),
        (format!(r#"{{"serverName":"x","token":{token}}}"#), Condition::Present),
        (r#"{"token":{"accessToken":"","refreshToken":""}}"#.to_owned(), Condition::Blanked),
        ("nonsense".to_owned(), Condition::Unreadable("what the keyring has is not what Gemini CLI writes".to_owned())),
    ] {
        let mut home = Home::new();
        home.write(".gemini/google_accounts.json", r#"{"active":"me@x.org","old":[]}"#);
        home.write(".gemini/settings.json", r#"{"security":{"auth":{"selectedType":"oauth-personal"}}}"#);
        home.env.set("GEMINI_FORCE_ENCRYPTED_FILE_STORAGE", "true");
        keyring::tests::holds(&mut home, "service gemini-cli-oauth account main-account", &item);
        let harvest = home.read(&Gemini);
        let [found] = harvest.found.as_slice() else { panic!("{item}: {}", harvest.found.len()) };
        assert_eq!((&found.credential.condition, &found.credential.origin.path), (&condition, &None), "{item}");
        let expected = (condition == Condition::Present).then_some(end);
        assert_eq!(found.credential.clocks.access_expires, expected, "{item}");
        assert_eq!(found.credential.account.as_deref(), Some("me@x.org"));
    }
}
