//! The core of a family of crates that put OAuth 2.1 around MCP servers.
//!
//! It holds what the others share and nothing that ties anybody down: identifiers, secrets, records, and the *ports*, the
//! traits that a store, a verifier or a way to sign in implements. No HTTP server, no runtime, no database. Of the HTTP world it
//! knows the `http` crate's types.
//!
//! | to | implement | hold it to its promises with |
//! |---|---|---|
//! | keep grants and tokens in your database | [`GrantStore`] and the other store ports | [`store_tests!`] |
//! | accept tokens of your own | [`TokenVerifier`] | |
//! | act for users at a third party | [`Connection`] | |
//! | hear what happened | [`EventSink`] | |
//!
//! | feature | adds |
//! |---|---|
//! | `fetch` | [`GuardedFetch`](fetch::GuardedFetch), the client for what strangers name |
//! | `testing` | [`testing`]: the conformance kit [`store_tests!`], a settable clock, repeatable chance |
//!
//! Neither is on unless it is asked for.
//!
//! [`MemoryStore`] implements every store port, and is the shortest text on what they mean.

pub mod dpop;
pub mod fetch;
pub mod jose;
pub mod metadata;
#[cfg(feature = "testing")]
pub mod testing;

mod claims;
mod client;
mod connected;
mod connection;
mod entropy;
mod error;
mod event;
mod form;
mod grant;
mod grant_type;
mod id;
mod issuer;
mod json;
mod memory;
mod pkce;
mod provider;
mod redirect;
mod resource;
mod scope;
mod seal;
mod secret;
mod source;
mod store;
mod time;
mod token;
mod vault;
mod web;

pub use async_trait::async_trait;

pub use claims::{Claims, TokenVerifier, VerifyFault};
pub use client::{ApplicationType, AuthMethod, Client, ClientAuth, ClientOrigin, ClientSecret};
pub use connected::ConnectedAccounts;
pub use connection::{Background, Connection, ConnectionFault, ConnectionReply, Departure, Presented};
pub use entropy::{Entropy, OsEntropy, random};
pub use error::{ErrorCode, OAuthError};
pub use event::{Event, EventKind, EventSink, NoEvents};
pub use form::{Form, FormFault, REPEATABLE};
pub use grant::{Binding, CodeBinding, Credential, Grant, SubjectKind, Thumbprint};
pub use grant_type::{ExtensionGrantType, GrantTypeName, GrantTypeNameError};
pub use id::{ClientId, GrantId, IdError, ProviderId, Subject};
pub use issuer::Issuer;
pub use json::{JsonFault, json_members, json_object};
pub use memory::MemoryStore;
pub use pkce::{CodeChallenge, CodeVerifier, PkceError};
pub use provider::{
    FieldKind, IdentityProvider, SignInFault, SignInField, SignInForm, SignInReply, SignInStart, SignInStep,
    SignedIn,
};
pub use redirect::{RedirectKind, RedirectUri, WELL_KNOWN_SCHEMES};
pub use resource::{ResourceSet, ResourceUri};
pub use scope::{ScopeError, ScopeHierarchy, ScopeSet};
pub use seal::{SealedReply, Sealer};
pub use secret::{Secret, TokenHash};
pub use source::{PeerAddress, SourceNetwork, source_address};
pub use store::{
    Account, AccountStore, Backend, ClientFilter, ClientStore, Consent, ConsentStore, CredentialStatus,
    Epoch, Exchange, Exchanged, Found, GrantFilter, GrantStore, Identity, KeyPurpose, KeyStore, Ledger,
    LimitKey, Listing, PageRequest, Quota, RateLimiter, Registered, ReplayGuard, Revocation, Revocations,
    Session, SessionStore, Spent, StoreError, StoredClient, StoredKey, Stores, Vault, VaultKey, Verdict,
    Version,
};
pub use time::{Clock, SystemClock, Timestamp};
pub use token::{CredentialKey, CredentialKind, TokenFormat};
pub use vault::{SealedVault, VaultFault, VaultKeyring, VaultKeyringError};
pub use web::{UrlError, is_loopback, is_secure};
