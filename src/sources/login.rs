//! The file in which a tool keeps a login or a key: what dozens of tools have in common, so that each of their files here says
//! only where its tool keeps it and what its fields are called.
//!
//! Reads once, says what is broken and where, and builds credentials with everything that follows from the file alone. Never
//! writes, never runs the tool.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::json::{self, Dates, Field};
use super::sqlite::{self, Database};
use super::{Found, Harvest, Scene};
use crate::domain::{
    Activity, Clocks, Condition, Credential, CredentialId, Finding, Kind, Origin, Owner, Place, Renewal, Secret,
    Selection, Severity, Time,
};
use crate::files::{self, LIMIT, Trouble};
use crate::formats::dates::{Date, Unit};
use crate::formats::{dotenv, ini, json5, jwt, netrc, yaml};

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// JSON.
    Json,
    /// JSON with comments and trailing commas.
    Json5,
    /// YAML.
    Yaml,
    /// TOML.
    Toml,
    /// Sections of `name = value`; each section becomes an object.
    Ini,
    /// Lines of `NAME=value`; of two with one name the last counts.
    Dotenv,
    /// JSON in base64; what is no JSON in it is a secret and nothing else, as [`Format::Bare`].
    Base64,
    /// Machines and their passwords.
    Netrc,
    /// A secret and nothing else: a text under the name `""`.
    Bare,
}

/// One file of one tool.
pub(super) struct LoginFile {
    source: &'static str,
    provider: String,
    path: PathBuf,
    fix: String,
    /// What it is called when it is broken.
    profile: String,
    /// A file that holds much else: nothing is lost with it, so it is not shown as a login when it is broken.
    settings: bool,
    /// Not a file, but an item of the keyring.
    keyring: bool,
    /// Not a text, but a database.
    database: bool,
    /// What goes before the names of what is in it, where its tool has several such files.
    within: String,
    modified: Option<Time>,
    signs: Vec<PathBuf>,
    /// The newest of the signs; looked at only when there is a credential, since most tools are not installed.
    alive: OnceCell<Option<Time>>,
    text: Zeroizing<String>,
    up: bool,
    before: (usize, usize),
}

/// What an OAuth login's fields are called.
pub(super) struct Shape {
    /// The access token.
    pub access: &'static str,
    /// The refresh token.
    pub refresh: &'static str,
    /// When the access token ends, and the unit; `None`: it says so itself (JWT).
    pub expires: Option<(&'static str, Unit)>,
}

impl LoginFile {
    /// The file of `source` at `path`; `provider` and `fix` (the command that logs in again) hold for what is in it.
    pub fn new(source: &'static str, provider: impl Into<String>, path: PathBuf, fix: impl Into<String>) -> Self {
        let (provider, fix) = (provider.into(), fix.into());
        let text = Zeroizing::default();
        Self {
            source,
            provider,
            path,
            fix,
            profile: "default".to_owned(),
            settings: false,
            keyring: false,
            database: false,
            within: String::new(),
            modified: None,
            signs: Vec::new(),
            alive: OnceCell::new(),
            text,
            up: true,
            before: (0, 0),
        }
    }

    /// The item of the keyring with this service, which stands for a file.
    pub fn keyring(source: &'static str, provider: &'static str, service: &str, fix: impl Into<String>) -> Self {
        let place = PathBuf::from(format!("keyring item {service}"));
        Self { keyring: true, ..Self::new(source, provider, place, fix) }
    }

    /// A file of settings that may hold keys among other things.
    pub fn settings(mut self) -> Self {
        self.settings = true;
        self
    }

    /// One of several files of its tool: a broken one is shown under this name.
    pub fn profile(mut self, profile: &str) -> Self {
        profile.clone_into(&mut self.profile);
        self
    }

    /// One of many of its kind, which all call their entries alike: `within` goes before the names, and stands alone for what
    /// would be `default`.
    pub fn within(mut self, within: impl Into<String>) -> Self {
        self.within = within.into();
        self
    }

    /// A file of the project that a person works in: its path goes before the names of what is in it.
    pub fn of_project(self) -> Self {
        let path = format!("{}#", self.path.display());
        self.settings().within(path)
    }

    /// Files and directories that the tool changes whenever it is used: signs that it is alive.
    pub fn alive(mut self, signs: impl IntoIterator<Item = PathBuf>) -> Self {
        self.signs = signs.into_iter().collect();
        self
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The provider of what is in it.
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// Whether there is such a file, readable or not.
    pub fn exists(&self) -> bool {
        self.path.symlink_metadata().is_ok()
    }

    /// Reads the file as one object; `None` if it is not there or broken (which is then said). Call [`Self::close`] at the end
    /// in every case.
    pub fn open(&mut self, format: Format, harvest: &mut Harvest) -> Option<Map<String, Value>> {
        self.before = (harvest.found.len(), harvest.findings.len());
        settled(|| self.read(format), || std::thread::sleep(MOMENT)).unwrap_or_else(|trouble| {
            self.broken(&trouble, harvest);
            None
        })
    }

    fn read(&mut self, format: Format) -> Result<Option<Map<String, Value>>, Trouble> {
        let Some(contents) = files::if_seen(files::read(&self.path, LIMIT))? else { return Ok(None) };
        self.modified = contents.modified;
        self.text = contents.text;
        parse(&self.text, format).map(Some)
    }

    /// The same for what the keyring holds.
    pub fn open_text(&mut self, text: &Secret, harvest: &mut Harvest) -> Option<Map<String, Value>> {
        self.before = (harvest.found.len(), harvest.findings.len());
        self.text = Zeroizing::new(text.expose().to_owned());
        parse(&self.text, Format::Json).map_err(|trouble| self.broken(&trouble, harvest)).ok()
    }

    /// Shows a login that the keyring does not give away. From a service or over ssh that may be so for ever, and nobody is at
    /// fault: it alarms nobody, neither as a login nor as a source that cannot be read.
    pub fn withheld(&mut self, why: String, harvest: &mut Harvest) {
        self.before = (harvest.found.len(), harvest.findings.len());
        harvest.found.push(self.locked("default", &self.provider, why));
    }

    /// The same for a database.
    pub fn open_database(&mut self, harvest: &mut Harvest) -> Option<Database> {
        self.before = (harvest.found.len(), harvest.findings.len());
        self.database = true;
        match files::if_seen(sqlite::open(&self.path)) {
            Ok(database) => {
                self.modified = database.as_ref().and_then(|database| database.modified);
                if database.as_ref().is_some_and(|database| database.stale) {
                    harvest.findings.push(sqlite::stale(&self.path, "start what uses it once: that completes it"));
                }
                database
            }
            Err(trouble) => {
                self.broken(&trouble, harvest);
                None
            }
        }
    }

    /// Says that the file is there and of no use.
    pub fn broken(&mut self, trouble: &Trouble, harvest: &mut Harvest) {
        self.up = false;
        // No login mends what a person wrote.
        let path = self.path.display();
        let fix = match (self.settings, trouble.unparsable) {
            (false, _) => self.fix.clone(),
            // Nobody corrects a database by hand.
            (true, true) if self.database => format!(
                "Quit what uses it, then: mv {0} {0}.damaged, and sign in anew: {1}",
                super::shell_word(&path.to_string()),
                self.fix
            ),
            (true, true) => format!("Correct {path}."),
            (true, false) => format!("Make {path} readable for this user."),
        };
        harvest.findings.push(trouble.finding(&self.path, &fix));
        if !self.settings {
            // The file is there, so there was a login: it is shown as one that cannot be judged.
            let why = format!("{} {}", self.path.display(), trouble.why);
            let condition = if trouble.unparsable { Condition::Damaged(why) } else { Condition::Unreadable(why) };
            harvest.found.push(self.found(&self.profile, &self.provider, Kind::Oauth, condition));
        }
    }

    /// Files the report, and gives what was said about keys of this file their line and column.
    pub fn close(self, harvest: &mut Harvest) {
        let (found, findings) = self.before;
        if self.up && matches!(self.text.trim_start().chars().next(), Some('{' | '\u{feff}')) {
            json::place(&mut harvest.findings[findings..], &self.path, &self.text);
        }
        let credentials = harvest.found.len() - found;
        harvest.report(self.source, self.path, self.up, credentials);
    }

    /// The same where other files were read in between: what is in this one was found last, from `first` on.
    pub fn close_since(mut self, first: usize, harvest: &mut Harvest) {
        self.before.0 = first;
        self.close(harvest);
    }

    /// Files the report of a file that was only looked for, and not opened.
    pub fn close_unread(self, harvest: &mut Harvest, credentials: usize) {
        harvest.report(self.source, self.path, true, credentials);
    }

    /// An OAuth login in `object`, which stands at `prefix` in the file (empty for the file itself).
    pub fn oauth(
        &self,
        profile: &str,
        provider: &str,
        object: &mut Map<String, Value>,
        (shape, prefix): (&Shape, &str),
        scene: &Scene<'_>,
        harvest: &mut Harvest,
    ) -> Found {
        let access = json::secret(object, shape.access);
        let refresh = json::secret(object, shape.refresh);
        let key = |name: &str| if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") };
        let mistyped = |name: &str| Condition::Damaged(format!("{} is not a text", key(name)));
        let condition = match (&access, &refresh) {
            (Field::Mistyped, _) => mistyped(shape.access),
            (_, Field::Mistyped) => mistyped(shape.refresh),
            (Field::Absent, Field::Absent) => Condition::Absent(format!("the login has no {}", shape.access)),
            (Field::Text(_), _) | (_, Field::Text(_)) => Condition::Present,
            _ => Condition::Blanked,
        };
        let mut found = self.found(profile, provider, Kind::Oauth, condition);
        let credential = &mut found.credential;
        match &credential.condition {
            Condition::Damaged(what) => {
                let place = if prefix.is_empty() { shape.access } else { prefix };
                harvest.findings.push(self.damaged(place, what));
            }
            Condition::Present => {
                credential.clocks.access_expires = match shape.expires {
                    Some((name, unit)) => self.date(object, (name, unit), prefix, &mut credential.notes, harvest),
                    None => match &access {
                        Field::Text(token) => decoded_end(token, &mut credential.notes),
                        _ => None,
                    },
                };
                if !matches!(refresh, Field::Text(_)) {
                    credential.renewal = Renewal::Manual;
                    credential.notes.push("there is no refresh token: only a new login helps when it ends".to_owned());
                }
            }
            _ => {}
        }
        credential.scopes = scopes(object);
        let (access, refresh) = (access.secret(), refresh.secret());
        credential.fingerprint = access.as_ref().and_then(|secret| scene.key.fingerprint(secret));
        credential.refresh_fingerprint = refresh.as_ref().and_then(|secret| scene.key.fingerprint(secret));
        found.secret = access;
        found
    }

    /// A key, or a token that nobody renews by itself. One that is a JWT says itself when it ends.
    pub fn key(&self, profile: &str, provider: &str, kind: Kind, key: Secret, scene: &Scene<'_>) -> Found {
        let mut found = self.found(profile, provider, kind, Condition::Present);
        let credential = &mut found.credential;
        credential.renewal = if kind == Kind::ApiKey { Renewal::None } else { Renewal::Manual };
        super::decode(credential, &key);
        credential.fingerprint = scene.key.fingerprint(&key);
        found.secret = Some(key);
        found.unless_placeholder()
    }

    /// The key in a field of `object`, as [`Self::key`]; `None` if there is none. One that is no text is said.
    pub fn key_in(
        &self,
        (profile, provider, kind): (&str, &str, Kind),
        object: &mut Map<String, Value>,
        (name, prefix): (&str, &str),
        scene: &Scene<'_>,
        harvest: &mut Harvest,
    ) -> Option<Found> {
        let key = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") };
        match json::secret(object, name) {
            Field::Text(secret) => Some(self.key(profile, provider, kind, secret, scene)),
            Field::Blank => Some(self.found(profile, provider, kind, Condition::Blanked)),
            Field::Absent => None,
            Field::Mistyped => {
                let what = format!("{key} is not a text");
                harvest.findings.push(self.damaged(&key, &what));
                Some(self.found(profile, provider, kind, Condition::Damaged(what)))
            }
        }
    }

    /// The date in a field of `object`, which stands at `prefix`; what is odd about it is noted and said.
    pub fn date(
        &self,
        object: &Map<String, Value>,
        (name, unit): (&str, Unit),
        prefix: &str,
        notes: &mut Vec<String>,
        harvest: &mut Harvest,
    ) -> Option<Time> {
        let mut dates = Dates::of(object, &self.path, prefix);
        let date = dates.take(name, unit);
        notes.append(&mut dates.notes);
        harvest.findings.append(&mut dates.findings);
        date
    }

    /// A login that exists and that only its tool can open (a keyring, its own encryption); `why` follows "it cannot be read:".
    /// It is shown and alarms nobody: it may well be fine, and nothing that a person does would end the alarm.
    pub fn sealed(&self, profile: &str, provider: &str, why: impl Into<String>) -> Found {
        let mut found = self.found(profile, provider, Kind::Oauth, Condition::Unreadable(why.into()));
        // Not the file is unreadable, but what it stands for.
        found.credential.origin.path = None;
        found.credential.declared_in_use = Some(false);
        found
    }

    /// A login that the keyring does not give away now.
    pub fn locked(&self, profile: &str, provider: &str, why: String) -> Found {
        let mut found = self.sealed(profile, provider, why);
        found.credential.fix =
            "Look from your own session, with the keyring unlocked: the login itself may be fine.".to_owned();
        found
    }

    /// A finding about something in this file that cannot be what it should be.
    pub fn damaged(&self, key: &str, what: &str) -> Finding {
        Finding::new("store.damaged-profile", Severity::Warning, format!("{}: {what}", self.path.display()), &self.fix)
            .at(Place::file(&self.path).key(key))
    }

    /// A credential of this file, without secret and dates.
    pub fn found(&self, profile: &str, provider: &str, kind: Kind, condition: Condition) -> Found {
        let path = (!self.keyring).then(|| self.path.as_path().into());
        let profile = match (self.within.as_str(), profile) {
            ("", profile) => profile.to_owned(),
            (within, "default") => within.to_owned(),
            (within, profile) if within.ends_with('#') => format!("{within}{profile}"),
            (within, profile) => format!("{within}/{profile}"),
        };
        let alive = *self.alive.get_or_init(|| self.signs.iter().filter_map(|sign| files::modified(sign)).max());
        let credential = Box::new(Credential {
            id: CredentialId(format!("{}:{profile}", self.source)),
            provider: provider.to_owned(),
            profile,
            kind,
            agent: None,
            origin: Origin { source: self.source.into(), path, modified: self.modified },
            owner: Owner::Tool,
            renewal: if kind == Kind::ApiKey { Renewal::None } else { Renewal::Auto },
            condition,
            clocks: Clocks::default(),
            account: None,
            scopes: None,
            fingerprint: None,
            refresh_fingerprint: None,
            selection: Selection::NotApplicable,
            bench: None,
            activity: Activity { owner_changed: alive.max(self.modified), ..Activity::default() },
            declared_in_use: None,
            fix: self.fix.clone(),
            notes: Vec::new(),
        });
        Found { credential, secret: None }
    }
}

/// How long an owner that writes in place needs from emptying its file to its last byte.
const MOMENT: Duration = Duration::from_millis(20);

/// Reads again, after a pause, what is empty or breaks off: most owners rename a whole file into place, and some rewrite it
/// under our eyes. What breaks off the second time is broken.
fn settled<T>(mut read: impl FnMut() -> Result<T, Trouble>, pause: impl FnOnce()) -> Result<T, Trouble> {
    match read() {
        Err(trouble) if trouble.why == json::EMPTY || trouble.why == json::CUT_OFF => {
            pause();
            read()
        }
        settled => settled,
    }
}

/// The end of an access token that is a JWT; what is odd about it is noted.
fn decoded_end(token: &Secret, notes: &mut Vec<String>) -> Option<Time> {
    let Some(claims) = jwt::claims(token) else {
        notes.push("the access token is no JWT: its end is not known".to_owned());
        return None;
    };
    match &claims.expires {
        Date::Absent | Date::Blank => notes.push("the access token does not say when it ends".to_owned()),
        date => notes.extend(date.remark().map(|odd| format!("exp of the access token {odd}"))),
    }
    claims.expires.at()
}

/// What a login may do: a list under `scopes`, or a text of words under `scope` (RFC 6749 §3.3). `None` where its owner does not
/// say.
fn scopes(login: &Map<String, Value>) -> Option<BTreeSet<String>> {
    let words = |value: &Value| -> Option<BTreeSet<String>> {
        match value {
            Value::String(text) => Some(text.split_whitespace().map(str::to_owned).collect()),
            Value::Array(items) => items.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
            _ => None,
        }
    };
    ["scopes", "scope"].into_iter().filter_map(|name| words(login.get(name)?)).find(|words| !words.is_empty())
}

fn parse(text: &str, format: Format) -> Result<Map<String, Value>, Trouble> {
    let broken = |why: &str, at| Trouble { unparsable: true, why: why.to_owned(), at };
    let object = |value: Value, name: &str| match value {
        Value::Object(object) => Ok(object),
        _ => Err(broken(&format!("is {name}, but not a table of names"), Some((1, 1)))),
    };
    match format {
        Format::Json => json::object(text),
        Format::Json5 => json5::Files::default()
            .parse(Path::new(""), text.to_owned())
            .map_err(|error| broken("is not JSON with comments", Some((error.line, error.column))))
            .and_then(|node| object(node.into_json(), "JSON")),
        Format::Yaml => yaml::parse(text)
            .map_err(|error| broken(&format!("is not YAML: {}", error.why), Some((error.line, error.column))))
            .and_then(|value| match value {
                // An empty file, or one of nothing but comments.
                Value::Null => Ok(Map::new()),
                value => object(value, "YAML"),
            }),
        Format::Toml => toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            broken("is not TOML", Some((line, before.len() - before.rfind('\n').map_or(0, |at| at + 1) + 1)))
        }),
        Format::Ini => Ok(ini::parse(text)),
        Format::Dotenv => {
            let assignments = dotenv::parse(text).into_iter();
            Ok(assignments.map(|assignment| (assignment.name, Value::String(assignment.value))).collect())
        }
        Format::Netrc => Ok(netrc::parse(text)),
        Format::Base64 => in_base64(text),
        Format::Bare => Ok(Map::from_iter([(String::new(), Value::String(text.trim().to_owned()))])),
    }
}

fn in_base64(text: &str) -> Result<Map<String, Value>, Trouble> {
    let broken = |why: &str| Trouble { unparsable: true, why: why.to_owned(), at: None };
    let compact = Zeroizing::new(text.split_ascii_whitespace().collect::<String>());
    if compact.is_empty() {
        return Err(broken(json::EMPTY));
    }
    // Four characters stand for three bytes: what is written whole has no other length.
    if !compact.len().is_multiple_of(4) {
        return Err(broken(json::CUT_OFF));
    }
    let bytes = BASE64_STANDARD.decode(compact.as_bytes()).ok();
    let Some(text) = bytes.and_then(|bytes| String::from_utf8(bytes).ok()).map(Zeroizing::new) else {
        return Err(broken("is not text in base64"));
    };
    if text.trim_start().starts_with("sk-") {
        return parse(&text, Format::Bare);
    }
    // A place in what is encoded is no place in the file.
    json::object(&text).map_err(|trouble| broken(&trouble.why))
}

/// The `.json` files of a directory in which `source` keeps one login each, in the order of their names.
pub(super) fn json_files(source: &str, dir: &Path, fix: &str, harvest: &mut Harvest) -> Vec<PathBuf> {
    let json = |path: &Path| path.extension().is_some_and(|extension| extension == "json");
    entries(source, dir, json, fix, harvest)
}

/// What `source` keeps in a directory and `wanted` names, in the order of their names.
pub(super) fn entries(
    source: &str,
    dir: &Path,
    wanted: impl Fn(&Path) -> bool,
    fix: &str,
    harvest: &mut Harvest,
) -> Vec<PathBuf> {
    /// More than anybody has logins.
    const MANY: usize = 500;
    let (mut paths, up): (Vec<PathBuf>, bool) = match std::fs::read_dir(dir) {
        Ok(entries) => (entries.flatten().take(MANY).map(|entry| entry.path()).collect(), true),
        // One that may not be listed is said once for all who look into it.
        Err(error)
            if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::PermissionDenied) =>
        {
            (Vec::new(), true)
        }
        Err(_) => (Vec::new(), false),
    };
    if !up {
        let why = "cannot be listed, so nobody knows what is in it".to_owned();
        harvest.findings.push(Trouble { unparsable: false, why, at: None }.finding(dir, fix));
    }
    paths.retain(|path| wanted(path));
    paths.sort();
    harvest.report(source, dir.to_owned(), up, 0);
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with these contents, one after the other, and how often it was read.
    fn reading(contents: &[&str]) -> (Result<Map<String, Value>, String>, usize) {
        let (index, reads) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
        let read = || {
            reads.set(reads.get() + 1);
            parse(contents[index.get()], Format::Json)
        };
        let result = settled(read, || index.set(index.get() + 1));
        (result.map_err(|trouble| trouble.why), reads.get())
    }

    #[test]
    fn what_is_rewritten_while_it_is_read_is_read_again() {
        for begun in ["", "{\"a\":", "{\"a\":1,\n"] {
            let (result, reads) = reading(&[begun, "{\"a\":2}"]);
            assert_eq!((result.map(|object| object["a"].clone()), reads), (Ok(Value::from(2)), 2), "{begun}");
        }
        assert_eq!(reading(&["", ""]), (Err(json::EMPTY.to_owned()), 2), "it stays empty");
        assert_eq!(reading(&["nonsense", "{}"]).1, 1, "what is no beginning is not waited for");
        assert_eq!(reading(&["{}"]).1, 1);
    }
}
