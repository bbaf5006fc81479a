use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::Duration;

use super::*;
use crate::clock::SystemClock;

fn change(
    path: &Path,
    edit: impl FnMut(Option<&str>) -> Result<Option<String>, WriteError>,
) -> Result<Updated, WriteError> {
    let clock = SystemClock::new();
    let keeper = Keeper { clock: &clock, patience: Duration::from_secs(5), waiting: &|_| {} };
    update(path, Protocol::Directory, &keeper, edit)
}

fn put(path: &Path, text: &str) -> Result<Updated, WriteError> {
    change(path, |_| Ok(Some(text.to_owned())))
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().mode() & 0o777
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn made_private_and_replaced_private() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("agents/main/agent/auth-profiles.json");
    assert_eq!(put(&path, "one").unwrap(), Updated { path: real(&path).unwrap(), created: true, changed: true });
    assert_eq!((mode(&path), mode(path.parent().unwrap()), mode(&dir.path().join("agents"))), (0o600, 0o700, 0o700));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let same = change(&path, |text| Ok(text.map(str::to_owned))).unwrap();
    assert!(!same.changed && mode(&path) == 0o644, "what is not changed is not touched");
    assert!(put(&path, "two").unwrap().changed);
    assert_eq!((fs::read_to_string(&path).unwrap().as_str(), mode(&path)), ("two", 0o600));
    assert_eq!(names(path.parent().unwrap()), ["auth-profiles.json"], "neither lock nor temporary file stays");
}

#[test]
fn an_edit_that_fails_changes_nothing_and_frees_the_lock() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    fs::write(&path, "old").unwrap();
    let refused = change(&path, |_| Err(WriteError::Unusable { path: "y".into(), why: "is odd".to_owned() }));
    assert!(refused.unwrap_err().to_string().contains("is odd"));
    assert_eq!((fs::read_to_string(&path).unwrap().as_str(), names(dir.path())), ("old", vec!["x".to_owned()]));
}

#[test]
fn a_link_stays_a_link() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("real")).unwrap();
    let (link, target) = (dir.path().join("link"), dir.path().join("real/file"));
    fs::write(&target, "old").unwrap();
    symlink(&target, &link).unwrap();
    let updated = put(&link, "new").unwrap();
    assert_eq!(updated.path, real(&target).unwrap());
    assert!(link.is_symlink());
    assert_eq!(fs::read_to_string(&target).unwrap(), "new");
    fs::remove_file(&target).unwrap();
    assert!(put(&link, "new").unwrap_err().to_string().contains("link to nothing"));
    let folder = dir.path().join("folder");
    symlink(dir.path().join("real"), &folder).unwrap();
    assert_eq!(put(&folder.join("fresh"), "x").unwrap().path, real(&dir.path().join("real/fresh")).unwrap());
}

#[test]
fn a_writer_without_a_lock_is_heard() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    fs::write(&path, "a").unwrap();
    let mut asked = 0;
    change(&path, |text| {
        asked += 1;
        if asked == 1 {
            fs::write(&path, "ab").unwrap();
        }
        Ok(Some(format!("{}c", text.unwrap())))
    })
    .unwrap();
    assert_eq!((fs::read_to_string(&path).unwrap().as_str(), asked), ("abc", 2));

    let endless = change(&path, |text| {
        fs::write(&path, format!("{}!", text.unwrap())).unwrap();
        Ok(Some("mine".to_owned()))
    });
    assert!(matches!(endless, Err(WriteError::Contended { times: TIMES, .. })));
    assert_eq!(fs::read_to_string(&path).unwrap(), "abc!!!!!");
}

#[test]
fn a_lock_that_was_taken_from_us_means_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    let place = dir.path().join("x.lock");
    let mut asked = 0;
    change(&path, |_| {
        asked += 1;
        if asked == 1 {
            fs::remove_dir(&place).unwrap();
        }
        Ok(Some("new".to_owned()))
    })
    .unwrap();
    assert_eq!(asked, 2);
}

#[test]
fn leftovers_of_a_killed_run_go_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    for name in [".x.AbC.opensoul-tmp", ".x.keep", ".y.AbC.opensoul-tmp"] {
        fs::write(dir.path().join(name), "secret").unwrap();
    }
    put(&path, "new").unwrap();
    assert_eq!(names(dir.path()), [".x.keep", ".y.AbC.opensoul-tmp", "x"]);
}

#[test]
fn what_is_in_the_way_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    fs::create_dir(&path).unwrap();
    assert!(put(&path, "new").unwrap_err().to_string().contains("is a directory"));
    fs::write(dir.path().join("file"), "").unwrap();
    assert!(put(&dir.path().join("file/below/x"), "new").is_err());
    fs::write(dir.path().join("binary"), b"\xff").unwrap();
    assert!(put(&dir.path().join("binary"), "new").unwrap_err().to_string().contains("not text"));
}

#[test]
fn backups_are_private_and_rotate() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.json");
    fs::write(&path, "x").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    for n in 0..7 {
        back_up(&path, &n.to_string()).unwrap();
        back_up(&path, &n.to_string()).unwrap();
    }
    let text = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
    assert_eq!(
        ["c.json.bak", "c.json.bak.1", "c.json.bak.2", "c.json.bak.3", "c.json.bak.4"].map(text),
        ["6", "5", "4", "3", "2"]
    );
    assert_eq!(names(dir.path()).len(), 6);
    assert_eq!(mode(&dir.path().join("c.json.bak")), 0o600);
}
