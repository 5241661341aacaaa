//! What the vault holds for one user: their tokens, and until when somebody renews them.

use std::time::Duration;

use zeroize::Zeroizing;

use crate::secret::Secret;
use crate::time::Timestamp;

/// For how long who renews has the say: longer than a token endpoint may take, and no longer than a user waits if they died over it.
pub(super) const LEASE: Duration = Duration::from_secs(30);
/// By how much another server's clock may be ahead.
const SKEW: Duration = Duration::from_secs(30);

/// Plain bytes, as they are sealed: the end of the lease in milliseconds, a line's end, the tokens. Without tokens: the third party took them
/// no more. That is kept in their place, because only what is there can be replaced by compare-and-set.
pub(super) type Plain = Zeroizing<Vec<u8>>;

pub(super) struct Kept {
    pub(super) tokens: Option<Secret>,
    leased_until: Timestamp,
}

impl Kept {
    pub(super) fn plain(tokens: &Secret, leased_until: Timestamp) -> Plain {
        Zeroizing::new(format!("{}\n{}", leased_until.as_millis(), tokens.expose()).into_bytes())
    }

    /// In place of tokens that were refused.
    pub(super) fn none() -> Plain {
        Zeroizing::new(b"0\n".to_vec())
    }

    pub(super) fn read(plain: &[u8]) -> Option<Self> {
        let (until, tokens) = std::str::from_utf8(plain).ok()?.split_once('\n')?;
        let leased_until = Timestamp::from_millis(until.parse().ok()?);
        let tokens = (!tokens.is_empty()).then(|| Secret::new(tokens.to_owned()));
        Some(Self { tokens, leased_until })
    }

    /// For how long somebody else has the say. A clock that is set back makes no short lease a long one.
    pub(super) fn leased_for(&self, now: Timestamp) -> Option<Duration> {
        let left = self.leased_until.since(now);
        (!left.is_zero() && left <= LEASE + SKEW).then_some(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_ends_and_a_clock_set_back_prolongs_none() {
        let (now, tokens) = (Timestamp::from_secs(1_700_000_000), Secret::new("a\nb".into()));
        let kept = Kept::read(&Kept::plain(&tokens, now + LEASE)).unwrap();
        assert_eq!(kept.tokens.as_ref().unwrap().expose(), "a\nb");
        for (at, left) in [
            (now, Some(LEASE)),
            (now + LEASE, None),
            (now.before(SKEW), Some(LEASE + SKEW)),
            (now.before(SKEW + Duration::from_secs(1)), None),
        ] {
            assert_eq!(kept.leased_for(at), left, "{at:?}");
        }
        assert!(Kept::read(&Kept::none()).unwrap().tokens.is_none());
        for other in [&b""[..], b"x\ny", b"1", b"\xff\n"] {
            assert!(Kept::read(other).is_none());
        }
    }
}
