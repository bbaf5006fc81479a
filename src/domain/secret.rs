//! The one type that may hold a secret. It can be neither printed, serialised, cloned nor compared: comparing is done by
//! keyed hash ([`super::FingerprintKey`]), showing is done with an ellipsis.

use zeroize::Zeroizing;

/// Secret text, wiped from memory when dropped. `expose` is the only way in, so that a reader can grep for it.
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes ownership of the text; the caller keeps no copy.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself, for the request that needs it and for nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// True for what the owners leave behind after a logout: nothing, or only white space.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.0.trim().is_empty()
    }
}
