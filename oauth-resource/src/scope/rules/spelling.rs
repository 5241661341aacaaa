//! How the URI of a resource may be spelled.

use std::borrow::Cow;

/// What may stand in a URI as it is, and is encoded all the same by many clients (RFC 3986 §2.2, §3.3).
const EITHER_WAY: &[u8] = b"!$&'()*+,;=:@";

/// A URI with everything as it is that may be, and what is encoded in capitals: `%3a`, `%3A` and `:` are one, `é` and `%C3%A9`.
pub(super) fn canonical(uri: &str) -> Cow<'_, str> {
    if uri.is_ascii() && !uri.contains('%') {
        return Cow::Borrowed(uri);
    }
    let mut text = String::with_capacity(uri.len() + 8);
    let bytes = uri.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let encoded = (byte == b'%').then(|| bytes.get(at + 1..at + 3).and_then(decode)).flatten();
        at += if encoded.is_some() { 3 } else { 1 };
        match encoded {
            Some(byte) if EITHER_WAY.contains(&byte) => text.push(char::from(byte)),
            Some(byte) => encode(&mut text, byte),
            None if byte.is_ascii() => text.push(char::from(byte)),
            None => encode(&mut text, byte),
        }
    }
    Cow::Owned(text)
}

fn decode(digits: &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    match digits {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    }
}

fn encode(text: &mut String, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    text.push('%');
    text.push(char::from(DIGITS[usize::from(byte >> 4)]));
    text.push(char::from(DIGITS[usize::from(byte & 15)]));
}

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
