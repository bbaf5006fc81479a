//! The one type that may hold a secret. It can be neither printed, serialised, copied nor compared: comparing is done by
//! keyed hash ([`super::FingerprintKey`]), showing is done with an ellipsis.

use std::sync::Arc;

use zeroize::Zeroizing;

/// Secret text, wiped from memory when dropped. `expose` is the only way in, so that a reader can grep for it.
pub struct Secret(Arc<Zeroizing<String>>);

impl Secret {
    /// Takes ownership of the text; the caller keeps no copy.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Arc::new(Zeroizing::new(text)))
    }

    /// The same text, held once: it is wiped when the last who holds it drops it.
    #[must_use]
    pub fn share(&self) -> Self {
        Self(Arc::clone(&self.0))
    }

    /// The text itself, for the request that needs it and for nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// True for what the owners leave behind after a logout: nothing, or only white space.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.0.chars().all(char::is_whitespace)
    }
}
