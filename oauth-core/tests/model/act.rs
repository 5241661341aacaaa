//! What can happen, and the names of what it happens to.

use std::fmt;
use std::time::Duration;

use oauth_core::{
    Binding, Credential, CredentialKey, CredentialKind, Grant, GrantId, ResourceUri, SubjectKind, Timestamp,
    TokenHash,
};

use crate::reference::Root;

/// How many callers there are. The last asks for something else than the others: a thief, or a client gone wrong.
pub(crate) const CALLERS: usize = 3;

const START: Timestamp = Timestamp::from_secs(1_800_000_000);

/// The times at which something can happen. Each window ends at one of them, to the millisecond: that is where faults live.
const INSTANTS: [Duration; 6] = [
    Duration::ZERO,
    Duration::from_secs(60),
    // The grace window of what was spent at the start is over.
    GRACE,
    // Codes are over, and access tokens of the start.
    CODE,
    // Refresh tokens of the start are.
    REFRESH,
    // The grant is.
    GRANT,
];

pub(crate) const GRACE: Duration = Duration::from_secs(120);
const CODE: Duration = Duration::from_secs(600);
const REFRESH: Duration = Duration::from_secs(30 * 86_400);
const GRANT: Duration = Duration::from_secs(90 * 86_400);

/// One of the [`INSTANTS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct Instant(pub(crate) u8);

impl Instant {
    pub(crate) fn time(self) -> Timestamp {
        START + INSTANTS[usize::from(self.0)]
    }

    pub(crate) fn is_within_grace_of(self, other: Self) -> bool {
        let (one, other) = (self.time(), other.time());
        one.since(other).max(other.since(one)) < GRACE
    }
}

/// A refresh token or the code: the root is 0, what caller `c` gets for `n` is `1 + CALLERS * n + c`. Its access token has the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Name(pub(crate) u8);

impl Name {
    pub(crate) const ROOT: Self = Self(0);

    pub(crate) fn successor(self, caller: usize) -> Self {
        Self(1 + self.0 * CALLERS as u8 + caller as u8)
    }

    /// What it was bought with, and by whom.
    pub(crate) fn origin(self) -> Option<(Self, usize)> {
        let at = self.0.checked_sub(1)?;
        Some((Self(at / CALLERS as u8), usize::from(at) % CALLERS))
    }

    /// How many exchanges led to it.
    pub(crate) fn depth(self) -> usize {
        self.origin().map_or(0, |(from, _)| 1 + from.depth())
    }

    pub(crate) fn key(self) -> CredentialKey {
        CredentialKey { grant: grant().id, hash: TokenHash::from_bytes([self.0; 32]) }
    }

    pub(crate) fn access_key(self) -> CredentialKey {
        CredentialKey { hash: TokenHash::from_bytes([128 + self.0; 32]), ..self.key() }
    }

    pub(crate) fn kind(self, root: Root) -> CredentialKind {
        match root {
            Root::Code if self == Self::ROOT => CredentialKind::AuthorizationCode,
            _ => CredentialKind::RefreshToken,
        }
    }

    pub(crate) fn life(self, root: Root) -> Duration {
        if self.kind(root) == CredentialKind::AuthorizationCode { CODE } else { REFRESH }
    }

    pub(crate) fn credential(self, root: Root, issued: Instant) -> Credential {
        credential(self.key(), self.kind(root), issued, self.life(root))
    }

    /// It lives as long as a code.
    pub(crate) fn access(self, issued: Instant) -> Credential {
        credential(self.access_key(), CredentialKind::AccessToken, issued, CODE)
    }
}

fn credential(key: CredentialKey, kind: CredentialKind, issued: Instant, life: Duration) -> Credential {
    let grant = grant();
    Credential {
        key,
        kind,
        binding: Binding::Bearer,
        scopes: grant.scopes,
        resources: grant.resources,
        issued_at: issued.time(),
        expires_at: issued.time() + life,
        code: None,
    }
}

/// The grant that all of it is about.
pub(crate) fn grant() -> Grant {
    static GRANT_OF_ALL: std::sync::LazyLock<Grant> = std::sync::LazyLock::new(|| Grant {
        id: GrantId::from_bytes([7; 16]),
        subject: "alice".parse().unwrap(),
        subject_kind: SubjectKind::User,
        client_id: "app".parse().unwrap(),
        scopes: "notes:read".parse().unwrap(),
        resources: "https://mcp.example/mcp".parse::<ResourceUri>().unwrap().into(),
        issued_at: START,
        expires_at: START + GRANT,
        auth_time: None,
        revoked_at: None,
    });
    GRANT_OF_ALL.clone()
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// A caller's request arrives with this credential: the clock is read, the snapshot is taken and judged.
    Present(usize, Name),
    /// It goes on: `exchange`, as far as it gets before it waits for something.
    GoOn(usize),
    /// The operator, or the user, revokes the grant.
    Revoke,
    /// What ended before now is purged.
    Purge,
    /// Time passes.
    Tick,
    /// The clock is set back.
    StepBack,
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Present(caller, name) => write!(f, "caller {caller} presents {}", name.0),
            Self::GoOn(caller) => write!(f, "caller {caller} exchanges"),
            Self::Revoke => f.write_str("the grant is revoked"),
            Self::Purge => f.write_str("a purge"),
            Self::Tick => f.write_str("time passes"),
            Self::StepBack => f.write_str("the clock steps back"),
        }
    }
}

/// How much can happen: what keeps the search finite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Bounds {
    /// How often each caller presents something.
    pub(crate) presentations: [u8; CALLERS],
    pub(crate) revocations: u8,
    pub(crate) purges: u8,
    pub(crate) steps_back: u8,
    /// What took more exchanges to get is not presented any more.
    pub(crate) deepest: usize,
    /// How many of the instants there are.
    pub(crate) instants: u8,
}
