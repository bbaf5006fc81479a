//! Signatures of Standard Webhooks: HMAC-SHA256 over `id.timestamp.body`, one for each secret, so that a receiver may
//! exchange its secret without losing a message. PURE.

use base64::Engine;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use ring::hmac;
use zeroize::Zeroizing;

use crate::domain::Secret;

/// People copy secrets with and without the `=` at the end.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The value of `webhook-signature`; `seconds` is the time of this attempt.
///
/// # Errors
/// A secret is not of the standard's form; never a part of it.
pub(super) fn sign(secrets: &[Secret], id: &str, seconds: i64, body: &[u8]) -> Result<String, String> {
    let mut signatures = Vec::new();
    for (index, secret) in secrets.iter().enumerate() {
        let text = secret.expose().trim();
        let key = LENIENT
            .decode(text.strip_prefix("whsec_").unwrap_or(text))
            .map(Zeroizing::new)
            .ok()
            .filter(|key| !key.is_empty())
            .ok_or_else(|| format!("signing secret {} is not base64 (the form is whsec_ and base64)", index + 1))?;
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &key));
        context.update(format!("{id}.{seconds}.").as_bytes());
        context.update(body);
        signatures.push(format!("v1,{}", STANDARD.encode(context.sign())));
    }
    Ok(signatures.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the standard's reference libraries.
    #[test]
    fn the_published_vector() {
        let sign = |secret: &str| {
            sign(
                &[Secret::new(secret.to_owned())],
                "msg_p5jXN8AQM9LWM0D4loKWxJek",
                1_614_265_330,
                br#"{"test": 2432232314}"#,
            )
        };
        let expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(sign("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").as_deref(), Ok(expected));
        assert_eq!(sign("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").as_deref(), Ok(expected));
        assert!(sign("not base64 at all!").is_err());
        assert!(sign("whsec_").is_err());
    }

    #[test]
    fn one_signature_for_each_secret() {
        let secrets = ["whsec_bmV3", "whsec_b2xk"].map(|text| Secret::new(text.to_owned()));
        let both = sign(&secrets, "a", 1, b"x").expect("signed");
        assert_eq!(both.split(' ').count(), 2);
        assert!(both.starts_with(&sign(&secrets[..1], "a", 1, b"x").expect("signed")));
    }
}
