//! Reads `monitor.toml` and everything about it that only the file system knows: owner, permissions, secret files.

use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::problem::Problem;
use super::secret_ref::plain;
use super::{Config, Listen, SecretRef, Web, local_zone, locate};
use crate::domain::{Environment, Place};
use crate::files;

/// A configuration is written by a person; more than this is something else.
const LIMIT: u64 = 1024 * 1024;

/// Reads and validates the configuration at `path` (`--config`), or where it usually is. A file that nobody named may be
/// absent: then everything has its default.
///
/// # Errors
/// All problems at once.
pub fn load(path: Option<&Path>, env: &Environment) -> Result<Config, Vec<Problem>> {
    let usual = locate(env, None);
    let asked = locate(env, path);
    let named = asked.named && (usual.named || asked.config != usual.config);
    let zone = local_zone(env);
    let mut problems = Vec::new();
    let text = match read(&asked.config, &mut problems) {
        Ok(text) => text,
        // A link to nothing was meant to be one.
        Err(error)
            if error.kind() == std::io::ErrorKind::NotFound && !named && asked.config.symlink_metadata().is_err() =>
        {
            return super::read("", None, env, zone).0.map(|(config, _)| config).ok_or_else(Vec::new);
        }
        Err(error) => {
            let fix = match error.kind() {
                std::io::ErrorKind::NotFound => "write one with `opensoul monitor init`, or correct the path",
                std::io::ErrorKind::PermissionDenied => "run as its owner, or `chmod u+r` it",
                _ => "it must be a text file of at most 1 MiB",
            };
            problems.push(Problem::new(Place::file(&asked.config), plain(&error), fix));
            return Err(problems);
        }
    };
    let (parsed, mut found) = super::read(&text, Some(&asked.config), env, zone);
    problems.append(&mut found);
    if let Some((mut config, secrets)) = parsed {
        problems.extend(web_file(&mut config.web));
        problems.extend(secrets.iter().filter_map(|(place, reference)| check_secret(place, reference)));
        if problems.is_empty() {
            return Ok(config);
        }
    }
    problems.sort_by_key(|problem| (problem.place.line, problem.place.column));
    Err(problems)
}

/// Opens once and judges what was opened, so that nothing can be exchanged in between.
fn read(path: &Path, problems: &mut Vec<Problem>) -> std::io::Result<String> {
    let file = files::open(path)?;
    let facts = file.metadata()?;
    if !facts.is_file() {
        return Err(std::io::Error::other("is not a file"));
    }
    let us = rustix::process::geteuid().as_raw();
    let quoted = path.display();
    if facts.uid() != us && facts.uid() != 0 {
        problems.push(Problem::new(
            Place::file(path),
            "belongs to another user, who could make us run programs",
            format!("chown it to yourself or root: `chown {us} '{quoted}'`"),
        ));
    }
    if facts.mode() & 0o022 != 0 {
        problems.push(Problem::new(
            Place::file(path),
            "can be written by others, who could make us run programs",
            format!("`chmod go-w '{quoted}'`"),
        ));
    }
    let mut text = String::new();
    file.take(LIMIT + 1).read_to_string(&mut text).map_err(|error| match error.kind() {
        std::io::ErrorKind::InvalidData => std::io::Error::other("is not UTF-8 text"),
        _ => error,
    })?;
    if text.len() as u64 > LIMIT {
        return Err(std::io::Error::other("is larger than 1 MiB"));
    }
    Ok(text)
}

/// Looks at the file of `[web] config`.
fn web_file(web: &mut Web) -> Option<Problem> {
    let path = web.file.as_deref()?;
    let read = || -> Result<super::web_file::WebFile, String> {
        let mut text = String::new();
        let file = files::open(path).map_err(|error| plain(&error))?;
        file.take(LIMIT).read_to_string(&mut text).map_err(|error| plain(&error))?;
        super::web_file::parse(&text, path.parent().unwrap_or(Path::new("/")))
    };
    let problem = |what: String, fix: &str| Some(Problem::new(Place::file(path), what, fix));
    match read() {
        Err(why) => problem(why, "correct it; docs/page.md says what may be in it"),
        Ok(found) => {
            web.tls = found.tls.is_some();
            let beyond = matches!(&web.listen, Listen::Tcp(address) if !address.ip().is_loopback());
            let open = beyond && !web.tls && !web.insecure;
            open.then_some(()).and_then(|()| {
                problem(
                    "has no tls_server_config, and [web] listens beyond loopback".to_owned(),
                    "add tls_server_config with cert_file and key_file",
                )
            })
        }
    }
}

fn check_secret(place: &Place, reference: &SecretRef) -> Option<Problem> {
    let SecretRef::File(path) = reference else { return None };
    let quoted = path.display();
    let (what, fix) = match files::open(path).and_then(|file| file.metadata()) {
        Err(error) => (
            format!("{quoted}: {}", plain(&error)),
            format!("write the secret into it: `install -m 600 /dev/stdin '{quoted}'`"),
        ),
        Ok(facts) if !facts.is_file() => {
            (format!("{quoted} is not a file"), "name a file that holds the secret".to_owned())
        }
        Ok(facts) if facts.mode() & 0o077 != 0 => {
            (format!("{quoted} can be read by others"), format!("`chmod 600 '{quoted}'`"))
        }
        Ok(_) => return None,
    };
    Some(Problem::new(place.clone(), what, fix))
}
