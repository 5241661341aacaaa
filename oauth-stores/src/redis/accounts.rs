//! Users and their identities in Redis.
//!
//! An account is opened as a client is registered: its record is written for a moment, its identity claimed for it, which decides, and
//! then it is confirmed. Whoever finds an account by its identity confirms it, too.

use async_trait::async_trait;
use oauth_core::{Account, AccountStore, Identity, StoreError, Subject};
use redis::{Value, cmd};

use crate::redis::RedisStore;
use crate::redis::ledger::json;
use crate::redis::life::millis;
use crate::redis::registration::{UNCONFIRMED, confirmed};
use crate::redis::script::{CLAIM, CONFIRM};

#[async_trait]
impl AccountStore for RedisStore {
    async fn open(&self, account: &Account, identity: &Identity) -> Result<(), StoreError> {
        let key = self.names().account(account.subject.as_str());
        let mut write = cmd("SET");
        write.arg(&key).arg(json(account)?).arg("NX").arg("PX").arg(millis(UNCONFIRMED));
        let written: Option<String> = self.link().set(&key, &write).await?;
        if written.is_none() {
            return Err(StoreError::Conflict);
        }
        if self.claim_identity(identity, account.subject.as_str()).await? {
            return self.confirm_account(&key).await;
        }
        let _: u64 = self.link().set(&key, cmd("DEL").arg(&key)).await?;
        Err(StoreError::Conflict)
    }

    async fn find(&self, subject: &Subject) -> Result<Option<Account>, StoreError> {
        self.account(subject.as_str()).await
    }

    async fn find_by_identity(&self, identity: &Identity) -> Result<Option<Account>, StoreError> {
        let Some(subject) = self.owner(identity).await? else { return Ok(None) };
        let found = self.account(&subject).await?;
        if found.is_some() {
            self.confirm_account(&self.names().account(&subject)).await?;
        }
        Ok(found)
    }

    async fn link(&self, subject: &Subject, identity: &Identity) -> Result<(), StoreError> {
        // Accounts are not removed: one that is there stays.
        let there = self.account(subject.as_str()).await?.is_some();
        let taken = self.owner(identity).await?.is_some_and(|owner| owner == subject.as_str());
        if there && !taken && self.claim_identity(identity, subject.as_str()).await? {
            Ok(())
        } else {
            Err(StoreError::Conflict)
        }
    }

    async fn update(&self, account: &Account) -> Result<bool, StoreError> {
        let key = self.names().account(account.subject.as_str());
        let write = cmd("SET").arg(&key).arg(json(account)?).arg("XX").arg("KEEPTTL").to_owned();
        let written: Option<String> = self.link().set(&key, &write).await?;
        Ok(written.is_some())
    }

    async fn verifier(&self, identity: &Identity) -> Result<Option<String>, StoreError> {
        let key = self.names().verifier(identity);
        self.link().get(&key, cmd("GET").arg(&key).to_owned()).await
    }

    async fn set_verifier(&self, identity: &Identity, value: &str) -> Result<(), StoreError> {
        let key = self.names().verifier(identity);
        let _: Value = self.link().set(&key, cmd("SET").arg(&key).arg(value)).await?;
        Ok(())
    }

    async fn first_verifier(&self, identity: &Identity, value: &str) -> Result<String, StoreError> {
        let key = self.names().verifier(identity);
        let write = cmd("SET").arg(&key).arg(value).arg("NX").arg("GET").to_owned();
        let there: Option<String> = self.link().set(&key, &write).await?;
        Ok(there.unwrap_or_else(|| value.to_owned()))
    }
}

impl RedisStore {
    async fn account(&self, subject: &str) -> Result<Option<Account>, StoreError> {
        let key = self.names().account(subject);
        let record: Option<String> = self.link().get(&key, cmd("GET").arg(&key).to_owned()).await?;
        record
            .map(|record| serde_json::from_str(&record).map_err(|_| StoreError::corrupt("account")))
            .transpose()
    }

    async fn owner(&self, identity: &Identity) -> Result<Option<String>, StoreError> {
        let name = self.names().identity(identity);
        self.link().get(&name, cmd("GET").arg(&name).to_owned()).await
    }

    /// Whether the identity is now this subject's, who had it not before.
    async fn claim_identity(&self, identity: &Identity, subject: &str) -> Result<bool, StoreError> {
        let name = self.names().identity(identity);
        let mut gone = String::new();
        loop {
            let call = CLAIM.call([name.clone()]).text(subject).text(gone.as_str()).text("");
            let owner: String = self.inner.link.write(&name, &call).await?;
            if owner == subject {
                return Ok(true);
            }
            // One that crashed before its account was confirmed left a name without an owner. It is taken over once.
            if owner == gone || self.account(&owner).await?.is_some() {
                return Ok(false);
            }
            gone = owner;
        }
    }

    async fn confirm_account(&self, key: &str) -> Result<(), StoreError> {
        let call = CONFIRM.call([key.to_owned()]).text("");
        confirmed(self.inner.link.write(key, &call).await?)
    }
}
