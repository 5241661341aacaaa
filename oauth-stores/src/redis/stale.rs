//! Entries that lead nowhere, which a purge strikes out of the indexes.

use futures::future::try_join_all;
use oauth_core::{ClientId, ClientStore as _, GrantId, StoreError, Timestamp};
use redis::cmd;

use crate::redis::RedisStore;
use crate::redis::index;
use crate::redis::ledger::parsed;
use crate::redis::life::score;

/// How many are looked at at once.
const AT_ONCE: usize = 64;

impl RedisStore {
    /// Strikes out the entries of grants that ended before `before` and are gone: most end with their keys, of which no purge learns. One that
    /// ends later stays, whatever it leads to: its grant may just be being written.
    pub(super) async fn strike_forgotten(&self, index: &str, before: Timestamp) -> Result<(), StoreError> {
        let (link, mut after) = (self.link(), None);
        loop {
            let entries = index::page(link, index, after.as_ref(), AT_ONCE).await?;
            let ended = entries.partition_point(|(ends, _)| *ends < before.as_millis());
            let there = try_join_all(entries[..ended].iter().map(|(_, member)| async move {
                let key = self.names().grant(&parsed::<GrantId>(member, "index")?);
                link.get::<bool>(&key, cmd("EXISTS").arg(&key).to_owned()).await
            }));
            let there = there.await?;
            let gone = entries.iter().zip(there).filter(|(_, there)| !there);
            let gone: Vec<&str> = gone.map(|((_, member), _)| member.as_str()).collect();
            index::strike(link, index, &gone).await?;
            // By their end, that is: nobody behind these has ended.
            if ended < entries.len() || entries.len() < AT_ONCE {
                return Ok(());
            }
            after = entries.into_iter().next_back();
        }
    }

    /// Strikes out entries without an end that lead nowhere: somebody removed the client and died before its entries were struck out. Whoever
    /// registers enters a client for a minute only, so an entry without an end had a record when it was written.
    pub(super) async fn strike_removed(&self, all: &str) -> Result<(), StoreError> {
        // Before the first of them: no identifier has a blank.
        let mut after = Some((score(None), " ".to_owned()));
        loop {
            let entries = index::page(self.link(), all, after.as_ref(), AT_ONCE).await?;
            let there = try_join_all(entries.iter().map(|(_, id)| async move {
                let key = self.names().client(&parsed::<ClientId>(id, "client id")?);
                self.link().get::<bool>(&key, cmd("EXISTS").arg(&key).to_owned()).await
            }));
            for ((_, id), there) in entries.iter().zip(there.await?) {
                let id: ClientId = parsed(id, "client id")?;
                if !there {
                    self.strike_client(&id).await?;
                    // Registered anew meanwhile.
                    if let Some(stored) = self.find(&id).await? {
                        let nothing_is_past = Timestamp::from_millis(0);
                        self.enter_until(&stored.client, nothing_is_past, stored.client.expires_at).await?;
                    }
                }
            }
            if entries.len() < AT_ONCE {
                return Ok(());
            }
            after = entries.into_iter().next_back();
        }
    }
}
