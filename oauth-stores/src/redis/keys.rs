//! Keys that servers share, in Redis, in clear: whoever reads the server can forge.

use std::collections::HashMap;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oauth_core::{KeyPurpose, KeyStore, StoreError, StoredKey, Timestamp};
use redis::cmd;
use serde::{Deserialize, Serialize};

use crate::redis::RedisStore;
use crate::redis::ledger::{json, parsed};
use crate::redis::script::{ADD_KEY, RETIRE_KEY};

/// How often a key may change while it is being retired.
const TRIES: usize = 100;

/// All of a key but its identifier and its purpose.
#[derive(Serialize, Deserialize)]
struct Record {
    algorithm: String,
    material: String,
    created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retired_at: Option<Timestamp>,
}

#[async_trait]
impl KeyStore for RedisStore {
    async fn keys(&self, purpose: KeyPurpose) -> Result<Vec<StoredKey>, StoreError> {
        let all = self.key_records(purpose).await?;
        let read = all.iter().map(|(id, record)| read(purpose, id, record));
        let mut keys = read.collect::<Result<Vec<_>, _>>()?;
        // Of two of the same time, what was added later stands first.
        keys.sort_by(|(one, a), (two, b)| (b.created_at, two).cmp(&(a.created_at, one)));
        Ok(keys.into_iter().map(|(_, key)| key).collect())
    }

    async fn first(&self, candidate: &StoredKey) -> Result<StoredKey, StoreError> {
        if self.add_key(candidate, "first").await? {
            return Ok(candidate.clone());
        }
        let newest = self.keys(candidate.purpose).await?.into_iter().next();
        newest.ok_or_else(|| StoreError::unavailable("the keys were removed meanwhile"))
    }

    async fn add(&self, key: &StoredKey) -> Result<(), StoreError> {
        if self.add_key(key, "").await? { Ok(()) } else { Err(StoreError::Conflict) }
    }

    async fn retire(&self, purpose: KeyPurpose, id: &str, at: Timestamp) -> Result<bool, StoreError> {
        let name = self.names().keys(purpose);
        for _ in 0..TRIES {
            let found: Option<String> =
                self.link().get(&name, cmd("HGET").arg(&name).arg(id).to_owned()).await?;
            let Some(found) = found else { return Ok(false) };
            let (number, record) = split(&found)?;
            let mut record: Record = serde_json::from_str(record).map_err(|_| StoreError::corrupt("key"))?;
            record.retired_at = Some(at);
            let call = RETIRE_KEY
                .call([name.clone()])
                .text(id)
                .text(found.as_str())
                .text(format!("{number} {}", json(&record)?));
            if self.link().write(&name, &call).await? {
                return Ok(true);
            }
        }
        Err(StoreError::unavailable("a key changed again and again"))
    }

    async fn remove(&self, purpose: KeyPurpose, id: &str) -> Result<bool, StoreError> {
        let name = self.names().keys(purpose);
        self.link().set(&name, cmd("HDEL").arg(&name).arg(id)).await
    }
}

impl RedisStore {
    async fn key_records(&self, purpose: KeyPurpose) -> Result<HashMap<String, String>, StoreError> {
        let name = self.names().keys(purpose);
        self.link().get(&name, cmd("HGETALL").arg(&name).to_owned()).await
    }

    async fn add_key(&self, key: &StoredKey, when: &str) -> Result<bool, StoreError> {
        let name = self.names().keys(key.purpose);
        let record = Record {
            algorithm: key.algorithm.clone(),
            material: URL_SAFE_NO_PAD.encode(key.material.as_slice()),
            created_at: key.created_at,
            retired_at: key.retired_at,
        };
        let call = ADD_KEY
            .call([name.clone(), self.names().keys_made(key.purpose)])
            .text(key.id.as_str())
            .text(json(&record)?)
            .text(when);
        self.link().write(&name, &call).await
    }
}

fn split(text: &str) -> Result<(u64, &str), StoreError> {
    let (number, record) = text.split_once(' ').ok_or_else(|| StoreError::corrupt("key"))?;
    Ok((parsed(number, "key")?, record))
}

/// A key, and its number in the order of adding.
fn read(purpose: KeyPurpose, id: &str, text: &str) -> Result<(u64, StoredKey), StoreError> {
    let corrupt = || StoreError::corrupt("key");
    let (number, record) = split(text)?;
    let Record { algorithm, material, created_at, retired_at } =
        serde_json::from_str(record).map_err(|_| corrupt())?;
    let material = URL_SAFE_NO_PAD.decode(material).map_err(|_| corrupt())?;
    let mut key = StoredKey::new(id, purpose, &algorithm, material, created_at);
    key.retired_at = retired_at;
    Ok((number, key))
}
