//! Parses, dispatches, prints the error, exits. Everything else is in the library; its front page is the map.

use std::process::ExitCode;

fn main() -> ExitCode {
    opensoul::cli::main(std::env::args_os().collect(), std::env::vars_os().collect())
}
