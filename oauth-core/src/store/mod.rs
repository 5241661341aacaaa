//! The ports that a database implements, and the bundle in which they travel.

mod accounts;
mod clients;
mod consents;
mod error;
mod grants;
mod keys;
mod limits;
mod page;
mod replay;
mod revocations;
mod sessions;
mod stores;
mod vault;

pub use accounts::{Account, AccountStore, Identity};
pub use clients::{ClientFilter, ClientStore, Registered, StoredClient, Version};
pub use consents::{Consent, ConsentStore};
pub use error::StoreError;
pub use grants::{CredentialStatus, Exchange, Exchanged, Found, GrantFilter, GrantStore, Revocation, Spent};
pub use keys::{KeyPurpose, KeyStore, StoredKey};
pub use limits::{LimitKey, Quota, RateLimiter, Verdict};
pub use page::{Listing, PageRequest};
pub use replay::ReplayGuard;
pub use revocations::{Epoch, Revocations};
pub use sessions::{Session, SessionStore};
pub use stores::{Backend, Ledger, Stores};
pub use vault::{Vault, VaultKey};
