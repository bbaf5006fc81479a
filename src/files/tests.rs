//! What may be in the way of reading, and what may happen to a file while it is read.

use std::time::SystemTime;

use super::*;

#[test]
fn what_is_rewritten_while_it_is_read_is_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    let whole = "OPENAI_API_KEY=sk-x\nGROQ_API_KEY=gsk-x\n";
    let text = |path: &Path| read(path, 1024).unwrap().unwrap().text.to_string();
    for torn in [0, 1, 20, whole.len()] {
        std::fs::write(&path, whole).unwrap();
        let mut steps = [&whole[..torn], whole].into_iter();
        let writer = path.clone();
        let deed = move || steps.next().into_iter().for_each(|text| std::fs::write(&writer, text).unwrap());
        assert_eq!(meanwhile::always(&path, deed, || text(&path)), whole, "{torn}");
    }
    // What was there before: emptied a moment ago, by a clock that is ahead of ours or behind, and not written yet.
    let dates: [fn(SystemTime) -> SystemTime; 3] = [|now| now + EMPTIED / 2, |now| now, |now| now - EMPTIED * 2];
    for date in dates {
        let emptied = || {
            std::fs::write(&path, "").unwrap();
            let (writer, mut looks) = (path.clone(), 0);
            let deed = move || {
                looks += 1;
                if looks == 2 {
                    std::fs::write(&writer, whole).unwrap();
                }
            };
            let clock = SystemClock::new();
            let dated = date(clock.now().into());
            OpenOptions::new().write(true).open(&path).unwrap().set_modified(dated).unwrap();
            (meanwhile::always(&path, deed, || text(&path)), clock.monotonic())
        };
        // Who was held up meanwhile looks at one that has been empty for long, and rightly believes it.
        let tells = |(found, took): &(String, Duration)| found == whole || *took < EMPTIED * 5;
        let (found, took) = std::iter::repeat_with(emptied).take(100).find(tells).expect("not held up each time");
        assert_eq!(found, whole, "{took:?}");
    }
    std::fs::write(&path, "").unwrap();
    assert_eq!(text(&path), "", "it stays empty");
    // One that never is quiet costs a few looks, and is read all the same.
    let (writer, mut size) = (path.clone(), 0);
    let deed = move || {
        size += 1;
        std::fs::write(&writer, "x".repeat(size)).unwrap();
    };
    assert_eq!(meanwhile::always(&path, deed, || text(&path)), "x".repeat(LOOKS));
}

#[test]
fn what_is_exchanged_while_it_is_read_never_blocks() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    std::fs::write(path("good"), "text").unwrap();
    std::fs::create_dir(path("directory")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, path("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    for (target, why) in [("pipe", "is not a regular file"), ("directory", "is a directory, not a file")] {
        let link = path(&format!("to-{target}"));
        std::os::unix::fs::symlink(path("good"), &link).unwrap();
        let (new, target, writer) = (path("new"), path(target), link.clone());
        let deed = move || {
            std::os::unix::fs::symlink(&target, &new).unwrap();
            std::fs::rename(&new, &writer).unwrap();
        };
        assert_eq!(
            meanwhile::once(&link, deed, || read(&link, 1024)).err().map(|trouble| trouble.why).as_deref(),
            Some(why)
        );
    }
}

#[test]
fn whatever_is_in_the_way_has_words() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    std::fs::write(path("good"), "text").unwrap();
    std::fs::write(path("binary"), b"one\ntwo\xff").unwrap();
    std::fs::write(path("huge"), vec![b' '; 2048]).unwrap();
    std::fs::create_dir(path("directory")).unwrap();
    std::os::unix::fs::symlink(path("loop"), path("loop")).unwrap();
    std::os::unix::fs::symlink(path("nowhere"), path("dangling")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, path("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let why = |name: &str| read(&path(name), 1024).err().map(|trouble| (trouble.unparsable, trouble.why, trouble.at));
    let unreadable = |why: &str| Some((false, why.to_owned(), None));
    assert_eq!(read(&path("good"), 1024).unwrap().unwrap().text.as_str(), "text");
    assert!(read(&path("absent"), 1024).unwrap().is_none());
    assert!(read(&path("good/below"), 1024).unwrap().is_none());
    assert_eq!(why("binary"), Some((true, "is not text (not UTF-8)".to_owned(), Some((2, 4)))));
    assert_eq!(why("huge"), unreadable("is larger than 0 MiB, which no owner writes"));
    assert_eq!(why("directory"), unreadable("is a directory, not a file"));
    assert_eq!(why("loop"), unreadable("is a loop of symbolic links"));
    assert_eq!(why("dangling"), unreadable("is a link to nothing"));
    assert_eq!(why("pipe"), unreadable("is not a regular file"));
    let lines = |name: &str| read_lines(&path(name), 1024).unwrap().unwrap();
    assert!(lines("good").1.is_none());
    let (contents, trouble) = lines("binary");
    assert_eq!((contents.text.as_str(), trouble.unwrap().at), ("one\ntwo\u{fffd}", Some((2, 4))));
    let endless = read(Path::new("/dev/zero"), 1024).err().unwrap();
    assert_eq!(endless.why, "is not a regular file");
}
