//! Clients in memory.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use async_trait::async_trait;
use serde_json::{Map, Value};

use crate::client::Client;
use crate::id::ClientId;
use crate::memory::{MemoryStore, Sweep, is_roomy};
use crate::secret::TokenHash;
use crate::store::{
    ClientFilter, ClientStore, Listing, PageRequest, Registered, StoreError, StoredClient, Version,
};
use crate::time::Timestamp;

/// Read at every request, written at few.
#[derive(Default)]
pub(super) struct Clients(RwLock<Table>);

#[derive(Default)]
struct Table {
    by_id: HashMap<ClientId, Box<Entry>>,
    by_fingerprint: HashMap<TokenHash, ClientId>,
    unused: u64,
    sweep: Sweep,
}

/// A client as it is kept: a tree of JSON takes many times the room of its text.
struct Entry {
    client: Client,
    extra: Option<Box<str>>,
    version: Version,
}

impl Clients {
    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn new(client: &Client, version: Version) -> Box<Self> {
        let mut client = client.clone();
        let extra = client.extra.take().map(|extra| Value::Object(*extra).to_string().into());
        client.redirect_uris.shrink_to_fit();
        client.grant_types.shrink_to_fit();
        Box::new(Self { client, extra, version })
    }

    fn client(&self) -> Result<Client, StoreError> {
        let corrupt = |_| StoreError::corrupt("a client's metadata");
        let read = |text| serde_json::from_str::<Map<String, Value>>(text).map_err(corrupt);
        let extra = self.extra.as_deref().map(read).transpose()?.map(Box::new);
        Ok(Client { extra, ..self.client.clone() })
    }
}

impl Table {
    fn insert(&mut self, entry: Box<Entry>) {
        let Client { id, fingerprint, used, .. } = &entry.client;
        if let Some(fingerprint) = fingerprint {
            self.by_fingerprint.insert(*fingerprint, id.clone());
        }
        self.unused += u64::from(!used);
        self.by_id.insert(id.clone(), entry);
    }

    fn remove(&mut self, id: &ClientId) -> bool {
        let Some(entry) = self.by_id.remove(id) else { return false };
        self.unused -= u64::from(!entry.client.used);
        // A client that expired may have given its fingerprint to another.
        if let Some(fingerprint) = &entry.client.fingerprint
            && self.by_fingerprint.get(fingerprint) == Some(id)
        {
            self.by_fingerprint.remove(fingerprint);
        }
        true
    }

    fn purge(&mut self, before: Timestamp) -> u64 {
        let ended = |client: &&Client| client.expires_at.is_some_and(|end| end < before);
        let ended: Vec<_> = self
            .by_id
            .values()
            .map(|entry| &entry.client)
            .filter(ended)
            .map(|client| client.id.clone())
            .collect();
        for id in &ended {
            self.remove(id);
        }
        if is_roomy(self.by_id.len(), self.by_id.capacity()) {
            self.by_id.shrink_to_fit();
            self.by_fingerprint.shrink_to_fit();
        }
        ended.len() as u64
    }
}

#[async_trait]
impl ClientStore for MemoryStore {
    async fn register(&self, client: &Client, now: Timestamp) -> Result<Registered, StoreError> {
        let mut table = self.clients.write();
        let twin = client.fingerprint.as_ref().and_then(|fingerprint| table.by_fingerprint.get(fingerprint));
        if let Some(twin) = twin.and_then(|id| table.by_id.get(id)).filter(|twin| twin.client.is_live(now)) {
            return Ok(Registered::Existing(Box::new(twin.client()?)));
        }
        if table.by_id.contains_key(&client.id) {
            return Err(StoreError::Conflict);
        }
        table.insert(Entry::new(client, Version(1)));
        let records = table.by_id.len();
        if let Some(before) = table.sweep.due(records, now) {
            table.purge(before);
        }
        Ok(Registered::New)
    }

    async fn find(&self, id: &ClientId) -> Result<Option<StoredClient>, StoreError> {
        let table = self.clients.read();
        table.by_id.get(id).map(|entry| Ok(StoredClient::new(entry.client()?, entry.version))).transpose()
    }

    async fn update(&self, client: &Client, read: Version) -> Result<Version, StoreError> {
        let mut table = self.clients.write();
        if table.by_id.get(&client.id).is_none_or(|entry| entry.version != read) {
            return Err(StoreError::Conflict);
        }
        let version = Version(read.0 + 1);
        table.remove(&client.id);
        table.insert(Entry::new(client, version));
        Ok(version)
    }

    async fn renew(&self, id: &ClientId, until: Timestamp) -> Result<bool, StoreError> {
        let mut table = self.clients.write();
        let Some(Entry { client, .. }) = table.by_id.get_mut(id).map(|entry| &mut **entry) else {
            return Ok(false);
        };
        client.expires_at = client.expires_at.map(|end| end.max(until));
        let first_use = !std::mem::replace(&mut client.used, true);
        table.unused -= u64::from(first_use);
        Ok(true)
    }

    async fn remove(&self, id: &ClientId) -> Result<bool, StoreError> {
        Ok(self.clients.write().remove(id))
    }

    async fn list(&self, filter: ClientFilter, page: PageRequest) -> Result<Listing<Client>, StoreError> {
        let table = self.clients.read();
        let after = page.after.as_deref();
        let wanted = |client: &&Client| {
            after.is_none_or(|after| client.id.as_str() > after)
                && (filter == ClientFilter::All || !client.used)
        };
        let mut ids: Vec<_> =
            table.by_id.values().map(|entry| &entry.client).filter(wanted).map(|client| &client.id).collect();
        ids.sort_unstable();
        let limit = page.limit.max(1);
        let next = (ids.len() > limit).then(|| ids[limit - 1].to_string());
        let items = ids.iter().take(limit).map(|id| table.by_id[*id].client()).collect::<Result<_, _>>()?;
        Ok(Listing { items, next })
    }

    async fn count(&self, filter: ClientFilter) -> Result<u64, StoreError> {
        let table = self.clients.read();
        Ok(match filter {
            ClientFilter::All => table.by_id.len() as u64,
            ClientFilter::Unused => table.unused,
        })
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        Ok(self.clients.write().purge(before))
    }
}
