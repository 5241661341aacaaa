//! Between columns and the core's types.

use std::str::FromStr;

use oauth_core::{StoreError, Timestamp, TokenHash};
use sqlx::postgres::{PgRow, Postgres};
use sqlx::{Decode, Row as _, Type};

use crate::postgres::fault;

/// A point in time as a column holds it.
pub(super) fn millis(time: Timestamp) -> i64 {
    // `Timestamp::MAX` is i64's; what is said here of later ones is never used.
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// The value in column `at`.
pub(super) fn get<'r, T: Decode<'r, Postgres> + Type<Postgres>>(
    row: &'r PgRow,
    at: usize,
) -> Result<T, StoreError> {
    row.try_get(at).map_err(fault::port)
}

/// The point in time in column `at`.
pub(super) fn time(row: &PgRow, at: usize) -> Result<Timestamp, StoreError> {
    get(row, at).map(from_millis)
}

/// The point in time in column `at`, if there is one.
pub(super) fn optional_time(row: &PgRow, at: usize) -> Result<Option<Timestamp>, StoreError> {
    Ok(get::<Option<i64>>(row, at)?.map(from_millis))
}

fn from_millis(millis: i64) -> Timestamp {
    Timestamp::from_millis(u64::try_from(millis).unwrap_or_default())
}

/// The number in column `at`: a count or a version, never negative.
pub(super) fn number(row: &PgRow, at: usize) -> Result<u64, StoreError> {
    u64::try_from(get::<i64>(row, at)?).map_err(|_| StoreError::corrupt("number"))
}

/// The `N` bytes in column `at`; `what` names them if they are not as many.
pub(super) fn bytes<const N: usize>(row: &PgRow, at: usize, what: &str) -> Result<[u8; N], StoreError> {
    get::<&[u8]>(row, at)?.try_into().map_err(|_| StoreError::corrupt(what))
}

/// The hash in column `at`.
pub(super) fn hash(row: &PgRow, at: usize) -> Result<TokenHash, StoreError> {
    bytes(row, at, "hash").map(TokenHash::from_bytes)
}

/// What the text in column `at` means; `what` names it if it means nothing.
pub(super) fn parsed<T: FromStr>(row: &PgRow, at: usize, what: &str) -> Result<T, StoreError> {
    get::<&str>(row, at)?.parse().map_err(|_| StoreError::corrupt(what))
}

/// What the text in column `at` means, if there is one.
pub(super) fn optional_parsed<T: FromStr>(
    row: &PgRow,
    at: usize,
    what: &str,
) -> Result<Option<T>, StoreError> {
    let text: Option<&str> = get(row, at)?;
    text.map(|text| text.parse().map_err(|_| StoreError::corrupt(what))).transpose()
}
