//! Connecting for the first time.

use std::collections::HashMap;
use std::sync::Arc;

use oauth_core::StoreError;
use redis::cluster::ClusterClientBuilder;
use redis::sentinel::{SentinelClientBuilder, SentinelServerType};
use redis::{
    Client, ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo, ProtocolVersion, RedisError,
    RedisResult, ServerErrorKind, TlsCertificates, TlsMode, cmd,
};
use tokio::sync::Mutex;

use crate::redis::address::{Address, Several, parse};
use crate::redis::cluster::Cluster;
use crate::redis::link::{Link, Place, Replicas, To};
use crate::redis::names::Names;
use crate::redis::node::{Node, Source};
use crate::redis::open_error::RedisOpenError;
use crate::redis::{Inner, RedisOptions, RedisStore};
use crate::shown::shown;

/// The version of what is written under the prefix.
pub(super) const VERSION: u32 = 1;

/// The oldest server: scripts that say before they start whether they write.
pub(super) const OLDEST: u32 = 7;

/// Connects, and looks whether this is a server to rely on.
pub(super) async fn open(options: RedisOptions, url: &str) -> Result<RedisStore, RedisOpenError> {
    let misconfigured = |why: String| RedisOpenError::Misconfigured { url: shown(url), why };
    let address = parse(url).map_err(|why| misconfigured(why.into_owned()))?;
    let names = Names::new(&options.prefix).ok_or_else(|| {
        misconfigured(format!(
            "`{}` is no prefix: write 1 to 64 letters, digits and `_-.:`",
            options.prefix.escape_default()
        ))
    })?;
    let to = connect(&options, url, &address).await.map_err(|error| RedisOpenError::of(url, error))?;
    let replicas = options.replicas.map(|(count, timeout)| Replicas { count, timeout });
    let link = Link { to, retry_time: options.retry_time, replicas, names: names.clone() };
    let masters = link.masters().await.map_err(|error| RedisOpenError::of(url, error))?;
    for master in &masters {
        judge(&link, master, url).await?;
    }
    check_version(&link, &names, url).await?;
    Ok(RedisStore { inner: Arc::new(Inner { link, names }) })
}

async fn connect(options: &RedisOptions, url: &str, address: &Address) -> RedisResult<To> {
    use_one_crypto();
    let certificates = options
        .root_certificate
        .clone()
        .map(|pem| TlsCertificates { client_tls: None, root_cert: Some(pem) });
    let response_timeout = options.longest_answer();
    let waits = options.replicas.is_some();
    let node = |source| Node::new(source, waits, options.connect_timeout, response_timeout);
    match address {
        Address::Single => {
            let info = url.into_connection_info()?;
            let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
            let info = info.set_redis_settings(settings);
            let client = match certificates {
                Some(certificates) => Client::build_with_tls(info, certificates)?,
                None => Client::open(info)?,
            };
            let node = node(Source::Server(Box::new(client)));
            node.connection().await?;
            Ok(To::Node(Box::new(node)))
        }
        Address::Sentinel(several, master, guards) => {
            let mut builder =
                SentinelClientBuilder::new(several.addresses(), master, SentinelServerType::Master)?
                    .set_client_to_redis_db(several.database)
                    .set_client_to_redis_protocol(ProtocolVersion::RESP3);
            if several.tls {
                builder = builder
                    .set_client_to_redis_tls_mode(TlsMode::Secure)
                    .set_client_to_sentinel_tls_mode(TlsMode::Secure);
            }
            if let Some(username) = &several.username {
                builder = builder.set_client_to_redis_username(username);
            }
            if let Some(password) = &several.password {
                builder = builder.set_client_to_redis_password(password);
            }
            if let Some(username) = &guards.username {
                builder = builder.set_client_to_sentinel_username(username);
            }
            if let Some(password) = &guards.password {
                builder = builder.set_client_to_sentinel_password(password);
            }
            if let Some(certificates) = certificates {
                builder = builder
                    .set_client_to_redis_certificates(certificates.clone())
                    .set_client_to_sentinel_certificates(certificates);
            }
            let node = node(Source::Sentinel(Box::new(Mutex::new(builder.build()?))));
            node.connection().await?;
            Ok(To::Node(Box::new(node)))
        }
        Address::Cluster(several) => {
            if several.database != 0 {
                let why = "a cluster has the database 0 alone; tell deployments apart by their prefix";
                return Err((ErrorKind::InvalidClientConfig, why).into());
            }
            let nodes = several.addresses().into_iter().map(ConnectionAddr::into_connection_info);
            let nodes: Vec<ConnectionInfo> = nodes.collect::<RedisResult<_>>()?;
            // The driver would send again what was lost under way, too. What may be asked again is decided in `retry`.
            let mut builder = ClusterClientBuilder::new(nodes)
                .retries(0)
                .use_protocol(ProtocolVersion::RESP3)
                .connection_timeout(options.connect_timeout)
                .response_timeout(response_timeout);
            if several.tls {
                builder = builder.tls(TlsMode::Secure);
            }
            if let Some(username) = &several.username {
                builder = builder.username(username);
            }
            if let Some(password) = &several.password {
                builder = builder.password(password);
            }
            if let Some(certificates) = certificates {
                builder = builder.certs(certificates);
            }
            let client = builder.build()?;
            // The driver may look for a node, and ask it, and do both again.
            let patience = 2 * (options.connect_timeout + response_timeout);
            Ok(To::Cluster(Box::new(Cluster::open(client, waits, patience).await?)))
        }
    }
}

impl Several {
    fn addresses(&self) -> Vec<ConnectionAddr> {
        let address = |(host, port): &(String, u16)| {
            let (host, port) = (host.clone(), *port);
            if self.tls {
                ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
            } else {
                ConnectionAddr::Tcp(host, port)
            }
        };
        self.hosts.iter().map(address).collect()
    }
}

/// With two back ends in one program, rustls does not choose by itself.
fn use_one_crypto() {
    use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
    if CryptoProvider::get_default().is_none() {
        // Somebody else was faster: theirs will do.
        let _ = aws_lc_rs::default_provider().install_default();
    }
}

/// Looks at what a server says of itself: what cannot work is refused, what may lose something is logged.
async fn judge(link: &Link, place: &Place, url: &str) -> Result<(), RedisOpenError> {
    let info: String = match link.at(place, &cmd("INFO")).await {
        Ok(info) => info,
        Err(StoreError::Unavailable(source)) if is_forbidden(&*source) => {
            tracing::warn!(url = %shown(url), "this user may not ask the server for INFO: its settings are not checked");
            return Ok(());
        }
        Err(error) => return Err(RedisOpenError::of(url, error)),
    };
    let info: HashMap<&str, &str> = info.lines().filter_map(|line| line.trim().split_once(':')).collect();
    let said = |name: &str| info.get(name).copied().unwrap_or_default();
    let url = shown(url);
    let version = said("redis_version");
    let major: u32 = version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(OLDEST);
    if major < OLDEST {
        return Err(RedisOpenError::OldServer { url, found: version.to_owned() });
    }
    // Valkey may call it `server_mode`.
    let is_of_cluster = said("redis_mode") == "cluster" || said("cluster_enabled") == "1";
    if matches!(place, Place::Here) && is_of_cluster {
        let why =
            "it is a node of a cluster; write redis-cluster://host:port,host:port with some of its nodes";
        return Err(RedisOpenError::OtherKind { url, why });
    }
    let (policy, bounded) = (said("maxmemory_policy"), !matches!(said("maxmemory"), "" | "0"));
    if !matches!(policy, "" | "noeviction") {
        if bounded {
            return Err(RedisOpenError::Evicts { url, policy: policy.to_owned() });
        }
        tracing::warn!(%url, policy, "once maxmemory is set, this server will throw keys away; set maxmemory-policy noeviction");
    }
    if said("role") == "slave" {
        tracing::warn!(%url, "this server is a replica: every write will be refused until it is a master");
    }
    if said("aof_enabled") == "0" {
        tracing::warn!(
            %url,
            "this server writes no append-only file: what was granted and revoked since the last snapshot is lost when it \
             ends; set appendonly yes"
        );
    }
    Ok(())
}

fn is_forbidden(error: &(dyn std::error::Error + 'static)) -> bool {
    let error = error.downcast_ref::<RedisError>();
    error.is_some_and(|error| error.kind() == ErrorKind::Server(ServerErrorKind::NoPerm))
}

async fn check_version(link: &Link, names: &Names, url: &str) -> Result<(), RedisOpenError> {
    let (key, failed) = (names.schema(), |error| RedisOpenError::of(url, error));
    let found: Option<String> = link.get(&key, cmd("GET").arg(&key).to_owned()).await.map_err(failed)?;
    let Some(found) = found else {
        let mark = cmd("SET").arg(&key).arg(VERSION).arg("NX").to_owned();
        let _: Option<String> = link.set(&key, &mark).await.map_err(failed)?;
        return Ok(());
    };
    match found.parse::<u32>() {
        Ok(version) if version <= VERSION => Ok(()),
        _ => Err(RedisOpenError::NewerData { url: shown(url), found }),
    }
}
