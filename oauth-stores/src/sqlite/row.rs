//! Between columns and the core's types.

use std::str::FromStr;

use oauth_core::Timestamp;
use rusqlite::Row;

use crate::sqlite::fault::Fault;

/// A point in time as a column holds it.
pub(super) fn millis(time: Timestamp) -> i64 {
    // `Timestamp::MAX` is i64's; what is said here of later ones is never used.
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// The point in time in column `at`.
pub(super) fn time(row: &Row<'_>, at: usize) -> Result<Timestamp, Fault> {
    Ok(from_millis(row.get(at)?))
}

/// The point in time in column `at`, if there is one.
pub(super) fn optional_time(row: &Row<'_>, at: usize) -> Result<Option<Timestamp>, Fault> {
    Ok(row.get::<_, Option<i64>>(at)?.map(from_millis))
}

fn from_millis(millis: i64) -> Timestamp {
    Timestamp::from_millis(u64::try_from(millis).unwrap_or_default())
}

/// The number in column `at`: a count or a version, never negative.
pub(super) fn number(row: &Row<'_>, at: usize) -> rusqlite::Result<u64> {
    let number: i64 = row.get(at)?;
    u64::try_from(number).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(at, number))
}

/// What the text in column `at` means; `what` names it if it means nothing.
pub(super) fn parsed<T: FromStr>(row: &Row<'_>, at: usize, what: &str) -> Result<T, Fault> {
    optional_parsed(row, at, what)?.ok_or_else(|| Fault::corrupt(what))
}

/// What the text in column `at` means, if there is one.
pub(super) fn optional_parsed<T: FromStr>(row: &Row<'_>, at: usize, what: &str) -> Result<Option<T>, Fault> {
    let text = row.get_ref(at)?.as_str_or_null().map_err(|_| Fault::corrupt(what))?;
    text.map(|text| text.parse().map_err(|_| Fault::corrupt(what))).transpose()
}
