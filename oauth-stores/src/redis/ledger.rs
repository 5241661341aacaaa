//! Between the ledger's records and the fields of hashes.

use std::borrow::Cow;
use std::collections::HashMap;

use oauth_core::{
    Binding, CodeBinding, Credential, CredentialKey, CredentialKind, Found, Grant, GrantId, SealedReply,
    Spent, StoreError, SubjectKind, Thumbprint, Timestamp, TokenHash,
};

use crate::redis::names;

pub(super) type Fields<'a> = Vec<(&'static str, Cow<'a, str>)>;
pub(super) type Hash = HashMap<String, String>;

/// How many characters a hash has as text.
const HASH: usize = 43;

pub(super) fn time(time: Timestamp) -> Cow<'static, str> {
    Cow::Owned(time.as_millis().to_string())
}

pub(super) fn json(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(StoreError::unavailable)
}

/// What text means; `what` names it if it means nothing.
pub(super) fn parsed<T: std::str::FromStr>(text: &str, what: &'static str) -> Result<T, StoreError> {
    text.parse().map_err(|_| StoreError::corrupt(what))
}

pub(super) fn read_time(text: &str) -> Result<Timestamp, StoreError> {
    parsed(text, "time").map(Timestamp::from_millis)
}

fn needed<'h>(hash: &'h Hash, field: &str, what: &'static str) -> Result<&'h str, StoreError> {
    hash.get(field).map(String::as_str).ok_or_else(|| StoreError::corrupt(what))
}

/// A grant's fields. `x`, when the last of its credentials ends, is there for a purge alone.
pub(super) fn grant_fields<'a>(
    grant: &'a Grant,
    resources: &'a str,
    last: Timestamp,
) -> Result<Fields<'a>, StoreError> {
    let mut fields: Fields<'a> = vec![
        ("su", grant.subject.as_str().into()),
        ("c", grant.client_id.as_str().into()),
        ("sc", grant.scopes.as_str().into()),
        ("re", resources.into()),
        ("i", time(grant.issued_at)),
        ("e", time(grant.expires_at)),
        ("x", time(last)),
    ];
    // Most are users: their kind is not written.
    if grant.subject_kind != SubjectKind::User {
        fields.push(("sk", json(&grant.subject_kind)?.into()));
    }
    if let Some(at) = grant.auth_time {
        fields.push(("a", time(at)));
    }
    if let Some(at) = grant.revoked_at {
        fields.push(("r", time(at)));
    }
    Ok(fields)
}

/// A grant, if its hash is there.
pub(super) fn read_grant(id: GrantId, hash: &Hash) -> Result<Option<Grant>, StoreError> {
    if hash.is_empty() {
        return Ok(None);
    }
    let optional_time = |field| hash.get(field).map(|text| read_time(text)).transpose();
    let subject_kind = hash.get("sk").map(|text| serde_json::from_str(text)).transpose();
    Ok(Some(Grant {
        id,
        subject: parsed(needed(hash, "su", "subject")?, "subject")?,
        subject_kind: subject_kind.map_err(|_| StoreError::corrupt("subject kind"))?.unwrap_or_default(),
        client_id: parsed(needed(hash, "c", "client id")?, "client id")?,
        scopes: parsed(needed(hash, "sc", "scopes")?, "scopes")?,
        resources: parsed(needed(hash, "re", "resources")?, "resources")?,
        issued_at: read_time(needed(hash, "i", "grant")?)?,
        expires_at: read_time(needed(hash, "e", "grant")?)?,
        auth_time: optional_time("a")?,
        revoked_at: optional_time("r")?,
    }))
}

/// A credential's fields, but for scopes and resources.
pub(super) fn credential_fields(credential: &Credential) -> Result<Fields<'static>, StoreError> {
    let mut fields: Fields<'static> = vec![
        ("k", credential.kind.tag().into()),
        ("i", time(credential.issued_at)),
        ("e", time(credential.expires_at)),
    ];
    match credential.binding {
        Binding::Bearer => {}
        Binding::Dpop(thumbprint) => fields.push(("j", thumbprint.to_string().into())),
        // Better refused than stored as a bearer's.
        _ => return Err(StoreError::unavailable("this store does not know the credential's binding")),
    }
    if let Some(code) = &credential.code {
        fields.push(("b", json(code)?.into()));
    }
    Ok(fields)
}

const KINDS: [CredentialKind; 4] = [
    CredentialKind::AuthorizationCode,
    CredentialKind::RefreshToken,
    CredentialKind::AccessToken,
    CredentialKind::DeviceCode,
];

/// A credential and its grant, if both hashes are there.
pub(super) fn read_found(key: CredentialKey, grant: &Hash, hash: &Hash) -> Result<Option<Found>, StoreError> {
    let Some(grant) = read_grant(key.grant, grant)?.filter(|_| !hash.is_empty()) else { return Ok(None) };
    let tag = needed(hash, "k", "credential kind")?;
    let jkt = |text: &String| {
        let read = serde_json::from_value(serde_json::Value::String(text.clone()));
        read.map(|thumbprint: Thumbprint| Binding::Dpop(thumbprint))
            .map_err(|_| StoreError::corrupt("binding"))
    };
    let code = |text: &String| {
        serde_json::from_str::<Box<CodeBinding>>(text).map_err(|_| StoreError::corrupt("code"))
    };
    let credential = Credential {
        key,
        kind: KINDS
            .into_iter()
            .find(|kind| kind.tag() == tag)
            .ok_or_else(|| StoreError::corrupt("credential kind"))?,
        binding: hash.get("j").map(jkt).transpose()?.unwrap_or_default(),
        scopes: match hash.get("sc") {
            Some(own) => parsed(own, "scopes")?,
            None => grant.scopes.clone(),
        },
        resources: match hash.get("re") {
            Some(own) => parsed(own, "resources")?,
            None => grant.resources.clone(),
        },
        issued_at: read_time(needed(hash, "i", "credential")?)?,
        expires_at: read_time(needed(hash, "e", "credential")?)?,
        code: hash.get("b").map(code).transpose()?,
    };
    let spent = hash.get("s").map(|text| read_time(text)).transpose()?.map(|at| Spent { at });
    Ok(Some(Found::new(grant, credential, spent)))
}

/// A reply as it is kept: the request's hash, the successor's as text or as many dots, what is sealed.
pub(super) fn kept_reply(reply: &SealedReply, successor: Option<&CredentialKey>) -> Vec<u8> {
    let mut kept = Vec::with_capacity(32 + HASH + reply.sealed().len());
    kept.extend_from_slice(reply.request().as_bytes());
    match successor {
        Some(key) => kept.extend_from_slice(names::text(&key.hash).as_bytes()),
        None => kept.extend_from_slice(&[b'.'; HASH]),
    }
    kept.extend_from_slice(reply.sealed());
    kept
}

pub(super) fn read_reply(kept: &[u8]) -> Result<SealedReply, StoreError> {
    let corrupt = || StoreError::corrupt("reply");
    let (request, rest) = kept.split_first_chunk::<32>().ok_or_else(corrupt)?;
    let sealed = rest.get(HASH..).ok_or_else(corrupt)?;
    Ok(SealedReply::from_parts(TokenHash::from_bytes(*request), sealed))
}
