//! `doctor --fix`: shows what would be done, asks, and has it done. What was done is told on stderr; the report that follows
//! shows what is left.

use super::args::Doctor;
use super::exit::{Failure, FailureKind};
use super::prompt::Terminal;
use crate::clock::SystemClock;
use crate::control::repair::{self, Applied};
use crate::domain::{Finding, Severity};
use crate::output::doctor::Repaired;

/// Mends what the findings from a severity on propose, each change once; empty if there is nothing, or the person wants none.
///
/// # Errors
/// What `consent` refuses with.
pub fn mend(
    args: &Doctor,
    findings: &[Finding],
    severity_min: Severity,
    consent: impl FnOnce(&Doctor, &[&Finding]) -> Result<bool, Failure>,
) -> Result<Vec<Repaired>, Failure> {
    let mut wanted: Vec<&Finding> = Vec::new();
    for finding in findings.iter().filter(|finding| finding.severity >= severity_min && finding.repair.is_some()) {
        if wanted.iter().all(|known| known.repair != finding.repair) {
            wanted.push(finding);
        }
    }
    if wanted.is_empty() {
        note!("opensoul: nothing here can be mended by itself");
        return Ok(Vec::new());
    }
    if !consent(args, &wanted)? {
        note!("opensoul: nothing was changed");
        return Ok(Vec::new());
    }
    let clock = SystemClock::new();
    let mut done = Vec::new();
    for finding in wanted {
        let Some(repair) = finding.repair.clone() else { continue };
        let outcome = match repair::apply(&repair, &clock) {
            Ok(Applied::Done { backup }) => {
                let kept =
                    backup.as_ref().map(|path| format!(" (the old one: {})", path.display())).unwrap_or_default();
                note!("done    {repair}{kept}");
                Ok(Some(backup))
            }
            Ok(Applied::Unneeded) => {
                note!("was so  {repair}");
                Ok(None)
            }
            Err(why) => {
                note!("FAILED  {repair}: {why}");
                Err(why.to_string())
            }
        };
        done.push(Repaired { id: finding.id.clone(), repair, outcome });
    }
    Ok(done)
}

/// Shows what would be done. Asks on a terminal, unless `--yes` or `--non-interactive` says that nobody is to be asked.
///
/// # Errors
/// Nobody can be asked and nobody said yes (64); the person cancelled (130). Nothing was changed.
pub fn consent(args: &Doctor, wanted: &[&Finding]) -> Result<bool, Failure> {
    let asked = !(args.yes || args.non_interactive);
    let terminal = Terminal::find().filter(|_| !args.json);
    if asked && terminal.is_none() {
        let message = "--fix has nobody to ask here: add --yes, or --non-interactive; nothing was changed";
        return Err(Failure::new(FailureKind::Usage, message));
    }
    note!("opensoul: this can be mended:");
    for (finding, repair) in wanted.iter().filter_map(|finding| Some((finding, finding.repair.as_ref()?))) {
        note!("  {}  {repair}", finding.id);
    }
    terminal.filter(|_| asked).map_or(Ok(true), |terminal| terminal.confirm("Do it?", true))
}
