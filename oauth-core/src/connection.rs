//! The port for third parties at which users have accounts, and a server acts for them.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::form::Form;
use crate::id::ProviderId;
use crate::scope::ScopeSet;
use crate::secret::Secret;
use crate::time::Timestamp;
use crate::vault::VaultFault;

/// A third party at which users have accounts: GitHub, for a tool that reads their issues. Not a way to sign in here, which is an
/// [`IdentityProvider`](crate::IdentityProvider).
///
/// A whole one, which takes whatever code comes back for a token:
///
/// ```
/// use oauth_core::{
///     Background, Connection, ConnectionFault, ConnectionReply, Departure, Form, Presented, ProviderId, ScopeSet, Secret, Timestamp,
///     async_trait,
/// };
///
/// struct Weather { id: ProviderId, scopes: ScopeSet }
///
/// #[async_trait]
/// impl Connection for Weather {
///     fn id(&self) -> &ProviderId {
///         &self.id
///     }
///     fn label(&self) -> &str {
///         "Weather"
///     }
///     fn issuer(&self) -> &str {
///         "https://weather.example"
///     }
///     fn scopes(&self) -> &ScopeSet {
///         &self.scopes
///     }
///     async fn begin(&self, callback: &str, _: Timestamp) -> Result<Departure, ConnectionFault> {
///         Ok(Departure::new(format!("https://weather.example/authorize?redirect_uri={callback}"), Secret::new("verifier".into())))
///     }
///     async fn finish(&self, reply: ConnectionReply<'_>) -> Result<Secret, ConnectionFault> {
///         let code = reply.fields.get("code").ok_or(ConnectionFault::Refused("access_denied"))?;
///         Ok(Secret::new(format!("token for {code}")))
///     }
///     fn present(&self, kept: &Secret, _: Timestamp) -> Presented {
///         Presented::Good(Secret::new(kept.expose().into()))
///     }
///     async fn renew(&self, _: &Secret, _: Timestamp) -> Result<Secret, ConnectionFault> {
///         Err(ConnectionFault::Refused("never_renewed"))
///     }
///     fn spawn(&self, work: Background) {
///         tokio::spawn(work);
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let weather = Weather { id: "weather".parse()?, scopes: ScopeSet::empty() };
/// let (fields, kept) = (Form::read(b"code=abc", &[], &[]).unwrap(), Secret::new("verifier".into()));
/// let callback = "https://as.example/connect/weather/callback";
/// let token = weather.finish(ConnectionReply::new(&fields, &kept, callback, Timestamp::from_secs(1))).await?;
/// assert_eq!(token.expose(), "token for abc");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[async_trait]
pub trait Connection: Send + Sync + 'static {
    /// Its name in paths and in the vault: lower-case letters, digits and `-`. Never changes: tokens are found by it.
    fn id(&self) -> &ProviderId;

    /// What people call it: `GitHub`.
    fn label(&self) -> &str;

    /// Its issuer identifier, or its authorization endpoint where it has none. It is never the server that connects: an MCP client is
    /// authorized by that one's own endpoints, and by nothing else (RS-91).
    fn issuer(&self) -> &str;

    /// What is asked for there, as it is called there. Users see it before they go.
    fn scopes(&self) -> &ScopeSet;

    /// Where a user goes to permit it, to come back to `callback`. Asked after they have agreed to go; nothing is kept for them here.
    async fn begin(&self, callback: &str, now: Timestamp) -> Result<Departure, ConnectionFault>;

    /// What is to be kept for the user, from what they came back with: tokens, in a form that [`present`](Self::present) reads. The server
    /// has made sure that they are who went, and asks once.
    async fn finish(&self, reply: ConnectionReply<'_>) -> Result<Secret, ConnectionFault>;

    /// The token in what is kept, and how it stands with it. Asks nobody.
    fn present(&self, kept: &Secret, now: Timestamp) -> Presented;

    /// What is to be kept in place of `kept`, renewed. It is asked by one of all servers at a time, and what it brings is kept before
    /// another asks. [`ConnectionFault::Refused`]: what is kept is of no use any more, is removed, and the user is to be asked again; when in
    /// doubt it is [`ConnectionFault::Unavailable`], and they are not.
    async fn renew(&self, kept: &Secret, now: Timestamp) -> Result<Secret, ConnectionFault>;

    /// Does `work` to its end, whatever becomes of who wants it: a refresh token that was spent is lost, if what it bought is not kept.
    /// `tokio::spawn` does; whoever dropped it would break it off.
    fn spawn(&self, work: Background);
}

/// Work that goes on without who began it.
pub type Background = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The way to a third party.
///
/// ```
/// use oauth_core::{Departure, Secret};
/// let departure = Departure::new("https://github.example/authorize?client_id=me".into(), Secret::new("verifier".into()));
/// assert!(!format!("{departure:?}").contains("verifier"));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Departure {
    /// Where to, without `state`: the server adds its own.
    pub location: String,
    /// What to hand back in [`ConnectionReply::kept`]: it travels sealed through the one browser that goes.
    pub keep: Secret,
}

impl Departure {
    /// The way to `location`.
    #[must_use]
    pub const fn new(location: String, keep: Secret) -> Self {
        Self { location, keep }
    }
}

/// What somebody came back with.
///
/// ```
/// use oauth_core::{ConnectionReply, Form, Secret, Timestamp};
/// let (fields, kept) = (Form::read(b"code=abc", &[], &[]).unwrap(), Secret::new("verifier".into()));
/// let reply = ConnectionReply::new(&fields, &kept, "https://as.example/connect/github/callback", Timestamp::from_secs(1));
/// assert_eq!(reply.fields.get("code"), Some("abc"));
/// ```
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct ConnectionReply<'a> {
    /// The parameters of the callback. The server has checked `state`.
    pub fields: &'a Form<'a>,
    /// What [`Connection::begin`] asked to keep.
    pub kept: &'a Secret,
    /// The callback, as at the beginning.
    pub callback: &'a str,
    /// The time of the request.
    pub now: Timestamp,
}

impl<'a> ConnectionReply<'a> {
    /// What came back to `callback`.
    #[must_use]
    pub const fn new(fields: &'a Form<'a>, kept: &'a Secret, callback: &'a str, now: Timestamp) -> Self {
        Self { fields, kept, callback, now }
    }
}

// The fields have a code.
impl fmt::Debug for ConnectionReply<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionReply").field("callback", &self.callback).finish_non_exhaustive()
    }
}

/// How it stands with a token that is kept.
///
/// ```
/// use oauth_core::{Presented, Secret};
/// assert!(!format!("{:?}", Presented::Good(Secret::new("gho_secret".into()))).contains("gho_secret"));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Presented {
    /// It is good.
    Good(Secret),
    /// It is good for a moment yet, and should be renewed.
    Aging(Secret),
    /// It must be renewed.
    Ended,
    /// It is of no use, and cannot be renewed: the user is to be asked.
    Useless,
}

/// Why an account is not connected, or no more. None shows what a third party said.
///
/// ```
/// use oauth_core::ConnectionFault;
/// assert_eq!(ConnectionFault::Refused("access_denied").reason(), "access_denied");
/// assert_eq!(ConnectionFault::unavailable("down").to_string(), "the third party cannot be asked now");
/// ```
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectionFault {
    /// The user or the third party said no. A stable name of the reason, for the audit.
    #[error("the third party refused: {0}")]
    Refused(&'static str),
    /// What came back is not an answer to what was asked.
    #[error("the answer is none to what was asked: {0}")]
    Invalid(&'static str),
    /// The caller is known to another issuer than the one whose users have these accounts. Nobody is to be asked.
    #[error("the caller is known to another issuer")]
    OtherIssuer,
    /// The caller is a client that acts for itself, and has no account anywhere. Nobody is to be asked.
    #[error("the caller is no user")]
    NoUser,
    /// The third party, or the vault, cannot be asked now, or is not set up right.
    #[error("the third party cannot be asked now")]
    Unavailable(#[source] Arc<dyn Error + Send + Sync>),
}

impl ConnectionFault {
    /// It cannot be asked now, because of `source`.
    #[must_use]
    pub fn unavailable(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Unavailable(Arc::from(source.into()))
    }

    /// Another server renews the token: for so long, at most.
    pub(crate) fn renewing(left: Duration) -> Self {
        Self::unavailable(Renewing(left.min(SOON)))
    }

    /// After how long to ask again, if that may help.
    ///
    /// ```
    /// use oauth_core::ConnectionFault;
    /// assert!(ConnectionFault::unavailable("down").retry_after().is_some());
    /// assert!(ConnectionFault::NoUser.retry_after().is_none());
    /// ```
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        let Self::Unavailable(source) = self else { return None };
        Some(source.downcast_ref().map_or(LATER, |Renewing(left)| *left))
    }

    /// A stable name for the audit.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Refused(reason) | Self::Invalid(reason) => reason,
            Self::OtherIssuer => "other_issuer",
            Self::NoUser => "no_user",
            Self::Unavailable(_) => "unavailable",
        }
    }
}

/// A renewal takes a request.
const SOON: Duration = Duration::from_secs(2);
/// An outage takes longer.
const LATER: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
#[error("another server is renewing the token")]
struct Renewing(Duration);

impl From<VaultFault> for ConnectionFault {
    fn from(fault: VaultFault) -> Self {
        Self::unavailable(fault)
    }
}
