//! Where a request came from: the address, and the network that limits count it under.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::{Extensions, HeaderMap};

use crate::fetch::Network;

/// The network that an address counts under: an IPv4 address by itself, an IPv6 address with its whole /64, because one household has that
/// many to try from.
///
/// ```
/// use oauth_core::SourceNetwork;
///
/// let network = |address: &str| SourceNetwork::of(address.parse().unwrap());
/// assert_eq!(network("2001:db8:1:2::1"), network("2001:db8:1:2:ffff::9"));
/// assert_eq!(network("::ffff:192.0.2.1").to_string(), "192.0.2.1");
/// assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SourceNetwork(IpAddr);

impl SourceNetwork {
    /// The network of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
            address @ IpAddr::V4(_) => address,
        })
    }

    /// The /48 that an IPv6 network is one of, which is what one site is given: by moving about within it somebody is 65,536 networks. An IPv4
    /// address is by itself.
    ///
    /// ```
    /// use oauth_core::SourceNetwork;
    ///
    /// let site = |address: &str| SourceNetwork::of(address.parse().unwrap()).site();
    /// assert_eq!(site("2001:db8:1:2::1"), site("2001:db8:1:ffff::1"));
    /// assert_ne!(site("2001:db8:1::1"), site("2001:db8:2::1"));
    /// assert_ne!(site("192.0.2.1"), site("192.0.2.2"));
    /// ```
    #[must_use]
    pub fn site(self) -> Self {
        Self(match self.0 {
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 80)).into(),
            address @ IpAddr::V4(_) => address,
        })
    }
}

impl fmt::Display for SourceNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The address that a request came from. A host puts it into the request's extensions: limits tell callers apart by it, and what a
/// proxy says is believed or not by it.
///
/// ```
/// use oauth_core::PeerAddress;
///
/// let mut request = http::Request::new(());
/// request.extensions_mut().insert(PeerAddress("192.0.2.7".parse().unwrap()));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddress(pub IpAddr);

/// The address to count a request under: the peer's, or what `trusted` proxies say of it. `None`: the host did not tell
/// ([`PeerAddress`]).
///
/// `X-Forwarded-For` is read from the right, past the trusted proxies alone: what a client wrote stands to the left (A-PROXY-3).
///
/// ```
/// use oauth_core::{PeerAddress, source_address};
///
/// let mut request = http::Request::new(());
/// request.extensions_mut().insert(PeerAddress("10.0.0.1".parse()?));
/// request.headers_mut().insert("x-forwarded-for", "198.51.100.7, 192.0.2.7".parse()?);
/// let source = |trusted: &[_]| source_address(request.headers(), request.extensions(), trusted);
/// assert_eq!(source(&[]), Some("10.0.0.1".parse()?));
/// assert_eq!(source(&["10.0.0.0/8".parse()?]), Some("192.0.2.7".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn source_address(headers: &HeaderMap, extensions: &Extensions, trusted: &[Network]) -> Option<IpAddr> {
    let peer = extensions.get::<PeerAddress>()?.0.to_canonical();
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    if !is_trusted(peer) {
        return Some(peer);
    }
    let mut last = peer;
    let written = headers.get_all("x-forwarded-for").iter().rev();
    for written in written.flat_map(|value| value.as_bytes().rsplit(|byte| *byte == b',')) {
        // What cannot be read was not written by a proxy of ours: nothing to its left is believed.
        let Some(address) = std::str::from_utf8(written.trim_ascii()).ok().and_then(address_of) else {
            break;
        };
        last = address;
        if !is_trusted(address) {
            break;
        }
    }
    Some(last)
}

/// An address, with or without a port.
fn address_of(written: &str) -> Option<IpAddr> {
    let address =
        written.parse::<IpAddr>().ok().or_else(|| written.parse::<SocketAddr>().ok().map(|with| with.ip()));
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_are_believed() {
        // A-PROXY-2, A-PROXY-3
        let trusted: Vec<Network> = vec!["10.0.0.0/8".parse().unwrap()];
        for (peer, forwarded, source) in [
            ("203.0.113.9", "192.0.2.1", "203.0.113.9"),
            ("10.0.0.1", "192.0.2.1", "192.0.2.1"),
            ("10.0.0.1", "198.51.100.7, 192.0.2.1, 10.0.0.2", "192.0.2.1"),
            ("10.0.0.1", "", "10.0.0.1"),
            ("10.0.0.1", "unknown, 203.0.113.9", "203.0.113.9"),
            ("10.0.0.1", "203.0.113.9, unknown", "10.0.0.1"),
            ("10.0.0.1", "203.0.113.9:4711, 10.0.0.2:80", "203.0.113.9"),
            ("10.0.0.1", "203.0.113.9,\u{2000}192.0.2.1", "10.0.0.1"),
            ("::ffff:10.0.0.1", "192.0.2.1", "192.0.2.1"),
        ] {
            let mut request = http::Request::new(());
            request.extensions_mut().insert(PeerAddress(peer.parse().unwrap()));
            request
                .headers_mut()
                .insert("x-forwarded-for", http::HeaderValue::from_bytes(forwarded.as_bytes()).unwrap());
            assert_eq!(
                source_address(request.headers(), request.extensions(), &trusted),
                Some(source.parse().unwrap()),
                "{peer} {forwarded}"
            );
        }
    }
}
