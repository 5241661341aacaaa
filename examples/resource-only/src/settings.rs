//! What the environment says, and what becomes of it.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use oauth_core::dpop::ProofChecker;
use oauth_core::fetch::{Fetch, FetchPolicy, GuardedFetch};
use oauth_core::{Secret, Stores};
use oauth_resource::{
    AnyOf, ConfigError, ConfigErrors, Dpop, HmacVerifier, IntrospectionCredentials, IntrospectionVerifier,
    JwtVerifier, RequireHttpsLayer, RequiredClaim, TrustedIssuer,
};
use url::{Host, Url};

use crate::verifiers::Verifiers;

/// Where this server says how it is.
pub(crate) const HEALTH: &str = "/health";

/// An MCP server behind any OAuth issuer.
#[derive(Debug, Parser)]
#[command(version, about)]
pub(crate) struct Settings {
    /// The issuer, exactly as it calls itself.
    #[arg(long, env = "OAUTH_ISSUER", global = true, default_value = "", hide_default_value = true)]
    pub(crate) issuer: String,

    /// Where its keys are. Without it they are found by its metadata.
    #[arg(long, env = "OAUTH_JWKS_URI", global = true)]
    pub(crate) jwks_uri: Option<String>,

    /// A secret that the issuer signs with (HS256), at least 32 bytes. Tokens under keys that it publishes are then accepted too if
    /// OAUTH_JWKS_URI says where they are.
    #[arg(long, env = "JWT_HMAC_SECRET", hide_env_values = true, global = true, value_parser = hosting::secret)]
    pub(crate) hmac_secret: Option<Arc<Secret>>,

    /// This server's identifier: the URL that people type into their client, and what tokens must be for.
    #[arg(long, env = "MCP_AUDIENCE", global = true)]
    pub(crate) audience: Option<String>,

    /// Where opaque tokens are asked about (RFC 7662).
    #[arg(long, env = "OAUTH_INTROSPECTION_ENDPOINT", global = true)]
    pub(crate) introspection_endpoint: Option<String>,

    /// This server's name at the issuer, for introspection.
    #[arg(long, env = "MCP_CLIENT_ID", global = true)]
    pub(crate) client_id: Option<String>,

    /// Its secret.
    #[arg(long, env = "MCP_CLIENT_SECRET", hide_env_values = true, global = true, value_parser = hosting::secret)]
    pub(crate) client_secret: Option<Arc<Secret>>,

    /// Refuses what came in the clear from another machine, or through a proxy that says so. Issuer and identifier are https in any case,
    /// but on loopback.
    #[arg(long, env = "REQUIRE_HTTPS", default_value_t = true, action = clap::ArgAction::Set, global = true)]
    pub(crate) require_https: bool,

    /// Networks of reverse proxies whose X-Forwarded-Proto and X-Forwarded-For are believed, with commas between them.
    #[arg(
        long,
        env = "TRUSTED_PROXIES",
        value_delimiter = ',',
        default_value = "127.0.0.0/8,::1/128",
        global = true
    )]
    pub(crate) trusted_proxies: Vec<String>,

    /// Pages that may call: https://app1.example,https://app2.example
    #[arg(long, env = "ALLOWED_ORIGINS", value_delimiter = ',', global = true)]
    pub(crate) allowed_origins: Vec<String>,

    /// Also takes tokens of type JWT, without client_id, iat or jti: what many issuers write (Keycloak, Auth0, Okta, Entra).
    #[arg(long, env = "OAUTH_PLAIN_JWT", default_value_t = false, action = clap::ArgAction::Set, global = true)]
    pub(crate) plain_jwt: bool,

    /// Audiences that tokens may name beside this server, with commas between them: `account` of Keycloak, the tenant's own `…/userinfo` of
    /// Auth0. Whoever they are gets tokens that are good here.
    #[arg(long, env = "OAUTH_FURTHER_AUDIENCES", value_delimiter = ',', global = true)]
    pub(crate) further_audiences: Vec<String>,

    /// Whether tokens may, or must, be bound to a key of their client (DPoP, RFC 9449). Off, a token that is bound is refused.
    #[arg(long, env = "OAUTH_DPOP", value_enum, default_value_t = Possession::Off, global = true)]
    pub(crate) dpop: Possession,

    /// Where to listen.
    #[arg(long, env = "LISTEN", default_value = "127.0.0.1:3232", global = true)]
    pub(crate) listen: SocketAddr,

    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What is made of proofs of possession.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Possession {
    Off,
    Optional,
    Required,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Says in plain words why a token is refused, and whether issuer, keys and metadata can be reached and agree.
    Doctor {
        /// A token, the URL of an MCP server, or `-` for a token on standard input. Without it, the issuer alone is looked at.
        what: Option<String>,
    },
}

impl Settings {
    /// This server's identifier.
    pub(crate) fn audience(&self) -> String {
        self.audience.clone().unwrap_or_else(|| format!("http://{}/mcp", self.listen))
    }

    /// What is wrong that the parts below would not say, all of it.
    pub(crate) fn check(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        if self.issuer.is_empty() {
            wrong.push("say whose tokens are good: OAUTH_ISSUER=https://…".to_owned());
        }
        if self.introspection_endpoint.is_some() && (self.client_id.is_none() || self.client_secret.is_none())
        {
            wrong.push(
                "OAUTH_INTROSPECTION_ENDPOINT needs MCP_CLIENT_ID and MCP_CLIENT_SECRET: the issuer answers nobody else"
                    .to_owned(),
            );
        }
        if self.introspection_endpoint.is_none() && self.client_secret.is_some() {
            wrong.push(
                "MCP_CLIENT_SECRET is for introspection, and OAUTH_INTROSPECTION_ENDPOINT is not set"
                    .to_owned(),
            );
        }
        if Url::parse(&self.audience()).is_ok_and(|url| url.path() == HEALTH) {
            wrong.push(format!("MCP_AUDIENCE: {HEALTH} is where this server says how it is"));
        }
        wrong
    }

    pub(crate) fn origins(&self) -> impl Iterator<Item = &str> {
        self.allowed_origins.iter().map(String::as_str).filter(|origin| !origin.is_empty())
    }

    /// What refuses requests in the clear, if they are to be refused.
    pub(crate) fn https(&self) -> Result<Option<RequireHttpsLayer>, ConfigErrors> {
        self.require_https.then(|| RequireHttpsLayer::new(self.proxies())).transpose()
    }

    pub(crate) fn proxies(&self) -> impl Iterator<Item = &str> {
        self.trusted_proxies.iter().map(String::as_str).filter(|network| !network.is_empty())
    }

    /// Whether keys that the issuer publishes are used. With a shared secret or introspection alone, nobody need publish any.
    pub(crate) fn uses_published_keys(&self) -> bool {
        self.jwks_uri.is_some() || (self.hmac_secret.is_none() && self.introspection_endpoint.is_none())
    }

    /// How proofs are checked. Each counts once, as far as this process remembers.
    pub(crate) fn possession(&self) -> Option<Dpop> {
        let checker = || ProofChecker::new().with_replay_guard(Stores::memory().replay);
        match self.dpop {
            Possession::Off => None,
            Possession::Optional => Some(Dpop::optional(checker())),
            Possession::Required => Some(Dpop::required(checker())),
        }
    }

    /// Fetches from the issuer alone, and from this machine if an address of it is there.
    pub(crate) fn fetch(&self) -> Result<Arc<dyn Fetch>, Box<dyn Error>> {
        self.fetch_by(FetchPolicy::new())
    }

    /// Asks about tokens: many at once at the one host, and without holding up the keys.
    fn fetch_for_introspection(&self) -> Result<Arc<dyn Fetch>, Box<dyn Error>> {
        self.fetch_by(FetchPolicy::new().with_max_concurrent(64).with_max_concurrent_per_host(64))
    }

    fn fetch_by(&self, policy: FetchPolicy) -> Result<Arc<dyn Fetch>, Box<dyn Error>> {
        // What the operator wrote down may be on this machine; nothing that is found elsewhere may be, unless that is.
        let named = [Some(&self.issuer), self.jwks_uri.as_ref(), self.introspection_endpoint.as_ref()];
        let is_here = named.into_iter().flatten().any(|url| is_loopback(url));
        let policy = if is_here { policy.insecure_allow_loopback() } else { policy };
        let fetch = GuardedFetch::builder(policy).with_keep_alive(Duration::from_secs(30)).build()?;
        Ok(Arc::new(fetch))
    }

    /// The rules for tokens of the issuer.
    pub(crate) fn trusted(&self) -> TrustedIssuer {
        let mut trusted = TrustedIssuer::new(&self.issuer);
        if let Some(url) = &self.jwks_uri {
            trusted = trusted.with_jwks_url(url);
        }
        for audience in self.further_audiences.iter().filter(|audience| !audience.is_empty()) {
            trusted = trusted.with_further_audience(audience);
        }
        if self.plain_jwt {
            trusted = trusted
                .with_plain_jwt_type()
                .without_required([RequiredClaim::ClientId, RequiredClaim::IssuedAt, RequiredClaim::TokenId])
                .with_client_claims(["client_id", "azp", "cid"])
                .with_scope_claims(["scope", "scp"]);
        }
        trusted
    }

    /// Every way that is configured, one after the other; or all that is wrong with it, a line each.
    pub(crate) fn verifier(&self) -> Result<AnyOf, Vec<String>> {
        self.verifiers().map(|verifiers| verifiers.any())
    }

    /// The same, each by itself.
    pub(crate) fn verifiers(&self) -> Result<Verifiers, Vec<String>> {
        let audience = self.audience();
        let fetch =
            |fetch: Result<Arc<dyn Fetch>, Box<dyn Error>>| fetch.map_err(|error| vec![error.to_string()]);
        let mut wrong = Vec::new();
        let mut verifiers = Verifiers::default();
        if let Some(secret) = &self.hmac_secret {
            match HmacVerifier::new(&audience, self.trusted(), secret) {
                Ok(verifier) => verifiers.shared_secret = Some(Arc::new(verifier)),
                Err(errors) => wrong.extend(by_name("JWT_HMAC_SECRET", &errors)),
            }
        }
        if self.uses_published_keys() {
            let verifier = JwtVerifier::builder(&audience).issuer(self.trusted()).fetch(fetch(self.fetch())?);
            match verifier.build() {
                Ok(verifier) => verifiers.keys = Some(Arc::new(verifier)),
                Err(errors) => wrong.extend(by_name("OAUTH_JWKS_URI", &errors)),
            }
        }
        if let (Some(endpoint), Some(id), Some(secret)) =
            (&self.introspection_endpoint, &self.client_id, &self.client_secret)
        {
            let credentials = IntrospectionCredentials::basic(id, Secret::new(secret.expose().to_owned()));
            let verifier = IntrospectionVerifier::builder(&audience, self.trusted())
                .endpoint(endpoint)
                .credentials(credentials)
                .fetch(fetch(self.fetch_for_introspection())?)
                // The issuer may be such a server, and nobody here has tokens of that form but it.
                .tokens_of_our_form();
            match verifier.build() {
                Ok(verifier) => verifiers.introspection = Some(Arc::new(verifier)),
                Err(errors) => wrong.extend(by_name("OAUTH_INTROSPECTION_ENDPOINT", &errors)),
            }
        }
        if wrong.is_empty() { Ok(verifiers) } else { Err(wrong) }
    }
}

/// A line for each error, with the variable that it is of. Issuer and audience are read by every part.
pub(crate) fn by_name(name: &str, errors: &ConfigErrors) -> Vec<String> {
    let line = |error: &ConfigError| match error {
        ConfigError::Issuer(error) => format!("OAUTH_ISSUER: {error}"),
        ConfigError::Resource(error) => format!("MCP_AUDIENCE: {error}"),
        error @ ConfigError::Network(_) => format!("TRUSTED_PROXIES: {error}"),
        error => format!("{name}: {error}"),
    };
    errors.iter().map(line).collect()
}

fn is_loopback(url: &str) -> bool {
    match Url::parse(url).ok().as_ref().and_then(Url::host) {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
