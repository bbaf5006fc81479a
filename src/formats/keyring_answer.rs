//! What `secret-tool` and `security` print, and the wrappings in which tools store their values. Pure.

use base64::prelude::{BASE64_STANDARD, Engine};
use zeroize::Zeroizing;

use crate::domain::Secret;

/// The secret in what `secret-tool search` prints: `[path]`, `label = `, `secret = ` (which may have several lines), `created = `,
/// `modified = `, `schema = `. A locked item has an empty secret, or none.
#[must_use]
pub fn found_by_search(output: &[u8]) -> Option<&[u8]> {
    const SECRET: &[u8] = b"\nsecret = ";
    const AFTER: &[u8] = b"\ncreated = ";
    let find = |text: &[u8], what: &[u8]| text.windows(what.len()).position(|window| window == what);
    let secret = &output[find(output, SECRET)? + SECRET.len()..];
    let secret = &secret[..find(secret, AFTER).unwrap_or(secret.len())];
    (!secret.trim_ascii().is_empty()).then_some(secret)
}

/// The value as its tool wrote it; `None` if that is not text.
#[must_use]
pub fn value(bytes: &[u8]) -> Option<Secret> {
    let text = std::str::from_utf8(bytes.trim_ascii()).ok()?;
    // `go-keyring` wraps what `security` would print in hexadecimal; for others that is undone here.
    let wrapped = text.starts_with("go-keyring-");
    let bytes = if let Some(encoded) = text.strip_prefix("go-keyring-base64:") {
        BASE64_STANDARD.decode(encoded).ok().map(Zeroizing::new)
    } else if let Some(encoded) = text.strip_prefix("go-keyring-encoded:") {
        unhex(encoded)
    } else {
        unhex(text).filter(|bytes| bytes.starts_with(b"{"))
    };
    match bytes {
        Some(decoded) => Some(Secret::new(std::str::from_utf8(&decoded).ok()?.to_owned())),
        None if !wrapped => Some(Secret::new(text.to_owned())),
        None => None,
    }
}

fn unhex(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let pairs = (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok());
    pairs.collect::<Option<_>>().map(Zeroizing::new)
}
