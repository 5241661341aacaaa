//! From an entitlement to tokens: secrets and their hashes, then one atomic store call, then the answer.

use bytes::Bytes;
use oauth_core::{
    Binding, Client, Credential, CredentialKind, EventKind, Exchange, Exchanged, Grant, GrantId,
    GrantTypeName, ScopeSet, SealedReply, Secret, Subject, Timestamp,
};
use serde::Serialize;

use super::entitlement::{Basis, Entitlement};
use super::fault::TokenFault;
use crate::server::Context;

/// Tokens that exist, and that no store knows yet.
pub(super) struct Minted {
    basis: Basis,
    grant: Grant,
    issued: Vec<Credential>,
    reply: Bytes,
}

/// Tokens that count, with what the audit wants to know.
pub(super) struct Issued {
    pub(super) json: Bytes,
    pub(super) kind: EventKind,
    pub(super) grant: GrantId,
    pub(super) subject: Subject,
    pub(super) scopes: ScopeSet,
}

/// RFC 6749 §5.1. No member is ever `null`.
#[derive(Serialize)]
struct TokenResponse<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
    // Always told, even if it is what was asked for (TOK-5).
    #[serde(skip_serializing_if = "str::is_empty")]
    scope: &'a str,
}

pub(super) fn mint(context: &Context, client: &Client, entitlement: Entitlement, now: Timestamp) -> Minted {
    let Entitlement { basis, scopes, resources, not_after } = entitlement;
    let grant = match &basis {
        Basis::Spends { grant, .. } => (**grant).clone(),
        Basis::Opens { subject, kind } => Grant {
            id: GrantId::generate(&*context.entropy),
            subject: subject.clone(),
            subject_kind: *kind,
            client_id: client.id.clone(),
            scopes: scopes.clone(),
            resources: resources.clone(),
            issued_at: now,
            expires_at: now + context.policy.access_token,
            auth_time: None,
            revoked_at: None,
        },
    };
    let end = not_after.unwrap_or(Timestamp::MAX).min(grant.expires_at);
    let credential = |kind, key, expires_at| Credential {
        key,
        kind,
        binding: Binding::Bearer,
        scopes: scopes.clone(),
        resources: resources.clone(),
        issued_at: now,
        expires_at,
        code: None,
    };
    let access_end = (now + context.policy.access_token).min(end);
    let (access, access_key) = context.format.mint(CredentialKind::AccessToken, grant.id, &*context.entropy);
    let mut issued = vec![credential(CredentialKind::AccessToken, access_key, access_end)];
    let mut refresh = None;
    if matches!(basis, Basis::Spends { .. }) && client.may(&GrantTypeName::RefreshToken) {
        let (secret, key) = context.format.mint(CredentialKind::RefreshToken, grant.id, &*context.entropy);
        let refresh_end = (now + context.policy.refresh_token).min(end);
        // It keeps the whole grant, whatever this access token was narrowed to (REF-6).
        issued.push(Credential {
            scopes: grant.scopes.clone(),
            resources: grant.resources.clone(),
            ..credential(CredentialKind::RefreshToken, key, refresh_end)
        });
        refresh = Some(secret);
    }
    let response = TokenResponse {
        access_token: access.expose(),
        token_type: "Bearer",
        expires_in: access_end.since(now).as_secs(),
        refresh_token: refresh.as_ref().map(Secret::expose),
        scope: scopes.as_str(),
    };
    let reply = Bytes::from(serde_json::to_vec(&response).expect("texts and a number have a json form"));
    Minted { basis, grant, issued, reply }
}

impl Minted {
    /// Lets the tokens count: the one atomic step.
    pub(super) async fn record(self, context: &Context, now: Timestamp) -> Result<Issued, TokenFault> {
        let Self { basis, grant, issued, reply } = self;
        let scopes = issued[0].scopes.clone();
        let (json, kind) = match basis {
            Basis::Opens { .. } => {
                context.stores.grants.open(&grant, &issued).await?;
                (reply, EventKind::TokenIssued)
            }
            Basis::Spends { key, presented, is_code, request, .. } => {
                let grace = if is_code { std::time::Duration::ZERO } else { context.policy.grace };
                let sealed = if grace.is_zero() {
                    // Nobody will ever be given it.
                    SealedReply::from_parts(request, Vec::new())
                } else {
                    SealedReply::seal(&presented, request, &reply, &*context.entropy)
                };
                let exchange = Exchange { spent: &key, issued: &issued, reply: sealed, now, grace };
                match context.stores.grants.exchange(exchange).await? {
                    Exchanged::Done if is_code => (reply, EventKind::TokenIssued),
                    Exchanged::Done => (reply, EventKind::TokenRefreshed),
                    Exchanged::Retried(earlier) => {
                        let opened = earlier.open(&presented);
                        let reply = opened
                            .ok_or_else(|| oauth_core::StoreError::corrupt("a sealed reply does not open"))?;
                        (Bytes::from(reply), EventKind::ReplyRepeated)
                    }
                    Exchanged::Replayed if is_code => return Err(TokenFault::CodeReplayed),
                    Exchanged::Replayed => return Err(TokenFault::RefreshReplayed),
                    Exchanged::Gone => return Err(TokenFault::Revoked),
                }
            }
        };
        Ok(Issued { json, kind, grant: grant.id, subject: grant.subject, scopes })
    }
}
