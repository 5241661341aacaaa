//! Clients in memory.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use async_trait::async_trait;
use serde_json::{Map, Value};

use crate::client::{ApplicationType, Client, ClientAuth, ClientOrigin};
use crate::grant_type::GrantTypeName;
use crate::id::ClientId;
use crate::memory::{MemoryStore, Sweep, is_roomy};
use crate::redirect::RedirectUri;
use crate::scope::ScopeSet;
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
    commons: HashSet<Arc<Common>>,
    unused: u64,
    documents: u64,
    sweep: Sweep,
}

/// A client as it is kept: what many have in common is shared with them, and JSON is kept as text, which takes a fraction of
/// the room that a tree does.
struct Entry {
    id: ClientId,
    name: Option<Box<str>>,
    redirect_uris: Box<[RedirectUri]>,
    auth: ClientAuth,
    common: Arc<Common>,
    extra: Option<Box<str>>,
    issued_at: Timestamp,
    expires_at: Option<Timestamp>,
    fingerprint: Option<TokenHash>,
    used: bool,
    version: Version,
}

/// Of what there are a few kinds, however many clients there are.
#[derive(PartialEq, Eq, Hash)]
struct Common {
    origin: ClientOrigin,
    grant_types: Vec<GrantTypeName>,
    scope_ceiling: Option<ScopeSet>,
    application_type: Option<ApplicationType>,
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
    fn is_live(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }

    fn client(&self) -> Result<Client, StoreError> {
        let corrupt = |_| StoreError::corrupt("a client's metadata");
        let read = |text| serde_json::from_str::<Map<String, Value>>(text).map_err(corrupt);
        Ok(Client {
            id: self.id.clone(),
            origin: self.common.origin,
            name: self.name.clone(),
            redirect_uris: self.redirect_uris.to_vec(),
            auth: self.auth.clone(),
            grant_types: self.common.grant_types.clone(),
            scope_ceiling: self.common.scope_ceiling.clone(),
            application_type: self.common.application_type,
            extra: self.extra.as_deref().map(read).transpose()?.map(Box::new),
            issued_at: self.issued_at,
            expires_at: self.expires_at,
            fingerprint: self.fingerprint,
            used: self.used,
        })
    }
}

impl Table {
    fn insert(&mut self, client: &Client, version: Version) {
        // Destructured: a member that is added to the record is not forgotten here.
        let Client {
            id,
            origin,
            name,
            redirect_uris,
            auth,
            grant_types,
            scope_ceiling,
            application_type,
            extra,
            issued_at,
            expires_at,
            fingerprint,
            used,
        } = client.clone();
        let common = Arc::new(Common { origin, grant_types, scope_ceiling, application_type });
        let common = match self.commons.get(&common) {
            Some(kept) => kept.clone(),
            None => {
                self.commons.insert(common.clone());
                common
            }
        };
        if let Some(fingerprint) = fingerprint {
            self.by_fingerprint.insert(fingerprint, id.clone());
        }
        self.unused += u64::from(!used);
        self.documents += u64::from(id.is_url());
        let entry = Entry {
            id: id.clone(),
            name,
            redirect_uris: redirect_uris.into(),
            auth,
            common,
            extra: extra.map(|extra| Value::Object(*extra).to_string().into()),
            issued_at,
            expires_at,
            fingerprint,
            used,
            version,
        };
        self.by_id.insert(id, Box::new(entry));
    }

    fn remove(&mut self, id: &ClientId) -> bool {
        let Some(entry) = self.by_id.remove(id) else { return false };
        self.unused -= u64::from(!entry.used);
        self.documents -= u64::from(id.is_url());
        // A client that expired may have given its fingerprint to another.
        if let Some(fingerprint) = &entry.fingerprint
            && self.by_fingerprint.get(fingerprint) == Some(id)
        {
            self.by_fingerprint.remove(fingerprint);
        }
        true
    }

    fn purge(&mut self, before: Timestamp) -> u64 {
        let ended = self.by_id.values().filter(|entry| entry.expires_at.is_some_and(|end| end < before));
        let ended: Vec<_> = ended.map(|entry| entry.id.clone()).collect();
        for id in &ended {
            self.remove(id);
        }
        if is_roomy(self.by_id.len(), self.by_id.capacity()) {
            self.by_id.shrink_to_fit();
            self.by_fingerprint.shrink_to_fit();
        }
        self.commons.retain(|common| Arc::strong_count(common) > 1);
        ended.len() as u64
    }
}

#[async_trait]
impl ClientStore for MemoryStore {
    async fn register(&self, client: &Client, now: Timestamp) -> Result<Registered, StoreError> {
        let mut table = self.clients.write();
        let twin = client.fingerprint.as_ref().and_then(|fingerprint| table.by_fingerprint.get(fingerprint));
        if let Some(twin) = twin.and_then(|id| table.by_id.get(id)).filter(|twin| twin.is_live(now)) {
            return Ok(Registered::Existing(Box::new(twin.client()?)));
        }
        if table.by_id.contains_key(&client.id) {
            return Err(StoreError::Conflict);
        }
        table.insert(client, Version(1));
        if let Some(before) = table.sweep.due(now) {
            table.purge(before);
            let left = table.by_id.len();
            table.sweep.done(left);
        }
        Ok(Registered::New)
    }

    async fn find(&self, id: &ClientId) -> Result<Option<StoredClient>, StoreError> {
        let table = self.clients.read();
        table.by_id.get(id).map(|entry| Ok(StoredClient::new(entry.client()?, entry.version))).transpose()
    }

    async fn update(&self, client: &Client, read: Version) -> Result<Version, StoreError> {
        let mut table = self.clients.write();
        let stored = table.by_id.get(&client.id).filter(|entry| entry.version == read);
        let Some((used, end)) = stored.map(|entry| (entry.used, entry.expires_at)) else {
            return Err(StoreError::Conflict);
        };
        let version = Version(read.0 + 1);
        // A renewal since the record was read stays.
        let mut client = client.clone();
        client.used |= used;
        client.expires_at = client.expires_at.map(|new| end.map_or(new, |end| end.max(new)));
        table.remove(&client.id);
        table.insert(&client, version);
        Ok(version)
    }

    async fn renew(&self, id: &ClientId, until: Timestamp) -> Result<bool, StoreError> {
        let mut table = self.clients.write();
        let Some(entry) = table.by_id.get_mut(id) else { return Ok(false) };
        entry.expires_at = entry.expires_at.map(|end| end.max(until));
        let first_use = !std::mem::replace(&mut entry.used, true);
        table.unused -= u64::from(first_use);
        Ok(true)
    }

    async fn remove(&self, id: &ClientId) -> Result<bool, StoreError> {
        Ok(self.clients.write().remove(id))
    }

    async fn list(&self, filter: ClientFilter, page: PageRequest) -> Result<Listing<Client>, StoreError> {
        let table = self.clients.read();
        let after = page.after.as_deref();
        let wanted = |entry: &&Entry| {
            after.is_none_or(|after| entry.id.as_str() > after)
                && match filter {
                    ClientFilter::All => true,
                    ClientFilter::Unused => !entry.used,
                    ClientFilter::Documents => entry.id.is_url(),
                    ClientFilter::Expired(before) => entry.expires_at.is_some_and(|end| end < before),
                }
        };
        let entries = table.by_id.values().map(|entry| &**entry);
        let mut ids: Vec<_> = entries.filter(wanted).map(|entry| &entry.id).collect();
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
            ClientFilter::Documents => table.documents,
            ClientFilter::Expired(before) => {
                let ends = table.by_id.values().filter_map(|entry| entry.expires_at);
                ends.filter(|end| *end < before).count() as u64
            }
        })
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        Ok(self.clients.write().purge(before))
    }
}
