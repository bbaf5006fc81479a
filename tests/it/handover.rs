//! The built program beside another `opensoul`: a stand-in that writes down how it was called.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Command, Output};

struct Bench {
    dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let bench = Self { dir: tempfile::tempdir().expect("temporary directory") };
        fs::create_dir(bench.path("ours")).expect("directory");
        symlink(env!("CARGO_BIN_EXE_opensoul"), bench.path("ours/opensoul")).expect("link");
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A program that writes its arguments, one a line, and ends with 7.
    fn stand_in(&self, name: &str) {
        let log = self.path("log");
        let text = format!(
            "#!/bin/sh\n{{ echo \"$0\"; for a in \"$@\"; do echo \"[$a]\"; done; }} >> '{}'\nexit 7\n",
            log.display()
        );
        self.script(name, &text);
    }

    /// Written by another process, as whatever is run here: what this one has open for writing, in whatever child of another test,
    /// cannot be run.
    fn script(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("directory");
        let write = "printf %s \"$1\" >\"$2\" && chmod 755 \"$2\"";
        let done = Command::new("/bin/sh").args(["-c", write, "sh", text]).arg(path).status().expect("a shell");
        assert!(done.success());
    }

    fn run(&self, program: &str, args: &[&str], dirs: &[&str]) -> Output {
        let path: Vec<String> = dirs.iter().map(|d| self.path(d).display().to_string()).collect();
        Command::new(self.path(program))
            .args(args)
            .env_clear()
            .env("HOME", self.dir.path())
            .env("PATH", path.join(":"))
            .output()
            .expect("it runs")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_foreign_command_goes_unchanged_to_the_next_program() {
    let bench = Bench::new();
    bench.stand_in("theirs/opensoul");
    let args = ["--profile", "x", "gateway", "run", "--force", "a b", "", "--help"];
    let output = bench.run("ours/opensoul", &args, &["ours", "theirs"]);
    assert_eq!(output.status.code(), Some(7), "{}", text(&output.stderr));
    let program = bench.path("theirs/opensoul").display().to_string();
    assert_eq!(bench.log(), format!("{program}\n[--profile]\n[x]\n[gateway]\n[run]\n[--force]\n[a b]\n[]\n[--help]\n"));
}

#[test]
fn our_commands_stay_here() {
    let bench = Bench::new();
    bench.stand_in("theirs/opensoul");
    for args in [&["--help"][..], &["--version"], &["help"], &["doctor", "--help"], &["models", "status", "--help"]] {
        let output = bench.run("ours/opensoul", args, &["theirs", "ours"]);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", text(&output.stderr));
        assert!(!output.stdout.is_empty());
    }
    for args in [&[][..], &["doctor", "--nonsense"], &["monitor", "walk"]] {
        assert_eq!(bench.run("ours/opensoul", args, &["theirs", "ours"]).status.code(), Some(64), "{args:?}");
    }
    assert_eq!(bench.log(), "");
}

#[test]
fn nobody_to_hand_it_to() {
    let bench = Bench::new();
    // Neither a directory, nor a file that cannot run, nor ourselves by another name.
    fs::create_dir_all(bench.path("a/opensoul")).expect("directory");
    fs::create_dir(bench.path("b")).expect("directory");
    fs::write(bench.path("b/opensoul"), "text").expect("file");
    fs::create_dir(bench.path("c")).expect("directory");
    symlink(env!("CARGO_BIN_EXE_opensoul"), bench.path("c/opensoul")).expect("link");
    let output = bench.run("ours/opensoul", &["gateway", "status"], &["a", "b", "ours", "c"]);
    assert_eq!(output.status.code(), Some(69));
    assert!(text(&output.stderr).contains("`gateway` is not a command of this program"), "{}", text(&output.stderr));
    let output = bench.run("ours/opensoul", &["models", "auth", "login-github-copilot"], &["ours"]);
    assert_eq!(output.status.code(), Some(69));
    assert!(
        text(&output.stderr).contains("this version has no `models auth login-github-copilot`"),
        "{}",
        text(&output.stderr)
    );
    bench.stand_in("d/openclaw");
    let output = bench.run("ours/opensoul", &["gateway"], &["ours", "d"]);
    assert!(text(&output.stderr).contains("openclaw gateway"), "{}", text(&output.stderr));
}

#[test]
fn names_it_may_be_started_by() {
    let bench = Bench::new();
    for name in ["opensoul-monitor", "openclaw"] {
        symlink(env!("CARGO_BIN_EXE_opensoul"), bench.path("ours").join(name)).expect("link");
    }
    bench.stand_in("theirs/opensoul");
    bench.stand_in("theirs/openclaw");
    for (name, target) in [("opensoul-monitor", "opensoul"), ("openclaw", "openclaw")] {
        let _ = fs::remove_file(bench.path("log"));
        let output = bench.run(&format!("ours/{name}"), &["configure"], &["ours", "theirs"]);
        assert_eq!(output.status.code(), Some(7), "{}", text(&output.stderr));
        assert!(bench.log().starts_with(&bench.path(&format!("theirs/{target}")).display().to_string()));
    }
}

#[test]
fn two_copies_of_us_do_not_play_ball() {
    let bench = Bench::new();
    // A copy is another file: only the marker tells that it has had its turn.
    for dir in ["first", "second"] {
        fs::create_dir(bench.path(dir)).expect("directory");
        let done = Command::new("cp").arg(env!("CARGO_BIN_EXE_opensoul")).arg(bench.path(dir)).status().expect("cp");
        assert!(done.success());
    }
    let output = bench.run("first/opensoul", &["gateway"], &["first", "second"]);
    assert_eq!(output.status.code(), Some(69), "{}", text(&output.stderr));
    bench.stand_in("third/opensoul");
    let output = bench.run("first/opensoul", &["gateway"], &["first", "second", "third"]);
    assert_eq!(output.status.code(), Some(7), "{}", text(&output.stderr));
    assert_eq!(bench.log().lines().nth(1), Some("[gateway]"));
}

#[test]
fn a_wrapper_that_starts_us_again_ends() {
    let bench = Bench::new();
    // It starts a child, so that the process id is new each time.
    let text_of = format!("#!/bin/sh\n'{}' \"$@\"\nexit $?\n", bench.path("ours/opensoul").display());
    bench.script("wrapper/opensoul", &text_of);
    let output = bench.run("ours/opensoul", &["gateway"], &["wrapper", "ours"]);
    assert_eq!(output.status.code(), Some(69));
    assert!(text(&output.stderr).contains("in a circle"), "{}", text(&output.stderr));
}
