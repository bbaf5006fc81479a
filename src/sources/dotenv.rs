//! `.env` files: those beside the gateways' stores, those that `monitor.toml` names, and for interactive commands the one in
//! the working directory (and `.env.local`, and the literal values in direnv's `.envrc`). Only names that stand for providers
//! are taken from any of them (DESIGN §5.9).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::variables::{self, Place};
use super::{Harvest, Scene, Source, aws};
use crate::domain::{self, Finding, Severity, SourceReport};
use crate::files::{self, LIMIT};
use crate::formats::shell_startup::{self, Shell};
use crate::formats::{dotenv, provider_env};

/// See the module.
pub struct Dotenv;

impl Source for Dotenv {
    fn name(&self) -> &'static str {
        "dotenv"
    }

    fn read(&self, scene: &Scene<'_>, harvest: &mut Harvest) {
        let before = harvest.found.len();
        let mut up = true;
        let mut seen = BTreeSet::new();
        let looked = places(scene);
        for path in &looked {
            // Two ways to one file are one file.
            if !seen.insert(path.canonicalize().unwrap_or_else(|_| path.clone())) {
                continue;
            }
            let fix = format!("Make {} a readable text file.", path.display());
            match files::if_seen(files::read_lines(path, LIMIT)) {
                Ok(None) => {}
                Ok(Some((contents, trouble))) => {
                    let prefix = format!("dotenv:{}#", path.display());
                    let place = Place { source: self.name(), prefix, path: Some(path), modified: contents.modified };
                    let (assignments, skipped) = if is_shell(path) {
                        (exports(&contents.text), Vec::new())
                    } else {
                        dotenv::scan(&contents.text)
                    };
                    harvest.found.extend(variables(assignments, &place, scene));
                    // Bytes that are no text are mostly why a line sets nothing: said once.
                    let odd = trouble.map(|trouble| trouble.finding(path, &fix));
                    harvest.findings.extend(odd.or_else(|| passed_over(&skipped, path)));
                }
                Err(trouble) => {
                    up = false;
                    harvest.findings.push(trouble.finding(path, &fix));
                }
            }
        }
        let credentials = harvest.found.len() - before;
        harvest.reports.push(SourceReport { source: self.name().to_owned(), looked, up, hidden: false, credentials });
    }
}

/// direnv's file is a program of the shell, and is not run.
fn is_shell(path: &Path) -> bool {
    path.ends_with(".envrc")
}

fn exports(text: &str) -> Vec<dotenv::Assignment> {
    let all = shell_startup::exports(text, Shell::Posix).into_iter();
    all.map(|(name, (value, line))| dotenv::Assignment { name, value, line }).collect()
}

/// Lines that set nothing, mostly for want of a `=`. One finding for a file; what is in the lines is never repeated.
fn passed_over(lines: &[usize], path: &Path) -> Option<Finding> {
    const MANY: usize = 5;
    let first = lines.first()?;
    let list: Vec<String> = lines.iter().take(MANY).map(ToString::to_string).collect();
    let more = if lines.len() > MANY { format!(" and {} more", lines.len() - MANY) } else { String::new() };
    let which = if lines.len() == 1 { "line" } else { "lines" };
    let message = format!("{which} {}{more} set nothing, and every reader passes over them", list.join(", "));
    let fix = "Write NAME=value, or make it a comment with #.";
    let place = domain::Place::file(path).at(*first, 1);
    Some(Finding::new("dotenv.passed-over", Severity::Info, message, fix).at(place))
}

fn variables(assignments: Vec<dotenv::Assignment>, place: &Place<'_>, scene: &Scene<'_>) -> Vec<super::Found> {
    let beside: BTreeMap<String, String> =
        assignments.iter().map(|one| (one.name.clone(), one.value.clone())).collect();
    let mut last: BTreeMap<String, Vec<dotenv::Assignment>> = BTreeMap::new();
    for assignment in assignments {
        // A replaced byte is not part of the value that was meant, so nothing is known of it.
        if provider_env::provider_of(&assignment.name).is_some() && !assignment.value.contains('\u{fffd}') {
            last.entry(assignment.name.clone()).or_default().push(assignment);
        }
    }
    let one = |assignments: Vec<dotenv::Assignment>| {
        let lines: Vec<String> = assignments.iter().map(|assignment| assignment.line.to_string()).collect();
        let last = assignments.last()?;
        let found = variables::found(&last.name, &last.value, place, scene)?;
        let mut found = aws::among_variables(found, |name| beside.get(name).map(String::as_str), scene);
        if lines.len() > 1 {
            found.credential.notes.push(format!("set on lines {}; the last one counts", lines.join(", ")));
        }
        Some(found)
    };
    last.into_values().filter_map(one).collect()
}

/// Every file to look at. The gateways' own come first.
fn places(scene: &Scene<'_>) -> Vec<PathBuf> {
    let chosen = ["OPENSOUL_STATE_DIR", "OPENCLAW_STATE_DIR"].into_iter().find_map(|name| scene.env.get(name));
    let families = [".opensoul", ".openclaw", ".clawdbot", ".moltbot"].map(|name| scene.env.home().join(name));
    let moved = ["CLAWDBOT_STATE_DIR", "MOLTBOT_STATE_DIR"].into_iter().filter_map(|name| scene.env.get(name));
    let state_dirs = chosen.into_iter().chain(moved).map(|dir| scene.env.expand(dir)).chain(families);
    let mut places: Vec<PathBuf> = state_dirs
        .map(|dir| dir.join(".env"))
        .chain(scene.dotenv.iter().cloned())
        // What `vercel env pull` writes stands in the second.
        .chain(scene.cwd.into_iter().flat_map(|cwd| [".env", ".env.local", ".envrc"].map(|name| cwd.join(name))))
        .collect();
    let mut seen = BTreeSet::new();
    places.retain(|path| seen.insert(path.clone()));
    places
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Home, jwt};
    use super::*;
    use crate::domain::Condition;

    #[test]
    fn provider_keys_only_and_the_last_one_counts() {
        let mut home = Home::new();
        home.write(
            ".opensoul/.env",
            "OPENAI_API_KEY=one\nOPENSOUL_STATE_DIR=/evil\nHTTPS_PROXY=x\nOPENAI_API_KEY=two\n",
        );
        home.write("office/.env", "export GROQ_API_KEY='gsk'\nMISTRAL_API_KEY=\n");
        home.write("other/file", "XAI_API_KEY=xai-1\n");
        home.write("office/.env.local", format!("VERCEL_OIDC_TOKEN=\"{}\"\n", jwt(r#"{"exp":1803859200}"#)));
        home.write("office/.envrc", "dotenv\nexport ZAI_API_KEY=z\nexport XAI_API_KEY=$(pass xai)\n");
        home.cwd = Some(home.path("office"));
        home.dotenv = vec![home.path("other/file"), home.path(".opensoul/.env")];
        let harvest = home.read(&Dotenv);
        let ids: Vec<String> = harvest.found.iter().map(|found| home.relative(found.credential.id.as_str())).collect();
        let expected = [
            "dotenv:~/.opensoul/.env#OPENAI_API_KEY",
            "dotenv:~/other/file#XAI_API_KEY",
            "dotenv:~/office/.env#GROQ_API_KEY",
            "dotenv:~/office/.env.local#VERCEL_OIDC_TOKEN",
            "dotenv:~/office/.envrc#ZAI_API_KEY",
        ];
        assert_eq!(ids, expected);
        assert_eq!(harvest.found[0].secret.as_ref().unwrap().expose(), "two");
        assert_eq!(harvest.found[0].credential.notes, ["set on lines 1, 4; the last one counts"]);
        let dated = &harvest.found[3].credential;
        assert_eq!(dated.clocks.grant_expires.map(|end| end.timestamp()), Some(1_803_859_200));
        assert_eq!(dated.fix, "vercel env pull");
        assert!(harvest.reports[0].up);

        home.cwd = None;
        assert_eq!(home.read(&Dotenv).found.len(), 2, "the monitor has no working directory");
    }

    #[test]
    fn a_placeholder_is_no_key() {
        let home = Home::new();
        home.write(".opensoul/.env", "OPENAI_API_KEY=${OPENAI}\nGROQ_API_KEY=your-api-key-here\nXAI_API_KEY=xai-1\n");
        let harvest = home.read(&Dotenv);
        let told: Vec<_> = harvest
            .found
            .iter()
            .map(|found| {
                (found.credential.profile.as_str(), found.secret.is_some(), found.credential.fingerprint.is_some())
            })
            .collect();
        assert_eq!(
            told,
            [("GROQ_API_KEY", false, false), ("OPENAI_API_KEY", false, false), ("XAI_API_KEY", true, true)]
        );
        let absent = |found: &super::super::Found| matches!(found.credential.condition, Condition::Absent(_));
        assert!(harvest.found[..2].iter().all(absent));
    }

    #[test]
    fn lines_that_set_nothing_are_said() {
        let home = Home::new();
        home.write(".opensoul/.env", "# comment\n\nOPENAI_API_KEY sk-canary\nA=\"x\ny\"\nsource other\n");
        let harvest = home.read(&Dotenv);
        let [finding] = harvest.findings.as_slice() else { panic!("{:?}", harvest.findings) };
        assert_eq!(finding.message, "lines 3, 6 set nothing, and every reader passes over them");
        assert_eq!((finding.place.line, finding.id.as_str()), (Some(3), "dotenv.passed-over"));
        assert!(!format!("{finding:?}").contains("canary"));
    }

    #[test]
    fn broken_ones_are_said_and_the_rest_is_read() {
        let mut home = Home::new();
        home.write(".openclaw/.env", b"A=1\n\xff");
        std::fs::create_dir_all(home.path(".opensoul/.env")).unwrap();
        home.write("good", "XAI_API_KEY=xai-1\n");
        home.dotenv = vec![home.path("good"), home.path("absent")];
        let harvest = home.read(&Dotenv);
        assert_eq!(harvest.found.len(), 1);
        let said: Vec<(&str, String)> =
            harvest.findings.iter().map(|f| (f.id.as_str(), home.relative(&f.place.to_string()))).collect();
        let expected = [
            ("store.unreadable", "~/.opensoul/.env".to_owned()),
            ("store.unparsable", "~/.openclaw/.env:2:1".to_owned()),
        ];
        assert_eq!(said, expected);
        assert!(!harvest.reports[0].up);
    }
}
