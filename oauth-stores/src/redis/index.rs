//! Indexes: sorted sets of identifiers by when they end. They are in other slots than what they lead to, so:
//!
//! - An entry is written before what it leads to, and struck out after it: a crash between the two leaves an entry that leads nowhere.
//! - Who reads skips such entries. It is not struck out: perhaps what it leads to is just being written.
//! - Whoever enters something strikes out what ended a day ago, so an index does not grow for ever; of grants, a purge what ended and is gone.

use oauth_core::{StoreError, Timestamp};
use redis::cmd;

use crate::redis::life::{ENTRY_MARGIN, lifetime, score};
use crate::redis::link::Link;
use crate::redis::script::{ENTER, PAGE};

/// Where a page ended: when that member ends, and its name.
pub(super) type Position = (u64, String);

/// What is entered.
pub(super) struct Entry<'a> {
    pub(super) member: &'a str,
    pub(super) now: Timestamp,
    /// `None`: never. The index itself then stays for good.
    pub(super) ends: Option<Timestamp>,
}

/// Enters a member. Whether it was not there.
pub(super) async fn enter(
    link: &Link,
    index: &str,
    entry: Entry<'_>,
    for_good: bool,
) -> Result<bool, StoreError> {
    let Entry { member, now, ends } = entry;
    let life = if for_good { None } else { Some(lifetime(now, ends.unwrap_or(Timestamp::MAX))) };
    let call = ENTER
        .call([index.to_owned()])
        .number(score(ends))
        .text(member)
        .number(score(Some(now.before(ENTRY_MARGIN))))
        .optional(life);
    link.write(index, &call).await
}

/// Strikes members out.
pub(super) async fn strike(link: &Link, index: &str, members: &[&str]) -> Result<(), StoreError> {
    if members.is_empty() {
        return Ok(());
    }
    let _: u64 = link.set_lightly(index, cmd("ZREM").arg(index).arg(members)).await?;
    Ok(())
}

/// At most `limit` members, from the one after `after` on.
pub(super) async fn page(
    link: &Link,
    index: &str,
    after: Option<&Position>,
    limit: usize,
) -> Result<Vec<Position>, StoreError> {
    let (ends, member) = after.map_or((0, ""), |(ends, member)| (*ends, member));
    let call = PAGE.call([index.to_owned()]).number(ends).text(member).number(limit as u64);
    let flat: Vec<String> = link.look(index, &call).await?;
    let pair = |pair: &[String]| {
        let ends: f64 = pair[1].parse().map_err(|_| StoreError::corrupt("index"))?;
        // A whole number below 2^53: it was written as one.
        Ok((format!("{ends:.0}").parse().map_err(|_| StoreError::corrupt("index"))?, pair[0].clone()))
    };
    flat.chunks_exact(2).map(pair).collect()
}

/// How many members there are.
pub(super) async fn count(link: &Link, index: &str) -> Result<u64, StoreError> {
    link.get(index, cmd("ZCARD").arg(index).to_owned()).await
}
