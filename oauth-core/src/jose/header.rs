//! The JOSE header, RFC 7515 §4: what is understood, what is not looked at, and what is refused.

use std::fmt;

use serde::de::{Deserializer as _, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::jose::base64url;
use crate::jose::claims::MAX_MEMBERS;
use crate::jose::jwk::{Jwk, JwkFault};
use crate::jose::text::Text;

/// How many characters a `kid` may have. It is a name, looked up among the keys of its issuer and used for nothing else (A-JWT-6).
pub const MAX_KID: usize = 512;

/// Why a header is refused.
///
/// ```
/// use oauth_core::jose::{HeaderFault, Jws};
/// // {"alg":"ES256","crit":["exp"]}
/// let jws = Jws::parse("eyJhbGciOiJFUzI1NiIsImNyaXQiOlsiZXhwIl19.e30.QQ")?;
/// assert_eq!(jws.header().unwrap_err(), HeaderFault::Unsupported("crit"));
/// # Ok::<(), oauth_core::jose::JwsFault>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderFault {
    /// Not a JSON object in which every member stands once and is what it should be.
    #[error("the token's header is malformed")]
    Malformed,
    /// It asks for something that is not done here: `crit`, `b64`, `zip`, a token within the token.
    #[error("the token's header has {0:?}, which is not supported")]
    Unsupported(&'static str),
}

/// A token's header. Keys and addresses of keys in it are not looked at: whoever made the token wrote them (RS-45).
///
/// ```
/// use oauth_core::jose::Jws;
/// // {"alg":"none","jku":"https://evil.example"}
/// let header = Jws::parse("eyJhbGciOiJub25lIiwiamt1IjoiaHR0cHM6Ly9ldmlsLmV4YW1wbGUifQ.e30.")?.header()?;
/// assert_eq!((&*header.alg, header.kid, header.typ), ("none", None, None));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Header {
    /// The algorithm's name, whatever it is.
    pub alg: Box<str>,
    /// The name of the key.
    pub kid: Option<Box<str>>,
    /// What kind of token it is.
    pub typ: Option<Box<str>>,
    /// The key that a proof of possession carries, unread.
    jwk: Option<Box<RawValue>>,
}

impl Header {
    pub(super) fn read(segment: &str) -> Result<Self, HeaderFault> {
        let bytes = base64url::decode(segment).ok_or(HeaderFault::Malformed)?;
        let mut reader = serde_json::Deserializer::from_slice(&bytes);
        let mut unsupported = None;
        let header = reader
            .deserialize_map(Reads { unsupported: &mut unsupported })
            .and_then(|header| reader.end().map(|()| header));
        match (header, unsupported) {
            (_, Some(name)) => Err(HeaderFault::Unsupported(name)),
            (Ok(header), None) => Ok(header),
            (Err(_), None) => Err(HeaderFault::Malformed),
        }
    }

    /// Whether `typ` is this media type, with or without `application/` before it, in any case (RS-41).
    #[must_use]
    pub fn is_typ(&self, media_type: &str) -> bool {
        self.typ.as_deref().is_some_and(|typ| is_type(typ, media_type))
    }

    /// The public key that stands in the header itself: for proofs of possession alone, whose key nobody is asked to trust.
    ///
    /// # Errors
    /// [`JwkFault`] if there is none, or it is not a public key of good quality.
    pub(crate) fn own_key(&self) -> Result<Jwk, JwkFault> {
        let jwk = self.jwk.as_ref().ok_or(JwkFault::Malformed)?;
        Jwk::parse(jwk.get().as_bytes())
    }
}

/// Whether a `typ` is this media type, with or without `application/` before it, in any case (RFC 7515 §4.1.9).
///
/// ```
/// use oauth_core::jose::is_type;
/// assert!(is_type("application/AT+JWT", "at+jwt"));
/// assert!(!is_type("JWT", "at+jwt"));
/// ```
#[must_use]
pub fn is_type(typ: &str, media_type: &str) -> bool {
    bare(typ).eq_ignore_ascii_case(media_type)
}

/// Without `application/`, which RFC 7515 §4.1.9 has left out.
fn bare(typ: &str) -> &str {
    const APPLICATION: &str = "application/";
    match typ.get(..APPLICATION.len()) {
        Some(start) if start.eq_ignore_ascii_case(APPLICATION) => &typ[APPLICATION.len()..],
        _ => typ,
    }
}

struct Reads<'u> {
    unsupported: &'u mut Option<&'static str>,
}

impl<'de> Visitor<'de> for Reads<'_> {
    type Value = Header;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a header")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Header, A::Error> {
        let (mut alg, mut kid, mut typ, mut cty, mut jwk) = (None, None, None, None, None);
        let mut others: Vec<Text<'de>> = Vec::new();
        let fault = |what| Err(A::Error::custom(what));
        while let Some(name) = access.next_key::<Text<'de>>()? {
            let refused = match &*name.0 {
                "alg" => {
                    once(&mut alg, access.next_value::<Text<'de>>()?)?;
                    continue;
                }
                "kid" => {
                    once(&mut kid, access.next_value::<Text<'de>>()?)?;
                    continue;
                }
                "typ" => {
                    once(&mut typ, access.next_value::<Text<'de>>()?)?;
                    continue;
                }
                "cty" => {
                    once(&mut cty, access.next_value::<Text<'de>>()?)?;
                    continue;
                }
                "jwk" => {
                    once(&mut jwk, access.next_value::<Box<RawValue>>()?)?;
                    continue;
                }
                "crit" => "crit",
                "b64" => "b64",
                "zip" => "zip",
                "enc" => "enc",
                _ => {
                    if others.len() >= MAX_MEMBERS || others.iter().any(|other| other.0 == name.0) {
                        return fault("a member stands twice, or there are too many");
                    }
                    access.next_value::<IgnoredAny>()?;
                    others.push(name);
                    continue;
                }
            };
            *self.unsupported = Some(refused);
            return fault("not supported");
        }
        if cty.is_some_and(|cty| bare(&cty.0).eq_ignore_ascii_case("jwt")) {
            *self.unsupported = Some("cty");
            return fault("not supported");
        }
        if kid.as_ref().is_some_and(|kid: &Text<'_>| kid.0.len() > MAX_KID) {
            return fault("the kid is too long");
        }
        let owned = |text: Text<'_>| text.0.into_owned().into_boxed_str();
        let alg = owned(alg.ok_or_else(|| A::Error::missing_field("alg"))?);
        Ok(Header { alg, kid: kid.map(owned), typ: typ.map(owned), jwk })
    }
}

fn once<T, E: serde::de::Error>(place: &mut Option<T>, value: T) -> Result<(), E> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(E::custom("a member stands twice")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Header, HeaderFault> {
        Header::read(&base64url::encode(json.as_bytes()))
    }

    #[test]
    fn what_is_not_understood_is_refused_and_what_a_stranger_offers_not_taken() {
        // RS-44, RS-45, RS-56, A-JWT-4, A-JWT-5, A-JWT-7
        let header = read(r#"{"alg":"RS256","jku":"https://evil/","x5u":"http://169.254.169.254/","x5c":["MII"],"jwk":{},"typ":"JWT"}"#).unwrap();
        assert_eq!((&*header.alg, header.kid.as_deref()), ("RS256", None));
        for (json, name) in [
            (r#"{"alg":"ES256","crit":["x"]}"#, "crit"),
            (r#"{"alg":"ES256","crit":[]}"#, "crit"),
            (r#"{"alg":"ES256","crit":["alg"]}"#, "crit"),
            (r#"{"alg":"ES256","b64":false}"#, "b64"),
            (r#"{"alg":"ES256","b64":true}"#, "b64"),
            (r#"{"alg":"ES256","zip":"DEF"}"#, "zip"),
            (r#"{"alg":"RSA-OAEP","enc":"A256GCM"}"#, "enc"),
            (r#"{"alg":"ES256","cty":"JWT"}"#, "cty"),
            (r#"{"alg":"ES256","cty":"application/jwt"}"#, "cty"),
        ] {
            assert_eq!(read(json).unwrap_err(), HeaderFault::Unsupported(name), "{json}");
        }
    }

    #[test]
    fn a_member_stands_once_and_is_what_it_should_be() {
        // RS-55, A-JWT-6, A-JWT-11
        let long = format!(r#"{{"alg":"ES256","kid":"{}"}}"#, "k".repeat(MAX_KID + 1));
        for bad in [
            "",
            "[]",
            "{}",
            "null",
            r#"{"alg":"ES256"}{}"#,
            r#"{"alg":"ES256","alg":"none"}"#,
            r#"{"alg":"ES256","\u0061lg":"none"}"#,
            r#"{"alg":"ES256","x":1,"x":2}"#,
            r#"{"alg":"ES256","kid":"a","kid":"b"}"#,
            r#"{"alg":"ES256","kid":7}"#,
            r#"{"alg":["ES256"]}"#,
            r#"{"alg":"ES256","typ":null}"#,
            &long,
        ] {
            assert_eq!(read(bad).unwrap_err(), HeaderFault::Malformed, "{bad:.60}");
        }
        assert_eq!(Header::read("e3+").unwrap_err(), HeaderFault::Malformed);
        let odd = read(r#"{"alg":"ES256","kid":"../../dev/null' OR 1=1--|id"}"#).unwrap();
        assert_eq!(odd.kid.as_deref(), Some("../../dev/null' OR 1=1--|id"));
    }

    #[test]
    fn a_type_is_a_media_type() {
        // RS-41
        for (typ, good) in [
            ("at+jwt", true),
            ("AT+JWT", true),
            ("application/at+jwt", true),
            ("Application/AT+jwt", true),
            ("JWT", false),
            ("at+jwt ", false),
            ("text/at+jwt", false),
            ("application/application/at+jwt", false),
            ("", false),
        ] {
            let header = read(&format!(r#"{{"alg":"ES256","typ":"{typ}"}}"#)).unwrap();
            assert_eq!(header.is_typ("at+jwt"), good, "{typ}");
        }
        assert!(!read(r#"{"alg":"ES256"}"#).unwrap().is_typ("at+jwt"));
    }
}
