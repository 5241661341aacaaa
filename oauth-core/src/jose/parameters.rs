//! A public key's numbers: read, checked, and named by their thumbprint (RFC 7638).

use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters,
};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::grant::Thumbprint;
use crate::jose::algorithm::Algorithm;
use crate::jose::base64url;
use crate::jose::jwk::{JwkFault, MAX_RSA_BITS, MIN_RSA_BITS};

/// The members of a key that RFC 7638 hashes, and no others.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Parameters {
    P256 {
        x: [u8; 32],
        y: [u8; 32],
    },
    P384 {
        x: [u8; 48],
        y: [u8; 48],
    },
    Ed25519 {
        x: [u8; 32],
    },
    /// Both without zeros in front.
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
}

impl Parameters {
    pub(super) fn read(members: &Map<String, Value>) -> Result<Self, JwkFault> {
        let bytes = |name: &str| {
            let text = members.get(name).and_then(Value::as_str).ok_or(JwkFault::Malformed)?;
            base64url::decode(text).ok_or(JwkFault::Malformed)
        };
        let curve = || members.get("crv").and_then(Value::as_str).ok_or(JwkFault::Malformed);
        match members.get("kty").and_then(Value::as_str).ok_or(JwkFault::Malformed)? {
            "EC" => match curve()? {
                "P-256" => Ok(Self::P256 { x: exact(&bytes("x")?)?, y: exact(&bytes("y")?)? }),
                "P-384" => Ok(Self::P384 { x: exact(&bytes("x")?)?, y: exact(&bytes("y")?)? }),
                _ => Err(JwkFault::Unsupported),
            },
            "OKP" => match curve()? {
                "Ed25519" => Ok(Self::Ed25519 { x: exact(&bytes("x")?)? }),
                _ => Err(JwkFault::Unsupported),
            },
            "RSA" => Self::rsa(&bytes("n")?, &bytes("e")?),
            "oct" => Err(JwkFault::Symmetric),
            _ => Err(JwkFault::Unsupported),
        }
    }

    pub(super) fn rsa(n: &[u8], e: &[u8]) -> Result<Self, JwkFault> {
        // Some issuers write a zero in front, as ASN.1 does. It is not part of the number, nor of the thumbprint.
        let (n, e) = (without_zeros(n), without_zeros(e));
        let bits = n.len() * 8 - n.first().map_or(0, |first| first.leading_zeros() as usize);
        if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) {
            return Err(JwkFault::Size);
        }
        // Odd, and above one, or the signature is the message; small, or verifying takes as long as signing.
        let odd = |number: &[u8]| number.last().is_some_and(|last| last & 1 == 1);
        if !odd(n) || !odd(e) || e == [1] || e.len() > 4 {
            return Err(JwkFault::Malformed);
        }
        Ok(Self::Rsa { n: n.to_vec(), e: e.to_vec() })
    }

    /// The algorithms that such a key can be used with.
    pub(super) const fn algorithms(&self) -> &'static [Algorithm] {
        match self {
            Self::P256 { .. } => &[Algorithm::Es256],
            Self::P384 { .. } => &[Algorithm::Es384],
            Self::Ed25519 { .. } => &[Algorithm::EdDsa],
            Self::Rsa { .. } => &[
                Algorithm::Ps256,
                Algorithm::Ps384,
                Algorithm::Ps512,
                Algorithm::Rs256,
                Algorithm::Rs384,
                Algorithm::Rs512,
            ],
        }
    }

    /// The key as the verifier wants it. A point that is not on its curve is none (RS-58).
    pub(super) fn parse(&self, algorithm: Algorithm) -> Result<ParsedPublicKey, JwkFault> {
        let point = |x: &[u8], y: &[u8]| [&[4], x, y].concat();
        let parsed = match self {
            Self::P256 { x, y } => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point(x, y)),
            Self::P384 { x, y } => ParsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point(x, y)),
            Self::Ed25519 { x } if is_of_small_order(x) => return Err(JwkFault::Malformed),
            Self::Ed25519 { x } => ParsedPublicKey::new(&ED25519, x),
            Self::Rsa { n, e } => {
                PublicKeyComponents { n, e }.to_parsed_public_key(rsa_parameters(algorithm)?)
            }
        };
        parsed.map_err(|_| JwkFault::Malformed)
    }

    /// The members of the JWK, in the order of RFC 7638: sorted, without white space.
    fn members(&self) -> Vec<(&'static str, String)> {
        let text = base64url::encode;
        match self {
            Self::P256 { x, y } => {
                vec![("crv", "P-256".into()), ("kty", "EC".into()), ("x", text(x)), ("y", text(y))]
            }
            Self::P384 { x, y } => {
                vec![("crv", "P-384".into()), ("kty", "EC".into()), ("x", text(x)), ("y", text(y))]
            }
            Self::Ed25519 { x } => vec![("crv", "Ed25519".into()), ("kty", "OKP".into()), ("x", text(x))],
            Self::Rsa { n, e } => vec![("e", text(e)), ("kty", "RSA".into()), ("n", text(n))],
        }
    }

    /// RFC 7638 (DPOP-23). Every value is base64url or a name: nothing in it is escaped.
    pub(super) fn thumbprint(&self) -> Thumbprint {
        let members: Vec<String> =
            self.members().into_iter().map(|(name, value)| format!("\"{name}\":\"{value}\"")).collect();
        let canonical = format!("{{{}}}", members.join(","));
        Thumbprint::from_bytes(Sha256::digest(canonical.as_bytes()).into())
    }

    pub(super) fn to_json(&self) -> Map<String, Value> {
        self.members().into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
    }
}

fn rsa_parameters(algorithm: Algorithm) -> Result<&'static RsaParameters, JwkFault> {
    Ok(match algorithm {
        Algorithm::Ps256 => &RSA_PSS_2048_8192_SHA256,
        Algorithm::Ps384 => &RSA_PSS_2048_8192_SHA384,
        Algorithm::Ps512 => &RSA_PSS_2048_8192_SHA512,
        Algorithm::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
        Algorithm::Rs384 => &RSA_PKCS1_2048_8192_SHA384,
        Algorithm::Rs512 => &RSA_PKCS1_2048_8192_SHA512,
        Algorithm::Es256 | Algorithm::Es384 | Algorithm::EdDsa => return Err(JwkFault::Mismatch),
    })
}

/// A coordinate has the length of its field, zeros in front included (RFC 7518 §6.2.1.2).
fn exact<const N: usize>(bytes: &[u8]) -> Result<[u8; N], JwkFault> {
    bytes.try_into().map_err(|_| JwkFault::Malformed)
}

fn without_zeros(bytes: &[u8]) -> &[u8] {
    &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..]
}

/// Points under which one signature holds for many messages. The sign bit does not matter.
fn is_of_small_order(x: &[u8; 32]) -> bool {
    const P_MINUS_1: [u8; 32] = edge(0xec);
    const P: [u8; 32] = edge(0xed);
    const P_PLUS_1: [u8; 32] = edge(0xee);
    const EIGHT: [[u8; 32]; 2] = [
        [
            0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
            0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
        ],
        [
            0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
            0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
        ],
    ];
    let mut y = *x;
    y[31] &= 0x7f;
    let small = y[0] <= 1 && y[1..].iter().all(|byte| *byte == 0);
    small || [P_MINUS_1, P, P_PLUS_1].contains(&y) || EIGHT.contains(&y)
}

/// 2^255 − 19 with another lowest byte.
const fn edge(lowest: u8) -> [u8; 32] {
    let mut bytes = [0xff; 32];
    bytes[0] = lowest;
    bytes[31] = 0x7f;
    bytes
}
