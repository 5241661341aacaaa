//! Registering a client in Redis.
//!
//! A record is in a slot of its own, and so is the name by which a twin finds it, its fingerprint. Registering is three steps, each
//! atomic, and the second decides:
//!
//! 1. The record is written, for [`UNCONFIRMED`].
//! 2. The fingerprint is claimed for it. If a live client has it, the record is removed, and that client is the answer; one that ended or
//!    is gone loses it.
//! 3. The record gets its lifetime, and its entries in the indexes, which stood there for [`UNCONFIRMED`], their place. Whoever finds
//!    another client by its fingerprint does this for that one before it is the answer: its own registration may have died.
//!
//! A crash before the second step leaves a record that nobody knows and that ends by itself, and entries that a purge strikes out. It does so
//! with those, too, that a crash in the middle of a removal leaves.

use std::time::Duration;

use oauth_core::{Client, ClientId, ClientStore as _, StoreError, Timestamp};
use redis::cmd;

use crate::redis::RedisStore;
use crate::redis::clients::read;
use crate::redis::index::{self, Entry};
use crate::redis::ledger::parsed;
use crate::redis::life::{LONGEST, MARGIN, lifetime, millis, score};
use crate::redis::link;
use crate::redis::names;
use crate::redis::script::{CLAIM, CONFIRM, EXTEND, PLACE_CLIENT, RELEASE, STRIKE_CLIENT};

/// For how long a record is there before it is confirmed: far longer than a registration takes.
pub(super) const UNCONFIRMED: Duration = Duration::from_secs(60);

/// How often a fingerprint may change hands under one registration.
const CLAIMS: usize = 100;

impl RedisStore {
    /// The client that is live at `now` and has the same fingerprint.
    pub(super) async fn twin(&self, wanted: &Client, now: Timestamp) -> Result<Option<Client>, StoreError> {
        let Some(fingerprint) = &wanted.fingerprint else { return Ok(None) };
        let name = self.names().fingerprint(&names::text(fingerprint));
        let owner: Option<String> = self.link().get(&name, cmd("GET").arg(&name).to_owned()).await?;
        let Some(owner) = owner else { return Ok(None) };
        self.lasting(&owner, now).await
    }

    /// A client that is live at `now`, and confirmed.
    pub(super) async fn lasting(&self, id: &str, now: Timestamp) -> Result<Option<Client>, StoreError> {
        let key = self.names().client(&parsed(id, "client id")?);
        let asked = [cmd("HGETALL").arg(&key).to_owned(), cmd("PTTL").arg(&key).to_owned()];
        let mut answers = self.link().read(&key, &asked).await?.into_iter();
        let found = read(&link::read(answers.next().unwrap_or_default())?)?;
        let left: i64 = link::read(answers.next().unwrap_or_default())?;
        let Some(client) = found.map(|stored| stored.client).filter(|client| client.is_live(now)) else {
            return Ok(None);
        };
        let lasts = match client.expires_at {
            Some(end) => u64::try_from(left).is_ok_and(|left| left >= millis(end.since(now).min(LONGEST))),
            None => left == -1,
        };
        // Products register at each connect, which is worth no write. But replicas may lack what was not answered.
        let known = lasts && self.link().replicas.is_none();
        Ok(if known || self.confirm(&client, now).await? { Some(client) } else { None })
    }

    /// Claims a new client's fingerprint. The live client that has it already, if there is one.
    pub(super) async fn claim(&self, client: &Client, now: Timestamp) -> Result<Option<Client>, StoreError> {
        let Some(fingerprint) = &client.fingerprint else { return Ok(None) };
        let name = self.names().fingerprint(&names::text(fingerprint));
        let life = client.expires_at.map(|end| lifetime(now, end));
        let mut gone = String::new();
        for _ in 0..CLAIMS {
            let call = CLAIM.call([name.clone()]).text(client.id.as_str()).text(gone.as_str()).optional(life);
            let owner: String = self.link().write(&name, &call).await?;
            if owner == client.id.as_str() {
                return Ok(None);
            }
            match self.lasting(&owner, now).await? {
                Some(winner) => return Ok(Some(winner)),
                None => gone = owner,
            }
        }
        Err(StoreError::unavailable("a fingerprint changed hands again and again"))
    }

    /// Gives a client's record and its entries what they are to have. `false`: it is gone.
    pub(super) async fn confirm(&self, client: &Client, now: Timestamp) -> Result<bool, StoreError> {
        self.place_client(&client.id, client.used, client.expires_at, false).await?;
        let key = self.names().client(&client.id);
        let call = CONFIRM
            .call([key.clone()])
            .number(now.as_millis())
            .number(millis(LONGEST))
            .number(millis(MARGIN));
        let answer: i64 = self.link().write(&key, &call).await?;
        if answer < 0 {
            self.strike_client(&client.id).await?;
        }
        Ok(answer >= 0)
    }

    /// A fingerprint leads to its client for as long as that one lives.
    pub(super) async fn extend(
        &self,
        fingerprint: &str,
        id: &ClientId,
        life: Option<u64>,
    ) -> Result<(), StoreError> {
        if fingerprint.is_empty() {
            return Ok(());
        }
        let name = self.names().fingerprint(fingerprint);
        let call = EXTEND.call([name.clone()]).text(id.as_str()).optional(life);
        let _: u64 = self.link().write_lightly(&name, &call).await?;
        Ok(())
    }

    pub(super) async fn release(&self, fingerprint: &str, id: &ClientId) -> Result<(), StoreError> {
        if fingerprint.is_empty() {
            return Ok(());
        }
        let name = self.names().fingerprint(fingerprint);
        let call = RELEASE.call([name.clone()]).text(id.as_str());
        let _: u64 = self.link().write_lightly(&name, &call).await?;
        Ok(())
    }

    /// Enters a new client into its indexes, as one that ends when it is not confirmed. Into which it was not.
    pub(super) async fn enter_client(
        &self,
        client: &Client,
        now: Timestamp,
    ) -> Result<Vec<String>, StoreError> {
        let unconfirmed = now + UNCONFIRMED;
        let ends = client.expires_at.map_or(unconfirmed, |end| end.min(unconfirmed));
        self.enter_until(client, now, Some(ends)).await
    }

    pub(super) async fn enter_until(
        &self,
        client: &Client,
        now: Timestamp,
        ends: Option<Timestamp>,
    ) -> Result<Vec<String>, StoreError> {
        let names = self.names();
        let mut indexes = vec![names.all_clients()];
        indexes.extend((!client.used).then(|| names.unused_clients()));
        indexes.extend(client.id.is_url().then(|| names.document_clients()));
        let mut entered = Vec::new();
        for index in indexes {
            let entry = Entry { member: client.id.as_str(), now, ends };
            if index::enter(self.link(), &index, entry, true).await? {
                entered.push(index);
            }
        }
        Ok(entered)
    }

    /// Moves a client's entries to where its record has them now.
    pub(super) async fn place_client(
        &self,
        id: &ClientId,
        used: bool,
        ends: Option<Timestamp>,
        was_endless: bool,
    ) -> Result<(), StoreError> {
        let names = self.names();
        let all = names.all_clients();
        let call = PLACE_CLIENT
            .call([all.clone(), names.document_clients(), names.unused_clients()])
            .text(id.as_str())
            .number(score(ends))
            .number(u64::from(used))
            .number(u64::from(was_endless));
        let there: bool = self.link().write_lightly(&all, &call).await?;
        if there {
            return Ok(());
        }
        // Removed; or somebody's clock struck it out when it had ended, and it was renewed after that.
        let Some(stored) = self.find(id).await? else { return Ok(()) };
        let nothing_is_past = Timestamp::from_millis(0);
        self.enter_until(&stored.client, nothing_is_past, stored.client.expires_at).await?;
        if self.find(id).await?.is_none() {
            self.strike_client(id).await?;
        }
        Ok(())
    }

    pub(super) async fn strike_client(&self, id: &ClientId) -> Result<(), StoreError> {
        let names = self.names();
        let all = names.all_clients();
        let call = STRIKE_CLIENT
            .call([all.clone(), names.unused_clients(), names.document_clients()])
            .text(id.as_str());
        let _: u64 = self.link().write_lightly(&all, &call).await?;
        Ok(())
    }
}

/// Whoever takes a minute between writing a record and confirming it has lost it.
pub(super) fn confirmed(answer: i64) -> Result<(), StoreError> {
    if answer < 0 { Err(too_slow()) } else { Ok(()) }
}

pub(super) fn too_slow() -> StoreError {
    StoreError::unavailable("it took too long to write the record")
}
