//! Service units of gateways: found and read as files, never through `systemctl`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::process::{GUARDS, PLACES};
use crate::domain::{Environment, FingerprintKey, Secret, Time};
use crate::formats::bearer::{self, Bearer};
use crate::formats::gateway_view::{GatewayUnit, GivenFile, UnitScope};
use crate::formats::installation::Family;
use crate::formats::plist;
use crate::formats::provider_env;
use crate::formats::systemd_unit::{self, Specifiers, UnitCredential, UnitSettings};

/// A unit with what its files say and the view does not keep.
pub(super) struct Found {
    pub unit: GatewayUnit,
    /// The port on its command line or in its environment.
    pub port: Option<u16>,
    /// The state directory in its environment.
    pub state_dir: Option<PathBuf>,
    /// True if all files that its environment comes from could be read: what they do not set is then not there.
    pub complete: bool,
    /// What the known variables say about their own ends.
    pub bearers: BTreeMap<String, Bearer>,
}

/// A key or a token; what is larger is something else.
const LIMIT: u64 = 64 << 10;
const FAMILIES: [Family; 4] = [Family::OpenSoul, Family::OpenClaw, Family::Clawdbot, Family::Moltbot];

/// Every gateway unit of this user and of the machine.
pub(super) fn find(root: &Path, env: &Environment, key: &FingerprintKey) -> Vec<Found> {
    let home = env.home();
    let config = env.get("XDG_CONFIG_HOME").map_or_else(|| home.join(".config"), PathBuf::from);
    let user = [
        config.join("systemd/user"),
        root.join("etc/systemd/user"),
        home.join(".local/share/systemd/user"),
        root.join("usr/local/lib/systemd/user"),
        root.join("usr/lib/systemd/user"),
    ];
    let system = [
        root.join("etc/systemd/system"),
        root.join("run/systemd/system"),
        root.join("usr/local/lib/systemd/system"),
        root.join("usr/lib/systemd/system"),
    ];
    let mut found = Vec::new();
    for (scope, dirs) in [(UnitScope::User, &user[..]), (UnitScope::System, &system[..])] {
        for (name, path) in names(dirs) {
            let Some(family) = family_of(&name) else { continue };
            let reader = Reader { root, env, key, dirs, scope, config: &config };
            found.push(reader.read(name, family, path));
        }
    }
    found.extend(launch_agents(root, &home, key));
    found
}

/// File name → path of the units that are gateways; the first directory wins.
fn names(dirs: &[PathBuf]) -> BTreeMap<String, PathBuf> {
    let mut names = BTreeMap::new();
    for dir in dirs {
        for path in entries(dir) {
            let Some(name) = path.file_name().and_then(|n| n.to_str()).map(str::to_owned) else { continue };
            if family_of(&name).is_some() && (path.is_file() || path.is_symlink()) {
                names.entry(name).or_insert(path);
            }
        }
    }
    // A unit that points to /dev/null is masked: it exists so that nothing runs.
    names.retain(|_, path: &mut PathBuf| path.is_file());
    names
}

/// `opensoul.service`, `opensoul-gateway.service`, `openclaw-gateway-work.service`, `clawdbot-gateway@ann.service`.
fn family_of(unit: &str) -> Option<Family> {
    let stem = unit.strip_suffix(".service")?;
    FAMILIES.into_iter().find(|family| {
        stem.strip_prefix(family.word()).is_some_and(|rest| {
            rest.is_empty()
                || rest.strip_prefix("-gateway").is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '@']))
        })
    })
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(dir).map(|entries| entries.flatten().map(|e| e.path()).collect()).unwrap_or_default();
    paths.sort();
    paths
}

struct Reader<'a> {
    root: &'a Path,
    env: &'a Environment,
    key: &'a FingerprintKey,
    dirs: &'a [PathBuf],
    scope: UnitScope,
    config: &'a Path,
}

impl Reader<'_> {
    fn read(&self, name: String, family: Family, path: PathBuf) -> Found {
        // Those of the manager, not of `User=` (systemd.unit(5)).
        let own = self.scope == UnitScope::User;
        let specifiers = Specifiers {
            home: if own { self.env.home().display().to_string() } else { "/root".into() },
            user: if own { self.env.get("USER").unwrap_or_default().to_owned() } else { "root".into() },
            unit: name.clone(),
            dirs: self.directories(),
        };
        let mut sources = vec![path.clone()];
        sources.extend(self.drop_ins(&name));
        let texts: Vec<String> = sources.iter().map(|p| crate::files::text(p).to_string()).collect();
        let settings = systemd_unit::parse(texts.iter().map(String::as_str), &specifiers);
        sources.extend(settings.environment_files.iter().flat_map(|(path, _)| self.expand(path)));
        // A file of root's that holds the keys of a system service, mostly.
        let readable = |path: &PathBuf| match crate::files::regular(path) {
            Ok(Some(_)) => crate::files::reading(path).is_ok(),
            Ok(None) => true,
            Err(_) => false,
        };
        // Without a file that must be there it does not start at all: what it has, it has from before.
        let needed = settings.environment_files.iter().filter(|(_, optional)| !optional);
        let there = needed.flat_map(|(path, _)| self.expand(path)).all(|path| path.exists());
        let complete = there && !settings.open && sources.iter().all(readable);
        let variables = self.variables(&settings);

        let number = |names: &[&str]| names.iter().find_map(|n| variables.get(*n)?.trim().parse().ok());
        let port = flag(&settings.exec_start, "--port")
            .or_else(|| number(&["OPENSOUL_GATEWAY_PORT", "OPENCLAW_GATEWAY_PORT", "CLAWDBOT_GATEWAY_PORT"]));
        let state_dir = PLACES.iter().find_map(|n| variables.get(*n)).map(|dir| self.env.expand(dir));
        let guarded = GUARDS.iter().any(|name| variables.get(*name).is_some_and(|value| !value.trim().is_empty()))
            || names_a_guard(&settings.exec_start);
        let program = files_of(&settings.exec_start);
        let (mut environment, mut bearers) = (BTreeMap::new(), BTreeMap::new());
        for (name, value) in variables.into_iter().filter(|(name, _)| provider_env::provider_of(name).is_some()) {
            let value = Secret::new(value);
            bearers.extend(bearer::read(&value).map(|bearer| (name.clone(), bearer)));
            environment.insert(name, self.key.fingerprint(&value));
        }
        let enabled = self.enabled(&name);
        let files = sources.into_iter().map(|path| (path.clone(), modified(&path))).collect();
        let credentials = self.credentials(&name, &settings);
        let scope = self.scope;
        let unit =
            GatewayUnit { name, family, scope, path, enabled, files, environment, credentials, program, port, guarded };
        Found { unit, port, state_dir, complete, bearers }
    }

    /// Where the manager has its directories (systemd.unit(5), specifiers).
    fn directories(&self) -> Vec<(char, String)> {
        let at = |path: PathBuf| path.display().to_string();
        if self.scope != UnitScope::User {
            let all = [('E', "/etc"), ('S', "/var/lib"), ('C', "/var/cache"), ('L', "/var/log"), ('t', "/run")];
            return all.map(|(letter, dir)| (letter, dir.to_owned())).to_vec();
        }
        let (home, env) = (self.env.home(), self.env);
        let named = |name: &str, otherwise: &str| env.get(name).map_or_else(|| home.join(otherwise), PathBuf::from);
        let state = named("XDG_STATE_HOME", ".local/state");
        let mut dirs = vec![
            ('E', at(self.config.to_owned())),
            ('C', at(named("XDG_CACHE_HOME", ".cache"))),
            ('L', at(state.join("log"))),
            ('S', at(state)),
        ];
        dirs.extend(env.get("XDG_RUNTIME_DIR").map(|dir| ('t', dir.to_owned())));
        dirs
    }

    /// What systemd gives to the service as files: what it has been given, else where that comes from.
    fn credentials(&self, unit: &str, settings: &UnitSettings) -> BTreeMap<String, GivenFile> {
        let given = match self.scope {
            UnitScope::User => self.env.get("XDG_RUNTIME_DIR").map(|dir| PathBuf::from(dir).join("credentials")),
            _ => Some(self.root.join("run/credentials")),
        };
        let one = |(name, from): (&String, &UnitCredential)| {
            let variable = provider_env::variable_of_file(name)?;
            let running = given.as_ref().map(|dir| dir.join(unit).join(name)).filter(|path| path.exists());
            let source = match from {
                UnitCredential::File(Some(path)) => Some(self.under_root(path)),
                _ => None,
            };
            let path = running.or(source);
            let read = path.as_ref().map(|path| crate::files::read(path, LIMIT));
            let (secret, why) = match (read, from) {
                (Some(Ok(Some(contents))), _) => (Some(Secret::new(contents.text.trim().to_owned())), None),
                (_, UnitCredential::Literal(text)) => (Some(Secret::new(text.trim().to_owned())), None),
                (Some(Err(trouble)), _) => (None, Some(trouble.why)),
                (Some(Ok(None)), _) => (None, Some("does not exist".to_owned())),
                (None, UnitCredential::Encrypted) => (None, Some("is encrypted for this unit".to_owned())),
                (None, UnitCredential::File(_)) => (None, Some("comes from systemd's own stores".to_owned())),
            };
            let content = match (&secret, why) {
                (Some(secret), _) => Ok(self.key.fingerprint(secret)),
                (None, why) => Err(why.unwrap_or_default()),
            };
            let bearer = secret.as_ref().and_then(bearer::read);
            Some((name.clone(), GivenFile { variable, path, content, bearer }))
        };
        settings.credentials.iter().filter_map(one).collect()
    }

    /// A path of the machine lies under the root that is looked at.
    fn under_root(&self, path: &str) -> PathBuf {
        let path = Path::new(path);
        if path.starts_with(self.root) {
            path.to_owned()
        } else {
            self.root.join(path.strip_prefix("/").unwrap_or(path))
        }
    }

    /// What its files set, in systemd's order: the manager's `environment.d`, `Environment=`, `EnvironmentFile=`, minus
    /// `UnsetEnvironment=`.
    fn variables(&self, settings: &UnitSettings) -> BTreeMap<String, String> {
        let mut variables = BTreeMap::new();
        if self.scope == UnitScope::User {
            for dir in [
                self.root.join("usr/lib/environment.d"),
                self.root.join("etc/environment.d"),
                self.config.join("environment.d"),
            ] {
                for path in entries(&dir).into_iter().filter(|p| p.extension().is_some_and(|e| e == "conf")) {
                    variables.extend(systemd_unit::parse_environment_file(&crate::files::text(&path)));
                }
            }
        }
        variables.extend(settings.environment.iter().cloned());
        for path in settings.environment_files.iter().flat_map(|(path, _)| self.expand(path)) {
            variables.extend(systemd_unit::parse_environment_file(&crate::files::text(&path)));
        }
        for name in &settings.unset {
            match name.split_once('=') {
                Some((name, value)) if variables.get(name).is_some_and(|v| v == value) => variables.remove(name),
                Some(_) => None,
                None => variables.remove(name),
            };
        }
        variables
    }

    /// An `EnvironmentFile=` may end in a `*` pattern.
    fn expand(&self, path: &str) -> Vec<PathBuf> {
        let path = self.under_root(path);
        let pattern = path.file_name().and_then(|n| n.to_str()).and_then(|name| name.split_once('*'));
        match (pattern, path.parent()) {
            (Some((start, end)), Some(dir)) => entries(dir)
                .into_iter()
                .filter(|p| {
                    p.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.starts_with(start) && n.ends_with(end))
                })
                .collect(),
            _ => vec![path],
        }
    }

    /// Drop-ins of a unit: by file name, whatever directory they are in; of two with one name the first directory's counts.
    fn drop_ins(&self, unit: &str) -> Vec<PathBuf> {
        let stem = unit.trim_end_matches(".service");
        let mut dirs = vec![format!("{unit}.d")];
        if let Some((template, _)) = stem.split_once('@') {
            dirs.push(format!("{template}@.service.d"));
        }
        dirs.extend(stem.rmatch_indices('-').map(|(at, _)| format!("{}-.service.d", &stem[..at])));
        dirs.push("service.d".to_owned());
        let mut by_name = BTreeMap::new();
        for sub in &dirs {
            for dir in self.dirs {
                for path in entries(&dir.join(sub)).into_iter().filter(|p| p.extension().is_some_and(|e| e == "conf")) {
                    let Some(name) = path.file_name().map(ToOwned::to_owned) else { continue };
                    by_name.entry(name).or_insert(path);
                }
            }
        }
        by_name.into_values().collect()
    }

    fn enabled(&self, unit: &str) -> bool {
        self.dirs.iter().flat_map(|dir| entries(dir)).any(|path| {
            path.extension().is_some_and(|e| e == "wants" || e == "requires") && path.join(unit).is_symlink()
        })
    }
}

/// The files of a command line that are named in full. What else stands there may be a secret.
fn files_of(words: &[String]) -> Vec<PathBuf> {
    words
        .iter()
        .map(|word| word.trim_start_matches(['-', '@', ':', '+', '!']))
        .filter(|word| word.starts_with('/'))
        .map(PathBuf::from)
        .collect()
}

/// A token or password for those who connect, on the command line.
fn names_a_guard(words: &[String]) -> bool {
    words.iter().any(|word| ["--token", "--password"].iter().any(|flag| word.split('=').next() == Some(flag)))
}

fn flag(words: &[String], name: &str) -> Option<u16> {
    words.iter().enumerate().find_map(|(at, word)| {
        if word == name {
            return words.get(at + 1)?.parse().ok();
        }
        word.strip_prefix(name)?.strip_prefix('=')?.parse().ok()
    })
}

fn modified(path: &Path) -> Option<Time> {
    fs::metadata(path).ok()?.modified().ok().map(Time::from)
}

/// macOS: jobs of launchd, of this user and of the machine.
fn launch_agents(root: &Path, home: &Path, key: &FingerprintKey) -> Vec<Found> {
    let dirs =
        [home.join("Library/LaunchAgents"), root.join("Library/LaunchAgents"), root.join("Library/LaunchDaemons")];
    let label_of = |path: &PathBuf| Some(path.file_name()?.to_str()?.strip_suffix(".plist")?.to_owned());
    let job = |path: PathBuf| {
        let label = label_of(&path)?;
        let word = label.split('.').nth(1)?;
        let family = FAMILIES.into_iter().find(|f| f.word() == word || (*f == Family::Moltbot && word == "molt"))?;
        Some(launchd_job(label, family, path, key))
    };
    dirs.iter().flat_map(|dir| entries(dir)).filter_map(job).collect()
}

fn launchd_job(name: String, family: Family, path: PathBuf, key: &FingerprintKey) -> Found {
    let plist = plist::parse(&crate::files::text(&path));
    let (mut environment, mut bearers, mut state_dir) = (BTreeMap::new(), BTreeMap::new(), None);
    if let Some(plist::Value::Dict(variables)) = plist.as_ref().and_then(|plist| plist.get("EnvironmentVariables")) {
        for (name, value) in variables {
            let Some(text) = value.text() else { continue };
            if PLACES.contains(&name.as_str()) {
                state_dir = Some(PathBuf::from(text));
            }
            if provider_env::provider_of(name).is_some() {
                let value = Secret::new(text.to_owned());
                bearers.extend(bearer::read(&value).map(|bearer| (name.clone(), bearer)));
                environment.insert(name.clone(), key.fingerprint(&value));
            }
        }
    }
    let arguments = plist.as_ref().and_then(|plist| plist.get("ProgramArguments")).map(plist::Value::texts);
    let arguments = arguments.unwrap_or_default();
    let port = flag(&arguments, "--port");
    let program = files_of(&arguments);
    let guarded = names_a_guard(&arguments)
        || GUARDS.iter().any(|name| {
            let variables = plist.as_ref().and_then(|plist| plist.get("EnvironmentVariables"));
            variables
                .and_then(|all| all.get(name))
                .and_then(plist::Value::text)
                .is_some_and(|text| !text.trim().is_empty())
        });
    let files = vec![(path.clone(), modified(&path))];
    let credentials = BTreeMap::new();
    let scope = UnitScope::Launchd;
    let unit = GatewayUnit {
        name,
        family,
        scope,
        path,
        enabled: true,
        files,
        environment,
        credentials,
        program,
        port,
        guarded,
    };
    // launchd may be told of more variables (`launchctl setenv`): what the file does not set may be there all the same.
    Found { unit, port, state_dir, complete: false, bearers }
}
