//! What each page is told: plain, borrowed values, ready to be shown.

use super::{ClientLogo, ClientName, HttpsLink};

/// A page to draw.
///
/// ```
/// use oauth_server::pages::{Page, samples};
///
/// /// What the title bar says.
/// fn title(page: &Page<'_>) -> String {
///     match page {
///         Page::SignIn(_) => "Sign in".into(),
///         Page::Consent(page) => format!("Permission for {}", page.client.origin()),
///         Page::Error(page) => page.title.into(),
///         _ => "Notes".into(),
///     }
/// }
/// assert!(samples().iter().any(|(_, page)| title(page) == "Permission for nimbus.example"));
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Page<'a> {
    /// Who are you?
    SignIn(SignInPage<'a>),
    /// Do you agree?
    Consent(ConsentPage<'a>),
    /// The request is refused and cannot be sent back to the client.
    Error(ErrorPage<'a>),
    /// Nothing is wrong that starting again would not mend.
    Notice(NoticePage<'a>),
    /// The browser's sign-in has ended.
    SignedOut(SignedOutPage<'a>),
}

/// The app that asks.
///
/// ```
/// use oauth_server::pages::{Page, samples};
///
/// # let page = samples().into_iter().find_map(|(_, page)| match page {
/// #     Page::Consent(page) => Some(page),
/// #     _ => None,
/// # });
/// # let page = page.expect("there is a sample");
/// let client = page.client;
/// // Never the name without the origin: the one is said, the other is known.
/// let shown = format!("{} ({})", client.name.map_or("An app", |name| name.as_str()), client.origin());
/// assert_eq!(shown, "Nimbus CLI (nimbus.example)");
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ClientView<'a> {
    /// Its own name for itself; `None` if it gave none, or none that may be shown.
    pub name: Option<&'a ClientName>,
    /// The host of its `client_id`, for a client by metadata document: the one thing about it that is proven. As
    /// [`display_host`](super::display_host) shows it.
    pub id_host: Option<&'a str>,
    /// Its picture, if the operator has spoken for it. Belongs beside the host: a picture proves nothing.
    pub logo: Option<&'a ClientLogo>,
    /// Where the answer goes.
    pub destination: Destination<'a>,
    /// The operator vouches for it: configured, or from a trusted domain. All others are marked.
    pub verified: bool,
    /// Its home page (`client_uri`).
    pub home: Option<&'a HttpsLink>,
    /// Its privacy policy (`policy_uri`).
    pub privacy: Option<&'a HttpsLink>,
    /// Its terms of service (`tos_uri`).
    pub terms: Option<&'a HttpsLink>,
}

impl<'a> ClientView<'a> {
    /// What stands beside the name, always: the host of the client's document, else the host or scheme that the
    /// answer goes to.
    pub fn origin(&self) -> &'a str {
        self.id_host.unwrap_or(self.destination.shown())
    }
}

/// Where the browser is sent with the answer: the redirect URI, as far as a person needs it.
///
/// ```
/// use oauth_server::pages::Destination;
///
/// let words = |destination| match destination {
///     Destination::Loopback { .. } => "a program on this computer".to_owned(),
///     other => other.shown().to_owned(),
/// };
/// assert_eq!(words(Destination::Site { host: "app.example" }), "app.example");
/// assert_eq!(words(Destination::Loopback { host: "127.0.0.1" }), "a program on this computer");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Destination<'a> {
    /// An `https` address.
    Site {
        /// Its host, as [`display_host`](super::display_host) shows it.
        host: &'a str,
    },
    /// A loopback address (RFC 8252 §7.3). Any program on the user's computer may listen there.
    Loopback {
        /// `localhost`, `127.0.0.1` or `[::1]`, as registered.
        host: &'a str,
    },
    /// A private-use scheme (RFC 8252 §7.1). Any app on the user's device may claim it.
    App {
        /// The scheme, without its colon.
        scheme: &'a str,
    },
}

impl<'a> Destination<'a> {
    /// The host, or the scheme.
    pub fn shown(&self) -> &'a str {
        match self {
            Self::Site { host } | Self::Loopback { host } => host,
            Self::App { scheme } => scheme,
        }
    }
}

/// A protected resource: usually one MCP server.
///
/// ```
/// use oauth_server::pages::{Page, samples};
///
/// # let page = samples().into_iter().find_map(|(_, page)| match page {
/// #     Page::Consent(page) => Some(page),
/// #     _ => None,
/// # });
/// # let page = page.expect("there is a sample");
/// let resource = page.resources[0];
/// assert_eq!(resource.name.unwrap_or(resource.id), "Personal notes");
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ResourceView<'a> {
    /// The operator's name for it.
    pub name: Option<&'a str>,
    /// Its resource identifier (RFC 8707 §2), an absolute URI.
    pub id: &'a str,
}

/// The sign-in page: forms, buttons that lead elsewhere, or both.
///
/// ```
/// use oauth_server::pages::{Page, samples};
///
/// # let page = samples().into_iter().find_map(|(_, page)| match page {
/// #     Page::SignIn(page) if !page.providers.is_empty() => Some(page),
/// #     _ => None,
/// # });
/// # let page = page.expect("there is a sample");
/// // One form each, every one with the hidden field `ticket`.
/// let ways: Vec<&str> = page.forms.iter().map(|form| form.id).chain(page.providers.iter().map(|way| way.id)).collect();
/// assert_eq!(ways, ["mail", "github", "google"]);
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct SignInPage<'a> {
    /// The app that waits for the answer; `None` if the user came by themselves.
    pub client: Option<ClientView<'a>>,
    /// Hidden field `ticket` of every form.
    pub ticket: &'a str,
    /// Ways in that lead to another site. One button each.
    pub providers: &'a [ProviderChoice<'a>],
    /// Ways in that ask here. One form each.
    pub forms: &'a [SignInForm<'a>],
}

/// One button of the sign-in page.
///
/// ```
/// use oauth_server::pages::{Page, samples};
///
/// # let page = samples().into_iter().find_map(|(_, page)| match page {
/// #     Page::SignIn(page) if !page.providers.is_empty() => Some(page),
/// #     _ => None,
/// # });
/// # let page = page.expect("there is a sample");
/// let way = page.providers[0];
/// assert_eq!(format!("Continue with {}", way.label), "Continue with GitHub");
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ProviderChoice<'a> {
    /// Value of the field `provider`.
    pub id: &'a str,
    /// Its name, shown as "Continue with …".
    pub label: &'a str,
    /// Where the form is posted: a path on this server.
    pub action: &'a str,
}

/// One form of the sign-in page.
///
/// ```
/// use oauth_server::pages::{Page, samples};
///
/// # let page = samples().into_iter().find_map(|(_, page)| match page {
/// #     Page::SignIn(page) if !page.forms.is_empty() => Some(page),
/// #     _ => None,
/// # });
/// # let page = page.expect("there is a sample");
/// let form = page.forms[0];
/// assert_eq!((form.fields[0].name, form.submit, form.error), ("passphrase", "Sign in", None));
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct SignInForm<'a> {
    /// Value of the field `provider`; unique on the page.
    pub id: &'a str,
    /// Where the form is posted: a path on this server.
    pub action: &'a str,
    /// Its fields.
    pub fields: &'a [FieldView<'a>],
    /// The words on its button.
    pub submit: &'a str,
    /// What was wrong with the last attempt. The same for an unknown user and a wrong secret.
    pub error: Option<&'a str>,
}

/// One field of a sign-in form.
///
/// ```
/// use oauth_server::pages::{Page, samples};
///
/// # let page = samples().into_iter().find_map(|(_, page)| match page {
/// #     Page::SignIn(page) if !page.forms.is_empty() => Some(page),
/// #     _ => None,
/// # });
/// # let page = page.expect("there is a sample");
/// let field = page.forms[0].fields[0];
/// let input = format!(r#"<input name="{}" type="{}" autocomplete="{}">"#, field.name, field.kind.input_type(), field.autocomplete);
/// assert_eq!(input, r#"<input name="passphrase" type="password" autocomplete="current-password">"#);
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct FieldView<'a> {
    /// Its name in the form.
    pub name: &'a str,
    /// Its name on the page.
    pub label: &'a str,
    /// What it takes.
    pub kind: FieldKind,
    /// An HTML autofill name: `current-password`, `username`, `email`, `one-time-code`.
    pub autocomplete: &'a str,
    /// What it holds already; empty for nothing. A [`FieldKind::Password`] is never filled in.
    pub value: &'a str,
}

/// What a field takes.
///
/// ```
/// use oauth_server::pages::FieldKind;
/// assert_eq!(FieldKind::Password.input_type(), "password");
/// assert_eq!(FieldKind::Code.input_type(), "text");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldKind {
    /// A line of text.
    Text,
    /// A secret.
    Password,
    /// A mail address.
    Email,
    /// A code of digits.
    Code,
}

impl FieldKind {
    /// The `type` of the HTML `input`.
    pub fn input_type(self) -> &'static str {
        match self {
            Self::Text | Self::Code => "text",
            Self::Password => "password",
            Self::Email => "email",
        }
    }
}

/// The consent page.
///
/// ```
/// use oauth_server::pages::{Page, samples};
///
/// # let page = samples().into_iter().find_map(|(_, page)| match page {
/// #     Page::Consent(page) => Some(page),
/// #     _ => None,
/// # });
/// # let page = page.expect("there is a sample");
/// // What can be unticked is a box; the rest is said, and not sent.
/// let boxes: Vec<&str> = page.scopes.iter().filter(|scope| scope.optional).map(|scope| scope.name).collect();
/// assert_eq!(boxes, ["notes:write", "notes:delete", "offline_access"]);
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ConsentPage<'a> {
    /// Who asks.
    pub client: ClientView<'a>,
    /// For which account; `None` if the user signs in after agreeing.
    pub account: Option<AccountView<'a>>,
    /// For which servers.
    pub resources: &'a [ResourceView<'a>],
    /// What for.
    pub scopes: &'a [ScopeView<'a>],
    /// What will be asked of another provider afterwards, on behalf of this server.
    pub upstream: Option<UpstreamView<'a>>,
    /// Where the form is posted: a path on this server.
    pub action: &'a str,
    /// Hidden field `ticket`.
    pub ticket: &'a str,
}

/// The account that is signed in.
///
/// ```
/// use oauth_server::pages::{Page, samples};
///
/// # let page = samples().into_iter().find_map(|(_, page)| match page {
/// #     Page::Consent(page) => Some(page),
/// #     _ => None,
/// # });
/// # let page = page.expect("there is a sample");
/// let account = page.account.expect("somebody is signed in");
/// assert_eq!(account.name, "alice@example.com");
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct AccountView<'a> {
    /// A name that the user knows: a mail address, a user name.
    pub name: &'a str,
    /// Where "use another account" is posted, with the same ticket: a path on this server.
    pub switch: Option<&'a str>,
}

/// One scope of the consent page.
///
/// ```
/// use oauth_server::pages::{Page, samples};
///
/// # let page = samples().into_iter().find_map(|(_, page)| match page {
/// #     Page::Consent(page) => Some(page),
/// #     _ => None,
/// # });
/// # let page = page.expect("there is a sample");
/// let words: Vec<&str> = page.scopes.iter().map(|scope| scope.words.unwrap_or(scope.name)).collect();
/// assert_eq!((words[0], words[3]), ("Read your notes", "offline_access"));
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ScopeView<'a> {
    /// The scope's token, and the value of its field `scope`.
    pub name: &'a str,
    /// What it permits, in the operator's words; the token itself is shown if there are none.
    pub words: Option<&'a str>,
    /// May be unticked.
    pub optional: bool,
    /// Is ticked at first. A scope that is not optional always is.
    pub checked: bool,
    /// The user has permitted it to this client before.
    pub already_granted: bool,
}

/// What another provider will be asked for.
///
/// ```
/// use oauth_server::pages::{Page, samples};
///
/// let upstream = samples().into_iter().find_map(|(_, page)| match page {
///     Page::Consent(page) => page.upstream,
///     _ => None,
/// });
/// let upstream = upstream.expect("there is a sample");
/// assert_eq!(upstream.provider, "GitHub");
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct UpstreamView<'a> {
    /// The provider's name.
    pub provider: &'a str,
    /// The scopes, as that provider calls them.
    pub scopes: &'a [&'a str],
}

/// The error page. Nothing on it may come from the request, but for what was checked.
///
/// ```
/// use oauth_server::pages::{Page, samples};
///
/// let error = samples().into_iter().find_map(|(_, page)| match page {
///     Page::Error(error) => Some(error),
///     _ => None,
/// });
/// assert_eq!(error.expect("there is a sample").status, 400);
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ErrorPage<'a> {
    /// The HTTP status of the answer.
    pub status: u16,
    /// The error word for developers, such as `invalid_request`.
    pub code: &'a str,
    /// What happened, in a few words.
    pub title: &'a str,
    /// What happened, in a sentence.
    pub message: &'a str,
    /// What to do about it.
    pub help: Option<&'a str>,
    /// What an operator finds in the log.
    pub reference: Option<&'a str>,
}

/// A page that informs: expired, already answered, done.
///
/// ```
/// use oauth_server::pages::{Page, samples};
///
/// let notice = samples().into_iter().find_map(|(_, page)| match page {
///     Page::Notice(notice) => Some(notice),
///     _ => None,
/// });
/// assert_eq!(notice.expect("there is a sample").title, "This page has expired");
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct NoticePage<'a> {
    /// What is the case, in a few words.
    pub title: &'a str,
    /// What is the case, in a sentence.
    pub message: &'a str,
    /// What to do now.
    pub help: Option<&'a str>,
    /// Where to go on.
    pub link: Option<LinkView<'a>>,
}

/// A link within this server.
///
/// ```
/// use oauth_server::pages::{Page, samples};
///
/// # let signed_out = samples().into_iter().find_map(|(_, page)| match page {
/// #     Page::SignedOut(page) => Some(page),
/// #     _ => None,
/// # });
/// let link = signed_out.and_then(|page| page.sign_in).expect("there is a sample");
/// assert!(link.path.starts_with('/'));
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct LinkView<'a> {
    /// The words on it.
    pub label: &'a str,
    /// A path on this server.
    pub path: &'a str,
}

/// The page after signing out.
///
/// ```
/// use oauth_server::pages::{Page, samples};
///
/// let signed_out = samples().into_iter().find_map(|(_, page)| match page {
///     Page::SignedOut(page) => Some(page),
///     _ => None,
/// });
/// assert!(signed_out.expect("there is a sample").sign_in.is_some());
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct SignedOutPage<'a> {
    /// Where to sign in again.
    pub sign_in: Option<LinkView<'a>>,
}
