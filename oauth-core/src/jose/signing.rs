//! Private keys: they sign, and show nothing of themselves but their public half (KEY-4).

use std::fmt;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::jose::algorithm::Algorithm;
use crate::jose::base64url;
use crate::jose::jwk::Jwk;
use crate::jose::parameters::Parameters;

/// Why a key does not sign.
///
/// ```
/// use oauth_core::jose::{Algorithm, SigningFault, SigningKey};
/// assert_eq!(SigningKey::from_pkcs8(Algorithm::Es256, b"no key").unwrap_err(), SigningFault::Key);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SigningFault {
    /// Not a PKCS#8 document with a private key for that algorithm.
    #[error("not a pkcs#8 private key for that algorithm")]
    Key,
    /// Keys of that algorithm do not sign here.
    #[error("tokens are signed with ES256, EdDSA or RS256")]
    Algorithm,
    /// What should be signed is no JSON object.
    #[error("claims must be a json object")]
    Claims,
    /// The library did not sign.
    #[error("the key could not sign")]
    Failed,
}

/// A private key. It is wiped when dropped; its `kid` is its thumbprint: unique, and it says nothing of how keys are named here.
///
/// ```
/// use oauth_core::jose::{Algorithm, SigningKey};
///
/// let key = SigningKey::generate_es256();
/// assert_eq!(key.kid(), key.public_jwk().thumbprint().to_string());
/// assert_eq!(format!("{key:?}"), format!("SigningKey(ES256, {})", key.kid()));
///
/// // Kept as PKCS#8, for servers that share it.
/// let same = SigningKey::from_pkcs8(Algorithm::Es256, &key.to_pkcs8()?)?;
/// assert_eq!(same.kid(), key.kid());
/// # Ok::<(), oauth_core::jose::SigningFault>(())
/// ```
pub struct SigningKey {
    pair: Pair,
    public: Jwk,
}

enum Pair {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(rsa::KeyPair),
}

impl SigningKey {
    /// A new key for ES256, the default: every client and server verifies it, quickly.
    ///
    /// # Panics
    /// If the library has no randomness, which is what it would sign with.
    #[must_use]
    pub fn generate_es256() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING);
        Self::of(Pair::Es256(pair.expect("the library has randomness"))).expect("a new key is a key")
    }

    /// A new key for EdDSA with Ed25519.
    ///
    /// # Panics
    /// If the library has no randomness.
    #[must_use]
    pub fn generate_ed25519() -> Self {
        let pair = Ed25519KeyPair::generate().expect("the library has randomness");
        Self::of(Pair::EdDsa(pair)).expect("a new key is a key")
    }

    /// A new key for RS256, of 2048 bits: for clients that verify nothing else. Takes some hundred milliseconds.
    ///
    /// # Panics
    /// If the library has no randomness.
    #[must_use]
    pub fn generate_rs256() -> Self {
        let pair = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).expect("the library has randomness");
        Self::of(Pair::Rs256(pair)).expect("a new key is a key")
    }

    /// A key from its PKCS#8 document (DER). An RSA key must have 2048 to 8192 bits.
    ///
    /// # Errors
    /// [`SigningFault`] if it is none for `algorithm`.
    pub fn from_pkcs8(algorithm: Algorithm, der: &[u8]) -> Result<Self, SigningFault> {
        let rejected = |_| SigningFault::Key;
        Self::of(match algorithm {
            Algorithm::Es256 => Pair::Es256(
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).map_err(rejected)?,
            ),
            Algorithm::EdDsa => Pair::EdDsa(Ed25519KeyPair::from_pkcs8(der).map_err(rejected)?),
            Algorithm::Rs256 => Pair::Rs256(rsa::KeyPair::from_pkcs8(der).map_err(rejected)?),
            _ => return Err(SigningFault::Algorithm),
        })
    }

    fn of(pair: Pair) -> Result<Self, SigningFault> {
        let parameters = match &pair {
            Pair::Es256(pair) => {
                // Uncompressed: a four, then both coordinates.
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                let coordinate = |bytes: &[u8]| bytes.try_into().map_err(|_| SigningFault::Key);
                Parameters::P256 { x: coordinate(x)?, y: coordinate(y)? }
            }
            Pair::EdDsa(pair) => Parameters::Ed25519 {
                x: pair.public_key().as_ref().try_into().map_err(|_| SigningFault::Key)?,
            },
            Pair::Rs256(pair) => rsa_numbers(pair.public_key().as_ref()).ok_or(SigningFault::Key)?,
        };
        let algorithm = pair.algorithm();
        let public = Jwk::of(parameters.thumbprint().to_string(), algorithm, parameters);
        Ok(Self { pair, public })
    }

    /// With what it signs.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.pair.algorithm()
    }

    /// Its name: its thumbprint.
    #[must_use]
    pub fn kid(&self) -> &str {
        self.public.kid().unwrap_or_default()
    }

    /// Its public half, to be published.
    #[must_use]
    pub const fn public_jwk(&self) -> &Jwk {
        &self.public
    }

    /// The key itself, to be kept where others cannot read it. Wiped when dropped.
    ///
    /// # Errors
    /// [`SigningFault::Failed`] if the library does not write it.
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, SigningFault> {
        let failed = |_| SigningFault::Failed;
        let document = match &self.pair {
            Pair::Es256(pair) => pair.to_pkcs8v1().map_err(failed)?.as_ref().to_vec(),
            Pair::EdDsa(pair) => pair.to_pkcs8v1().map_err(failed)?.as_ref().to_vec(),
            Pair::Rs256(pair) => AsDer::<Pkcs8V1Der<'_>>::as_der(pair).map_err(failed)?.as_ref().to_vec(),
        };
        Ok(Zeroizing::new(document))
    }

    /// A token of this type with these claims.
    ///
    /// # Errors
    /// [`SigningFault`] if the claims are no JSON object, or the library does not sign.
    pub fn sign(&self, typ: &str, claims: &impl Serialize) -> Result<String, SigningFault> {
        self.finish(signing_input(self.algorithm().as_str(), Some(self.kid()), typ, claims)?)
    }

    /// Signs under any header that can be written, for tests of what must be refused, and for kinds of tokens that are not made here.
    /// `alg` and `kid` are the caller's to set.
    ///
    /// ```
    /// use oauth_core::jose::{Jws, SigningKey};
    /// let token = SigningKey::generate_es256().sign_under(&serde_json::json!({"alg": "ES256", "crit": []}), &serde_json::json!({}))?;
    /// assert!(Jws::parse(&token)?.header().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`SigningFault`] if header or claims are no JSON object, or the library does not sign.
    pub fn sign_under(
        &self,
        header: &impl Serialize,
        claims: &impl Serialize,
    ) -> Result<String, SigningFault> {
        self.finish(segments(header, claims)?)
    }

    fn finish(&self, mut token: String) -> Result<String, SigningFault> {
        let failed = |_| SigningFault::Failed;
        let input = token.as_bytes();
        let signature = match &self.pair {
            Pair::Es256(pair) => {
                base64url::encode(pair.sign(&SystemRandom::new(), input).map_err(failed)?.as_ref())
            }
            Pair::EdDsa(pair) => base64url::encode(pair.try_sign(input).map_err(failed)?.as_ref()),
            Pair::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), input, &mut signature).map_err(failed)?;
                base64url::encode(&signature)
            }
        };
        token.push('.');
        token.push_str(&signature);
        Ok(token)
    }
}

impl Pair {
    const fn algorithm(&self) -> Algorithm {
        match self {
            Self::Es256(_) => Algorithm::Es256,
            Self::EdDsa(_) => Algorithm::EdDsa,
            Self::Rs256(_) => Algorithm::Rs256,
        }
    }
}

/// Header and payload, encoded.
pub(super) fn signing_input(
    algorithm: &str,
    kid: Option<&str>,
    typ: &str,
    claims: &impl Serialize,
) -> Result<String, SigningFault> {
    let mut header = serde_json::json!({"typ": typ, "alg": algorithm});
    if let Some(kid) = kid {
        header["kid"] = kid.into();
    }
    segments(&header, claims)
}

fn segments(header: &impl Serialize, claims: &impl Serialize) -> Result<String, SigningFault> {
    Ok(format!("{}.{}", segment(header)?, segment(claims)?))
}

fn segment(object: &impl Serialize) -> Result<String, SigningFault> {
    let json = serde_json::to_vec(object).map_err(|_| SigningFault::Claims)?;
    if json.first() != Some(&b'{') {
        return Err(SigningFault::Claims);
    }
    Ok(base64url::encode(&json))
}

/// Modulus and exponent of a DER-encoded `RSAPublicKey`: a sequence of two integers (RFC 8017 A.1.1).
fn rsa_numbers(der: &[u8]) -> Option<Parameters> {
    let (sequence, []) = element(der, 0x30)? else { return None };
    let (n, rest) = element(sequence, 0x02)?;
    let (e, []) = element(rest, 0x02)? else { return None };
    Parameters::rsa(n, e).ok()
}

/// The content of a DER element with this tag, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&[found, length], rest) = der.split_first_chunk::<2>()?;
    if found != tag {
        return None;
    }
    let (length, rest) = match length {
        0..=0x7f => (usize::from(length), rest),
        0x81 => rest.split_first().map(|(one, rest)| (usize::from(*one), rest))?,
        0x82 => rest.split_first_chunk().map(|(two, rest)| (usize::from(u16::from_be_bytes(*two)), rest))?,
        _ => return None,
    };
    rest.split_at_checked(length)
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, {})", self.algorithm(), self.kid())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::{JwkSet, Jws};

    #[test]
    fn each_kind_of_key_signs_what_its_public_half_verifies() {
        // KEY-4
        for key in
            [SigningKey::generate_es256(), SigningKey::generate_ed25519(), SigningKey::generate_rs256()]
        {
            let again = SigningKey::from_pkcs8(key.algorithm(), &key.to_pkcs8().unwrap()).unwrap();
            let published = JwkSet::of([key.public_jwk().clone()], &Algorithm::ALL).to_json().to_string();
            let set = JwkSet::parse(published.as_bytes(), &Algorithm::ALL).unwrap();
            assert!(!published.contains("\"d\""));
            let token = again.sign("at+jwt", &serde_json::json!({"sub": "alice"})).unwrap();
            let used = set.verify(&Jws::parse(&token).unwrap(), |typ| typ == Some("at+jwt")).unwrap();
            assert_eq!(used.kid(), Some(key.kid()));
            assert!(!format!("{key:?}").contains("private"));
        }
    }

    #[test]
    fn a_key_is_for_its_algorithm() {
        let es256 = SigningKey::generate_es256().to_pkcs8().unwrap();
        assert_eq!(SigningKey::from_pkcs8(Algorithm::EdDsa, &es256).unwrap_err(), SigningFault::Key);
        assert_eq!(SigningKey::from_pkcs8(Algorithm::Rs256, &es256).unwrap_err(), SigningFault::Key);
        assert_eq!(SigningKey::from_pkcs8(Algorithm::Ps512, &es256).unwrap_err(), SigningFault::Algorithm);
        assert_eq!(SigningKey::generate_es256().sign("JWT", &"text").unwrap_err(), SigningFault::Claims);
    }
}
