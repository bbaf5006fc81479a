//! What asking providers looks like to a person: how far it is, and what a paid question costs before it is put.

use std::io::{IsTerminal, Write};
use std::sync::Arc;

use super::exit::{Failure, FailureKind};
use super::print::spoken;
use super::prompt::Terminal;
use crate::domain::CredentialId;
use crate::formats::installation::Installation;
use crate::formats::model_ref;
use crate::providers::Watcher;
use std::collections::BTreeMap;

/// A line on the terminal that counts the answers; nobody, where stderr is none.
pub fn watcher() -> Watcher {
    if !std::io::stderr().is_terminal() {
        return Watcher::default();
    }
    Watcher(Some(Arc::new(|done, total| {
        let mut err = std::io::stderr().lock();
        // Erased when the last answer is there; what cannot be shown is not missed.
        let _ = if done < total {
            write!(err, "\r{}\x1b[K", spoken(format!("asking providers: {done} of {total} answered")))
        } else {
            write!(err, "\r\x1b[K")
        };
        let _ = err.flush();
    })))
}

/// The first configured model of each provider, over all gateways of this machine.
pub fn models(installations: &[Installation]) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for config in installations.iter().filter_map(|gateway| gateway.config.as_ref()) {
        let aliases = config.aliases();
        for model in config.model_texts(None).into_iter().filter_map(|text| model_ref::resolve(text, &aliases)) {
            found.entry(model.provider).or_insert(model.model);
        }
    }
    found
}

/// The same before another machine sends them, of whose credentials nothing is known yet.
///
/// # Errors
/// If the person does not want it: cancelled, nothing was asked.
pub fn consent_elsewhere(host: &str) -> Result<(), Failure> {
    note!(
        "opensoul: --probe-paid lets {host} send one request for each credential that has a configured model, about 0.0003 USD \
         each at the price of a dear model, at most twice that if an answer has to be confirmed."
    );
    match Terminal::find() {
        Some(terminal) if !terminal.confirm("Send them?", false)? => {
            Err(Failure::new(FailureKind::Cancelled, "nothing was asked"))
        }
        _ => Ok(()),
    }
}

/// Shows what the paid questions are and cost; on a terminal, asks.
///
/// # Errors
/// If the person does not want it: cancelled, nothing was asked.
pub fn consent(questions: &[(CredentialId, String)]) -> Result<(), Failure> {
    if questions.is_empty() {
        note!(
            "opensoul: --probe-paid: no credential has a configured model and an API that can be asked for one token, so \
             only free questions are asked"
        );
        return Ok(());
    }
    note!("opensoul: --probe-paid sends one request each, about 10 tokens in and 1 token out:");
    for (id, model) in questions {
        note!("  {id}  {model}");
    }
    note!(
        "At the price of a dear model (15 USD for a million tokens in, 75 out) that is about 0.0003 USD each, at most twice \
         that if an answer has to be confirmed; your providers' own prices count."
    );
    match Terminal::find() {
        Some(terminal) if !terminal.confirm("Send them?", false)? => {
            Err(Failure::new(FailureKind::Cancelled, "nothing was asked"))
        }
        _ => Ok(()),
    }
}
