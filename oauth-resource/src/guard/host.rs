//! Under which names this server may be called.

use http::header::HOST;
use http::{HeaderMap, Uri};
use oauth_core::ResourceUri;

/// Names, each with or without a port. Without one, any port will do.
#[derive(Clone, Debug)]
pub(crate) struct Hosts(Vec<Box<str>>);

const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

impl Hosts {
    /// The loopback names, if the resource is on loopback.
    pub(crate) fn of_loopback(resource: &ResourceUri) -> Option<Self> {
        let (name, _) = split(authority(resource));
        LOOPBACK.contains(&name).then(|| Self(LOOPBACK.iter().map(|name| (*name).into()).collect()))
    }

    /// The resource's own name.
    pub(crate) fn of(resource: &ResourceUri) -> Self {
        Self(vec![authority(resource).into()])
    }

    /// One more; `false` if it is no host.
    pub(crate) fn add(&mut self, host: &str) -> bool {
        let valid = host.parse::<http::uri::Authority>().is_ok_and(|read| !read.host().is_empty())
            && !host.contains('@');
        if valid {
            self.0.push(host.to_ascii_lowercase().into());
        }
        valid
    }

    /// Whether a request names a host on the list, in its header and in its URI. One that names none comes from no browser.
    pub(crate) fn admit(&self, headers: &HeaderMap, uri: &Uri) -> bool {
        let mut named = headers.get_all(HOST).iter();
        let header = named.next();
        if named.next().is_some() {
            return false;
        }
        header.is_none_or(|host| host.to_str().is_ok_and(|host| self.contains(host)))
            && uri.authority().is_none_or(|authority| self.contains(authority.as_str()))
    }

    fn contains(&self, host: &str) -> bool {
        let (name, _) = split(host);
        self.0.iter().any(|own| own.eq_ignore_ascii_case(host) || own.eq_ignore_ascii_case(name))
    }
}

fn authority(resource: &ResourceUri) -> &str {
    resource.origin().split_once("://").map_or("", |(_, authority)| authority)
}

/// Name and port. An IPv6 address keeps its brackets.
fn split(host: &str) -> (&str, Option<&str>) {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => {
            (name, Some(port))
        }
        _ => (host, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_on_the_list_are_answered() {
        // RS-76, A-PROXY-7
        let loopback = Hosts::of_loopback(&"http://127.0.0.1:8000/mcp".parse().unwrap()).unwrap();
        let mut public = Hosts::of(&"https://mcp.example/mcp".parse().unwrap());
        assert!(public.add("internal:8080") && !public.add("a b") && !public.add("u@h") && !public.add(""));
        for (hosts, host, good) in [
            (&loopback, "127.0.0.1:8000", true),
            (&loopback, "LOCALHOST:1", true),
            (&loopback, "[::1]:8000", true),
            (&loopback, "[::1]", true),
            (&loopback, "attacker.test:8000", false),
            (&loopback, "127.0.0.1.attacker.test", false),
            (&loopback, "localhost.attacker.test:8000", false),
            (&loopback, "localhost:8000@attacker.test", false),
            (&loopback, "localhost:x", false),
            (&loopback, "", false),
            (&public, "mcp.example", true),
            (&public, "mcp.example:443", true),
            (&public, "internal:8080", true),
            (&public, "internal:8081", false),
            (&public, "127.0.0.1", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, host.parse().unwrap());
            assert_eq!(hosts.admit(&headers, &Uri::from_static("/mcp")), good, "{host}");
        }
        assert!(loopback.admit(&HeaderMap::new(), &Uri::from_static("/mcp")));
        assert!(!loopback.admit(&HeaderMap::new(), &Uri::from_static("http://attacker.test/mcp")));
        assert!(Hosts::of_loopback(&"https://mcp.example".parse().unwrap()).is_none());
    }
}
