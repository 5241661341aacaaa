//! Listing page by page.

/// Which page of a listing.
///
/// ```
/// use oauth_core::PageRequest;
/// assert_eq!(PageRequest::first(50).limit, 50);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// Where the page before ended ([`Listing::next`]); `None`: the first page.
    pub after: Option<String>,
    /// How many records at most; zero is taken as one, so that pages come to an end. A store may hand out fewer.
    pub limit: usize,
}

impl PageRequest {
    /// The first page, of at most `limit` records.
    #[must_use]
    pub const fn first(limit: usize) -> Self {
        Self { after: None, limit }
    }
}

/// One page.
///
/// ```
/// use oauth_core::Listing;
/// let page = Listing { items: vec![1, 2], next: None };
/// assert!(page.next.is_none(), "this was the last page");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing<T> {
    /// The records.
    pub items: Vec<T>,
    /// What to ask for next; `None`: there is no more.
    pub next: Option<String>,
}
