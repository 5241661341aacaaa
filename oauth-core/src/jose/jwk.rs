//! A public key as JSON, RFC 7517 §4, and what makes one unfit.

use std::fmt;

use serde_json::{Map, Value};

use crate::grant::Thumbprint;
use crate::jose::algorithm::Algorithm;
use crate::jose::header::MAX_KID;
use crate::jose::key::VerifyingKey;
use crate::jose::parameters::Parameters;
use crate::json::json_object;

/// RSA keys with fewer bits are not used (RS-58).
pub const MIN_RSA_BITS: usize = 2048;

/// RSA keys with more bits are not used: verifying would take too long.
pub const MAX_RSA_BITS: usize = 8192;

/// Why a key is not used.
///
/// ```
/// use oauth_core::jose::{Jwk, JwkFault};
/// assert_eq!(Jwk::parse(br#"{"kty":"oct","k":"c2VjcmV0"}"#).unwrap_err(), JwkFault::Symmetric);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JwkFault {
    /// Not a JSON object with the members of its type, or numbers that are no key.
    #[error("the key is malformed")]
    Malformed,
    /// A type, a curve or an algorithm that is not known here.
    #[error("the key is of a kind that is not known here")]
    Unsupported,
    /// A shared secret among public keys (RS-68).
    #[error("the key is a shared secret")]
    Symmetric,
    /// A private key that somebody has published (RS-68). It proves nothing any more.
    #[error("the key is a private key")]
    Private,
    /// Not for verifying signatures (RS-43).
    #[error("the key is not for signatures")]
    Use,
    /// `alg` is not one of its type and curve (RS-43).
    #[error("the key's algorithm does not go with its type")]
    Mismatch,
    /// RSA with too few or too many bits (RS-58).
    #[error("the key must have {MIN_RSA_BITS} to {MAX_RSA_BITS} bits")]
    Size,
}

impl JwkFault {
    /// A stable name for logs.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Unsupported => "unsupported",
            Self::Symmetric => "symmetric",
            Self::Private => "private",
            Self::Use => "use",
            Self::Mismatch => "mismatch",
            Self::Size => "size",
        }
    }
}

/// A public key that is fit to verify signatures.
///
/// ```
/// use oauth_core::jose::Jwk;
/// // The key of RFC 8037 A.2, and its thumbprint of A.3.
/// let jwk = Jwk::parse(br#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#)?;
/// assert_eq!(jwk.thumbprint().to_string(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
/// # Ok::<(), oauth_core::jose::JwkFault>(())
/// ```
#[derive(Clone)]
pub struct Jwk {
    kid: Option<Box<str>>,
    algorithm: Option<Algorithm>,
    parameters: Parameters,
}

/// The private members of RFC 7518 §6. `k` is in `oct` alone.
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

impl Jwk {
    /// Reads a key.
    ///
    /// # Errors
    /// [`JwkFault`] says why it is not used.
    pub fn parse(json: &[u8]) -> Result<Self, JwkFault> {
        let members = json_object(json).map_err(|_| JwkFault::Malformed)?;
        if members.get("kty").and_then(Value::as_str) == Some("oct") {
            return Err(JwkFault::Symmetric);
        }
        if PRIVATE.iter().any(|name| members.contains_key(*name)) {
            return Err(JwkFault::Private);
        }
        let text = |name: &str| match members.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(JwkFault::Malformed),
        };
        let kid = text("kid")?;
        if kid.is_some_and(|kid| kid.len() > MAX_KID) {
            return Err(JwkFault::Malformed);
        }
        if text("use")?.is_some_and(|usage| usage != "sig") || !verifies(members.get("key_ops"))? {
            return Err(JwkFault::Use);
        }
        let algorithm = match text("alg")? {
            None => None,
            Some(name) => Some(name.parse::<Algorithm>().map_err(|_| JwkFault::Unsupported)?),
        };
        let parameters = Parameters::read(&members)?;
        let own = parameters.algorithms();
        if algorithm.is_some_and(|algorithm| !own.contains(&algorithm)) {
            return Err(JwkFault::Mismatch);
        }
        // Whether its point is on the curve is the library's to say.
        parameters.parse(algorithm.unwrap_or(own[0]))?;
        Ok(Self { kid: kid.map(Into::into), algorithm, parameters })
    }

    pub(super) fn of(kid: String, algorithm: Algorithm, parameters: Parameters) -> Self {
        Self { kid: Some(kid.into()), algorithm: Some(algorithm), parameters }
    }

    /// Its name within its set.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The algorithms that it may be used with: its `alg`, or all that go with its type and curve.
    #[must_use]
    pub fn algorithms(&self) -> &[Algorithm] {
        match &self.algorithm {
            Some(only) => std::slice::from_ref(only),
            None => self.parameters.algorithms(),
        }
    }

    /// Its SHA-256 thumbprint, over the members that make the key and no others (DPOP-23).
    #[must_use]
    pub fn thumbprint(&self) -> Thumbprint {
        self.parameters.thumbprint()
    }

    /// The key, ready to verify with each of its algorithms that is `allowed`. `None` if there is none.
    #[must_use]
    pub fn verifying_key(&self, allowed: &[Algorithm]) -> Option<VerifyingKey> {
        let usable = self.algorithms().iter().filter(|algorithm| allowed.contains(algorithm));
        let parsed: Vec<_> = usable
            .filter_map(|algorithm| Some((*algorithm, self.parameters.parse(*algorithm).ok()?)))
            .collect();
        (!parsed.is_empty()).then(|| VerifyingKey::new(parsed))
    }

    /// The key as a member of a key set, with `use`, `alg` and `kid` where they are known.
    #[must_use]
    pub fn to_json(&self) -> Map<String, Value> {
        let mut members = self.parameters.to_json();
        members.insert("use".to_owned(), "sig".into());
        if let Some(algorithm) = self.algorithm {
            members.insert("alg".to_owned(), algorithm.as_str().into());
        }
        if let Some(kid) = &self.kid {
            members.insert("kid".to_owned(), (**kid).into());
        }
        members
    }
}

fn verifies(key_ops: Option<&Value>) -> Result<bool, JwkFault> {
    let Some(key_ops) = key_ops else { return Ok(true) };
    let operations = key_ops.as_array().ok_or(JwkFault::Malformed)?;
    Ok(operations.iter().any(|operation| operation == "verify"))
}

impl fmt::Debug for Jwk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jwk")
            .field("kid", &self.kid)
            .field("algorithms", &self.algorithms())
            .field("thumbprint", &self.thumbprint())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const P256: &str = r#""kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0""#;
    const ED: &str = r#""kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#;
    /// RFC 7638 §3.1.
    const RSA: &str = r#""kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB""#;

    fn parse(members: &str, more: &str) -> Result<Jwk, JwkFault> {
        Jwk::parse(format!("{{{members}{more}}}").as_bytes())
    }

    #[test]
    fn thumbprints_are_those_of_the_rfcs() {
        // DPOP-23; RFC 7638 §3.1 and RFC 8037 A.3, with members that do not count.
        let rsa = parse(RSA, r#","alg":"RS256","kid":"2011-04-29""#).unwrap();
        assert_eq!(rsa.thumbprint().to_string(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
        let ed = parse(ED, r#","use":"sig","key_ops":["verify"]"#).unwrap();
        assert_eq!(ed.thumbprint().to_string(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        // RFC 9449 §6.1.
        let ec = Jwk::parse(br#"{"kty":"EC","x":"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs","y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA","crv":"P-256"}"#).unwrap();
        assert_eq!(ec.thumbprint().to_string(), "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
    }

    #[test]
    fn members_agree_with_each_other() {
        // RS-43, A-JWT-21
        for (members, more, fault) in [
            (P256, r#","use":"enc""#, JwkFault::Use),
            (P256, r#","key_ops":["encrypt"]"#, JwkFault::Use),
            (P256, r#","key_ops":"verify""#, JwkFault::Malformed),
            (P256, r#","key_ops":[]"#, JwkFault::Use),
            (P256, r#","alg":"ES384""#, JwkFault::Mismatch),
            (P256, r#","alg":"RS256""#, JwkFault::Mismatch),
            (P256, r#","alg":"HS256""#, JwkFault::Unsupported),
            (P256, r#","alg":"none""#, JwkFault::Unsupported),
            (P256, r#","alg":5"#, JwkFault::Malformed),
            (P256, r#","kid":5"#, JwkFault::Malformed),
            (P256, r#","x":"AA""#, JwkFault::Malformed),
            (ED, r#","alg":"ES256""#, JwkFault::Mismatch),
            (RSA, r#","alg":"ES256""#, JwkFault::Mismatch),
            (RSA, r#","alg":"RSA-OAEP""#, JwkFault::Unsupported),
        ] {
            assert_eq!(parse(members, more).unwrap_err(), fault, "{more}");
        }
        assert_eq!(parse(ED, r#","alg":"Ed25519""#).unwrap().algorithms(), [Algorithm::EdDsa]);
        assert_eq!(parse(RSA, r#","alg":"PS384""#).unwrap().algorithms(), [Algorithm::Ps384]);
        assert_eq!(parse(RSA, "").unwrap().algorithms().len(), 6);
    }

    #[test]
    fn secrets_are_no_public_keys() {
        // RS-68, A-DPOPX-8, A-DPOPX-9
        assert_eq!(parse(r#""kty":"oct","k":"c2VjcmV0""#, "").unwrap_err(), JwkFault::Symmetric);
        for private in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
            assert_eq!(parse(P256, &format!(r#","{private}":"AA""#)).unwrap_err(), JwkFault::Private);
        }
    }

    #[test]
    fn weak_and_impossible_keys_are_refused() {
        // RS-58
        let rsa = |bits: usize, e: &str| {
            let mut n = vec![0xff; bits / 8];
            n[0] = 0x80;
            parse(&format!(r#""kty":"RSA","n":"{}","e":"{e}""#, crate::jose::base64url::encode(&n)), "")
        };
        assert_eq!(rsa(1024, "AQAB").unwrap_err(), JwkFault::Size);
        assert_eq!(rsa(2040, "AQAB").unwrap_err(), JwkFault::Size);
        assert_eq!(rsa(8200, "AQAB").unwrap_err(), JwkFault::Size);
        for e in ["AQ", "AA", "Ag", "", "AQAAAAAB"] {
            assert_eq!(rsa(2048, e).unwrap_err(), JwkFault::Malformed, "{e}");
        }
        let off_curve = P256.replace("5a0", "5a8");
        assert_eq!(parse(&off_curve, "").unwrap_err(), JwkFault::Malformed);
        let short = P256.replace("f83O", "");
        assert_eq!(parse(&short, "").unwrap_err(), JwkFault::Malformed);
        let infinity = r#""kty":"EC","crv":"P-256","x":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","y":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA""#;
        assert_eq!(parse(infinity, "").unwrap_err(), JwkFault::Malformed);
        for x in [
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "AA",
        ] {
            let small = format!(r#""kty":"OKP","crv":"Ed25519","x":"{x}""#);
            assert_eq!(parse(&small, "").unwrap_err(), JwkFault::Malformed, "{x}");
        }
    }

    #[test]
    fn a_key_reads_what_it_writes() {
        for members in [P256, ED, RSA] {
            let jwk = parse(members, r#","kid":"a""#).unwrap();
            let written = serde_json::to_vec(&jwk.to_json()).unwrap();
            let again = Jwk::parse(&written).unwrap();
            assert_eq!((again.thumbprint(), again.kid()), (jwk.thumbprint(), Some("a")));
        }
    }
}
