//! What clap says instead of running a command: help, the version, what is wrong with the arguments. In Chinese it is made again,
//! each text on one line, and translated line by line like everything else; who reads English, or is understood, pays nothing.
//! Decides no exit code but "used wrongly".

use std::ffi::OsString;
use std::io;

use anstream::adapter::strip_str;
use clap::CommandFactory;
use clap::error::ErrorKind;

use super::args::Cli;
use super::exit::{Failure, FailureKind, Outcome};
use super::{plugin, print};
use crate::domain::{Environment, Lang};
use crate::output::wording::{columns, hanging, spoken};

/// What clap writes in bold before other words, or above them.
const HEADS: [&str; 6] = ["error", "tip", "Usage", "Commands", "Arguments", "Options"];
/// What ends its bold letters.
const PLAIN: &str = "\u{1b}[0m";
/// Below a name, if there is no room beside it.
const BELOW: usize = 10;
/// Columns that a text beside a name needs.
const ROOM: usize = 24;

/// Help and version go to stdout with 0; everything else is an error of use (64, never clap's 2: that means "expiring").
///
/// # Errors
/// The arguments are wrong, which has been said then (64); the help cannot be written (74).
pub fn tell(error: &clap::Error, argv: &[OsString], env: &Environment) -> Outcome {
    if error.use_stderr() && plugin::asked(argv) {
        let text = error.render().to_string();
        let first = text.lines().next().unwrap_or_default();
        return Err(Failure::new(FailureKind::Usage, first.trim_start_matches("error: ")));
    }
    let written = match print::lang() {
        Lang::Chinese if error.kind() != ErrorKind::DisplayVersion => write(error, &again(error, argv, env)),
        _ => error.print(),
    };
    if let Err(error) = written
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        return Err(Failure::new(FailureKind::Io, format!("cannot write the help: {error}")));
    }
    if error.use_stderr() { Err(Failure::new(FailureKind::Usage, "")) } else { Ok(0) }
}

fn write(error: &clap::Error, text: &str) -> io::Result<()> {
    use io::Write;
    if error.use_stderr() {
        anstream::stderr().write_all(text.as_bytes())
    } else {
        let mut out = anstream::stdout();
        out.write_all(text.as_bytes()).and_then(|()| out.flush())
    }
}

/// The same in Chinese. Nothing is broken by clap, which does not know where Chinese may be.
fn again(error: &clap::Error, argv: &[OsString], env: &Environment) -> String {
    let whole = Cli::command().term_width(0).try_get_matches_from(argv).err();
    let text = whole.as_ref().unwrap_or(error).render().ansi().to_string();
    let width = print::width(env).clamp(24, 100);
    text.lines().map(|line| in_chinese(line, width)).collect()
}

/// One of clap's lines as one or more of ours.
fn in_chinese(line: &str, width: usize) -> String {
    let (head, rest) = headed(line).unwrap_or_else(|| beside(line));
    let whole = format!("{line}\n");
    if strip_str(rest).to_string().starts_with("opensoul ") {
        return format!("{head}{}\n", usage(rest));
    }
    match said(rest) {
        _ if rest.is_empty() => format!("{head}\n"),
        // A name, a value, or what the program said itself.
        None if head.trim().is_empty() => whole,
        said => {
            let text = said.unwrap_or_else(|| rest.to_owned());
            if text.contains('\u{1b}') { format!("{head}{text}\n") } else { beneath(&head, &text, width) }
        }
    }
}

/// A word that clap writes in bold, in Chinese, and what stands behind it.
fn headed(line: &str) -> Option<(String, &str)> {
    HEADS.iter().find_map(|word| {
        let (before, rest) = line.split_once(&format!("{word}:{PLAIN}"))?;
        let own = strip_str(before).to_string().trim().is_empty();
        let word = spoken(Lang::Chinese, (*word).to_owned());
        own.then(|| (format!("{before}{word}：{PLAIN}"), rest.trim_start()))
    })
}

/// What a line is about, with the blanks after it, and what it says of that: `  -v  Say more`, `- en: English`; blanks only, where
/// it says one thing.
fn beside(line: &str) -> (String, &str) {
    let indent = line.len() - line.trim_start().len();
    let gap = match line[indent..].strip_prefix("- ") {
        Some(value) => value.find(": ").map(|at| indent + 2 + at + 1),
        None => line[indent..].find("  ").map(|at| indent + at),
    };
    let text = gap.map_or(indent, |gap| line.len() - line[gap..].trim_start().len());
    (line[..text].to_owned(), &line[text..])
}

/// How the words stand, with the names that clap has for what may be among them.
fn usage(words: &str) -> String {
    let names = [("[OPTIONS]", "[选项]"), ("[COMMAND]", "[命令]"), ("<COMMAND>", "<命令>")];
    names.iter().fold(words.to_owned(), |words, (english, chinese)| words.replace(english, chinese))
}

/// A text with what is behind it in brackets: its default, the values it may have.
fn said(text: &str) -> Option<String> {
    let one = |text: &str| {
        let chinese = spoken(Lang::Chinese, text.to_owned());
        (chinese != text).then_some(chinese)
    };
    match text.rsplit_once(" [").filter(|_| text.ends_with(']')) {
        Some((before, last)) => Some(format!("{} {}", said(before)?, one(&format!("[{last}"))?)),
        None => one(text),
    }
}

fn beneath(head: &str, text: &str, width: usize) -> String {
    let mut out = String::new();
    let column = columns(&strip_str(head).to_string());
    if head.trim().is_empty() || column + ROOM <= width {
        hanging(&mut out, head, column, text, width);
    } else {
        out.push_str(&format!("{}\n", head.trim_end()));
        hanging(&mut out, &" ".repeat(BELOW), BELOW, text, width);
    }
    out
}

#[cfg(test)]
#[path = "usage_tests.rs"]
mod tests;
