//! A range of addresses, written as in `10.20.0.0/16`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A range of IP addresses in CIDR notation ([RFC 4632 §3.1](https://www.rfc-editor.org/rfc/rfc4632#section-3.1)).
///
/// An operator names one to open or to close a part of the network to a
/// [`FetchPolicy`](super::FetchPolicy). An address alone is a range of one.
///
/// ```
/// use oauth_core::fetch::Network;
///
/// let office: Network = "10.20.0.0/16".parse()?;
/// assert!(office.contains("10.20.3.4".parse()?));
/// assert!(!office.contains("10.21.0.1".parse()?));
/// // An IPv4 address in IPv6 clothes is still that IPv4 address.
/// assert!(office.contains("::ffff:10.20.3.4".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network {
    base: IpAddr,
    prefix: u8,
}

impl Network {
    /// A range by its first address and the number of leading bits that all its addresses share.
    ///
    /// # Errors
    ///
    /// [`NetworkError`] if there are more bits than the address has, or if `base` has bits set behind them:
    /// who writes `10.20.3.4/16` has mistaken either the address or the length.
    pub fn new(base: IpAddr, prefix: u8) -> Result<Self, NetworkError> {
        let fault = |reason| NetworkError { text: format!("{base}/{prefix}"), reason };
        let width = if base.is_ipv4() { 32 } else { 128 };
        if prefix > width {
            return Err(fault("the prefix is longer than the address"));
        }
        if leading_bits(base, prefix) != base {
            return Err(fault("the address has bits set behind the prefix"));
        }
        Ok(Self { base, prefix })
    }

    /// Whether the address lies in the range. IPv4-mapped IPv6 addresses are the IPv4 address they carry.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.base.is_ipv4() && leading_bits(address, self.prefix) == self.base
    }

    pub(super) const fn v4(base: [u8; 4], prefix: u8) -> Self {
        Self { base: IpAddr::V4(Ipv4Addr::new(base[0], base[1], base[2], base[3])), prefix }
    }

    pub(super) const fn v6(base: [u16; 3], prefix: u8) -> Self {
        Self { base: IpAddr::V6(Ipv6Addr::new(base[0], base[1], base[2], 0, 0, 0, 0, 0)), prefix }
    }
}

/// The address with all bits behind the first `count` cleared.
fn leading_bits(address: IpAddr, count: u8) -> IpAddr {
    let count = u32::from(count);
    match address {
        // A shift by the full width is no shift at all in Rust: `checked_shl` gives the empty mask instead.
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - count).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & mask))
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - count).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask))
        }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let fault = |reason| NetworkError { text: text.to_owned(), reason };
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let base: IpAddr = address.parse().map_err(|_| fault("the address cannot be read"))?;
        let width = if base.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => width,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().map_err(|_| fault("the prefix cannot be read"))?
            }
            Some(_) => return Err(fault("the prefix cannot be read")),
        };
        Self::new(base, prefix)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix)
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Network({self})")
    }
}

/// A text that is no range of addresses. It names the text and what is wrong with it.
///
/// ```
/// use oauth_core::fetch::Network;
///
/// let error = "10.20.3.4/16".parse::<Network>().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     r#"invalid network "10.20.3.4/16": the address has bits set behind the prefix"#
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid network {text:?}: {reason}")]
pub struct NetworkError {
    text: String,
    reason: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_space_and_a_single_address_are_ranges_too() {
        let all: Network = "0.0.0.0/0".parse().unwrap();
        assert!(all.contains(IpAddr::from([8, 8, 8, 8])));
        assert!(!all.contains("2600::1".parse().unwrap()), "IPv4 ranges hold no IPv6 addresses");
        let all: Network = "::/0".parse().unwrap();
        assert!(all.contains("2600::1".parse().unwrap()));
        let one: Network = "192.0.2.7".parse().unwrap();
        assert_eq!(one.to_string(), "192.0.2.7/32");
        assert!(one.contains(IpAddr::from([192, 0, 2, 7])) && !one.contains(IpAddr::from([192, 0, 2, 8])));
    }

    #[test]
    fn what_is_no_range_is_named() {
        for text in [
            "",
            "/8",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "::/129",
            "10/8",
            "fd00::1/8",
        ] {
            let error = text.parse::<Network>().unwrap_err();
            assert!(error.to_string().starts_with(&format!("invalid network {text:?}: ")), "{error}");
        }
    }
}
