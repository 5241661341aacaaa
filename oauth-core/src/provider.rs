//! The port for ways to sign in: by a form, or by a redirect to another server.

use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;

use crate::form::Form;
use crate::id::ProviderId;
use crate::store::{Identity, StoreError};
use crate::time::Timestamp;

/// A way to learn who somebody is.
///
/// The server asks [`begin`](Self::begin) for a first step, shows it, and hands what comes back to [`resume`](Self::resume), until a step is
/// [`SignInStep::Done`]. Between two steps a provider keeps nothing itself: what it wants to know again it puts into `keep`,
/// which travels sealed through the one browser that began, and opens once it comes back, from that browser alone.
///
/// | way | first step | comes back with |
/// |---|---|---|
/// | passphrase | [`SignInStep::Form`] | the form's fields |
/// | GitHub, OpenID | [`SignInStep::Redirect`] | the callback's query |
///
/// [`SignInStep`] is `#[non_exhaustive]`: ways that need a script or a second device become further steps.
///
/// A whole provider: whoever knows the word is the owner.
///
/// ```
/// use oauth_core::{
///     FieldKind, Form, Identity, IdentityProvider, ProviderId, SignInFault, SignInField, SignInForm, SignInReply, SignInStart,
///     SignInStep, SignedIn, Timestamp, TokenHash, async_trait,
/// };
///
/// struct Word { id: ProviderId, hash: TokenHash }
///
/// fn form() -> SignInForm {
///     SignInForm::new([SignInField::new("word", "The word", FieldKind::Password)])
/// }
///
/// #[async_trait]
/// impl IdentityProvider for Word {
///     fn id(&self) -> &ProviderId {
///         &self.id
///     }
///     fn label(&self) -> &str {
///         "the word"
///     }
///     async fn begin(&self, _: SignInStart<'_>) -> Result<SignInStep, SignInFault> {
///         Ok(SignInStep::Form(form()))
///     }
///     async fn resume(&self, reply: SignInReply<'_>) -> Result<SignInStep, SignInFault> {
///         // Compares in constant time. A real one also limits the tries: here nothing else does.
///         if !self.hash.matches(reply.fields.get("word").unwrap_or_default()) {
///             return Ok(SignInStep::Form(form().with_error("that is not the word")));
///         }
///         let identity = Identity { provider: self.id.clone(), id: "owner".into() };
///         Ok(SignInStep::Done(SignedIn::new(identity, reply.now)))
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let provider = Word { id: "word".parse()?, hash: TokenHash::of("correct horse battery staple") };
/// let fields = Form::read(b"word=correct+horse+battery+staple", &[], &[])?;
/// let reply = SignInReply::new(&fields, b"", "https://as.example/sign-in/word/callback", Timestamp::from_secs(1_700_000_000));
/// assert!(matches!(provider.resume(reply).await?, SignInStep::Done(who) if who.identity.id == "owner"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[async_trait]
pub trait IdentityProvider: Send + Sync + 'static {
    /// Its name in paths and in identities. Never changes: accounts are known by it.
    fn id(&self) -> &ProviderId;

    /// What to write on its button: `GitHub`.
    fn label(&self) -> &str;

    /// The first step. It is asked for each page that offers this way, by anybody who opens one, and again by who presses its button: a
    /// form should do no more than say what it asks for. What costs something, a mail for one, waits for [`resume`](Self::resume).
    async fn begin(&self, start: SignInStart<'_>) -> Result<SignInStep, SignInFault>;

    /// The next step, from what came back: another form, the way elsewhere, or who it is. What comes back a second time gets no second
    /// answer, whatever is said here; it is asked about all the same, so tries are to be counted here.
    ///
    /// Which step is answered, [`kept`](SignInReply::kept) alone tells: a browser can send any fields with any page of its own. What was sent
    /// to one person, a word by mail for one, is compared with whom `kept` names.
    async fn resume(&self, reply: SignInReply<'_>) -> Result<SignInStep, SignInFault>;
}

/// What a provider is told at the beginning.
///
/// ```
/// use oauth_core::{SignInStart, Timestamp};
///
/// let mut start = SignInStart::new("https://as.example/sign-in/github/callback", Timestamp::from_secs(1_700_000_000));
/// start.login_hint = Some("alice@example.com");
/// assert!(!start.fresh && start.address.is_none());
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct SignInStart<'a> {
    /// Where a redirect must lead back to: distinct for each provider (UP-4).
    pub callback: &'a str,
    /// Whom the client expects (`login_hint`).
    pub login_hint: Option<&'a str>,
    /// Whether being signed in there already is not enough (`prompt=login`, `max_age`; UP-18).
    pub fresh: bool,
    /// The address of the browser, where the server knows it.
    pub address: Option<IpAddr>,
    /// The time of the request.
    pub now: Timestamp,
}

impl<'a> SignInStart<'a> {
    /// The beginning of a sign-in that returns to `callback`.
    #[must_use]
    pub const fn new(callback: &'a str, now: Timestamp) -> Self {
        Self { callback, login_hint: None, fresh: false, address: None, now }
    }
}

/// What came back.
///
/// ```
/// use oauth_core::{Form, SignInReply, Timestamp};
///
/// let query = Form::read(b"code=abc&state=sealed", &[], &[])?;
/// let reply = SignInReply::new(&query, b"nonce", "https://as.example/sign-in/github/callback", Timestamp::from_secs(1_700_000_000));
/// assert_eq!((reply.fields.get("code"), reply.kept), (Some("abc"), &b"nonce"[..]));
/// # Ok::<(), oauth_core::FormFault<'static>>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct SignInReply<'a> {
    /// The fields of the form, or the parameters of the callback.
    pub fields: &'a Form<'a>,
    /// What the step before asked to keep.
    pub kept: &'a [u8],
    /// Where a redirect leads back to, as at the beginning.
    pub callback: &'a str,
    /// The address of the browser, where the server knows it.
    pub address: Option<IpAddr>,
    /// The time of the request.
    pub now: Timestamp,
}

impl<'a> SignInReply<'a> {
    /// What came back to `callback`.
    #[must_use]
    pub const fn new(fields: &'a Form<'a>, kept: &'a [u8], callback: &'a str, now: Timestamp) -> Self {
        Self { fields, kept, callback, address: None, now }
    }
}

/// What to do next.
///
/// ```
/// use oauth_core::SignInStep;
///
/// let step = SignInStep::Redirect { location: "https://idp.example/authorize?client_id=me".into(), keep: b"nonce".to_vec() };
/// // What is kept comes back in `SignInReply::kept`, and only from the browser that began.
/// assert!(matches!(step, SignInStep::Redirect { keep, .. } if keep == b"nonce"));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SignInStep {
    /// Show a form, again if what came back was wrong.
    Form(SignInForm),
    /// Send the browser away. The server adds `state` to the location.
    Redirect {
        /// Where to, without `state`.
        location: String,
        /// What to hand back.
        keep: Vec<u8>,
    },
    /// Known.
    Done(SignedIn),
}

/// A form to sign in with.
///
/// ```
/// use oauth_core::{FieldKind, SignInField, SignInForm};
///
/// let form = SignInForm::new([SignInField::new("passphrase", "Passphrase", FieldKind::Password)]).with_error("wrong passphrase");
/// assert_eq!(form.error.as_deref(), Some("wrong passphrase"));
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct SignInForm {
    /// What to ask for.
    pub fields: Vec<SignInField>,
    /// What was wrong with the last try, for the user to read.
    pub error: Option<String>,
    /// What to hand back.
    pub keep: Vec<u8>,
}

impl SignInForm {
    /// A form that asks for `fields`.
    #[must_use]
    pub fn new(fields: impl IntoIterator<Item = SignInField>) -> Self {
        Self { fields: fields.into_iter().collect(), error: None, keep: Vec::new() }
    }

    /// Says what was wrong with the last try.
    #[must_use]
    pub fn with_error(mut self, error: impl Into<String>) -> Self {
        self.error = Some(error.into());
        self
    }
}

/// One field of a form.
///
/// ```
/// use oauth_core::{FieldKind, SignInField};
/// assert_eq!(SignInField::new("email", "Mail address", FieldKind::Email).name, "email");
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SignInField {
    /// Its name in the form. `ticket` and `provider` are the page's own; a form that has such a field is not shown.
    pub name: &'static str,
    /// What the user reads.
    pub label: String,
    /// What it takes.
    pub kind: FieldKind,
}

impl SignInField {
    /// A field.
    #[must_use]
    pub fn new(name: &'static str, label: impl Into<String>, kind: FieldKind) -> Self {
        Self { name, label: label.into(), kind }
    }
}

/// What a field takes.
///
/// ```
/// use oauth_core::FieldKind;
/// assert_ne!(FieldKind::Text, FieldKind::Password);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldKind {
    /// Plain text.
    Text,
    /// A secret that exists already; password managers fill it in.
    Password,
    /// A mail address.
    Email,
    /// A code of digits that is good once.
    Code,
}

/// Somebody who proved who they are.
///
/// ```
/// use oauth_core::{Identity, SignedIn, Timestamp};
///
/// let who = SignedIn::new(Identity { provider: "passphrase".parse()?, id: "owner".into() }, Timestamp::from_secs(1));
/// assert_eq!(who.identity.id, "owner");
/// # Ok::<(), oauth_core::IdError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SignedIn {
    /// By what they are known, now and the next time.
    pub identity: Identity,
    /// What to call them on pages.
    pub name: Option<String>,
    /// When they proved it: not before now, unless an upstream server says so.
    pub auth_time: Timestamp,
}

impl SignedIn {
    /// Somebody known by `identity`.
    #[must_use]
    pub const fn new(identity: Identity, auth_time: Timestamp) -> Self {
        Self { identity, name: None, auth_time }
    }

    /// What to call them.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }
}

/// Why a sign-in went no further. A wrong passphrase is no fault: it is the form again, with an error.
///
/// ```
/// use oauth_core::SignInFault;
/// assert_eq!(SignInFault::Refused("not_a_member").reason(), "not_a_member");
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignInFault {
    /// The user said no, or may not come in. A stable name of the reason, for the audit.
    #[error("the sign-in was refused: {0}")]
    Refused(&'static str),
    /// What came back is not an answer to what was asked.
    #[error("the sign-in cannot go on: {0}")]
    Invalid(&'static str),
    /// Too many tries.
    #[error("too many attempts")]
    Limited {
        /// When to try again.
        retry_after: Duration,
    },
    /// Whoever could tell cannot be asked now.
    #[error("the sign-in is not possible now")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl SignInFault {
    /// A stable name for the audit.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Refused(reason) | Self::Invalid(reason) => reason,
            Self::Limited { .. } => "limited",
            Self::Unavailable(_) => "unavailable",
        }
    }
}

impl From<StoreError> for SignInFault {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(Box::new(error))
    }
}
