//! Headers that tell an inner service who calls.

use std::borrow::Cow;

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
    /// What the token says the person is called: `preferred_username`, else `name`. Neither unique nor checked by anybody; empty where
    /// the token says nothing. Percent-encoded where it is not visible ASCII.
    Name,
}

impl IdentityClaim {
    /// Its text for a header.
    pub(crate) fn of(self, caller: &Authorized) -> Cow<'_, str> {
        match self {
            Self::Issuer => caller.issuer().into(),
            Self::Subject => caller.subject().as_str().into(),
            Self::ClientId => caller.client_id().as_str().into(),
            Self::Scope => caller.scopes().as_str().into(),
            Self::Name => name(caller).into(),
        }
    }
}

fn name(caller: &Authorized) -> String {
    let Some(extra) = &caller.claims().extra else { return String::new() };
    let said = ["preferred_username", "name"].iter().find_map(|claim| extra.get(*claim)?.as_str());
    let mut text = String::new();
    for byte in said.unwrap_or_default().bytes() {
        match byte {
            // Spaces inside a name stay readable; the percent is encoded too, so that one text has one meaning.
            b' ' | b'!'..=b'~' if byte != b'%' => text.push(char::from(byte)),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text.trim().to_owned()
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
            // A value that no header can carry is left out; that it was forged is ruled out above.
            if let Ok(value) = HeaderValue::from_str(&claim.of(caller)) {
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
