//! Keys of assistants that run inside editors (Cline, Roo Code, Kilo Code): in the encrypted storage of VS Code and of editors
//! made from it, rows `secret://{"extensionId":…,"key":…}` of `state.vscdb`.
//!
//! Only the editor opens them, with a key from the keyring. What can be said is which there are; whether they work is shown
//! nowhere outside, so they alarm nobody. Everything else in that database is left alone.

use std::path::PathBuf;

use serde_json::{Map, Value};

use super::login::LoginFile;
use super::sqlite::Database;
use super::{Harvest, Scene, Source, cline, json};
use crate::domain::Kind;
use crate::files::Trouble;

/// See the module.
pub struct VsCode;

const NAME: &str = "vscode";
/// What their directories are called.
const EDITORS: [&str; 6] = ["Code", "Code - Insiders", "Code - OSS", "VSCodium", "Cursor", "Windsurf"];
/// The extension, its name to people, and the provider of its own accounts.
const EXTENSIONS: [(&str, &str, &str); 3] = [
    ("saoudrizwan.claude-dev", "Cline", "cline"),
    ("rooveterinaryinc.roo-cline", "Roo Code", "roo"),
    ("kilocode.kilo-code", "Kilo Code", "kilo"),
];
/// Every name of a secret: those between these two.
const SECRETS: &str =
    "SELECT key FROM ItemTable WHERE key >= 'secret://' AND key < 'secret:/0' ORDER BY key LIMIT 1000";

impl Source for VsCode {
    fn name(&self) -> &'static str {
        NAME
    }

    fn read(&self, scene: &Scene<'_>, harvest: &mut Harvest) {
        let bases: [PathBuf; 2] =
            [super::bases::config(scene.env), scene.env.home().join("Library/Application Support")];
        for (base, editor) in bases.iter().flat_map(|base| EDITORS.map(|editor| (base, editor))) {
            let dir = base.join(editor);
            let path = dir.join("User/globalStorage/state.vscdb");
            let fix = format!("start {editor}, which makes a new one, and enter the keys of its extensions again.");
            let mut file = LoginFile::new(NAME, "unknown", path, fix).settings();
            if !file.exists() {
                continue;
            }
            if let Some(database) = file.open_database(harvest) {
                match items(&database) {
                    Ok(items) => harvest.found.extend(items.iter().filter_map(|item| shown(&file, editor, item))),
                    Err(trouble) => file.broken(&trouble, harvest),
                }
            }
            file.close(harvest);
        }
    }
}

/// Extension and key of each secret.
fn items(database: &Database) -> Result<Vec<(String, String)>, Trouble> {
    let names = database.texts(SECRETS)?;
    let read = |name: &String| {
        let name: Map<String, Value> = json::object(name.strip_prefix("secret://")?).ok()?;
        let field = |key: &str| name.get(key).and_then(Value::as_str).map(str::to_owned);
        Some((field("extensionId")?, field("key")?))
    };
    Ok(names.iter().filter_map(read).collect())
}

fn shown(file: &LoginFile, editor: &str, (extension, key): &(String, String)) -> Option<super::Found> {
    let (id, title, own) = EXTENSIONS.into_iter().find(|(id, ..)| extension.eq_ignore_ascii_case(id))?;
    // Cline's names of keys are those of all three, which have one ancestor.
    let known = cline::KEYS.iter().find(|(name, _)| name == key).map(|(_, provider)| *provider);
    let login = known.is_none() && key.to_lowercase().contains("oauth");
    // Of what else they keep (nonces, whole profiles in one text) only the profiles hold keys.
    if known.is_none()
        && !login
        && !["roo_cline_config_api_config", "clineAccountId", cline::ACCOUNT].contains(&key.as_str())
    {
        return None;
    }
    let profile = format!("{editor}/{id}/{key}");
    let why = format!("it is encrypted in {}, and only {editor} opens that", file.path().display());
    let mut found = file.sealed(&profile, known.unwrap_or(own), why);
    if known.is_some() {
        found.credential.kind = Kind::ApiKey;
    }
    found.credential.fix =
        format!("Look in {editor}, in the settings of {title}: nothing outside shows whether it works.");
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Home, credentials, database, every_broken_file, every_database};
    use super::*;
    use crate::domain::Condition;

    const PLACE: &str = ".config/Code/User/globalStorage/state.vscdb";
    const SCHEMA: &str = "CREATE TABLE ItemTable (key TEXT UNIQUE ON CONFLICT REPLACE, value BLOB)";

    fn secret(extension: &str, key: &str) -> String {
        format!(r#"secret://{{"extensionId":"{extension}","key":"{key}"}}"#)
    }

    #[test]
    fn that_there_are_secrets_and_no_more() {
        let home = Home::new();
        let names = [
            secret("saoudrizwan.claude-dev", "openRouterApiKey"),
            secret("saoudrizwan.claude-dev", "cline:clineAccountId"),
            secret("saoudrizwan.claude-dev", "authNonce"),
            secret("RooVeterinaryInc.roo-cline", "roo_cline_config_api_config"),
            secret("kilocode.kilo-code", "openai-codex-oauth-credentials"),
            secret("vscode.github-authentication", "github.auth"),
            "secret://no json".to_owned(),
            "saoudrizwan.claude-dev".to_owned(),
        ];
        let rows: Vec<(&str, &str)> =
            names.iter().map(|name| (name.as_str(), r#"{"type":"Buffer","data":[118,49,48]}"#)).collect();
        drop(database(&home, PLACE, false, SCHEMA, ("ItemTable", &rows)));
        drop(database(
            &home,
            "Library/Application Support/VSCodium/User/globalStorage/state.vscdb",
            true,
            SCHEMA,
            ("ItemTable", &rows[..1]),
        ));
        let before = home.tree();
        let harvest = home.read(&VsCode);
        assert_eq!(home.tree(), before);
        let facts: Vec<(String, String, Kind)> =
            credentials(&harvest).into_iter().map(|one| (one.id.0, one.provider, one.kind)).collect();
        let expected = [
            ("vscode:Code/rooveterinaryinc.roo-cline/roo_cline_config_api_config", "roo", Kind::Oauth),
            ("vscode:Code/kilocode.kilo-code/openai-codex-oauth-credentials", "kilo", Kind::Oauth),
            ("vscode:Code/saoudrizwan.claude-dev/cline:clineAccountId", "cline", Kind::Oauth),
            ("vscode:Code/saoudrizwan.claude-dev/openRouterApiKey", "openrouter", Kind::ApiKey),
            ("vscode:VSCodium/saoudrizwan.claude-dev/openRouterApiKey", "openrouter", Kind::ApiKey),
        ];
        assert_eq!(facts, expected.map(|(id, provider, kind)| (id.to_owned(), provider.to_owned(), kind)));
        for found in &harvest.found {
            assert!(matches!(&found.credential.condition, Condition::Unreadable(why) if why.contains("encrypted")));
            assert_eq!((found.credential.declared_in_use, found.secret.is_none()), (Some(false), true));
        }
        assert!(harvest.findings.is_empty() && harvest.reports[0].up);
    }

    #[test]
    fn where_nothing_says_that_there_is_one() {
        let home = Home::new();
        assert!(home.read(&VsCode).reports.is_empty());
        drop(database(&home, PLACE, false, SCHEMA, ("ItemTable", &[("theme", "dark")])));
        let harvest = home.read(&VsCode);
        assert!(harvest.found.is_empty() && harvest.findings.is_empty());
        let other = Home::new();
        drop(database(&other, PLACE, false, "CREATE TABLE other (key TEXT, value BLOB)", ("other", &[])));
        assert!(other.read(&VsCode).findings.is_empty(), "another use of the same file");
    }

    #[test]
    fn in_whatever_state_a_database_is() {
        let name = secret("saoudrizwan.claude-dev", "openRouterApiKey");
        let rows = [(name.as_str(), "x")];
        every_database(&VsCode, PLACE, |home, place, wal| database(home, place, wal, SCHEMA, ("ItemTable", &rows)));
    }

    #[test]
    fn whatever_is_broken() {
        every_broken_file(&VsCode, PLACE, &["", "SQLite format 3\0tell-nobody"], false);
    }
}
