//! Which IP addresses a stranger's URL may point us at.
//!
//! The product connects to hosts that users name. Without this filter they could make it talk to the metadata service
//! of a cloud, a database on the loopback interface or a neighbour in a private network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether `ip` is an ordinary public unicast address.
///
/// Refused are the special-purpose blocks of the IANA registries (RFC 6890 and successors): this-network, private,
/// carrier-grade NAT, loopback, link-local, protocol assignments, documentation, benchmarking, multicast, reserved,
/// unique-local, site-local, and every IPv6 form that embeds such an IPv4 address (mapped, compatible, NAT64, 6to4,
/// Teredo).
pub fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let special = matches!(a, 0 | 10 | 127)
        || (a == 100 && (64..128).contains(&b))
        || (a == 169 && b == 254)
        || (a == 172 && (16..32).contains(&b))
        || (a == 192 && b == 168)
        || (a == 192 && b == 0 && (c == 0 || c == 2))
        || (a == 192 && b == 88 && c == 99)
        || (a == 192 && b == 31 && c == 196)
        || (a == 192 && b == 52 && c == 193)
        || (a == 198 && (b == 18 || b == 19))
        || (a == 198 && b == 51 && c == 100)
        || (a == 203 && b == 0 && c == 113)
        || a >= 224;
    !special
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    if let Some(v4) = embedded_v4(ip) {
        return is_public_v4(v4);
    }
    let s = ip.segments();
    // Global unicast is 2000::/3; out of it go documentation, Teredo, ORCHID, benchmarking and the other protocol blocks.
    let global = s[0] & 0xe000 == 0x2000;
    let protocol = s[0] == 0x2001 && s[1] < 0x0200;
    let documentation = (s[0] == 0x2001 && s[1] == 0x0db8) || (s[0] == 0x3fff && s[1] < 0x1000);
    global && !protocol && !documentation
}

/// The IPv4 address inside a mapped, compatible, NAT64 (64:ff9b::/96) or 6to4 (2002::/16) address.
fn embedded_v4(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let s = ip.segments();
    let low = || {
        let [.., a, b, c, d] = ip.octets();
        Ipv4Addr::new(a, b, c, d)
    };
    let zeros = s[..5].iter().all(|part| *part == 0);
    if zeros && (s[5] == 0xffff || (s[5] == 0 && (s[6] != 0 || s[7] > 1))) {
        return Some(low());
    }
    if s[0] == 0x64 && s[1] == 0xff9b && s[2..6].iter().all(|part| *part == 0) {
        return Some(low());
    }
    if s[0] == 0x2002 {
        let [_, _, a, b, c, d, ..] = ip.octets();
        return Some(Ipv4Addr::new(a, b, c, d));
    }
    None
}

/// What the text of a host is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// An address literal.
    Ip(IpAddr),
    /// A DNS name, lower case, without the trailing dot.
    Name(String),
}

/// Reads a host as `getaddrinfo` would: `127.1`, `2130706433`, `0x7f.1` and `0177.0.0.1` are all 127.0.0.1.
///
/// (The `url` crate takes an IPv4 host of a scheme it does not know for a domain name, so its answer is no filter.)
///
/// Returns `None` for text that is neither an address nor a DNS name of letters, digits and hyphens.
pub fn parse_host(text: &str) -> Option<Host> {
    if let Some(inner) = text.strip_prefix('[') {
        return inner.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(|ip| Host::Ip(IpAddr::V6(ip)));
    }
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let last = name.rsplit('.').next()?;
    let numeric = last.bytes().all(|b| b.is_ascii_digit()) || is_hex(last);
    if numeric {
        return parse_v4(&name).map(|ip| Host::Ip(IpAddr::V4(ip)));
    }
    is_name(&name).then_some(Host::Name(name))
}

fn is_hex(label: &str) -> bool {
    label.strip_prefix("0x").is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// `inet_aton`: one to four parts, each decimal, octal or hexadecimal; the last part fills what is left.
fn parse_v4(text: &str) -> Option<Ipv4Addr> {
    let parts = text.split('.').map(parse_part).collect::<Option<Vec<u32>>>()?;
    let (last, heads) = parts.split_last()?;
    if heads.len() > 3 || heads.iter().any(|part| *part > 255) {
        return None;
    }
    let room = 32 - 8 * u32::try_from(heads.len()).ok()?;
    if room < 32 && u64::from(*last) >= 1_u64 << room {
        return None;
    }
    let head = heads.iter().enumerate().fold(0_u32, |sum, (at, part)| sum | (part << (24 - 8 * at)));
    Some(Ipv4Addr::from(head | last))
}

fn parse_part(part: &str) -> Option<u32> {
    if let Some(hex) = part.strip_prefix("0x") {
        return if hex.is_empty() { Some(0) } else { u32::from_str_radix(hex, 16).ok() };
    }
    let digits = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let radix = if part.len() > 1 && part.starts_with('0') { 8 } else { 10 };
    if digits { u32::from_str_radix(part, radix).ok() } else { None }
}

fn is_name(name: &str) -> bool {
    let label = |l: &str| {
        (1..=63).contains(&l.len())
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !l.starts_with('-')
            && !l.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

/// Names that mean this machine or its private surroundings whatever DNS says.
pub fn is_private_name(name: &str) -> bool {
    const TAILS: [&str; 7] = ["localhost", "local", "internal", "lan", "home.arpa", "localdomain", "intranet"];
    TAILS.iter().any(|tail| name == *tail || name.strip_suffix(tail).is_some_and(|head| head.ends_with('.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_loopback_is_loopback() {
        let loopback = Some(Host::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        for text in ["127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f.1", "0x7f000001", "0177.0.0.1", "127.0.0.1."]
        {
            assert_eq!(parse_host(text), loopback, "{text}");
        }
    }

    #[test]
    fn broken_hosts_are_nothing() {
        for text in [
            "",
            ".",
            "a..b",
            "-a.example",
            "a b",
            "1.2.3.4.5",
            "256.1.1.1",
            "1.2.3.256",
            "4294967296",
            "[::1",
            "08.1",
            "ex%61mple.com",
            "[fe80::1%25eth0]",
        ] {
            assert_eq!(parse_host(text), None, "{text}");
        }
    }

    #[test]
    fn names_are_folded() {
        assert_eq!(parse_host("Live.Example.COM."), Some(Host::Name("live.example.com".into())));
    }

    #[test]
    fn special_addresses_are_not_public() {
        for text in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::7f00:1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001::1",
            "2001:db8::1",
            "fe80::1",
            "fec0::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "100::1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn ordinary_addresses_are_public() {
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "100.128.0.1",
            "172.32.0.1",
            "192.1.1.1",
            "2606:4700::1111",
            "2a00:1450:4001::1",
            "::ffff:8.8.8.8",
        ] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn private_names_are_known() {
        for name in ["localhost", "a.localhost", "printer.local", "metadata.google.internal", "x.home.arpa"] {
            assert!(is_private_name(name), "{name}");
        }
        for name in ["local.example.com", "mylocal", "internal.example"] {
            assert!(!is_private_name(name), "{name}");
        }
    }
}
