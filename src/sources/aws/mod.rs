//! AWS: keys in `~/.aws/credentials` ([`keys`]), single sign-on ([`sso`]), and what the command line derives from either
//! ([`cache`]). One owner, one configuration: `~/.aws/config` tells which profile a command must name.
//!
//! `credential_process` and the command line itself are never run, and no key is sent anywhere: it signs the question whose it
//! is ([`signing`]).

mod cache;
mod keys;
mod sso;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::cloud::AWS;
use super::{Found, Harvest, Scene, Source};
use crate::domain::{Renewal, Secret};
use crate::files;
use crate::formats::ini;

/// The gateways' name for models behind AWS.
const BEDROCK: &str = "amazon-bedrock";
/// Where a region is named in an environment.
const REGIONS: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];
/// A directory with more files than this is no cache of sessions.
const MANY: usize = 256;

/// Single sign-on.
pub struct AwsSso;

impl Source for AwsSso {
    fn name(&self) -> &'static str {
        sso::NAME
    }

    fn read(&self, scene: &Scene<'_>, harvest: &mut Harvest) {
        let first = harvest.found.len();
        sso::read(&directory(scene).join("sso/cache"), scene, harvest);
        AWS.judge_use(first, scene, harvest);
    }
}

/// Keys and what is derived.
pub struct Aws;

impl Source for Aws {
    fn name(&self) -> &'static str {
        keys::NAME
    }

    fn read(&self, scene: &Scene<'_>, harvest: &mut Harvest) {
        let first = harvest.found.len();
        keys::read(scene, harvest);
        cache::roles(&directory(scene).join("cli/cache"), scene, harvest);
        let login = ["AWS_LOGIN_CACHE_DIRECTORY", "AWS_LOGIN_IN_CACHE_DIRECTORY"];
        let login = login.into_iter().find_map(|name| scene.env.get(name)).map(|dir| scene.env.expand(dir));
        cache::logins(&login.unwrap_or_else(|| directory(scene).join("login/cache")), scene, harvest);
        AWS.judge_use(first, scene, harvest);
    }
}

fn directory(scene: &Scene<'_>) -> PathBuf {
    scene.env.home().join(".aws")
}

/// The `.json` files of a cache, in order.
fn cached(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries
        .take(MANY)
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    paths.sort();
    paths
}

/// `~/.aws/config`, for the words of commands only: whatever is wrong with it is no news.
struct Config(Map<String, Value>);

impl Config {
    fn read(scene: &Scene<'_>) -> Self {
        let own = scene.env.get("AWS_CONFIG_FILE").map(|path| scene.env.expand(path));
        Self(ini::parse(&files::text(&own.unwrap_or_else(|| directory(scene).join("config")))))
    }

    /// The text of a field of a section.
    fn field(&self, section: &str, name: &str) -> Option<&str> {
        self.0.get(section)?.get(name)?.as_str().filter(|text| !text.is_empty())
    }

    /// Each section that begins with this word, by its own name; `default` needs no word.
    fn named<'a>(&'a self, word: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.keys().filter_map(move |section| {
            if word == "profile" && section == "default" {
                return Some(("default", section.as_str()));
            }
            let name = section.strip_prefix(word)?.strip_prefix([' ', '\t'])?;
            Some((name.trim().trim_matches('"'), section.as_str()))
        })
    }

    /// The options that make a command speak of the profile with this value, shortest first.
    fn profile_with(&self, field: &str, value: &str) -> Option<&str> {
        self.named("profile").find(|(_, section)| self.field(section, field) == Some(value)).map(|(name, _)| name)
    }
}

/// What signs a question, as `ID:SECRET` or `ID:SECRET:SESSION`. Only where every region that this machine names is one of
/// AWS's general part: China and the government have identities of their own, and there a key is not known anywhere else.
fn signing(id: &str, secret: &Secret, session: Option<&Secret>, scene: &Scene<'_>) -> Option<Secret> {
    signing_in(&[], id, secret, session, scene)
}

/// The same where these regions are named besides.
fn signing_in(
    regions: &[&str],
    id: &str,
    secret: &Secret,
    session: Option<&Secret>,
    scene: &Scene<'_>,
) -> Option<Secret> {
    let config = Config::read(scene);
    let own = REGIONS.into_iter().filter_map(|name| scene.env.get(name));
    let configured = config.named("profile").filter_map(|(_, section)| config.field(section, "region"));
    let regions: Vec<&str> = own.chain(configured).chain(regions.iter().copied()).collect();
    let general = |region: &&str| {
        let apart = ["cn-", "us-gov-", "us-iso", "eu-isoe-", "eusc-"];
        !apart.iter().any(|prefix| region.trim().starts_with(prefix))
    };
    let known = !regions.is_empty() && regions.iter().all(general);
    let parts = [Some(id), Some(secret.expose().trim()), session.map(|token| token.expose().trim())];
    let parts: Vec<&str> = parts.into_iter().flatten().collect();
    let plain = parts.iter().all(|part| !part.is_empty() && !part.contains(':'));
    (known && plain).then(|| Secret::new(parts.join(":")))
}

/// A secret key in a variable signs with what is set beside it: its id, the token of its session, the region. Without an id
/// nobody can be asked. <https://docs.aws.amazon.com/sdkref/latest/guide/feature-static-credentials.html>
pub(super) fn among_variables<'v>(mut found: Found, get: impl Fn(&str) -> Option<&'v str>, scene: &Scene<'_>) -> Found {
    if found.credential.profile != "AWS_SECRET_ACCESS_KEY" {
        return found;
    }
    let Some(secret) = found.secret.take() else { return found };
    let Some(id) = get("AWS_ACCESS_KEY_ID").map(str::trim).filter(|id| !id.is_empty()) else {
        found.credential.notes.push("a secret key, but no AWS_ACCESS_KEY_ID beside it".to_owned());
        return found;
    };
    let session = get("AWS_SESSION_TOKEN").map(|token| Secret::new(token.to_owned())).filter(|token| !token.is_blank());
    if session.is_some() || id.starts_with("ASIA") {
        found.credential.renewal = Renewal::Manual;
        found.credential.notes.push("a temporary key whose end nobody wrote down".to_owned());
    }
    let regions: Vec<&str> = REGIONS.into_iter().filter_map(get).collect();
    found.secret = signing_in(&regions, id, &secret, session.as_ref(), scene);
    found
}

/// ` --profile NAME`, or nothing for the default one.
fn profile_option(name: Option<&str>) -> String {
    match name {
        None | Some("default") => String::new(),
        Some(name) => format!(" --profile {}", super::shell_word(name)),
    }
}
