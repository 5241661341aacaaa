//! The port for third parties at which users have accounts, and a server acts for them.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

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
///     Connection, ConnectionFault, ConnectionReply, Departure, Form, Presented, ProviderId, ScopeSet, Secret, Timestamp, async_trait,
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
///     async fn present(&self, kept: &Secret, _: Timestamp) -> Result<Presented, ConnectionFault> {
///         Ok(Presented::new(Secret::new(kept.expose().into())))
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

    /// The token to present there, renewed if it is near its end. [`ConnectionFault::Refused`]: what is kept is of no use any more, and the
    /// user is to be asked again; when in doubt it is [`ConnectionFault::Unavailable`], and they are not.
    async fn present(&self, kept: &Secret, now: Timestamp) -> Result<Presented, ConnectionFault>;
}

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

/// A token to present to a third party.
///
/// ```
/// use oauth_core::{Presented, Secret};
/// let renewed = Presented::new(Secret::new("token".into())).keeping(Secret::new("token and refresh token".into()));
/// assert_eq!((renewed.token.expose(), renewed.keep.is_some()), ("token", true));
/// ```
#[derive(Debug)]
#[must_use = "a refresh token that was spent is kept no more"]
#[non_exhaustive]
pub struct Presented {
    /// The token.
    pub token: Secret,
    /// What is to be kept in place of what was read, if it was renewed.
    pub keep: Option<Secret>,
}

impl Presented {
    /// A token that is good as it was kept.
    pub const fn new(token: Secret) -> Self {
        Self { token, keep: None }
    }

    /// It was renewed; `keep` takes the place of what was read.
    pub fn keeping(mut self, keep: Secret) -> Self {
        self.keep = Some(keep);
        self
    }
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

    /// A stable name for the audit.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Refused(reason) | Self::Invalid(reason) => reason,
            Self::Unavailable(_) => "unavailable",
        }
    }
}

impl From<VaultFault> for ConnectionFault {
    fn from(fault: VaultFault) -> Self {
        Self::unavailable(fault)
    }
}
