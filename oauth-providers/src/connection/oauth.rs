//! The connection: there by the code grant, back with tokens, and those renewed.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use oauth_core::fetch::Fetch;
use oauth_core::{
    Background, CodeVerifier, Connection, ConnectionFault, ConnectionReply, Departure, Entropy, Presented,
    ProviderId, ScopeSet, Secret, Timestamp, async_trait,
};
use tokio::runtime::Handle;

use super::builder::OAuthConnectionBuilder;
use super::endpoints::{Endpoints, Found};
use super::tokens::{Client, Grant, Kept};

/// A third party that speaks OAuth 2.0 ([RFC 6749](https://www.rfc-editor.org/rfc/rfc6749)), to which this server is a client.
///
/// 1. Always with a code and PKCE by `S256`, whatever else authenticates the client (A-UPS-16).
/// 2. `iss` in an answer is compared with the issuer; where the metadata promises it, an answer without is refused
///    ([RFC 9207 §2.4](https://www.rfc-editor.org/rfc/rfc9207#section-2.4)). Metadata of another issuer, or with an endpoint without https,
///    counts for nothing (A-UPS-9).
/// 3. Tokens are renewed a minute or a minute and a half before their end, if there is a refresh token. It goes to the issuer and as the
///    client that it was issued by and to; what was kept under another configuration is asked for anew.
/// 4. What was granted is kept: where it is less than what is asked for today, the user is asked again.
///
/// ```
/// use std::sync::Arc;
/// use oauth_core::fetch::{Fetched, StaticFetch};
/// use oauth_core::{ConnectedAccounts, Connection as _, SealedVault, Secret, Stores, Timestamp, VaultKeyring};
/// use oauth_providers::OAuthConnection;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// // In a program: `GuardedFetch::new(FetchPolicy::new())?` of the core's feature `fetch`.
/// let fetch = Arc::new(StaticFetch::new());
/// let github = OAuthConnection::builder("github", "GitHub")
///     .issuer("https://github.com/login/oauth")
///     .endpoints("https://github.com/login/oauth/authorize", "https://github.com/login/oauth/access_token")
///     .client("our client id", Secret::new("our secret".into()))
///     .client_secret_post()
///     .scopes("read:user repo")
///     .fetch(fetch)
///     .build()?;
/// let departure = github.begin("https://as.example/connect/github/callback", Timestamp::from_secs(1)).await?;
/// assert!(departure.location.contains("code_challenge_method=S256") && departure.location.contains("scope=read%3Auser+repo"));
///
/// // For `Builder::connect` of the server, and for `token_for` in a tool:
/// let vault = SealedVault::new(Stores::memory().vault, VaultKeyring::new("2026-11", &[7; 32])?);
/// let accounts = ConnectedAccounts::new("https://as.example".parse()?, github, vault);
/// # let _ = accounts;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct OAuthConnection {
    pub(super) id: ProviderId,
    pub(super) label: String,
    pub(super) scopes: ScopeSet,
    pub(super) parameters: Vec<(String, String)>,
    pub(super) endpoints: Endpoints,
    pub(super) client: Client,
    pub(super) fetch: Arc<dyn Fetch>,
    pub(super) entropy: Arc<dyn Entropy>,
    /// How near to its end a token is renewed: not at the same second by all servers.
    pub(super) near: Duration,
    pub(super) checks_scopes: bool,
}

impl OAuthConnection {
    /// Begins to set up the third party `id` (lower-case letters, digits and `-`), which people call `label`.
    pub fn builder(id: &str, label: &str) -> OAuthConnectionBuilder {
        OAuthConnectionBuilder::new(id, label)
    }
}

#[async_trait]
impl Connection for OAuthConnection {
    fn id(&self) -> &ProviderId {
        &self.id
    }

    fn label(&self) -> &str {
        &self.label
    }

    fn issuer(&self) -> &str {
        self.endpoints.issuer()
    }

    fn scopes(&self) -> &ScopeSet {
        &self.scopes
    }

    async fn begin(&self, callback: &str, now: Timestamp) -> Result<Departure, ConnectionFault> {
        let found = self.endpoints.find(&self.fetch, now).await?;
        let verifier = Secret::generate(&*self.entropy);
        let challenge = CodeVerifier::parse(verifier.expose())
            .expect("43 characters of base64url are a verifier")
            .challenge()
            .to_string();
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(&self.parameters).extend_pairs([
            ("response_type", "code"),
            ("client_id", &self.client.id),
            ("redirect_uri", callback),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ]);
        if !self.scopes.is_empty() {
            query.append_pair("scope", self.scopes.as_str());
        }
        let separator = if found.authorization.contains('?') { '&' } else { '?' };
        let location = format!("{}{separator}{}", found.authorization, query.finish());
        Ok(Departure::new(location, verifier))
    }

    async fn finish(&self, reply: ConnectionReply<'_>) -> Result<Secret, ConnectionFault> {
        let found = self.endpoints.find(&self.fetch, reply.now).await?;
        // Before all else: whose answer is it? (RFC 9207 §2.4: errors, too)
        check_issuer(reply.fields.get("iss"), &found)?;
        match reply.fields.get("error") {
            None => {}
            Some("access_denied") => return Err(ConnectionFault::Refused("access_denied")),
            Some("server_error" | "temporarily_unavailable") => {
                return Err(ConnectionFault::unavailable("the authorization endpoint says so"));
            }
            Some(_) => return Err(ConnectionFault::Refused("authorization_error")),
        }
        let code = reply.fields.get("code").ok_or(ConnectionFault::Invalid("no_code"))?;
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", reply.callback),
            ("code_verifier", reply.kept.expose()),
        ];
        let server = (self.issuer(), &*found.token);
        let kept = self.client.ask(&*self.fetch, server, Grant::Code, &form, reply.now).await?;
        let kept = kept.or_scopes(&self.scopes);
        // The user left something out: they would be asked again at every call.
        if self.covers_scopes(&kept) { Ok(kept.to_secret()) } else { Err(ConnectionFault::Refused("scope")) }
    }

    fn present(&self, kept: &Secret, now: Timestamp) -> Presented {
        let Some(kept) = self.read(kept) else { return Presented::Useless };
        let can_renew = kept.refresh_token().is_some();
        match (kept.has_ended(now), can_renew) {
            (true, true) => Presented::Ended,
            (true, false) => Presented::Useless,
            (false, true) if kept.has_ended(now + self.near) => Presented::Aging(kept.into_token()),
            (false, _) => Presented::Good(kept.into_token()),
        }
    }

    async fn renew(&self, kept: &Secret, now: Timestamp) -> Result<Secret, ConnectionFault> {
        let kept = self.read(kept).ok_or(ConnectionFault::Refused("unreadable"))?;
        let refresh_token = kept.refresh_token().ok_or(ConnectionFault::Refused("no_refresh_token"))?;
        let found = self.endpoints.find(&self.fetch, now).await?;
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token)];
        let server = (self.issuer(), &*found.token);
        let renewed = self.client.ask(&*self.fetch, server, Grant::RefreshToken, &form, now).await?;
        Ok(renewed.or_of(kept).to_secret())
    }

    fn spawn(&self, work: Background) {
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(work)),
            // Who waits is told by its being dropped.
            Err(_) => drop(work),
        }
    }
}

impl OAuthConnection {
    /// What is kept, if it was issued by this server to this client, for what is asked for today.
    fn read(&self, kept: &Secret) -> Option<Kept> {
        let kept = Kept::read(kept)?;
        let is_ours = kept.is_of(self.issuer(), &self.client.id) && self.covers_scopes(&kept);
        is_ours.then_some(kept)
    }

    fn covers_scopes(&self, kept: &Kept) -> bool {
        !self.checks_scopes || kept.covers(&self.scopes)
    }
}

fn check_issuer(iss: Option<&str>, found: &Found) -> Result<(), ConnectionFault> {
    let is_right = match (iss, found.issuer.as_deref()) {
        (Some(iss), Some(issuer)) => iss == issuer,
        (None, Some(_)) => !found.sends_iss,
        // With whom to compare is not known; its callback is its own all the same.
        (_, None) => true,
    };
    if is_right { Ok(()) } else { Err(ConnectionFault::Invalid("iss")) }
}

impl fmt::Debug for OAuthConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuthConnection").field("id", &self.id).finish_non_exhaustive()
    }
}
