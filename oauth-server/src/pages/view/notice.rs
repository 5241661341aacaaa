//! What the pages are told on which there is nothing to decide.

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
    /// What may have led to it, likeliest first; empty where the message says it.
    pub causes: &'a [&'a str],
    /// What to do about it.
    pub help: Option<&'a str>,
    /// Where to go on.
    pub link: Option<LinkView<'a>>,
    /// What the protocol calls it, for developers: `code_challenge is missing`.
    pub detail: Option<&'a str>,
    /// What an operator finds in the log.
    pub reference: Option<&'a str>,
}

/// A page that informs.
///
/// ```
/// use oauth_server::pages::{Page, samples};
///
/// let notice = samples().into_iter().find_map(|(_, page)| match page {
///     Page::Notice(notice) => Some(notice),
///     _ => None,
/// });
/// assert_eq!(notice.expect("there is a sample").title, "You are not signed in");
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
