//! A throw-away home for the tests of sources.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};

use super::{Harvest, Scene, Source};
use crate::clock::{Clock, SystemClock};
use crate::config::{Chat, Declared, Receiver};
use crate::domain::{Condition, Credential, Environment, FingerprintKey, Time};
use crate::files::meanwhile;

pub(super) struct Home {
    dir: tempfile::TempDir,
    pub env: Environment,
    pub env_is_source: bool,
    pub cwd: Option<PathBuf>,
    pub machine: Option<PathBuf>,
    pub dotenv: Vec<PathBuf>,
    pub secrets: Vec<PathBuf>,
    pub litellm: Vec<PathBuf>,
    pub declared: Vec<Declared>,
    pub receivers: Vec<Receiver>,
    pub chat: Option<Chat>,
}

/// No keyring is given up sooner.
const IN_TIME: Duration = Duration::from_secs(1);

pub(super) fn now() -> Time {
    "2027-01-10T12:00:00Z".parse().unwrap()
}

pub(super) fn jwt(claims: &str) -> String {
    let part = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.{}", part(r#"{"alg":"RS256"}"#), part(claims), part("signature"))
}

impl Home {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut env = Environment::default();
        env.set("HOME", dir.path().to_str().unwrap());
        let (dotenv, litellm, secrets, declared, receivers) = Default::default();
        let (cwd, machine, chat) = (None, None, None);
        Self { dir, env, env_is_source: true, cwd, machine, dotenv, litellm, secrets, declared, receivers, chat }
    }

    pub fn path(&self, place: &str) -> PathBuf {
        self.dir.path().join(place)
    }

    pub fn write(&self, place: &str, content: impl AsRef<[u8]>) {
        let path = self.path(place);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// A program. Written by another process: a file that this one has open for writing, in whatever child of another test, cannot
    /// be run.
    pub fn program(&self, place: &str, script: &str) {
        let path = self.path(place);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let write = "printf '#!/bin/sh\\n%s\\n' \"$1\" >\"$2\" && chmod 755 \"$2\"";
        let ran = std::process::Command::new("/bin/sh").args(["-c", write, "sh", script]).arg(path).status().unwrap();
        assert!(ran.success());
    }

    /// A text with the home directory written `~`.
    pub fn relative(&self, text: &str) -> String {
        text.replace(self.dir.path().to_str().unwrap(), "~")
    }

    /// Every file and directory with its content, to show that reading changes nothing.
    pub fn tree(&self) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
        let mut out = BTreeMap::new();
        let mut open = vec![self.dir.path().to_owned()];
        while let Some(dir) = open.pop() {
            for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
                let path = entry.path();
                out.insert(path.clone(), std::fs::read(&path).ok());
                if path.is_dir() {
                    open.push(path);
                }
            }
        }
        out
    }

    pub fn read(&self, source: &dyn Source) -> Harvest {
        self.with_scene(|scene, harvest| source.read(scene, harvest))
    }

    /// For what reads otherwise than a source does.
    pub fn with_scene(&self, mut read: impl FnMut(&Scene<'_>, &mut Harvest)) -> Harvest {
        self.seen(|scene| {
            let mut harvest = Harvest::default();
            read(scene, &mut harvest);
            harvest
        })
    }

    /// Every source, as in the product.
    pub fn everything(&self) -> Harvest {
        self.seen(super::harvest)
    }

    /// With a stand-in for a keyring it looks again where the time for an answer may have been over: a machine that is held up has
    /// none.
    fn seen(&self, mut look: impl FnMut(&Scene<'_>) -> Harvest) -> Harvest {
        let asks = self.env.get("DBUS_SESSION_BUS_ADDRESS").is_some();
        for _ in 0..30 {
            let clock = SystemClock::new();
            let harvest = look(&Scene {
                env: &self.env,
                cwd: self.cwd.as_deref(),
                preferred: None,
                machine: self.machine.as_deref(),
                env_is_source: self.env_is_source,
                dotenv: &self.dotenv,
                secrets: &self.secrets,
                litellm: &self.litellm,
                declared: &self.declared,
                receivers: &self.receivers,
                chat: self.chat.as_ref(),
                now: now(),
                key: &FingerprintKey::new(&[3; 32]),
            });
            if !asks || clock.monotonic() < IN_TIME {
                return harvest;
            }
        }
        panic!("no keyring answers in time");
    }
}

/// Breaks the file at `place`, which holds JSON, YAML or TOML, in every way.
#[track_caller]
pub(super) fn breaks(source: &dyn Source, place: &str, shown: bool) {
    let contents = ["{\"a\": {\n \"secret\": \"tell-nobody", "[tell-nobody", "[\"tell-nobody\"]"];
    // A list in brackets is a heading in TOML.
    let contents = if place.ends_with(".toml") { &contents[..2] } else { &contents };
    every_broken_file(source, place, contents, shown);
}

/// The facts alone, in the order in which they were found.
pub(super) fn credentials(harvest: &Harvest) -> Vec<Credential> {
    harvest.found.iter().map(|found| *found.credential.clone()).collect()
}

/// The only credential of `home` in the eyes of `source`.
#[track_caller]
pub(super) fn only(home: &Home, source: &dyn Source) -> (Credential, Harvest) {
    let harvest = home.read(source);
    assert_eq!(harvest.found.len(), 1, "{:?} {:?}", credentials(&harvest), harvest.findings);
    (*harvest.found[0].credential.clone(), harvest)
}

/// Makes a database with one table of two columns, and its rows. With `wal` it keeps a log, which is there as long as what
/// comes back is open.
pub(super) fn database(
    home: &Home,
    place: &str,
    wal: bool,
    schema: &str,
    (table, rows): (&str, &[(&str, &str)]),
) -> rusqlite::Connection {
    std::fs::create_dir_all(home.path(place).parent().unwrap()).unwrap();
    let db = rusqlite::Connection::open(home.path(place)).unwrap();
    if wal {
        db.execute_batch("PRAGMA journal_mode=WAL").unwrap();
    }
    db.execute_batch(schema).unwrap();
    for (key, value) in rows {
        db.execute(&format!("INSERT INTO {table} VALUES (?1, ?2)"), [key, value]).unwrap();
    }
    db
}

/// Breaks the file at `place` in every way that does not depend on what it should hold, and by each of `contents` (in which
/// the text `tell-nobody` must never come back). Shows that each is one finding at that file and a report that is not up, and
/// (`shown`) one credential that cannot be judged, or none where nothing is lost with the file.
pub(super) fn every_broken_file(source: &dyn Source, place: &str, contents: &[&str], shown: bool) {
    type Make<'a> = Box<dyn Fn(&Home) + 'a>;
    let mut ways: Vec<(String, Make<'_>)> = vec![
        ("not UTF-8".to_owned(), Box::new(|home| home.write(place, b"tell-nobody \xff\xfe"))),
        ("huge".to_owned(), Box::new(|home| home.write(place, vec![b' '; 9 << 20]))),
        ("a directory".to_owned(), Box::new(|home| std::fs::create_dir_all(home.path(place)).unwrap())),
        (
            "a loop of links".to_owned(),
            Box::new(|home| {
                home.write(&format!("{place}.beside"), "");
                std::os::unix::fs::symlink(home.path(place), home.path(place)).unwrap();
            }),
        ),
        (
            "a link to nothing".to_owned(),
            Box::new(|home| {
                home.write(&format!("{place}.beside"), "");
                std::os::unix::fs::symlink(home.path("nowhere"), home.path(place)).unwrap();
            }),
        ),
        (
            "a pipe".to_owned(),
            Box::new(|home| {
                home.write(&format!("{place}.beside"), "");
                let kind = rustix::fs::FileType::Fifo;
                rustix::fs::mknodat(rustix::fs::CWD, home.path(place), kind, 0o600.into(), 0).unwrap();
            }),
        ),
    ];
    // What a link leads to is exchanged: for whatever is in the way, or for another file.
    let link = |home: &Home, target: &str| {
        let (place, new) = (home.path(place), home.path("new"));
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(target, &new).unwrap();
        std::fs::rename(new, place).unwrap();
    };
    let targets = |home: &Home| {
        std::fs::create_dir_all(home.path("aside/directory")).unwrap();
        home.write("aside/binary", b"tell-nobody \xff\xfe");
        let kind = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, home.path("aside/pipe"), kind, 0o600.into(), 0).unwrap();
        std::os::unix::fs::symlink(home.path("aside/loop"), home.path("aside/loop")).unwrap();
    };
    for target in ["directory", "pipe", "loop", "binary"] {
        let make = move |home: &Home| {
            targets(home);
            link(home, home.path("aside").join(target).to_str().unwrap());
        };
        ways.push((format!("a link to a {target}"), Box::new(make)));
    }
    for text in contents {
        ways.push((format!("{text:?}"), Box::new(move |home| home.write(place, text))));
    }
    for (way, make) in ways {
        let home = Home::new();
        make(&home);
        said_once(&home, (place, &way), shown, &home.read(source));
        // The same while it is read: it was another file when it was looked at, and is this one when it is opened.
        let (whole, broken) = (home.path("whole"), home.path("broken"));
        std::fs::rename(home.path(place), &broken).unwrap();
        std::fs::write(home.path(place), "").unwrap();
        let (here, left) = (home.path(place), broken.clone());
        let rotate = move || {
            std::fs::rename(&here, &whole).unwrap();
            std::fs::rename(&broken, &here).unwrap();
        };
        let harvest = meanwhile::once(&home.path(place), rotate, || home.read(source));
        // Databases are opened by their own library.
        if left.symlink_metadata().is_err() {
            said_once(&home, (place, &format!("{way}, rotated while it is read")), shown, &harvest);
        }
    }
}

/// Puts a database into every state that its owner, a copy or an accident can leave it in: `make` makes one with something that
/// `source` shows. What cannot be read whole is said, what is exchanged is read anew, and nothing is touched.
#[track_caller]
pub(super) fn every_database(
    source: &dyn Source,
    place: &str,
    make: impl Fn(&Home, &str, bool) -> rusqlite::Connection,
) {
    let facts = |home: &Home, harvest: &Harvest| {
        home.relative(&format!(
            "{:?}",
            credentials(harvest).into_iter().map(|one| (one.id, one.condition)).collect::<Vec<_>>()
        ))
    };
    let whole = Home::new();
    drop(make(&whole, place, false));
    let usual = facts(&whole, &whole.read(source));
    assert!(usual.contains("Present") || usual.contains("encrypted"), "{usual}");
    let nothing = facts(&whole, &Harvest::default());

    // Another takes its place while it is read: by a rename, and where the path is a link, by another link.
    for link in [false, true] {
        for wal in [false, true] {
            let home = Home::new();
            let here = home.path(place);
            drop(database(&home, "old/data.db", !wal, "CREATE TABLE other (key TEXT)", ("other", &[])));
            let open = make(&home, if link { "new/data.db" } else { place }, wal);
            let target = home.path(if link { "new/data.db" } else { place });
            let beside: Vec<_> = ["", "-wal", "-shm"].map(|end| format!("{}{end}", target.display())).into();
            std::fs::create_dir_all(here.parent().unwrap()).unwrap();
            let exchange: Box<dyn FnOnce()> = if link {
                std::os::unix::fs::symlink(home.path("old/data.db"), &here).unwrap();
                std::os::unix::fs::symlink(&target, home.path("link")).unwrap();
                let (from, to) = (home.path("link"), here.clone());
                Box::new(move || std::fs::rename(from, to).unwrap())
            } else {
                let aside = |path: &str| format!("{path}.aside");
                beside
                    .iter()
                    .filter(|path| std::path::Path::new(path).exists())
                    .for_each(|path| std::fs::rename(path, aside(path)).unwrap());
                std::fs::rename(home.path("old/data.db"), &here).unwrap();
                let beside = beside.clone();
                Box::new(move || {
                    beside
                        .iter()
                        .rev()
                        .filter(|path| std::path::Path::new(&aside(path)).exists())
                        .for_each(|path| std::fs::rename(aside(path), path).unwrap());
                })
            };
            let harvest = meanwhile::once(&here, exchange, || home.read(source));
            let said = (facts(&home, &harvest), harvest.findings.len());
            // A log beside the target of a link belongs to the target: read as it is, or said.
            assert!(said.0 == usual || said.1 > 0, "link {link}, log {wal}: {said:?} {:?}", harvest.findings);
            drop(open);
        }
    }

    // A writer was killed: its log and the index of that lie beside the database, or the index is gone with the machine.
    for index in [true, false] {
        let (writer, home) = (Home::new(), Home::new());
        let open = make(&writer, place, true);
        for end in if index { &["", "-wal", "-shm"][..] } else { &["", "-wal"] } {
            home.write(&format!("{place}{end}"), std::fs::read(writer.path(&format!("{place}{end}"))).unwrap());
        }
        drop(open);
        let before = home.tree();
        let harvest = home.read(source);
        let (after, said) = (home.tree(), facts(&home, &harvest));
        assert!(before.keys().eq(after.keys()), "nothing is made or taken away");
        assert!(
            [place.to_owned(), format!("{place}-wal")]
                .iter()
                .all(|one| before[&home.path(one)] == after[&home.path(one)])
        );
        if index {
            assert_eq!(said, usual, "{:?}", harvest.findings);
        } else {
            assert!(said == usual || said == nothing || said.contains("Unreadable"), "{said}");
            assert!(!harvest.findings.is_empty(), "what may be missing is said");
        }
    }

    // A change was begun and never finished: its journal lies beside the database, and only the owner may undo it.
    let (writer, home) = (Home::new(), Home::new());
    let open = make(&writer, place, false);
    open.execute_batch("PRAGMA cache_size=1; PRAGMA cache_spill=1; BEGIN; CREATE TABLE filler (x)").unwrap();
    for _ in 0..200 {
        open.execute("INSERT INTO filler VALUES (zeroblob(4000))", []).unwrap();
    }
    for end in ["", "-journal"] {
        home.write(&format!("{place}{end}"), std::fs::read(writer.path(&format!("{place}{end}"))).unwrap());
    }
    let before = home.tree();
    let harvest = home.read(source);
    assert_eq!(home.tree(), before, "only its owner mends it");
    let [finding] = harvest.findings.as_slice() else { panic!("{:?}", harvest.findings) };
    assert!(finding.id == "store.unreadable" && finding.message.contains("not closed"), "{finding:?}");
}

#[track_caller]
fn said_once(home: &Home, (place, way): (&str, &str), shown: bool, harvest: &Harvest) {
    let [finding] = harvest.findings.as_slice() else { panic!("{place}, {way}: {:?}", harvest.findings) };
    assert!(["store.unparsable", "store.unreadable"].contains(&finding.id.as_str()), "{way}: {finding:?}");
    assert_eq!(finding.place.path, Some(home.path(place)), "{way}");
    let said = format!("{finding:?}{:?}", harvest.found.iter().map(|found| &found.credential).collect::<Vec<_>>());
    assert!(!said.contains("tell-nobody") && !finding.fix.is_empty(), "{way}: {said}");
    assert!(harvest.reports.iter().any(|report| !report.up), "{way}");
    assert_eq!(harvest.found.len(), usize::from(shown), "{place}, {way}");
    for found in &harvest.found {
        let expected = matches!(found.credential.condition, Condition::Unreadable(_) | Condition::Damaged(_));
        assert!(expected && found.secret.is_none() && found.credential.fingerprint.is_none(), "{way}");
    }
}
