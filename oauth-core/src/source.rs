//! Where a request came from: the address, and the network that limits count it under.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

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
