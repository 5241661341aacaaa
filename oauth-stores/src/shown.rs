//! How a URL is shown: without whatever in it may be a secret.

/// The URL without its user, password and parameters. It need not be one: where it cannot be told what is a password, nothing is shown.
pub(crate) fn shown(url: &str) -> String {
    let Some((scheme, rest)) = split(url) else {
        // A file's name, or a URL in which something is missing, or what other drivers take: `host=db password=…`.
        let path = url.strip_prefix("sqlite:").unwrap_or(url);
        return if path == ":memory:" || is_path(path) { url.to_owned() } else { "…".to_owned() };
    };
    let (credentials, place) = match (rest.find('?'), rest.rfind('@')) {
        // An `@` in a parameter, or a `?` in a password?
        (Some(query), Some(at)) if query < at => return format!("{scheme}://…"),
        (_, Some(at)) => ("…@", &rest[at + 1..]),
        (_, None) => ("", rest),
    };
    let (place, query) = place.split_once('?').map_or((place, ""), |(place, _)| (place, "?…"));
    let (hosts, path) = place.split_once('/').map_or((place, None), |(hosts, path)| (hosts, Some(path)));
    let doubtful = |host: &str| !is_host(host, !credentials.is_empty(), path.is_some());
    if !hosts.is_empty() && hosts.split(',').any(doubtful) {
        return format!("{scheme}://…");
    }
    let path = match path {
        None => String::new(),
        Some(path) if path.bytes().all(|byte| is_plain(byte) || byte == b'/') => format!("/{path}"),
        // What was meant as a parameter, and a `?` is missing?
        Some(_) => "/…".to_owned(),
    };
    format!("{scheme}://{credentials}{hosts}{path}{query}")
}

/// The scheme and what follows it, if this is one.
pub(crate) fn split(url: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let is_scheme =
        scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    (is_scheme && !scheme.is_empty()).then_some((scheme, rest))
}

/// Says that there is no such parameter. What is no plain word is not shown: it may be a piece of a password.
#[cfg(any(feature = "postgres", feature = "redis"))]
pub(crate) fn no_parameter(name: &str) -> String {
    if name.bytes().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'_' | b'-')) {
        format!("there is no parameter {name:?}")
    } else {
        "there is a parameter that is none".into()
    }
}

/// Whether this is the name of a file and nothing else: of plain letters, and in a folder or with an ending, which passwords seldom have.
fn is_path(text: &str) -> bool {
    text.bytes().all(|byte| is_plain(byte) || matches!(byte, b'/' | b'\\')) && text.contains(['.', '/', '\\'])
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

/// The ports that servers have by themselves.
const USUAL_PORTS: [u16; 3] = [5432, 6379, 26_379];

/// Whether this is a host, beyond doubt. `user:password` whose `@host` was forgotten looks like a host with a port: one that is no number, or
/// is one, behind a word that is like a host's name or not. Behind an `@`, which a password may have, too, a word alone is no more certain:
/// a port or a path is to follow.
fn is_host(text: &str, behind_credentials: bool, before_path: bool) -> bool {
    let (name, port) = match text.rsplit_once(':') {
        // The last colon of an address in brackets is its own.
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (text, None),
    };
    let bracketed = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    let is_name = match bracketed {
        Some(address) => address.contains(':') && address.bytes().all(|byte| is_plain(byte) || byte == b':'),
        None => !name.is_empty() && name.bytes().all(is_plain),
    };
    let is_certain = name == "localhost" || name.contains('.') || bracketed.is_some();
    is_name
        && match port {
            None => is_certain || !behind_credentials || before_path,
            Some(port) => port.parse().is_ok_and(|number: u16| {
                port.bytes().all(|byte| byte.is_ascii_digit())
                    && (is_certain || behind_credentials || USUAL_PORTS.contains(&number))
            }),
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_its_password() {
        for (url, wanted) in [
            ("postgres://me:s3cret@host:5432/oauth", "postgres://…@host:5432/oauth"),
            ("postgres://me:s3cret@host/oauth?sslmode=require&password=s3cret", "postgres://…@host/oauth?…"),
            ("postgres://me:s%40cr%3Aet@host/oauth", "postgres://…@host/oauth"),
            ("postgres://me:s3@cret@host/oauth", "postgres://…@host/oauth"),
            ("redis://:s3cret@[::1]:6379/0", "redis://…@[::1]:6379/0"),
            ("redis-cluster://me:s3cret@a:1,b:2", "redis-cluster://…@a:1,b:2"),
            ("redis-cluster://a:1,b:2", "redis-cluster://…"),
            ("redis-cluster://a:6379,b.example:2,c", "redis-cluster://a:6379,b.example:2,c"),
            ("redis://host?password=s3cret", "redis://host?…"),
            ("redis://host?password=s3@cret", "redis://…"),
            ("redis://me:s3?c@ret@host", "redis://…"),
            ("postgres://me:s3cret", "postgres://…"),
            ("redis://me:s3]cret", "redis://…"),
            ("redis://me:s3cret]", "redis://…"),
            ("redis://[::1]", "redis://[::1]"),
            ("postgres://me:s3/cret", "postgres://…"),
            ("postgres://me:123456", "postgres://…"),
            ("postgres://me:1234", "postgres://…"),
            ("postgres://me:1234/oauth?sslmode=require", "postgres://…"),
            ("redis://:1234", "redis://…"),
            ("redis://me:12345678,9", "redis://…"),
            ("redis://db.example:99999", "redis://…"),
            ("postgres://db:5432/oauth", "postgres://db:5432/oauth"),
            ("redis://127.0.0.1:40001", "redis://127.0.0.1:40001"),
            ("postgres://localhost:40001/oauth", "postgres://localhost:40001/oauth"),
            ("postgres://db.example:6543/oauth", "postgres://db.example:6543/oauth"),
            ("redis://[::1]:40001", "redis://[::1]:40001"),
            ("postgres://s3cret@host:not-a-port", "postgres://…"),
            ("redis://me:s3@cret", "redis://…"),
            ("redis://me:s3@cret;et", "redis://…"),
            ("redis://me:s3@cret,et", "redis://…"),
            ("redis://me:s3cret@host", "redis://…"),
            ("redis://me:s3cret@host:1", "redis://…@host:1"),
            ("redis://me:s3cret@host/1", "redis://…@host/1"),
            ("redis://me:s3cret@db.example", "redis://…@db.example"),
            ("redis://me:1234,5", "redis://…"),
            ("redis-cluster://me:1234,5:6", "redis-cluster://…"),
            ("redis://db.example:6379,password=s3cret,ssl=True", "redis://…"),
            ("redis://db.example:+379", "redis://…"),
            ("postgres://db.example;password=s3cret", "postgres://…"),
            ("postgres://db.example/oauth&password=s3cret", "postgres://db.example/…"),
            ("postgres://me:s3cret@db.example/oauth;password=s3cret", "postgres://…@db.example/…"),
            ("redis://db:6379/0&password=x", "redis://db:6379/…"),
            ("redis-sentinel://a,b/main&sentinel_password=s3cret", "redis-sentinel://a,b/…"),
            ("redis://[s3cret]", "redis://…"),
            ("redis+unix:///var/run/redis.sock?pass=s3cret", "redis+unix:///var/run/redis.sock?…"),
            ("sqlite://C:\\data\\oauth.sqlite", "sqlite://…"),
            ("sqlite://my data/oauth.sqlite", "sqlite://…"),
            ("sqlite:///var/lib/oauth.sqlite", "sqlite:///var/lib/oauth.sqlite"),
            ("me:s3cret@host", "…"),
            ("redis:me:s3cret", "…"),
            ("redis::s3cret", "…"),
            ("s3cret", "…"),
            ("host=db.example user=app password=s3cret", "…"),
            ("Server=db.example;User Id=app;Password=s3cret", "…"),
            ("db.example:6379,password=s3cret,ssl=True", "…"),
            ("db.example password=s3cret options=://", "…"),
            ("oauth.sqlite", "oauth.sqlite"),
            ("data/oauth.sqlite", "data/oauth.sqlite"),
            ("sqlite:oauth.sqlite", "sqlite:oauth.sqlite"),
            ("sqlite::memory:", "sqlite::memory:"),
        ] {
            assert_eq!(shown(url), wanted, "{url}");
        }
    }
}
