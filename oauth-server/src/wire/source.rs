//! Where a request came from.

use std::net::{IpAddr, SocketAddr};

use http::request::Parts;
use oauth_core::PeerAddress;
use oauth_core::fetch::Network;

use super::read::without_blanks;

/// The address to count a request under: the peer's, or what trusted proxies say of it. `None`: the host did not tell.
///
/// `X-Forwarded-For` is read from the right, past the trusted proxies alone: what a client wrote stands to the left (A-PROXY-3).
pub(crate) fn source_of(head: &Parts, trusted: &[Network]) -> Option<IpAddr> {
    let peer = head.extensions.get::<PeerAddress>()?.0.to_canonical();
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    if !is_trusted(peer) {
        return Some(peer);
    }
    let mut last = peer;
    let headers = head.headers.get_all("x-forwarded-for").iter().rev();
    for written in headers.flat_map(|value| value.as_bytes().rsplit(|byte| *byte == b',')) {
        // What cannot be read was not written by a proxy of ours: nothing to its left is believed.
        let Some(address) = std::str::from_utf8(without_blanks(written)).ok().and_then(address_of) else {
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
                source_of(&request.into_parts().0, &trusted),
                Some(source.parse().unwrap()),
                "{peer} {forwarded}"
            );
        }
    }
}
