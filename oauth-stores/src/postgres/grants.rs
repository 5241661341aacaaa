//! Grants and credentials in PostgreSQL.

use std::borrow::Cow;

use async_trait::async_trait;
use oauth_core::{
    ClientId, Credential, CredentialKey, Exchange, Exchanged, Found, Grant, GrantFilter, GrantId, GrantStore,
    Listing, PageRequest, Revocation, StoreError, Subject, Timestamp,
};

use crate::postgres::ledger::{self, GRANT, grant};
use crate::postgres::pool::Statement;
use crate::postgres::row::{bytes, get, millis, number};
use crate::postgres::{PAGE, PostgresStore};

/// How many grants one statement revokes at most.
const REVOKED_AT_ONCE: usize = 500;

/// Whose grants: a condition over `$1` and `$2`, and what these are.
#[derive(Clone)]
struct Whose<'a> {
    condition: Cow<'static, str>,
    values: (Option<&'a str>, Option<&'a str>),
}

impl<'a> Whose<'a> {
    /// All that also meet `condition`.
    fn all(condition: &str) -> Self {
        let condition = format!("($1::text IS NULL AND $2::text IS NULL AND {condition})").into();
        Self { condition, values: (None, None) }
    }

    fn subject(subject: &'a Subject) -> Self {
        let condition = "(g.subject = $1 AND $2::text IS NULL)";
        Self { condition: condition.into(), values: (Some(subject.as_str()), None) }
    }

    fn client(client: &'a ClientId) -> Self {
        let condition = "($1::text IS NULL AND g.client_id = $2)";
        Self { condition: condition.into(), values: (None, Some(client.as_str())) }
    }

    fn both(subject: &'a Subject, client: &'a ClientId) -> Self {
        let condition = "(g.subject = $1 AND g.client_id = $2)";
        Self { condition: condition.into(), values: (Some(subject.as_str()), Some(client.as_str())) }
    }

    fn filter(filter: GrantFilter<'a>) -> Result<Self, StoreError> {
        match filter {
            GrantFilter::All => Ok(Self::all("TRUE")),
            GrantFilter::Expired(before) => Ok(Self::all(&format!("g.expires_at < {}", millis(before)))),
            GrantFilter::Subject(subject) => Ok(Self::subject(subject)),
            GrantFilter::Client(client) => Ok(Self::client(client)),
            _ => Err(StoreError::unavailable("this store does not know the filter")),
        }
    }

    fn bind<'q>(&self, statement: Statement<'q>) -> Statement<'q> {
        statement.bind(self.values.0.map(str::to_owned)).bind(self.values.1.map(str::to_owned))
    }
}

#[async_trait]
impl GrantStore for PostgresStore {
    async fn open(&self, grant: &Grant, first: &[Credential]) -> Result<(), StoreError> {
        ledger::open(&self.pool, grant, first).await
    }

    async fn find(&self, key: &CredentialKey) -> Result<Option<Found>, StoreError> {
        ledger::find(&self.pool, key).await
    }

    async fn exchange(&self, exchange: Exchange<'_>) -> Result<Exchanged, StoreError> {
        ledger::exchange(&self.pool, &exchange).await
    }

    async fn revoke(&self, what: Revocation<'_>, now: Timestamp) -> Result<u64, StoreError> {
        match what {
            Revocation::Grant(id) => ledger::revoke(&self.pool, id, now).await.map(u64::from),
            Revocation::Client(client) => self.revoke_all(Whose::client(client), now).await,
            Revocation::Subject(subject) => self.revoke_all(Whose::subject(subject), now).await,
            Revocation::SubjectAndClient(subject, client) => {
                self.revoke_all(Whose::both(subject, client), now).await
            }
            _ => Err(StoreError::unavailable("this store does not know what to revoke")),
        }
    }

    async fn grant(&self, id: &GrantId) -> Result<Option<Grant>, StoreError> {
        let sql = "SELECT g.id, g.subject, g.subject_kind, g.client_id, g.scopes, g.resources, g.issued_at, g.expires_at,
            g.auth_time, g.revoked_at FROM oauth.grants g WHERE g.id = $1";
        let row = self.pool.row(|| self.pool.statement(sql).bind(id.as_bytes().as_slice())).await?;
        row.as_ref().map(grant).transpose()
    }

    async fn list(&self, filter: GrantFilter<'_>, page: PageRequest) -> Result<Listing<Grant>, StoreError> {
        let whose = Whose::filter(filter)?;
        let after: Option<GrantId> =
            page.after.map(|after| after.parse().map_err(|_| StoreError::corrupt("page"))).transpose()?;
        let after = after.map_or_else(Vec::new, |id| id.as_bytes().to_vec());
        let limit = page.limit.clamp(1, PAGE);
        // One more than asked tells whether there is a next page.
        let sql = format!(
            "SELECT {GRANT} FROM oauth.grants g WHERE {} AND g.id > $3 ORDER BY g.id LIMIT $4",
            whose.condition
        );
        let statement = || whose.bind(self.pool.composed(&sql)).bind(after.as_slice()).bind(limit as i64 + 1);
        let rows = self.pool.rows(statement).await?;
        let mut items = rows.iter().map(grant).collect::<Result<Vec<_>, _>>()?;
        let next = (items.len() > limit).then(|| {
            items.truncate(limit);
            items[limit - 1].id.to_string()
        });
        Ok(Listing { items, next })
    }

    async fn count(&self, filter: GrantFilter<'_>) -> Result<u64, StoreError> {
        let whose = Whose::filter(filter)?;
        let sql = format!("SELECT count(*) FROM oauth.grants g WHERE {}", whose.condition);
        let row = self.pool.row(|| whose.bind(self.pool.composed(&sql))).await?;
        row.map_or(Ok(0), |row| number(&row, 0))
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.purge_grants(before).await
    }
}

impl PostgresStore {
    /// Revokes many grants, some at a time: nobody waits long, and each grant is revoked wholly or not.
    async fn revoke_all(&self, whose: Whose<'_>, now: Timestamp) -> Result<u64, StoreError> {
        let sql = format!(
            "WITH chosen AS (
                SELECT g.id FROM oauth.grants g WHERE {} AND g.id > $3 ORDER BY g.id LIMIT {REVOKED_AT_ONCE}
            ), revoked AS (
                UPDATE oauth.grants g SET revoked_at = $4 FROM chosen WHERE g.id = chosen.id AND g.revoked_at IS NULL
                RETURNING g.expires_at > $4 AS live
            )
            SELECT (SELECT count(*) FROM revoked WHERE live), (SELECT count(*) FROM chosen),
                (SELECT id FROM chosen ORDER BY id DESC LIMIT 1)",
            whose.condition
        );
        let (mut revoked, mut after) = (0, Vec::new());
        loop {
            let statement = || whose.bind(self.pool.composed(&sql)).bind(after.as_slice()).bind(millis(now));
            let Some(row) = self.pool.row(statement).await? else { return Ok(revoked) };
            revoked += number(&row, 0)?;
            if get::<i64>(&row, 1)? < REVOKED_AT_ONCE as i64 {
                return Ok(revoked);
            }
            after = bytes::<16>(&row, 2, "grant")?.to_vec();
        }
    }
}
