//! Audit: what happened, for whoever must be able to tell later. Never a secret.

use std::fmt;
use std::sync::Arc;

use crate::id::{ClientId, GrantId, Subject};
use crate::scope::ScopeSet;
use crate::time::Timestamp;

/// Hears what happened. Called on the request's path: it must not wait and cannot fail. Whatever needs a database queues it.
///
/// ```
/// use std::sync::Mutex;
/// use oauth_core::{Event, EventKind, EventSink, Timestamp};
///
/// #[derive(Default)]
/// struct Log(Mutex<Vec<&'static str>>);
///
/// impl EventSink for Log {
///     fn record(&self, event: &Event<'_>) {
///         self.0.lock().unwrap().push(event.kind.name());
///     }
/// }
///
/// let log = Log::default();
/// log.record(&Event::new(EventKind::TokenIssued, Timestamp::from_secs(1)));
/// assert_eq!(*log.0.lock().unwrap(), ["token_issued"]);
/// ```
///
/// Whoever also reads it keeps a share of it:
///
/// ```
/// use std::sync::Arc;
/// use oauth_core::{EventSink, NoEvents};
///
/// fn takes_a_sink(_: impl EventSink) {}
/// let shared: Arc<dyn EventSink> = Arc::new(NoEvents);
/// takes_a_sink(shared.clone());
/// takes_a_sink(Box::new(shared) as Box<dyn EventSink>);
/// ```
pub trait EventSink: Send + Sync + 'static {
    /// Takes note of an event.
    fn record(&self, event: &Event<'_>);
}

#[deny(clippy::missing_trait_methods)]
impl<E: EventSink + ?Sized> EventSink for Arc<E> {
    fn record(&self, event: &Event<'_>) {
        (**self).record(event);
    }
}

#[deny(clippy::missing_trait_methods)]
impl<E: EventSink + ?Sized> EventSink for Box<E> {
    fn record(&self, event: &Event<'_>) {
        (**self).record(event);
    }
}

/// Nobody listens.
///
/// ```
/// use oauth_core::{Event, EventKind, EventSink, NoEvents, Timestamp};
/// NoEvents.record(&Event::new(EventKind::TokenIssued, Timestamp::from_secs(1)));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct NoEvents;

impl EventSink for NoEvents {
    fn record(&self, _event: &Event<'_>) {}
}

/// What happened.
///
/// ```
/// use oauth_core::EventKind;
/// assert_eq!(EventKind::RefreshReplayed.name(), "refresh_replayed");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EventKind {
    /// Somebody signed in.
    SignedIn,
    /// Somebody tried to sign in and could not.
    SignInRefused,
    /// A user agreed to a client.
    ConsentGiven,
    /// A user did not agree.
    ConsentDenied,
    /// An authorization request was refused.
    AuthorizationRefused,
    /// Tokens were issued for a code.
    TokenIssued,
    /// Tokens were issued for a refresh token.
    TokenRefreshed,
    /// The same reply was given again to a retry.
    ReplyRepeated,
    /// A code was redeemed a second time; the grant is revoked.
    CodeReplayed,
    /// A spent refresh token was used; the grant is revoked.
    RefreshReplayed,
    /// A token request was refused.
    TokenRefused,
    /// A grant was revoked.
    GrantRevoked,
    /// A client registered.
    ClientRegistered,
    /// A registration was refused.
    RegistrationRefused,
    /// A request was let through to a resource.
    AccessAllowed,
    /// A request was refused by a resource.
    AccessDenied,
    /// An account elsewhere was connected.
    AccountConnected,
    /// An account elsewhere was not connected.
    ConnectionRefused,
    /// Somebody exceeded a limit.
    Limited,
    /// A store or an issuer could not be asked.
    Unavailable,
}

impl EventKind {
    /// A stable name: it is API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SignedIn => "signed_in",
            Self::SignInRefused => "sign_in_refused",
            Self::ConsentGiven => "consent_given",
            Self::ConsentDenied => "consent_denied",
            Self::AuthorizationRefused => "authorization_refused",
            Self::TokenIssued => "token_issued",
            Self::TokenRefreshed => "token_refreshed",
            Self::ReplyRepeated => "reply_repeated",
            Self::CodeReplayed => "code_replayed",
            Self::RefreshReplayed => "refresh_replayed",
            Self::TokenRefused => "token_refused",
            Self::GrantRevoked => "grant_revoked",
            Self::ClientRegistered => "client_registered",
            Self::RegistrationRefused => "registration_refused",
            Self::AccessAllowed => "access_allowed",
            Self::AccessDenied => "access_denied",
            Self::AccountConnected => "account_connected",
            Self::ConnectionRefused => "connection_refused",
            Self::Limited => "limited",
            Self::Unavailable => "unavailable",
        }
    }
}

/// An event with what is known about it.
///
/// ```
/// use oauth_core::{Event, EventKind, Timestamp};
///
/// let subject = "alice".parse()?;
/// let event = Event { subject: Some(&subject), reason: Some("wrong_passphrase"), ..Event::new(EventKind::SignInRefused, Timestamp::from_secs(1)) };
/// assert_eq!(event.to_string(), "sign_in_refused subject=alice reason=wrong_passphrase");
/// # Ok::<(), oauth_core::IdError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// What happened.
    pub kind: EventKind,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub subject: Option<&'a Subject>,
    /// By which client.
    pub client_id: Option<&'a ClientId>,
    /// Under which grant.
    pub grant: Option<&'a GrantId>,
    /// For what.
    pub scopes: Option<&'a ScopeSet>,
    /// What was asked of a resource: the method of MCP, and what it names (`tools/call add_note`). A stranger's text, of bounded length. Of an
    /// account elsewhere: at which third party.
    pub operation: Option<&'a str>,
    /// Why: a stable name.
    pub reason: Option<&'static str>,
}

impl Event<'_> {
    /// An event about which nothing more is known.
    #[must_use]
    pub const fn new(kind: EventKind, at: Timestamp) -> Self {
        Self {
            kind,
            at,
            subject: None,
            client_id: None,
            grant: None,
            scopes: None,
            operation: None,
            reason: None,
        }
    }
}

impl fmt::Display for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.name())?;
        if let Some(subject) = self.subject {
            // Escaped: a subject or a client id may have spaces and quotes, never control characters (A-XSS-9).
            write!(f, " subject={subject}")?;
        }
        if let Some(client) = self.client_id {
            write!(f, " client_id={client}")?;
        }
        if let Some(grant) = self.grant {
            write!(f, " grant={grant}")?;
        }
        if let Some(scopes) = self.scopes {
            write!(f, " scope={:?}", scopes.as_str())?;
        }
        if let Some(operation) = self.operation {
            write!(f, " operation={operation:?}")?;
        }
        if let Some(reason) = self.reason {
            write!(f, " reason={reason}")?;
        }
        Ok(())
    }
}
