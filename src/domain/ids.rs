//! Identifiers. They are shown to people, stored and exported, so none of them is ever derived from a secret.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            /// The identifier as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }
    };
}

text_id! {
    /// Where a credential is and what its owner calls it: `claude-code:default`, `opensoul:main/anthropic:work`,
    /// `env:OPENAI_API_KEY` (CONTRACTS §3). Stable while the credential stays in its place.
    CredentialId
}
text_id! {
    /// 16 hexadecimal digits: hash of alert name, subject and host; never of severity, error text or a secret.
    IncidentId
}
text_id! {
    /// Identifies one message to one receiver, made before the first attempt and kept over all retries: the idempotency
    /// key of webhooks (`webhook-id`) and the left part of a mail's `Message-ID`.
    NotificationId
}

text_id! {
    /// Identifies a silence: 16 hexadecimal digits, made once.
    SilenceId
}

impl IncidentId {
    /// The identity of an incident. Fields are length-prefixed, so no two different triples share an input.
    #[must_use]
    pub fn of(alert: &str, subject: &str, host: &str) -> Self {
        let mut context = ring::digest::Context::new(&ring::digest::SHA256);
        for field in [alert, subject, host] {
            context.update(&(field.len() as u64).to_be_bytes());
            context.update(field.as_bytes());
        }
        Self(super::fingerprint::hex(&context.finish().as_ref()[..8]))
    }
}
