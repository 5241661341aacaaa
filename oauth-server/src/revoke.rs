//! `/revoke`: token revocation, [RFC 7009](https://www.rfc-editor.org/rfc/rfc7009).
//!
//! 1. The client authenticates as registered (REV-1). Without a token no document is fetched for it (CIMD-11).
//! 2. The token is found by itself; `token_type_hint` is not needed and not read (REV-4).
//! 3. Somebody else's token, or one that nobody issued, gets the same answer as success, and nothing happens (REV-2).
//! 4. Any token of a grant ends the whole grant, at once and by one write: its refresh token and all access tokens
//!    (REV-3; for access tokens §2.1 leaves it to us). A spent or expired one does so too: who revokes wants to be gone,
//!    and may hold an older token than another process of the same client.
//! 5. A store that cannot be asked is 503, never 200 (REV-5): the client would throw a live token away.

use std::sync::Arc;

use http::StatusCode;
use http::header::CONTENT_TYPE;
use oauth_core::{CredentialKey, ErrorCode, Event, EventKind, OAuthError, Revocation, StoreError, Timestamp};

use crate::clients::authenticate::{Presented, presented_header};
use crate::server::Context;
use crate::wire::{Reply, Request, error_reply, json_reply, source_of};

pub(crate) async fn handle(context: &Arc<Context>, request: &Request, now: Timestamp) -> Reply {
    match revoke(context, request, now).await {
        Ok(()) => {
            let mut reply = json_reply(StatusCode::OK, "");
            reply.headers_mut().remove(CONTENT_TYPE);
            reply
        }
        Err(error) => error_reply(&error, presented_header(&request.head.headers)),
    }
}

async fn revoke(context: &Context, request: &Request, now: Timestamp) -> Result<(), OAuthError> {
    let form = request.form()?;
    let presented = Presented::read(&request.head.headers, &form)?;
    let token = form.get("token").ok_or(OAuthError::new(ErrorCode::InvalidRequest, "token is missing"));
    // A document is fetched only for a token that could be one (CIMD-11).
    if presented.is_by_document(context) && CredentialKey::of(token.clone()?).is_none() {
        return Ok(());
    }
    let source = source_of(&request.head, &context.trusted_proxies);
    let caller = presented.judge(context, source, now).await?;
    let token = token?;
    let Some(key) = CredentialKey::of(token) else { return Ok(()) };
    let Some(found) = context.stores.grants.find(&key).await.map_err(|error| unavailable(&error))? else {
        return Ok(());
    };
    if found.grant.client_id != caller.client.id {
        // A-INTRO-8
        return Ok(());
    }
    let grant = &found.grant;
    let ended = context
        .stores
        .grants
        .revoke(Revocation::Grant(&grant.id), now)
        .await
        .map_err(|error| unavailable(&error))?;
    if ended > 0 {
        context.record(&Event {
            subject: Some(&grant.subject),
            client_id: Some(&grant.client_id),
            grant: Some(&grant.id),
            reason: Some("revoked_by_client"),
            ..Event::new(EventKind::GrantRevoked, now)
        });
    }
    Ok(())
}

fn unavailable(error: &StoreError) -> OAuthError {
    tracing::error!(error = error as &dyn std::error::Error, "a token cannot be revoked");
    OAuthError::unavailable()
}
