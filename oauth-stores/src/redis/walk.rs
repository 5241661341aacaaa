//! A walk over all keys of a kind, for a purge: each master, some keys at a time, so that others are served in between.
//!
//! Nothing needs it: every key ends by itself. It is there for those who want it earlier, and for clocks that tests set.

use std::collections::VecDeque;

use oauth_core::{StoreError, Timestamp};
use redis::cmd;

use crate::redis::RedisStore;
use crate::redis::link::{Link, Place};
use crate::redis::script::{DUE, STALE, Verb};

/// How many keys a server looks at in one go.
const STEP: usize = 500;

/// How many of the ledger, at which it looks more closely: about a millisecond.
const LEDGER_STEP: usize = 100;

pub(super) struct Walk<'a> {
    link: &'a Link,
    pattern: &'a str,
    masters: VecDeque<Place>,
    cursor: u64,
}

impl RedisStore {
    pub(super) async fn walk<'a>(&'a self, pattern: &'a str) -> Result<Walk<'a>, StoreError> {
        let masters = self.link().masters().await?.into();
        Ok(Walk { link: self.link(), pattern, masters, cursor: 0 })
    }
}

impl Walk<'_> {
    /// The next keys, some of them perhaps again. `None`: that was all.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<String>>, StoreError> {
        let Some(master) = self.masters.front() else { return Ok(None) };
        let mut scan = cmd("SCAN");
        scan.arg(self.cursor).arg("MATCH").arg(self.pattern).arg("COUNT").arg(STEP);
        let (cursor, keys): (String, Vec<String>) = self.link.at(master, &scan).await?;
        self.go_on(&cursor)?;
        Ok(Some(keys))
    }

    /// Of the ledger's next keys those about which something was over before `before`. The server looks at them where they are: to ask for
    /// each by its name takes ten times as long.
    pub(super) async fn next_due(&mut self, before: Timestamp) -> Result<Option<Vec<String>>, StoreError> {
        let Some(master) = self.masters.front() else { return Ok(None) };
        let keys = self.look(master.clone(), &DUE, LEDGER_STEP, before).await?;
        Ok(Some(keys))
    }

    /// Of the next indexes those with an entry of what ended before `before`.
    pub(super) async fn next_stale(&mut self, before: Timestamp) -> Result<Option<Vec<String>>, StoreError> {
        let Some(master) = self.masters.front() else { return Ok(None) };
        let keys = self.look(master.clone(), &STALE, STEP, before).await?;
        Ok(Some(keys))
    }

    async fn look(
        &mut self,
        master: Place,
        verb: &'static Verb,
        step: usize,
        before: Timestamp,
    ) -> Result<Vec<String>, StoreError> {
        let call = verb
            .call([])
            .number(self.cursor)
            .text(self.pattern)
            .number(step as u64)
            .number(before.as_millis());
        let (cursor, keys): (String, Vec<String>) = self.link.look_at(&master, &call).await?;
        self.go_on(&cursor)?;
        Ok(keys)
    }

    fn go_on(&mut self, cursor: &str) -> Result<(), StoreError> {
        self.cursor = cursor.parse().map_err(|_| StoreError::corrupt("cursor"))?;
        if self.cursor == 0 {
            self.masters.pop_front();
        }
        Ok(())
    }
}
