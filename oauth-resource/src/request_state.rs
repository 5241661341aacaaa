//! `requestState` of multi-round-trip requests: what a server gives a client to bring back, tied to who asked for what (RS-90).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use oauth_core::{Entropy, OsEntropy, ResourceUri, Sealer, Timestamp, TokenHash};

use crate::authorized::Authorized;

/// Seals `requestState`. A client can neither read nor change it, nor use another user's, nor bring it back to another request, nor
/// later than it is good for. It can bring it back twice: what must happen once is noted by the server.
///
/// ```
/// use std::time::Duration;
/// use oauth_core::{Claims, Sealer, Timestamp};
/// use oauth_resource::{Authorized, RequestStates};
///
/// let states = RequestStates::new(Sealer::new(&[7; 32]), &"https://mcp.example/mcp".parse()?).lasting(Duration::from_secs(600));
/// let caller = |name: &str| {
///     Authorized::assertion(Claims::new("https://as.example", name.parse().unwrap(), "app".parse().unwrap(), Timestamp::MAX))
/// };
/// let now = Timestamp::from_secs(1_700_000_000);
/// let state = states.seal(&caller("alice"), "tools/call delete_all {}", b"step 2", now);
///
/// assert_eq!(states.open(&caller("alice"), "tools/call delete_all {}", &state, now).unwrap(), b"step 2");
/// assert!(states.open(&caller("mallory"), "tools/call delete_all {}", &state, now).is_none());
/// assert!(states.open(&caller("alice"), "tools/call delete_all {\"really\":true}", &state, now).is_none());
/// assert!(states.open(&caller("alice"), "tools/call delete_all {}", &state, now + Duration::from_secs(600)).is_none());
/// # Ok::<(), oauth_core::UrlError>(())
/// ```
#[derive(Clone)]
pub struct RequestStates {
    sealer: Arc<Sealer>,
    resource: Arc<str>,
    lasting: Duration,
    entropy: Arc<dyn Entropy>,
}

const LABEL: &str = "mcp request state v1";

impl RequestStates {
    /// With a key of 256 random bits. Servers that stand for each other share it; a state of one resource is none of another, whatever they
    /// share.
    #[must_use]
    pub fn new(sealer: Sealer, resource: &ResourceUri) -> Self {
        Self {
            sealer: Arc::new(sealer),
            resource: resource.as_str().into(),
            lasting: Duration::from_secs(600),
            entropy: Arc::new(OsEntropy),
        }
    }

    /// For how long a state is good. Without it, ten minutes: a user answers a question meanwhile.
    #[must_use]
    pub const fn lasting(mut self, lasting: Duration) -> Self {
        self.lasting = lasting;
        self
    }

    /// The state for `caller`, who asked for `request`: method, name and arguments, written the same way when it comes back.
    #[must_use]
    pub fn seal(&self, caller: &Authorized, request: &str, state: &[u8], now: Timestamp) -> String {
        let until = now + self.lasting;
        let mut plain = until.as_millis().to_be_bytes().to_vec();
        plain.extend_from_slice(state);
        self.sealer.seal(LABEL, &self.bound_to(caller, request), &plain, &*self.entropy)
    }

    /// The state, if it was sealed for this caller and this request, and is still good.
    #[must_use]
    pub fn open(&self, caller: &Authorized, request: &str, sealed: &str, now: Timestamp) -> Option<Vec<u8>> {
        let mut plain = self.sealer.open(LABEL, &self.bound_to(caller, request), sealed)?;
        let until = Timestamp::from_millis(u64::from_be_bytes(*plain.first_chunk()?));
        plain.drain(..8);
        (now < until).then_some(plain)
    }

    /// Each part with its length, so that no two callers and requests share a text.
    fn bound_to(&self, caller: &Authorized, request: &str) -> Vec<u8> {
        let mut bound = Vec::with_capacity(160);
        for part in [&*self.resource, caller.issuer(), caller.subject().as_str(), caller.client_id().as_str()]
        {
            bound.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bound.extend_from_slice(part.as_bytes());
        }
        bound.extend_from_slice(TokenHash::of(request).as_bytes());
        bound
    }
}

impl fmt::Debug for RequestStates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestStates").field("lasting", &self.lasting).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use oauth_core::Claims;

    fn caller(issuer: &str, subject: &str, client: &str) -> Authorized {
        let (subject, client) = (subject.parse().unwrap(), client.parse().unwrap());
        Authorized::assertion(Claims::new(issuer, subject, client, Timestamp::MAX))
    }

    #[test]
    fn a_aud_16_a_state_is_of_one_caller_one_request_and_a_short_time() {
        // RS-90
        let at = |resource: &str| RequestStates::new(Sealer::new(&[1; 32]), &resource.parse().unwrap());
        let states = at("https://mcp.example/mcp");
        let (alice, now) = (caller("https://as", "alice", "app"), Timestamp::from_secs(1_700_000_000));
        let sealed = states.seal(&alice, "tools/call a", b"state", now);
        assert_eq!(states.open(&alice, "tools/call a", &sealed, now).as_deref(), Some(&b"state"[..]));
        for other in [
            caller("https://as", "bob", "app"),
            caller("https://as", "alice", "other"),
            caller("https://as2", "alice", "app"),
            caller("https://as", "alicea", "pp"),
        ] {
            assert_eq!(states.open(&other, "tools/call a", &sealed, now), None, "{other:?}");
        }
        assert_eq!(states.open(&alice, "tools/call b", &sealed, now), None);
        let late = now + Duration::from_secs(600);
        assert_eq!(states.open(&alice, "tools/call a", &sealed, late), None);
        assert_eq!(at("https://mcp.example/other").open(&alice, "tools/call a", &sealed, now), None);
        assert_eq!(
            RequestStates::new(Sealer::new(&[2; 32]), &"https://mcp.example/mcp".parse().unwrap()).open(
                &alice,
                "tools/call a",
                &sealed,
                now
            ),
            None
        );
        for index in 0..sealed.len() {
            let mut tampered = sealed.clone().into_bytes();
            tampered[index] = if tampered[index] == b'A' { b'B' } else { b'A' };
            let tampered = String::from_utf8(tampered).unwrap();
            // The last letter holds bits that say nothing, and is not canonical with them set.
            assert_eq!(states.open(&alice, "tools/call a", &tampered, now), None, "{index}");
        }
        for forged in ["", "x", &sealed[1..], &format!("{sealed}A")] {
            assert_eq!(states.open(&alice, "tools/call a", forged, now), None, "{forged}");
        }
    }
}
