//! Edits of the gateway's config: under a lock of ours, with a backup, and never to something that the gateway would refuse.

use std::path::Path;

use super::{Keeper, Protocol, Updated, WriteError, replace, update};
use crate::files;
use crate::formats::config_document;
use crate::formats::config_edit::EMPTY;
use crate::formats::gateway_config;
use crate::formats::installation::Installation;
use crate::formats::tree_edit::EditError;

/// Edits the config. The old text goes to `<config>.bak`.
///
/// # Errors
/// It cannot be read, locked, edited or written.
pub fn edit(
    installation: &Installation,
    keeper: &Keeper<'_>,
    change: &dyn Fn(&str) -> Result<String, EditError>,
) -> Result<Updated, WriteError> {
    let path = &installation.config_path;
    update(path, Protocol::Directory, keeper, |text| {
        let after = edited(installation, text, change)?;
        if let Some(before) = text.filter(|before| *before != after) {
            replace::back_up(&path.canonicalize().unwrap_or_else(|_| path.clone()), before)?;
        }
        Ok(Some(after).filter(|after| text.is_some() || after != EMPTY))
    })
}

/// Whether the config could be edited so; nothing is written.
///
/// # Errors
/// Why not.
pub fn try_out(
    installation: &Installation,
    change: &dyn Fn(&str) -> Result<String, EditError>,
) -> Result<(), WriteError> {
    let path = &installation.config_path;
    let contents = files::read(path, files::LIMIT)
        .map_err(|trouble| WriteError::Unusable { path: path.clone(), why: trouble.why })?;
    edited(installation, contents.as_ref().map(|contents| contents.text.as_str()), change).map(|_| ())
}

fn edited(
    installation: &Installation,
    text: Option<&str>,
    change: &dyn Fn(&str) -> Result<String, EditError>,
) -> Result<String, WriteError> {
    let path = &installation.config_path;
    let unusable = |why: String| WriteError::Unusable { path: path.clone(), why };
    let before = text.unwrap_or(EMPTY);
    accepted(installation, before).map_err(&unusable)?;
    let after = change(before).map_err(|wrong| unusable(format!("cannot be edited: {wrong}")))?;
    accepted(installation, &after).map_err(|why| unusable(format!("would become a config that {why}")))?;
    Ok(after)
}

/// What the gateway would refuse in a text of its config, in one line.
fn accepted(installation: &Installation, text: &str) -> Result<(), String> {
    let mut load = |path: &Path| match files::read(path, files::LIMIT) {
        Ok(Some(contents)) => Ok(contents.text.as_str().to_owned()),
        Ok(None) => Err("does not exist".to_owned()),
        Err(trouble) => Err(trouble.why),
    };
    let refused = |problems: &[crate::domain::Finding]| {
        let first = &problems[0];
        format!("the gateway would refuse: {} ({}): {}", first.message, first.place, first.fix)
    };
    let mut document = config_document::read(&installation.config_path, text.to_owned(), &mut load)
        .map_err(|problems| refused(&problems))?;
    let mut problems = document.substitute(&|name| installation.env.get(name).map(str::to_owned));
    let strict = gateway_config::is_strict(installation.family, &document);
    problems.extend(gateway_config::interpret(&document, strict).1);
    if problems.is_empty() { Ok(()) } else { Err(refused(&problems)) }
}
