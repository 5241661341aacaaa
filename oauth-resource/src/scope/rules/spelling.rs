//! How the URI of a resource may be spelled.

/// Whether a URI has one spelling only, as far as servers agree: no dot segment, no empty one, no backslash, no percent-encoding
/// but of what must be, scheme and host in lower case, nothing beside the host that need not be there.
pub(super) fn is_plain(uri: &str) -> bool {
    let Some((scheme, rest)) = uri.split_once(':') else { return false };
    let (host, path) = match rest.strip_prefix("//") {
        Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
        None => ("", rest),
    };
    // A user or a port that need not be named is left out by some.
    let default_port = match scheme {
        "https" | "wss" => ":443",
        "http" | "ws" => ":80",
        "ftp" => ":21",
        _ => ":",
    };
    let plain_host = !host.contains('@') && !host.ends_with(':') && !host.ends_with(default_port);
    let lower = |text: &str| !text.bytes().any(|byte| byte.is_ascii_uppercase());
    let segments = path.strip_prefix('/').unwrap_or(path);
    let last = segments.matches('/').count();
    let plain_segments = segments
        .split('/')
        .enumerate()
        .all(|(index, segment)| segment != "." && segment != ".." && (index == last || !segment.is_empty()));
    let bytes = uri.as_bytes();
    let plain_encoding = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'%').all(|(at, _)| {
        let digits = bytes.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        let decoded = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.is_some_and(|byte| {
            !byte.is_ascii_alphanumeric() && !b"-._~/\\%:".contains(&byte) && byte >= 0x20
        })
    });
    let printable = |c: char| !c.is_control() && !c.is_whitespace() && c != '\\';
    lower(scheme)
        && lower(host)
        && plain_host
        && plain_segments
        && plain_encoding
        && uri.chars().all(printable)
}
