//! What the consent page is told.

use super::client::ClientView;

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
    /// Why the page is shown once more. Belongs before everything else, and is to be read aloud.
    pub notice: Option<&'a str>,
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
