//! Base64url as JOSE writes it: without padding, and one text for each sequence of bytes (RS-54, A-JWT-19).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Appends what `text` stands for. `None` for padding, another alphabet, white space, or last bits that are not zero.
pub(super) fn decode_onto(text: &[u8], bytes: &mut Vec<u8>) -> Option<()> {
    let start = bytes.len();
    // Four characters for three bytes; the rest of a division is at most two more.
    bytes.resize(start + text.len() / 4 * 3 + 3, 0);
    let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes[start..]).ok()?;
    bytes.truncate(start + length);
    Some(())
}

/// What `text` stands for.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

pub(super) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_text_stands_for_one_sequence_of_bytes() {
        // A-JWT-19
        for (text, bytes) in
            [("", Some(&b""[..])), ("QQ", Some(b"A")), ("QUI", Some(b"AB")), ("-_-_", Some(b"\xfb\xff\xbf"))]
        {
            assert_eq!(decode(text).as_deref(), bytes);
            let mut onto = vec![7];
            assert_eq!(decode_onto(text.as_bytes(), &mut onto).map(|()| &onto[1..]), bytes);
        }
        for bad in ["QQ==", "QQ=", "QR", "QUJ", "+/+/", "QQ ", " QQ", "Q", "QQ\n", "Q\0", "QUJD\n"] {
            assert_eq!(decode(bad), None, "{bad:?}");
            assert_eq!(decode_onto(bad.as_bytes(), &mut Vec::new()), None, "{bad:?}");
        }
    }
}
