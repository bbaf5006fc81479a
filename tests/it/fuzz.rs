//! Every parser of foreign data over its seeds (`fuzz/corpus`, the golden home) and thousands of damaged copies of them: none
//! panics, hangs, answers at great length or repeats a secret. The same damage in each run; what finds more is a coverage-guided
//! fuzzer over the same list (`fuzz/`).

use std::fs;
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use opensoul::clock::{Clock, SystemClock};

use crate::fixture_home::{self, PLANTED};

#[path = "../../fuzz/targets.rs"]
mod targets;

/// Damaged copies for each target, or fewer where they take longer than this together.
const ROUNDS: usize = 3000;
const PATIENCE: Duration = Duration::from_secs(8);
/// One input takes milliseconds; on a busy machine, some more.
const HANGS: Duration = Duration::from_secs(60);

/// Always the same numbers (xorshift64*).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33).unwrap() % end.max(1)
    }

    fn of<'a, T: ?Sized>(&mut self, list: &[&'a T]) -> &'a T {
        list[self.below(list.len())]
    }
}

/// What stands for something in some format, and what is hard to read.
const TOKENS: [&[u8]; 34] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b"'",
    b":",
    b",",
    b"\n",
    b"\r\n",
    b"\\",
    b"#",
    b"=",
    b"- ",
    b"&a ",
    b"*a",
    b"${",
    b"$(",
    b"%",
    b"\0",
    b"\xff",
    b"\xf0\x9f",
    b"\xef\xbb\xbf",
    b"null",
    b"true",
    b"-1",
    b"1e999",
    b"99999999999999999999",
    b"0",
    b"9007199254740993",
    b"//",
    b"|\n",
    b"\xe2\x80\xae",
    b"\\ud800",
];

/// A damaged copy. Secrets stay whole and where they are, so that whoever shows one is to blame.
fn damaged(seed: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut out = seed.to_vec();
    for _ in 0..=numbers.below(4) {
        let at = numbers.below(out.len() + 1);
        let end = (at + 1 + numbers.below(8)).min(out.len());
        let token = numbers.of(&TOKENS);
        let change: (std::ops::Range<usize>, Vec<u8>) = match numbers.below(6) {
            0 => (at..out.len(), Vec::new()),
            1 => (at..end, Vec::new()),
            2 => (at..at, token.to_vec()),
            3 => (at..end, token.to_vec()),
            4 => (at..at, out[at..end].repeat(1 + numbers.below(40))),
            _ => (at..end, out[at..end].iter().map(|byte| byte ^ (1 << numbers.below(8))).collect()),
        };
        let mut next = out.clone();
        let cuts_to_the_end = change.0.end == out.len();
        next.splice(change.0, change.1);
        let whole = count(&next) == count(&out) || cuts_to_the_end;
        // Half a secret is not to be found by its name.
        let half = !cuts_to_the_end && (1..PLANTED.len()).any(|n| next.ends_with(&PLANTED.as_bytes()[..n]));
        if whole && !half && next.len() < 1 << 20 {
            out = next;
        }
    }
    out
}

fn count(data: &[u8]) -> usize {
    data.windows(PLANTED.len()).filter(|window| *window == PLANTED.as_bytes()).count()
}

/// What nobody writes by accident.
fn hostile() -> Vec<Vec<u8>> {
    let many = |text: &str, times: usize| text.repeat(times).into_bytes();
    let mut bomb = b"a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_vec();
    for n in 1..12 {
        bomb.extend(format!("a{n}: &a{n} [{}]\n", format!("*a{}, ", n - 1).repeat(9)).into_bytes());
    }
    vec![
        Vec::new(),
        vec![0; 1000],
        (0..=255).collect(),
        many("[", 200_000),
        many("{\"a\":", 100_000),
        many("{a:", 100_000),
        many("- ", 50_000),
        many("[a]\n", 50_000),
        many("a = [", 50_000),
        many("a.", 50_000),
        many("\"", 200_001),
        many("\\", 200_001),
        many("${", 100_000),
        many("A=1\n", 50_000),
        many("9", 300_000),
        many(".", 300_000),
        bomb,
    ]
}

/// Files of each format, with the line end that `source_file` wants.
const PLACES: [&str; 10] = [
    ".claude/.credentials.json\n",
    ".opensoul/opensoul.json\n",
    ".opensoul/agents/main/agent/auth-profiles.json\n",
    ".opensoul/.env\n",
    ".kimi/config.toml\n",
    ".config/gh/hosts.yml\n",
    ".copilot/config.json\n",
    ".aws/credentials\n",
    ".cache/huggingface/token\n",
    ".zshrc\n",
];

fn seeds(name: &str) -> Vec<Vec<u8>> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let mut paths: Vec<_> = fs::read_dir(&corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut out: Vec<Vec<u8>> = paths.into_iter().map(|path| fs::read(path).unwrap()).collect();
    assert!(!out.is_empty(), "{name} has no seed");
    let home = tempfile::tempdir().unwrap();
    if name == "source_file" {
        fixture_home::furnish(home.path());
        for place in fixture_home::places() {
            let place = place.to_str().unwrap().trim_end_matches(".sql").to_owned();
            let content = fs::read(home.path().join(&place)).unwrap();
            out.push([place.as_bytes(), b"\n", &content].concat());
        }
    }
    if name == "sqlite_file" {
        fixture_home::furnish(home.path());
        out.push(fs::read(home.path().join(".openclaw/agents/main/agent/openclaw-agent.sqlite")).unwrap());
    }
    out
}

/// Everything that one target has to bear.
fn bear((name, parse): targets::Target, tell: &mpsc::Sender<Vec<u8>>) {
    let clock = SystemClock::new();
    let began = clock.monotonic();
    let look = |input: Vec<u8>| {
        let _ = tell.send(input.clone());
        let said = parse(&input);
        let shown = String::from_utf8_lossy(&input[..input.len().min(3000)]).into_owned();
        assert!(!said.contains(PLANTED), "{name} repeats a secret: {said}\nof {shown}");
        let limit = (64 << 10) + 64 * input.len();
        assert!(said.len() <= limit, "{name} says {} bytes about {}:\n{shown}", said.len(), input.len());
    };
    let seeds = seeds(name);
    seeds.iter().for_each(|seed| look(seed.clone()));
    for place in if name == "source_file" { &PLACES[..] } else { &[""] } {
        for content in hostile() {
            look([place.as_bytes(), &content].concat());
        }
    }
    let mut numbers = Numbers(0x9E37_79B9_7F4A_7C15);
    for round in 0..ROUNDS {
        if clock.monotonic() - began > PATIENCE && round > 50 {
            break;
        }
        look(damaged(&seeds[round % seeds.len()], &mut numbers));
    }
}

fn hold(name: &str) {
    let target = *targets::TARGETS.iter().find(|target| target.0 == name).unwrap();
    let (tell, told) = mpsc::channel();
    let worker = std::thread::spawn(move || bear(target, &tell));
    let mut last = Vec::new();
    loop {
        match told.recv_timeout(HANGS) {
            Ok(input) => last = input,
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => panic!("{name} hangs on {:?}", String::from_utf8_lossy(&last)),
        }
    }
    assert!(worker.join().is_ok(), "{name} panics on {:?}", String::from_utf8_lossy(&last[..last.len().min(5000)]));
}

macro_rules! targets {
    ($($name:ident)*) => {
        const TESTED: &[&str] = &[$(stringify!($name)),*];
        $(#[test] fn $name() { hold(stringify!($name)); })*
    };
}

targets! {
    auth_store auth_legacy chat_line config_document dates dotenv edits http_words ini json jwt keyring_answer
    link_token monitor_toml netrc other_machine pasted plist proc_environ proc_text provider_answer rhythm sessions shell_startup
    source_file sqlite_file status_page systemd_unit telegram_answer vendor_answer web_file yaml
}

#[test]
fn damage_is_done_and_spares_secrets() {
    let seed = format!("{{\"token\":\"{PLANTED}\",\"expires\":1907841600000}}").into_bytes();
    let mut numbers = Numbers(1);
    let copies: Vec<Vec<u8>> = (0..500).map(|_| damaged(&seed, &mut numbers)).collect();
    assert!(copies.iter().filter(|copy| **copy != seed).count() > 400);
    assert!(copies.iter().filter(|copy| count(copy) == 1).count() > 250, "most still have a secret to repeat");
    assert!(copies.iter().all(|copy| count(copy) <= 1));
}

#[test]
fn every_target_is_tested_and_can_be_fuzzed() {
    let names: Vec<&str> = targets::TARGETS.iter().map(|target| target.0).collect();
    assert_eq!(names, TESTED);
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest = fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
    for name in names {
        let main = fs::read_to_string(fuzz.join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(main.contains(&format!("run(\"{name}\", data)")), "{name}");
        assert!(manifest.contains(&format!("name = \"{name}\"\npath = \"fuzz_targets/{name}.rs\"")), "{name}");
    }
}

/// A target that refuses its seeds tries little.
#[test]
fn the_answer_of_another_machine_is_understood() {
    let seed = include_bytes!("../../fuzz/corpus/other_machine/status.json");
    assert!(targets::run("other_machine", seed).starts_with('{'));
}

/// Rooms of `formats` that read no foreign text themselves: nouns, tables, and rules about what others have read.
const NO_PARSER: [&str; 10] = [
    "config_schema",
    "eligibility",
    "gateway_view",
    "installation",
    "javascript",
    "mod",
    "provider_env",
    "provider_row",
    "shell",
    "tree_edit",
];

/// A new format comes with its target.
#[test]
fn every_format_has_a_target() {
    let formats = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/formats");
    let list = include_str!("../../fuzz/targets.rs");
    for entry in fs::read_dir(formats).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let Some(module) = name.strip_suffix(".rs").filter(|module| !module.ends_with("_tests")) else { continue };
        let (tried, excused) = (
            list.contains(&format!(" {module}::")) || list.contains(&format!("({module}::")),
            NO_PARSER.contains(&module),
        );
        assert!(tried != excused, "{module} is a parser without a target in fuzz/targets.rs, or one that is excused");
    }
}
