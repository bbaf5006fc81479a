//! Secrets that are mounted as files, one for each: `/run/secrets` of containers, mounted Kubernetes secrets, and the
//! credentials that systemd gives to us (`$CREDENTIALS_DIRECTORY`, which counts as our own environment).
//!
//! Which folders: `[sources] secrets` of `monitor.toml`, by default `/run/secrets`. Only files whose names stand for providers
//! are opened (`OPENAI_API_KEY`, `openai-api-key`). Kubernetes changes all files of a folder at once by giving the link `..data`
//! another target: what is read comes from one target, never half from each.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::variables::{self, Place};
use super::{Found, Harvest, Scene, Source};
use crate::config::Sources;
use crate::domain::{Finding, Secret};
use crate::files;
use crate::formats::provider_env;

/// See the module.
pub struct Mounted;

const NAME: &str = "secret-file";
/// A key or a token; what is larger is something else.
const LIMIT: u64 = 64 << 10;
/// A folder with more files than this is not one of secrets.
const MANY: usize = 1024;
/// The folder is changed once in minutes, if ever: twice while we look is more than chance.
const ATTEMPTS: usize = 4;

impl Source for Mounted {
    fn name(&self) -> &'static str {
        NAME
    }

    fn read(&self, scene: &Scene<'_>, harvest: &mut Harvest) {
        let own = scene.env.get("CREDENTIALS_DIRECTORY").filter(|_| scene.env_is_source).map(PathBuf::from);
        let mut seen = BTreeSet::new();
        for dir in scene.secrets.iter().cloned().chain(own) {
            // One that is not there may be mounted later.
            if !dir.is_dir() {
                harvest.report(NAME, dir, true, 0);
                continue;
            }
            if !seen.insert(dir.canonicalize().unwrap_or_else(|_| dir.clone())) {
                continue;
            }
            let Read { found, findings } = consistent(&dir, |target| folder(&dir, target, scene));
            let up = findings.is_empty();
            let credentials = found.len();
            harvest.found.extend(found);
            harvest.findings.extend(findings);
            harvest.report(NAME, dir, up, credentials);
        }
    }
}

/// Reads where the folder leads now, again if it led elsewhere by the time that was done.
fn consistent<T>(dir: &Path, mut read: impl FnMut(&Path) -> T) -> T {
    let leads = || dir.join("..data").canonicalize().unwrap_or_else(|_| dir.to_owned());
    let mut target = leads();
    for _ in 1..ATTEMPTS {
        let result = read(&target);
        let after = leads();
        if after == target {
            return result;
        }
        target = after;
    }
    read(&target)
}

struct Read {
    found: Vec<Found>,
    findings: Vec<Finding>,
}

/// What is in `target`, by its lasting names in `dir`.
fn folder(dir: &Path, target: &Path, scene: &Scene<'_>) -> Read {
    let mut read = Read { found: Vec::new(), findings: Vec::new() };
    let entries = match std::fs::read_dir(target) {
        Ok(entries) => entries,
        Err(error) => {
            if error.kind() == std::io::ErrorKind::PermissionDenied && is_default(dir) {
                return read;
            }
            let trouble = files::Trouble { unparsable: false, why: "cannot be listed".to_owned(), at: None };
            let fix = format!("Make {} readable for this user, or take it out of [sources] secrets.", dir.display());
            read.findings.push(trouble.finding(dir, &fix));
            return read;
        }
    };
    let mut names: Vec<String> =
        entries.take(MANY).flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    for name in names {
        let Some(variable) = provider_env::variable_of_file(&name) else { continue };
        // The lasting name is what people and ids know; its content is read where it is now.
        let path = dir.join(&name);
        match files::read(&target.join(&name), LIMIT) {
            Ok(None) => {}
            Ok(Some(contents)) => {
                let place = Place {
                    source: NAME,
                    prefix: format!("{NAME}:{}#", path.display()),
                    path: Some(&path),
                    modified: contents.modified,
                };
                read.found.push(variables::in_file(
                    &variable,
                    Secret::new(contents.text.trim().to_owned()),
                    &place,
                    scene,
                ));
            }
            Err(trouble) if [files::DENIED, files::HIDDEN].contains(&trouble.why.as_str()) && is_default(dir) => {}
            Err(trouble) => {
                let fix = format!("Make {} a text file that this user can read.", path.display());
                read.findings.push(trouble.finding(&path, &fix));
            }
        }
    }
    read
}

/// The folder that is looked at unasked. What is in it for others than us is theirs, and nothing to say.
pub(super) fn is_default(dir: &Path) -> bool {
    Sources::default().secrets.iter().any(|default| default == dir)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::super::testing::{Home, jwt};
    use super::*;
    use crate::domain::Condition;

    fn read(home: &Home) -> (Vec<(String, Condition)>, Harvest) {
        let harvest = home.read(&Mounted);
        let shown = harvest
            .found
            .iter()
            .map(|found| (home.relative(found.credential.id.as_str()), found.credential.condition.clone()));
        (shown.collect(), harvest)
    }

    #[test]
    fn files_that_are_named_after_a_variable() {
        let mut home = Home::new();
        home.secrets = vec![home.path("secrets"), home.path("absent"), home.path("./secrets")];
        home.write("secrets/OPENAI_API_KEY", "sk-1\n");
        home.write("secrets/anthropic-api-key", "  sk-ant-api03-x");
        home.write("secrets/vercel_oidc_token", jwt(r#"{"exp":1803859200}"#));
        home.write("secrets/groq.api.key", "\n");
        home.write("secrets/database-password", "hunter2");
        let (shown, harvest) = read(&home);
        let blank = Condition::Absent("the file is empty".to_owned());
        let expected = [
            ("secret-file:~/secrets/OPENAI_API_KEY#OPENAI_API_KEY", Condition::Present),
            ("secret-file:~/secrets/anthropic-api-key#ANTHROPIC_API_KEY", Condition::Present),
            ("secret-file:~/secrets/groq.api.key#GROQ_API_KEY", blank),
            ("secret-file:~/secrets/vercel_oidc_token#VERCEL_OIDC_TOKEN", Condition::Present),
        ];
        assert_eq!(shown, expected.map(|(id, condition)| (id.to_owned(), condition)));
        assert_eq!(harvest.found[0].secret.as_ref().unwrap().expose(), "sk-1");
        assert_eq!(harvest.found[3].credential.clocks.grant_expires.map(|end| end.timestamp()), Some(1_803_859_200));
        assert_eq!(
            home.relative(&harvest.found[1].credential.fix),
            "Make a new key at anthropic, then write it to ~/secrets/anthropic-api-key."
        );
        assert_eq!(harvest.reports[0].looked, [home.path("secrets"), home.path("absent")], "it may be mounted later");
        assert!(harvest.reports[0].up);
    }

    #[test]
    fn a_mounted_folder_changes_as_a_whole() {
        let mut home = Home::new();
        home.secrets = vec![home.path("mount")];
        for version in ["..1", "..2"] {
            home.write(&format!("mount/{version}/OPENAI_API_KEY"), format!("openai{version}"));
            home.write(&format!("mount/{version}/GROQ_API_KEY"), format!("groq{version}"));
        }
        for name in ["OPENAI_API_KEY", "GROQ_API_KEY"] {
            symlink(format!("..data/{name}"), home.path("mount").join(name)).unwrap();
        }
        let lead = |to: &str| {
            symlink(to, home.path("mount/..new")).unwrap();
            std::fs::rename(home.path("mount/..new"), home.path("mount/..data")).unwrap();
        };
        let secrets = |home: &Home| -> Vec<String> {
            read(home).1.found.iter().map(|found| found.secret.as_ref().unwrap().expose().to_owned()).collect()
        };
        lead("..1");
        assert_eq!(secrets(&home), ["groq..1", "openai..1"]);
        lead("..2");
        assert_eq!(secrets(&home), ["groq..2", "openai..2"]);
        assert_eq!(home.relative(read(&home).0[0].0.as_str()), "secret-file:~/mount/GROQ_API_KEY#GROQ_API_KEY");

        // The switch comes in the middle of reading: what is returned is of one version.
        let mut reads = 0;
        let result = consistent(&home.path("mount"), |target| {
            reads += 1;
            let first = std::fs::read_to_string(target.join("GROQ_API_KEY")).unwrap();
            if reads == 1 {
                lead("..1");
                std::fs::remove_dir_all(home.path("mount/..2")).unwrap();
            }
            (first, std::fs::read_to_string(target.join("OPENAI_API_KEY")).ok())
        });
        assert_eq!((reads, result), (2, ("groq..1".to_owned(), Some("openai..1".to_owned()))));
        // One that never rests is read all the same, and not for ever.
        let mut reads = 0;
        consistent(&home.path("mount"), |_| {
            reads += 1;
            home.write(&format!("mount/..x{reads}/A"), "");
            lead(&format!("..x{reads}"));
        });
        assert_eq!(reads, ATTEMPTS);
    }

    #[test]
    fn what_is_in_the_way_is_said() {
        let mut home = Home::new();
        home.secrets = vec![home.path("secrets"), home.path("a-file")];
        home.write("a-file", "x");
        home.write("secrets/OPENAI_API_KEY", b"sk\xff");
        home.write("secrets/XAI_API_KEY", vec![b'x'; 100_000]);
        std::fs::create_dir_all(home.path("secrets/GROQ_API_KEY")).unwrap();
        symlink(home.path("nowhere"), home.path("secrets/ZAI_API_KEY")).unwrap();
        home.write("secrets/MISTRAL_API_KEY", "m");
        let (shown, harvest) = read(&home);
        assert_eq!(shown.len(), 1);
        let said: Vec<String> = harvest.findings.iter().map(|f| home.relative(&f.place.to_string())).collect();
        let expected = [
            "~/secrets/GROQ_API_KEY",
            "~/secrets/OPENAI_API_KEY:1:3",
            "~/secrets/XAI_API_KEY",
            "~/secrets/ZAI_API_KEY",
        ];
        assert_eq!(said, expected);
        assert!(!harvest.reports[0].up);
    }

    #[test]
    fn our_own_credentials_count_as_our_environment() {
        let mut home = Home::new();
        home.write("run/credentials/OPENAI_API_KEY", "sk");
        home.env.set("CREDENTIALS_DIRECTORY", home.path("run/credentials").to_str().unwrap());
        assert_eq!(read(&home).0.len(), 1);
        home.env_is_source = false;
        assert!(read(&home).1.reports.is_empty());
    }
}
