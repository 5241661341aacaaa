//! The statements of the ledger, and how their rows are judged.
//!
//! An exchange is one statement. The key of `spent` decides the race: of several that insert it, one does, and the others wait for its
//! commit and then insert nothing. They have seen the database as it was before that commit, so what they answer is read by a second
//! statement, which sees it. All that a credential's answer hangs on moves one way only (spent, late, its successor spent, revoked),
//! so it does not matter that others write between the two.
//!
//! What is spent is locked against removal alone (`KEY SHARE`): a purge passes it by, and the grant under which it is. An exchange that
//! comes to it while it is being removed waits, and finds it gone: else a purge that has also removed the mark of its being spent would
//! let it be spent again. A revocation does not wait for an exchange, and need not: nothing under a revoked grant is live, whenever it
//! was written.

use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};

use oauth_core::{
    Binding, CodeBinding, Credential, CredentialKey, CredentialKind, Exchange, Exchanged, Found, Grant,
    GrantId, SealedReply, Spent, StoreError, SubjectKind, Thumbprint, Timestamp,
};
use sqlx::postgres::PgRow;

use crate::postgres::pool::{Pool, Statement};
use crate::postgres::row::{bytes, get, hash, millis, optional_parsed, optional_time, parsed, time};

/// The columns from which [`grant`] reads, in its order.
pub(super) const GRANT: &str = "g.id, g.subject, g.subject_kind, g.client_id, g.scopes, g.resources, g.issued_at, g.expires_at, g.auth_time, g.revoked_at";

const FIND: &str = "SELECT g.id, g.subject, g.subject_kind, g.client_id, g.scopes, g.resources, g.issued_at, g.expires_at, g.auth_time,
        g.revoked_at, c.kind, c.issued_at, c.expires_at, s.spent_at, c.scopes, c.resources, c.jkt, c.code
    FROM oauth.grants g JOIN oauth.credentials c ON c.grant_id = g.id LEFT JOIN oauth.spent s ON s.grant_id = c.grant_id AND s.hash = c.hash
    WHERE g.id = $1 AND c.grant_id = $1 AND c.hash = $2";

const OPEN: &str = "WITH state AS (
        INSERT INTO oauth.grants (id, subject, subject_kind, client_id, scopes, resources, issued_at, expires_at, auth_time, revoked_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING scopes, resources
    )";

const EXCHANGE: &str = "WITH state AS (
        SELECT g.scopes, g.resources FROM oauth.grants g JOIN oauth.credentials c ON c.grant_id = g.id
        WHERE g.id = $1 AND g.revoked_at IS NULL AND c.grant_id = $1 AND c.hash = $2 FOR KEY SHARE OF c
    ), spending AS (
        INSERT INTO oauth.spent (grant_id, hash, spent_at, reply_until, successor, request, sealed)
        SELECT $1, $2, $3, $4, $5, $6, $7 FROM state ON CONFLICT DO NOTHING RETURNING 1
    )";

// A successor that is gone may have been spent: in doubt, no retry.
const JUDGE: &str = "SELECT s.spent_at, s.request, s.sealed FROM oauth.grants g LEFT JOIN oauth.spent s ON s.grant_id = g.id AND s.hash = $2
        AND (s.successor IS NULL OR (
            EXISTS (SELECT 1 FROM oauth.credentials WHERE grant_id = $1 AND hash = s.successor)
            AND NOT EXISTS (SELECT 1 FROM oauth.spent n WHERE n.grant_id = $1 AND n.hash = s.successor)))
    WHERE g.id = $1 AND g.revoked_at IS NULL";

const REVOKE: &str =
    "UPDATE oauth.grants SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL RETURNING expires_at > $2";

/// Which values come before those of the credentials.
const OPEN_VALUES: usize = 10;
const EXCHANGE_VALUES: usize = 7;

/// Statements for so many credentials are kept: more than any of ours issues.
const KEPT: usize = 5;

static OPENS: LazyLock<[Arc<str>; KEPT]> = LazyLock::new(|| std::array::from_fn(open_sql));
static EXCHANGES: LazyLock<[Arc<str>; KEPT]> = LazyLock::new(|| std::array::from_fn(exchange_sql));

fn open_sql(credentials: usize) -> Arc<str> {
    if credentials == 0 {
        return format!("{OPEN} SELECT 1 FROM state").into();
    }
    let values = values(OPEN_VALUES, credentials);
    format!("{OPEN} INSERT INTO oauth.credentials {COLUMNS} {ISSUE} FROM state, {values}").into()
}

fn exchange_sql(credentials: usize) -> Arc<str> {
    const ANSWER: &str = "SELECT EXISTS (SELECT 1 FROM spending), EXISTS (SELECT 1 FROM state)";
    if credentials == 0 {
        return format!("{EXCHANGE} {ANSWER}").into();
    }
    let values = values(EXCHANGE_VALUES, credentials);
    format!(
        "{EXCHANGE}, issuing AS (INSERT INTO oauth.credentials {COLUMNS} {ISSUE} FROM state, spending, {values}) {ANSWER}"
    )
    .into()
}

const COLUMNS: &str = "(grant_id, hash, kind, issued_at, expires_at, scopes, resources, jkt, code)";
// What is the grant's is not written twice.
const ISSUE: &str = "SELECT $1, v.hash, v.kind, v.issued_at, v.expires_at, NULLIF(v.scopes, state.scopes), NULLIF(v.resources, state.resources), v.jkt, v.code";

/// `credentials` rows of values, after so many others.
fn values(before: usize, credentials: usize) -> String {
    let mut sql = String::from("(VALUES ");
    for credential in 0..credentials {
        let separator = if credential == 0 { "" } else { ", " };
        let at = |column: usize| before + credential * 8 + column;
        // A text that is written cannot fail.
        let _ = write!(
            sql,
            "{separator}(${}::bytea, ${}::text, ${}::bigint, ${}::bigint, ${}::text, ${}::text, ${}::bytea, ${}::text)",
            at(1),
            at(2),
            at(3),
            at(4),
            at(5),
            at(6),
            at(7),
            at(8)
        );
    }
    sql.push_str(") AS v (hash, kind, issued_at, expires_at, scopes, resources, jkt, code)");
    sql
}

/// A credential's columns, as texts and numbers.
struct Columns<'a> {
    credential: &'a Credential,
    resources: String,
    jkt: Option<&'a [u8]>,
    code: Option<String>,
}

impl<'a> Columns<'a> {
    fn of(credentials: &'a [Credential], grant: GrantId) -> Result<Vec<Self>, StoreError> {
        let columns = |credential: &'a Credential| {
            if credential.key.grant != grant {
                return Err(StoreError::Conflict);
            }
            Ok(Self {
                credential,
                resources: credential.resources.to_string(),
                jkt: jkt(&credential.binding)?,
                code: credential.code.as_deref().map(json).transpose()?,
            })
        };
        credentials.iter().map(columns).collect()
    }

    fn bind<'q>(&self, statement: Statement<'q>) -> Statement<'q> {
        statement
            .bind(self.credential.key.hash.as_bytes().to_vec())
            .bind(self.credential.kind.tag())
            .bind(millis(self.credential.issued_at))
            .bind(millis(self.credential.expires_at))
            .bind(self.credential.scopes.as_str().to_owned())
            .bind(self.resources.clone())
            .bind(self.jkt.map(<[u8]>::to_vec))
            .bind(self.code.clone())
    }
}

/// Opens a grant with its first credentials.
pub(super) async fn open(pool: &Pool, grant: &Grant, first: &[Credential]) -> Result<(), StoreError> {
    let columns = Columns::of(first, grant.id)?;
    let (granted, kind) = (grant.resources.to_string(), subject_kind(grant.subject_kind)?);
    let sql = OPENS.get(first.len()).cloned().unwrap_or_else(|| open_sql(first.len()));
    let statement = || {
        let statement = pool
            .shared(&sql)
            .bind(grant.id.as_bytes().as_slice())
            .bind(grant.subject.as_str())
            .bind(kind.as_deref())
            .bind(grant.client_id.as_str())
            .bind(grant.scopes.as_str())
            .bind(&granted)
            .bind(millis(grant.issued_at))
            .bind(millis(grant.expires_at))
            .bind(grant.auth_time.map(millis))
            .bind(grant.revoked_at.map(millis));
        columns.iter().fold(statement, |statement, columns| columns.bind(statement))
    };
    pool.rows(statement).await.map(drop)
}

/// Finds a credential with its grant.
pub(super) async fn find(pool: &Pool, key: &CredentialKey) -> Result<Option<Found>, StoreError> {
    let statement =
        || pool.statement(FIND).bind(key.grant.as_bytes().as_slice()).bind(key.hash.as_bytes().as_slice());
    let Some(row) = pool.row(statement).await? else { return Ok(None) };
    let grant = grant(&row)?;
    let credential = Credential {
        key: *key,
        kind: credential_kind(&row, 10)?,
        binding: match get::<Option<&[u8]>>(&row, 16)? {
            None => Binding::Bearer,
            Some(_) => Binding::Dpop(Thumbprint::from_bytes(bytes(&row, 16, "thumbprint")?)),
        },
        scopes: optional_parsed(&row, 14, "scopes")?.unwrap_or_else(|| grant.scopes.clone()),
        resources: optional_parsed(&row, 15, "resources")?.unwrap_or_else(|| grant.resources.clone()),
        issued_at: time(&row, 11)?,
        expires_at: time(&row, 12)?,
        code: code(&row, 17)?,
    };
    let spent = optional_time(&row, 13)?.map(|at| Spent { at });
    Ok(Some(Found::new(grant, credential, spent)))
}

/// Spends a credential, or says why not: the steps of [`GrantStore::exchange`](oauth_core::GrantStore::exchange).
pub(super) async fn exchange(pool: &Pool, act: &Exchange<'_>) -> Result<Exchanged, StoreError> {
    let CredentialKey { grant, hash } = act.spent;
    let columns = match Columns::of(act.issued, *grant) {
        // Of another grant's credentials nothing is written; what is to be said of the spent one comes first.
        Err(StoreError::Conflict) => {
            return match find(pool, act.spent).await? {
                Some(found) if found.grant.revoked_at.is_some() => Ok(Exchanged::Gone),
                Some(found) if found.spent.is_some() => spent_before(pool, act).await,
                Some(_) => Err(StoreError::Conflict),
                None => Ok(Exchanged::Gone),
            };
        }
        columns => columns?,
    };
    let sql = EXCHANGES.get(act.issued.len()).cloned().unwrap_or_else(|| exchange_sql(act.issued.len()));
    // Without grace there is no retry, and nothing to keep for one.
    let kept = (!act.grace.is_zero()).then_some(&act.reply);
    let successor = kept.and_then(|_| act.successor());
    let statement = || {
        let statement = pool
            .shared(&sql)
            .bind(grant.as_bytes().as_slice())
            .bind(hash.as_bytes().as_slice())
            .bind(millis(act.now))
            .bind(kept.map(|_| millis(act.now + act.grace)))
            .bind(successor.map(|key| key.hash.as_bytes().as_slice()))
            .bind(kept.map(|reply| reply.request().as_bytes().as_slice()))
            .bind(kept.map(|reply| reply.sealed()));
        columns.iter().fold(statement, |statement, columns| columns.bind(statement))
    };
    let row = pool.row(statement).await?.ok_or_else(|| StoreError::corrupt("exchange"))?;
    match (get(&row, 0)?, get(&row, 1)?) {
        (true, _) => Ok(Exchanged::Done),
        (false, false) => Ok(Exchanged::Gone),
        (false, true) => spent_before(pool, act).await,
    }
}

/// What to say of a credential that was spent, now that its row is seen.
async fn spent_before(pool: &Pool, act: &Exchange<'_>) -> Result<Exchanged, StoreError> {
    let CredentialKey { grant, hash } = act.spent;
    let statement =
        || pool.statement(JUDGE).bind(grant.as_bytes().as_slice()).bind(hash.as_bytes().as_slice());
    // Revoked meanwhile.
    let Some(row) = pool.row(statement).await? else { return Ok(Exchanged::Gone) };
    if let (Some(at), Some(reply)) = (optional_time(&row, 0)?, reply(&row)?)
        && act.is_retry_of(at, &reply)
    {
        return Ok(Exchanged::Retried(reply));
    }
    revoke(pool, grant, act.now).await?;
    Ok(Exchanged::Replayed)
}

/// Revokes one grant. Whether it was live and is not any more.
pub(super) async fn revoke(pool: &Pool, grant: &GrantId, now: Timestamp) -> Result<bool, StoreError> {
    let statement = || pool.statement(REVOKE).bind(grant.as_bytes().as_slice()).bind(millis(now));
    pool.row(statement).await?.map_or(Ok(false), |row| get(&row, 0))
}

/// The grant in a row that begins with the columns of [`GRANT`].
pub(super) fn grant(row: &PgRow) -> Result<Grant, StoreError> {
    Ok(Grant {
        id: GrantId::from_bytes(bytes(row, 0, "grant")?),
        subject: parsed(row, 1, "subject")?,
        subject_kind: read_subject_kind(row, 2)?,
        client_id: parsed(row, 3, "client id")?,
        scopes: parsed(row, 4, "scopes")?,
        resources: parsed(row, 5, "resources")?,
        issued_at: time(row, 6)?,
        expires_at: time(row, 7)?,
        auth_time: optional_time(row, 8)?,
        revoked_at: optional_time(row, 9)?,
    })
}

/// The reply in a row of [`JUDGE`], if one is kept.
fn reply(row: &PgRow) -> Result<Option<SealedReply>, StoreError> {
    let Some(sealed) = get::<Option<&[u8]>>(row, 2)? else { return Ok(None) };
    Ok(Some(SealedReply::from_parts(hash(row, 1)?, sealed.to_vec())))
}

const KINDS: [CredentialKind; 4] = [
    CredentialKind::AuthorizationCode,
    CredentialKind::RefreshToken,
    CredentialKind::AccessToken,
    CredentialKind::DeviceCode,
];

fn credential_kind(row: &PgRow, at: usize) -> Result<CredentialKind, StoreError> {
    let tag: &str = get(row, at)?;
    KINDS.into_iter().find(|kind| kind.tag() == tag).ok_or_else(|| StoreError::corrupt("credential kind"))
}

fn jkt(binding: &Binding) -> Result<Option<&[u8]>, StoreError> {
    match binding {
        Binding::Bearer => Ok(None),
        Binding::Dpop(thumbprint) => Ok(Some(thumbprint.as_bytes())),
        // Better refused than stored as a bearer's.
        _ => Err(StoreError::unavailable("this store does not know the credential's binding")),
    }
}

/// Most are users: their kind is not written.
fn subject_kind(kind: SubjectKind) -> Result<Option<String>, StoreError> {
    if kind == SubjectKind::User { Ok(None) } else { json(&kind).map(Some) }
}

fn read_subject_kind(row: &PgRow, at: usize) -> Result<SubjectKind, StoreError> {
    let corrupt = |_| StoreError::corrupt("subject kind");
    let text: Option<&str> = get(row, at)?;
    text.map_or(Ok(SubjectKind::User), |text| serde_json::from_str(text).map_err(corrupt))
}

fn code(row: &PgRow, at: usize) -> Result<Option<Box<CodeBinding>>, StoreError> {
    let text: Option<&str> = get(row, at)?;
    text.map(|text| serde_json::from_str(text).map_err(|_| StoreError::corrupt("code"))).transpose()
}

fn json(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(StoreError::unavailable)
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
