//! A set of public keys, RFC 7517 §5: what is fit is used, the rest is left out with a reason.

use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::jose::algorithm::Algorithm;
use crate::jose::compact::Jws;
use crate::jose::header::HeaderFault;
use crate::jose::jwk::{Jwk, JwkFault};
use crate::jose::key::{Known, VerifyingKey};
use crate::json::json_members;

/// How many keys of a set are looked at.
pub const MAX_KEYS: usize = 128;

/// How many keys are tried for one token: of one name, or where the token names none (RS-66).
pub const MAX_TRIES: usize = 4;

/// The document is no key set at all: not a JSON object with an array `keys`.
///
/// ```
/// use oauth_core::jose::{Algorithm, JwkSet, JwkSetFault};
/// assert_eq!(JwkSet::parse(b"<html>", &Algorithm::ALL).unwrap_err(), JwkSetFault::Malformed);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JwkSetFault {
    /// Not a JSON object with an array `keys`.
    #[error("not a json web key set")]
    Malformed,
    /// More than [`MAX_KEYS`] keys.
    #[error("the key set has more than {MAX_KEYS} keys")]
    TooMany,
}

/// A key that is left out, and why.
///
/// ```
/// use oauth_core::jose::{Algorithm, JwkFault, JwkSet};
/// let set = JwkSet::parse(br#"{"keys":[{"kty":"AKP","kid":"pq"}]}"#, &Algorithm::ALL)?;
/// assert_eq!((set.skipped()[0].index, set.skipped()[0].fault), (0, JwkFault::Unsupported));
/// # Ok::<(), oauth_core::jose::JwkSetFault>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Skipped {
    /// Its place in the set.
    pub index: usize,
    /// Why.
    pub fault: JwkFault,
}

/// Why no key of a set vouches for a token.
///
/// ```
/// use oauth_core::jose::{Algorithm, Jws, JwkSet, SignatureFault, SigningKey};
/// let token = SigningKey::generate_es256().sign("at+jwt", &serde_json::json!({}))?;
/// let none = JwkSet::parse(br#"{"keys":[]}"#, &Algorithm::ALL)?;
/// assert_eq!(none.verify(&Jws::parse(&token)?, |_| true).unwrap_err(), SignatureFault::UnknownKey);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureFault {
    /// The header is none that is understood.
    #[error(transparent)]
    Header(#[from] HeaderFault),
    /// The type is not the one that is wanted (RS-41).
    #[error("the token is of another type")]
    Type,
    /// The algorithm is not allowed, or is none of those of the key that is named (RS-42, RS-43).
    #[error("the token's algorithm is not allowed for its key")]
    Algorithm,
    /// No key has that name, or none of those that could be it made the signature: a newer set may help.
    #[error("no key for the token is known")]
    UnknownKey,
    /// A key has that name, and the signature is not its own.
    #[error("the token's signature does not hold")]
    Signature,
}

impl SignatureFault {
    /// A stable name for logs and audit.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Header(HeaderFault::Malformed) => "header_malformed",
            Self::Header(HeaderFault::Unsupported(_)) => "header_unsupported",
            Self::Type => "type",
            Self::Algorithm => "algorithm",
            Self::UnknownKey => "unknown_key",
            Self::Signature => "signature",
        }
    }
}

/// The keys of one issuer.
///
/// ```
/// use oauth_core::jose::{Algorithm, Jws, JwkSet, SigningKey};
///
/// let key = SigningKey::generate_es256();
/// let published = serde_json::json!({"keys": [key.public_jwk().to_json(), {"kty": "oct", "k": "c2VjcmV0"}]});
/// let set = JwkSet::parse(published.to_string().as_bytes(), &[Algorithm::Es256])?;
/// assert_eq!((set.len(), set.skipped().len()), (1, 1));
///
/// let token = key.sign("at+jwt", &serde_json::json!({"sub": "alice"}))?;
/// let is_access_token = |typ: Option<&str>| typ == Some("at+jwt");
/// assert!(set.verify(&Jws::parse(&token)?, is_access_token).is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Default)]
pub struct JwkSet {
    keys: Vec<Entry>,
    skipped: Vec<Skipped>,
}

struct Entry {
    jwk: Jwk,
    key: VerifyingKey,
}

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow)]
    keys: Vec<&'a RawValue>,
}

impl JwkSet {
    /// Reads a set, for use with the algorithms that are `allowed`. Keys that are not fit are left out (RS-67).
    ///
    /// # Errors
    /// [`JwkSetFault`] if the document is none. A set without any fit key is one.
    pub fn parse(json: &[u8], allowed: &[Algorithm]) -> Result<Self, JwkSetFault> {
        let document: Document<'_> = json_members(json).map_err(|_| JwkSetFault::Malformed)?;
        if document.keys.len() > MAX_KEYS {
            return Err(JwkSetFault::TooMany);
        }
        let mut set = Self::default();
        for (index, raw) in document.keys.into_iter().enumerate() {
            match Jwk::parse(raw.get().as_bytes()) {
                Ok(jwk) => set.add(jwk, allowed),
                Err(fault) => set.skipped.push(Skipped { index, fault }),
            }
        }
        Ok(set)
    }

    /// These keys, for use with the algorithms that are `allowed`.
    #[must_use]
    pub fn of(keys: impl IntoIterator<Item = Jwk>, allowed: &[Algorithm]) -> Self {
        let mut set = Self::default();
        for jwk in keys {
            set.add(jwk, allowed);
        }
        set
    }

    // A key for algorithms that nobody allows is not rubbish: issuers publish keys for others too.
    fn add(&mut self, jwk: Jwk, allowed: &[Algorithm]) {
        if let Some(key) = jwk.verifying_key(allowed) {
            self.keys.push(Entry { jwk, key });
        }
    }

    /// How many keys are used.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// What was left out.
    #[must_use]
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// The keys that are used.
    pub fn iter(&self) -> impl Iterator<Item = &Jwk> {
        self.keys.iter().map(|entry| &entry.jwk)
    }

    /// As a document to publish.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let keys: Vec<Map<String, Value>> = self.iter().map(Jwk::to_json).collect();
        serde_json::json!({ "keys": keys })
    }

    /// Verifies a token: its type first, as `is_type` judges it, then its signature. Which key made it.
    ///
    /// A header that was good before is compared byte for byte instead of being read again.
    ///
    /// # Errors
    /// [`SignatureFault`]. [`UnknownKey`](SignatureFault::UnknownKey) is the one that a newer set may mend.
    pub fn verify(
        &self,
        jws: &Jws<'_>,
        is_type: impl Fn(Option<&str>) -> bool,
    ) -> Result<&Jwk, SignatureFault> {
        let segment = jws.header_segment();
        let known = self.keys.iter().find_map(|entry| {
            entry.key.known.get().filter(|known| *known.segment == *segment).map(|known| (entry, known))
        });
        let Some((Entry { jwk, key }, known)) = known else {
            return self.verify_unknown(jws, segment, is_type);
        };
        if !is_type(known.typ.as_deref()) {
            return Err(SignatureFault::Type);
        }
        if key.verifies(known.algorithm, jws) {
            return Ok(jwk);
        }
        if self.candidates(known.kid.as_deref(), known.algorithm).nth(1).is_some() {
            return self.verify_unknown(jws, segment, is_type);
        }
        // One look at a signature, not two: refusing must not cost more than accepting.
        Err(refused(known.kid.is_some()))
    }

    fn candidates(&self, kid: Option<&str>, algorithm: Algorithm) -> impl Iterator<Item = &Entry> {
        let is_named = move |entry: &&Entry| kid.is_none() || entry.jwk.kid() == kid;
        self.keys.iter().filter(is_named).filter(move |entry| entry.key.supports(algorithm))
    }

    fn verify_unknown(
        &self,
        jws: &Jws<'_>,
        segment: &str,
        is_type: impl Fn(Option<&str>) -> bool,
    ) -> Result<&Jwk, SignatureFault> {
        let header = jws.header()?;
        if !is_type(header.typ.as_deref()) {
            return Err(SignatureFault::Type);
        }
        let algorithm = header.alg.parse::<Algorithm>().map_err(|_| SignatureFault::Algorithm)?;
        let kid = header.kid.as_deref();
        if !self.keys.iter().any(|entry| kid.is_none() || entry.jwk.kid() == kid) {
            return Err(SignatureFault::UnknownKey);
        }
        let mut fault = SignatureFault::Algorithm;
        for Entry { jwk, key } in self.candidates(kid, algorithm).take(MAX_TRIES) {
            if key.verifies(algorithm, jws) {
                // The first one stays: an issuer writes all its headers alike.
                key.known.get_or_init(|| Known {
                    segment: segment.into(),
                    algorithm,
                    typ: header.typ.clone(),
                    kid: header.kid.clone(),
                });
                return Ok(jwk);
            }
            fault = refused(kid.is_some());
        }
        Err(fault)
    }
}

/// Without a name nobody can tell a new key from a forged signature.
const fn refused(is_named: bool) -> SignatureFault {
    if is_named { SignatureFault::Signature } else { SignatureFault::UnknownKey }
}

impl fmt::Debug for JwkSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::SigningKey;

    fn any(_: Option<&str>) -> bool {
        true
    }

    fn named(key: &SigningKey, kid: Option<&str>) -> Value {
        let mut json = key.public_jwk().to_json();
        json.remove("kid");
        if let Some(kid) = kid {
            json.insert("kid".to_owned(), kid.into());
        }
        json.into()
    }

    fn set(keys: &[Value]) -> JwkSet {
        JwkSet::parse(serde_json::json!({ "keys": keys }).to_string().as_bytes(), &Algorithm::ALL).unwrap()
    }

    #[test]
    fn rubbish_is_left_out_with_a_reason() {
        // RS-67, RS-68
        let good = named(&SigningKey::generate_es256(), Some("good"));
        let set = set(&[
            serde_json::json!(5),
            serde_json::json!({"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA"}),
            good,
            serde_json::json!({"kty": "oct", "k": "AA"}),
            serde_json::json!({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}),
        ]);
        assert_eq!(set.len(), 1);
        let skipped: Vec<_> =
            set.skipped().iter().map(|skipped| (skipped.index, skipped.fault.reason())).collect();
        assert_eq!(skipped, [(0, "malformed"), (1, "unsupported"), (3, "symmetric"), (4, "malformed")]);
        // A member twice spoils its own key alone.
        let twice = br#"{"keys":[{"kty":"OKP","kty":"OKP"},{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
        assert_eq!(JwkSet::parse(twice, &Algorithm::ALL).unwrap().len(), 1);
        for bad in ["", "[]", "[[]]", "{}", r#"{"keys":{}}"#, r#"{"keys":[],"keys":[]}"#] {
            assert_eq!(
                JwkSet::parse(bad.as_bytes(), &Algorithm::ALL).unwrap_err(),
                JwkSetFault::Malformed,
                "{bad}"
            );
        }
        let many = format!(r#"{{"keys":[{}1]}}"#, "1,".repeat(MAX_KEYS));
        assert_eq!(JwkSet::parse(many.as_bytes(), &Algorithm::ALL).unwrap_err(), JwkSetFault::TooMany);
    }

    #[test]
    fn of_two_keys_with_one_name_the_one_that_fits_is_found() {
        // RS-66
        let (one, two, other) =
            (SigningKey::generate_es256(), SigningKey::generate_es256(), SigningKey::generate_ed25519());
        let sign = |key: &SigningKey, kid: Option<&str>| {
            // The name that the set has, not the thumbprint.
            let header = serde_json::json!({"alg": key.algorithm().as_str(), "kid": kid});
            let header =
                if kid.is_some() { header } else { serde_json::json!({"alg": key.algorithm().as_str()}) };
            key.sign_under(&header, &serde_json::json!({})).unwrap()
        };
        let same = set(&[named(&other, Some("a")), named(&one, Some("a")), named(&two, Some("a"))]);
        for key in [&one, &two, &other, &one, &two] {
            assert!(same.verify(&Jws::parse(&sign(key, Some("a"))).unwrap(), any).is_ok());
            let forged = sign(key, Some("b"));
            assert_eq!(
                same.verify(&Jws::parse(&forged).unwrap(), any).unwrap_err(),
                SignatureFault::UnknownKey
            );
        }
        let nameless = set(&[named(&one, None), named(&two, None)]);
        assert!(nameless.verify(&Jws::parse(&sign(&two, None)).unwrap(), any).is_ok());
        assert_eq!(
            nameless.verify(&Jws::parse(&sign(&one, Some("a"))).unwrap(), any).unwrap_err(),
            SignatureFault::UnknownKey,
            "a name that no key has"
        );
        // Without a name, as many keys are tried as is said, and no more.
        let crowd: Vec<SigningKey> = (0..=MAX_TRIES).map(|_| SigningKey::generate_es256()).collect();
        let crowded = set(&crowd.iter().map(|key| named(key, None)).collect::<Vec<_>>());
        assert!(crowded.verify(&Jws::parse(&sign(&crowd[MAX_TRIES - 1], None)).unwrap(), any).is_ok());
        assert!(crowded.verify(&Jws::parse(&sign(&crowd[MAX_TRIES], None)).unwrap(), any).is_err());
    }

    #[test]
    fn a_header_that_was_good_vouches_for_no_signature() {
        // RS-42; the same header, byte for byte, before another payload.
        let key = SigningKey::generate_es256();
        let set = JwkSet::of([key.public_jwk().clone()], &[Algorithm::Es256]);
        let token = key.sign("at+jwt", &serde_json::json!({"sub": "alice"})).unwrap();
        assert!(set.verify(&Jws::parse(&token).unwrap(), any).is_ok());
        let (rest, signature) = token.rsplit_once('.').unwrap();
        let header = rest.split_once('.').unwrap().0;
        let forged =
            format!("{header}.{}.{signature}", crate::jose::base64url::encode(b"{\"sub\":\"root\"}"));
        assert_eq!(set.verify(&Jws::parse(&forged).unwrap(), any).unwrap_err(), SignatureFault::Signature);
        assert_eq!(set.verify(&Jws::parse(&token).unwrap(), |_| false).unwrap_err(), SignatureFault::Type);
        assert!(set.verify(&Jws::parse(&token).unwrap(), any).is_ok());
    }
}
