//! What each page is told: plain, borrowed values, ready to be shown.

mod client;
mod connect;
mod consent;
mod landing;
mod notice;
mod sign_in;

pub use self::{
    client::{ClientView, Destination},
    connect::ConnectPage,
    consent::{AccountView, ConsentPage, ResourceView, ScopeView, UpstreamView},
    landing::{LandingPage, ServerView, WayView},
    notice::{ErrorPage, LinkView, NoticePage, SignedOutPage},
    sign_in::{FieldKind, FieldView, ProviderChoice, SignInForm, SignInPage},
};

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
    /// Shall an account elsewhere be connected?
    Connect(ConnectPage<'a>),
    /// The request is refused and cannot be sent back to the client.
    Error(ErrorPage<'a>),
    /// Nothing is wrong that starting again would not mend.
    Notice(NoticePage<'a>),
    /// The browser's sign-in has ended.
    SignedOut(SignedOutPage<'a>),
    /// What is this, and how do I connect to it?
    Landing(LandingPage<'a>),
}
