//! What a metadata document was when users agreed to its client, and what follows when it is another now (CIMD-12).
//!
//! 1. The state that counts is in the store, as a client's record under the document's URL, from the first grant on: all servers over the
//!    store see a change, none forgets it at a restart, and nobody who has not agreed to anything writes there.
//! 2. A document is compared with it once it was fetched, whole and valid, and before anybody is given it. What cannot be fetched or
//!    read is not a change.
//! 3. What a change ends is revoked, then the state replaced, then revoked once more. If the first fails, the next fetch sees the change again;
//!    the second reaches what was opened in between.
//! 4. A grant is opened first and then looked at: if the state is another by now, whoever opened it held an older document, and takes
//!    the grant back. With 3, no grant to a former state is left, whichever server is faster.

use std::collections::BTreeSet;
use std::time::Duration;

use oauth_core::{
    AuthMethod, Client, ClientFilter, Event, EventKind, RedirectKind, Revocation, StoreError, Timestamp,
};
use serde_json::Value;
use url::Url;

use crate::config::{DocumentChange, DocumentPolicy};
use crate::server::Context;

/// How often the state is read again because somebody else was faster.
const ATTEMPTS: usize = 4;

/// How much later a record must end for its renewal to be worth a write.
const WORTH_A_WRITE: Duration = Duration::from_secs(86_400);

/// What is known of a client by document, now that it was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The document is the one that counts.
    Current,
    /// Another one counts by now.
    Outdated,
    /// It is not known yet, and there are as many clients as the operator wants.
    NoRoom,
}

/// Takes a document that was just fetched for the one that counts, and ends what its change ends.
pub(super) async fn settle(
    context: &Context,
    policy: &DocumentPolicy,
    client: &Client,
    now: Timestamp,
) -> Result<Standing, StoreError> {
    let clients = &context.stores.clients;
    for _ in 0..ATTEMPTS {
        let Some(stored) = clients.find(&client.id).await? else {
            return Ok(if has_room(context, policy, now).await? {
                Standing::Current
            } else {
                Standing::NoRoom
            });
        };
        let (before, after) = (State::of(&stored.client), State::of(client));
        if before == after {
            return Ok(Standing::Current);
        }
        let ends = match policy.change {
            DocumentChange::Keep => false,
            DocumentChange::RevokeIfMoved => before.may_have_changed_hands(&after),
            DocumentChange::Revoke => true,
        };
        let mut revoked = 0;
        let everything = Revocation::Client(&client.id);
        if ends {
            revoked += context.stores.grants.revoke(everything, now).await?;
        }
        match clients.update(&record(client, stored.client.expires_at), stored.version).await {
            Ok(_) => {}
            Err(StoreError::Conflict) => continue,
            Err(error) => return Err(error),
        }
        if ends {
            revoked += context.stores.grants.revoke(everything, now).await?;
        }
        tracing::info!(client_id = %client.id, revoked, "a client's metadata document has changed");
        if revoked > 0 {
            context.record(&Event {
                client_id: Some(&client.id),
                reason: Some("document_changed"),
                ..Event::new(EventKind::GrantRevoked, now)
            });
        }
        return Ok(Standing::Current);
    }
    Err(StoreError::unavailable("a client's state changes faster than it can be read"))
}

/// Looks whether the document by which a grant was just opened is the one that counts; the first grant makes it so.
pub(super) async fn confirm(
    context: &Context,
    policy: &DocumentPolicy,
    client: &Client,
    now: Timestamp,
) -> Result<Standing, StoreError> {
    let clients = &context.stores.clients;
    // The record lives as long as any grant of the client, also one for which its renewal was not worth a write, so that no change
    // goes unseen.
    let until = now + context.policy.grant + WORTH_A_WRITE;
    for _ in 0..ATTEMPTS {
        let Some(stored) = clients.find(&client.id).await? else {
            if !has_room(context, policy, now).await? {
                return Ok(Standing::NoRoom);
            }
            match clients.register(&record(client, Some(until)), now).await {
                Ok(_) => return Ok(Standing::Current),
                Err(StoreError::Conflict) => continue,
                Err(error) => return Err(error),
            }
        };
        if State::of(&stored.client) != State::of(client) {
            return Ok(Standing::Outdated);
        }
        if stored.client.expires_at.is_some_and(|end| until.since(end) >= WORTH_A_WRITE)
            && !clients.renew(&client.id, until).await?
        {
            continue;
        }
        return Ok(Standing::Current);
    }
    Err(StoreError::unavailable("a client's state changes faster than it can be read"))
}

/// Whether there may be another client by document.
async fn has_room(context: &Context, policy: &DocumentPolicy, now: Timestamp) -> Result<bool, StoreError> {
    let Some(most) = policy.most else { return Ok(true) };
    let clients = &context.stores.clients;
    if clients.count(ClientFilter::Documents).await? < most {
        return Ok(true);
    }
    Ok(context.clients.room().make(&**clients, now).await?
        && clients.count(ClientFilter::Documents).await? < most)
}

/// What is kept of a document. It counts as used: the table of registrations that wait for their first use is another's.
fn record(client: &Client, expires_at: Option<Timestamp>) -> Client {
    let mut record = client.clone();
    (record.expires_at, record.used) = (expires_at, true);
    record
}

/// What of a document matters to those who agreed to it, in no order.
#[derive(Debug, PartialEq, Eq)]
struct State<'c> {
    name: Option<&'c str>,
    redirects: BTreeSet<&'c str>,
    method: AuthMethod,
    keys: BTreeSet<String>,
    keys_at: Option<&'c str>,
}

impl<'c> State<'c> {
    fn of(client: &'c Client) -> Self {
        let extra = |name: &str| client.extra.as_ref().and_then(|extra| extra.get(name));
        let keys = extra("jwks").and_then(|jwks| jwks.get("keys")).and_then(Value::as_array);
        Self {
            name: client.name.as_deref(),
            redirects: client.redirect_uris.iter().map(|uri| uri.as_str()).collect(),
            method: client.auth.method(),
            keys: keys.into_iter().flatten().map(key).collect(),
            keys_at: extra("jwks_uri").and_then(Value::as_str),
        }
    }

    /// Whether somebody else may stand behind the document now. Redirects that go, another name and a key that is exchanged while others
    /// stay are what an owner does.
    fn may_have_changed_hands(&self, after: &Self) -> bool {
        let before: BTreeSet<_> = self.redirects.iter().filter_map(|uri| place(uri)).collect();
        let leads_elsewhere =
            after.redirects.iter().filter_map(|uri| place(uri)).any(|place| !before.contains(&place));
        let had_keys = !self.keys.is_empty() || self.keys_at.is_some();
        let keeps_keys = !self.keys.is_disjoint(&after.keys)
            || match (self.keys_at, after.keys_at) {
                (Some(before), Some(after)) => origin(before) == origin(after),
                _ => false,
            };
        leads_elsewhere || (had_keys && !keeps_keys)
    }
}

/// Where a redirect leads: to a host, or to an app by its scheme. The user's own machine is the same place whoever asks.
fn place(uri: &str) -> Option<String> {
    let kind = uri.parse::<oauth_core::RedirectUri>().map(|uri| uri.kind());
    match kind {
        Ok(RedirectKind::Loopback) => None,
        Ok(RedirectKind::Https) => Some(origin(uri).unwrap_or_else(|| uri.to_owned())),
        _ => Some(uri.split(':').next().unwrap_or_default().to_owned()),
    }
}

fn origin(uri: &str) -> Option<String> {
    Url::parse(uri).ok().map(|url| url.origin().ascii_serialization())
}

/// What makes a public key the same key (RFC 7638 §3.2), whatever else is said about it.
fn key(key: &Value) -> String {
    let members = ["crv", "e", "kty", "n", "x", "y"];
    members.map(|name| key.get(name).and_then(Value::as_str).unwrap_or_default()).join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn client(redirects: &[&str], extra: &Value) -> Client {
        let redirects: Vec<_> = redirects.iter().map(|uri| uri.parse().unwrap()).collect();
        let mut client = Client::public("https://app.example/c".parse().unwrap(), redirects);
        client.extra = extra.as_object().cloned().map(Box::new);
        client
    }

    #[test]
    fn what_an_owner_does_is_told_from_what_a_thief_would_do() {
        // CIMD-12, A-CIMDX-17
        let key = |x: &str| json!({"kty": "EC", "crv": "P-256", "x": x, "y": "y"});
        let keys = |keys: &[Value]| json!({"jwks": {"keys": keys}});
        let at = |url: &str| json!({"jwks_uri": url});
        let (app, none) = ("https://app.example/cb", json!({}));
        for (before, after, moved) in [
            ((&[app][..], none.clone()), (&[app, "https://app.example/cb2"][..], none.clone()), false),
            ((&[app, "https://b.example/cb"], none.clone()), (&[app], none.clone()), false),
            ((&[app], none.clone()), (&[app, "http://localhost/cb"], none.clone()), false),
            ((&["http://localhost/cb"], none.clone()), (&["http://127.0.0.1/x"], none.clone()), false),
            ((&[app], none.clone()), (&[app, "https://evil.example/cb"], none.clone()), true),
            ((&[app], none.clone()), (&[app, "https://app.example:8443/cb"], none.clone()), true),
            ((&[app], none.clone()), (&[app, "https://app.example.evil.example/cb"], none.clone()), true),
            ((&[app], none.clone()), (&[app, "com.evil.app:/cb"], none.clone()), true),
            ((&["http://localhost/cb"], none.clone()), (&[app], none.clone()), true),
            ((&[app], none.clone()), (&[app], keys(&[key("1")])), false),
            ((&[app], keys(&[key("1")])), (&[app], keys(&[key("2"), key("1")])), false),
            ((&[app], keys(&[key("1"), key("2")])), (&[app], keys(&[key("2")])), false),
            ((&[app], keys(&[key("1")])), (&[app], keys(&[key("2")])), true),
            ((&[app], keys(&[key("1")])), (&[app], none.clone()), true),
            ((&[app], keys(&[key("1")])), (&[app], at("https://app.example/keys")), true),
            ((&[app], at("https://app.example/keys")), (&[app], at("https://app.example/keys2")), false),
            ((&[app], at("https://app.example/keys")), (&[app], at("https://evil.example/keys")), true),
        ] {
            let (before, after) = (client(before.0, &before.1), client(after.0, &after.1));
            let (before, after) = (State::of(&before), State::of(&after));
            assert_ne!(before, after);
            assert_eq!(before.may_have_changed_hands(&after), moved, "{before:?} {after:?}");
        }
    }

    #[test]
    fn order_and_what_is_said_beside_a_key_are_no_change() {
        // CIMD-12
        let one = client(
            &["https://app.example/cb", "https://app.example/cb2"],
            &json!({"jwks": {"keys": [{"kty": "EC", "x": "1", "kid": "a"}, {"kty": "EC", "x": "2"}]}}),
        );
        let other = client(
            &["https://app.example/cb2", "https://app.example/cb"],
            &json!({"jwks": {"keys": [{"x": "2", "kty": "EC"}, {"kty": "EC", "x": "1", "kid": "b", "use": "sig"}]},
                "client_uri": "https://app.example"}),
        );
        assert_eq!(State::of(&one), State::of(&other));
    }
}
