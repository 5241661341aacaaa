//! What is exchanged: a refresh token for an access token and the next refresh token.

use oauth_core::{Credential, CredentialKind, Grant};
use oauth_stores::testing::scene::{credential, grant};

pub(crate) use oauth_stores::testing::scene::{NOW, reply, tokens as issued};

/// A grant and its refresh token.
pub(crate) fn session() -> (Grant, Credential) {
    let grant = grant();
    let refresh = credential(&grant, CredentialKind::RefreshToken);
    (grant, refresh)
}
