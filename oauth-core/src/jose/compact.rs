//! The compact serialisation, RFC 7515 §7.1: three segments, and nothing that two readers could read differently.

use std::fmt;

use memchr::memchr_iter;

use crate::jose::base64url;
use crate::jose::claims::{ClaimSet, ClaimsFault};
use crate::jose::header::{Header, HeaderFault};

/// How many characters a token may have.
pub const MAX_TOKEN: usize = 16 * 1024;

/// How many characters of it the header may be.
pub const MAX_HEADER: usize = 4 * 1024;

/// A signature of RSA with 8192 bits, in characters.
const MAX_SIGNATURE: usize = 1366;

/// Why a text is no JWS.
///
/// ```
/// use oauth_core::jose::{Jws, JwsFault};
/// assert_eq!(Jws::parse("opaque").unwrap_err(), JwsFault::Segments);
/// assert_eq!(Jws::parse("e30.e30.QQ==").unwrap_err(), JwsFault::Encoding);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JwsFault {
    /// Longer than [`MAX_TOKEN`], or one of its parts than its own limit.
    #[error("the token is too long")]
    TooLong,
    /// Not three segments: an opaque token, JWE, JSON.
    #[error("the token does not have three segments")]
    Segments,
    /// A segment is no base64url, or is padded, or has bits at its end that say nothing.
    #[error("a segment of the token is not canonical base64url")]
    Encoding,
}

/// A token in its parts. Nothing of it is verified.
///
/// ```
/// use oauth_core::jose::{Jws, SigningKey};
///
/// let key = SigningKey::generate_es256();
/// let token = key.sign("at+jwt", &serde_json::json!({"iss": "https://as.example"}))?;
/// let jws = Jws::parse(&token)?;
/// assert_eq!(jws.header()?.typ.as_deref(), Some("at+jwt"));
/// assert_eq!(jws.claims()?.issuer.as_deref(), Some("https://as.example"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Jws<'a> {
    token: &'a str,
    header: usize,
    signing_input: usize,
    /// The payload's bytes, then the signature's: one allocation.
    decoded: Vec<u8>,
    payload: usize,
}

impl<'a> Jws<'a> {
    /// Takes a token apart. Payload and signature are decoded; the header is by [`header`](Self::header), or not at all where it was read
    /// before.
    ///
    /// # Errors
    /// [`JwsFault`], before anything is decoded where its form shows it.
    pub fn parse(token: &'a str) -> Result<Self, JwsFault> {
        if token.len() > MAX_TOKEN {
            return Err(JwsFault::TooLong);
        }
        let mut dots = memchr_iter(b'.', token.as_bytes());
        let (Some(header), Some(signing_input), None) = (dots.next(), dots.next(), dots.next()) else {
            return Err(JwsFault::Segments);
        };
        let (payload, signature) = (&token[header + 1..signing_input], &token[signing_input + 1..]);
        if header > MAX_HEADER || signature.len() > MAX_SIGNATURE {
            return Err(JwsFault::TooLong);
        }
        let mut decoded = Vec::with_capacity((payload.len() + signature.len()) / 4 * 3 + 8);
        base64url::decode_onto(payload.as_bytes(), &mut decoded).ok_or(JwsFault::Encoding)?;
        let payload = decoded.len();
        base64url::decode_onto(signature.as_bytes(), &mut decoded).ok_or(JwsFault::Encoding)?;
        Ok(Self { token, header, signing_input, decoded, payload })
    }

    /// The header, read anew at each call.
    ///
    /// # Errors
    /// [`HeaderFault`] if it is none that is understood here, whole.
    pub fn header(&self) -> Result<Header, HeaderFault> {
        Header::read(self.header_segment())
    }

    /// What the payload says, read anew at each call. Not verified.
    ///
    /// # Errors
    /// [`ClaimsFault`] if it is no JSON object of claims.
    pub fn claims(&self) -> Result<ClaimSet<'_>, ClaimsFault> {
        ClaimSet::read(self.payload())
    }

    /// The payload's bytes.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.decoded[..self.payload]
    }

    /// The header as it was sent, encoded.
    pub(super) fn header_segment(&self) -> &'a str {
        &self.token[..self.header]
    }

    /// What was signed.
    pub(super) fn signing_input(&self) -> &'a [u8] {
        &self.token.as_bytes()[..self.signing_input]
    }

    pub(super) fn signature(&self) -> &[u8] {
        &self.decoded[self.payload..]
    }
}

/// Says nothing of its parts: it may be good.
impl fmt::Debug for Jws<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Jws({} characters)", self.token.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_three_canonical_segments_are_a_token() {
        // RS-54, A-JWT-16, A-JWT-18, A-JWT-19
        assert!(Jws::parse("e30.e30.QQ").is_ok());
        assert!(Jws::parse("e30.e30.").is_ok(), "an empty signature is for the key to refuse");
        for bad in [
            "",
            ".",
            "e30",
            "e30.e30",
            "e30.e30.QQ.QQ",
            "e30.QQ.QQ.QQ.QQ",
            r#"{"payload":"e30","signature":"QQ"}"#,
        ] {
            assert_eq!(Jws::parse(bad).unwrap_err(), JwsFault::Segments, "{bad}");
        }
        for bad in [
            "e30.e30.QQ==",
            "e30.e30.QR",
            "e30.e31.QQ",
            "e30.e3 0.QQ",
            "e30.e30.+/+/",
            "e30.e30.QQ\n",
            "e30.e30.\0",
        ] {
            assert_eq!(Jws::parse(bad).unwrap_err(), JwsFault::Encoding, "{bad:?}");
        }
        // A-JWT-17
        let long = "A".repeat(MAX_TOKEN);
        for bad in [
            format!("e30.{long}.QQ"),
            format!("{}.e30.QQ", &long[..MAX_HEADER + 4]),
            format!("e30.e30.{}", &long[..MAX_SIGNATURE + 1]),
        ] {
            assert_eq!(Jws::parse(&bad).unwrap_err(), JwsFault::TooLong);
        }
    }

    #[test]
    fn debug_shows_no_token() {
        assert_eq!(format!("{:?}", Jws::parse("e30.e30.QQ").unwrap()), "Jws(10 characters)");
    }
}
