//! What the command line derives by itself: keys of roles (`~/.aws/cli/cache`) and the sign-in of `aws login`
//! (`~/.aws/login/cache`). Both are renewed when they are used, so a passed end says nothing; leftovers stay for ever, so of
//! several for one account and role the one that ends last is shown.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};

use super::{BEDROCK, Config, cached};
use crate::domain::{Condition, Kind, Renewal};
use crate::formats::dates::Unit;
use crate::sources::json::{self, Field};
use crate::sources::login::{Format, LoginFile};
use crate::sources::{Found, Harvest, Scene};

const ROLES: &str = "aws-role";
const LOGINS: &str = "aws-login";

/// Where a cache's fields are.
struct Layout {
    source: &'static str,
    /// The object with the key.
    object: &'static str,
    id: &'static str,
    secret: &'static str,
    session: &'static str,
    expires: &'static str,
}

pub(super) fn roles(dir: &Path, scene: &Scene<'_>, harvest: &mut Harvest) {
    let layout = Layout {
        source: ROLES,
        object: "Credentials",
        id: "AccessKeyId",
        secret: "SecretAccessKey",
        session: "SessionToken",
        expires: "Expiration",
    };
    let name = |file: &Map<String, Value>, keys: &Map<String, Value>| {
        let arn = file.get("AssumedRoleUser").and_then(|user| user.get("Arn")).and_then(Value::as_str);
        // `arn:aws:sts::123456789012:assumed-role/Role/session`
        let role = arn.and_then(|arn| {
            let mut parts = arn.splitn(6, ':').skip(4);
            let (account, resource) = (parts.next()?, parts.next()?);
            Some(format!("{account}/{}", resource.strip_prefix("assumed-role/")?.split('/').next()?))
        });
        role.or_else(|| keys.get("AccountId").and_then(Value::as_str).map(str::to_owned))
    };
    let fix = |_: &str| "Run any `aws` command with its profile: the key is derived anew.".to_owned();
    caches(dir, &layout, name, fix, scene, harvest);
}

pub(super) fn logins(dir: &Path, scene: &Scene<'_>, harvest: &mut Harvest) {
    let layout = Layout {
        source: LOGINS,
        object: "accessToken",
        id: "accessKeyId",
        secret: "secretAccessKey",
        session: "sessionToken",
        expires: "expiresAt",
    };
    let name = |_: &Map<String, Value>, keys: &Map<String, Value>| {
        keys.get("accountId").and_then(Value::as_str).map(str::to_owned)
    };
    if !dir.is_dir() {
        return;
    }
    let config = Config::read(scene);
    let fix = |account: &str| {
        // `login_session = arn:aws:iam::123456789012:user/ann`
        let of = |(_, section): &(&str, &str)| {
            config.field(section, "login_session").is_some_and(|arn| arn.split(':').nth(4) == Some(account))
        };
        let profile = config.named("profile").find(of).map(|(name, _)| name);
        format!("aws login{}", super::profile_option(profile))
    };
    caches(dir, &layout, name, fix, scene, harvest);
}

fn caches(
    dir: &Path,
    layout: &Layout,
    name: impl Fn(&Map<String, Value>, &Map<String, Value>) -> Option<String>,
    fix: impl Fn(&str) -> String,
    scene: &Scene<'_>,
    harvest: &mut Harvest,
) {
    let paths = cached(dir);
    if paths.is_empty() {
        return;
    }
    let mut latest: BTreeMap<String, Found> = BTreeMap::new();
    for path in paths {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or("default").to_owned();
        let mut file = LoginFile::new(layout.source, BEDROCK, path, "Remove it: it is derived anew.").settings();
        if let Some(mut object) = file.open(Format::Json, harvest)
            && let Some(Value::Object(mut keys)) = object.remove(layout.object)
        {
            // Another use of the same directory has no name of ours; its hash is one.
            let profile = name(&object, &keys).unwrap_or(stem);
            let found = derived(&file, layout, (&profile, fix(&profile)), (&mut object, &mut keys), scene, harvest);
            let end = |found: &Found| found.credential.clocks.access_expires;
            if latest.get(&profile).is_none_or(|other| end(other) < end(&found)) {
                latest.insert(profile, found);
            }
        }
        file.close(harvest);
    }
    let credentials = latest.len();
    harvest.found.extend(latest.into_values());
    harvest.report(layout.source, dir.to_owned(), true, credentials);
}

fn derived(
    file: &LoginFile,
    layout: &Layout,
    (profile, fix): (&str, String),
    (object, keys): (&mut Map<String, Value>, &mut Map<String, Value>),
    scene: &Scene<'_>,
    harvest: &mut Harvest,
) -> Found {
    let secret = json::secret(keys, layout.secret);
    let session = json::secret(keys, layout.session).secret();
    let condition = match &secret {
        Field::Text(_) => Condition::Present,
        Field::Blank => Condition::Blanked,
        Field::Absent => Condition::Absent(format!("{} has no {}", layout.object, layout.secret)),
        Field::Mistyped => Condition::Damaged(format!("{}.{} is not a text", layout.object, layout.secret)),
    };
    let mut found = file.found(profile, BEDROCK, Kind::Cloud, condition);
    let credential = &mut found.credential;
    credential.renewal = Renewal::Auto;
    credential.fix = fix;
    let secret = secret.secret();
    credential.fingerprint = secret.as_ref().and_then(|secret| scene.key.fingerprint(secret));
    let refresh = json::secret(object, "refreshToken").secret();
    credential.refresh_fingerprint = refresh.and_then(|secret| scene.key.fingerprint(&secret));
    let field = (layout.expires, Unit::Text);
    credential.clocks.access_expires = file.date(keys, field, layout.object, &mut credential.notes, harvest);
    let id = keys.get(layout.id).and_then(Value::as_str).unwrap_or_default();
    found.secret = secret.and_then(|secret| super::signing(id, &secret, session.as_ref(), scene));
    found
}
