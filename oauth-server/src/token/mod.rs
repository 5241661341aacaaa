//! The token endpoint (RFC 6749 §3.2): read, authenticate, entitle, mint, record, write. Each step consumes the one before and is the
//! only way to the next.

pub(crate) mod authorization_code;
mod entitlement;
mod fault;
mod grant_type;
mod mint;
pub(crate) mod refresh;

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use oauth_core::{
    ClientAuth, ClientOrigin, CredentialKey, Event, EventKind, Form, GrantTypeName, OAuthError, SubjectKind,
    Timestamp,
};

pub use entitlement::Entitlement;
pub use fault::TokenFault;
pub use grant_type::{Asked, GrantType};

use self::entitlement::Basis;
use crate::clients::authenticate::{AuthenticatedClient, Presented, presented_header};
use crate::server::{AuthorizationServer, Context};
use crate::wire::{Reply, Request, error_reply, json_reply, source_of};

pub(crate) async fn handle(context: &Arc<Context>, request: &Request, now: Timestamp) -> Reply {
    let outcome = match request.form() {
        Ok(form) => {
            let source = source_of(&request.head, &context.trusted_proxies);
            issue(context, &request.head.headers, &form, source, now).await
        }
        Err(error) => Err(error),
    };
    match outcome {
        Ok(json) => json_reply(StatusCode::OK, json),
        Err(error) => error_reply(&error, presented_header(&request.head.headers)),
    }
}

impl AuthorizationServer {
    /// The token operation itself, without HTTP around it: the form of a token request and its headers, at a point in time. The JSON of
    /// RFC 6749 §5.1, or the error of §5.2.
    ///
    /// # Errors
    /// What a client is told.
    pub async fn token(
        &self,
        headers: &HeaderMap,
        form: &Form<'_>,
        now: Timestamp,
    ) -> Result<Bytes, OAuthError> {
        issue(&self.context, headers, form, None, now).await
    }
}

async fn issue(
    context: &Context,
    headers: &HeaderMap,
    form: &Form<'_>,
    source: Option<IpAddr>,
    now: Timestamp,
) -> Result<Bytes, OAuthError> {
    let presented = Presented::read(headers, form)?;
    let judged = match plausible(context, form) {
        // A document is fetched only for a request that could succeed (CIMD-11).
        Err(fault) if presented.is_by_document(context) => Err(fault.into()),
        _ => presented.judge(context, source, now).await,
    };
    let caller = judged.inspect_err(|error| {
        context
            .record(&Event { reason: Some(error.code.as_str()), ..Event::new(EventKind::TokenRefused, now) });
    })?;
    let outcome = entitled(context, form, &caller, now).await;
    match outcome {
        Ok(issued) => {
            let event = Event {
                client_id: Some(&caller.client.id),
                grant: Some(&issued.grant),
                subject: Some(&issued.subject),
                scopes: Some(&issued.scopes),
                ..Event::new(issued.kind, now)
            };
            context.record(&event);
            renew(context, &caller, now).await;
            Ok(issued.json)
        }
        Err(fault) => {
            let kind = fault.event();
            context.record(&Event {
                client_id: Some(&caller.client.id),
                reason: Some(fault.reason()),
                ..Event::new(kind, now)
            });
            if let TokenFault::Store(error) = &fault {
                tracing::error!(
                    error = error as &dyn std::error::Error,
                    "the store failed at the token endpoint"
                );
            }
            Err(fault.into())
        }
    }
}

/// Whether the request has what each of its kind must have, whoever sends it.
fn plausible(context: &Context, form: &Form<'_>) -> Result<(), TokenFault> {
    let present = |name: &str, line| form.get(name).map(|_| ()).ok_or(TokenFault::Malformed(line));
    let of_ours =
        |name: &str| form.get(name).and_then(CredentialKey::of).map(|_| ()).ok_or(TokenFault::Unknown);
    match requested(context, form)?.name() {
        GrantTypeName::AuthorizationCode => {
            present("code", "code is missing")?;
            present("code_verifier", "code_verifier is missing")?;
            of_ours("code")
        }
        GrantTypeName::RefreshToken => {
            present("refresh_token", "refresh_token is missing")?;
            of_ours("refresh_token")
        }
        _ => Ok(()),
    }
}

/// The grant type that is asked for.
fn requested<'c>(context: &'c Context, form: &Form<'_>) -> Result<&'c dyn GrantType, TokenFault> {
    let name = form.get("grant_type").ok_or(TokenFault::Malformed("grant_type is missing"))?;
    let offered = name.parse().ok().and_then(|name: GrantTypeName| context.grant_types.get(&name));
    offered.map(|grant_type| &**grant_type).ok_or(TokenFault::UnsupportedGrantType)
}

async fn entitled(
    context: &Context,
    form: &Form<'_>,
    caller: &AuthenticatedClient,
    now: Timestamp,
) -> Result<mint::Issued, TokenFault> {
    let grant_type = requested(context, form)?;
    let name = grant_type.name();
    // Who has no secret is nobody by itself (CC-1).
    let is_nobody = name == GrantTypeName::ClientCredentials && caller.client.auth == ClientAuth::Public;
    if is_nobody || !caller.client.may(&name) {
        return Err(TokenFault::UnauthorizedClient);
    }
    let asked = Asked { form, client: &caller.client, context, now };
    let entitlement = grant_type.entitle(asked).await?;
    if let Basis::Opens { subject, kind } = &entitlement.basis {
        if *kind == SubjectKind::User && asked.is_disabled(subject).await? {
            return Err(TokenFault::SubjectDisabled);
        }
        // A token for nothing, where there is something to grant, would say nothing of what was asked for.
        if entitlement.scopes.is_empty() && !context.grantable.is_empty() {
            return Err(TokenFault::ScopeNotGranted);
        }
    }
    mint::mint(context, &caller.client, entitlement, now).record(context, now).await
}

/// Puts off a registration's end, at most once a day: not a write for each token.
async fn renew(context: &Context, caller: &AuthenticatedClient, now: Timestamp) {
    let client = &caller.client;
    if client.origin != ClientOrigin::Registered {
        return;
    }
    let day = std::time::Duration::from_secs(86_400);
    let until = now + context.policy.idle_client;
    let is_due = client.expires_at.is_some_and(|end| until.since(end) >= day);
    if (!client.used || is_due)
        && let Err(error) = context.stores.clients.renew(&client.id, until).await
    {
        // The tokens are issued; the next request tries again.
        tracing::warn!(error = &error as &dyn std::error::Error, "a client's registration was not renewed");
    }
}
