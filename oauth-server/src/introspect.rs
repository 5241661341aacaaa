//! `/introspect`: token introspection, [RFC 7662](https://www.rfc-editor.org/rfc/rfc7662).
//!
//! 1. The caller is a resource, by its secret, or a client that has one. A public client proves nothing and is nobody
//!    here (INTR-1).
//! 2. A resource is told of access tokens that are for it; a client of its own tokens. To all others a live token looks
//!    like one that does not exist (INTR-2, INTR-3).
//! 3. Wrong secrets of resources are not tried without end, as those of clients are not (CAUTH-18). A right one from where one was right
//!    before costs no more than the comparison: resources ask for each of their requests.
//! 4. Who asks for many tokens that are not theirs is stopped; their own stay answered, whoever floods (A-INTRO-3).

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use oauth_core::{
    Binding, Client, CredentialKey, CredentialKind, CredentialStatus, ErrorCode, Form, Found, OAuthError,
    Quota, ResourceUri, Secret, StoreError, Timestamp, TokenHash,
};
use serde_json::{Map, Value, json};

use crate::clients::authenticate::{self, TWO_WAYS, form_decoded, presented_assertion};
use crate::clients::guesses::Guesses;
use crate::server::Context;
use crate::wire::{Reply, Request, error_reply, json_reply, source_of};

/// The header in which a resource may send its secret.
const RESOURCE_SECRET: HeaderName = HeaderName::from_static("x-resource-secret");

/// All that anybody learns of a token that is not theirs to see.
const INACTIVE: &str = r#"{"active":false}"#;

/// How many tokens that are not theirs a caller may ask for, for each request of a client: a resource asks for all its users.
const MISSES: u32 = 10;

/// Who asks.
enum Caller {
    /// The resource with this identifier, or those that share a secret.
    Resource(Vec<ResourceUri>),
    /// A client with a secret.
    Client(Arc<Client>),
}

pub(crate) async fn handle(context: &Arc<Context>, request: &Request, now: Timestamp) -> Reply {
    match introspect(context, request, now).await {
        Ok(json) => json_reply(StatusCode::OK, json),
        Err(error) => {
            let mut reply = error_reply(&error, true);
            if error.code == ErrorCode::InvalidToken {
                let challenge =
                    HeaderValue::from_static("Bearer realm=\"introspection\", error=\"invalid_token\"");
                reply.headers_mut().insert(WWW_AUTHENTICATE, challenge);
            }
            reply
        }
    }
}

async fn introspect(context: &Context, request: &Request, now: Timestamp) -> Result<String, OAuthError> {
    let form = request.form()?;
    // Before anything is looked up: nobody learns of a token by being refused (A-INTRO-1).
    let caller = caller(context, request, &form, now).await?;
    let token = form.get("token").ok_or(OAuthError::new(ErrorCode::InvalidRequest, "token is missing"))?;
    let found = match CredentialKey::of(token) {
        Some(key) => context.stores.grants.find(&key).await.map_err(|error| unavailable(&error))?,
        None => None,
    };
    // What is not theirs is to them as what does not exist, in what it counts for, too.
    let Some(found) = found.filter(|found| caller.may_see(found)) else {
        let quota = context.limits.token_client;
        let quota = Quota::new(quota.burst.saturating_mul(MISSES), quota.per);
        context.count("introspect-miss", caller.name(), quota, now).await?;
        return Ok(INACTIVE.to_owned());
    };
    if found.status(now) == CredentialStatus::Live {
        Ok(Value::Object(answer(context, &found)).to_string())
    } else {
        Ok(INACTIVE.to_owned())
    }
}

impl Caller {
    fn name(&self) -> &str {
        match self {
            Self::Resource(resources) => resources.first().map_or("", ResourceUri::as_str),
            Self::Client(client) => client.id.as_str(),
        }
    }

    fn may_see(&self, found: &Found) -> bool {
        match (self, found.credential.kind) {
            (Self::Resource(own), CredentialKind::AccessToken) => {
                own.iter().any(|resource| found.credential.resources.contains(resource))
            }
            (Self::Client(client), CredentialKind::AccessToken | CredentialKind::RefreshToken) => {
                found.grant.client_id == client.id
            }
            _ => false,
        }
    }
}

/// Who calls, by one credential (CAUTH-1).
async fn caller(
    context: &Context,
    request: &Request,
    form: &Form<'_>,
    now: Timestamp,
) -> Result<Caller, OAuthError> {
    let headers = &request.head.headers;
    let presented = Presented::read(headers)?;
    let in_form = form.get("client_secret");
    let ways = [presented.is_some(), in_form.is_some(), presented_assertion(form)];
    if ways.iter().filter(|way| **way).count() > 1 || headers.get_all(AUTHORIZATION).iter().count() > 1 {
        return Err(TWO_WAYS);
    }
    let presented = presented.or_else(|| {
        let name = form.get("client_id")?.to_owned();
        Some(Presented::Post { name, secret: Secret::new(in_form?.to_owned()) })
    });
    match presented {
        Some(presented) => {
            let own = presented.resources(&context.resource_secrets);
            if presented.may_be_a_resources(&context.resource_secrets) {
                let source = source_of(&request.head, &context.trusted_proxies);
                judge(&Guesses::at_resources(context, source), !own.is_empty(), now).await?;
            }
            match presented {
                _ if !own.is_empty() => Ok(Caller::Resource(own)),
                Presented::Bearer(_) => {
                    Err(OAuthError::new(ErrorCode::InvalidToken, "the secret is not that of a resource"))
                }
                Presented::Header(_) => Err(FAILED),
                // The name is not a resource's: a client's, then.
                Presented::Basic(_) | Presented::Post { .. } => client(context, request, form, now).await,
            }
        }
        // Who says nothing is refused as who says something wrong is (A-INTRO-1).
        None if form.get("client_id").is_none() => Err(FAILED),
        None => client(context, request, form, now).await,
    }
}

/// Counts a guess, or remembers that it was none.
async fn judge(guesses: &Guesses<'_>, is_right: bool, now: Timestamp) -> Result<(), OAuthError> {
    if is_right && guesses.is_home(now).await? {
        return Ok(());
    }
    let _look = guesses.admit(now).await?;
    if is_right { guesses.right(now).await } else { guesses.wrong(now).await }
}

const FAILED: OAuthError =
    OAuthError::new(ErrorCode::InvalidClient, "introspection is for resources and for clients with a secret");

async fn client(
    context: &Context,
    request: &Request,
    form: &Form<'_>,
    now: Timestamp,
) -> Result<Caller, OAuthError> {
    let presented = authenticate::Presented::read(&request.head.headers, form)?;
    // Who has no secret is nobody here: no document is fetched to say so (CIMD-11).
    if !presented.has_secret() {
        return Err(FAILED);
    }
    let source = source_of(&request.head, &context.trusted_proxies);
    let client = presented.judge(context, source, now).await?.client;
    if client.auth.secrets().is_empty() { Err(FAILED) } else { Ok(Caller::Client(client)) }
}

/// What may be a resource's secret, and where it stood.
enum Presented {
    Header(Secret),
    Bearer(Secret),
    /// `name:secret`, as they stood; perhaps a client's.
    Basic(Secret),
    /// In the form (CAUTH-3); perhaps a client's.
    Post {
        name: String,
        secret: Secret,
    },
}

impl Presented {
    fn read(headers: &HeaderMap) -> Result<Option<Self>, OAuthError> {
        let text = |value: &HeaderValue| value.to_str().ok().map(str::to_owned);
        let authorization = headers.get(AUTHORIZATION);
        if let Some(secret) = headers.get(RESOURCE_SECRET) {
            if authorization.is_some() || headers.get_all(RESOURCE_SECRET).iter().count() > 1 {
                return Err(TWO_WAYS);
            }
            return Ok(Some(Self::Header(Secret::new(text(secret).unwrap_or_default()))));
        }
        let Some(header) = authorization else { return Ok(None) };
        let header = Secret::new(text(header).unwrap_or_default());
        let (scheme, credentials) = header.expose().split_once(' ').unwrap_or((header.expose(), ""));
        let credentials = credentials.trim();
        if scheme.eq_ignore_ascii_case("bearer") {
            return Ok(Some(Self::Bearer(Secret::new(credentials.to_owned()))));
        }
        // What is not well-formed is told so by the client's authentication, which reads it again.
        let decoded = STANDARD.decode(credentials).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        Ok(Some(Self::Basic(Secret::new(decoded.unwrap_or_default()))))
    }

    /// Whether it is a try at the secret of a resource, of which there are some.
    fn may_be_a_resources(&self, secrets: &[(ResourceUri, TokenHash)]) -> bool {
        match self {
            Self::Header(_) | Self::Bearer(_) => !secrets.is_empty(),
            Self::Basic(pair) => secrets.iter().any(|(id, _)| secret_of(pair.expose(), id).is_some()),
            Self::Post { name, .. } => secrets.iter().any(|(id, _)| names(name, id)),
        }
    }

    /// The resources whose secret this is. All are compared, in constant time each.
    fn resources(&self, secrets: &[(ResourceUri, TokenHash)]) -> Vec<ResourceUri> {
        let is_of = |id: &ResourceUri, hash: &TokenHash| match self {
            Self::Header(secret) | Self::Bearer(secret) => hash.matches(secret.expose()),
            Self::Post { name, secret } => names(name, id) && hash.matches(secret.expose()),
            Self::Basic(pair) => secret_of(pair.expose(), id).is_some_and(|secret| {
                // RFC 6749 §2.3.1 encodes it; many do not (CAUTH-4).
                hash.matches(secret) | form_decoded(secret).is_some_and(|decoded| hash.matches(&decoded))
            }),
        };
        secrets.iter().filter(|(id, hash)| is_of(id, hash)).map(|(id, _)| id.clone()).collect()
    }
}

/// What follows the resource's identifier and a colon. The identifier has colons of its own: it is encoded, or it stands
/// there as it is, which RFC 7617 §2 forbids and people do.
fn secret_of<'p>(pair: &'p str, id: &ResourceUri) -> Option<&'p str> {
    // As nearly all write it: no other text is looked at.
    if let Some(secret) = pair.strip_prefix(id.as_str()).and_then(|rest| rest.strip_prefix(':')) {
        return Some(secret);
    }
    let (name, secret) = pair.split_once(':')?;
    if form_decoded(name).is_some_and(|name| names(&name, id)) {
        return Some(secret);
    }
    let (at, _) = pair.match_indices(':').find(|(at, _)| names(&pair[..*at], id))?;
    Some(&pair[at + 1..])
}

/// Whether somebody means `id`, in whatever way they write it (RS-5).
fn names(name: &str, id: &ResourceUri) -> bool {
    name == id.as_str() || name.parse::<ResourceUri>().is_ok_and(|named| named == *id)
}

/// What there is to say of a live token (INTR-4), without a `null`.
fn answer(context: &Context, found: &Found) -> Map<String, Value> {
    let Found { grant, credential, .. } = found;
    let mut told = Map::new();
    let mut tell = |name: &str, value: Value| told.insert(name.to_owned(), value);
    tell("active", true.into());
    if !credential.scopes.is_empty() {
        tell("scope", credential.scopes.as_str().into());
    }
    tell("client_id", grant.client_id.as_str().into());
    tell("sub", grant.subject.as_str().into());
    tell("aud", audience(credential.resources.as_slice()));
    tell("iss", context.issuer.as_str().into());
    tell("exp", credential.expires_at.min(grant.expires_at).as_secs().into());
    tell("iat", credential.issued_at.as_secs().into());
    tell("jti", jti(&credential.key).into());
    if let Some(at) = grant.auth_time {
        tell("auth_time", at.as_secs().into());
    }
    let token_type = match credential.binding {
        Binding::Dpop(key) => {
            tell("cnf", json!({ "jkt": key.to_string() }));
            "DPoP"
        }
        _ => "Bearer",
    };
    if credential.kind == CredentialKind::AccessToken {
        tell("token_type", token_type.into());
    }
    told
}

/// One audience is a text, several are a list (RFC 7519 §4.1.3).
fn audience(resources: &[ResourceUri]) -> Value {
    match resources {
        [one] => one.as_str().into(),
        several => several.iter().map(ResourceUri::as_str).collect(),
    }
}

/// An identifier of the token, the same at each answer. Not what it is stored under: that stays in the store.
fn jti(key: &CredentialKey) -> String {
    let stored = URL_SAFE_NO_PAD.encode(key.hash.as_bytes());
    let derived = TokenHash::of(&format!("jti {stored}"));
    URL_SAFE_NO_PAD.encode(&derived.as_bytes()[..16])
}

fn unavailable(error: &StoreError) -> OAuthError {
    tracing::error!(error = error as &dyn std::error::Error, "a token cannot be looked up");
    OAuthError::unavailable()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_resource_sends_its_secret_in_one_of_three_ways() {
        // INTR-1
        let id: ResourceUri = "https://mcp.example/mcp".parse().unwrap();
        let secrets = [(id.clone(), TokenHash::of("s3cret/of+the%resource"))];
        let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
        for (name, value, good) in [
            ("x-resource-secret", "s3cret/of+the%resource".to_owned(), true),
            ("authorization", "bearer s3cret/of+the%resource".to_owned(), true),
            ("authorization", basic("https://mcp.example/mcp:s3cret/of+the%resource"), true),
            ("authorization", basic("https%3A%2F%2Fmcp.example%2Fmcp:s3cret/of+the%resource"), true),
            ("authorization", basic("https%3A%2F%2Fmcp.example%2Fmcp:s3cret%2Fof%2Bthe%25resource"), true),
            ("authorization", basic("https%3A%2F%2Fmcp.example%2Fmcp:s3cret%2fof+the"), false),
            ("authorization", basic("https%3A%2F%2Fother.example:s3cret/of+the%resource"), false),
            ("authorization", basic("https://mcp.example/mcp:s3cret"), false),
            ("authorization", basic("https://mcp.example/mcp"), false),
            ("authorization", "Bearer".to_owned(), false),
            ("authorization", "Basic !!!".to_owned(), false),
            ("x-resource-secret", String::new(), false),
        ] {
            let presented = Presented::read(&headers(&[(name, &value)])).unwrap().unwrap();
            assert_eq!(!presented.resources(&secrets).is_empty(), good, "{name} {value}");
        }
        for two in [
            &[("x-resource-secret", "a"), ("x-resource-secret", "a")][..],
            &[("x-resource-secret", "a"), ("authorization", "Bearer a")],
        ] {
            assert!(Presented::read(&headers(two)).is_err());
        }
        assert!(Presented::read(&HeaderMap::new()).unwrap().is_none());
    }
}
