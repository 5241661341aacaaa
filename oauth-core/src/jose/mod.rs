//! Signed tokens (JWS compact, RFC 7515), the keys that verify them (RFC 7517) and those that sign, read as strictly as
//! [RFC 8725](https://www.rfc-editor.org/rfc/rfc8725) and its successor ask.
//!
//! In this order, each step on the way to the next alone:
//! 1. [`Jws::parse`]: three segments of unpadded, canonical base64url, of bounded length (RS-54).
//! 2. [`Jws::claims`]: the payload, read once, no member twice, dates that are numbers (RS-50, RS-51, RS-55). Not believed yet: it says
//!    which issuer's keys to ask (RS-46).
//! 3. [`JwkSet::verify`]: the header, whose `alg` chooses among what configuration allows and the key can do, and nothing else (RS-42,
//!    RS-43). `jku`, `x5u`, `x5c` and `jwk` are not looked at (RS-45); `crit`, `b64`, `zip` and nested tokens are refused (RS-44, RS-56).
//!
//! What the claims must say is not decided here: a token for a resource, an assertion of a client and a proof of possession each have
//! rules of their own.
//!
//! Symmetric keys are another type, [`HmacKey`]: no public key can be taken for a shared secret, and no shared secret be found in a
//! set of public keys.

mod algorithm;
mod base64url;
mod claims;
mod compact;
mod date;
mod header;
mod hmac;
mod jwk;
mod key;
mod parameters;
mod plain;
mod set;
mod signing;
mod text;

pub use algorithm::{Algorithm, HmacAlgorithm, UnknownAlgorithm};
pub use claims::{ClaimSet, ClaimsFault, MAX_AUDIENCES, MAX_MEMBERS};
pub use compact::{Jws, JwsFault, MAX_HEADER, MAX_TOKEN};
pub use date::NumericDate;
pub use header::{Header, HeaderFault, MAX_KID, is_type};
pub use hmac::{HmacKey, ShortSecret};
pub use jwk::{Jwk, JwkFault, MAX_RSA_BITS, MIN_RSA_BITS};
pub use key::VerifyingKey;
pub use set::{JwkSet, JwkSetFault, MAX_KEYS, MAX_TRIES, SignatureFault, Skipped};
pub use signing::{SigningFault, SigningKey};
