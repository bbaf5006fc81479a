//! `~/.aws/credentials`: a key for each profile. Those that begin with `AKIA` have no end; those with a session token are
//! temporary, and whoever wrote them there may have written when they end.

use serde_json::{Map, Value};

use super::{BEDROCK, directory};
use crate::domain::{Condition, Kind, Renewal, Span};
use crate::formats::dates::Unit;
use crate::sources::json::{self, Field};
use crate::sources::login::{Format, LoginFile};
use crate::sources::{Found, Harvest, Scene};

pub(super) const NAME: &str = "aws";

/// What different programs call the end of a temporary key.
const ENDS: [&str; 4] =
    ["expiration", "x_security_token_expires", "aws_session_expiration", "aws_credentials_expiration"];
/// AWS makes no temporary key for longer.
const LONGEST: Span = Span::hours(36);

pub(super) fn read(scene: &Scene<'_>, harvest: &mut Harvest) {
    let own = scene.env.get("AWS_SHARED_CREDENTIALS_FILE").map(|path| scene.env.expand(path));
    let path = own.unwrap_or_else(|| directory(scene).join("credentials"));
    let mut file = LoginFile::new(NAME, BEDROCK, path, "aws configure");
    if let Some(profiles) = file.open(Format::Ini, harvest) {
        for (profile, section) in profiles {
            let Value::Object(mut section) = section else { continue };
            // `credential_process` and the like: nothing is kept here.
            if section.contains_key("aws_access_key_id") || section.contains_key("aws_secret_access_key") {
                let found = key(&file, &profile, &mut section, scene, harvest);
                harvest.found.push(found);
            }
        }
    }
    file.close(harvest);
}

fn key(
    file: &LoginFile,
    profile: &str,
    section: &mut Map<String, Value>,
    scene: &Scene<'_>,
    harvest: &mut Harvest,
) -> Found {
    let id = section.get("aws_access_key_id").and_then(Value::as_str).unwrap_or_default().to_owned();
    let secret = json::secret(section, "aws_secret_access_key");
    let session = json::secret(section, "aws_session_token").secret();
    let condition = match &secret {
        _ if id.is_empty() && matches!(secret, Field::Text(_)) => {
            Condition::Absent("the profile has a secret key, but no aws_access_key_id".to_owned())
        }
        Field::Text(_) => Condition::Present,
        Field::Blank => Condition::Blanked,
        _ => Condition::Absent("the profile has no aws_secret_access_key".to_owned()),
    };
    let temporary = session.is_some() || id.starts_with("ASIA");
    let mut found = file.found(profile, BEDROCK, Kind::Cloud, condition);
    let credential = &mut found.credential;
    credential.renewal = if temporary { Renewal::Manual } else { Renewal::None };
    credential.fix = match temporary {
        true => format!("Sign on again with the program that wrote profile {profile} into {}.", file.path().display()),
        false => format!("aws configure{}", super::profile_option(Some(profile))),
    };
    let secret = secret.secret();
    credential.fingerprint = secret.as_ref().and_then(|secret| scene.key.fingerprint(secret));
    found.secret = secret.and_then(|secret| super::signing(&id, &secret, session.as_ref(), scene));
    if !temporary {
        return found;
    }
    let credential = &mut found.credential;
    if session.is_none() && credential.condition == Condition::Present {
        credential.notes.push("a temporary key (ASIA…) without aws_session_token: AWS refuses it".to_owned());
    }
    match ENDS.iter().find(|name| section.contains_key(**name)) {
        Some(name) => {
            let end = file.date(section, (name, Unit::Text), profile, &mut credential.notes, harvest);
            credential.clocks.access_expires = end;
            // The file is written when the key is made, if nobody has touched it since for another profile.
            let earliest = end.map(|end| end - LONGEST);
            let written = credential.origin.modified.filter(|written| end.is_some_and(|end| *written < end));
            credential.clocks.issued = earliest.max(earliest.and(written));
        }
        None => credential.notes.push("a temporary key whose end nobody wrote down".to_owned()),
    }
    found
}
