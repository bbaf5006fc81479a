//! The home directory of `tests/fixtures/home`: one file in the documented shape for each place that some source reads, the
//! secrets synthetic and all of them with the words [`PLANTED`] in them. `*.sql` becomes the database that it describes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use opensoul::domain::{Environment, Span, Time};

/// In every secret of the fixtures; nobody may ever say it.
pub const PLANTED: &str = "tell-nobody";

/// The instant for which the dates in the fixtures are made.
pub fn now() -> Time {
    "2030-06-15T12:00:00Z".parse().unwrap()
}

/// What nobody has touched for three months: the tools are installed and not used.
const OLD: [&str; 5] = [".llxprt", ".local/share/amazon-q", ".iflow", ".qwen/oauth_creds.json", ".config/claude-code"];

/// Every file of the fixtures, relative to the home.
pub fn places() -> Vec<PathBuf> {
    let root = source();
    let mut out = Vec::new();
    let mut open = vec![root.clone()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else {
                out.push(path.strip_prefix(&root).unwrap().to_owned());
            }
        }
    }
    out.sort();
    out
}

pub fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/home")
}

/// Makes it below `root`, with the modes and dates that its owners would leave.
pub fn furnish(root: &Path) {
    for place in places() {
        let from = source().join(&place);
        let mut path = root.join(&place);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        if place.extension().is_some_and(|extension| extension == "sql") {
            path.set_extension("");
            let database = rusqlite::Connection::open(&path).unwrap();
            database.execute_batch(&fs::read_to_string(&from).unwrap()).unwrap();
        } else {
            fs::copy(&from, &path).unwrap();
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let age = if OLD.iter().any(|old| place.starts_with(old)) { Span::days(90) } else { Span::days(1) };
        fs::File::open(&path).unwrap().set_modified((now() - age).into()).unwrap();
    }
    let mut open = vec![root.to_owned()];
    while let Some(dir) = open.pop() {
        let entries = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path());
        open.extend(entries.filter(|path| path.is_dir()));
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).unwrap();
        fs::File::open(&dir).unwrap().set_modified((now() - Span::days(90)).into()).unwrap();
    }
}

/// What belongs to the whole machine, made beside it: `/etc`.
pub fn machine(root: &Path) -> PathBuf {
    let machine = root.join("machine");
    let from = source().with_file_name("machine");
    for place in ["etc/environment", "etc/crush/crush.json"] {
        let path = machine.join(place);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::copy(from.join(place), &path).unwrap();
    }
    machine
}

/// The environment of whoever lives there.
pub fn environment(root: &Path) -> Environment {
    let mut env = Environment::default();
    env.set("HOME", root.to_str().unwrap());
    env.set("GROQ_API_KEY", format!("gsk_{PLANTED}_environment"));
    env.set("OPENAI_API_KEY", format!("sk-proj-{PLANTED}-gateway"));
    env
}
