//! `/.well-known/oauth-authorization-server` and `/.well-known/openid-configuration`: what this server can do, from its
//! configuration alone; nothing of the request goes into it (AS-23).

use http::header::{CACHE_CONTROL, PRAGMA};
use http::{HeaderValue, StatusCode};
use oauth_core::metadata::OFFLINE_ACCESS;
use oauth_core::metadata::{AuthorizationServerMetadata, OpenIdMetadata};
use oauth_core::{AuthMethod, OAuthError};

use crate::config::Registration;
use crate::server::Context;
use crate::wire::{Reply, error_reply, json_reply};

/// Short, so that a change of configuration shows soon (AS-24).
const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=300");

pub(crate) fn handle(context: &Context, openid: bool) -> Reply {
    let Ok(json) = serde_json::to_string(&document(context, openid)) else {
        // Texts, lists and booleans have a JSON form; a panic on a stranger's request is worse than being wrong there.
        return error_reply(&OAuthError::unavailable(), false);
    };
    let mut reply = json_reply(StatusCode::OK, json);
    let headers = reply.headers_mut();
    headers.insert(CACHE_CONTROL, CACHE);
    headers.remove(PRAGMA);
    reply
}

fn document(context: &Context, openid: bool) -> AuthorizationServerMetadata {
    let issuer = &context.issuer;
    let at = |path| issuer.endpoint(path);
    let mut document = AuthorizationServerMetadata::new(issuer.clone(), &at("/authorize"), &at("/token"));
    document.jwks_uri = Some(at("/jwks.json"));
    document.registration_endpoint = is_open(&context.registration).then(|| at("/register"));
    document.revocation_endpoint = Some(at("/revoke"));
    document.introspection_endpoint = Some(at("/introspect"));
    document.scopes_supported = context
        .advertised
        .iter()
        .chain(context.advertise_offline_access.then_some(OFFLINE_ACCESS))
        .map(str::to_owned)
        .collect();
    document.grant_types_supported =
        context.grant_types.keys().map(|name| name.as_str().to_owned()).collect();
    // The map has no order; the document has one, so that caches and people can compare it.
    document.grant_types_supported.sort_unstable();
    let secrets = [AuthMethod::ClientSecretBasic, AuthMethod::ClientSecretPost]
        .map(|method| method.as_str().to_owned());
    // AS-11: without `none` beside CIMD some clients silently register instead.
    document.token_endpoint_auth_methods_supported =
        std::iter::once(AuthMethod::None.as_str().to_owned()).chain(secrets.clone()).collect();
    document.revocation_endpoint_auth_methods_supported =
        document.token_endpoint_auth_methods_supported.clone();
    document.introspection_endpoint_auth_methods_supported = secrets.to_vec();
    if !context.resource_secrets.is_empty() {
        // RFC 8414 §2 lets access token types stand here: a resource's secret as a bearer token.
        document.introspection_endpoint_auth_methods_supported.push("Bearer".to_owned());
    }
    document.client_id_metadata_document_supported = context.clients.takes_documents();
    document.protected_resources = context.resources.iter().map(|(id, _)| id.as_str().to_owned()).collect();
    document.service_documentation = context.links.documentation.clone();
    document.op_policy_uri = context.links.policy.clone();
    document.op_tos_uri = context.links.terms.clone();
    document.ui_locales_supported.clone_from(&context.links.languages);
    document.openid = openid.then(OpenIdMetadata::default);
    document
}

/// Whether a client that finds the endpoint here can use it. One that needs a token learns of it by the way it got the token.
fn is_open(registration: &Registration) -> bool {
    matches!(registration, Registration::Open | Registration::RedirectHosts(_))
}
