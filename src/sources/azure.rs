//! Azure's command line: `msal_token_cache.json` in `$AZURE_CONFIG_DIR` or `~/.azure`, one cache for all accounts.
//!
//! Access tokens live for about an hour and are made anew from a refresh token. That one has no date: it lives 90 days from its
//! last use unless a policy says less, and only Azure knows the policy. A logout takes an account's entries away.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::cloud::AZURE;
use super::json::{self, Field};
use super::login::{Format, LoginFile};
use super::{Found, Harvest, Scene, Source};
use crate::domain::{Condition, Kind, Renewal};
use crate::formats::dates::{self, Unit};

/// See the module.
pub struct Azure;

const NAME: &str = "azure-cli";
const PROVIDER: &str = "azure";

impl Source for Azure {
    fn name(&self) -> &'static str {
        NAME
    }

    fn read(&self, scene: &Scene<'_>, harvest: &mut Harvest) {
        let first = harvest.found.len();
        let own = scene.env.get("AZURE_CONFIG_DIR").map(|dir| scene.env.expand(dir));
        let dir = own.unwrap_or_else(|| scene.env.home().join(".azure"));
        // It writes these with every use.
        let signs = ["commandIndex.json", "versionCheck.json", "telemetry", "commands"].map(|name| dir.join(name));
        let mut file = LoginFile::new(NAME, PROVIDER, dir.join("msal_token_cache.json"), "az login").alive(signs);
        if let Some(mut cache) = file.open(Format::Json, harvest) {
            let mut table = |name: &str| match cache.remove(name) {
                Some(Value::Object(table)) => table,
                None | Some(Value::Null) => Map::new(),
                Some(_) => {
                    harvest.findings.push(file.damaged(name, &format!("{name} is not an object")));
                    Map::new()
                }
            };
            let (access, refresh, names) = (table("AccessToken"), table("RefreshToken"), table("Account"));
            let (mut access, mut refresh) = (by_account(access), by_account(refresh));
            let accounts: BTreeSet<String> = access.keys().chain(refresh.keys()).cloned().collect();
            for account in accounts {
                let entries = (access.remove(&account), refresh.remove(&account));
                let name = names.values().find_map(|entry| {
                    (text(entry, "home_account_id") == Some(&account)).then(|| text(entry, "username"))?
                });
                harvest.found.push(login(&file, (&account, name), entries, scene));
            }
        }
        file.close(harvest);
        AZURE.judge_use(first, scene, harvest);
    }
}

type Entries = Vec<Map<String, Value>>;

/// Entries by whose they are. A service principal has no account; its client is its name.
fn by_account(table: Map<String, Value>) -> BTreeMap<String, Entries> {
    let mut accounts: BTreeMap<String, Entries> = BTreeMap::new();
    for (_, entry) in table {
        let whose = text(&entry, "home_account_id").or_else(|| text(&entry, "client_id")).map(str::to_owned);
        if let (Some(whose), Value::Object(entry)) = (whose, entry) {
            accounts.entry(whose).or_default().push(entry);
        }
    }
    accounts
}

fn text<'a>(entry: &'a Value, name: &str) -> Option<&'a str> {
    entry.get(name)?.as_str().filter(|text| !text.trim().is_empty())
}

fn login(
    file: &LoginFile,
    (account, name): (&str, Option<&str>),
    (access, refresh): (Option<Entries>, Option<Entries>),
    scene: &Scene<'_>,
) -> Found {
    let (access, refresh) = (access.unwrap_or_default(), refresh.unwrap_or_default());
    // The time is a number in quotes, as MSAL writes it, and nothing to say.
    let dates =
        |name: &str| access.iter().filter_map(|entry| dates::from_json(entry.get(name), Unit::Seconds).at()).max();
    let (expires, renewed) = (dates("expires_on"), dates("cached_at"));
    let odd = expires.is_none() && !access.is_empty();
    let tokens: Vec<Field> = refresh.into_iter().map(|mut entry| json::secret(&mut entry, "secret")).collect();
    let keys: Vec<Field> = access.into_iter().map(|mut entry| json::secret(&mut entry, "secret")).collect();
    let there = |fields: &[Field]| fields.iter().any(|field| matches!(field, Field::Text(_)));
    let condition = if there(&tokens) || there(&keys) {
        Condition::Present
    } else if tokens.iter().chain(&keys).any(|field| matches!(field, Field::Mistyped)) {
        Condition::Damaged("secret is not a text".to_owned())
    } else {
        Condition::Blanked
    };
    let mut found = file.found(name.unwrap_or(account), PROVIDER, Kind::Cloud, condition);
    let credential = &mut found.credential;
    credential.account = name.map(str::to_owned);
    if credential.condition == Condition::Present {
        credential.clocks.access_expires = expires;
        credential.clocks.last_renewed = renewed;
        if odd {
            credential.notes.push("expires_on is no date: the end of the access token is not known".to_owned());
        }
        if !there(&tokens) {
            credential.renewal = Renewal::Manual;
            credential.clocks.issued = renewed;
            credential.notes.push("there is no refresh token: only a new login helps when it ends".to_owned());
        }
    }
    credential.refresh_fingerprint =
        tokens.into_iter().find_map(Field::secret).and_then(|secret| scene.key.fingerprint(&secret));
    found
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Home, every_broken_file};
    use super::*;
    use crate::domain::Credential;

    const PLACE: &str = ".azure/msal_token_cache.json";

    fn cache(access: &str, refresh: &str) -> String {
        format!(
            r#"{{"AccessToken":{{{access}}},"RefreshToken":{{{refresh}}},"IdToken":{{}},"AppMetadata":{{}},"Account":{{"a":{{"home_account_id":"uid.tid","username":"ann@x.org","environment":"login.microsoftonline.com","realm":"tid"}}}}}}"#
        )
    }

    fn token(name: &str, secret: &str, expires: &str) -> String {
        format!(
            r#""{name}":{{"credential_type":"AccessToken","secret":{secret},"home_account_id":"uid.tid","client_id":"c","realm":"tid","target":"{name}","token_type":"Bearer","cached_at":"1799577000","expires_on":{expires},"extended_expires_on":"1799580600"}}"#
        )
    }

    fn refresh(secret: &str) -> String {
        format!(
            r#""r":{{"credential_type":"RefreshToken","secret":{secret},"home_account_id":"uid.tid","client_id":"c","family_id":"1","last_modification_time":"1799577000"}}"#
        )
    }

    fn read(home: &Home) -> (Vec<Credential>, Harvest) {
        let harvest = home.read(&Azure);
        assert!(harvest.found.iter().all(|found| found.secret.is_none()));
        (harvest.found.iter().map(|found| *found.credential.clone()).collect(), harvest)
    }

    #[test]
    fn one_login_for_each_account() {
        let mut home = Home::new();
        let both =
            format!("{},{}", token("one", "\"eyJ\"", "\"1799580600\""), token("two", "\"eyJ\"", "\"1799587800\""));
        let principal = r#","p":{"secret":"s","client_id":"robot","home_account_id":null,"expires_on":"1799580600","cached_at":"1799577000"}"#;
        home.write(PLACE, cache(&format!("{both}{principal}"), &refresh("\"0.A\"")));
        let (credentials, harvest) = read(&home);
        let ids: Vec<&str> = credentials.iter().map(|credential| credential.id.as_str()).collect();
        assert_eq!(ids, ["azure-cli:robot", "azure-cli:ann@x.org"]);
        let ann = &credentials[1];
        assert_eq!((ann.renewal, ann.kind, ann.fix.as_str()), (Renewal::Auto, Kind::Cloud, "az login"));
        assert_eq!(ann.clocks.access_expires.map(|end| end.timestamp()), Some(1_799_587_800));
        assert_eq!(ann.clocks.last_renewed.map(|at| at.timestamp()), Some(1_799_577_000));
        assert!(ann.refresh_fingerprint.is_some() && harvest.findings.is_empty());
        let robot = &credentials[0];
        assert_eq!((robot.renewal, robot.clocks.issued.is_some()), (Renewal::Manual, true));
        home.env.set("AZURE_CONFIG_DIR", home.path("other").to_str().unwrap());
        assert!(read(&home).0.is_empty());
    }

    #[test]
    fn a_logout_leaves_nothing() {
        let home = Home::new();
        for text in [cache("", ""), "{}".to_owned()] {
            home.write(PLACE, text);
            let (credentials, harvest) = read(&home);
            assert!(credentials.is_empty() && harvest.findings.is_empty() && harvest.reports[0].up);
        }
    }

    #[test]
    fn broken_entries() {
        let damaged = Condition::Damaged("secret is not a text".to_owned());
        let good = "\"1799580600\"";
        let table = [
            (token("a", "\"\"", good), refresh("\"\""), Condition::Blanked, None),
            (token("a", "7", good), refresh("{}"), damaged, None),
            (token("a", "\"t\"", "1799580600"), refresh("\"r\""), Condition::Present, Some(1_799_580_600)),
            (token("a", "\"t\"", "1799580600000"), refresh("\"r\""), Condition::Present, Some(1_799_580_600)),
            (token("a", "\"t\"", "\"soon\""), refresh("\"r\""), Condition::Present, None),
            (String::new(), refresh("\"r\""), Condition::Present, None),
        ];
        for (access, refresh, condition, end) in table {
            let home = Home::new();
            home.write(PLACE, cache(&access, &refresh));
            let credential = read(&home).0.remove(0);
            assert_eq!(credential.condition, condition, "{access}");
            assert_eq!(credential.clocks.access_expires.map(|end| end.timestamp()), end, "{access}");
            let said = credential.notes.iter().any(|note| note.starts_with("expires_on"));
            assert_eq!(said, access.contains("soon"), "{access}");
        }
        let home = Home::new();
        home.write(PLACE, r#"{"AccessToken":[],"RefreshToken":{"x":7}}"#);
        let (credentials, harvest) = read(&home);
        assert_eq!((credentials.len(), harvest.findings.len()), (0, 1));
        every_broken_file(&Azure, PLACE, &["{\"AccessToken\":{\"tell-nobody", "", "[]"], true);
    }
}
