//! Grants and credentials in Redis.

use async_trait::async_trait;
use futures::future::try_join_all;
use oauth_core::{
    ClientId, Credential, CredentialKey, Exchange, Exchanged, Found, Grant, GrantFilter, GrantId, GrantStore,
    Listing, PageRequest, Revocation, StoreError, Subject, Timestamp,
};
use redis::{Cmd, Value, cmd};

use crate::redis::RedisStore;
use crate::redis::grant_indexes::{Indexes, Place, matches};
use crate::redis::index;
use crate::redis::ledger::{
    Hash, credential_fields, grant_fields, kept_reply, parsed, read_found, read_grant, read_reply,
};
use crate::redis::life::{lifetime, millis, reply_lifetime};
use crate::redis::link;
use crate::redis::names::{self, Names};
use crate::redis::script::{EXCHANGE, OPEN, PURGE_CREDENTIAL, PURGE_GRANT, REVOKE};

/// How many grants are asked for at once, and how many a page has at most.
const AT_ONCE: usize = 64;
const PAGE: usize = 1000;

/// How often an exchange asks: the second time it can name the successor of the first.
const ASKS: usize = 3;

#[async_trait]
impl GrantStore for RedisStore {
    async fn open(&self, grant: &Grant, first: &[Credential]) -> Result<(), StoreError> {
        if !are_of(grant.id, first) {
            return Err(StoreError::Conflict);
        }
        // Entered before it is there: whoever revokes by subject or client from now on finds it.
        let entered = self.enter(grant).await?;
        if self.write_grant(grant, first).await? {
            return Ok(());
        }
        self.leave(grant, entered).await?;
        Err(StoreError::Conflict)
    }

    async fn find(&self, key: &CredentialKey) -> Result<Option<Found>, StoreError> {
        let (grant, credential) = (self.names().grant(&key.grant), self.names().credential(key));
        let answers = self.link().read(&grant, &[whole(&grant), whole(&credential)]).await?;
        let [grant, credential] = hashes(answers)?;
        read_found(*key, &grant, &credential)
    }

    async fn exchange(&self, exchange: Exchange<'_>) -> Result<Exchanged, StoreError> {
        let grant = exchange.spent.grant;
        if !are_of(grant, exchange.issued) {
            return self.refuse(&exchange).await;
        }
        let mut successor = None;
        for _ in 0..ASKS {
            let mut answer = self.ask_exchange(&exchange, successor.as_deref()).await?.into_iter();
            let word: String = link::read(answer.next().unwrap_or_default())?;
            return match word.as_str() {
                "DONE" => Ok(Exchanged::Done),
                "GONE" => Ok(Exchanged::Gone),
                "REPLAYED" => Ok(Exchanged::Replayed),
                "CONFLICT" => Err(StoreError::Conflict),
                "RETRIED" => {
                    let kept: Vec<u8> = link::read(answer.next().unwrap_or_default())?;
                    read_reply(&kept).map(Exchanged::Retried)
                }
                "WHOSE" => {
                    successor = Some(link::read::<String>(answer.next().unwrap_or_default())?);
                    continue;
                }
                _ => Err(StoreError::corrupt("exchange")),
            };
        }
        Err(StoreError::corrupt("reply"))
    }

    async fn revoke(&self, what: Revocation<'_>, now: Timestamp) -> Result<u64, StoreError> {
        match what {
            Revocation::Grant(id) => self.revoke_one(id, now, None, None).await,
            Revocation::Client(client) => {
                let index = self.names().grants_of_client(client);
                self.revoke_all(&index, now, None, Some(client)).await
            }
            Revocation::Subject(subject) => {
                let index = self.names().grants_of_subject(subject);
                self.revoke_all(&index, now, Some(subject), None).await
            }
            Revocation::SubjectAndClient(subject, client) => {
                // A client has many grants, a person few.
                let index = self.names().grants_of_subject(subject);
                self.revoke_all(&index, now, Some(subject), Some(client)).await
            }
            _ => Err(StoreError::unavailable("this store does not know what to revoke")),
        }
    }

    async fn grant(&self, id: &GrantId) -> Result<Option<Grant>, StoreError> {
        let key = self.names().grant(id);
        let hash: Hash = self.link().get(&key, whole(&key)).await?;
        read_grant(*id, &hash)
    }

    async fn list(&self, filter: GrantFilter<'_>, page: PageRequest) -> Result<Listing<Grant>, StoreError> {
        let indexes = Indexes::of(self.names(), filter)?;
        let limit = page.limit.clamp(1, PAGE);
        let mut place = page.after.as_deref().map(Place::read).transpose()?.unwrap_or_default();
        let mut items = Vec::new();
        while let Some(index) = indexes.0.get(place.index) {
            let wanted = limit - items.len();
            let entries = index::page(self.link(), index, place.after.as_ref(), wanted).await?;
            let ids = entries.iter().map(|(_, member)| parsed(member, "index"));
            let ids = ids.collect::<Result<Vec<GrantId>, _>>()?;
            for ids in ids.chunks(AT_ONCE) {
                let grants = try_join_all(ids.iter().map(|id| self.grant(id))).await?;
                items.extend(grants.into_iter().flatten().filter(|grant| matches(filter, grant)));
            }
            let was_last = entries.len() < wanted;
            place = match entries.into_iter().next_back() {
                Some(last) if !was_last => Place { index: place.index, after: Some(last) },
                _ => Place { index: place.index + 1, after: None },
            };
            if items.len() == limit {
                break;
            }
        }
        let next = (place.index < indexes.0.len()).then(|| place.write());
        Ok(Listing { items, next })
    }

    async fn count(&self, filter: GrantFilter<'_>) -> Result<u64, StoreError> {
        if let GrantFilter::Expired(_) = filter {
            // No index has just these: they are looked for, and are few, since they end by themselves.
            let (mut count, mut page) = (0, PageRequest::first(usize::MAX));
            loop {
                let listing = GrantStore::list(self, filter, page).await?;
                count += listing.items.len() as u64;
                let Some(next) = listing.next else { return Ok(count) };
                page = PageRequest { after: Some(next), limit: usize::MAX };
            }
        }
        let indexes = Indexes::of(self.names(), filter)?;
        let counts = indexes.0.iter().map(|index| index::count(self.link(), index));
        Ok(try_join_all(counts).await?.into_iter().sum())
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        let pattern = self.names().ledger();
        let mut removed = 0;
        let mut walk = self.walk(&pattern).await?;
        while let Some(keys) = walk.next_due(before).await? {
            let ours: Vec<_> = keys.iter().filter_map(|key| self.names().read_ledger(key)).collect();
            for ours in ours.chunks(AT_ONCE) {
                let purged = ours.iter().map(|(grant, hash)| self.purge_one(grant, hash.as_deref(), before));
                removed += try_join_all(purged).await?.into_iter().sum::<u64>();
            }
        }
        let pattern = self.names().each("grants");
        let mut walk = self.walk(&pattern).await?;
        while let Some(indexes) = walk.next_stale(before).await? {
            for index in indexes {
                self.strike_forgotten(&index, before).await?;
            }
        }
        Ok(removed)
    }
}

impl RedisStore {
    /// Writes a grant and its first credentials. `false`: something is taken, and nothing is written.
    async fn write_grant(&self, grant: &Grant, first: &[Credential]) -> Result<bool, StoreError> {
        let names = self.names();
        let key = names.grant(&grant.id);
        let keys = first.iter().map(|credential| names.credential(&credential.key));
        let resources = grant.resources.to_string();
        let last = first.iter().map(|credential| credential.expires_at).max();
        let fields = grant_fields(grant, &resources, last.unwrap_or(grant.issued_at))?;
        let mut call = OPEN
            .call(std::iter::once(key.clone()).chain(keys))
            .number(lifetime(grant.issued_at, grant.expires_at))
            .number(2 * fields.len() as u64)
            .fields(fields);
        for credential in first {
            let mut fields = credential_fields(credential)?;
            if credential.scopes != grant.scopes {
                fields.push(("sc", credential.scopes.as_str().to_owned().into()));
            }
            if credential.resources != grant.resources {
                fields.push(("re", credential.resources.to_string().into()));
            }
            call = call
                .number(lifetime(credential.issued_at, credential.expires_at))
                .number(2 * fields.len() as u64)
                .fields(fields);
        }
        self.link().write(&key, &call).await
    }

    /// Asks once. `successor`: the one that the reply to an earlier exchange names.
    async fn ask_exchange(
        &self,
        exchange: &Exchange<'_>,
        successor: Option<&str>,
    ) -> Result<Vec<Value>, StoreError> {
        let (names, grant) = (self.names(), &exchange.spent.grant);
        let key = names.grant(grant);
        let spent = names::text(&exchange.spent.hash);
        let mut keys = Vec::with_capacity(4 + exchange.issued.len());
        keys.extend([key.clone(), names.credential_by(grant, &spent), names.reply(grant, &spent)]);
        keys.extend(exchange.issued.iter().map(|credential| names.credential(&credential.key)));
        keys.extend(successor.map(|hash| names.credential_by(grant, hash)));
        let last = exchange.issued.iter().map(|credential| credential.expires_at).max();
        let mut call = EXCHANGE
            .call(keys)
            .number(exchange.now.as_millis())
            .number(millis(exchange.grace))
            .bytes(&exchange.reply.request().as_bytes()[..])
            .bytes(kept_reply(&exchange.reply, exchange.successor()))
            .number(reply_lifetime(exchange.grace))
            .number(exchange.issued.len() as u64)
            .text(successor.unwrap_or_default())
            .number(last.unwrap_or(exchange.now).as_millis());
        for credential in exchange.issued {
            let fields = credential_fields(credential)?;
            call = call
                .number(lifetime(exchange.now, credential.expires_at))
                .text(credential.scopes.as_str())
                .text(credential.resources.to_string())
                .number(2 * fields.len() as u64)
                .fields(fields);
        }
        self.link().write(&key, &call).await
    }

    /// What cannot be issued spends nothing, but a replay is one all the same.
    async fn refuse(&self, exchange: &Exchange<'_>) -> Result<Exchanged, StoreError> {
        match self.find(exchange.spent).await? {
            Some(found) if found.grant.revoked_at.is_none() => match found.spent {
                None => Err(StoreError::Conflict),
                Some(_) => Box::pin(self.exchange(Exchange { issued: &[], ..exchange.clone() })).await,
            },
            _ => Ok(Exchanged::Gone),
        }
    }

    async fn revoke_one(
        &self,
        id: &GrantId,
        now: Timestamp,
        subject: Option<&Subject>,
        client: Option<&ClientId>,
    ) -> Result<u64, StoreError> {
        let key = self.names().grant(id);
        let call = REVOKE
            .call([key.clone()])
            .number(now.as_millis())
            .text(subject.map_or("", Subject::as_str))
            .text(client.map_or("", ClientId::as_str));
        self.link().write(&key, &call).await
    }

    /// Revokes what an index leads to. One pass: what is entered behind its back is opened after it began.
    async fn revoke_all(
        &self,
        index: &str,
        now: Timestamp,
        subject: Option<&Subject>,
        client: Option<&ClientId>,
    ) -> Result<u64, StoreError> {
        let (mut revoked, mut after) = (0, None);
        loop {
            let entries = index::page(self.link(), index, after.as_ref(), AT_ONCE).await?;
            let ids = entries.iter().map(|(_, member)| parsed(member, "index"));
            let ids = ids.collect::<Result<Vec<GrantId>, _>>()?;
            let all = ids.iter().map(|id| self.revoke_one(id, now, subject, client));
            revoked += try_join_all(all).await?.into_iter().sum::<u64>();
            if entries.len() < AT_ONCE {
                return Ok(revoked);
            }
            after = entries.into_iter().next_back();
        }
    }

    async fn purge_one(
        &self,
        id: &GrantId,
        hash: Option<&str>,
        before: Timestamp,
    ) -> Result<u64, StoreError> {
        let (link, names) = (self.link(), self.names());
        let key = names.grant(id);
        if let Some(hash) = hash {
            let keys = [key.clone(), names.credential_by(id, hash), names.reply(id, hash)];
            let call = PURGE_CREDENTIAL.call(keys).number(before.as_millis());
            return link.write_lightly(&key, &call).await;
        }
        let call = PURGE_GRANT.call([key.clone()]).number(before.as_millis());
        let gone: Vec<String> = link.write_lightly(&key, &call).await?;
        let [subject, client] = &gone[..] else { return Ok(0) };
        let member = id.to_string();
        let (subject, client) = (parsed(subject, "subject")?, parsed(client, "client id")?);
        for index in [
            names.all_grants(Names::bucket_of(id)),
            names.grants_of_subject(&subject),
            names.grants_of_client(&client),
        ] {
            index::strike(link, &index, &[&member]).await?;
        }
        Ok(1)
    }
}

fn whole(key: &str) -> Cmd {
    cmd("HGETALL").arg(key).to_owned()
}

fn hashes<const N: usize>(answers: Vec<Value>) -> Result<[Hash; N], StoreError> {
    let read = answers.into_iter().map(link::read::<Hash>).collect::<Result<Vec<_>, _>>()?;
    read.try_into().map_err(|_| StoreError::corrupt("answer"))
}

/// Whether all are the grant's own, and none has a hash twice.
fn are_of(grant: GrantId, credentials: &[Credential]) -> bool {
    credentials.iter().enumerate().all(|(at, Credential { key, .. })| {
        key.grant == grant && credentials[..at].iter().all(|other| other.key.hash != key.hash)
    })
}
