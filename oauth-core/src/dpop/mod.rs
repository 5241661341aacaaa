//! Proofs of possession, [RFC 9449](https://www.rfc-editor.org/rfc/rfc9449): that whoever sends a request has the key that a token is
//! bound to. The checks are the same at the token endpoint and at a resource; what differs stands in [`Asked`].
//!
//! In this order (§4.3):
//! 1. One `DPoP` header, one JWT of bounded length (DPOP-1).
//! 2. `typ` is `dpop+jwt`; `alg` is asymmetric and allowed; `jwk` is a public key of good quality that goes with it; the signature is
//!    its own (DPOP-2).
//! 3. `htm` is the method, letter by letter; `htu` is the target as it is *configured*, not as a request names it (DPOP-3).
//! 4. `iat` is a whole number within the window before or after now (DPOP-4).
//! 5. The key is the one that the token is bound to, and `ath` is the token's hash, where there is a token (DPOP-5).
//! 6. `content_digest`, if that is asked for and it is there, is the body's (DPOP-20).
//! 7. `nonce`, if nonces are used, is one of ours and of late (DPOP-8, DPOP-10).
//! 8. `jti` was not used before with this key at this target, if a [`ReplayGuard`](crate::ReplayGuard) is there (DPOP-6). Last, so that
//!    nobody fills it with what is refused anyway; and each key but so often in a window, so that nobody fills it at all ([`MAX_PROOFS`]).
//!
//! # Deployment
//!
//! - Servers over one store take the key of their [`Nonces`] from it ([`Sealer::shared`](crate::Sealer::shared)), so that a nonce of one
//!   is good at the other.
//! - A replay guard that several servers share makes a proof good once among them all. Without one, a proof is good for the window, to
//!   whoever has it *and* the token, at the same method and URL.

mod checker;
mod fault;
mod nonce;
mod tally;
mod target;

pub use checker::{Asked, MAX_JTI, MAX_PROOF, MAX_PROOFS, ProofChecker, Proven, WINDOW};
pub use fault::ProofFault;
pub use nonce::Nonces;
pub use target::Target;

/// The header that carries a proof.
pub const HEADER: &str = "dpop";
/// The header that carries the nonce for the next proof.
pub const NONCE_HEADER: &str = "dpop-nonce";
/// The media type of a proof, as it stands in `typ`.
pub const TYPE: &str = "dpop+jwt";
