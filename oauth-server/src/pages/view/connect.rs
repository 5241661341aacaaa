//! What the page is told on which an account elsewhere is connected.

use super::client::ClientView;
use super::consent::{AccountView, UpstreamView};

/// The page on which a user lets this server use an account of theirs at a third party.
///
/// ```
/// use oauth_server::pages::{Page, samples};
///
/// let page = samples().into_iter().find_map(|(_, page)| match page {
///     Page::Connect(page) => Some(page),
///     _ => None,
/// });
/// let page = page.expect("there is a sample");
/// assert_eq!((page.upstream.provider, page.host), ("GitHub", "github.com"));
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ConnectPage<'a> {
    /// The third party, and what it is asked for.
    pub upstream: UpstreamView<'a>,
    /// The host that the browser is sent to, as [`display_host`](crate::pages::display_host) shows it.
    pub host: &'a str,
    /// Who is signed in here, whose account it will be.
    pub account: AccountView<'a>,
    /// For whom it was asked; `None` if that client is not known any more.
    pub client: Option<ClientView<'a>>,
    /// Where the form is posted: a path on this server.
    pub action: &'a str,
    /// Hidden field `ticket`.
    pub ticket: &'a str,
    /// Why the page is shown once more. Belongs before everything else, and is to be read aloud.
    pub notice: Option<&'a str>,
}
