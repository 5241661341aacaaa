//! Verifiers by themselves, through the public API: what is accepted, what is refused, and what is asked of an issuer.
#![allow(clippy::unwrap_used, reason = "tests, the helpers of tests as well")]

mod attacks;
mod audiences;
mod fixture;
mod fresh;
mod keys;
mod presets;
mod recorded;
mod several;
mod tokens;
