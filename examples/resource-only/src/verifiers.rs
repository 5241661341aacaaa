//! The ways to verify a token that are configured, and whether they are well.

use std::sync::Arc;

use oauth_resource::{AnyOf, Health, HmacVerifier, IntrospectionVerifier, JwtVerifier};

/// In the order of what they cost.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verifiers {
    pub(crate) shared_secret: Option<Arc<HmacVerifier>>,
    pub(crate) keys: Option<Arc<JwtVerifier>>,
    pub(crate) introspection: Option<Arc<IntrospectionVerifier>>,
}

impl Verifiers {
    /// All of them, one after the other.
    pub(crate) fn any(&self) -> AnyOf {
        let mut any = AnyOf::new();
        if let Some(verifier) = &self.shared_secret {
            any = any.or(verifier.clone());
        }
        if let Some(verifier) = &self.keys {
            any = any.or(verifier.clone());
        }
        if let Some(verifier) = &self.introspection {
            any = any.or(verifier.clone());
        }
        any
    }

    /// Well as long as each that has to ask can. A shared secret asks nobody.
    pub(crate) fn health(&self) -> Health {
        let mut health = Health::new(env!("CARGO_PKG_VERSION"));
        if let Some(verifier) = &self.keys {
            health = health.keys(verifier.clone());
        }
        if let Some(verifier) = &self.introspection {
            health = health.introspection(verifier.clone());
        }
        health
    }
}
