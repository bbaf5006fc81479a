//! Living beside the gateway's own `opensoul` (CONTRACTS §1): a command that is not ours is handed, unchanged, to the next
//! program of the same name in `PATH` that is not us. Decided before clap sees the arguments.

use std::ffi::{OsStr, OsString};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::CommandFactory;

use super::args::Cli;
use super::exit::{Failure, FailureKind};
use crate::domain::Environment;
use crate::formats::installation::Family;

/// Set for the program that is handed a command: `PID DEPTH DEVICE:INODE…` of those who handed it on.
pub const MARKER: &str = "OPENSOUL_HANDED_OVER";

/// Programs may start each other in turn; a chain this long is a circle.
const DEEPEST: u32 = 16;

/// Whose command it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Ours, with these arguments.
    Ours(Vec<OsString>),
    /// Somebody else's.
    Foreign {
        /// The words that say so: `gateway`, `models scan`.
        words: String,
    },
}

/// Decides by the first word that is no option: ours, or not. No word at all is ours (help, version, errors of use).
#[must_use]
pub fn whose(argv: &[OsString]) -> Whose {
    let cli = Cli::command();
    let Some(first) = next_word(argv, 1, &[&cli]) else { return Whose::Ours(argv.to_vec()) };
    let word = argv[first].to_string_lossy();
    if word == "help" {
        return help(argv, first, &cli);
    }
    let Some(command) = cli.find_subcommand(&*word) else { return Whose::Foreign { words: word.into_owned() } };
    // Only `models` has commands of both: `monitor anything` is a mistake, not a gateway's command.
    if command.get_name() == "models"
        && let Some(second) = next_word(argv, first + 1, &[&cli, command])
    {
        let sub = argv[second].to_string_lossy();
        let Some(inner) = command.find_subcommand(&*sub) else {
            return Whose::Foreign { words: format!("models {sub}") };
        };
        // Options that only the gateway's own program has.
        let theirs = |options: &[&str]| {
            let mut given = argv[second..].iter().map(|arg| arg.to_string_lossy());
            given.find_map(|arg| {
                let name = arg.split('=').next().unwrap_or_default().to_owned();
                options.contains(&name.as_str()).then_some(name)
            })
        };
        if sub == "list"
            && let Some(option) = theirs(&["--all", "--local", "--provider"])
        {
            return Whose::Foreign { words: format!("models list {option}") };
        }
        if sub == "auth"
            && let Some(third) = next_word(argv, second + 1, &[&cli, command, inner])
        {
            let word = argv[third].to_string_lossy();
            if inner.find_subcommand(&*word).is_none() {
                return Whose::Foreign { words: format!("models auth {word}") };
            }
            if word == "login"
                && let Some(option) = theirs(&["--method", "--set-default"])
            {
                return Whose::Foreign { words: format!("models auth login {option}") };
            }
        }
    }
    Whose::Ours(argv.to_vec())
}

/// `help`, `help status` are `--help`, `status --help`; `help gateway` is not ours.
fn help(argv: &[OsString], at: usize, cli: &clap::Command) -> Whose {
    let mut argv = argv.to_vec();
    let topic = argv.get(at + 1).map(|word| word.to_string_lossy().into_owned());
    match topic {
        Some(topic) if !topic.starts_with('-') && cli.find_subcommand(&topic).is_none() => {
            Whose::Foreign { words: format!("help {topic}") }
        }
        _ => {
            argv.remove(at);
            argv.push("--help".into());
            Whose::Ours(argv)
        }
    }
}

/// The index of the next argument that is no option and no value of one of the commands' options.
fn next_word(argv: &[OsString], from: usize, commands: &[&clap::Command]) -> Option<usize> {
    let takes_value = |long: &str| {
        let all = commands.iter().flat_map(|command| command.get_arguments());
        all.into_iter().any(|arg| arg.get_long() == Some(long) && arg.get_action().takes_values())
    };
    let mut at = from;
    while let Some(arg) = argv.get(at) {
        let text = arg.to_string_lossy();
        match text.strip_prefix("--") {
            Some("help" | "version") => return None,
            Some("") => return (at + 1 < argv.len()).then_some(at + 1),
            Some(long) => at += if takes_value(long) { 2 } else { 1 },
            None if text == "-h" || text == "-V" => return None,
            None if text.starts_with('-') && text.len() > 1 => at += 1,
            None => return Some(at),
        }
    }
    None
}

/// The family whose name this program was started by.
fn family_of_name(argv0: &OsStr) -> Option<Family> {
    Family::of_program(Path::new(argv0).file_name()?.to_str()?)
}

/// The gateway's own program of this name: the first in `PATH` that is not us.
#[must_use]
pub fn program_of(name: &str, env: &Environment) -> Option<PathBuf> {
    let us = std::env::current_exe().ok().and_then(|exe| identity(&exe));
    let passed: Vec<(u64, u64)> = Chain::read(env).passed.into_iter().chain(us).collect();
    next_program(name, env.raw("PATH").unwrap_or_default(), &passed)
}

/// The variable for a program that we start rather than become, so that copies of us do not start each other for ever.
#[must_use]
pub fn marker(env: &Environment) -> (String, String) {
    let chain = Chain::read(env);
    (MARKER.to_owned(), chain.next(&chain.passed))
}

/// Becomes the other program; comes back only with the reason why not.
#[must_use]
pub fn hand_over(argv: &[OsString], env: &Environment, words: &str) -> Failure {
    let name = argv.first().and_then(|argv0| family_of_name(argv0)).map_or("opensoul", Family::word);
    let chain = Chain::read(env);
    let us = std::env::current_exe().ok().and_then(|exe| identity(&exe));
    if chain.depth >= DEEPEST {
        let message = format!(
            "`{words}` was handed over {DEEPEST} times: programs named `{name}` in PATH start each other in a circle. \
             Show them all with: which -a {name}"
        );
        return Failure::new(FailureKind::Unavailable, message);
    }
    let mut passed = chain.passed.clone();
    passed.extend(us);
    let path = env.raw("PATH").unwrap_or_default();
    let Some(program) = next_program(name, path, &passed) else {
        return Failure::new(FailureKind::Unavailable, missing(name, words, path, &passed));
    };
    let error = Command::new(&program).args(&argv[1..]).env(MARKER, chain.next(&passed)).exec();
    Failure::new(FailureKind::Unavailable, format!("cannot run {}: {error}", program.display()))
}

/// Who has handed this command on already.
#[derive(Debug, Default, PartialEq, Eq)]
struct Chain {
    depth: u32,
    /// Files of this very process before it became us; another process's do not count.
    passed: Vec<(u64, u64)>,
}

impl Chain {
    fn read(env: &Environment) -> Self {
        let mut words = env.get(MARKER).unwrap_or_default().split_whitespace();
        let (Some(pid), Some(depth)) = (words.next(), words.next().and_then(|d| d.parse().ok())) else {
            return Self::default();
        };
        // exec keeps the process id: with another one the marker is inherited from a parent.
        let same = pid == std::process::id().to_string();
        let file = |word: &str| word.split_once(':').and_then(|(d, i)| Some((d.parse().ok()?, i.parse().ok()?)));
        Self { depth, passed: if same { words.filter_map(file).collect() } else { Vec::new() } }
    }

    fn next(&self, passed: &[(u64, u64)]) -> String {
        let files: Vec<String> = passed.iter().map(|(device, inode)| format!("{device}:{inode}")).collect();
        format!("{} {} {}", std::process::id(), self.depth + 1, files.join(" "))
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    path.metadata().ok().map(|meta| (meta.dev(), meta.ino()))
}

/// The first executable of that name in `PATH` that is none of those files. Relative directories are not searched: they
/// depend on where the user happens to be.
fn next_program(name: &str, path: &str, not: &[(u64, u64)]) -> Option<PathBuf> {
    std::env::split_paths(path).filter(|dir| dir.is_absolute()).map(|dir| dir.join(name)).find(|candidate| {
        candidate.is_file()
            && rustix::fs::access(candidate, rustix::fs::Access::EXEC_OK).is_ok()
            && identity(candidate).is_some_and(|file| !not.contains(&file))
    })
}

/// What to say when nobody takes the command.
fn missing(name: &str, words: &str, path: &str, not: &[(u64, u64)]) -> String {
    let first = words.split(' ').next().unwrap_or(words);
    let mut message = if first == "models" {
        format!("this version has no `{words}`, and there is no gateway program `{name}` in PATH that may have it.")
    } else {
        format!(
            "`{words}` is not a command of this program, and there is no gateway program `{name}` in PATH to hand it to."
        )
    };
    let cli = Cli::command();
    let ours = cli.get_subcommands().map(clap::Command::get_name);
    let near = ours.map(|c| (strsim::jaro_winkler(c, words), c)).filter(|(likeness, _)| *likeness > 0.85);
    if let Some((_, command)) = near.max_by(|a, b| a.0.total_cmp(&b.0)) {
        message.push_str(&format!("\nDid you mean `opensoul {command}`?"));
    }
    let families = [Family::OpenSoul, Family::OpenClaw, Family::Clawdbot, Family::Moltbot];
    let other = families.into_iter().find(|f| f.word() != name && next_program(f.word(), path, not).is_some());
    match other {
        Some(family) => message.push_str(&format!("\nFor the gateway that is installed here: {} {words}", family.word())),
        None => message.push_str(&format!(
            "\nInstall the gateway ({name}) so that its program is in PATH, or see what this program can do: opensoul --help"
        )),
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argv(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn ours_and_theirs() {
        let foreign = [
            ("opensoul gateway status", "gateway"),
            ("opensoul --profile work gateway run --port 1", "gateway"),
            ("opensoul --profile=work --dev -v gateway", "gateway"),
            ("opensoul --config x --no-color configure", "configure"),
            ("opensoul models scan", "models scan"),
            ("opensoul models --agent main auth login-github-copilot", "models auth login-github-copilot"),
            ("opensoul models auth --agent main whoami", "models auth whoami"),
            ("opensoul --profile x models list --all", "models list --all"),
            ("opensoul models list --provider=openai", "models list --provider"),
            ("opensoul models auth login --provider openai --method device", "models auth login --method"),
            ("opensoul help gateway", "help gateway"),
            ("opensoul -- gateway", "gateway"),
            ("opensoul -", "-"),
        ];
        for (line, words) in foreign {
            assert_eq!(whose(&argv(line)), Whose::Foreign { words: words.to_owned() }, "{line}");
        }
        let ours = [
            "opensoul",
            "opensoul onboard",
            "opensoul --help",
            "opensoul -V gateway",
            "opensoul --help gateway",
            "opensoul models",
            "opensoul models --agent scan",
            "opensoul models --agent scan status --json",
            "opensoul models --status-json",
            "opensoul models status scan",
            "opensoul models auth",
            "opensoul models auth --help",
            "opensoul models auth list --provider openai",
            "opensoul models --agent main auth paste-token",
            "opensoul models auth order get --provider --method",
            "opensoul --profile x models list --json",
            "opensoul models fallbacks walk",
            "opensoul status --unknown",
            "opensoul --profile gateway doctor",
            "opensoul monitor walk",
            "opensoul --profile",
        ];
        for line in ours {
            assert_eq!(whose(&argv(line)), Whose::Ours(argv(line)), "{line}");
        }
        assert_eq!(whose(&argv("opensoul help")), Whose::Ours(argv("opensoul --help")));
        assert_eq!(whose(&argv("opensoul help status")), Whose::Ours(argv("opensoul status --help")));
    }

    #[test]
    fn every_command_of_ours_is_ours() {
        for command in Cli::command().get_subcommands() {
            let argv = argv(&format!("opensoul {}", command.get_name()));
            assert_eq!(whose(&argv), Whose::Ours(argv.clone()));
        }
    }

    #[test]
    fn names() {
        assert_eq!(family_of_name(OsStr::new("/usr/bin/clawdbot")), Some(Family::Clawdbot));
        assert_eq!(family_of_name(OsStr::new("openclaw")), Some(Family::OpenClaw));
        assert_eq!(family_of_name(OsStr::new("opensoul-monitor")), None);
    }

    #[test]
    fn a_marker_of_another_process_only_counts_depth() {
        let mut env = Environment::default();
        assert_eq!(Chain::read(&env), Chain::default());
        env.set(MARKER, "1 3 7:8");
        assert_eq!(Chain::read(&env), Chain { depth: 3, passed: Vec::new() });
        env.set(MARKER, format!("{} 3 7:8 x 9:10", std::process::id()));
        let chain = Chain::read(&env);
        assert_eq!(chain, Chain { depth: 3, passed: vec![(7, 8), (9, 10)] });
        assert_eq!(chain.next(&[(1, 2)]), format!("{} 4 1:2", std::process::id()));
        env.set(MARKER, "nonsense");
        assert_eq!(Chain::read(&env), Chain::default());
    }

    #[test]
    fn messages_say_what_to_do() {
        assert!(missing("opensoul", "gateway", "", &[]).contains("Install the gateway (opensoul)"));
        assert!(missing("opensoul", "models scan", "", &[]).starts_with("this version has no `models scan`"));
        assert!(missing("opensoul", "statsu", "", &[]).contains("`opensoul status`"));
    }
}
