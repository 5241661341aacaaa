//! What may be fetched, and how much of it.

use std::net::IpAddr;
use std::time::Duration;

use url::{Host, Url};

use super::address::{is_public, with_carried};
use super::error::{FetchError, Refusal};
use super::host::{self, HostPattern};
use super::network::Network;
use super::target::{Scheme, Target};

/// What a [`Fetch`](super::Fetch) may reach, and the limits of each request.
///
/// Without configuration: `https` only, public addresses only, at port 443 or above 1023, with the limits of the table.
///
/// | limit | default |
/// |---|---|
/// | [the whole fetch](Self::with_total_timeout) | 5 s |
/// | [making the connection](Self::with_connect_timeout) | 3 s |
/// | [waiting for its turn](Self::with_turn_timeout) | 1 s |
/// | [body](Self::with_max_body) | 64 KiB |
/// | [at once](Self::with_max_concurrent) | 32 |
/// | [at once from one host](Self::with_max_concurrent_per_host) | 4 |
///
/// # Deployment
///
/// The limits are a fetcher's: give what strangers name (client metadata documents) one fetcher and what you have
/// named yourself (your issuer's keys, its token endpoint) another, so that slow strangers cannot use up the turns of
/// those you depend on. If hosts of your own network have public addresses, name their range with
/// [`deny_network`](Self::deny_network).
///
/// ```
/// use oauth_core::fetch::FetchPolicy;
///
/// let policy = FetchPolicy::new();
/// let target = policy.judge_url("https://app.example/client.json")?;
/// assert_eq!(target.host(), "app.example");
/// assert!(policy.judge_url("https://[::ffff:127.0.0.1]/client.json").is_err());
///
/// let company = FetchPolicy::new().allow_network("10.20.0.0/16".parse()?);
/// assert!(company.judge_url("https://10.20.0.5/jwks.json").is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct FetchPolicy {
    loopback: bool,
    networks: Vec<Network>,
    http_networks: Vec<Network>,
    denied_networks: Vec<Network>,
    hosts: Option<Vec<HostPattern>>,
    denied_hosts: Vec<HostPattern>,
    ports: Option<Vec<u16>>,
    pub(super) total_timeout: Duration,
    pub(super) connect_timeout: Duration,
    pub(super) turn_timeout: Duration,
    pub(super) max_body: usize,
    pub(super) max_concurrent: usize,
    pub(super) max_concurrent_per_host: usize,
}

impl Default for FetchPolicy {
    fn default() -> Self {
        Self::new()
    }
}

/// What opens and closes.
impl FetchPolicy {
    /// The strictest useful policy; see the type for what it says.
    #[must_use]
    pub fn new() -> Self {
        Self {
            loopback: false,
            networks: Vec::new(),
            http_networks: Vec::new(),
            denied_networks: Vec::new(),
            hosts: None,
            denied_hosts: Vec::new(),
            ports: None,
            total_timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(3),
            turn_timeout: Duration::from_secs(1),
            max_body: 64 * 1024,
            max_concurrent: 32,
            max_concurrent_per_host: 4,
        }
    }

    /// For development: opens `http` and `https` to this machine, named as `localhost`, below it, or by a loopback
    /// address. Other names that resolve to this machine stay refused.
    ///
    /// Insecure where strangers name URLs: it lets them reach whatever listens on this machine.
    #[must_use]
    pub fn insecure_allow_loopback(mut self) -> Self {
        self.loopback = true;
        self
    }

    /// Opens `https` to addresses of this network as if they were public, and makes local names (`keys.internal`,
    /// names without a dot) worth a look-up. Can be called repeatedly.
    #[must_use]
    pub fn allow_network(mut self, network: Network) -> Self {
        self.networks.push(network);
        self
    }

    /// As [`allow_network`](Self::allow_network), and opens `http` to it as well.
    ///
    /// Insecure unless nobody else can listen or answer in that network: keys fetched by `http` are whatever somebody
    /// on the way says they are.
    #[must_use]
    pub fn insecure_allow_http_in(mut self, network: Network) -> Self {
        self.http_networks.push(network);
        self
    }

    /// Closes addresses of this network, whatever else opens them. Can be called repeatedly.
    #[must_use]
    pub fn deny_network(mut self, network: Network) -> Self {
        self.denied_networks.push(network);
        self
    }

    /// Closes all hosts but these. Their addresses are judged as any others.
    #[must_use]
    pub fn with_allowed_hosts(mut self, hosts: impl IntoIterator<Item = HostPattern>) -> Self {
        self.hosts = Some(hosts.into_iter().collect());
        self
    }

    /// Closes these hosts, even if they are among the allowed.
    #[must_use]
    pub fn with_denied_hosts(mut self, hosts: impl IntoIterator<Item = HostPattern>) -> Self {
        self.denied_hosts = hosts.into_iter().collect();
        self
    }

    /// Opens just these ports, in place of the scheme's own and those above 1023. What listens at the other low ports
    /// are mail servers and the like; documents are not among it.
    #[must_use]
    pub fn with_ports(mut self, ports: impl IntoIterator<Item = u16>) -> Self {
        self.ports = Some(ports.into_iter().collect());
        self
    }
}

/// Limits.
impl FetchPolicy {
    /// How long a fetch may take, from the call to the last byte of the body.
    #[must_use]
    pub fn with_total_timeout(mut self, timeout: Duration) -> Self {
        self.total_timeout = timeout;
        self
    }

    /// How long making the connection may take, over all addresses of the host.
    #[must_use]
    pub fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long a fetch may wait for others to end before it is [`FetchError::Busy`].
    #[must_use]
    pub fn with_turn_timeout(mut self, timeout: Duration) -> Self {
        self.turn_timeout = timeout;
        self
    }

    /// The longest body that is read, in bytes. A request may ask for less.
    #[must_use]
    pub fn with_max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }

    /// How many fetches may be under way at once.
    #[must_use]
    pub fn with_max_concurrent(mut self, fetches: usize) -> Self {
        self.max_concurrent = fetches;
        self
    }

    /// How many of them may be from one host.
    #[must_use]
    pub fn with_max_concurrent_per_host(mut self, fetches: usize) -> Self {
        self.max_concurrent_per_host = fetches;
        self
    }
}

/// Judgement.
impl FetchPolicy {
    /// Judges all of a URL that can be judged without looking up a name.
    ///
    /// # Errors
    ///
    /// [`FetchError::Refused`], and nothing else.
    pub fn judge_url(&self, text: &str) -> Result<Target, FetchError> {
        Ok(self.judge(text)?)
    }

    /// Judges what the target's name has resolved to: each of the answers, and that there is one. A connection may then
    /// be made to these addresses and to no others.
    ///
    /// # Errors
    ///
    /// [`FetchError::Refused`] if a single answer is not allowed: a name that is half inside is an attack or a mistake.
    ///
    /// ```
    /// use oauth_core::fetch::FetchPolicy;
    ///
    /// let policy = FetchPolicy::new();
    /// let target = policy.judge_url("https://rebind.example/")?;
    /// assert!(policy.judge_answers(&target, &["8.8.8.8".parse()?]).is_ok());
    /// assert!(policy.judge_answers(&target, &["8.8.8.8".parse()?, "127.0.0.1".parse()?]).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn judge_answers(&self, target: &Target, answers: &[IpAddr]) -> Result<(), FetchError> {
        self.judge_name(target.scheme(), target.host(), answers)
    }

    /// [`judge_answers`](Self::judge_answers) for a resolver that is told no more than the name.
    pub(super) fn judge_name(
        &self,
        scheme: Scheme,
        name: &str,
        answers: &[IpAddr],
    ) -> Result<(), FetchError> {
        if answers.iter().all(|answer| self.permits(scheme, name, *answer)) {
            Ok(())
        } else {
            Err(Refusal::Address.into())
        }
    }

    fn judge(&self, text: &str) -> Result<Target, Refusal> {
        // The parser is that of browsers: it forgives white space, backslashes and missing slashes. What it forgives,
        // others have read differently; so none of it gets there.
        if !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
            return Err(Refusal::Malformed);
        }
        let url = Url::parse(text).map_err(|_| Refusal::Malformed)?;
        let scheme = match url.scheme() {
            "https" => Scheme::Https,
            "http" => Scheme::Http,
            _ => return Err(Refusal::Scheme),
        };
        let rest = text.get(url.scheme().len()..).and_then(|rest| rest.strip_prefix("://"));
        let rest = rest.ok_or(Refusal::Malformed)?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.is_empty() {
            return Err(Refusal::Malformed);
        }
        // An empty user name leaves no trace in the parsed URL.
        if authority.contains('@') {
            return Err(Refusal::UserInfo);
        }
        let host = url.host().ok_or(Refusal::Malformed)?;
        let target = Target::new(scheme, url.clone());
        if scheme == Scheme::Http && !self.opens_http(target.host()) {
            return Err(Refusal::Scheme);
        }
        if url.fragment().is_some() {
            return Err(Refusal::Fragment);
        }
        self.judge_host(scheme, &host, target.host())?;
        if !url.port_or_known_default().is_some_and(|port| self.opens_port(scheme, port)) {
            return Err(Refusal::Port);
        }
        Ok(target)
    }

    fn judge_host(&self, scheme: Scheme, host: &Host<&str>, text: &str) -> Result<(), Refusal> {
        let address_allowed = match host {
            Host::Ipv4(address) => self.permits(scheme, text, IpAddr::V4(*address)),
            Host::Ipv6(address) => self.permits(scheme, text, IpAddr::V6(*address)),
            Host::Domain(_) => {
                (self.loopback && host::is_loopback(text))
                    || self.opens_networks()
                    || !host::is_local_name(text)
            }
        };
        let host_allowed =
            self.hosts.as_ref().is_none_or(|hosts| hosts.iter().any(|pattern| pattern.matches(text)))
                && !self.denied_hosts.iter().any(|pattern| pattern.matches(text));
        match (address_allowed, host_allowed) {
            (true, true) => Ok(()),
            (false, _) => Err(Refusal::Address),
            (true, false) => Err(Refusal::Host),
        }
    }

    fn permits(&self, scheme: Scheme, host: &str, address: IpAddr) -> bool {
        let within = |networks: &[Network]| networks.iter().any(|network| network.contains(address));
        if with_carried(address)
            .any(|reached| self.denied_networks.iter().any(|network| network.contains(reached)))
        {
            return false;
        }
        if self.loopback && host::is_loopback(host) && address.to_canonical().is_loopback() {
            return true;
        }
        match scheme {
            Scheme::Http => within(&self.http_networks),
            Scheme::Https => is_public(address) || within(&self.networks) || within(&self.http_networks),
        }
    }

    fn opens_networks(&self) -> bool {
        !self.networks.is_empty() || !self.http_networks.is_empty()
    }

    fn opens_http(&self, host: &str) -> bool {
        (self.loopback && host::is_loopback(host)) || !self.http_networks.is_empty()
    }

    fn opens_port(&self, scheme: Scheme, port: u16) -> bool {
        match &self.ports {
            Some(ports) => ports.contains(&port),
            None => port == scheme.port() || port > 1023,
        }
    }

    /// What of this policy an operator should read in the log at start.
    #[cfg(feature = "fetch")]
    pub(super) fn holes(&self) -> impl Iterator<Item = String> {
        let loopback =
            self.loopback.then(|| "insecure_allow_loopback: URLs may name this machine".to_owned());
        let http = self
            .http_networks
            .iter()
            .map(|network| format!("insecure_allow_http_in: http is open to {network}"));
        loopback.into_iter().chain(http)
    }
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
