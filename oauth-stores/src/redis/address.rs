//! URLs: where the servers are.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::shown::{no_parameter, split};

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
    /// Sentinels, what they call the master, and how they are told who asks.
    Sentinel(Several, String, Guards),
}

/// The user and the password for sentinels that want them; those before the `@` are for the master.
#[derive(Default, PartialEq, Eq)]
pub(super) struct Guards {
    pub(super) username: Option<String>,
    pub(super) password: Option<String>,
}

impl std::fmt::Debug for Guards {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guards").finish_non_exhaustive()
    }
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
    let (scheme, rest) = split(url).ok_or("it has no scheme: write redis://host:port")?;
    match scheme {
        "redis" | "rediss" | "valkey" | "valkeys" => single(url, &["protocol"]),
        "unix" | "redis+unix" | "valkey+unix" => single(url, &["db", "user", "pass", "protocol"]),
        "redis-cluster" | "rediss-cluster" => {
            let (several, path) = several(rest, scheme.starts_with("rediss"), PORT)?;
            Ok(Address::Cluster(Several { database: database(path)?, ..several }))
        }
        "redis-sentinel" | "rediss-sentinel" => {
            let (rest, guards) = guards(rest)?;
            let (several, path) = several(rest, scheme.starts_with("rediss"), SENTINEL_PORT)?;
            let (master, path) = path.split_once('/').unwrap_or((path, ""));
            if master.is_empty() {
                return Err("it does not name the master: redis-sentinel://host:port,host:port/master".into());
            }
            // Else the password in them would go to the sentinels as a part of the name.
            if master.contains(['&', ';', '=']) {
                return Err("its parameters stand behind no question mark".into());
            }
            let several = Several { database: database(path)?, ..several };
            Ok(Address::Sentinel(several, master.to_owned(), guards))
        }
        _ => Err(format!(
            "its scheme is `{scheme}`: write redis, rediss, redis-cluster, rediss-cluster, redis-sentinel or rediss-sentinel"
        )
        .into()),
    }
}

/// Looks at the parameters, of which the driver reads these and passes over others: a typo would go unnoticed.
fn single(url: &str, parameters: &[&str]) -> Result<Address, Cow<'static, str>> {
    // What the driver cannot read it refuses itself.
    let Some(url) = redis::parse_redis_url(url) else { return Ok(Address::Single) };
    for (name, value) in url.query_pairs() {
        if !parameters.contains(&&*name) {
            return Err(no_parameter(&name).into());
        }
        // The driver would show the value: what was meant as another parameter may be in it.
        if name == "protocol" && !matches!(&*value, "2" | "resp2" | "3" | "resp3") {
            return Err("its protocol is none".into());
        }
    }
    // By TLS it means something, and the driver looks at it.
    if url.fragment().is_some() && !matches!(url.scheme(), "rediss" | "valkeys") {
        return Err("nothing may stand behind a `#` in it; parameters stand behind a question mark".into());
    }
    Ok(Address::Single)
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

/// Takes the parameters off what follows the scheme.
fn guards(rest: &str) -> Result<(&str, Guards), Cow<'static, str>> {
    let mut guards = Guards::default();
    // A password before the `@` may have a question mark that nobody encoded.
    let from = rest.find("?sentinel_").or_else(|| {
        let from = rest.rfind('@').unwrap_or_default();
        rest[from..].find('?').map(|at| from + at)
    });
    let Some(query) = from else { return Ok((rest, guards)) };
    for pair in rest[query + 1..].split('&') {
        match pair.split_once('=') {
            Some(("sentinel_username", value)) => guards.username = decoded(value)?,
            Some(("sentinel_password", value)) => guards.password = decoded(value)?,
            _ => return Err("it has a parameter besides sentinel_username and sentinel_password".into()),
        }
    }
    Ok((&rest[..query], guards))
}

fn host_and_port(text: &str, port: u16) -> Result<(String, u16), Cow<'static, str>> {
    let (host, number) = match text.rsplit_once(':') {
        // The last colon of an address in brackets is its own.
        Some((host, number)) if !number.contains(']') => {
            // What it is instead is not said: it may be a password whose `@host` was forgotten.
            (host, number.parse().map_err(|_| "what stands behind a colon is no port")?)
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
        text => text.parse().map_err(|_| "what stands behind the slash is no number of a database".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_servers_clusters_and_sentinels() {
        for single in [
            "redis://127.0.0.1/3",
            "valkeys://127.0.0.1/3?protocol=resp3#insecure",
            "redis+unix:///run/redis.sock?db=1&user=me&pass=pw&protocol=3",
        ] {
            assert_eq!(parse(single).unwrap(), Address::Single, "{single}");
        }
        let Address::Cluster(cluster) = parse("rediss-cluster://me:p%40ss@a:7000,[::1]:7001,c").unwrap()
        else {
            panic!("this is a cluster")
        };
        assert_eq!(cluster.hosts, [("a".into(), 7000), ("::1".into(), 7001), ("c".into(), 6379)]);
        assert!(cluster.tls);
        assert_eq!(cluster.username.as_deref(), Some("me"));
        assert_eq!(cluster.password.as_deref(), Some("p@ss"));
        let Address::Sentinel(sentinel, master, guards) = parse("redis-sentinel://:pw@a,b:1/main/2").unwrap()
        else {
            panic!("these are sentinels")
        };
        assert_eq!(guards, Guards::default());
        assert_eq!((sentinel.hosts.len(), sentinel.hosts[0].1, sentinel.database), (2, 26_379, 2));
        assert_eq!((master.as_str(), sentinel.username), ("main", None));
        for bad in [
            "postgres://a",
            "redis",
            "redis://a?replica=1",
            "redis://a?db=1",
            "redis://a?protocol=4",
            "valkey://a#replicas=1",
            "rediss://a?protocol=3&replicas=1",
            "unix:///run/redis.sock?database=1",
            "redis-cluster://",
            "redis-cluster://a:x",
            "redis-cluster://a,,b",
            "redis-cluster://a/x",
            "redis-cluster://a?b=c",
            "redis-sentinel://a",
            "redis-sentinel://a/main?password=b",
            "redis-sentinel://a/main&sentinel_password=b",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sentinels_have_a_password_of_their_own() {
        for (url, password) in [
            ("redis-sentinel://:pw@a/main?sentinel_username=me&sentinel_password=p%40ss", Some("pw")),
            ("redis-sentinel://:p?w@a/main?sentinel_password=p%40ss&sentinel_username=me", Some("p?w")),
            ("redis-sentinel://a/main?sentinel_password=p@ss&sentinel_username=me", None),
        ] {
            let Address::Sentinel(sentinel, master, guards) = parse(url).unwrap() else {
                panic!("these are sentinels")
            };
            assert_eq!((sentinel.password.as_deref(), master.as_str()), (password, "main"), "{url}");
            assert_eq!(guards.username.as_deref(), Some("me"), "{url}");
            assert_eq!(guards.password.as_deref(), Some("p@ss"), "{url}");
            assert!(!format!("{guards:?}").contains("p@ss"));
        }
    }
}
