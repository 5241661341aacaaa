//! Where a request came from.

use std::net::IpAddr;

use http::request::Parts;
use oauth_core::fetch::Network;
use oauth_core::source_address;

/// The address to count a request under.
pub(crate) fn source_of(head: &Parts, trusted: &[Network]) -> Option<IpAddr> {
    source_address(&head.headers, &head.extensions, trusted)
}
