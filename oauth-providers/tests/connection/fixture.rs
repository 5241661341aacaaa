//! A third party that answers as it is told, and the accounts that users have there.

use std::sync::Arc;

use http::StatusCode;
use oauth_core::fetch::{Fetch, FetchError, FetchRequest, Fetched, StaticFetch};
use oauth_core::{
    Claims, ConnectedAccounts, Connection as _, ConnectionFault, ConnectionReply, Form, SealedVault, Secret,
    Stores, Timestamp, Vault, VaultKeyring, async_trait,
};
use oauth_providers::{OAuthConnection, OAuthConnectionBuilder};

/// Whose users have the accounts.
pub(crate) const HERE: &str = "https://as.example";

pub(crate) const ISSUER: &str = "https://third.example/t";
pub(crate) const METADATA: &str = "https://third.example/.well-known/oauth-authorization-server/t";
pub(crate) const TOKEN: &str = "https://third.example/token";
pub(crate) const CALLBACK: &str = "https://as.example/connect/third/callback";
pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const TOKENS: &str =
    r#"{"access_token":"first","token_type":"bearer","expires_in":"3600","refresh_token":"again"}"#;

pub(crate) fn at(seconds: u64) -> Timestamp {
    Timestamp::from_secs(1_700_000_000 + seconds)
}

pub(crate) fn metadata(more: &str) -> Fetched {
    Fetched::json(format!(
        r#"{{"issuer":"{ISSUER}","authorization_endpoint":"https://third.example/authorize","token_endpoint":"{TOKEN}"{more}}}"#
    ))
}

/// A third party that answers, and what it was asked.
pub(crate) fn third() -> Arc<StaticFetch> {
    Arc::new(StaticFetch::new().with(METADATA, metadata("")).with(TOKEN, Fetched::json(TOKENS)))
}

pub(crate) fn builder(fetch: impl Fetch) -> OAuthConnectionBuilder {
    OAuthConnection::builder("third", "Third")
        .issuer(ISSUER)
        .client("me & co", Secret::new("s:1".into()))
        .fetch(Arc::new(fetch))
}

pub(crate) async fn finish(connection: &OAuthConnection, query: &str) -> Result<Secret, ConnectionFault> {
    let (fields, kept) = (Form::read(query.as_bytes(), &[], &[]).unwrap(), Secret::new(VERIFIER.into()));
    connection.finish(ConnectionReply::new(&fields, &kept, CALLBACK, NOW)).await
}

pub(crate) fn faulty<T>(result: Result<T, ConnectionFault>) -> &'static str {
    result.err().unwrap().reason()
}

/// Answers after others have had their turn.
pub(crate) struct Slow(pub(crate) Arc<StaticFetch>);

#[async_trait]
impl Fetch for Slow {
    async fn fetch(&self, request: FetchRequest<'_>) -> Result<Fetched, FetchError> {
        tokio::task::yield_now().await;
        self.0.fetch(request).await
    }
}

pub(crate) const SECOND: &str =
    r#"{"access_token":"second","token_type":"Bearer","expires_in":3600,"refresh_token":"twice"}"#;

pub(crate) fn says(error: &str) -> Fetched {
    Fetched::new(StatusCode::BAD_REQUEST, format!(r#"{{"error":"{error}"}}"#))
}

pub(crate) fn caller(subject: &str) -> Claims {
    Claims::new(HERE, subject.parse().unwrap(), "app".parse().unwrap(), Timestamp::MAX)
}

pub(crate) fn accounts_of(builder: OAuthConnectionBuilder, vault: Arc<dyn Vault>) -> ConnectedAccounts {
    let vault = SealedVault::new(vault, VaultKeyring::new("k", &[7; 32]).unwrap());
    ConnectedAccounts::new(HERE.parse().unwrap(), builder.build().unwrap(), vault)
}

/// Alice's first tokens.
pub(crate) async fn connect(accounts: &ConnectedAccounts, fetch: &Arc<StaticFetch>) {
    let tokens = finish(&builder(fetch.clone()).build().unwrap(), "code=a").await.unwrap();
    accounts.keep(&"alice".parse().unwrap(), &tokens).await.unwrap();
}

/// The accounts of one server over a vault that others share, with Alice's first tokens in it.
pub(crate) async fn accounts(fetch: &Arc<StaticFetch>, stores: &Stores) -> ConnectedAccounts {
    let accounts = accounts_of(builder(Slow(fetch.clone())), stores.vault.clone());
    connect(&accounts, fetch).await;
    accounts
}

pub(crate) fn shown(found: Option<Arc<Secret>>) -> Option<String> {
    found.map(|token| token.expose().to_owned())
}

pub(crate) async fn token(accounts: &ConnectedAccounts, subject: &str, seconds: u64) -> Option<String> {
    shown(accounts.token_for(&caller(subject), at(seconds)).await.unwrap())
}

pub(crate) fn refreshes(fetch: &StaticFetch) -> usize {
    fetch.requests().iter().filter(|request| request.body.starts_with(b"grant_type=refresh_token")).count()
}
