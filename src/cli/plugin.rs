//! What a monitoring plugin owes its caller when we fail before or while answering: one line, and UNKNOWN (CONTRACTS §2).

use std::ffi::OsString;
use std::io::Write;

/// The plugin protocol's fourth code.
pub const UNKNOWN: u8 = 3;

/// True if the arguments ask for a plugin's exit codes. Read off the raw words, because it must hold for those that clap
/// refuses.
#[must_use]
pub fn asked(argv: &[OsString]) -> bool {
    let words: Vec<_> = argv.iter().map(|word| word.to_string_lossy()).collect();
    let options = ["--format", "--exit-codes"];
    words.iter().any(|word| options.iter().any(|option| word.strip_prefix(option) == Some("=nagios")))
        || words.windows(2).any(|pair| options.contains(&&*pair[0]) && pair[1] == "nagios")
}

/// Says why, on standard output: one line, whatever the message looks like. With `--json` that place belongs to a document.
pub fn unknown(message: &str, argv: &[OsString]) -> u8 {
    if argv.iter().any(|word| word == "--json") {
        anstream::eprintln!("opensoul: {message}");
        return UNKNOWN;
    }
    let lines: Vec<&str> = message.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let line = lines.join("; ").replace('|', "¦");
    // Where even that cannot be written, the code still says it.
    let _ = writeln!(anstream::stdout().lock(), "OPENSOUL UNKNOWN - {line}");
    UNKNOWN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_is_recognised_before_the_arguments_are_parsed() {
        let asked = |line: &str| asked(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        for line in
            ["x status --format nagios", "x status --format=nagios --bogus", "x models status --exit-codes nagios"]
        {
            assert!(asked(line), "{line}");
        }
        for line in ["x", "x nagios", "x status --format json nagios", "x status --format"] {
            assert!(!asked(line), "{line}");
        }
    }
}
