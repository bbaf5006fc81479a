//! Keys that a project gives to its containers: `environment`, `env_file` and `secrets` in the Compose file of the working
//! directory or of the root of its repository, for interactive commands only.
//!
//! Literal values of known names only: what Compose would put in from elsewhere (`${NAME}`) is read there. Files that it names
//! are read if they are in the project ([`project`]). Who gets such a key is a container, and nobody here: they are listed, and
//! never counted as used or as anybody's reserve.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use serde_json::{Map, Value};

use super::login::{Format, LoginFile};
use super::variables::{self, Place};
use super::{Found, Harvest, Scene, Source, project};
use crate::domain::{Secret, Selection};
use crate::files::{self, LIMIT};
use crate::formats::{dotenv, provider_env};

/// See the module.
pub struct Compose;

const NAME: &str = "compose";
/// Compose takes the first of these …
const FILES: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];
/// … and adds the first of these.
const OVERRIDES: [&str; 4] =
    ["compose.override.yaml", "compose.override.yml", "docker-compose.override.yml", "docker-compose.override.yaml"];

impl Source for Compose {
    fn name(&self) -> &'static str {
        NAME
    }

    fn read(&self, scene: &Scene<'_>, harvest: &mut Harvest) {
        for root in project::roots(scene) {
            let first = |names: [&str; 4]| names.map(|name| root.join(name)).into_iter().find(|path| path.exists());
            let Some(main) = first(FILES) else { continue };
            for path in [Some(main), first(OVERRIDES)].into_iter().flatten() {
                let fix = format!("Correct {}.", path.display());
                let mut file = LoginFile::new(NAME, "unknown", path, fix).settings();
                if let Some(object) = file.open(Format::Yaml, harvest) {
                    read(&root, file.path(), object, scene, harvest);
                }
                file.close(harvest);
            }
        }
    }
}

fn read(root: &Path, path: &Path, mut object: Map<String, Value>, scene: &Scene<'_>, harvest: &mut Harvest) {
    let mut env_files = BTreeSet::new();
    for (service, entry) in objects(object.remove("services")) {
        for (name, value) in pairs(entry.get("environment")) {
            harvest.found.extend(variable(&name, &value, (path, &format!("{service}.")), scene));
        }
        env_files.extend(texts(entry.get("env_file")).filter_map(|name| inside(root, &name)));
    }
    // Read as nobody's where the working directory is this one.
    let read_already = [".env", ".env.local"].map(|name| root.join(name));
    for file in env_files.iter().filter(|file| !read_already.contains(file) || scene.cwd != Some(root)) {
        // Compose complains of one that is not there, when it starts.
        let Ok(Some((contents, _))) = files::read_lines(file, LIMIT) else { continue };
        for assignment in dotenv::parse(&contents.text) {
            harvest.found.extend(variable(&assignment.name, &assignment.value, (file, ""), scene));
        }
    }
    for (name, entry) in objects(object.remove("secrets")) {
        let (Some(variable), Some(file)) =
            (provider_env::variable_of_file(&name), entry.get("file").and_then(Value::as_str))
        else {
            continue;
        };
        let Some(file) = inside(root, file) else { continue };
        if let Ok(Some(contents)) = files::read(&file, LIMIT) {
            let secret = Secret::new(contents.text.trim().to_owned());
            let found = variables::in_file(&variable, secret, &place((&file, ""), contents.modified), scene);
            harvest.found.push(of_containers(found));
        }
    }
}

fn place<'a>((path, before): (&'a Path, &str), modified: Option<crate::domain::Time>) -> Place<'a> {
    Place { source: NAME, prefix: format!("{NAME}:{}#{before}", path.display()), path: Some(path), modified }
}

fn variable(name: &str, value: &str, place_of: (&Path, &str), scene: &Scene<'_>) -> Option<Found> {
    if value.contains('$') || value.contains('\u{fffd}') {
        return None;
    }
    let found = variables::found(name, value, &place(place_of, files::modified(place_of.0)), scene)?;
    Some(of_containers(found))
}

fn of_containers(mut found: Found) -> Found {
    found.credential.selection = Selection::Excluded("only its containers have it".to_owned());
    found.credential.declared_in_use = Some(false);
    found
}

fn objects(value: Option<Value>) -> impl Iterator<Item = (String, Map<String, Value>)> {
    let entries = match value {
        Some(Value::Object(entries)) => entries,
        _ => Map::new(),
    };
    entries.into_iter().filter_map(|(name, entry)| match entry {
        Value::Object(entry) => Some((name, entry)),
        _ => None,
    })
}

/// `{NAME: value}` or `[NAME=value]`.
fn pairs(value: Option<&Value>) -> Vec<(String, String)> {
    match value {
        Some(Value::Object(entries)) => {
            let text = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
            entries.iter().filter_map(text).collect()
        }
        Some(Value::Array(items)) => {
            let pair =
                |item: &Value| item.as_str()?.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
            items.iter().filter_map(pair).collect()
        }
        _ => Vec::new(),
    }
}

/// A text, or a list of texts and `{path: text}`.
fn texts(value: Option<&Value>) -> impl Iterator<Item = String> {
    let items = match value {
        Some(Value::Array(items)) => items.clone(),
        Some(one) => vec![one.clone()],
        None => Vec::new(),
    };
    items.into_iter().filter_map(|item| match item {
        Value::String(text) => Some(text),
        Value::Object(entry) => entry.get("path")?.as_str().map(str::to_owned),
        _ => None,
    })
}

/// A path of the project, going by what is written.
fn inside(root: &Path, name: &str) -> Option<PathBuf> {
    let parts: Vec<Component<'_>> = Path::new(name).components().filter(|part| *part != Component::CurDir).collect();
    let plain = !parts.is_empty() && parts.iter().all(|part| matches!(part, Component::Normal(_)));
    plain.then(|| root.join(parts.iter().collect::<PathBuf>()))
}

#[cfg(test)]
mod tests {
    use super::super::testing::Home;
    use super::*;

    fn ids(home: &Home, harvest: &Harvest) -> Vec<String> {
        harvest.found.iter().map(|found| home.relative(found.credential.id.as_str())).collect()
    }

    #[test]
    fn what_containers_get() {
        let mut home = Home::new();
        home.write(
            "office/compose.yaml",
            "services:\n  bot:\n    environment: {OPENAI_API_KEY: sk-1, GROQ_API_KEY: \"${GROQ_API_KEY}\", PORT: \"8\", XAI_API_KEY: }\n    \
             env_file: [bot.env, {path: ./more/x.env}, ../outside.env, /etc/shadow, gone.env, .env]\n  web:\n    environment: \
             [MISTRAL_API_KEY=m, ZAI_API_KEY]\n    env_file: bot.env\nsecrets:\n  anthropic_api_key: {file: ./secrets/a}\n  db: {file: x}\n",
        );
        home.write("office/compose.override.yml", "services: {bot: {environment: {VENICE_API_KEY: v}}}\n");
        home.write("office/bot.env", "COHERE_API_KEY=c\n");
        home.write("office/more/x.env", "DEEPSEEK_API_KEY=d\n");
        home.write("office/.env", "JINA_API_KEY=j\n");
        home.write("outside.env", "TAVILY_API_KEY=t\n");
        home.write("office/secrets/a", "sk-ant-api03-x\n");
        assert!(home.read(&Compose).reports.is_empty(), "the monitor works nowhere");
        home.cwd = Some(home.path("office"));
        let harvest = home.read(&Compose);
        let expected = [
            "compose:~/office/compose.yaml#bot.OPENAI_API_KEY",
            "compose:~/office/compose.yaml#web.MISTRAL_API_KEY",
            "compose:~/office/bot.env#COHERE_API_KEY",
            "compose:~/office/more/x.env#DEEPSEEK_API_KEY",
            "compose:~/office/secrets/a#ANTHROPIC_API_KEY",
            "compose:~/office/compose.override.yml#bot.VENICE_API_KEY",
        ];
        assert_eq!(ids(&home, &harvest), expected);
        for found in &harvest.found {
            assert_eq!(found.credential.declared_in_use, Some(false));
            assert!(matches!(found.credential.selection, Selection::Excluded(_)));
        }
        assert_eq!(
            home.relative(&harvest.found[0].credential.fix),
            "Make a new key at openai, then set OPENAI_API_KEY in ~/office/compose.yaml."
        );
    }

    #[test]
    fn one_that_cannot_be_read_is_said() {
        for text in ["services: [tell-nobody", "- tell-nobody\n"] {
            let mut home = Home::new();
            home.write("office/docker-compose.yml", text);
            home.cwd = Some(home.path("office"));
            let harvest = home.read(&Compose);
            let [finding] = harvest.findings.as_slice() else { panic!("{:?}", harvest.findings) };
            assert_eq!(finding.place.path, Some(home.path("office/docker-compose.yml")));
            assert!(harvest.found.is_empty() && !harvest.reports[0].up && !finding.message.contains("tell-nobody"));
        }
        for text in ["", "services: 7\nsecrets: []\n", "services: {a: {environment: 7, env_file: 8}}"] {
            let mut home = Home::new();
            home.write("office/compose.yml", text);
            home.cwd = Some(home.path("office"));
            let harvest = home.read(&Compose);
            assert!(harvest.found.is_empty() && harvest.findings.is_empty(), "{text}");
        }
    }
}
