//! Clients in Redis.
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

use std::borrow::Cow;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::try_join_all;
use oauth_core::{
    Client, ClientFilter, ClientId, ClientStore, Listing, PageRequest, Registered, StoreError, StoredClient,
    Timestamp, Version,
};
use redis::{Value, cmd};

use crate::redis::RedisStore;
use crate::redis::index::{self, Entry};
use crate::redis::ledger::{Fields, Hash, json, parsed, read_time, time};
use crate::redis::life::{LONGEST, MARGIN, lifetime, millis, score};
use crate::redis::link;
use crate::redis::names;
use crate::redis::script::{
    CLAIM, CONFIRM, EXTEND, PLACE_CLIENT, PURGE_CLIENT, REGISTER, RELEASE, RENEW_CLIENT, STRIKE_CLIENT,
    UPDATE_CLIENT,
};

/// For how long a record is there before it is confirmed: far longer than a registration takes.
pub(super) const UNCONFIRMED: Duration = Duration::from_secs(60);

const AT_ONCE: usize = 64;
const PAGE: usize = 1000;

/// How often a fingerprint may change hands under one registration.
const CLAIMS: usize = 100;

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

    /// The client that is live at `now` and has the same fingerprint.
    async fn twin(&self, wanted: &Client, now: Timestamp) -> Result<Option<Client>, StoreError> {
        let Some(fingerprint) = &wanted.fingerprint else { return Ok(None) };
        let name = self.names().fingerprint(&names::text(fingerprint));
        let owner: Option<String> = self.link().get(&name, cmd("GET").arg(&name).to_owned()).await?;
        let Some(owner) = owner else { return Ok(None) };
        self.lasting(&owner, now).await
    }

    /// A client that is live at `now`, and confirmed.
    async fn lasting(&self, id: &str, now: Timestamp) -> Result<Option<Client>, StoreError> {
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
    async fn claim(&self, client: &Client, now: Timestamp) -> Result<Option<Client>, StoreError> {
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
    async fn confirm(&self, client: &Client, now: Timestamp) -> Result<bool, StoreError> {
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
    async fn extend(&self, fingerprint: &str, id: &ClientId, life: Option<u64>) -> Result<(), StoreError> {
        if fingerprint.is_empty() {
            return Ok(());
        }
        let name = self.names().fingerprint(fingerprint);
        let call = EXTEND.call([name.clone()]).text(id.as_str()).optional(life);
        let _: u64 = self.link().write_lightly(&name, &call).await?;
        Ok(())
    }

    async fn release(&self, fingerprint: &str, id: &ClientId) -> Result<(), StoreError> {
        if fingerprint.is_empty() {
            return Ok(());
        }
        let name = self.names().fingerprint(fingerprint);
        let call = RELEASE.call([name.clone()]).text(id.as_str());
        let _: u64 = self.link().write_lightly(&name, &call).await?;
        Ok(())
    }

    /// Enters a new client into its indexes, as one that ends when it is not confirmed. Into which it was not.
    async fn enter_client(&self, client: &Client, now: Timestamp) -> Result<Vec<String>, StoreError> {
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
    async fn place_client(
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

fn too_slow() -> StoreError {
    StoreError::unavailable("it took too long to write the record")
}

/// All of a client but its version. `u` and `e` count instead of what the record says: a renewal leaves the record alone.
fn fields(client: &Client) -> Result<Fields<'static>, StoreError> {
    let mut fields: Fields<'static> =
        vec![("d", json(client)?.into()), ("u", Cow::Borrowed(if client.used { "1" } else { "0" }))];
    fields.extend(client.expires_at.map(|end| ("e", time(end))));
    fields.extend(client.fingerprint.as_ref().map(|fingerprint| ("f", names::text(fingerprint).into())));
    Ok(fields)
}

fn read(hash: &Hash) -> Result<Option<StoredClient>, StoreError> {
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
