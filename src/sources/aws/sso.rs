//! `~/.aws/sso/cache`: one file for each sign-on, named by a hash, and never cleaned up. Of those for one start address the one
//! that ends last counts; the others are leftovers.
//!
//! With a refresh token the command line renews the sign-on when it is used, as long as its own registration lasts; without one
//! a person signs on again. A file is written when a sign-on is made and at no other time, so its age is the sign-on's.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::{BEDROCK, Config, cached};
use crate::domain::{Condition, Kind, Renewal};
use crate::formats::dates::Unit;
use crate::sources::login::{Format, LoginFile, Shape};
use crate::sources::{Found, Harvest, Scene, shell_word};

pub(super) const NAME: &str = "aws-sso";

const SHAPE: Shape = Shape { access: "accessToken", refresh: "refreshToken", expires: Some(("expiresAt", Unit::Text)) };

pub(super) fn read(dir: &Path, scene: &Scene<'_>, harvest: &mut Harvest) {
    let paths = cached(dir);
    let config = Config::read(scene);
    let mut latest: BTreeMap<String, Found> = BTreeMap::new();
    for path in paths {
        // The registration of the command line itself, and the login of another program.
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with("botocore-client-id-") || name == "kiro-auth-token.json" {
            continue;
        }
        let mut file = LoginFile::new(NAME, BEDROCK, path, "aws sso login").settings();
        let Some(mut object) = file.open(Format::Json, harvest) else {
            file.close(harvest);
            continue;
        };
        // Registrations have no address to start from.
        let start = object.get("startUrl").and_then(Value::as_str).map(str::to_owned);
        if let Some(start) = start.filter(|_| object.contains_key("accessToken")) {
            let (profile, fix) = name_of(&start, &config);
            let mut found = file.oauth(&profile, BEDROCK, &mut object, (&SHAPE, ""), scene, harvest);
            let credential = &mut found.credential;
            credential.kind = Kind::Cloud;
            credential.fix = fix;
            // A sign-on is presented to AWS's own portal only.
            found.secret = None;
            if credential.condition == Condition::Present {
                let field = ("registrationExpiresAt", Unit::Text);
                let registered = file.date(&object, field, "", &mut credential.notes, harvest);
                // Nothing is renewed with a registration that ends before what would be renewed.
                let refused =
                    registered.is_some_and(|end| credential.clocks.access_expires.is_some_and(|at| end <= at));
                if credential.renewal == Renewal::Auto && refused {
                    credential.renewal = Renewal::Manual;
                    credential.notes.push("its registration ends first: it cannot be renewed".to_owned());
                }
                if credential.renewal == Renewal::Manual {
                    credential.clocks.issued = credential.origin.modified;
                }
            }
            let rank = |found: &Found| {
                let Found { credential, .. } = found;
                (
                    credential.condition == Condition::Present,
                    credential.clocks.access_expires,
                    credential.origin.modified,
                )
            };
            match latest.get(&start) {
                Some(other) if rank(other) >= rank(&found) => {}
                _ => {
                    latest.insert(start, found);
                }
            }
        }
        file.close(harvest);
    }
    let credentials = latest.len();
    harvest.found.extend(latest.into_values());
    harvest.report(NAME, dir.to_owned(), true, credentials);
}

/// What to call a sign-on, and how it is made anew. Its own address is its name: profiles come and go.
fn name_of(start: &str, config: &Config) -> (String, String) {
    let same = |field: Option<&str>| field.is_some_and(|url| trimmed(url) == trimmed(start));
    let session = config.named("sso-session").find(|(_, section)| same(config.field(section, "sso_start_url")));
    let profile = match session {
        Some((session, _)) => config.profile_with("sso_session", session),
        None => {
            let own = |(_, section): &(&str, &str)| same(config.field(section, "sso_start_url"));
            config.named("profile").find(own).map(|(name, _)| name)
        }
    };
    let fix = match (session, profile) {
        (Some((session, _)), _) => format!("aws sso login --sso-session {}", shell_word(session)),
        (None, Some(profile)) => format!("aws sso login{}", super::profile_option(Some(profile))),
        (None, None) => format!("Run `aws sso login` with the profile of {start}."),
    };
    (trimmed(start).to_owned(), fix)
}

/// `my-org.awsapps.com` of `https://my-org.awsapps.com/start#/`.
fn trimmed(url: &str) -> &str {
    let url = url.split_once("://").map_or(url, |(_, rest)| rest);
    url.split(['#', '?']).next().unwrap_or(url).trim_end_matches('/').trim_end_matches("/start")
}
