//! Ways to find out what a token says.

mod any_of;
mod api_keys;
mod by_issuer;
mod claims;
mod closure;
mod hmac;
mod introspection;
mod jwt;
mod keys;
pub mod presets;
mod store;
mod trusted;

pub use any_of::AnyOf;
pub use api_keys::{ApiKey, ApiKeys};
pub use by_issuer::ByIssuer;
pub use closure::{VerifyFn, verify_fn};
pub use hmac::HmacVerifier;
pub use introspection::{
    IntrospectionCredentials, IntrospectionHealth, IntrospectionVerifier, IntrospectionVerifierBuilder,
};
pub use jwt::{JwtVerifier, JwtVerifierBuilder};
pub use keys::{KeySetHealth, KeyTiming};
pub use store::StoreVerifier;
pub use trusted::{RequiredClaim, TrustedIssuer};
