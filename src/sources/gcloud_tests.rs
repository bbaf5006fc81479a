//! The documented shapes, and every way in which they break.

use super::super::testing::{Home, every_broken_file};
use super::*;
use crate::domain::{Credential, Time};

const ADC: &str = ".config/gcloud/application_default_credentials.json";
const USER: &str = r#"{"account":"","client_id":"c.apps.googleusercontent.com","client_secret":"d-s","refresh_token":"1//tell-nobody","type":"authorized_user","universe_domain":"googleapis.com"}"#;
const SERVICE: &str = r#"{"type":"service_account","project_id":"p","private_key_id":"abc","private_key":"-----BEGIN PRIVATE KEY-----\ntell-nobody\n-----END PRIVATE KEY-----\n","client_email":"bot@p.iam.gserviceaccount.com","client_id":"1","token_uri":"https://oauth2.googleapis.com/token"}"#;

fn read(home: &Home) -> (Vec<Credential>, Harvest) {
    let harvest = home.read(&Gcloud);
    assert!(harvest.found.iter().all(|found| found.secret.is_none()), "nobody asks Google with these");
    (harvest.found.iter().map(|found| *found.credential.clone()).collect(), harvest)
}

fn database(home: &Home, name: &str, sql: &str) {
    home.write(&format!(".config/gcloud/{name}"), "");
    let db = rusqlite::Connection::open(home.path(".config/gcloud").join(name)).unwrap();
    db.execute_batch(sql).unwrap();
}

fn both(home: &Home, rows: &str, tokens: &str) {
    let accounts = "CREATE TABLE \"credentials\" (account_id TEXT PRIMARY KEY, value BLOB);";
    database(home, "credentials.db", &format!("{accounts}{rows}"));
    let columns =
        "account_id TEXT PRIMARY KEY, access_token TEXT, token_expiry TIMESTAMP, rapt_token TEXT, id_token TEXT";
    database(home, "access_tokens.db", &format!("CREATE TABLE \"access_tokens\" ({columns});{tokens}"));
}

#[test]
fn default_credentials_of_a_person() {
    let home = Home::new();
    home.write(ADC, USER);
    let (credentials, harvest) = read(&home);
    let [credential] = credentials.as_slice() else { panic!("{credentials:?}") };
    assert_eq!((credential.id.as_str(), credential.provider.as_str()), ("gcloud:application-default", "google-vertex"));
    assert_eq!((credential.kind, credential.renewal), (Kind::Cloud, Renewal::Auto));
    assert!(credential.refresh_fingerprint.is_some() && credential.clocks == crate::domain::Clocks::default());
    assert_eq!(credential.fix, "gcloud auth application-default login");
    assert!(harvest.findings.is_empty());
}

#[test]
fn other_types() {
    let damaged = |what: &str| Condition::Damaged(what.to_owned());
    let table = [
        (SERVICE, Condition::Present, Renewal::None, 0),
        (r#"{"type":"service_account","private_key":""}"#, Condition::Blanked, Renewal::None, 0),
        (r#"{"type":"authorized_user","refresh_token":" "}"#, Condition::Blanked, Renewal::Auto, 0),
        (
            r#"{"type":"authorized_user"}"#,
            Condition::Absent("the file has no refresh_token".to_owned()),
            Renewal::Auto,
            0,
        ),
        (r#"{"type":"authorized_user","refresh_token":1}"#, damaged("refresh_token is not a text"), Renewal::Auto, 1),
        (r#"{"type":"new_thing"}"#, damaged("its type is not known here"), Renewal::Auto, 1),
        (r#"{"installed":{}}"#, damaged("there is no type: not a credentials file"), Renewal::Auto, 1),
        (r#"{"type":"external_account"}"#, damaged("credential_source is not an object"), Renewal::Auto, 1),
        (
            r#"{"type":"external_account","credential_source":{"executable":{"command":"/bin/false"}}}"#,
            Condition::Present,
            Renewal::Auto,
            0,
        ),
        (
            r#"{"type":"impersonated_service_account","service_account_impersonation_url":"https://x/v1/a/b@c:generateAccessToken","source_credentials":{"type":"authorized_user","refresh_token":"r"}}"#,
            Condition::Present,
            Renewal::Auto,
            0,
        ),
        (
            r#"{"type":"impersonated_service_account","source_credentials":{"type":"impersonated_service_account"}}"#,
            damaged("source_credentials is not a credential"),
            Renewal::Auto,
            1,
        ),
    ];
    for (text, condition, renewal, findings) in table {
        let home = Home::new();
        home.write(ADC, text);
        let (credentials, harvest) = read(&home);
        assert_eq!((&credentials[0].condition, credentials[0].renewal), (&condition, renewal), "{text}");
        assert_eq!(harvest.findings.len(), findings, "{text}");
    }
    let home = Home::new();
    home.write(ADC, SERVICE);
    assert_eq!(read(&home).0[0].account.as_deref(), Some("bot@p.iam.gserviceaccount.com"));
}

#[test]
fn a_token_file_that_is_renewed_by_somebody_else() {
    let home = Home::new();
    let place = home.path("token");
    let text = format!(r#"{{"type":"external_account","credential_source":{{"file":"{}"}}}}"#, place.display());
    home.write(ADC, text);
    let condition = |home: &Home| read(home).0.remove(0).condition;
    assert!(matches!(condition(&home), Condition::Unresolved(_)));
    home.write("token", "eyJ");
    assert_eq!(condition(&home), Condition::Present);
    home.write("token", "\n");
    assert_eq!(condition(&home), Condition::Blanked);
    std::fs::remove_file(&place).unwrap();
    std::fs::create_dir(&place).unwrap();
    assert!(matches!(condition(&home), Condition::Unreadable(_)));
}

#[test]
fn the_places() {
    let mut home = Home::new();
    home.write(ADC, USER);
    home.write("keys/robot.json", SERVICE);
    home.env.set("GOOGLE_APPLICATION_CREDENTIALS", "~/keys/robot.json");
    let ids = |home: &Home| -> Vec<String> { read(home).0.iter().map(|c| c.id.to_string()).collect() };
    assert_eq!(ids(&home), ["gcloud:application-default", "gcloud:GOOGLE_APPLICATION_CREDENTIALS"]);
    home.env.set("GOOGLE_APPLICATION_CREDENTIALS", home.path(ADC).to_str().unwrap());
    assert_eq!(ids(&home), ["gcloud:GOOGLE_APPLICATION_CREDENTIALS"], "one file is listed once");
    home.env.set("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere/at/all.json");
    home.env.set("CLOUDSDK_CONFIG", home.path("other").to_str().unwrap());
    let (credentials, harvest) = read(&home);
    assert!(matches!(credentials[0].condition, Condition::Unresolved(_)), "{credentials:?}");
    assert_eq!((credentials.len(), harvest.findings.len()), (1, 0));
    home.write("other/application_default_credentials.json", USER);
    assert_eq!(ids(&home), ["gcloud:application-default", "gcloud:GOOGLE_APPLICATION_CREDENTIALS"]);
}

#[test]
fn a_broken_file_is_said() {
    every_broken_file(&Gcloud, ADC, &["{\"type\":\"tell-nobody", "", "[]", "tell-nobody"], true);
    every_broken_file(&Gcloud, ".config/gcloud/credentials.db", &["tell-nobody", ""], true);
    every_broken_file(&Gcloud, ".config/gcloud/access_tokens.db", &["tell-nobody"], false);
}

#[test]
fn accounts_of_the_command_line() {
    let home = Home::new();
    let rows = format!(
        "INSERT INTO credentials VALUES ('ann@x.org', '{USER}'), ('bot@p', '{SERVICE}'), ('odd', x'ff'), ('out', '{{\"type\":\"authorized_user\",\"refresh_token\":\"\"}}');"
    );
    let tokens = "INSERT INTO access_tokens VALUES ('ann@x.org', 'ya29', '2027-01-10 09:00:00.123456', NULL, 'e.y.J'), ('out', 'x', 'soon', '', '');";
    both(&home, &rows, tokens);
    let before = listing(&home);
    let (credentials, harvest) = read(&home);
    assert_eq!(listing(&home), before, "reading makes nothing beside them");
    let ids: Vec<&str> = credentials.iter().map(|credential| credential.id.as_str()).collect();
    assert_eq!(ids, ["gcloud:ann@x.org", "gcloud:bot@p", "gcloud:odd", "gcloud:out"]);
    let ann = &credentials[0];
    let end: Option<Time> = "2027-01-10T09:00:00.123456Z".parse().ok();
    assert_eq!((ann.clocks.access_expires, ann.renewal), (end, Renewal::Auto), "harmless: it is refreshed");
    assert_eq!((ann.fix.as_str(), ann.account.as_deref()), ("gcloud auth login ann@x.org", Some("ann@x.org")));
    assert_eq!(credentials[1].renewal, Renewal::None);
    assert!(matches!(credentials[2].condition, Condition::Damaged(_)));
    assert_eq!(credentials[3].condition, Condition::Blanked);
    assert_eq!(harvest.findings.len(), 1);
    assert!(!format!("{credentials:?}{:?}", harvest.findings).contains("tell-nobody"));
}

#[test]
fn a_token_database_that_is_odd_takes_nothing_from_the_accounts() {
    let home = Home::new();
    both(
        &home,
        &format!("INSERT INTO credentials VALUES ('a', '{USER}')"),
        "INSERT INTO access_tokens VALUES ('a','t','soon','','')",
    );
    let odd = read(&home).0.remove(0);
    assert_eq!((odd.clocks.access_expires, &odd.condition), (None, &Condition::Present));
    assert!(odd.notes[0].contains("token_expiry"));
    std::fs::remove_file(home.path(".config/gcloud/access_tokens.db")).unwrap();
    assert_eq!(read(&home).0[0].condition, Condition::Present);
    database(&home, "access_tokens.db", "CREATE TABLE other (x)");
    let (credentials, harvest) = read(&home);
    assert_eq!((credentials.len(), harvest.findings.len()), (1, 0), "another use of the same name");
}

fn listing(home: &Home) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(home.path(".config/gcloud"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}
