//! The owner's passphrase: the way to sign in to a server that has one user.

mod attempts;
mod generated;
mod hash;
mod provider;

pub use provider::{
    MAX_PASSPHRASE_BYTES, MIN_PASSPHRASE_CHARACTERS, OWNER, OwnerPassphrase, PROVIDER, PassphraseError,
};
