//! Questions to a person at a terminal. What is secret is not echoed, and wiped from memory.
//!
//! Keys are read one by one instead of lines: a line of the system's own is cut at 4,096 characters, and Ctrl-C in it would
//! leave the terminal silent. A token that was copied over several lines (terminals wrap them) arrives as one bracketed paste, and its
//! line breaks are taken out. From a terminal that does not mark pastes only the first line is taken; the shell never sees its rest.

use std::io::{IsTerminal, Write, stdin};
use std::os::fd::AsFd;

use rustix::termios::{InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use super::exit::{Failure, FailureKind};
use super::print::spoken;
use crate::domain::Secret;

/// A person who can be asked.
pub struct Terminal(());

/// Longest answer: no key of any provider comes near it.
const LONGEST: usize = 64 << 10;

impl Terminal {
    /// The terminal, if a person sits at one: keys come from standard input, questions go to standard error.
    #[must_use]
    pub fn find() -> Option<Self> {
        (stdin().is_terminal() && std::io::stderr().is_terminal()).then_some(Self(()))
    }

    /// The terminal, or why there is none and what to do instead.
    ///
    /// # Errors
    /// There is none (64).
    pub fn need(instead: &str) -> Result<Self, Failure> {
        let message = || format!("this asks questions and needs a terminal; {instead}");
        Self::find().ok_or_else(|| Failure::new(FailureKind::Usage, message()))
    }

    /// Asks for a secret, again until `wrong` has nothing to say.
    ///
    /// # Errors
    /// Cancelled.
    pub fn secret(&self, question: &str, wrong: impl Fn(&str) -> Option<String>) -> Result<Secret, Failure> {
        loop {
            match self.secret_or_none(question, &wrong)? {
                Some(secret) => return Ok(secret),
                None => note!("Required"),
            }
        }
    }

    /// The same, where Enter alone means that there is none.
    ///
    /// # Errors
    /// Cancelled.
    pub fn secret_or_none(
        &self,
        question: &str,
        wrong: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Secret>, Failure> {
        // From the first question to the last nothing is shown, whatever is typed early; and what is still to come of a secret
        // when it ends is for nobody.
        let _keys = Keys::listen(OptionalActions::Flush)?;
        loop {
            let answer = Self::read(&format!("{} ({}): ", spoken(question), spoken("nothing is shown")), false)?;
            let text = answer.trim();
            if text.is_empty() {
                return Ok(None);
            }
            match wrong(text) {
                None => {
                    note!("received");
                    return Ok(Some(Secret::new(text.to_owned())));
                }
                Some(why) => note!("{why}"),
            }
        }
    }

    /// Asks for a line; nothing is the default. Again until `wrong` has nothing to say.
    ///
    /// # Errors
    /// Cancelled.
    pub fn line(
        &self,
        question: &str,
        default: &str,
        wrong: impl Fn(&str) -> Option<String>,
    ) -> Result<String, Failure> {
        let hint = if default.is_empty() { String::new() } else { format!(" [{default}]") };
        loop {
            let answer = self.ask(&format!("{}{hint}: ", spoken(question)))?;
            let text = answer.trim();
            let text = if text.is_empty() { default } else { text };
            match wrong(text) {
                None => return Ok(text.to_owned()),
                Some(why) => note!("{why}"),
            }
        }
    }

    /// Asks yes or no.
    ///
    /// # Errors
    /// Cancelled.
    pub fn confirm(&self, question: &str, default: bool) -> Result<bool, Failure> {
        let hint = if default { "Y/n" } else { "y/N" };
        loop {
            let answer = self.ask(&format!("{} [{hint}] ", spoken(question)))?;
            match answer.trim().to_lowercase().as_str() {
                "" => return Ok(default),
                "y" | "yes" | "是" => return Ok(true),
                "n" | "no" | "否" => return Ok(false),
                _ => note!("y or n"),
            }
        }
    }

    /// Asks for one of several, by number or by its first word. The first is the default.
    ///
    /// # Errors
    /// Cancelled.
    pub fn choose(&self, question: &str, options: &[&str]) -> Result<usize, Failure> {
        let again = format!("1-{} [1]: ", options.len());
        let lines: Vec<String> =
            options.iter().enumerate().map(|(n, option)| format!("  {}) {}\n", n + 1, spoken(*option))).collect();
        let mut shown = format!("{}\n{}{again}", spoken(question), lines.concat());
        loop {
            // Shown when keys are ours already: Ctrl-C is an answer from the first word on.
            let answer = self.ask(&shown)?;
            shown.clone_from(&again);
            let text = answer.trim().to_lowercase();
            let number = if text.is_empty() { Some(1) } else { text.parse::<usize>().ok() };
            let named = || options.iter().position(|option| option.split([' ', ':']).next() == Some(text.as_str()));
            let chosen = number.and_then(|n| n.checked_sub(1)).filter(|n| *n < options.len()).or_else(named);
            match chosen {
                Some(n) => return Ok(n),
                None => note!("a number from 1 to {}", options.len()),
            }
        }
    }

    /// Between the questions of a series, too, nothing is shown of what is typed, while this lives: an answer may be a secret
    /// that is pasted before its question is there.
    ///
    /// # Errors
    /// The terminal refuses.
    pub fn unseen(&self) -> Result<Keys, Failure> {
        Keys::listen(OptionalActions::Now)
    }

    fn ask(&self, question: &str) -> Result<Zeroizing<String>, Failure> {
        let _keys = Keys::listen(OptionalActions::Now)?;
        Self::read(question, true)
    }

    /// Needs [`Keys`].
    fn read(question: &str, echo: bool) -> Result<Zeroizing<String>, Failure> {
        show(question);
        let mut line = Line { text: Zeroizing::new(Vec::with_capacity(LONGEST)), echo, ..Line::default() };
        let ended = loop {
            let mut byte = [0];
            match rustix::io::read(stdin().as_fd(), &mut byte) {
                Ok(0) => break Step::Cancel,
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => continue,
                Err(_) => break Step::Cancel,
            }
            match line.take(byte[0]) {
                Step::Show(text) => show(&text),
                Step::More => {}
                end => break end,
            }
        };
        show("\n");
        match ended {
            Step::Done => {}
            _ => return Err(Failure::new(FailureKind::Cancelled, "cancelled; nothing was changed")),
        }
        match std::str::from_utf8(&line.text) {
            Ok(text) => Ok(Zeroizing::new(text.to_owned())),
            Err(_) => Ok(Zeroizing::default()),
        }
    }
}

/// Questions are for people: what cannot be shown is not missed.
fn show(text: &str) {
    let mut err = std::io::stderr().lock();
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}

/// While it lives, keys come one by one and unseen, and pastes are marked.
pub struct Keys(Termios, OptionalActions);

impl Keys {
    fn listen(after: OptionalActions) -> Result<Self, Failure> {
        let failed = |error| Failure::new(FailureKind::Io, format!("the terminal cannot be set up: {error}"));
        let before = tcgetattr(stdin().as_fd()).map_err(failed)?;
        let mut modes = before.clone();
        modes.local_modes -= LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG | LocalModes::IEXTEN;
        modes.input_modes -= InputModes::IXON;
        modes.special_codes[SpecialCodeIndex::VMIN] = 1;
        modes.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(stdin().as_fd(), OptionalActions::Now, &modes).map_err(failed)?;
        show("\x1b[?2004h");
        Ok(Self(before, after))
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        show("\x1b[?2004l");
        // A terminal that is gone needs no modes.
        let _ = tcsetattr(stdin().as_fd(), self.1, &self.0);
    }
}

/// What a key does.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    More,
    Show(String),
    Done,
    Cancel,
}

/// The line as it grows, key by key.
#[derive(Default)]
struct Line {
    text: Zeroizing<Vec<u8>>,
    echo: bool,
    /// The escape sequence that is coming in.
    escape: Vec<u8>,
    pasting: bool,
}

impl Line {
    fn take(&mut self, byte: u8) -> Step {
        if !self.escape.is_empty() {
            return self.sequence(byte);
        }
        match byte {
            0x1b => {
                self.escape.push(byte);
                Step::More
            }
            b'\r' | b'\n' if self.pasting => Step::More,
            b'\r' | b'\n' => Step::Done,
            0x03 => Step::Cancel,
            0x04 if self.text.is_empty() => Step::Cancel,
            0x08 | 0x7f => self.back(1),
            0x15 => self.back(usize::MAX),
            byte if byte < 0x20 && byte != b'\t' => Step::More,
            byte if self.text.len() < LONGEST => {
                self.text.push(byte);
                if self.echo && byte != b'\t' { Step::Show(self.last_char()) } else { Step::More }
            }
            _ => Step::More,
        }
    }

    /// Arrow keys and their kin do nothing; the two that mark a paste do.
    fn sequence(&mut self, byte: u8) -> Step {
        let starts = self.escape.len() == 1 && (byte == b'[' || byte == b'O');
        if self.escape.len() == 1 && !starts {
            // Escape alone, then another key.
            self.escape.clear();
            return self.take(byte);
        }
        self.escape.push(byte);
        if !starts && (0x40..=0x7e).contains(&byte) || self.escape.len() > 16 {
            match self.escape.as_slice() {
                b"\x1b[200~" => self.pasting = true,
                b"\x1b[201~" => self.pasting = false,
                _ => {}
            }
            self.escape.clear();
        }
        Step::More
    }

    /// The character that has just become whole; nothing in the middle of one.
    fn last_char(&self) -> String {
        let start = self.text.len().saturating_sub(4);
        let whole = (start..self.text.len()).rev().find_map(|at| std::str::from_utf8(&self.text[at..]).ok());
        whole.filter(|text| text.chars().count() == 1).unwrap_or_default().to_owned()
    }

    fn back(&mut self, characters: usize) -> Step {
        let mut erased = String::new();
        for _ in 0..characters {
            while self.text.last().is_some_and(|byte| byte & 0xc0 == 0x80) {
                self.text.pop();
            }
            if self.text.pop().is_none() {
                break;
            }
            erased.push_str("\x08 \x08");
        }
        if self.echo { Step::Show(erased) } else { Step::More }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn type_in(keys: &[u8], echo: bool) -> (String, String, Step) {
        let mut line = Line { echo, ..Line::default() };
        let mut shown = String::new();
        for key in keys {
            match line.take(*key) {
                Step::More => {}
                Step::Show(text) => shown.push_str(&text),
                end => return (String::from_utf8(line.text.to_vec()).unwrap(), shown, end),
            }
        }
        (String::from_utf8(line.text.to_vec()).unwrap(), shown, Step::More)
    }

    #[test]
    fn keys() {
        let line = |keys: &[u8]| type_in(keys, true);
        assert_eq!(line(b"ab\rc"), ("ab".into(), "ab".into(), Step::Done));
        assert_eq!(line("né\x7fe\n".as_bytes()), ("ne".into(), "né\x08 \x08e".into(), Step::Done));
        assert_eq!(line(b"abc\x15d\r").0, "d");
        assert_eq!(line(b"a\x1b[D\x1bOPb\x1bc\r").0, "abc", "arrows do nothing");
        assert_eq!(line(b"ab\x03"), ("ab".into(), "ab".into(), Step::Cancel));
        assert_eq!(line(b"\x04").2, Step::Cancel);
        assert_eq!(line(b"a\x04\r"), ("a".into(), "a".into(), Step::Done));
        assert_eq!(line(b"\x7f\r").0, "");
    }

    #[test]
    fn a_secret_is_never_shown() {
        assert_eq!(type_in(b"sk-1\x7f2\r", false), ("sk-2".into(), String::new(), Step::Done));
    }

    #[test]
    fn a_token_copied_over_lines_is_one() {
        let pasted = b"\x1b[200~sk-ant-\r\noat01-\nxyz\n\x1b[201~\rls\r";
        assert_eq!(type_in(pasted, false), ("sk-ant-oat01-xyz".into(), String::new(), Step::Done));
    }
}
