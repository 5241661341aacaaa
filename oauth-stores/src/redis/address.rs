//! URLs: where the servers are.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// The port where none is named.
const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26_379;

/// What a URL says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// One server, in the driver's own way of writing.
    Single,
    /// The nodes of a cluster that are known to begin with.
    Cluster(Several),
    /// Sentinels, and what they call the master.
    Sentinel(Several, String),
}

/// Several servers with one password.
#[derive(PartialEq, Eq)]
pub(super) struct Several {
    pub(super) hosts: Vec<(String, u16)>,
    pub(super) tls: bool,
    pub(super) username: Option<String>,
    pub(super) password: Option<String>,
    pub(super) database: i64,
}

impl std::fmt::Debug for Several {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Several").field("hosts", &self.hosts).field("tls", &self.tls).finish_non_exhaustive()
    }
}

/// Reads a URL. What is wrong with it, if it is none of ours.
pub(super) fn parse(url: &str) -> Result<Address, Cow<'static, str>> {
    let (scheme, rest) = url.split_once("://").ok_or("it has no scheme")?;
    match scheme {
        "redis" | "rediss" | "valkey" | "valkeys" | "unix" | "redis+unix" | "valkey+unix" => Ok(Address::Single),
        "redis-cluster" | "rediss-cluster" => {
            let (several, path) = several(rest, scheme.starts_with("rediss"), PORT)?;
            Ok(Address::Cluster(Several { database: database(path)?, ..several }))
        }
        "redis-sentinel" | "rediss-sentinel" => {
            let (several, path) = several(rest, scheme.starts_with("rediss"), SENTINEL_PORT)?;
            let (master, path) = path.split_once('/').unwrap_or((path, ""));
            if master.is_empty() {
                return Err("it does not name the master: redis-sentinel://host:port,host:port/master".into());
            }
            Ok(Address::Sentinel(Several { database: database(path)?, ..several }, master.to_owned()))
        }
        _ => Err(format!(
            "its scheme is `{scheme}`: write redis, rediss, redis-cluster, rediss-cluster, redis-sentinel or rediss-sentinel"
        )
        .into()),
    }
}

fn several(rest: &str, tls: bool, port: u16) -> Result<(Several, &str), Cow<'static, str>> {
    let (user, rest) = rest.rsplit_once('@').map_or((None, rest), |(user, rest)| (Some(user), rest));
    if rest.contains(['?', '#']) {
        return Err("it has parameters; this kind of URL has none".into());
    }
    let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
    let hosts = hosts.split(',').map(|host| host_and_port(host, port)).collect::<Result<Vec<_>, _>>()?;
    let (username, password) = match user {
        Some(user) => {
            let (name, password) = user.split_once(':').unwrap_or((user, ""));
            (decoded(name)?, decoded(password)?)
        }
        None => (None, None),
    };
    Ok((Several { hosts, tls, username, password, database: 0 }, path))
}

fn host_and_port(text: &str, port: u16) -> Result<(String, u16), Cow<'static, str>> {
    let (host, number) = match text.rsplit_once(':') {
        // The last colon of an address in brackets is its own.
        Some((host, number)) if !number.contains(']') => {
            (host, number.parse().map_err(|_| format!("`{number}` is no port"))?)
        }
        _ => (text, port),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() {
        return Err("a host is missing".into());
    }
    Ok((host.to_owned(), number))
}

fn decoded(text: &str) -> Result<Option<String>, Cow<'static, str>> {
    // What it was is not said: it is a secret.
    let decoded = percent_decode_str(text)
        .decode_utf8()
        .map_err(|_| Cow::Borrowed("its user name or password is not UTF-8"))?;
    Ok(Some(decoded.into_owned()).filter(|text| !text.is_empty()))
}

fn database(path: &str) -> Result<i64, Cow<'static, str>> {
    match path.trim_end_matches('/') {
        "" => Ok(0),
        text => text.parse().map_err(|_| format!("`{text}` is no number of a database").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_servers_clusters_and_sentinels() {
        assert_eq!(parse("redis://127.0.0.1/3").unwrap(), Address::Single);
        let Address::Cluster(cluster) = parse("rediss-cluster://me:p%40ss@a:7000,[::1]:7001,c").unwrap()
        else {
            panic!("this is a cluster")
        };
        assert_eq!(cluster.hosts, [("a".into(), 7000), ("::1".into(), 7001), ("c".into(), 6379)]);
        assert!(cluster.tls);
        assert_eq!(cluster.username.as_deref(), Some("me"));
        assert_eq!(cluster.password.as_deref(), Some("p@ss"));
        let Address::Sentinel(sentinel, master) = parse("redis-sentinel://:pw@a,b:1/main/2").unwrap() else {
            panic!("these are sentinels")
        };
        assert_eq!((sentinel.hosts.len(), sentinel.hosts[0].1, sentinel.database), (2, 26_379, 2));
        assert_eq!((master.as_str(), sentinel.username), ("main", None));
        for bad in [
            "postgres://a",
            "redis",
            "redis-cluster://",
            "redis-cluster://a:x",
            "redis-cluster://a,,b",
            "redis-cluster://a/x",
            "redis-cluster://a?b=c",
            "redis-sentinel://a",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
