//! The [`Fetch`] that reaches the network, under a policy.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::HeaderValue;
use http::header::{ACCEPT_ENCODING, CONTENT_LENGTH};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::Fetch;
use super::error::{FetchError, Refusal};
use super::host;
use super::policy::FetchPolicy;
use super::request::{FetchRequest, Fetched};
use super::resolver::{Resolver, SystemResolver};
use super::target::{Scheme, Target};
use super::turns::Turns;

/// The addresses of one name that are tried at most. All are judged.
const MAX_TRIED: usize = 8;

/// Fetches over the network what its [`FetchPolicy`] lets pass, and nothing else.
///
/// Names are looked up once for a connection; all answers are judged, and the connection goes to just those. Proxies in
/// the environment are not asked, redirects not followed, cookies not kept, bodies not decompressed, requests not tried
/// twice. Certificates are checked against the roots of the operating system.
///
/// Needs a tokio runtime with IO and time.
///
/// ```
/// use oauth_core::fetch::{Fetch, FetchError, FetchPolicy, FetchRequest, GuardedFetch, Refusal};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let fetch = GuardedFetch::new(FetchPolicy::new())?;
/// let outcome = fetch.fetch(FetchRequest::get("https://169.254.169.254/latest/meta-data/")).await;
/// assert!(matches!(outcome, Err(FetchError::Refused(Refusal::Address))));
/// # Ok(())
/// # }
/// ```
pub struct GuardedFetch {
    policy: Arc<FetchPolicy>,
    turns: Turns,
    https: reqwest::Client,
    http: reqwest::Client,
}

impl GuardedFetch {
    /// With the operating system's look-up of names and its root certificates.
    ///
    /// # Errors
    ///
    /// [`SetupError`] if the policy contradicts itself, or if the system has no root certificates.
    pub fn new(policy: FetchPolicy) -> Result<Self, SetupError> {
        Self::builder(policy).build()
    }

    /// With more to say than the policy.
    #[must_use]
    pub fn builder(policy: FetchPolicy) -> GuardedFetchBuilder {
        let user_agent = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")).to_owned();
        GuardedFetchBuilder { policy, resolver: None, roots: Vec::new(), user_agent, keep_alive: None }
    }
}

/// Makes a [`GuardedFetch`].
///
/// ```
/// use oauth_core::fetch::{FetchPolicy, GuardedFetch, SystemResolver};
///
/// let fetch = GuardedFetch::builder(FetchPolicy::new())
///     .with_resolver(SystemResolver::new(4))
///     .with_user_agent("notes.example (+https://notes.example/about)")
///     .build();
/// assert!(fetch.is_ok());
/// ```
pub struct GuardedFetchBuilder {
    policy: FetchPolicy,
    resolver: Option<Arc<dyn Resolver>>,
    roots: Vec<Vec<u8>>,
    user_agent: String,
    keep_alive: Option<Duration>,
}

impl GuardedFetchBuilder {
    /// Looks up names so, in place of the operating system. The answers are judged all the same.
    #[must_use]
    pub fn with_resolver(mut self, resolver: impl Resolver) -> Self {
        self.resolver = Some(Arc::new(resolver));
        self
    }

    /// Trusts the certificates that this one has signed too: PEM, one or more. For a company's own authority.
    #[must_use]
    pub fn with_root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.roots.push(pem.into());
        self
    }

    /// Calls itself so. Some document hosts turn away clients without a name.
    #[must_use]
    pub fn with_user_agent(mut self, name: impl Into<String>) -> Self {
        self.user_agent = name.into();
        self
    }

    /// Keeps connections open for so long after their last request, to use them again.
    ///
    /// For a few hosts that you have named yourself and ask often, as an introspection endpoint. Without it every
    /// request has its own connection: strangers could otherwise leave open as many as they have hosts.
    #[must_use]
    pub fn with_keep_alive(mut self, idle: Duration) -> Self {
        self.keep_alive = Some(idle);
        self
    }

    /// The fetcher. Logs a warning for each hole that its policy has.
    ///
    /// # Errors
    ///
    /// [`SetupError`] names what is wrong.
    pub fn build(self) -> Result<GuardedFetch, SetupError> {
        let limits = [
            ("max_concurrent", self.policy.max_concurrent),
            ("max_concurrent_per_host", self.policy.max_concurrent_per_host),
        ];
        if let Some((limit, _)) = limits.into_iter().find(|(_, value)| *value == 0) {
            return Err(SetupError::Limit { limit });
        }
        for hole in self.policy.holes() {
            tracing::warn!(%hole, "the fetch policy has a hole");
        }
        let resolver =
            self.resolver.unwrap_or_else(|| Arc::new(SystemResolver::new(self.policy.max_concurrent)));
        let policy = Arc::new(self.policy);
        let mut roots = Vec::new();
        for pem in &self.roots {
            let bundle = reqwest::Certificate::from_pem_bundle(pem).map_err(certificate)?;
            if bundle.is_empty() {
                return Err(certificate("no certificate in the PEM"));
            }
            roots.extend(bundle);
        }
        let client = |scheme| {
            let guard = Guard { scheme, policy: Arc::clone(&policy), resolver: Arc::clone(&resolver) };
            // All that another crate's choice of reqwest features could switch on is switched off by name.
            let builder = reqwest::Client::builder()
                .tls_backend_rustls()
                .tls_certs_merge(roots.iter().cloned())
                .https_only(scheme == Scheme::Https)
                .http1_only()
                .dns_resolver(guard)
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .referer(false)
                .retry(reqwest::retry::never())
                .no_gzip()
                .no_brotli()
                .no_deflate()
                .no_zstd()
                .connect_timeout(policy.connect_timeout)
                .pool_max_idle_per_host(self.keep_alive.map_or(0, |_| policy.max_concurrent_per_host))
                .pool_idle_timeout(self.keep_alive)
                .user_agent(&self.user_agent);
            builder.build().map_err(|source| SetupError::Client { source: source.into() })
        };
        let (https, http) = (client(Scheme::Https)?, client(Scheme::Http)?);
        let turns = Turns::new(policy.max_concurrent, policy.max_concurrent_per_host, policy.turn_timeout);
        Ok(GuardedFetch { policy, turns, https, http })
    }
}

fn certificate(source: impl Into<Box<dyn Error + Send + Sync>>) -> SetupError {
    SetupError::Certificate { source: source.into() }
}

/// Why a [`GuardedFetch`] cannot be made.
///
/// ```
/// use oauth_core::fetch::{FetchPolicy, GuardedFetch};
///
/// let error = GuardedFetch::new(FetchPolicy::new().with_max_concurrent(0)).unwrap_err();
/// assert_eq!(error.to_string(), "invalid fetch policy: max_concurrent is 0");
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// A limit that lets nothing pass.
    #[error("invalid fetch policy: {limit} is 0")]
    Limit {
        /// The name of the limit.
        limit: &'static str,
    },
    /// An additional root certificate that cannot be read.
    #[error("invalid root certificate")]
    Certificate {
        /// What is wrong with it.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The HTTP client cannot be made; most often because the system has no root certificates.
    #[error("no HTTP client can be made")]
    Client {
        /// What is missing.
        source: Box<dyn Error + Send + Sync>,
    },
}

#[async_trait]
impl Fetch for GuardedFetch {
    async fn fetch(&self, request: FetchRequest<'_>) -> Result<Fetched, FetchError> {
        let target = self.policy.judge_url(request.url)?;
        let after = self.policy.total_timeout;
        let exchange = async {
            let _turn = self.turns.take(target.host()).await?;
            self.exchange(target, request).await
        };
        tokio::time::timeout(after, exchange).await.unwrap_or(Err(FetchError::TimedOut { after }))
    }
}

impl GuardedFetch {
    async fn exchange(&self, target: Target, request: FetchRequest<'_>) -> Result<Fetched, FetchError> {
        let host = target.host().to_owned();
        let client = match target.scheme() {
            Scheme::Https => &self.https,
            Scheme::Http => &self.http,
        };
        let limit = request.max_body.map_or(self.policy.max_body, |wanted| wanted.min(self.policy.max_body));
        let sent = client
            .request(request.method, target.into_url())
            .headers(request.headers)
            .header(ACCEPT_ENCODING, HeaderValue::from_static("identity"))
            .body(request.body)
            .send();
        let mut response = sent.await.map_err(|error| self.fault(&host, error))?;
        let status = response.status();
        let headers = std::mem::take(response.headers_mut());
        let announced =
            headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if announced.is_some_and(|length| usize::try_from(length).map_or(true, |length| length > limit)) {
            return Err(FetchError::TooLarge { limit });
        }
        let body = self.body(response, limit, &host).await?;
        Ok(Fetched { status, headers, body })
    }

    /// Dropping the response, at an error or at the deadline, closes the connection.
    async fn body(
        &self,
        mut response: reqwest::Response,
        limit: usize,
        host: &str,
    ) -> Result<Bytes, FetchError> {
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.fault(host, error))? {
            if chunk.len() > limit - body.len() {
                return Err(FetchError::TooLarge { limit });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }

    fn fault(&self, host: &str, error: reqwest::Error) -> FetchError {
        // What our own resolver has refused comes back wrapped by all the layers between.
        let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
        while let Some(inner) = cause {
            if let Some(Refused) = inner.downcast_ref::<Refused>() {
                return Refusal::Address.into();
            }
            cause = inner.source();
        }
        if error.is_connect() && error.is_timeout() {
            return FetchError::TimedOut { after: self.policy.connect_timeout };
        }
        FetchError::unreachable(host, error.without_url())
    }
}

/// Stands between the HTTP client and the look-up, so that the client never sees an address that was not judged. It is
/// not asked for addresses written into URLs: [`FetchPolicy::judge_url`] has judged those.
struct Guard {
    scheme: Scheme,
    policy: Arc<FetchPolicy>,
    resolver: Arc<dyn Resolver>,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let (scheme, policy, resolver) = (self.scheme, Arc::clone(&self.policy), Arc::clone(&self.resolver));
        Box::pin(async move {
            let name = name.as_str();
            // RFC 6761 §6.3: never looked up. Some resolvers ask the network.
            let answers = if host::is_localhost(name) {
                vec![IpAddr::V6(Ipv6Addr::LOCALHOST), IpAddr::V4(Ipv4Addr::LOCALHOST)]
            } else {
                resolver.resolve(name).await?
            };
            if answers.is_empty() {
                return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address").into());
            }
            policy.judge_name(scheme, name, &answers).map_err(|_| Refused)?;
            // Port 0 stands for that of the URL.
            let tried = answers.into_iter().take(MAX_TRIED).map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(tried) as Addrs)
        })
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the address is not public")]
struct Refused;

impl fmt::Debug for GuardedFetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardedFetch").field("policy", &self.policy).finish_non_exhaustive()
    }
}

impl fmt::Debug for GuardedFetchBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardedFetchBuilder").field("policy", &self.policy).finish_non_exhaustive()
    }
}
