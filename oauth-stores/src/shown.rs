//! How a URL is shown: without whatever in it may be a secret.

/// The URL without its user, password and parameters. It need not be one: where it cannot be told what is a password, nothing is shown.
pub(crate) fn shown(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        // A path, or a URL in which something is missing.
        return if url.contains(['@', '?']) { "…".to_owned() } else { url.to_owned() };
    };
    let (credentials, place) = match (rest.find('?'), rest.rfind('@')) {
        // An `@` in a parameter, or a `?` in a password?
        (Some(query), Some(at)) if query < at => return format!("{scheme}://…"),
        (_, Some(at)) => ("…@", &rest[at + 1..]),
        (_, None) => ("", rest),
    };
    let (place, query) = place.split_once('?').map_or((place, ""), |(place, _)| (place, "?…"));
    let (hosts, path) =
        place.split_once('/').map_or((place, String::new()), |(hosts, path)| (hosts, format!("/{path}")));
    // `user:password` whose `@host` was forgotten looks like a host with a port that is no number.
    let is_port = |host: &str| match host.rsplit_once(':') {
        Some((_, port)) => port.contains(']') || port.bytes().all(|byte| byte.is_ascii_digit()),
        None => true,
    };
    if !credentials.is_empty() || hosts.split(',').all(is_port) {
        format!("{scheme}://{credentials}{hosts}{path}{query}")
    } else {
        format!("{scheme}://…")
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
            ("redis-cluster://a:1,b:2", "redis-cluster://a:1,b:2"),
            ("redis://host?password=s3cret", "redis://host?…"),
            ("redis://host?password=s3@cret", "redis://…"),
            ("redis://me:s3?c@ret@host", "redis://…"),
            ("postgres://me:s3cret", "postgres://…"),
            ("postgres://me:s3/cret", "postgres://…"),
            ("postgres://s3cret@host:not-a-port", "postgres://…@host:not-a-port"),
            ("sqlite:///var/lib/oauth.sqlite", "sqlite:///var/lib/oauth.sqlite"),
            ("me:s3cret@host", "…"),
            ("oauth.sqlite", "oauth.sqlite"),
        ] {
            assert_eq!(shown(url), wanted, "{url}");
        }
    }
}
