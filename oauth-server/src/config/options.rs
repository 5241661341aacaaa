//! What can be chosen: scopes, and who may register.

/// A scope that this server grants, and what it means in words.
///
/// ```
/// use oauth_server::OfferedScope;
///
/// let read = OfferedScope::new("notes:read", "Read your notes").required();
/// let delete = OfferedScope::new("notes:delete", "Delete your notes").on_request();
/// assert!(read.is_advertised() && !delete.is_advertised());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferedScope {
    pub(crate) name: String,
    pub(crate) words: String,
    pub(crate) required: bool,
    pub(crate) advertised: bool,
}

impl OfferedScope {
    /// A scope that is advertised, granted when nothing is asked for, and can be unticked on the consent page.
    #[must_use]
    pub fn new(name: &str, words: &str) -> Self {
        Self { name: name.to_owned(), words: words.to_owned(), required: false, advertised: true }
    }

    /// It cannot be unticked: without it the client could do nothing.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// It is granted only to who asks for it by name: clients learn of it by a challenge (step-up), because they ask at sign-in for
    /// all that is advertised.
    #[must_use]
    pub fn on_request(mut self) -> Self {
        self.advertised = false;
        self
    }

    /// Whether it stands in the metadata and is granted when nothing is asked for.
    #[must_use]
    pub const fn is_advertised(&self) -> bool {
        self.advertised
    }
}

/// Who may be registered as a client, and how.
///
/// ```
/// use oauth_server::Registration;
/// assert_eq!(Registration::default(), Registration::Open);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Registration {
    /// Whoever asks, within the limits: what most MCP clients need.
    #[default]
    Open,
    /// Whoever asks and is redirected to one of these hosts, or to the user's own machine. A host stands alone, like `app.example`: without a
    /// scheme, a port or a `*`, and means none below it.
    RedirectHosts(Vec<String>),
    /// Who has the initial access token (RFC 7591 §3), known by its hash.
    InitialAccessToken(oauth_core::TokenHash),
    /// Nobody.
    Off,
}
