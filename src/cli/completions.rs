//! `completions` and `man`: made from the argument types, so that they cannot disagree with them.

use std::fs;
use std::io::Write;
use std::path::Path;

use clap::CommandFactory;
use clap_complete::shells;
use clap_complete_nushell::Nushell;

use super::args::{Cli, Shell};
use super::exit::{Failure, FailureKind, Outcome};

/// `completions SHELL`
///
/// # Errors
/// When `out` cannot be written.
pub fn completions(shell: Shell, out: &mut dyn Write) -> Outcome {
    // Into memory first: the generator panics if it cannot write, and a closed pipe is no bug.
    let mut script = Vec::new();
    let name = "opensoul";
    let command = &mut Cli::command();
    match shell {
        Shell::Bash => clap_complete::generate(shells::Bash, command, name, &mut script),
        Shell::Elvish => clap_complete::generate(shells::Elvish, command, name, &mut script),
        Shell::Fish => clap_complete::generate(shells::Fish, command, name, &mut script),
        Shell::Nu => clap_complete::generate(Nushell, command, name, &mut script),
        Shell::PowerShell => clap_complete::generate(shells::PowerShell, command, name, &mut script),
        Shell::Zsh => clap_complete::generate(shells::Zsh, command, name, &mut script),
    }
    match out.write_all(&script).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::new(FailureKind::Io, format!("cannot write the completion script: {error}")))
        }
        _ => Ok(0),
    }
}

/// `man DIR`: one page for the program and one for each command, `opensoul-models-status.1` and so on.
///
/// # Errors
/// When the directory or a page cannot be written.
pub fn man(dir: &Path, out: &mut dyn Write) -> Outcome {
    let cannot = |path: &Path, error: std::io::Error| {
        Failure::new(FailureKind::CannotCreate, format!("cannot write {}: {error}", path.display()))
    };
    fs::create_dir_all(dir).map_err(|error| cannot(dir, error))?;
    let mut command = Cli::command();
    command.build();
    let mut pages = Vec::new();
    collect(&command, &mut pages);
    for (name, page) in &pages {
        let path = dir.join(name);
        fs::write(&path, page).map_err(|error| cannot(&path, error))?;
    }
    let _ = writeln!(out, "{} pages in {}", pages.len(), dir.display());
    Ok(0)
}

fn collect(command: &clap::Command, pages: &mut Vec<(String, Vec<u8>)>) {
    if command.is_hide_set() {
        return;
    }
    let mut page = Vec::new();
    let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
    if clap_mangen::Man::new(command.clone()).render(&mut page).is_ok() {
        pages.push((format!("{name}.1"), page));
    }
    for sub in command.get_subcommands() {
        collect(sub, pages);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_gets_a_script_that_names_the_commands() {
        use clap::ValueEnum;
        for shell in Shell::value_variants() {
            let mut out = Vec::new();
            assert_eq!(completions(*shell, &mut out), Ok(0));
            let text = String::from_utf8(out).expect("UTF-8");
            assert!(text.contains("doctor") && text.contains("severity-min"), "{shell:?}");
        }
    }

    #[test]
    fn each_command_has_a_page() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let target = dir.path().join("deep/man1");
        assert_eq!(man(&target, &mut Vec::new()), Ok(0));
        for name in ["opensoul.1", "opensoul-models-status.1", "opensoul-monitor-once.1", "opensoul-doctor.1"] {
            let page = fs::read_to_string(target.join(name)).expect(name);
            assert!(page.contains(".SH SYNOPSIS"), "{name}");
        }
        let page = fs::read_to_string(target.join("opensoul-doctor.1")).expect("page");
        assert!(page.contains("opensoul\\-doctor") && page.contains("severity\\-min"), "{page}");
        let blocked = dir.path().join("file");
        fs::write(&blocked, "").expect("file");
        assert_eq!(man(&blocked.join("x"), &mut Vec::new()).expect_err("blocked").code(), 73);
    }
}
