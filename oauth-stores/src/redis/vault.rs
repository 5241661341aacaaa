//! Sealed upstream tokens in Redis.

use async_trait::async_trait;
use oauth_core::{StoreError, Vault, VaultKey};
use redis::{Value, cmd};

use crate::redis::RedisStore;
use crate::redis::script::REPLACE_SEALED;

#[async_trait]
impl Vault for RedisStore {
    async fn put(&self, key: &VaultKey, sealed: &[u8]) -> Result<(), StoreError> {
        let name = self.names().vault(&key.subject, &key.provider);
        let _: Value = self.link().set(&name, cmd("SET").arg(&name).arg(sealed)).await?;
        Ok(())
    }

    async fn get(&self, key: &VaultKey) -> Result<Option<Vec<u8>>, StoreError> {
        let name = self.names().vault(&key.subject, &key.provider);
        self.link().get(&name, cmd("GET").arg(&name).to_owned()).await
    }

    async fn replace(&self, key: &VaultKey, read: &[u8], sealed: &[u8]) -> Result<bool, StoreError> {
        let name = self.names().vault(&key.subject, &key.provider);
        let call = REPLACE_SEALED.call([name.clone()]).bytes(read).bytes(sealed);
        self.link().write(&name, &call).await
    }

    async fn forget(&self, key: &VaultKey) -> Result<bool, StoreError> {
        let name = self.names().vault(&key.subject, &key.provider);
        self.link().set(&name, cmd("DEL").arg(&name)).await
    }
}
