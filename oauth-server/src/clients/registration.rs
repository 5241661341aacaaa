//! `/register`: dynamic client registration, [RFC 7591](https://www.rfc-editor.org/rfc/rfc7591).
//!
//! 1. Who may: anybody, who has the initial access token, who redirects to the right hosts, or nobody (DCR-9).
//! 2. The body is a JSON object of type `application/json`: no browser sends that from a foreign page by itself (A-DCRX-9).
//! 3. What is asked for is judged by [`members`](super::members). What gives power (other grant types, a chosen
//!    `client_id`, `trusted`) is not to be had by asking (DCR-8); what is not known is ignored; no URL in it is fetched.
//! 4. The answer tells back what was accepted, that and nothing else, without a `null` (DCR-2, DCR-4).
//! 5. A public client that registers the very same again gets the same `client_id` (DCR-11): products do so at each
//!    connect. One with a secret gets a new one: nobody is handed another's secret (A-DCRX-8).
//! 6. A registration that is not used ends soon, and how many of those may wait is bounded (DCR-10). Who is known is known when there
//!    is no more room, too.

use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use oauth_core::metadata::OFFLINE_ACCESS;
use oauth_core::{
    ApplicationType, AuthMethod, Client, ClientAuth, ClientFilter, ClientId, ClientOrigin, ClientSecret,
    ErrorCode, Event, EventKind, OAuthError, RedirectKind, Registered, Secret, StoreError, Timestamp,
    TokenHash, WELL_KNOWN_SCHEMES, json_object,
};
use serde_json::{Value, json};
use url::Url;

use super::members::{self, MemberFault, Members, REDIRECT_URIS};
use crate::config::Registration;
use crate::server::Context;
use crate::wire::{Reply, Request, error_reply, json_reply};

/// How many redirect URIs a client may register (DCR-7).
const MOST_REDIRECTS: usize = 10;

/// How many bytes `software_id`, `software_version` and each of `contacts` may have.
const LONGEST_TEXT: usize = 255;

/// How many `contacts` there may be.
const MOST_CONTACTS: usize = 10;

/// How clients may authenticate that register by themselves, the strongest first.
const METHODS: [AuthMethod; 3] =
    [AuthMethod::ClientSecretBasic, AuthMethod::ClientSecretPost, AuthMethod::None];

/// When to try again where too many registrations wait for their first use.
const CROWDED: Duration = Duration::from_secs(60);

/// How long a registration may wait for its first use while half of the room is taken.
const CROWDED_LIFETIME: Duration = Duration::from_secs(600);

/// Why nobody is registered.
enum Refusal {
    /// Registration is closed: there is nothing here.
    Closed,
    /// The initial access token is missing (RFC 6750 §3: no error word) or wrong.
    Token { presented: bool },
    /// What was asked for cannot be accepted.
    Member(MemberFault),
    /// It may be tried again.
    Later(OAuthError),
}

impl From<MemberFault> for Refusal {
    fn from(fault: MemberFault) -> Self {
        Self::Member(fault)
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "a client cannot be registered");
        Self::Later(OAuthError::unavailable())
    }
}

pub(crate) async fn handle(context: &Arc<Context>, request: &Request, now: Timestamp) -> Reply {
    match register(context, request, now).await {
        Ok((client, secret)) => {
            context.record(&Event {
                client_id: Some(&client.id),
                ..Event::new(EventKind::ClientRegistered, now)
            });
            json_reply(StatusCode::CREATED, answer(&client, secret.as_ref()))
        }
        Err(refusal) => {
            let reason = Some(refusal.reason());
            context.record(&Event { reason, ..Event::new(EventKind::RegistrationRefused, now) });
            refusal.into_reply()
        }
    }
}

async fn register(
    context: &Context,
    request: &Request,
    now: Timestamp,
) -> Result<(Client, Option<Secret>), Refusal> {
    may_register(&context.registration, request)?;
    let metadata = read(request)?;
    let accepted = Accepted::judge(&metadata, context)?;
    let Some(lifetime) = first_lifetime(context, now).await? else {
        let (mut client, _) = accepted.into_client(context, Duration::ZERO, now);
        // Ended for everybody's clock, so that nobody who asks at the same time is told of it.
        client.expires_at = Some(Timestamp::from_secs(0));
        return Ok((known_before(context, &client, now).await?, None));
    };
    let (client, secret) = accepted.into_client(context, lifetime, now);
    match context.stores.clients.register(&client, now).await? {
        Registered::New => Ok((client, secret)),
        Registered::Existing(known) => {
            keep_alive(context, &known, now).await?;
            Ok((*known, None))
        }
    }
}

fn may_register(registration: &Registration, request: &Request) -> Result<(), Refusal> {
    match registration {
        Registration::Open | Registration::RedirectHosts(_) => Ok(()),
        Registration::InitialAccessToken(hash) => {
            let header = request.header(&AUTHORIZATION).unwrap_or_default();
            let token = header.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
            match token {
                Some((_, token)) if hash.matches(token.trim()) => Ok(()),
                presented => Err(Refusal::Token { presented: presented.is_some() }),
            }
        }
        Registration::Off => Err(Refusal::Closed),
    }
}

fn read(request: &Request) -> Result<Members, MemberFault> {
    let content_type = request.header(&CONTENT_TYPE).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        return Err(MemberFault::new("content_type", "the content type must be application/json"));
    }
    json_object(&request.body).map_err(|_| {
        MemberFault::new("json", "the body must be a json object in which every member stands once")
    })
}

/// What of a client's metadata was accepted.
struct Accepted {
    client: Client,
    method: AuthMethod,
}

impl Accepted {
    fn judge(metadata: &Members, context: &Context) -> Result<Self, MemberFault> {
        let redirect_uris = members::redirect_uris(metadata, MOST_REDIRECTS)?;
        if let Registration::RedirectHosts(hosts) = &context.registration {
            redirects_to(hosts, &redirect_uris)?;
        }
        // Any id will do: `into_client` draws the one that counts, after all else is known.
        let placeholder = "c".parse::<ClientId>().expect("a letter is printable");
        let mut client = Client::public(placeholder, redirect_uris);
        client.origin = ClientOrigin::Registered;
        client.name = members::client_name(metadata)?.map(Into::into);
        client.application_type = members::application_type(metadata, &client.redirect_uris)?;
        client.grant_types = members::grant_types(metadata)?;
        members::response_types(metadata)?;
        members::algorithms(metadata)?;
        let method = match members::auth_method(metadata, &METHODS)? {
            Some(method) => method,
            // RFC 7591 §2 has client_secret_basic for who asks for nothing. A program on its user's machine has no
            // place for a secret (RFC 8252 §8.5), and clients obey what they are told (DCR-4).
            None if is_on_the_users_machine(&client) => AuthMethod::None,
            None => AuthMethod::ClientSecretBasic,
        };
        client.extra = extra(metadata, context)?;
        Ok(Self { client, method })
    }

    /// The client with an id and, if it is to have one, a secret.
    fn into_client(self, context: &Context, lifetime: Duration, now: Timestamp) -> (Client, Option<Secret>) {
        let Self { mut client, method } = self;
        let mut secret = None;
        let mut secrets = || {
            let drawn = Secret::generate(&*context.entropy);
            let kept = vec![ClientSecret { hash: drawn.hash(), expires_at: None }];
            secret = Some(drawn);
            kept
        };
        client.auth = match method {
            AuthMethod::ClientSecretBasic => ClientAuth::SecretBasic(secrets()),
            AuthMethod::ClientSecretPost => ClientAuth::SecretPost(secrets()),
            _ => ClientAuth::Public,
        };
        // Before there is anything in it that differs from one registration to the next.
        client.fingerprint = secret.is_none().then(|| fingerprint(&client));
        client.id = ClientId::generate(&*context.entropy);
        client.issued_at = now;
        client.expires_at = Some(now + lifetime);
        (client, secret)
    }
}

/// The hash of all that was accepted (DCR-11).
fn fingerprint(client: &Client) -> TokenHash {
    TokenHash::of(&Value::Object(metadata_of(client)).to_string())
}

fn is_on_the_users_machine(client: &Client) -> bool {
    client.application_type == Some(ApplicationType::Native)
        || client.redirect_uris.iter().all(|uri| uri.kind() != RedirectKind::Https)
}

/// Every redirect leads to one of the hosts, or stays on the user's machine.
fn redirects_to(hosts: &[String], redirect_uris: &[oauth_core::RedirectUri]) -> Result<(), MemberFault> {
    let known = |uri: &oauth_core::RedirectUri| match uri.kind() {
        RedirectKind::Https => Url::parse(uri.as_str()).is_ok_and(|url| {
            url.host_str().is_some_and(|host| hosts.iter().any(|own| own.eq_ignore_ascii_case(host)))
        }),
        RedirectKind::Loopback => true,
        // The schemes of editors in use; any other is as good as any host.
        RedirectKind::PrivateUse => {
            WELL_KNOWN_SCHEMES.iter().any(|scheme| uri.as_str().starts_with(&format!("{scheme}:")))
        }
    };
    if redirect_uris.iter().all(known) {
        Ok(())
    } else {
        Err(MemberFault::new(REDIRECT_URIS, "a redirect uri leads to a host that this server does not admit"))
    }
}

/// What else is told back and kept: bounded, and nothing that this server would act upon.
fn extra(metadata: &Members, context: &Context) -> Result<Option<Box<Members>>, MemberFault> {
    let mut extra = Members::new();
    if let Some(scope) = scope(metadata, context)? {
        extra.insert("scope".to_owned(), scope.into());
    }
    for name in ["client_uri", "logo_uri", "policy_uri", "tos_uri", "jwks_uri"] {
        if let Some(url) = members::link(metadata, name)? {
            extra.insert(name.to_owned(), url.into());
        }
    }
    if let Some(keys) = members::jwks(metadata)? {
        extra.insert("jwks".to_owned(), keys.clone());
    }
    for name in ["software_id", "software_version"] {
        let fault = MemberFault::new(name, "software_id and software_version must be short texts");
        if let Some(text) = members::text(metadata, name, fault)? {
            extra.insert(name.to_owned(), short(text, fault)?.into());
        }
    }
    let fault = MemberFault::new("contacts", "contacts must be a short list of short texts");
    if let Some(contacts) =
        members::words(metadata, "contacts", fault)?.filter(|contacts| !contacts.is_empty())
    {
        if contacts.len() > MOST_CONTACTS {
            return Err(fault);
        }
        let contacts =
            contacts.into_iter().map(|contact| short(contact, fault)).collect::<Result<Vec<_>, _>>()?;
        extra.insert("contacts".to_owned(), contacts.into());
    }
    Ok((!extra.is_empty()).then(|| Box::new(extra)))
}

fn short(text: &str, fault: MemberFault) -> Result<&str, MemberFault> {
    if text.len() <= LONGEST_TEXT && !text.chars().any(char::is_control) { Ok(text) } else { Err(fault) }
}

/// Of the scopes asked for those that any client gets (DCR-8): a wish, told back, and no ceiling (DCR-17). No client asks later for
/// what it registered; all ask for what is advertised.
fn scope(metadata: &Members, context: &Context) -> Result<Option<String>, MemberFault> {
    let fault = MemberFault::new("scope", "scope must be a text of scopes separated by spaces");
    let Some(asked) = members::text(metadata, "scope", fault)? else { return Ok(None) };
    let asked: oauth_core::ScopeSet = asked.parse().map_err(|_| fault)?;
    let offline = context.advertise_offline_access && asked.contains(OFFLINE_ACCESS);
    let granted = asked.intersection(&context.advertised);
    let granted: oauth_core::ScopeSet = granted.iter().chain(offline.then_some(OFFLINE_ACCESS)).collect();
    Ok((!granted.is_empty()).then(|| granted.to_string()))
}

/// The client that registered the very same before, where there is no room for another (DCR-11).
async fn known_before(context: &Context, client: &Client, now: Timestamp) -> Result<Client, Refusal> {
    let clients = &context.stores.clients;
    // To ask is to register. What is registered here by that has ended already and is taken out again: nobody is told its id.
    if client.fingerprint.is_some() {
        match clients.register(client, now).await? {
            Registered::Existing(known) => {
                keep_alive(context, &known, now).await?;
                return Ok(*known);
            }
            Registered::New => drop(clients.remove(&client.id).await?),
        }
    }
    tracing::warn!(limit = context.limits.unused_clients, "too many registrations wait for their first use");
    Err(Refusal::Later(OAuthError::limited(CROWDED)))
}

/// For how long another registration may wait for its first use (DCR-10); `None`: there is no room for one.
///
/// Once half of the room is taken the wait is short, so that a flood cannot fill the rest: at the default limits on registrations, fewer
/// come in than end.
async fn first_lifetime(context: &Context, now: Timestamp) -> Result<Option<Duration>, StoreError> {
    let clients = &context.stores.clients;
    let room = context.limits.unused_clients;
    let mut waiting = clients.count(ClientFilter::Unused).await?;
    if waiting >= room && context.clients.room().make(&**clients, now).await? {
        waiting = clients.count(ClientFilter::Unused).await?;
    }
    if waiting >= room {
        return Ok(None);
    }
    let lifetime = context.policy.unused_client;
    Ok(Some(if waiting < room / 2 { lifetime } else { lifetime.min(CROWDED_LIFETIME) }))
}

/// A client that was known before must last for as long as one that is new.
async fn keep_alive(context: &Context, known: &Client, now: Timestamp) -> Result<(), StoreError> {
    let clients = &context.stores.clients;
    let until = now + context.policy.unused_client;
    // Products register at each connect: not every one of these is worth a write.
    let Some(end) = known.expires_at.filter(|end| end.since(now) < context.policy.unused_client / 2) else {
        return Ok(());
    };
    if known.used {
        clients.renew(&known.id, end.max(until)).await?;
        return Ok(());
    }
    let Some(stored) = clients.find(&known.id).await? else { return Ok(()) };
    let version = stored.version;
    let mut longer = stored.client;
    longer.expires_at = longer.expires_at.map(|end| end.max(until));
    match clients.update(&longer, version).await {
        // Somebody else was faster, with the same in mind.
        Ok(_) | Err(StoreError::Conflict) => Ok(()),
        Err(error) => Err(error),
    }
}

/// The metadata as it is told back (RFC 7591 §3.2.1), but for what identifies the client.
fn metadata_of(client: &Client) -> Members {
    let mut told = client.extra.as_deref().cloned().unwrap_or_default();
    let mut tell = |name: &str, value: Value| told.insert(name.to_owned(), value);
    if let Some(name) = &client.name {
        tell("client_name", (**name).into());
    }
    if let Some(kind) = client.application_type {
        tell("application_type", json!(kind));
    }
    tell("redirect_uris", json!(client.redirect_uris));
    tell("token_endpoint_auth_method", client.auth.method().as_str().into());
    tell("grant_types", json!(client.grant_types));
    tell("response_types", json!(["code"]));
    told
}

fn answer(client: &Client, secret: Option<&Secret>) -> String {
    let mut told = metadata_of(client);
    told.insert("client_id".to_owned(), client.id.as_str().into());
    told.insert("client_id_issued_at".to_owned(), client.issued_at.as_secs().into());
    if let Some(secret) = secret {
        told.insert("client_secret".to_owned(), secret.expose().into());
        told.insert("client_secret_expires_at".to_owned(), 0.into());
    }
    Value::Object(told).to_string()
}

impl Refusal {
    const fn reason(&self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Token { .. } => "initial_access_token",
            Self::Member(fault) => fault.reason,
            Self::Later(error) => error.code.as_str(),
        }
    }

    fn into_reply(self) -> Reply {
        match self {
            Self::Closed => {
                let error = OAuthError::new(
                    ErrorCode::InvalidRequest,
                    "registration is closed; ask the operator for a client_id",
                );
                json_reply(StatusCode::NOT_FOUND, error.to_json())
            }
            Self::Token { presented } => {
                let error =
                    OAuthError::new(ErrorCode::InvalidToken, "registration needs an initial access token");
                let mut reply = error_reply(&error, false);
                let challenge = if presented {
                    "Bearer realm=\"registration\", error=\"invalid_token\""
                } else {
                    "Bearer realm=\"registration\""
                };
                reply.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
                reply
            }
            Self::Member(fault) => error_reply(&fault.to_error(), false),
            Self::Later(error) => error_reply(&error, false),
        }
    }
}
