//! Which addresses may be spoken to (DESIGN §5.6): link-local and metadata addresses are refused after resolution, so that
//! no URL, whoever wrote it, makes us hand a key to a cloud's metadata service.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::config::values;

/// Metadata services that are not on link-local addresses: Alibaba, Oracle (old), Azure's wire server.
const METADATA_V4: [Ipv4Addr; 3] =
    [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(192, 0, 0, 192), Ipv4Addr::new(168, 63, 129, 16)];

/// The same for IPv6: AWS, Google.
const METADATA_V6: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)];

/// Whether nothing may ever be sent there.
#[must_use]
pub fn is_forbidden(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            v4.is_link_local()
                || v4.is_unspecified()
                || v4.is_multicast()
                || v4.is_broadcast()
                || METADATA_V4.contains(&v4)
        }
        IpAddr::V6(v6) => {
            v6.is_unicast_link_local()
                || v6.is_unspecified()
                || v6.is_multicast()
                || METADATA_V6.contains(&v6)
                || translated(v6).is_some_and(|v4| is_forbidden(v4.into()))
        }
    }
}

/// The IPv4 address inside a NAT64 address (`64:ff9b::/96`).
fn translated(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let octets = address.octets();
    let prefix: [u8; 12] = [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0];
    (octets[..12] == prefix).then(|| Ipv4Addr::new(octets[12], octets[13], octets[14], octets[15]))
}

/// A URL that a request may go to: https, or http on loopback or if `insecure`; no login inside; no forbidden address.
/// Names are judged when they are resolved.
///
/// # Errors
/// What is wrong; never a part of the URL.
pub fn url(text: &str, insecure: bool) -> Result<Url, String> {
    let url = values::http_url(text, insecure).map_err(|(what, fix)| format!("the URL {what}: {fix}"))?;
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    match host.parse::<IpAddr>() {
        Ok(address) if is_forbidden(address) => Err(REFUSED.to_owned()),
        _ => Ok(url),
    }
}

const REFUSED: &str = "a link-local or metadata address is never spoken to";

/// The addresses of a host that may be spoken to.
///
/// # Errors
/// The name does not resolve, or only to addresses that are refused.
pub async fn lookup(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let found: Vec<SocketAddr> = tokio::net::lookup_host((host, port)).await?.collect();
    if found.is_empty() {
        return Err(io::Error::other("the name has no address"));
    }
    let allowed: Vec<SocketAddr> = found.into_iter().filter(|address| !is_forbidden(address.ip())).collect();
    if allowed.is_empty() { Err(io::Error::other(REFUSED)) } else { Ok(allowed) }
}

/// The system's resolver without the forbidden addresses, for HTTP clients.
pub(super) struct Guard;

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            // Port 0: the client puts in the one of the URL.
            let found = lookup(name.as_str(), 0).await?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_services_are_out_of_reach() {
        for bad in [
            "169.254.169.254",
            "169.254.170.2",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "100.100.100.200",
            "168.63.129.16",
            "fe80::1",
            "::",
            "ff02::1",
            "fd00:ec2::254",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
        ] {
            assert!(is_forbidden(bad.parse().expect("address")), "{bad}");
        }
        for good in
            ["127.0.0.1", "::1", "10.0.0.1", "192.168.1.1", "8.8.8.8", "2606:4700::1", "fd12::1", "64:ff9b::808:808"]
        {
            assert!(!is_forbidden(good.parse().expect("address")), "{good}");
        }
    }

    #[test]
    fn urls_with_literal_addresses() {
        assert!(url("https://169.254.169.254/latest", true).is_err());
        // The URL standard reads this as 169.254.169.254.
        assert!(url("http://2852039166/", true).is_err());
        assert!(url("https://[fe80::1]/", true).is_err());
        assert!(url("http://127.0.0.1:1/", false).is_ok());
        assert!(url("http://10.0.0.1/", false).is_err());
        assert!(url("http://10.0.0.1/", true).is_ok());
    }

    #[tokio::test]
    async fn names_that_resolve_to_them_are_refused() {
        assert!(lookup("169.254.169.254", 80).await.is_err());
        assert!(lookup("localhost", 80).await.is_ok());
        assert!(Guard.resolve("localhost".parse().expect("name")).await.is_ok());
    }
}
