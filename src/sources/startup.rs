//! Keys in what sets up a person's environment: the start-up files of shells, fish's universal variables,
//! `~/.config/environment.d`, and for everybody `/etc/environment` and `/etc/environment.d`. Known names and literal values only
//! ([`shell_startup`]).
//!
//! Is it honest to list them? The file does hold the key: an old one stays there for years, and whoever replaces a key must know
//! of the place. But who gets it depends on how a shell was started, and no service does. So they are listed, with their copies
//! and dates, and never counted: not as used, not as what a gateway could take, not as the reserve of another key. Where a
//! running shell or gateway has the same key, it is counted there, and this is a copy of it.

use std::path::PathBuf;

use super::variables::{self, Place};
use super::{Found, Harvest, Scene, Source};
use crate::domain::Selection;
use crate::files::{self, LIMIT};
use crate::formats::shell_startup::{self, Shell};
use crate::formats::{dotenv, provider_env, systemd_unit};

/// See the module.
pub struct Startup;

const POSIX: [&str; 4] = [".profile", ".bash_profile", ".bash_login", ".bashrc"];
const ZSH: [&str; 4] = [".zshenv", ".zprofile", ".zshrc", ".zlogin"];

impl Source for Startup {
    fn name(&self) -> &'static str {
        "startup"
    }

    fn read(&self, scene: &Scene<'_>, harvest: &mut Harvest) {
        let home = scene.env.home();
        let zsh = scene.env.get("ZDOTDIR").map_or_else(|| home.clone(), |dir| scene.env.expand(dir));
        let config = super::bases::config(scene.env);
        for path in POSIX.iter().map(|name| home.join(name)).chain(ZSH.iter().map(|name| zsh.join(name))) {
            self.file(path, |text| shell(text, Shell::Posix), scene, harvest);
        }
        let fish = config.join("fish");
        let conf_d = self.with_ending(fish.join("conf.d"), "fish", harvest);
        for path in conf_d.into_iter().chain([fish.join("config.fish")]) {
            self.file(path, |text| shell(text, Shell::Fish), scene, harvest);
        }
        self.file(
            fish.join("fish_variables"),
            |text| shell_startup::universal(text).into_iter().collect(),
            scene,
            harvest,
        );
        let everybody = scene.machine.map(|root| root.join("etc"));
        if let Some(etc) = &everybody {
            self.file(etc.join("environment"), environment, scene, harvest);
        }
        for dir in everybody.into_iter().chain([config]) {
            for path in self.with_ending(dir.join("environment.d"), "conf", harvest) {
                self.file(path, environment_d, scene, harvest);
            }
        }
    }
}

type Pairs = Vec<(String, String)>;

fn shell(text: &str, shell: Shell) -> Pairs {
    shell_startup::exports(text, shell).into_iter().map(|(name, (value, _))| (name, value)).collect()
}

/// What is computed from other variables is passed over.
fn environment_d(text: &str) -> Pairs {
    systemd_unit::parse_environment_file(text).into_iter().filter(|(_, value)| !value.contains('$')).collect()
}

/// `/etc/environment`, which is PAM's: `NAME=value`, perhaps after `export`, perhaps in quotes; nothing is computed.
fn environment(text: &str) -> Pairs {
    dotenv::parse(text).into_iter().map(|assignment| (assignment.name, assignment.value)).collect()
}

impl Startup {
    fn with_ending(&self, dir: PathBuf, ending: &str, harvest: &mut Harvest) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&dir).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == ending));
        paths.sort();
        harvest.report(self.name(), dir, true, 0);
        paths
    }

    fn file(&self, path: PathBuf, read: impl Fn(&str) -> Pairs, scene: &Scene<'_>, harvest: &mut Harvest) {
        let (contents, trouble) = match files::if_seen(files::read_lines(&path, LIMIT)) {
            Ok(None) => (None, None),
            Ok(Some((contents, _))) => (Some(contents), None),
            Err(trouble) => (None, Some(trouble)),
        };
        let before = harvest.found.len();
        if let Some(contents) = &contents {
            let prefix = format!("dotenv:{}#", path.display());
            let place = Place { source: self.name(), prefix, path: Some(&path), modified: contents.modified };
            // A replaced byte is not part of the value that was meant.
            let pairs = read(&contents.text).into_iter().filter(|(_, value)| !value.contains('\u{fffd}'));
            harvest.found.extend(pairs.filter_map(|(name, value)| found(&name, &value, &place, scene)));
        }
        if let Some(trouble) = &trouble {
            let fix = format!("Make {} a readable text file.", path.display());
            harvest.findings.push(trouble.finding(&path, &fix));
        }
        let credentials = harvest.found.len() - before;
        harvest.report(self.name(), path, trouble.is_none(), credentials);
    }
}

fn found(name: &str, value: &str, place: &Place<'_>, scene: &Scene<'_>) -> Option<Found> {
    provider_env::provider_of(name)?;
    let mut found = variables::found(name, value, place, scene)?;
    found.credential.selection = Selection::Excluded("only what this file starts has it".to_owned());
    found.credential.declared_in_use = Some(false);
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::super::testing::Home;
    use super::*;

    fn read(home: &Home) -> (Vec<String>, Harvest) {
        let harvest = home.read(&Startup);
        (harvest.found.iter().map(|found| home.relative(found.credential.id.as_str())).collect(), harvest)
    }

    #[test]
    fn known_names_with_literal_values() {
        let mut home = Home::new();
        home.write(".bashrc", "export PATH=/bin:x\nexport OPENAI_API_KEY='sk-1'\nexport GROQ_API_KEY=$(pass groq)\n");
        home.write(".zshrc", "export ANTHROPIC_API_KEY=sk-ant-api03-x\nexport XAI_API_KEY=\n");
        home.write(".config/fish/config.fish", "set -gx MISTRAL_API_KEY m\n");
        home.write(".config/environment.d/10-keys.conf", "ZAI_API_KEY=z\nVENICE_API_KEY=${OTHER}\n");
        home.write(".config/environment.d/notes", "COHERE_API_KEY=c\n");
        home.write(".profile", b"export DEEPSEEK_API_KEY=a\xffb\nexport FIREWORKS_API_KEY=f\n");
        let (ids, harvest) = read(&home);
        let expected = [
            "dotenv:~/.profile#FIREWORKS_API_KEY",
            "dotenv:~/.bashrc#OPENAI_API_KEY",
            "dotenv:~/.zshrc#ANTHROPIC_API_KEY",
            "dotenv:~/.config/fish/config.fish#MISTRAL_API_KEY",
            "dotenv:~/.config/environment.d/10-keys.conf#ZAI_API_KEY",
        ];
        assert_eq!(ids, expected);
        let credential = &harvest.found[1].credential;
        assert_eq!((credential.origin.source.as_ref(), credential.declared_in_use), ("startup", Some(false)));
        assert!(matches!(credential.selection, Selection::Excluded(_)), "no gateway's reserve");
        assert_eq!(harvest.found[1].secret.as_ref().unwrap().expose(), "sk-1");
        assert!(harvest.findings.is_empty() && harvest.reports[0].up);
        assert_eq!(harvest.reports[0].credentials, 5);
        home.write(".config/fish/conf.d/keys.fish", "set -gx GROQ_API_KEY g\n");
        home.write(".config/fish/conf.d/notes", "set -gx XAI_API_KEY x\n");
        home.write(
            ".config/fish/fish_variables",
            "# VERSION: 3.0\nSETUVAR --export OPENROUTER_API_KEY:sk\\x2dor\nSETUVAR COHERE_API_KEY:c\n",
        );
        home.machine = Some(home.path("machine"));
        home.write("machine/etc/environment", "PATH=\"/bin\"\nexport MOONSHOT_API_KEY='m'\nJINA_API_KEY=j\n");
        home.write("machine/etc/environment.d/50-x.conf", "TAVILY_API_KEY=t\n");
        let added = [
            "dotenv:~/.config/fish/conf.d/keys.fish#GROQ_API_KEY",
            "dotenv:~/.config/fish/config.fish#MISTRAL_API_KEY",
            "dotenv:~/.config/fish/fish_variables#OPENROUTER_API_KEY",
            "dotenv:~/machine/etc/environment#MOONSHOT_API_KEY",
            "dotenv:~/machine/etc/environment#JINA_API_KEY",
            "dotenv:~/machine/etc/environment.d/50-x.conf#TAVILY_API_KEY",
        ];
        let (ids, harvest) = read(&home);
        assert_eq!(ids[3..9], added);
        assert_eq!(harvest.found[5].secret.as_ref().unwrap().expose(), "sk-or");
        home.machine = None;
        home.env.set("ZDOTDIR", home.path("zsh").to_str().unwrap());
        assert_eq!(read(&home).0.len(), 6);
    }

    #[test]
    fn what_is_not_there_is_looked_for() {
        let home = Home::new();
        let (ids, harvest) = read(&home);
        assert!(ids.is_empty() && harvest.reports[0].up);
        for place in [".zshrc", ".config/fish/config.fish", ".config/fish/conf.d", ".config/environment.d"] {
            assert!(harvest.reports[0].looked.contains(&home.path(place)), "{place}");
        }
    }

    #[test]
    fn one_that_cannot_be_read_is_said() {
        let home = Home::new();
        std::fs::create_dir_all(home.path(".bashrc")).unwrap();
        home.write(".zshenv", "export OPENAI_API_KEY=a\n");
        let (ids, harvest) = read(&home);
        assert_eq!((ids.len(), harvest.findings[0].id.as_str(), harvest.reports[0].up), (1, "store.unreadable", false));
        for place in [".config/fish/fish_variables", "etc/environment", ".zlogin"] {
            let mut home = Home::new();
            home.machine = Some(home.path(""));
            std::fs::create_dir_all(home.path(place)).unwrap();
            let (ids, harvest) = read(&home);
            assert_eq!((ids.len(), harvest.findings.len(), harvest.reports[0].up), (0, 1, false), "{place}");
        }
    }
}
