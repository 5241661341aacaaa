//! Base64url as JOSE writes it: without padding, and one text for each sequence of bytes (RS-54, A-JWT-19).

use base64_simd::URL_SAFE_NO_PAD;

/// Appends what `text` stands for. `None` for padding, another alphabet, white space, or last bits that are not zero.
pub(super) fn decode_onto(text: &[u8], bytes: &mut Vec<u8>) -> Option<()> {
    URL_SAFE_NO_PAD.decode_append(text, bytes).ok()
}

/// What `text` stands for.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode_to_vec(text).ok()
}

pub(super) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode_to_string(bytes)
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

    #[test]
    fn it_is_as_strict_wherever_a_text_is_wrong() {
        // RS-54: long texts are read many characters at a time, and their ends by themselves.
        let bytes: Vec<u8> = (160..=255).collect();
        for length in 0..bytes.len() {
            let text = encode(&bytes[..length]);
            assert_eq!(decode(&text).as_deref(), Some(&bytes[..length]));
            for at in 0..text.len() {
                let is_other = |byte: &u8| !byte.is_ascii_alphanumeric() && !b"-_".contains(byte);
                for wrong in (0..=u8::MAX).filter(is_other) {
                    let mut bad = text.clone().into_bytes();
                    bad[at] = wrong;
                    assert_eq!(decode_onto(&bad, &mut Vec::new()), None, "{wrong:#x} at {at}");
                }
            }
            if length % 3 != 0 {
                let (last, rest) = text.as_bytes().split_last().unwrap();
                let bad = [rest, &[last + 1]].concat();
                assert_eq!(decode_onto(&bad, &mut Vec::new()), None, "bits that say nothing: {length}");
            }
        }
    }
}
