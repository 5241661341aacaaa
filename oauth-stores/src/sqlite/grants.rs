//! Grants and credentials in SQLite.

use async_trait::async_trait;
use oauth_core::{
    ClientId, Credential, CredentialKey, Exchange, Exchanged, Found, Grant, GrantFilter, GrantId, GrantStore,
    Listing, PageRequest, Revocation, StoreError, Subject, Timestamp,
};
use rusqlite::params_from_iter;
use rusqlite::types::Value;

use crate::sqlite::SqliteStore;
use crate::sqlite::fault::Fault;
use crate::sqlite::ledger::{self, Act, GRANT, grant};
use crate::sqlite::readers::PAGE;
use crate::sqlite::row::{millis, number};

/// How many grants one transaction revokes at most.
const REVOKED_AT_ONCE: usize = 500;

/// Whose grants: a condition, and what it is bound to.
#[derive(Clone)]
struct Whose {
    condition: &'static str,
    values: Vec<Value>,
}

impl Whose {
    fn all() -> Self {
        Self { condition: "TRUE", values: Vec::new() }
    }

    fn subject(subject: &Subject) -> Self {
        Self { condition: "g.subject = ?", values: vec![text(subject.as_str())] }
    }

    fn client(client: &ClientId) -> Self {
        Self { condition: "g.client_id = ?", values: vec![text(client.as_str())] }
    }

    fn both(subject: &Subject, client: &ClientId) -> Self {
        // The plus keeps the engine from choosing the client's index: a client has many grants, a person few.
        let condition = "g.subject = ? AND +g.client_id = ?";
        Self { condition, values: vec![text(subject.as_str()), text(client.as_str())] }
    }

    fn filter(filter: GrantFilter<'_>) -> Result<Self, StoreError> {
        match filter {
            GrantFilter::All => Ok(Self::all()),
            GrantFilter::Subject(subject) => Ok(Self::subject(subject)),
            GrantFilter::Client(client) => Ok(Self::client(client)),
            GrantFilter::Expired(before) => {
                Ok(Self { condition: "g.expires_at < ?", values: vec![Value::Integer(millis(before))] })
            }
            _ => Err(StoreError::unavailable("this store does not know the filter")),
        }
    }

    /// At most `limit` of their grants' `columns`, in the order of the identifiers, from the one after `after` on.
    fn select(&self, columns: &str, after: Option<GrantId>, limit: usize) -> (String, Vec<Value>) {
        let condition = self.condition;
        let sql = format!(
            "SELECT {columns} FROM grants g WHERE {condition} AND g.id > ? ORDER BY g.id LIMIT {limit}"
        );
        let mut values = self.values.clone();
        values.push(Value::Blob(after.map_or_else(Vec::new, |id| id.as_bytes().to_vec())));
        (sql, values)
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

#[async_trait]
impl GrantStore for SqliteStore {
    async fn open(&self, grant: &Grant, first: &[Credential]) -> Result<(), StoreError> {
        let (grant, first) = (grant.clone(), first.to_vec());
        self.write(move |connection| ledger::open(connection, &grant, &first)).await
    }

    async fn find(&self, key: &CredentialKey) -> Result<Option<Found>, StoreError> {
        let key = *key;
        self.read(move |connection| ledger::find(connection, key)).await
    }

    async fn exchange(&self, exchange: Exchange<'_>) -> Result<Exchanged, StoreError> {
        let act = Act::from(exchange);
        self.write(move |connection| ledger::exchange(connection, &act)).await
    }

    async fn revoke(&self, what: Revocation<'_>, now: Timestamp) -> Result<u64, StoreError> {
        match what {
            Revocation::Grant(id) => {
                let id = *id;
                self.write(move |connection| ledger::revoke(connection, &id, now)).await.map(u64::from)
            }
            Revocation::Client(client) => self.revoke_all(Whose::client(client), now).await,
            Revocation::Subject(subject) => self.revoke_all(Whose::subject(subject), now).await,
            Revocation::SubjectAndClient(subject, client) => {
                self.revoke_all(Whose::both(subject, client), now).await
            }
            _ => Err(StoreError::unavailable("this store does not know what to revoke")),
        }
    }

    async fn grant(&self, id: &GrantId) -> Result<Option<Grant>, StoreError> {
        let id = *id;
        self.read(move |connection| {
            let mut statement =
                connection.prepare_cached(&format!("SELECT {GRANT} FROM grants g WHERE g.id = ?"))?;
            let mut rows = statement.query([id.as_bytes()])?;
            rows.next()?.map(grant).transpose()
        })
        .await
    }

    async fn list(&self, filter: GrantFilter<'_>, page: PageRequest) -> Result<Listing<Grant>, StoreError> {
        let whose = Whose::filter(filter)?;
        let after =
            page.after.map(|after| after.parse().map_err(|_| StoreError::corrupt("page"))).transpose()?;
        let limit = page.limit.clamp(1, PAGE);
        self.read(move |connection| {
            // One more than asked tells whether there is a next page.
            let (sql, values) = whose.select(GRANT, after, limit + 1);
            let mut statement = connection.prepare_cached(&sql)?;
            let mut rows = statement.query(params_from_iter(values))?;
            let mut items: Vec<Grant> = Vec::new();
            while let Some(row) = rows.next()? {
                items.push(grant(row)?);
            }
            let next = (items.len() > limit).then(|| {
                items.truncate(limit);
                items[limit - 1].id.to_string()
            });
            Ok(Listing { items, next })
        })
        .await
    }

    async fn count(&self, filter: GrantFilter<'_>) -> Result<u64, StoreError> {
        let Whose { condition, values } = Whose::filter(filter)?;
        self.read(move |connection| {
            let sql = format!("SELECT count(*) FROM grants g WHERE {condition}");
            Ok(connection.prepare_cached(&sql)?.query_row(params_from_iter(values), |row| number(row, 0))?)
        })
        .await
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.purge_grants(before).await
    }
}

impl SqliteStore {
    /// Revokes many grants, some at a time: nobody waits long, and each grant is revoked wholly or not.
    async fn revoke_all(&self, whose: Whose, now: Timestamp) -> Result<u64, StoreError> {
        let (mut revoked, mut after) = (0, None);
        loop {
            let (sql, values) = whose.select("g.id", after, REVOKED_AT_ONCE);
            let (count, last) = self
                .write(move |connection| {
                    let mut statement = connection.prepare_cached(&sql)?;
                    let ids = statement
                        .query_map(params_from_iter(values), |row| row.get(0).map(GrantId::from_bytes))?;
                    let ids = ids.collect::<Result<Vec<_>, _>>()?;
                    let mut count = 0;
                    for id in &ids {
                        count += u64::from(ledger::revoke(connection, id, now)?);
                    }
                    Ok::<_, Fault>((count, ids.get(REVOKED_AT_ONCE - 1).copied()))
                })
                .await?;
            revoked += count;
            if last.is_none() {
                return Ok(revoked);
            }
            after = last;
        }
    }
}
