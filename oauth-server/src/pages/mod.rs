//! The pages of the authorization server, and the port for those who want their own.
//!
//! A page is a document rendered on the server: no script, nothing fetched from elsewhere, light and dark, usable by
//! keyboard and by screen reader. [`DefaultPages`] draws them, with a [`Theme`] of name, logo and colour. Who wants
//! other pages implements [`PageRenderer`], and may hand those that are fine as they are to `DefaultPages`.
//!
//! What a page is told stands in the view structs ([`ConsentPage`] and its like). What a stranger wrote reaches them
//! only through a type that has cleaned it: [`ClientName`], [`HttpsLink`], [`ClientLogo`], [`display_host`].
//!
//! What the forms send:
//!
//! 1. Every form is a `POST` to the `action` its view names, as `application/x-www-form-urlencoded`, with the hidden
//!    field `ticket`.
//! 2. Sign-in adds `provider`, the id of the way that was chosen, and the fields of that way's own form.
//! 3. Consent adds `decision`, `allow` or `deny`, and one `scope` for each optional scope that is ticked. A required
//!    scope is implied and not sent. The server trusts none of it: it grants at most what it had asked about.
//! 4. Connecting an account adds `decision`, as consent does.
//!
//! The answers carry [`PagePolicy::headers`]: the renderer says what its documents load, and cannot forget the rest.

mod colour;
mod default;
mod link;
mod logo;
mod name;
mod policy;
mod samples;
mod theme;
mod view;

pub(crate) use self::logo::LARGEST as LARGEST_LOGO;
pub use self::{
    default::DefaultPages,
    link::{HttpsLink, display_host},
    logo::ClientLogo,
    name::ClientName,
    policy::PagePolicy,
    samples::samples,
    theme::{InvalidTheme, Theme},
    view::{
        AccountView, ClientView, ConnectPage, ConsentPage, Destination, ErrorPage, FieldKind, FieldView,
        LandingPage, LinkView, NoticePage, Page, ProviderChoice, ResourceView, ScopeView, ServerView,
        SignInForm, SignInPage, SignedOutPage, UpstreamView, WayView,
    },
};

/// Draws the pages.
///
/// # What an implementation must keep
///
/// - Escape every string. Those of a client are cleaned, not escaped.
/// - Never show a client's name without a host ([`ClientView::origin`]), and mark a client that is not `verified`.
/// - On the consent page, *allow* must not be what Enter presses: no allowing button may be the first of its form.
/// - Send what the [module](self) says the forms send.
///
/// # Example
///
/// An own error page; the rest stays as it is.
///
/// ```
/// use oauth_server::pages::{DefaultPages, Page, PagePolicy, PageRenderer, Theme, samples};
///
/// struct MyPages(DefaultPages);
///
/// impl PageRenderer for MyPages {
///     fn render(&self, page: &Page<'_>) -> String {
///         match page {
///             Page::Error(error) => {
///                 format!("<!doctype html><html lang=en><title>Oh no</title><h1>{}</h1>", escaped(error.title))
///             }
///             other => self.0.render(other),
///         }
///     }
///     fn policy(&self) -> &PagePolicy {
///         self.0.policy()
///     }
/// }
///
/// fn escaped(text: &str) -> String {
///     text.replace('&', "&amp;").replace('<', "&lt;")
/// }
///
/// let pages = MyPages(DefaultPages::new(&Theme::new("Notes")?));
/// for (_, page) in samples() {
///     assert!(pages.render(&page).starts_with("<!doctype html>"));
/// }
/// # Ok::<(), oauth_server::pages::InvalidTheme>(())
/// ```
pub trait PageRenderer: Send + Sync + 'static {
    /// The whole HTML document, in UTF-8.
    ///
    /// Called once a request, without I/O. New pages come as new variants of [`Page`]: hand what you do not know to
    /// [`DefaultPages`].
    fn render(&self, page: &Page<'_>) -> String;

    /// What the documents load. It becomes the `Content-Security-Policy` of every page.
    fn policy(&self) -> &PagePolicy;
}
