//! Ways to find out what a token says.

mod store;

pub use store::StoreVerifier;
