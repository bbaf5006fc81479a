//! `credentials declare`: writes into `monitor.toml` what no file shows. The file stays a person's: comments and order are kept,
//! it is replaced in one step, and nothing is written that would not be read again.

use std::fs::{DirBuilder, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use chrono::SecondsFormat;

use super::Context;
use super::args::Declare;
use super::credentials::find;
use super::exit::{Failure, FailureKind, Outcome};
use super::reading::Reading;
use crate::config::edit::{self, Declaration};
use crate::config::{self, values};
use crate::domain::{Assessed, CredentialId, Renewal};
use crate::formats::provider_id::normalize;
use crate::store::lock::Lock;

/// The prefix of ids of what is only declared.
const DECLARED: &str = "declared:";

/// Runs the command.
///
/// # Errors
/// A date that is none, an unknown id (64); a file that cannot be written (73, 77); a result that would be invalid (78).
pub fn run(args: &Declare, mut reading: Reading, context: &Context) -> Outcome {
    let (declaration, id) = declaration(args, &reading, context)?;
    let path = target(&reading.location.config)?;
    let before = read(&path)?;
    let after = edit::declare(before.as_deref().unwrap_or_default(), &declaration)
        .map_err(|what| Failure::new(FailureKind::Config, format!("{}: {what}", path.display())))?;
    let zone = config::local_zone(&reading.env);
    reading.config = config::parse(&after, Some(&path), &reading.env, zone).map_err(|problems| {
        Failure::new(FailureKind::Config, format!("nothing was written:\n{}", config::report(&problems)))
    })?;
    write(&path, before.as_deref(), &after)?;

    let snapshot = reading.observe(context.program.clone()).snapshot;
    let judged = snapshot.credentials.iter().find(|one| one.credential.id == id);
    say!("Wrote {}.", path.display());
    if let Some(judged) = judged {
        say!("{}", summary(judged, reading.config.status.zone));
    }
    tell_the_monitor(&reading.location.state);
    Ok(0)
}

/// A monitor that runs reads its configuration anew only when it is told.
pub(super) fn tell_the_monitor(state: &Path) {
    if let Some(pid) = Lock::holder(state) {
        let pid = pid.map_or_else(|| "its process number".to_owned(), |pid| pid.to_string());
        say!("The running monitor takes it after: kill -HUP {pid} (or systemctl reload its unit).");
    }
}

/// What was asked for, and the id under which it will be found.
fn declaration(args: &Declare, reading: &Reading, context: &Context) -> Result<(Declaration, CredentialId), Failure> {
    let usage = |message: String| Failure::new(FailureKind::Usage, message);
    let zone = reading.config.status.zone;
    let now = reading.now;
    for (option, text) in [("--expires", &args.expires), ("--issued", &args.issued)] {
        if let Some(text) = text
            && values::moment(text, zone).is_none()
        {
            return Err(usage(format!("{option}: not a date; write 2027-01-31, or 2027-01-31T12:00:00Z")));
        }
    }
    let trimmed = |text: &Option<String>| text.as_deref().map(|text| text.trim().to_owned());
    let mut made = Declaration {
        provider: args.provider.as_deref().map(normalize),
        expires: trimmed(&args.expires),
        issued: trimmed(&args.issued),
        in_use: args.not_in_use.then_some(false),
        ..Declaration::default()
    };
    let name = trimmed(&args.name);
    let snapshot = reading.observe(context.program.clone()).snapshot;
    let about = match (&args.about, &name) {
        (Some(id), _) => Some(find(&snapshot, id)?),
        (None, Some(name)) => snapshot.credentials.iter().find(|one| one.credential.id.as_str() == *name),
        (None, None) => None,
    };
    if let Some(found) = about.filter(|one| !one.credential.id.as_str().starts_with(DECLARED)) {
        let id = found.credential.id.clone();
        if made.provider.take().is_some_and(|provider| provider != found.credential.provider) {
            return Err(usage(format!("{id} belongs to {}; leave out --provider", found.credential.provider)));
        }
        made.name = name.filter(|_| args.about.is_some());
        made.about = Some(id.to_string());
        if made.expires.is_some() {
            made.as_of = Some(now.to_rfc3339_opts(SecondsFormat::Secs, true));
            // Only the monitor's own key makes marks that can be recognised later.
            let lasting = found.credential.fingerprint.filter(|_| found.credential.renewal != Renewal::Auto);
            let kept = reading.remembered.key == Some(reading.key.id());
            made.generation = lasting.filter(|_| kept).map(|secret| reading.key.mark(secret));
        }
        return Ok((made, id));
    }
    let given = about.map(|one| one.credential.id.to_string()).or(name).unwrap_or_default();
    let name = given.strip_prefix(DECLARED).unwrap_or(&given).to_owned();
    let known = reading.config.declared.iter().any(|one| one.about.is_none() && one.name == name);
    if !known && made.provider.is_none() {
        let message =
            format!("--provider is missing: whose credential is `{name}`? (Nothing of that id was found here.)");
        return Err(usage(message));
    }
    made.name = Some(name.clone());
    Ok((made, CredentialId(format!("{DECLARED}{name}"))))
}

fn summary(judged: &Assessed, zone: crate::domain::Zone) -> String {
    let (id, judgement) = (&judged.credential.id, &judged.judgement);
    let used = if judgement.in_use { "" } else { ", unused" };
    match judgement.expires {
        Some(end) => {
            let end = end.with_timezone(&zone).format("%Y-%m-%d %H:%M %Z");
            format!("{id} is {}{used}; the end that counts is {end}.", judgement.state)
        }
        None => format!("{id} is {}{used}.", judgement.state),
    }
}

/// The file itself, where the path is a link to one.
pub(super) fn target(path: &Path) -> Result<PathBuf, Failure> {
    match path.canonicalize() {
        Ok(real) => Ok(real),
        Err(error) if error.kind() == ErrorKind::NotFound && path.symlink_metadata().is_err() => Ok(path.to_owned()),
        Err(error) => Err(failed(path, &error)),
    }
}

pub(super) fn read(path: &Path) -> Result<Option<String>, Failure> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(path, &error)),
    }
}

/// Replaces the file in one step and keeps its mode; a new one is private.
pub(super) fn write(path: &Path, before: Option<&str>, after: &str) -> Result<(), Failure> {
    let failed = |error: std::io::Error| failed(path, &error);
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
    // Made 0600.
    let mut new = tempfile::NamedTempFile::new_in(directory).map_err(failed)?;
    if before.is_some() {
        let facts = std::fs::metadata(path).map_err(failed)?;
        if facts.uid() != rustix::process::geteuid().as_raw() {
            let message = format!("{} belongs to another user; declare it as that user", path.display());
            return Err(Failure::new(FailureKind::NoPermission, message));
        }
        new.as_file().set_permissions(Permissions::from_mode(facts.mode() & 0o755)).map_err(failed)?;
    }
    new.write_all(after.as_bytes()).map_err(failed)?;
    new.as_file().sync_all().map_err(failed)?;
    if read(path)?.as_deref() != before {
        let message = format!("{} was changed by somebody else in this moment; nothing was written", path.display());
        return Err(Failure::new(FailureKind::TryAgain, message));
    }
    if before.is_some() {
        new.persist(path).map_err(|error| failed(error.error))?;
    } else {
        new.persist_noclobber(path).map_err(|error| failed(error.error))?;
    }
    Ok(())
}

fn failed(path: &Path, error: &std::io::Error) -> Failure {
    let kind = match error.kind() {
        ErrorKind::PermissionDenied => FailureKind::NoPermission,
        _ => FailureKind::CannotCreate,
    };
    Failure::new(kind, format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_in_one_step_with_its_mode_and_only_over_what_was_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/monitor.toml");
        let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o777;
        write(&path, None, "one").unwrap();
        assert_eq!(
            (read(&path).unwrap().as_deref(), mode(&path), mode(path.parent().unwrap())),
            (Some("one"), 0o600, 0o700)
        );
        std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        write(&path, Some("one"), "two").unwrap();
        assert_eq!((read(&path).unwrap().as_deref(), mode(&path)), (Some("two"), 0o640));
        assert_eq!(write(&path, Some("one"), "three").unwrap_err().kind, FailureKind::TryAgain);
        assert_eq!(write(&path, None, "three").unwrap_err().kind, FailureKind::TryAgain);
        assert_eq!(read(&path).unwrap().as_deref(), Some("two"));
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert_eq!(target(&link).unwrap(), path.canonicalize().unwrap());
        std::os::unix::fs::symlink(dir.path().join("nowhere"), dir.path().join("dangling")).unwrap();
        assert!(target(&dir.path().join("dangling")).is_err());
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no temporary file stays");
    }
}
