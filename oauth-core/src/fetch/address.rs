//! Which addresses are public: nobody's private network, nobody's own machine.
//!
//! `IpAddr::is_global` of the standard library is not stable yet, and it does not look into the IPv6 addresses that
//! carry an IPv4 address: a gateway would turn `64:ff9b::7f00:1` into `127.0.0.1` behind our back. In order:
//!
//! 1. An IPv4-mapped address (`::ffff:0:0/96`) *is* the IPv4 address it carries.
//! 2. An IPv4 address is public unless it lies in one of the special ranges of
//!    [RFC 6890](https://www.rfc-editor.org/rfc/rfc6890) and its registry, or is the metadata address that a cloud has
//!    put among the public ones.
//! 3. NAT64 (`64:ff9b::/96`), 6to4 (`2002::/16`) and Teredo (`2001::/32`) are judged by what they carry.
//! 4. Any other IPv6 address is public only inside `2000::/3`, less `2001::/23`, `2001:db8::/32` and `3fff::/20`.
//! 5. An ISATAP address must pass rule 4 and rule 2 for the IPv4 address in its interface identifier.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::network::Network;

const SPECIAL_V4: [Network; 16] = [
    Network::v4([0, 0, 0, 0], 8),        // this network; Linux connects to itself
    Network::v4([10, 0, 0, 0], 8),       // private
    Network::v4([100, 64, 0, 0], 10),    // carrier-grade NAT, and the metadata of one cloud (100.100.100.200)
    Network::v4([127, 0, 0, 0], 8),      // loopback
    Network::v4([168, 63, 129, 16], 32), // the host behind every machine of one cloud, unlike all others a public address
    Network::v4([169, 254, 0, 0], 16),   // link local, and the metadata of most clouds (169.254.169.254)
    Network::v4([172, 16, 0, 0], 12),    // private
    Network::v4([192, 0, 0, 0], 24),     // protocol assignments, and the metadata of one cloud (192.0.0.192)
    Network::v4([192, 0, 2, 0], 24),     // documentation
    Network::v4([192, 88, 99, 0], 24),   // 6to4 relays, deprecated
    Network::v4([192, 168, 0, 0], 16),   // private
    Network::v4([198, 18, 0, 0], 15),    // benchmarking
    Network::v4([198, 51, 100, 0], 24),  // documentation
    Network::v4([203, 0, 113, 0], 24),   // documentation
    Network::v4([224, 0, 0, 0], 4),      // multicast
    Network::v4([240, 0, 0, 0], 4),      // reserved, and broadcast
];

const GLOBAL_UNICAST: Network = Network::v6([0x2000, 0, 0], 3);

const SPECIAL_V6: [Network; 3] = [
    Network::v6([0x2001, 0, 0], 23),     // protocol assignments
    Network::v6([0x2001, 0xdb8, 0], 32), // documentation
    Network::v6([0x3fff, 0, 0], 20),     // documentation
];

/// Whether an address belongs to the public internet, so that fetching from it reaches nothing that a stranger could
/// not reach without us. When in doubt the answer is no.
///
/// ```
/// use oauth_core::fetch::is_public;
///
/// assert!(is_public("8.8.8.8".parse()?));
/// assert!(!is_public("169.254.169.254".parse()?), "a cloud's metadata");
/// assert!(!is_public("64:ff9b::a9fe:a9fe".parse()?), "the same, through NAT64");
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    !SPECIAL_V4.iter().any(|special| special.contains(IpAddr::V4(address)))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    match carried(address) {
        Some(Carried::Gateway(inside)) => inside.into_iter().all(is_public_v4),
        Some(Carried::Interface(inside)) => is_plain_public_v6(address) && is_public_v4(inside),
        None => is_plain_public_v6(address),
    }
}

fn is_plain_public_v6(address: Ipv6Addr) -> bool {
    let address = IpAddr::V6(address);
    GLOBAL_UNICAST.contains(address) && !SPECIAL_V6.iter().any(|special| special.contains(address))
}

/// All the addresses that a connection to this one may end up at: itself, and what a gateway would take out of it.
pub(super) fn with_carried(address: IpAddr) -> impl Iterator<Item = IpAddr> {
    let address = address.to_canonical();
    let inside = match address {
        IpAddr::V4(_) => None,
        IpAddr::V6(v6) => carried(v6),
    };
    let (first, second) = match inside {
        None => (None, None),
        Some(Carried::Gateway([first, second])) => (Some(first), Some(second)),
        Some(Carried::Interface(only)) => (Some(only), None),
    };
    [Some(address), first.map(IpAddr::V4), second.map(IpAddr::V4)].into_iter().flatten()
}

enum Carried {
    /// A gateway on the way sends the packets to an IPv4 address. Teredo has two of them: server and client.
    Gateway([Ipv4Addr; 2]),
    /// The IPv4 address is the interface of a host in an IPv6 network.
    Interface(Ipv4Addr),
}

fn carried(address: Ipv6Addr) -> Option<Carried> {
    let segments = address.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match segments {
        // NAT64, RFC 6052 §2.1. The local-use prefix 64:ff9b:1::/48 of RFC 8215 is left to rule 4, which refuses it:
        // where the IPv4 address stands in it is known only to whoever runs the gateway.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(Carried::Gateway([v4(high, low); 2])),
        // 6to4, RFC 3056 §2.
        [0x2002, high, low, ..] => Some(Carried::Gateway([v4(high, low); 2])),
        // Teredo, RFC 4380 §4: the server, flags, and the client with all bits turned over.
        [0x2001, 0, high, low, _, _, client_high, client_low] => {
            Some(Carried::Gateway([v4(high, low), v4(!client_high, !client_low)]))
        }
        // ISATAP, RFC 5214 §6.1: `0000:5efe` or, if the IPv4 address is globally unique, `0200:5efe`.
        [_, _, _, _, 0 | 0x200, 0x5efe, high, low] => Some(Carried::Interface(v4(high, low))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap_or_else(|_| panic!("{text:?} is no address"))
    }

    // CIMD-7, A-CIMDX-1, A-CIMDX-2: first and last address of each special range, and their neighbours outside.
    #[test]
    fn special_ipv4_ranges_end_where_the_registry_says() {
        let table = [
            (None, "0.0.0.0", "0.255.255.255", Some("1.0.0.0")),
            (Some("9.255.255.255"), "10.0.0.0", "10.255.255.255", Some("11.0.0.0")),
            (Some("100.63.255.255"), "100.64.0.0", "100.127.255.255", Some("100.128.0.0")),
            (Some("126.255.255.255"), "127.0.0.0", "127.255.255.255", Some("128.0.0.0")),
            (Some("168.63.129.15"), "168.63.129.16", "168.63.129.16", Some("168.63.129.17")),
            (Some("169.253.255.255"), "169.254.0.0", "169.254.255.255", Some("169.255.0.0")),
            (Some("172.15.255.255"), "172.16.0.0", "172.31.255.255", Some("172.32.0.0")),
            (Some("191.255.255.255"), "192.0.0.0", "192.0.0.255", Some("192.0.1.0")),
            (Some("192.0.1.255"), "192.0.2.0", "192.0.2.255", Some("192.0.3.0")),
            (Some("192.88.98.255"), "192.88.99.0", "192.88.99.255", Some("192.88.100.0")),
            (Some("192.167.255.255"), "192.168.0.0", "192.168.255.255", Some("192.169.0.0")),
            (Some("198.17.255.255"), "198.18.0.0", "198.19.255.255", Some("198.20.0.0")),
            (Some("198.51.99.255"), "198.51.100.0", "198.51.100.255", Some("198.51.101.0")),
            (Some("203.0.112.255"), "203.0.113.0", "203.0.113.255", Some("203.0.114.0")),
            (Some("223.255.255.255"), "224.0.0.0", "239.255.255.255", None),
            (None, "240.0.0.0", "255.255.255.255", None),
        ];
        for (before, first, last, after) in table {
            assert!(!is_public(address(first)), "{first}");
            assert!(!is_public(address(last)), "{last}");
            for outside in [before, after].into_iter().flatten() {
                assert!(is_public(address(outside)), "{outside}");
            }
        }
    }

    #[test]
    fn every_ipv4_range_is_refused_in_each_ipv6_clothing() {
        let inside =
            ["127.0.0.1", "10.0.0.1", "169.254.169.254", "192.168.1.1", "100.64.0.1", "0.0.0.0", "224.0.0.1"];
        for text in inside {
            let v4: Ipv4Addr = text.parse().unwrap();
            for clothed in clothes(v4) {
                assert!(!is_public(clothed), "{text} as {clothed}");
            }
        }
        for clothed in clothes(Ipv4Addr::new(8, 8, 8, 8)) {
            assert!(is_public(clothed), "8.8.8.8 as {clothed}");
        }
    }

    /// Mapped, NAT64, 6to4, Teredo by its client, Teredo by its server, ISATAP of both kinds.
    fn clothes(v4: Ipv4Addr) -> [IpAddr; 7] {
        let bits = v4.to_bits();
        let (high, low) = ((bits >> 16) as u16, (bits & 0xffff) as u16);
        let public = 0x0808;
        [
            v4.to_ipv6_mapped(),
            Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
            Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
            Ipv6Addr::new(0x2001, 0, public, public, 0, 0, !high, !low),
            Ipv6Addr::new(0x2001, 0, high, low, 0, 0, !public, !public),
            Ipv6Addr::new(0x2600, 1, 2, 3, 0, 0x5efe, high, low),
            Ipv6Addr::new(0x2600, 1, 2, 3, 0x200, 0x5efe, high, low),
        ]
        .map(IpAddr::V6)
    }

    // CIMD-7
    #[test]
    fn of_ipv6_only_global_unicast_is_public() {
        let table = [
            ("::", false),
            ("::1", false),
            ("::7f00:1", false),
            ("::8.8.8.8", false), // IPv4-compatible, deprecated: routed nowhere
            ("::ffff:127.0.0.1", false),
            ("::ffff:a00:1", false),
            ("::ffff:8.8.8.8", true),
            ("::ffff:0:127.0.0.1", false), // IPv4-translated
            ("::ffff:0:8.8.8.8", false),
            ("64:ff9b::7f00:1", false),
            ("64:ff9b::a9fe:a9fe", false),
            ("64:ff9b::808:808", true),
            ("64:ff9b:0:1::808:808", false), // the well-known prefix has 96 bits
            ("64:ff9b:1::808:808", false),   // local use: who knows what it means
            ("64:ff9b:1:7f00:0:100::", false),
            ("100::1", false), // discard
            ("1fff:ffff::1", false),
            ("2000::1", true),
            ("2001::1", false),
            ("2001:1::1", false),
            ("2001:2::1", false),
            ("2001:20::1", false),
            ("2001:1ff:ffff::1", false),
            ("2001:200::1", true),
            ("2001:4860:4860::8888", true),
            ("2001:db7:ffff::1", true),
            ("2001:db8::1", false),
            ("2001:db8:ffff:ffff::1", false),
            ("2001:db9::1", true),
            ("2002:7f00:1::1", false),
            ("2002:a00:1::", false),
            ("2002:808:808::1", true),
            ("2003::1", true),
            ("2600::1", true),
            ("2606:4700:4700::1111", true),
            ("2a00:1450:4001:81b::200e:5efe", true),
            ("3ffe:ffff::1", true),
            ("3fff::1", false),
            ("3fff:fff:ffff::1", false),
            ("3fff:1000::1", true),
            ("4000::1", false),
            ("5f00::1", false), // segment routing
            ("fc00::1", false),
            ("fd00:ec2::254", false), // the metadata of one cloud
            ("fdff::1", false),
            ("fe80::1", false),
            ("fe80::5efe:808:808", false), // ISATAP on a link
            ("febf::1", false),
            ("fec0::1", false), // site local, deprecated
            ("ff02::1", false),
            ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", false),
        ];
        for (text, public) in table {
            assert_eq!(is_public(address(text)), public, "{text}");
        }
    }

    #[test]
    fn well_known_public_addresses_are_public() {
        for text in
            ["1.1.1.1", "8.8.8.8", "9.9.9.9", "140.82.112.3", "172.217.0.1", "192.0.78.9", "198.20.1.1"]
        {
            assert!(is_public(address(text)), "{text}");
        }
    }

    #[test]
    fn what_a_gateway_would_reach_is_listed_with_the_address() {
        let listed: Vec<IpAddr> = with_carried(address("64:ff9b::a00:1")).collect();
        assert!(listed.contains(&address("10.0.0.1")) && listed.contains(&address("64:ff9b::a00:1")));
        assert_eq!(with_carried(address("::ffff:10.0.0.1")).collect::<Vec<_>>(), [address("10.0.0.1")]);
    }

    proptest! {
        #[test]
        fn nothing_that_the_standard_library_calls_special_is_public(bits: u32) {
            let v4 = Ipv4Addr::from_bits(bits);
            let special = v4.is_loopback() || v4.is_private() || v4.is_link_local() || v4.is_multicast()
                || v4.is_broadcast() || v4.is_documentation() || v4.is_unspecified();
            prop_assert!(!(special && is_public(IpAddr::V4(v4))), "{}", v4);
            // In whatever clothes, the verdict is that on the address inside.
            for clothed in clothes(v4) {
                prop_assert_eq!(is_public(clothed), is_public(IpAddr::V4(v4)), "{}", clothed);
            }
        }

        #[test]
        fn nor_of_ipv6(bits: u128) {
            let v6 = Ipv6Addr::from_bits(bits);
            let special = v6.is_loopback() || v6.is_multicast() || v6.is_unspecified()
                || v6.is_unique_local() || v6.is_unicast_link_local();
            prop_assert!(!(special && is_public(IpAddr::V6(v6))), "{}", v6);
        }
    }
}
