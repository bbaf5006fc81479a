//! The machine's clock.

use super::{By, Check, Context};
use crate::domain::{Finding, Severity};

pub(super) const CHECKS: &[Check] =
    &[Check { id: "clock.wrong", about: "the clock of this machine", by: By::Retelling(wrong) }];

fn wrong(context: &Context<'_>) -> Vec<Finding> {
    let fix = fix(context);
    let finding = |problem: &String| {
        let message = format!("The clock of this machine cannot be trusted, so no date can be judged: {problem}.");
        Finding::new("clock.wrong", Severity::Critical, message, fix)
    };
    context.snapshot.clock_problem.iter().map(finding).collect()
}

pub(super) fn fix(context: &Context<'_>) -> &'static str {
    if context.env.get("TERMUX_VERSION").is_some() {
        "Turn on automatic date and time in Android's settings."
    } else {
        "sudo timedatectl set-ntp true (or set the clock by hand)"
    }
}
