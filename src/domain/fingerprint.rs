//! Keyed hashes of secrets: two places that hold the same secret have the same fingerprint, and nobody without the key can
//! test a guess against it (DESIGN §5.2).

use ring::hmac;
use serde::{Deserialize, Serialize};

use super::Secret;

/// HMAC-SHA256 of a secret, cut to 128 bits. Safe to store in our own database; shown only where a fleet asked for it, and
/// then cut to 48 bits ([`super::Snapshot::identity`]).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// Lower-case hexadecimal, for our database.
    #[must_use]
    pub fn to_hex(self) -> String {
        hex(&self.0)
    }

    /// From what [`Fingerprint::short`] shows of one on another machine; `None` if it is none.
    #[must_use]
    pub fn from_short(text: &str) -> Option<Self> {
        let mut all = [0; 16];
        let digits = text.len() == 12 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        for (byte, at) in all.iter_mut().zip((0..12).step_by(2)).filter(|_| digits) {
            *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
        }
        digits.then_some(Self(all))
    }

    /// Enough to compare the logins of a fleet.
    #[must_use]
    pub fn short(self) -> String {
        hex(&self.0[..6])
    }
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

impl std::fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fingerprint(…)")
    }
}

/// The key of all fingerprints on one machine (or in one fleet, `[identity] key`).
pub struct FingerprintKey {
    key: hmac::Key,
    id: i64,
}

impl FingerprintKey {
    /// A key from 32 random bytes; who makes and keeps them is decided elsewhere (`store::key`).
    #[must_use]
    pub fn new(bytes: &[u8; 32]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, bytes);
        let tag = hmac::sign(&key, b"opensoul: which key is this?");
        let mut cut = [0; 8];
        cut.copy_from_slice(&tag.as_ref()[..8]);
        Self { key, id: i64::from_be_bytes(cut) }
    }

    /// A number that tells keys apart and says nothing about them: kept beside fingerprints, so that a lost key is noticed.
    #[must_use]
    pub fn id(&self) -> i64 {
        self.id
    }

    /// A fingerprint together with which key it was made with, for places beyond our database: whoever has another key sees
    /// that it says nothing to him.
    #[must_use]
    pub fn mark(&self, fingerprint: Fingerprint) -> String {
        format!("{:016x}-{}", self.id(), fingerprint.to_hex())
    }

    /// Whether a mark is of this fingerprint; `None` if another key made it.
    #[must_use]
    pub fn recognises(&self, mark: &str, fingerprint: Fingerprint) -> Option<bool> {
        let (key, hash) = mark.split_once('-')?;
        (key == format!("{:016x}", self.id())).then(|| hash == fingerprint.to_hex())
    }

    /// The fingerprint of a secret; blank secrets have none (they would all look like copies of each other).
    #[must_use]
    pub fn fingerprint(&self, secret: &Secret) -> Option<Fingerprint> {
        let text = secret.expose().trim();
        if text.is_empty() {
            return None;
        }
        let tag = hmac::sign(&self.key, text.as_bytes());
        let mut cut = [0; 16];
        cut.copy_from_slice(&tag.as_ref()[..16]);
        Some(Fingerprint(cut))
    }
}
