//! Sign-in, tokens and forward auth in one process: what stands behind it needs to know nothing of OAuth.

mod documents;

use std::error::Error;
use std::str::FromStr;
use std::sync::Arc;

use axum::Router;
use axum::routing::any;
use oauth_core::fetch::{FetchPolicy, GuardedFetch};
use oauth_core::{ResourceUri, Stores};
use oauth_providers::OwnerPassphrase;
use oauth_resource::{ForwardAuth, PathRules, ProtectedResource, ProxyStyle, WELL_KNOWN};
use oauth_server::pages::Theme;
use oauth_server::{AuthorizationServer, OfferedScope};

use crate::documents::Documents;

/// What goes wrong at start.
pub type Fault = Box<dyn Error + Send + Sync>;

/// What a token is for. A path is all that a proxy tells, so one scope is all there is.
pub const SCOPE: &str = "mcp:use";

/// An MCP server behind the proxy.
///
/// ```
/// use forward_auth::Guarded;
///
/// let notes: Guarded = "https://notes.example/mcp=Notes".parse().unwrap();
/// assert_eq!((notes.url.as_str(), &*notes.name), ("https://notes.example/mcp", "Notes"));
/// assert!("https://notes.example/mcp".parse::<Guarded>().is_err());
/// ```
#[derive(Clone, Debug)]
pub struct Guarded {
    /// Its address, as people type it.
    pub url: ResourceUri,
    /// What people are told that it is.
    pub name: String,
}

impl FromStr for Guarded {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (url, name) = text.split_once('=').ok_or("write URL=NAME")?;
        let url = url.parse().map_err(|error| format!("{url}: {error}"))?;
        Ok(Self { url, name: name.to_owned() })
    }
}

/// Everything under one roof: the pages and endpoints of an authorization server, `/verify` for the proxy, and the documents by which
/// clients of the guarded servers find the way.
///
/// # Errors
/// What is wrong with the addresses and networks.
pub async fn gateway(
    issuer: &str,
    guarded: &[Guarded],
    proxy: ProxyStyle,
    trusted_proxies: &[String],
    stores: Stores,
    owner: OwnerPassphrase,
) -> Result<Router, Fault> {
    let name = guarded.first().map_or("Sign in", |guarded| &*guarded.name);
    let mut server = AuthorizationServer::builder(issuer, stores.clone())
        .theme(&Theme::new(name)?)
        .scope(OfferedScope::new(SCOPE, "Use it for you").required())
        .client_documents(Arc::new(GuardedFetch::new(FetchPolicy::new())?))
        .sign_in_with(owner);
    let mut verify = ForwardAuth::builder(proxy);
    for network in trusted_proxies {
        server = server.trusted_proxy(network);
        verify = verify.trusted_proxy(network);
    }
    let mut documents = Vec::new();
    for Guarded { url, name } in guarded {
        server = server.named_resource(url.as_str(), name);
        let resource = ProtectedResource::builder(url.as_str(), issuer)
            .name(name)
            .scopes_supported(SCOPE)
            .stores(&stores)
            .build()?;
        documents.push(resource.document().clone());
        verify = verify.resource(&resource, PathRules::new(SCOPE));
    }
    let (server, verify) = (server.build().await?, verify.build()?);
    let documents = Arc::new(Documents::new(&documents));
    let document = any(move |request| documents.clone().answer(request));
    Ok(Router::new()
        .route_service("/verify", verify.clone())
        // Envoy asks for the whole path.
        .route_service("/verify/{*path}", verify)
        .route(WELL_KNOWN, document.clone())
        .route(&format!("{WELL_KNOWN}/{{*resource}}"), document)
        .fallback_service(server))
}
