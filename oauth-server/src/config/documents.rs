//! What an operator can say of clients by metadata document: whose are taken, how many, and what a change of one ends.

use std::sync::Arc;

use oauth_core::fetch::{Fetch, HostPattern, HostPatternError};
use url::Url;

use super::builder::Builder;

/// Which clients by metadata document are taken, and what happens when a document changes (CIMD-12, CIMD-14). Without it every document
/// is taken that can be fetched and is valid.
///
/// 1. A denied host is refused, whatever else is said; where hosts are allowed, all others are refused. Both count for clients that
///    were known before, too: their refresh tokens are of no use any more. A [pinned](crate::Builder::pinned_document) document is
///    the operator's own word and passes.
/// 2. A pattern is a host, letter for letter, or `*.` and a suffix, which means all hosts below it and not the suffix itself. Neither
///    means hosts that merely look alike (`evil-app.example`, `app.example.evil.example`); a dot at the end changes nothing.
/// 3. With [`same_origin_redirects`](Self::same_origin_redirects) an https redirect leads back to where the document is.
///
/// ```
/// use oauth_server::{DocumentChange, DocumentPolicy};
///
/// let policy = DocumentPolicy::new()
///     .allow("app.example")?
///     .allow("*.vendor.example")?
///     .deny("old.vendor.example")?
///     .same_origin_redirects()
///     .at_most(500)
///     .on_change(DocumentChange::Revoke);
/// assert!(policy.admits("https://login.vendor.example/client.json"));
/// assert!(!policy.admits("https://old.vendor.example/client.json"));
/// assert!(!policy.admits("https://app.example.evil.example/client.json"));
/// # Ok::<(), oauth_core::fetch::HostPatternError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct DocumentPolicy {
    allowed: Vec<HostPattern>,
    denied: Vec<HostPattern>,
    pub(crate) same_origin_redirects: bool,
    pub(crate) most: Option<u64>,
    pub(crate) change: DocumentChange,
}

/// What is revoked when a client's metadata document changes (CIMD-12). What users agreed to is void after every change of name,
/// redirects or keys, whatever stands here: they are asked again.
///
/// ```
/// use oauth_server::DocumentChange;
/// assert_eq!(DocumentChange::default(), DocumentChange::RevokeIfMoved);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum DocumentChange {
    /// Nothing: tokens that were issued live on.
    Keep,
    /// All grants of the client, if it may have changed hands: it can be redirected to a host or an app to which it could not be before, or
    /// none of the keys it had is left.
    #[default]
    RevokeIfMoved,
    /// All grants of the client, after every change of name, redirects or keys.
    Revoke,
}

impl DocumentPolicy {
    /// Every valid document; grants end if a client may have changed hands.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes documents of these hosts, and of no others that are not allowed as well.
    ///
    /// # Errors
    /// [`HostPatternError`]: neither a host nor `*.` and one.
    pub fn allow(mut self, pattern: &str) -> Result<Self, HostPatternError> {
        self.allowed.push(pattern.parse()?);
        Ok(self)
    }

    /// Takes no documents of these hosts.
    ///
    /// # Errors
    /// [`HostPatternError`]: neither a host nor `*.` and one.
    pub fn deny(mut self, pattern: &str) -> Result<Self, HostPatternError> {
        self.denied.push(pattern.parse()?);
        Ok(self)
    }

    /// Takes a document only if each https redirect in it is of the document's own origin. Redirects that stay on the user's machine
    /// (loopback, private-use schemes) are not judged by it, nor are documents on loopback: so programs, and clients under development
    /// (CIMD-19), go on to work.
    #[must_use]
    pub fn same_origin_redirects(mut self) -> Self {
        self.same_origin_redirects = true;
        self
    }

    /// Takes no more clients by document than this, counted in the store once a user has agreed to one. Those that are known stay.
    #[must_use]
    pub fn at_most(mut self, clients: u64) -> Self {
        self.most = Some(clients);
        self
    }

    /// What a change of a document ends.
    #[must_use]
    pub fn on_change(mut self, change: DocumentChange) -> Self {
        self.change = change;
        self
    }

    /// Whether a document at this URL is taken, as far as its host goes.
    #[must_use]
    pub fn admits(&self, client_id: &str) -> bool {
        let Ok(url) = Url::parse(client_id) else { return false };
        let Some(host) = url.host_str() else { return false };
        !matches(&self.denied, host) && (self.allowed.is_empty() || matches(&self.allowed, host))
    }

    /// Whether the operator has named the document's host as one to take.
    pub(crate) fn names(&self, client_id: &str) -> bool {
        !self.allowed.is_empty() && self.admits(client_id)
    }
}

fn matches(patterns: &[HostPattern], host: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(host))
}

impl Builder {
    /// Lets clients be known by the document at their `client_id`, fetched by `fetch`.
    pub fn client_documents(mut self, fetch: Arc<dyn Fetch>) -> Self {
        self.fetch = Some(fetch);
        self
    }

    /// Shows the `logo_uri` of clients for which the operator has spoken, fetched by `fetch`, on the consent page: of
    /// [configured](Self::clients_json) ones, [pinned](Self::pinned_document) documents, and documents of hosts that the
    /// [policy](Self::document_policy) allows by name. A picture is PNG, JPEG, WebP or GIF of at most 64 KiB; what is not is left out.
    ///
    /// ```
    /// # #[cfg(feature = "fetch")] {
    /// use std::sync::Arc;
    /// use oauth_core::Stores;
    /// use oauth_core::fetch::{FetchPolicy, GuardedFetch};
    /// use oauth_server::AuthorizationServer;
    ///
    /// let fetch = Arc::new(GuardedFetch::new(FetchPolicy::new())?);
    /// let builder = AuthorizationServer::builder("https://as.example", Stores::memory()).client_logos(fetch);
    /// # let _ = builder;
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn client_logos(mut self, fetch: Arc<dyn Fetch>) -> Self {
        self.logos = Some(fetch);
        self
    }

    /// Whose metadata documents are taken, how many, and what a change of one revokes. Without it: every valid one; grants end if
    /// a client may have changed hands.
    ///
    /// ```
    /// use oauth_core::Stores;
    /// use oauth_server::{AuthorizationServer, DocumentPolicy};
    ///
    /// let builder = AuthorizationServer::builder("https://as.example", Stores::memory())
    ///     .document_policy(DocumentPolicy::new().allow("*.vendor.example")?.at_most(100));
    /// # let _ = builder;
    /// # Ok::<(), oauth_core::fetch::HostPatternError>(())
    /// ```
    pub fn document_policy(mut self, policy: DocumentPolicy) -> Self {
        self.document_policy = policy;
        self
    }

    /// The document of one client, in place of what its URL answers: for documents that cannot be fetched from here (CIMD-18).
    ///
    /// ```
    /// use oauth_core::Stores;
    /// use oauth_server::AuthorizationServer;
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// let id = "https://app.example/client.json";
    /// let document = r#"{"client_id": "https://app.example/client.json", "client_name": "App", "redirect_uris": ["https://app.example/cb"]}"#;
    /// let builder = AuthorizationServer::builder("https://as.example", Stores::memory()).resource("https://as.example/mcp");
    /// assert!(builder.insecure_approve_all("owner").pinned_document(id, document).build().await.is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub fn pinned_document(mut self, client_id: &str, json: &str) -> Self {
        self.pinned.push((client_id.to_owned(), json.to_owned()));
        self
    }

    /// Lets the `client_id` be an `http` URL on a loopback address: for those who develop a client on this machine (CIMD-19). Needs a
    /// fetcher that may go there, and an issuer on loopback.
    pub fn insecure_development_documents(mut self) -> Self {
        self.development_documents = true;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_host_that_looks_alike_is_taken_for_another() {
        // CIMD-14
        let policy = DocumentPolicy::new().allow("app.example").unwrap().allow("*.vendor.example").unwrap();
        for (url, taken) in [
            ("https://app.example/c", true),
            ("https://APP.example/c", true),
            ("https://app.example./c", true),
            ("https://app.example:8443/c", true),
            ("https://sub.app.example/c", false),
            ("https://app.example.evil.example/c", false),
            ("https://evil-app.example/c", false),
            ("https://app.example@evil.example/c", false),
            ("https://evil.example/app.example", false),
            ("https://vendor.example/c", false),
            ("https://a.vendor.example/c", true),
            ("https://a.b.vendor.example/c", true),
            ("https://evilvendor.example/c", false),
            ("https://a.vendor.example.evil.example/c", false),
            ("https://vendor.example.evil.example/c", false),
            ("https://127.0.0.1/c", false),
            ("https://\u{430}pp.example/c", false),
            ("not a url", false),
        ] {
            assert_eq!(policy.admits(url), taken, "{url}");
        }
    }

    #[test]
    fn a_denied_host_is_refused_however_it_is_written() {
        // CIMD-14
        let policy = DocumentPolicy::new().deny("evil.example").unwrap().deny("*.evil.example").unwrap();
        for url in [
            "https://evil.example/c",
            "https://EVIL.example/c",
            "https://evil.example./c",
            "https://evil%2Eexample/c",
            "https://evil.example:8443/c",
            "https://a.evil.example/c",
            "https://a.evil.example./c",
        ] {
            assert!(!policy.admits(url), "{url}");
        }
        assert!(policy.admits("https://notevil.example/c"));
        let both = DocumentPolicy::new().allow("*.example").unwrap().deny("evil.example").unwrap();
        assert!(!both.admits("https://evil.example/c") && both.admits("https://app.example/c"));
        for bad in
            ["", "*", "*.", "a..b", "https://app.example", "app.example/c", "a.*.example", "*.10.0.0.1"]
        {
            assert!(DocumentPolicy::new().allow(bad).is_err(), "{bad}");
        }
    }
}
