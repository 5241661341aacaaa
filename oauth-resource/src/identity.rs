//! Headers that tell an inner service who calls.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::authorized::Authorized;

/// What a header tells.
///
/// ```
/// use oauth_resource::IdentityClaim;
/// assert_ne!(IdentityClaim::Subject, IdentityClaim::ClientId);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdentityClaim {
    /// `iss`
    Issuer,
    /// `sub`
    Subject,
    /// `client_id`
    ClientId,
    /// `scope`
    Scope,
}

/// Which headers are the layer's alone: removed from what a client sends, in every spelling, and set from the token where
/// that is wanted (RS-40).
#[derive(Clone, Debug, Default)]
pub(crate) struct IdentityHeaders {
    owned: Vec<HeaderName>,
    set: Vec<(HeaderName, IdentityClaim)>,
}

impl IdentityHeaders {
    pub(crate) fn strip(&mut self, name: HeaderName) {
        self.owned.push(name);
    }

    pub(crate) fn set(&mut self, name: HeaderName, claim: IdentityClaim) {
        self.owned.push(name.clone());
        self.set.push((name, claim));
    }

    pub(crate) fn remove_from(&self, headers: &mut HeaderMap) {
        if self.owned.is_empty() {
            return;
        }
        let forged: Vec<HeaderName> = headers
            .keys()
            .filter(|name| self.owned.iter().any(|owned| is_alias(name, owned)))
            .cloned()
            .collect();
        for name in forged {
            headers.remove(name);
        }
    }

    pub(crate) fn add_to(&self, headers: &mut HeaderMap, caller: &Authorized) {
        for (name, claim) in &self.set {
            let value = match claim {
                IdentityClaim::Issuer => caller.issuer(),
                IdentityClaim::Subject => caller.subject().as_str(),
                IdentityClaim::ClientId => caller.client_id().as_str(),
                IdentityClaim::Scope => caller.scopes().as_str(),
            };
            // A value that no header can carry is left out; that it was forged is ruled out above.
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name.clone(), value);
            }
        }
    }
}

/// Whether some server behind reads both as one name: case is gone already, CGI reads `-` as `_`, others `.` as well.
fn is_alias(name: &HeaderName, owned: &HeaderName) -> bool {
    let (name, owned) = (name.as_str().as_bytes(), owned.as_str().as_bytes());
    let same = |(a, b): (&u8, &u8)| a == b || (!a.is_ascii_alphanumeric() && !b.is_ascii_alphanumeric());
    name.len() == owned.len() && name.iter().zip(owned).all(same)
}
