//! The checks of an authorization request, in their order.
//!
//! What is wrong with 1 to 4 is *shown*: whoever sent it may not be the client. What is wrong with the rest is told to the client.
//!
//! 1. The query has a bounded length and is a form; neither `client_id` nor `redirect_uri` stands twice (AS-29, AS-54).
//! 2. The client is known (AS-30). A document is fetched only for what passes 7 and 8 (CIMD-11).
//! 3. The redirect URI is registered; left out only where one is registered (AS-31 to AS-35).
//! 4. The client may use the code grant.
//! 5. No other parameter stands twice (AS-29); `state` has a bounded length.
//! 6. No `request`, no `request_uri` (AS-39).
//! 7. `response_type` is `code`, `response_mode` is `query` (AS-36, AS-40).
//! 8. `code_challenge` is there, by `S256` (AS-37, AS-38).
//! 9. `prompt` and `max_age` make sense (AS-51, AS-52); no class of authentication is asked for, for none is known (RFC 9470 §5).
//! 10. `resource` is known (AS-41 to AS-43).
//! 11. `scope` is well-formed, and something of it can be granted (AS-44, AS-45).

use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use oauth_core::metadata::OFFLINE_ACCESS;
use oauth_core::{
    Client, ClientId, CodeChallenge, ErrorCode, Form, FormFault, GrantTypeName, OAuthError, REPEATABLE,
    ResourceSet, ResourceUri, ScopeSet, Timestamp,
};

use super::pending::{Pending, Prompt, Request};
use crate::clients::ClientFault;
use crate::server::Context;
use crate::wire::source_of;

/// How many characters the query may have.
const MAX_QUERY: usize = 16 * 1024;
/// How many bytes `state` may have.
const MAX_STATE: usize = 4096;
/// How many bytes `nonce` and `login_hint` may have.
const MAX_TEXT: usize = 1024;

/// How the checks ended.
pub(crate) enum Checked {
    /// Refused, and shown: there is nobody to tell.
    Shown(Shown),
    /// Refused, and the client is told.
    Told { pending: Pending, error: OAuthError },
    /// Nothing is wrong with it.
    Ready(Pending),
}

/// What is shown to a user whose request cannot be told to the client.
pub(crate) struct Shown {
    pub(crate) code: ErrorCode,
    pub(crate) reason: &'static str,
    pub(crate) message: &'static str,
    /// When it may be otherwise.
    pub(crate) retry_after: Option<Duration>,
}

/// What a user is told whose client is one too many.
pub(crate) const NO_ROOM: Shown =
    Shown { code: ErrorCode::InvalidClient, ..shown("document_room", "This server takes no further apps.") };

const fn shown(reason: &'static str, message: &'static str) -> Shown {
    Shown { code: ErrorCode::InvalidRequest, reason, message, retry_after: None }
}

pub(crate) async fn check(context: &Arc<Context>, query: &str, head: &Parts, now: Timestamp) -> Checked {
    if query.len() > MAX_QUERY {
        return Checked::Shown(shown("too_long", "The request is too long."));
    }
    let read = Form::read(query.as_bytes(), REPEATABLE, &["state", "scope"]);
    let malformed = shown("malformed", "The request is not well-formed.");
    let (form, repeated) = match read {
        Ok(form) => (form, Vec::new()),
        Err(FormFault::Repeated { names, rest }) => (rest, names),
        Err(_) => return Checked::Shown(malformed),
    };
    // A line break in a scope is a bad scope, and the client is told (A-SCOPE-2). This is no text at all (A-HTTP-6).
    if form.get("scope").is_some_and(|scope| scope.contains('\0')) {
        return Checked::Shown(malformed);
    }
    for name in ["client_id", "redirect_uri"] {
        if repeated.iter().any(|other| other == name) {
            return Checked::Shown(shown(
                "repeated",
                "The request names its client or its return address twice.",
            ));
        }
    }
    let client = match client(context, &form, head, now).await {
        Ok(client) => client,
        Err(shown) => return Checked::Shown(shown),
    };
    let redirect_uri = match redirect_uri(&client, &form) {
        Ok(uri) => uri,
        Err(shown) => return Checked::Shown(shown),
    };
    if !client.may(&GrantTypeName::AuthorizationCode) {
        return Checked::Shown(Shown {
            code: ErrorCode::UnauthorizedClient,
            ..shown("unauthorized_client", "This app may not ask users for access.")
        });
    }
    let state = form.get("state").filter(|state| state.len() <= MAX_STATE).map(Into::into);
    let too_long = form.get("state").is_some() && state.is_none();
    let mut pending = Pending::new(context.clone(), client, redirect_uri, state);
    let checked = if repeated.is_empty() && !too_long {
        examine(context, &form, pending.client())
    } else if too_long {
        Err(OAuthError::new(ErrorCode::InvalidRequest, "state is too long"))
    } else {
        Err(OAuthError::new(ErrorCode::InvalidRequest, "a parameter stands twice"))
    };
    match checked {
        Ok(request) => {
            pending.request = Some(request);
            Checked::Ready(pending)
        }
        Err(error) => Checked::Told { pending, error },
    }
}

async fn client(
    context: &Context,
    form: &Form<'_>,
    head: &Parts,
    now: Timestamp,
) -> Result<Arc<Client>, Shown> {
    let unknown = shown(
        "unknown_client",
        "The app that sent you here is not known to this server, or its registration has expired.",
    );
    let Some(id) = form.get("client_id") else {
        return Err(shown("no_client", "The request does not say which app it comes from."));
    };
    let Ok(id) = id.parse::<ClientId>() else {
        return Err(Shown { code: ErrorCode::InvalidClient, ..unknown });
    };
    // A document is fetched only for a request that could succeed (CIMD-11). One that is at hand costs nothing: the client is told.
    if context.clients.is_by_document(&id) && !is_plausible(form) {
        let implausible = shown("implausible", "The request lacks what every request of an app has.");
        return context.clients.at_hand(&id, now).ok_or(implausible);
    }
    let source = source_of(head, &context.trusted_proxies);
    context.clients.resolve(context, &id, source, now).await.map_err(|fault| match fault {
        ClientFault::Unknown => Shown { code: ErrorCode::InvalidClient, ..unknown },
        ClientFault::Document { reason, message, .. } => {
            Shown { code: ErrorCode::InvalidClient, ..shown(reason, message) }
        }
        ClientFault::Busy => Shown {
            code: ErrorCode::TemporarilyUnavailable,
            ..shown("document_busy", "The app's description cannot be fetched now.")
        },
        ClientFault::Limited(retry_after) => Shown {
            code: ErrorCode::TooManyRequests,
            retry_after: Some(retry_after),
            ..shown("document_limit", "Too many apps are to be looked up for the first time.")
        },
        ClientFault::Store(error) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "the store failed at the authorization endpoint"
            );
            Shown {
                code: ErrorCode::TemporarilyUnavailable,
                ..shown("store", "The server cannot answer now.")
            }
        }
    })
}

/// Whether it asks for what can be had here, with a challenge.
fn is_plausible(form: &Form<'_>) -> bool {
    form.get("response_type") == Some("code")
        && form.get("code_challenge_method") == Some("S256")
        && form.get("code_challenge").is_some_and(|challenge| challenge.parse::<CodeChallenge>().is_ok())
}

/// Where the answer goes: as it was asked for, with the port of the day.
fn redirect_uri(client: &Client, form: &Form<'_>) -> Result<Box<str>, Shown> {
    match (form.get("redirect_uri"), client.redirect_uris.as_slice()) {
        (Some(asked), _) if client.redirect_for(asked).is_some() => Ok(asked.into()),
        (Some(_), _) => Err(shown(
            "unregistered_redirect",
            "The app asks to be answered at an address that it did not register.",
        )),
        (None, [one]) => Ok(one.as_str().into()),
        (None, _) => Err(shown("no_redirect", "The request does not say where to answer.")),
    }
}

fn examine(context: &Context, form: &Form<'_>, client: &Client) -> Result<Request, OAuthError> {
    let error = OAuthError::new;
    if form.get("request").is_some() {
        return Err(error(ErrorCode::RequestNotSupported, "request objects are not supported"));
    }
    if form.get("request_uri").is_some() {
        return Err(error(ErrorCode::RequestUriNotSupported, "request_uri is not supported"));
    }
    match form.get("response_type") {
        Some("code") => {}
        Some(_) => return Err(error(ErrorCode::UnsupportedResponseType, "response_type must be code")),
        None => return Err(error(ErrorCode::InvalidRequest, "response_type is missing")),
    }
    if form.get("response_mode").is_some_and(|mode| mode != "query") {
        return Err(error(ErrorCode::InvalidRequest, "response_mode must be query"));
    }
    let challenge =
        form.get("code_challenge").ok_or(error(ErrorCode::InvalidRequest, "code_challenge is missing"))?;
    // A missing method means `plain` (RFC 7636 §4.3), which has no variant here.
    if form.get("code_challenge_method") != Some("S256") {
        return Err(error(ErrorCode::InvalidRequest, "code_challenge_method must be S256"));
    }
    let challenge = challenge.parse().map_err(|_| {
        error(ErrorCode::InvalidRequest, "code_challenge must be 43 characters of base64url without padding")
    })?;
    let prompt = Prompt::read(form.get("prompt"))?;
    let max_age = form.get("max_age").map(str::parse::<u32>).transpose();
    let max_age =
        max_age.map_err(|_| error(ErrorCode::InvalidRequest, "max_age must be a number of seconds"))?;
    if form.get("acr_values").is_some_and(|classes| !classes.trim().is_empty()) {
        let line = "this server knows no authentication context classes; ask by max_age or prompt";
        return Err(error(ErrorCode::UnmetAuthenticationRequirements, line));
    }
    let text = |name: &str, line| match form.get(name) {
        Some(text) if text.len() > MAX_TEXT => Err(error(ErrorCode::InvalidRequest, line)),
        text => Ok(text.map(Into::into)),
    };
    Ok(Request {
        challenge,
        prompt,
        max_age: max_age.map(|seconds| Duration::from_secs(seconds.into())),
        nonce: text("nonce", "nonce is too long")?,
        login_hint: text("login_hint", "login_hint is too long")?,
        resources: resources(context, form)?,
        scopes: scopes(context, form, client)?,
    })
}

fn resources(context: &Context, form: &Form<'_>) -> Result<ResourceSet, OAuthError> {
    let unknown = OAuthError::new(ErrorCode::InvalidTarget, "the resource is not one of this server");
    let mut asked = Vec::new();
    for resource in form.all("resource") {
        let resource: ResourceUri = resource.parse().map_err(|_| unknown.clone())?;
        if !context.knows_resource(&resource) {
            return Err(unknown);
        }
        asked.push(resource);
    }
    if asked.is_empty() { Ok(context.default_resource.clone()) } else { Ok(asked.into_iter().collect()) }
}

/// What can be granted of what is asked for. Unknown scopes are dropped, and the token answer says so: clients ask for what other
/// servers offer (CLIENTS "no client asks for what it registered").
fn scopes(context: &Context, form: &Form<'_>, client: &Client) -> Result<ScopeSet, OAuthError> {
    let ceiling = |scopes: ScopeSet| match &client.scope_ceiling {
        Some(ceiling) => scopes.intersection(ceiling),
        None => scopes,
    };
    let Some(asked) = form.get("scope") else {
        return Ok(ceiling(context.advertised.clone()));
    };
    let asked: ScopeSet = asked
        .parse()
        .map_err(|_| OAuthError::new(ErrorCode::InvalidScope, "the scope is not well-formed"))?;
    let known = ceiling(asked.intersection(&context.grantable));
    if !known.is_empty() {
        return Ok(known);
    }
    // To ask for refresh tokens alone is to ask for the default.
    if asked.iter().all(|scope| scope == OFFLINE_ACCESS) {
        return Ok(ceiling(context.advertised.clone()));
    }
    Err(OAuthError::new(ErrorCode::InvalidScope, "none of the scopes can be granted"))
}
