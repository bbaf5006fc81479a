//! Answers on stdout: whole, to a pipe of any size. A reader that went away has read enough. And the language of the person who reads.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::OnceLock;

use anstream::{AutoStream, ColorChoice};
use serde::Serialize;

use super::exit::{Failure, FailureKind};
use crate::domain::{Environment, Lang};
use crate::output::wording::spoken_lines;

/// Of this process, as a locale is.
static READER: OnceLock<Lang> = OnceLock::new();

/// Says something to a person on stdout, in his language.
macro_rules! say {
    () => { anstream::println!() };
    ($($text:tt)*) => { anstream::println!("{}", $crate::cli::print::spoken(format!($($text)*))) };
}

/// The same on stderr.
macro_rules! note {
    ($($text:tt)*) => { anstream::eprintln!("{}", $crate::cli::print::spoken(format!($($text)*))) };
}

/// Decides once which language people are spoken to in: `--lang`, else what the locale says (`LC_ALL`, `LC_MESSAGES`, `LANG`), else
/// English. The arguments are looked through before they are parsed: what is wrong with them is said in it, too.
pub fn choose_language(argv: &[OsString], env: &Environment) {
    let mut words = argv.iter().skip(1).map(|word| word.to_string_lossy()).take_while(|word| word != "--");
    let mut asked = None;
    while let Some(word) = words.next() {
        let value =
            if word == "--lang" { words.next() } else { word.strip_prefix("--lang=").map(|v| v.to_owned().into()) };
        asked = value.and_then(|value| Lang::parse(&value)).or(asked);
    }
    let variables = ["LC_ALL", "LC_MESSAGES", "LANG"];
    let locale = || variables.iter().find_map(|name| env.get(name).filter(|value| !value.is_empty()));
    let lang = asked.or_else(|| locale().and_then(Lang::parse)).unwrap_or_default();
    let _ = READER.set(lang);
}

/// The language of the person who reads; of tests, English.
pub fn lang() -> Lang {
    READER.get().copied().unwrap_or_default()
}

/// A text of ours in the reader's language, line by line; what is not ours stays.
pub fn spoken(text: impl Into<String>) -> String {
    spoken_lines(lang(), text.into())
}

/// Writes a text. Styles go only to a terminal; they are taken out beforehand, because a stream that does so on the way makes
/// one system call for each piece.
///
/// # Errors
/// 74, if it cannot be written.
pub fn text(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let plain = match AutoStream::choice(&out) {
        ColorChoice::Never if text.contains('\u{1b}') => Some(plain(text)),
        _ => None,
    };
    let text = plain.as_deref().unwrap_or(text);
    done(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// Without styles. What stands between them is copied as it is: a walk over every character costs more than all the rest of
/// printing ten thousand lines.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut pieces = text.split('\u{1b}');
    plain.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        // Every one that is written here is a style (`ESC [ … m`); any other stays away as well.
        let style = |c: char| c.is_ascii_digit() || "[;:".contains(c);
        let rest = piece.trim_start_matches(style);
        plain.push_str(rest.strip_prefix('m').unwrap_or(rest));
    }
    plain
}

/// Columns for people: those of the terminal, else what `COLUMNS` says, else 80.
pub fn width(env: &Environment) -> usize {
    let told = || env.get("COLUMNS").and_then(|columns| columns.parse().ok());
    terminal_size::terminal_size().map(|(width, _)| usize::from(width.0)).or_else(told).unwrap_or(80)
}

/// Writes a document as JSON, piece by piece: that of a thousand agents has megabytes. Indented for a person at a terminal;
/// a program that reads it does not need the blanks.
///
/// # Errors
/// 74, if it cannot be written.
pub fn json(document: &impl Serialize) -> Result<(), Failure> {
    let stdout = io::stdout().lock();
    let person = stdout.is_terminal();
    // Not through the lines of `Stdout`: it would look for the last one in each piece.
    let file = stdout.as_fd().try_clone_to_owned().map(File::from);
    let mut out = BufWriter::with_capacity(1 << 16, file.map_err(unwritable)?);
    let written = if person {
        serde_json::to_writer_pretty(&mut out, document)
    } else {
        serde_json::to_writer(&mut out, document)
    };
    let written = written.map_err(io::Error::from);
    done(written.and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush()))
}

fn done(written: io::Result<()>) -> Result<(), Failure> {
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(unwritable(error)),
        _ => Ok(()),
    }
}

fn unwritable(error: io::Error) -> Failure {
    Failure::new(FailureKind::Io, format!("cannot write the answer: {}", error.kind()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn styles_are_taken_out_as_their_maker_does() {
        let style = anstyle::Style::new().bold().fg_color(Some(anstyle::AnsiColor::Red.into()));
        let rgb = anstyle::Style::new().bg_color(Some(anstyle::RgbColor(1, 2, 3).into()));
        for text in [
            format!("{style}CRITICAL{style:#}  box\n  {rgb}mañana [1;2m] 3m{rgb:#}\n"),
            format!("{style}{style:#}"),
            "no style\n".to_owned(),
        ] {
            assert_eq!(plain(&text), anstream::adapter::strip_str(&text).to_string());
        }
    }
}
