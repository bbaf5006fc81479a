//! Addresses and names to which nothing is ever sent (DESIGN §5.6): link-local ones and the metadata services of clouds, which
//! hand out credentials to whoever asks. Judged where a URL is written, and again when its name is resolved. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

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

/// Names under which clouds keep their metadata services; each resolves to an address that is forbidden too.
const METADATA_NAMES: [&str; 6] = [
    "metadata.google.internal",
    "metadata.goog",
    "metadata",
    "instance-data",
    "instance-data.ec2.internal",
    "metadata.tencentyun.com",
];

/// Whether the host of a URL, as it is written, is such an address or such a name.
#[must_use]
pub fn is_forbidden_host(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
    match bare.parse::<IpAddr>() {
        Ok(address) => is_forbidden(address),
        Err(_) => METADATA_NAMES.iter().any(|name| bare.eq_ignore_ascii_case(name)),
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
    fn hosts_as_they_are_written() {
        for bad in
            ["169.254.169.254", "[fe80::1]", "Metadata.Google.internal", "metadata.google.internal.", "instance-data"]
        {
            assert!(is_forbidden_host(bad), "{bad}");
        }
        for good in ["localhost", "[::1]", "metadata.example.org", "10.0.0.1", "api.example.org"] {
            assert!(!is_forbidden_host(good), "{good}");
        }
    }
}
