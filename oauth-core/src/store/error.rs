//! How a store fails.

/// Why a store did not do what it was asked.
///
/// On the wire [`Unavailable`](Self::Unavailable) and [`Corrupt`](Self::Corrupt) are 503 `temporarily_unavailable`: an outage
/// never tells a client that its grant or its registration is gone (TOK-8, LIM-3).
///
/// ```
/// use oauth_core::StoreError;
/// let error = StoreError::unavailable(std::io::Error::other("disk full"));
/// assert_eq!(error.to_string(), "the store is unavailable");
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// An identifier is taken, or a record was changed by somebody else. Nothing was written.
    #[error("the record exists or was changed meanwhile")]
    Conflict,
    /// The store cannot be reached, is full or takes too long. Whether the write happened is not known.
    #[error("the store is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What is stored cannot be read.
    #[error("a stored record cannot be read: {0}")]
    Corrupt(Box<str>),
}

impl StoreError {
    /// The store cannot be reached, because of `source`.
    #[must_use]
    pub fn unavailable(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unavailable(source.into())
    }

    /// A stored record that cannot be read.
    #[must_use]
    pub fn corrupt(what: impl Into<Box<str>>) -> Self {
        Self::Corrupt(what.into())
    }
}
