//! Clients in Redis. How one is registered: `registration.rs`.

use std::borrow::Cow;

use async_trait::async_trait;
use futures::future::try_join_all;
use oauth_core::{
    Client, ClientFilter, ClientId, ClientStore, Listing, PageRequest, Registered, StoreError, StoredClient,
    Timestamp, Version,
};
use redis::{Value, cmd};

use crate::redis::RedisStore;
use crate::redis::index;
use crate::redis::ledger::{Fields, Hash, json, parsed, read_time, time};
use crate::redis::life::{lifetime, millis};
use crate::redis::link;
use crate::redis::names;
use crate::redis::registration::{UNCONFIRMED, too_slow};
use crate::redis::script::{PURGE_CLIENT, REGISTER, RENEW_CLIENT, UPDATE_CLIENT};

const AT_ONCE: usize = 64;
const PAGE: usize = 1000;

#[async_trait]
impl ClientStore for RedisStore {
    async fn register(&self, client: &Client, now: Timestamp) -> Result<Registered, StoreError> {
        if let Some(twin) = self.twin(client, now).await? {
            return Ok(Registered::Existing(Box::new(twin)));
        }
        let entered = self.enter_client(client, now).await?;
        let key = self.names().client(&client.id);
        let call = REGISTER
            .call([key.clone()])
            .number(millis(UNCONFIRMED))
            .fields(fields(client)?)
            .text("v")
            .text("1");
        let written: bool = self.link().write(&key, &call).await?;
        if !written {
            // Of what is there the entries stay, but for one that it has no more.
            if entered.contains(&self.names().unused_clients()) {
                index::strike(self.link(), &self.names().unused_clients(), &[client.id.as_str()]).await?;
            }
            return Err(StoreError::Conflict);
        }
        if let Some(winner) = self.claim(client, now).await? {
            let _: u64 = self.link().set(&key, cmd("DEL").arg(&key)).await?;
            self.strike_client(&client.id).await?;
            return Ok(Registered::Existing(Box::new(winner)));
        }
        if self.confirm(client, now).await? { Ok(Registered::New) } else { Err(too_slow()) }
    }

    async fn find(&self, id: &ClientId) -> Result<Option<StoredClient>, StoreError> {
        let key = self.names().client(id);
        read(&self.link().get(&key, cmd("HGETALL").arg(&key).to_owned()).await?)
    }

    async fn update(&self, client: &Client, read: Version) -> Result<Version, StoreError> {
        let key = self.names().client(&client.id);
        // There is no `now` here: as much longer as from when it became known.
        let life = client.expires_at.map(|end| lifetime(client.issued_at, end));
        let call =
            UPDATE_CLIENT.call([key.clone()]).text(read.0.to_string()).optional(life).fields(fields(client)?);
        let answer: Vec<Value> = self.link().write(&key, &call).await?;
        let mut answer = answer.into_iter();
        let Some(version) = answer.next() else { return Err(StoreError::Conflict) };
        let version = Version(link::read(version)?);
        let old: String = link::read(answer.next().unwrap_or_default())?;
        // At least what was asked for: the record may have been renewed since it was read.
        let life: i64 = link::read(answer.next().unwrap_or_default())?;
        let life = u64::try_from(life).ok();
        let was_endless: bool = link::read(answer.next().unwrap_or_default())?;
        let new = client.fingerprint.as_ref().map(names::text);
        if new.as_deref() == Some(old.as_str()) {
            self.extend(&old, &client.id, life).await?;
        } else {
            self.release(&old, &client.id).await?;
            if let Some(new) = &new {
                // Whoever has it gives it up: this is the record that was written last.
                let key = self.names().fingerprint(new);
                let mut set = cmd("SET");
                set.arg(&key).arg(client.id.as_str());
                if let Some(life) = life {
                    set.arg("PX").arg(life);
                }
                let _: Value = self.link().set(&key, &set).await?;
            }
        }
        self.place_client(&client.id, client.used, client.expires_at, was_endless).await?;
        Ok(version)
    }

    async fn renew(&self, id: &ClientId, until: Timestamp) -> Result<bool, StoreError> {
        let key = self.names().client(id);
        let call = RENEW_CLIENT.call([key.clone()]).number(until.as_millis());
        let answer: Vec<Value> = self.link().write_lightly(&key, &call).await?;
        let mut answer = answer.into_iter();
        let Some(used) = answer.next() else { return Ok(false) };
        let used: String = link::read(used)?;
        let fingerprint: String = link::read(answer.next().unwrap_or_default())?;
        let life: u64 = link::read(answer.next().unwrap_or_default())?;
        if used != "1" || life > 0 {
            self.place_client(id, true, Some(until), false).await?;
        }
        if life > 0 {
            self.extend(&fingerprint, id, Some(life)).await?;
        }
        Ok(true)
    }

    async fn remove(&self, id: &ClientId) -> Result<bool, StoreError> {
        let key = self.names().client(id);
        let fingerprint: Option<String> =
            self.link().get(&key, cmd("HGET").arg(&key).arg("f").to_owned()).await?;
        let removed: bool = self.link().set(&key, cmd("DEL").arg(&key)).await?;
        self.release(fingerprint.as_deref().unwrap_or_default(), id).await?;
        self.strike_client(id).await?;
        Ok(removed)
    }

    async fn list(&self, filter: ClientFilter, page: PageRequest) -> Result<Listing<Client>, StoreError> {
        let index = self.index_of(filter)?;
        let limit = page.limit.clamp(1, PAGE);
        let mut after = page.after.as_deref().map(read_position).transpose()?;
        let mut items = Vec::new();
        loop {
            let wanted = limit - items.len();
            let entries = index::page(self.link(), &index, after.as_ref(), wanted).await?;
            for entries in entries.chunks(AT_ONCE) {
                let found =
                    entries.iter().map(|(_, id)| async move { self.find(&parsed(id, "client id")?).await });
                let found = try_join_all(found).await?.into_iter().flatten().map(|stored| stored.client);
                items.extend(found.filter(|client| match filter {
                    ClientFilter::Unused => !client.used,
                    ClientFilter::Expired(before) => client.expires_at.is_some_and(|end| end < before),
                    _ => true,
                }));
            }
            if entries.len() < wanted {
                return Ok(Listing { items, next: None });
            }
            after = entries.into_iter().next_back();
            if items.len() == limit {
                let next = after.map(|(ends, id)| format!("{ends} {id}"));
                return Ok(Listing { items, next });
            }
        }
    }

    async fn count(&self, filter: ClientFilter) -> Result<u64, StoreError> {
        if !matches!(filter, ClientFilter::Expired(_)) {
            return index::count(self.link(), &self.index_of(filter)?).await;
        }
        // No index has just these: they are looked for, and are few, since they end by themselves.
        let (mut count, mut page) = (0, PageRequest::first(usize::MAX));
        loop {
            let listing = ClientStore::list(self, filter, page).await?;
            count += listing.items.len() as u64;
            let Some(next) = listing.next else { return Ok(count) };
            page = PageRequest { after: Some(next), limit: usize::MAX };
        }
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        let all = self.names().all_clients();
        let (mut removed, mut after) = (0, None);
        loop {
            let entries = index::page(self.link(), &all, after.as_ref(), AT_ONCE).await?;
            let ended = entries.partition_point(|(ends, _)| *ends < before.as_millis());
            for (_, id) in &entries[..ended] {
                let id: ClientId = parsed(id, "client id")?;
                let key = self.names().client(&id);
                let call = PURGE_CLIENT.call([key.clone()]).number(before.as_millis());
                let state: u64 = self.link().write_lightly(&key, &call).await?;
                removed += u64::from(state == 1);
                if state != 0 {
                    self.strike_client(&id).await?;
                }
            }
            // By their end, that is: nobody behind these has ended.
            if ended < entries.len() || entries.len() < AT_ONCE {
                self.strike_removed(&all).await?;
                return Ok(removed);
            }
            after = entries.into_iter().next_back();
        }
    }
}

impl RedisStore {
    fn index_of(&self, filter: ClientFilter) -> Result<String, StoreError> {
        match filter {
            ClientFilter::All | ClientFilter::Expired(_) => Ok(self.names().all_clients()),
            ClientFilter::Unused => Ok(self.names().unused_clients()),
            ClientFilter::Documents => Ok(self.names().document_clients()),
            _ => Err(StoreError::unavailable("this store does not know the filter")),
        }
    }
}

/// All of a client but its version. `u` and `e` count instead of what the record says: a renewal leaves the record alone.
fn fields(client: &Client) -> Result<Fields<'static>, StoreError> {
    let mut fields: Fields<'static> =
        vec![("d", json(client)?.into()), ("u", Cow::Borrowed(if client.used { "1" } else { "0" }))];
    fields.extend(client.expires_at.map(|end| ("e", time(end))));
    fields.extend(client.fingerprint.as_ref().map(|fingerprint| ("f", names::text(fingerprint).into())));
    Ok(fields)
}

pub(super) fn read(hash: &Hash) -> Result<Option<StoredClient>, StoreError> {
    let (Some(record), Some(version)) = (hash.get("d"), hash.get("v")) else { return Ok(None) };
    let mut client: Client = serde_json::from_str(record).map_err(|_| StoreError::corrupt("client"))?;
    client.used = hash.get("u").is_some_and(|used| used == "1");
    client.expires_at = hash.get("e").map(|end| read_time(end)).transpose()?;
    Ok(Some(StoredClient::new(client, Version(parsed(version, "version")?))))
}

fn read_position(text: &str) -> Result<index::Position, StoreError> {
    let (ends, id) = text.split_once(' ').ok_or_else(|| StoreError::corrupt("page"))?;
    Ok((parsed(ends, "page")?, id.to_owned()))
}
