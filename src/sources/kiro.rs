//! Kiro's logins: the command line's database (and that of its predecessor, Amazon Q), and the file of its IDE among the AWS
//! single sign-on caches.
//!
//! A login through AWS needs the registration of its client to be renewed; once that has ended, only a new login helps.

use std::path::PathBuf;

use serde_json::{Map, Value};

use super::json;
use super::login::{Format, LoginFile, Shape};
use super::sqlite::Database;
use super::{Harvest, Scene, Source};
use crate::domain::{Basis, Condition, Kind};
use crate::files::Trouble;
use crate::formats::dates::Unit;

/// The command line.
pub struct KiroCli;

/// Its predecessor.
pub struct AmazonQ;

/// The IDE.
pub struct KiroIde;

const SHAPE: Shape =
    Shape { access: "access_token", refresh: "refresh_token", expires: Some(("expires_at", Unit::Text)) };
const IDE_SHAPE: Shape =
    Shape { access: "accessToken", refresh: "refreshToken", expires: Some(("expiresAt", Unit::Text)) };

impl Source for KiroCli {
    fn name(&self) -> &'static str {
        "kiro"
    }

    fn read(&self, scene: &Scene<'_>, harvest: &mut Harvest) {
        command_line("kiro", "kiro-cli", "kiro-cli login", scene, harvest);
    }
}

impl Source for AmazonQ {
    fn name(&self) -> &'static str {
        "amazon-q"
    }

    fn read(&self, scene: &Scene<'_>, harvest: &mut Harvest) {
        command_line("amazon-q", "amazon-q", "q login", scene, harvest);
    }
}

fn command_line(name: &'static str, dir: &str, fix: &str, scene: &Scene<'_>, harvest: &mut Harvest) {
    let bases: [PathBuf; 2] = [super::bases::data(scene.env), scene.env.home().join("Library/Application Support")];
    for base in bases {
        let dir = base.join(dir);
        // Besides the login it holds conversations.
        let mut file =
            LoginFile::new(name, name, dir.join("data.sqlite3"), fix).settings().alive([dir.join("history")]);
        let there = file.exists();
        if let Some(database) = file.open_database(harvest) {
            for flow in [
                "kirocli:odic",
                "kirocli:oidc",
                "kirocli:social",
                "kirocli:external-idp",
                "codewhisperer:odic",
                "codewhisperer:social",
            ] {
                if let Err(trouble) = login(&file, &database, flow, scene, harvest) {
                    file.broken(&trouble, harvest);
                    break;
                }
            }
        }
        file.close(harvest);
        if there {
            break;
        }
    }
}

/// The login of one way in (its name is the owner's own, spelling included), if there is one.
fn login(
    file: &LoginFile,
    database: &Database,
    flow: &str,
    scene: &Scene<'_>,
    harvest: &mut Harvest,
) -> Result<(), Trouble> {
    let key = format!("{flow}:token");
    let row = |key: &str| database.text("SELECT value FROM auth_kv WHERE key = ?1", [key]);
    // `null` is what some versions leave after a logout.
    let Some(text) = row(&key)?.filter(|text| !matches!(text.trim(), "" | "null")) else { return Ok(()) };
    let mut object = match json::object(&text) {
        Ok(object) => object,
        Err(trouble) => {
            let what = format!("the row {key} {}", trouble.why);
            harvest.findings.push(file.damaged(&key, &what));
            harvest.found.push(file.found(flow, file.provider(), Kind::Oauth, Condition::Damaged(what)));
            return Ok(());
        }
    };
    let mut found = file.oauth(flow, file.provider(), &mut object, (&SHAPE, &key), scene, harvest);
    let credential = &mut found.credential;
    let registration = row(&format!("{flow}:device-registration"))?.and_then(|text| json::object(&text).ok());
    if let (Condition::Present, Some(registration)) = (&credential.condition, registration) {
        let field = ("client_secret_expires_at", Unit::Text);
        credential.clocks.grant_expires = file.date(&registration, field, "", &mut credential.notes, harvest);
        credential.clocks.grant_basis = credential.clocks.grant_expires.map(|_| Basis::Declared);
    }
    harvest.found.push(found);
    Ok(())
}

impl Source for KiroIde {
    fn name(&self) -> &'static str {
        "kiro-ide"
    }

    fn read(&self, scene: &Scene<'_>, harvest: &mut Harvest) {
        let path = scene.env.home().join(".aws/sso/cache/kiro-auth-token.json");
        let signs = ["settings", "sessions"].map(|name| scene.env.home().join(".kiro").join(name));
        let fix = "Open Kiro and sign in again.";
        let mut file = LoginFile::new("kiro-ide", "kiro", path, fix).alive(signs);
        if let Some(mut object) = file.open(Format::Json, harvest) {
            let account = text(&object, "email");
            let mut found = file.oauth("default", "kiro", &mut object, (&IDE_SHAPE, ""), scene, harvest);
            found.credential.account = account;
            harvest.found.push(found);
        }
        file.close(harvest);
    }
}

fn text(object: &Map<String, Value>, name: &str) -> Option<String> {
    object.get(name)?.as_str().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Home, database, every_broken_file, every_database, now};
    use super::*;
    use crate::domain::{Renewal, Span};

    const KIRO: &str = ".local/share/kiro-cli/data.sqlite3";
    const MAC: &str = "Library/Application Support/kiro-cli/data.sqlite3";
    const IDE: &str = ".aws/sso/cache/kiro-auth-token.json";
    const TABLE: &str = "CREATE TABLE auth_kv (key TEXT PRIMARY KEY, value TEXT)";

    fn token() -> String {
        let end = (now() + Span::minutes(50)).to_rfc3339();
        format!(
            r#"{{"access_token":"aoa-1","expires_at":"{end}","refresh_token":"aor-1","region":"us-east-1","oauth_flow":"PKCE"}}"#
        )
    }

    #[test]
    fn the_command_lines_database() {
        let end = now() + Span::days(80);
        let registration =
            format!(r#"{{"client_id":"c","client_secret":"s","client_secret_expires_at":"{}"}}"#, end.to_rfc3339());
        let text = token();
        let rows = [
            ("kirocli:odic:token", text.as_str()),
            ("kirocli:odic:device-registration", &registration),
            ("kirocli:social:token", "null"),
            ("codewhisperer:odic:token", "{"),
            ("telemetry", "x"),
        ];
        for (place, wal) in [(KIRO, false), (MAC, true)] {
            let home = Home::new();
            drop(database(&home, place, wal, TABLE, ("auth_kv", &rows)));
            let before = home.tree();
            let harvest = home.read(&KiroCli);
            assert_eq!(home.tree(), before, "reading leaves no trace");
            let [login, damaged] = harvest.found.as_slice() else { panic!("{:?}", harvest.findings) };
            let credential = &login.credential;
            assert_eq!((credential.id.as_str(), credential.provider.as_str()), ("kiro:kirocli:odic", "kiro"));
            assert_eq!(credential.clocks.access_expires, Some(now() + Span::minutes(50)));
            assert_eq!(
                (credential.clocks.grant_expires, credential.clocks.grant_basis),
                (Some(end), Some(Basis::Declared))
            );
            assert_eq!((credential.renewal, credential.fix.as_str()), (Renewal::Auto, "kiro-cli login"));
            assert_eq!(login.secret.as_ref().unwrap().expose(), "aoa-1");
            assert!(matches!(damaged.credential.condition, Condition::Damaged(_)));
            assert_eq!(harvest.findings.len(), 1);
        }
    }

    #[test]
    fn its_predecessor_and_a_database_in_use() {
        let home = Home::new();
        let text = token();
        let place = ".local/share/amazon-q/data.sqlite3";
        let open = database(&home, place, true, TABLE, ("auth_kv", &[("codewhisperer:odic:token", text.as_str())]));
        let harvest = home.read(&AmazonQ);
        drop(open);
        let credential = &harvest.found[0].credential;
        assert_eq!((credential.id.as_str(), credential.provider.as_str()), ("amazon-q:codewhisperer:odic", "amazon-q"));
        assert_eq!((credential.clocks.grant_expires, credential.fix.as_str()), (None, "q login"));
        assert!(home.read(&KiroCli).found.is_empty());
    }

    #[test]
    fn a_database_of_another_layout_says_nothing() {
        let home = Home::new();
        drop(database(&home, KIRO, false, "CREATE TABLE auth_kv (name TEXT, content TEXT)", ("auth_kv", &[])));
        let harvest = home.read(&KiroCli);
        assert_eq!((harvest.found.len(), harvest.findings.len(), harvest.reports[0].up), (0, 1, false));
        let home = Home::new();
        drop(database(&home, KIRO, false, "CREATE TABLE history (key TEXT, value TEXT)", ("history", &[])));
        let harvest = home.read(&KiroCli);
        assert_eq!((harvest.found.len(), harvest.findings.len(), harvest.reports[0].up), (0, 0, true));
    }

    #[test]
    fn the_ides_file() {
        let home = Home::new();
        home.write(IDE, r#"{"accessToken":"a","refreshToken":"r","expiresAt":"2027-01-10T13:00:00.000Z","authMethod":"social","provider":"Google","email":" me@x.org "}"#);
        let harvest = home.read(&KiroIde);
        let credential = &harvest.found[0].credential;
        assert_eq!((credential.id.as_str(), credential.provider.as_str()), ("kiro-ide:default", "kiro"));
        assert_eq!(credential.clocks.access_expires, Some(now() + Span::hours(1)));
        assert_eq!(credential.account.as_deref(), Some("me@x.org"));
        let table = [
            (r#"{"accessToken":"","refreshToken":"","expiresAt":""}"#, Condition::Blanked),
            ("{}", Condition::Absent("the login has no accessToken".to_owned())),
            (r#"{"accessToken":1}"#, Condition::Damaged("accessToken is not a text".to_owned())),
        ];
        for (text, condition) in table {
            home.write(IDE, text);
            assert_eq!(home.read(&KiroIde).found[0].credential.condition, condition, "{text}");
        }
    }

    #[test]
    fn in_whatever_state_a_database_is() {
        let text = token();
        let rows = [("kirocli:social:token", text.as_str()), ("codewhisperer:odic:token", text.as_str())];
        every_database(&KiroCli, KIRO, |home, place, wal| database(home, place, wal, TABLE, ("auth_kv", &rows)));
        let place = ".local/share/amazon-q/data.sqlite3";
        every_database(&AmazonQ, place, |home, place, wal| database(home, place, wal, TABLE, ("auth_kv", &rows)));
    }

    #[test]
    fn whatever_is_broken() {
        let text = "SQLite format 3\0".to_owned() + &"tell-nobody".repeat(200);
        every_broken_file(&KiroCli, KIRO, &["", "cut", &text], false);
        every_broken_file(&KiroIde, IDE, &["", r#"{"accessToken":"tell-nobody"#, "[]"], true);
    }
}
