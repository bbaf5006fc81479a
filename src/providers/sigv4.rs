//! AWS Signature Version 4 for one bare request: the key signs it and stays here. PURE.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

use reqwest::Url;
use ring::{digest, hmac};
use zeroize::Zeroizing;

use crate::domain::{Secret, Time};

/// What signs: `ACCESS_KEY_ID:SECRET_ACCESS_KEY` or `ACCESS_KEY_ID:SECRET_ACCESS_KEY:SESSION_TOKEN`, as the sources hand it over.
struct Key<'a> {
    id: &'a str,
    secret: &'a str,
    session: Option<&'a str>,
}

impl<'a> Key<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let (id, rest) = text.trim().split_once(':')?;
        let (secret, session) = rest.split_once(':').map_or((rest, None), |(secret, token)| (secret, Some(token)));
        (!id.is_empty() && !secret.is_empty()).then_some(Self { id, secret, session })
    }
}

/// The headers of a signed GET without a body, `host` apart; `None` if the secret is no pair of a key and its name. Service and
/// region are those of the host (`sts.eu-west-1.amazonaws.com`), else `sts` and `us-east-1`.
#[must_use]
pub fn headers(secret: &Secret, url: &Url, now: Time) -> Option<Vec<(&'static str, Zeroizing<String>)>> {
    let key = Key::of(secret.expose())?;
    let host = match url.port() {
        Some(port) => format!("{}:{port}", url.host_str()?),
        None => url.host_str()?.to_owned(),
    };
    let mut labels = url.host_str()?.split('.');
    let (service, region) = match (labels.next(), labels.next(), labels.next()) {
        (Some(service), Some(region), Some("amazonaws")) => (service, region),
        _ => ("sts", "us-east-1"),
    };
    Some(sign(&key, url, &host, (service, region), now))
}

fn sign(
    key: &Key<'_>,
    url: &Url,
    host: &str,
    (service, region): (&str, &str),
    now: Time,
) -> Vec<(&'static str, Zeroizing<String>)> {
    let (stamp, day) = (now.format("%Y%m%dT%H%M%SZ").to_string(), now.format("%Y%m%d").to_string());
    let mut query: Vec<&str> = url.query().unwrap_or_default().split('&').filter(|part| !part.is_empty()).collect();
    query.sort_unstable();
    let token = key.session.map(|token| Zeroizing::new(format!("x-amz-security-token:{token}\n")));
    let (token, names) = match &token {
        Some(token) => (token.as_str(), "host;x-amz-date;x-amz-security-token"),
        None => ("", "host;x-amz-date"),
    };
    let request = Zeroizing::new(format!(
        "GET\n{}\n{}\nhost:{host}\nx-amz-date:{stamp}\n{token}\n{names}\n{}",
        url.path(),
        query.join("&"),
        sha256(b"")
    ));
    let scope = format!("{day}/{region}/{service}/aws4_request");
    let text = format!("AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{}", sha256(request.as_bytes()));
    let seed = Zeroizing::new(format!("AWS4{}", key.secret));
    let signing = [region, service, "aws4_request"]
        .into_iter()
        .fold(mac(seed.as_bytes(), &day), |key, part| mac(key.as_ref(), part));
    let signature = hex(mac(signing.as_ref(), &text).as_ref());
    let authorization =
        format!("AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}", key.id);
    let mut headers = vec![("authorization", Zeroizing::new(authorization)), ("x-amz-date", Zeroizing::new(stamp))];
    headers.extend(key.session.map(|token| ("x-amz-security-token", Zeroizing::new(token.to_owned()))));
    headers
}

fn mac(key: &[u8], text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes())
}

fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// AWS's own test suite (`aws-sig-v4-test-suite`).
    #[test]
    fn the_published_vectors() {
        let key = Key::of("AKIDEXAMPLE:wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY").unwrap();
        let now: Time = "2015-08-30T12:36:00Z".parse().unwrap();
        for (url, signature) in [
            // get-vanilla, get-vanilla-query-order-key-case
            ("https://example.amazonaws.com/", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
            (
                "https://example.amazonaws.com/?Param2=value2&Param1=value1",
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
        ] {
            let url = Url::parse(url).unwrap();
            let signed = sign(&key, &url, "example.amazonaws.com", ("service", "us-east-1"), now);
            let expected = format!(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
                 SignedHeaders=host;x-amz-date, Signature={signature}"
            );
            let signed: Vec<(&str, &str)> = signed.iter().map(|(name, value)| (*name, value.as_str())).collect();
            assert_eq!(signed, [("authorization", expected.as_str()), ("x-amz-date", "20150830T123600Z")]);
        }
    }

    #[test]
    fn service_and_region_are_those_of_the_host_and_a_session_is_signed_too() {
        let now: Time = "2026-11-22T12:00:00Z".parse().unwrap();
        let signed = |key: &str, url: &str| {
            let signed = headers(&Secret::new(key.to_owned()), &Url::parse(url).unwrap(), now)?;
            Some(signed.into_iter().map(|(name, value)| format!("{name}: {}", *value)).collect::<Vec<_>>())
        };
        let of = |url| signed("AKIA1:s3cret", url).unwrap().remove(0);
        assert!(of("https://sts.eu-west-1.amazonaws.com/").contains("/20261122/eu-west-1/sts/aws4_request"));
        assert!(of("https://sts.cn-north-1.amazonaws.com.cn/").contains("/cn-north-1/sts/"));
        assert!(of("http://127.0.0.1:8080/").contains("/us-east-1/sts/"));
        let session = signed("ASIA1:s3cret:tok/en+==", "https://sts.us-east-1.amazonaws.com/").unwrap();
        assert!(session[0].contains("SignedHeaders=host;x-amz-date;x-amz-security-token"));
        assert_eq!(session[2], "x-amz-security-token: tok/en+==");
        assert!(!session[0].contains("s3cret"), "the key itself is not sent");
        for bad in ["", "s3cret", ":s3cret", "AKIA1:"] {
            assert_eq!(signed(bad, "https://sts.us-east-1.amazonaws.com/"), None, "{bad}");
        }
    }
}
