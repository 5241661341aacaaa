//! One spelling for what servers read alike.

use std::borrow::Cow;

/// What may stand in a URI as it is, and is encoded all the same by many clients (RFC 3986 §2.2, §3.3).
const EITHER_WAY: &[u8] = b"!$&'()*+,;=:@";

/// A URI, or a path, with everything as it is that may be, and what is encoded in capitals: `%3a`, `%3A` and `:` are one, `é` and `%C3%A9`.
pub(crate) fn canonical(uri: &str) -> Cow<'_, str> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_encoded_or_not_is_one_place() {
        // UP-16, A-HTTP-11
        for (text, read) in [
            ("/mcp/notes%3Apurge", "/mcp/notes:purge"),
            ("/mcp/%21%24%26%27%28%29%2A%2B%2C%3B%3D%3A%40", "/mcp/!$&'()*+,;=:@"),
            ("/mcp/%C3%A9%20", "/mcp/%C3%A9%20"),
            ("/%20%3A%20", "/%20:%20"),
            ("/mcp/notes:purge", "/mcp/notes:purge"),
            ("notes://h/\u{e9}%c3%a9", "notes://h/%C3%A9%C3%A9"),
            ("/%2Fa%2e%25", "/%2Fa%2E%25"),
            ("/%", "/%"),
            ("/%4", "/%4"),
            ("/%zz%\u{e9}", "/%zz%%C3%A9"),
            ("/", "/"),
        ] {
            assert_eq!(canonical(text), read, "{text}");
            assert_eq!(canonical(read), read);
        }
    }
}
