//! What the page at the server's address is told.

use crate::pages::HttpsLink;

/// The page at the server's address, for somebody who opens it in a browser: what this is, and how to connect to it. Nothing on it is secret
/// or comes from a request.
///
/// ```
/// use oauth_server::pages::{Page, samples};
///
/// let landing = samples().into_iter().find_map(|(_, page)| match page {
///     Page::Landing(landing) => Some(landing),
///     _ => None,
/// });
/// assert_eq!(landing.expect("there is a sample").servers[0].url, "https://notes.example/mcp");
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct LandingPage<'a> {
    /// What can be connected to: at least one.
    pub servers: &'a [ServerView<'a>],
    /// The authorization server's own metadata (RFC 8414), an absolute URL.
    pub metadata: &'a str,
    /// The operator's page for people who write clients.
    pub documentation: Option<&'a HttpsLink>,
    /// The operator's privacy policy.
    pub privacy: Option<&'a HttpsLink>,
    /// The operator's terms.
    pub terms: Option<&'a HttpsLink>,
}

/// An MCP server that this authorization server is for.
///
/// ```
/// use oauth_server::pages::{Page, samples};
///
/// # let landing = samples().into_iter().find_map(|(_, page)| match page {
/// #     Page::Landing(landing) => Some(landing),
/// #     _ => None,
/// # });
/// # let landing = landing.expect("there is a sample");
/// let server = landing.servers[0];
/// assert_eq!(server.name.unwrap_or(server.url), "Personal notes");
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ServerView<'a> {
    /// The operator's name for it.
    pub name: Option<&'a str>,
    /// What is added to an app: its address, which is its resource identifier.
    pub url: &'a str,
    /// Its metadata (RFC 9728), an absolute URL.
    pub metadata: &'a str,
    /// How to add it, app by app.
    pub ways: &'a [WayView<'a>],
}

/// How a server is added to one app.
///
/// ```
/// use oauth_server::pages::{Page, samples};
///
/// # let landing = samples().into_iter().find_map(|(_, page)| match page {
/// #     Page::Landing(landing) => Some(landing),
/// #     _ => None,
/// # });
/// # let landing = landing.expect("there is a sample");
/// let way = landing.servers[0].ways[0];
/// assert_eq!((way.app, way.line), ("Claude Code", "claude mcp add --transport http personal-notes https://notes.example/mcp"));
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct WayView<'a> {
    /// The app's name.
    pub app: &'a str,
    /// A line to paste into a terminal.
    pub line: &'a str,
    /// What is left to do then.
    pub then: Option<&'a str>,
}
