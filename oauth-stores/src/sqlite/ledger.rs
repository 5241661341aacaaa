//! The statements of the ledger: what happens to a grant inside a transaction.

use std::time::Duration;

use oauth_core::{
    Binding, CodeBinding, Credential, CredentialKey, CredentialKind, Exchange, Exchanged, Found, Grant,
    GrantId, SealedReply, Spent, StoreError, SubjectKind, Thumbprint, Timestamp, TokenHash,
};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::sqlite::fault::Fault;
use crate::sqlite::row::{millis, optional_parsed, optional_time, parsed, time};

/// The columns from which [`grant`] reads, in its order.
pub(super) const GRANT: &str = "g.id, g.subject, g.subject_kind, g.client_id, g.scopes, g.resources, g.issued_at, g.expires_at, g.auth_time, g.revoked_at";

const INSERT_GRANT: &str = "INSERT INTO grants
    (id, subject, subject_kind, client_id, scopes, resources, issued_at, expires_at, auth_time, revoked_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";

const INSERT_CREDENTIAL: &str = "INSERT INTO credentials
    (grant_id, hash, kind, issued_at, expires_at, scopes, resources, jkt, code)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";

const FIND: &str = "SELECT g.id, g.subject, g.subject_kind, g.client_id, g.scopes, g.resources, g.issued_at, g.expires_at, g.auth_time,
        g.revoked_at, c.kind, c.issued_at, c.expires_at, c.spent_at, c.scopes, c.resources, c.jkt, c.code
    FROM credentials c JOIN grants g ON g.id = c.grant_id WHERE c.grant_id = ?1 AND c.hash = ?2";

const STATE: &str = "SELECT g.scopes, g.resources, g.revoked_at, c.spent_at, c.reply
    FROM credentials c JOIN grants g ON g.id = c.grant_id WHERE c.grant_id = ?1 AND c.hash = ?2";

const KEEP_REPLY: &str =
    "INSERT INTO replies (until, spent, successor, request, sealed) VALUES (?1, ?2, ?3, ?4, ?5)";

const SPEND: &str =
    "UPDATE credentials SET spent_at = ?3, reply = ?4 WHERE grant_id = ?1 AND hash = ?2 AND spent_at IS NULL";

// A successor that is gone may have been spent: in doubt, no retry.
const RETRY: &str =
    "SELECT request, sealed FROM replies WHERE id = ?1 AND spent = ?2 AND (successor IS NULL OR EXISTS (
    SELECT 1 FROM credentials WHERE grant_id = ?3 AND hash = replies.successor AND spent_at IS NULL))";

const REVOKE: &str =
    "UPDATE grants SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL RETURNING expires_at > ?2";

/// What an exchange says, as the writer's thread keeps it.
pub(super) struct Act {
    spent: CredentialKey,
    issued: Vec<Credential>,
    reply: SealedReply,
    now: Timestamp,
    grace: Duration,
}

impl From<Exchange<'_>> for Act {
    fn from(exchange: Exchange<'_>) -> Self {
        let Exchange { spent, issued, reply, now, grace } = exchange;
        Self { spent: *spent, issued: issued.to_vec(), reply, now, grace }
    }
}

/// Opens a grant with its first credentials.
pub(super) fn open(connection: &Connection, grant: &Grant, first: &[Credential]) -> Result<(), Fault> {
    let granted = grant.resources.to_string();
    connection.prepare_cached(INSERT_GRANT)?.execute(params![
        grant.id.as_bytes(),
        grant.subject.as_str(),
        subject_kind(grant.subject_kind)?,
        grant.client_id.as_str(),
        grant.scopes.as_str(),
        granted,
        millis(grant.issued_at),
        millis(grant.expires_at),
        grant.auth_time.map(millis),
        grant.revoked_at.map(millis),
    ])?;
    first
        .iter()
        .try_for_each(|credential| insert(connection, credential, grant.id, grant.scopes.as_str(), &granted))
}

/// Finds a credential with its grant.
pub(super) fn find(connection: &Connection, key: CredentialKey) -> Result<Option<Found>, Fault> {
    let mut statement = connection.prepare_cached(FIND)?;
    let mut rows = statement.query(params![key.grant.as_bytes(), key.hash.as_bytes()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let grant = grant(row)?;
    let credential = Credential {
        key,
        kind: credential_kind(row, 10)?,
        binding: row
            .get::<_, Option<[u8; 32]>>(16)?
            .map_or(Binding::Bearer, |jkt| Binding::Dpop(Thumbprint::from_bytes(jkt))),
        scopes: optional_parsed(row, 14, "scopes")?.unwrap_or_else(|| grant.scopes.clone()),
        resources: optional_parsed(row, 15, "resources")?.unwrap_or_else(|| grant.resources.clone()),
        issued_at: time(row, 11)?,
        expires_at: time(row, 12)?,
        code: code(row, 17)?,
    };
    let spent = optional_time(row, 13)?.map(|at| Spent { at });
    Ok(Some(Found::new(grant, credential, spent)))
}

/// Spends a credential, or says why not: the steps of [`GrantStore::exchange`](oauth_core::GrantStore::exchange).
///
/// The transaction holds the write lock from its beginning, so what is read here is what is changed.
pub(super) fn exchange(connection: &Connection, act: &Act) -> Result<Exchanged, Fault> {
    let CredentialKey { grant, hash } = &act.spent;
    let key = params![grant.as_bytes(), hash.as_bytes()];
    let mut statement = connection.prepare_cached(STATE)?;
    let mut rows = statement.query(key)?;
    let Some(row) = rows.next()? else { return Ok(Exchanged::Gone) };
    if optional_time(row, 2)?.is_some() {
        return Ok(Exchanged::Gone);
    }
    if let Some(at) = optional_time(row, 3)? {
        if let Some(reply) = retried(connection, act, at, row.get(4)?)? {
            return Ok(Exchanged::Retried(reply));
        }
        revoke(connection, grant, act.now)?;
        return Ok(Exchanged::Replayed);
    }
    // Without grace there is no retry, and nothing to keep for one.
    let reply = if act.grace.is_zero() { None } else { Some(keep_reply(connection, act)?) };
    let spent = connection.prepare_cached(SPEND)?.execute(params![
        grant.as_bytes(),
        hash.as_bytes(),
        millis(act.now),
        reply
    ])?;
    if spent != 1 {
        return Err(Fault::corrupt("a credential changed under the write lock"));
    }
    let text = |at| row.get_ref(at)?.as_str().map_err(|_| Fault::corrupt("grant"));
    let (scopes, resources) = (text(0)?, text(1)?);
    act.issued.iter().try_for_each(|credential| insert(connection, credential, *grant, scopes, resources))?;
    Ok(Exchanged::Done)
}

/// Revokes one grant. Whether it was live and is not any more.
pub(super) fn revoke(connection: &Connection, grant: &GrantId, now: Timestamp) -> Result<bool, Fault> {
    let mut statement = connection.prepare_cached(REVOKE)?;
    let live: Option<bool> =
        statement.query_row(params![grant.as_bytes(), millis(now)], |row| row.get(0)).optional()?;
    Ok(live.unwrap_or_default())
}

/// The grant in a row that begins with the columns of [`GRANT`].
pub(super) fn grant(row: &Row<'_>) -> Result<Grant, Fault> {
    Ok(Grant {
        id: GrantId::from_bytes(row.get(0)?),
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

fn insert(
    connection: &Connection,
    credential: &Credential,
    grant: GrantId,
    scopes: &str,
    resources: &str,
) -> Result<(), Fault> {
    if credential.key.grant != grant {
        return Err(StoreError::Conflict.into());
    }
    let own_resources = credential.resources.to_string();
    connection.prepare_cached(INSERT_CREDENTIAL)?.execute(params![
        grant.as_bytes(),
        credential.key.hash.as_bytes(),
        credential.kind.tag(),
        millis(credential.issued_at),
        millis(credential.expires_at),
        Some(credential.scopes.as_str()).filter(|own| *own != scopes),
        Some(own_resources).filter(|own| own != resources),
        jkt(&credential.binding)?,
        credential.code.as_deref().map(json).transpose()?,
    ])?;
    Ok(())
}

fn keep_reply(connection: &Connection, act: &Act) -> Result<i64, Fault> {
    let successor = act.issued.iter().find(|credential| credential.kind == CredentialKind::RefreshToken);
    Ok(connection.prepare_cached(KEEP_REPLY)?.insert(params![
        millis(act.now + act.grace),
        act.spent.hash.as_bytes(),
        successor.map(|credential| credential.key.hash.as_bytes()),
        act.reply.request().as_bytes(),
        act.reply.sealed(),
    ])?)
}

/// The earlier reply, if presenting what was spent at `at` again is a retry.
fn retried(
    connection: &Connection,
    act: &Act,
    at: Timestamp,
    reply: Option<i64>,
) -> Result<Option<SealedReply>, Fault> {
    let Some(reply) = reply else { return Ok(None) };
    let mut statement = connection.prepare_cached(RETRY)?;
    let earlier = statement
        .query_row(params![reply, act.spent.hash.as_bytes(), act.spent.grant.as_bytes()], |row| {
            Ok(SealedReply::from_parts(TokenHash::from_bytes(row.get(0)?), row.get::<_, Vec<u8>>(1)?))
        })
        .optional()?;
    let again = Exchange {
        spent: &act.spent,
        issued: &act.issued,
        reply: act.reply.clone(),
        now: act.now,
        grace: act.grace,
    };
    Ok(earlier.filter(|earlier| again.is_retry_of(at, earlier)))
}

const KINDS: [CredentialKind; 4] = [
    CredentialKind::AuthorizationCode,
    CredentialKind::RefreshToken,
    CredentialKind::AccessToken,
    CredentialKind::DeviceCode,
];

fn credential_kind(row: &Row<'_>, at: usize) -> Result<CredentialKind, Fault> {
    let tag = row.get_ref(at)?.as_str().unwrap_or_default();
    KINDS.into_iter().find(|kind| kind.tag() == tag).ok_or_else(|| Fault::corrupt("credential kind"))
}

fn jkt(binding: &Binding) -> Result<Option<&[u8; 32]>, Fault> {
    match binding {
        Binding::Bearer => Ok(None),
        Binding::Dpop(thumbprint) => Ok(Some(thumbprint.as_bytes())),
        // Better refused than stored as a bearer's.
        _ => Err(Fault::unavailable("this store does not know the credential's binding")),
    }
}

/// Most are users: their kind is not written.
fn subject_kind(kind: SubjectKind) -> Result<Option<String>, Fault> {
    if kind == SubjectKind::User { Ok(None) } else { json(&kind).map(Some) }
}

fn read_subject_kind(row: &Row<'_>, at: usize) -> Result<SubjectKind, Fault> {
    let corrupt = |_| Fault::corrupt("subject kind");
    let text = row.get_ref(at)?.as_str_or_null().map_err(|_| Fault::corrupt("subject kind"))?;
    text.map_or(Ok(SubjectKind::User), |text| serde_json::from_str(text).map_err(corrupt))
}

fn code(row: &Row<'_>, at: usize) -> Result<Option<Box<CodeBinding>>, Fault> {
    let text = row.get_ref(at)?.as_str_or_null().map_err(|_| Fault::corrupt("code"))?;
    text.map(|text| serde_json::from_str(text).map_err(|_| Fault::corrupt("code"))).transpose()
}

fn json(value: &impl serde::Serialize) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(|error| StoreError::unavailable(error).into())
}
