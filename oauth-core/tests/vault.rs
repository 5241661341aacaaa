//! Upstream tokens in a vault: sealed with a key that is known by its id, for one subject at one provider (UP-10, KEY-7).
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use oauth_core::{
    MemoryStore, SealedVault, Secret, StoreError, Vault, VaultFault, VaultKey, VaultKeyring,
    VaultKeyringError, async_trait,
};

const OLD: [u8; 32] = [3; 32];
const NEW: [u8; 32] = [7; 32];

fn place(subject: &str, provider: &str) -> VaultKey {
    VaultKey { subject: subject.parse().unwrap(), provider: provider.parse().unwrap() }
}

fn vault(store: &MemoryStore, keys: &[(&str, [u8; 32])]) -> SealedVault {
    let ((id, key), earlier) = keys.split_first().unwrap();
    let first = VaultKeyring::new(id, key).unwrap();
    let keys = earlier.iter().fold(first, |keys, (id, key)| keys.with_earlier(id, key).unwrap());
    SealedVault::new(Arc::new(store.clone()), keys)
}

#[tokio::test]
async fn what_is_put_is_had_again_and_no_store_can_read_it() {
    let store = MemoryStore::default();
    let (vault, place) = (vault(&store, &[("new", NEW)]), place("alice", "github"));
    assert!(vault.get(&place).await.unwrap().is_none());
    for plain in [&b"gho_upstream"[..], b""] {
        vault.put(&place, plain).await.unwrap();
        assert_eq!(vault.get(&place).await.unwrap().unwrap().as_slice(), plain);
    }
    vault.put(&place, b"gho_upstream").await.unwrap();
    let sealed = store.get(&place).await.unwrap().unwrap();
    assert!(!sealed.windows(4).any(|bytes| bytes == b"gho_"));
    vault.put(&place, b"gho_upstream").await.unwrap();
    assert_ne!(store.get(&place).await.unwrap().unwrap(), sealed, "a nonce is used once");
    assert!(vault.forget(&place).await.unwrap() && !vault.forget(&place).await.unwrap());
}

#[tokio::test]
async fn a_row_that_was_moved_does_not_open() {
    let store = MemoryStore::default();
    let (vault, from) = (vault(&store, &[("new", NEW)]), place("alice", "github"));
    vault.put(&from, b"gho_upstream").await.unwrap();
    let sealed = store.get(&from).await.unwrap().unwrap();
    // The last one would be the same, were subject and provider written after each other without a mark between them.
    for to in [place("bob", "github"), place("alice", "google"), place("aliceg", "ithub")] {
        store.put(&to, &sealed).await.unwrap();
        assert!(matches!(vault.get(&to).await, Err(VaultFault::Damaged)), "{to:?}");
    }
}

#[tokio::test]
async fn another_key_of_the_same_id_opens_nothing_and_an_unknown_id_is_named() {
    let store = MemoryStore::default();
    let place = place("alice", "github");
    vault(&store, &[("new", NEW)]).put(&place, b"gho_upstream").await.unwrap();
    let wrong = vault(&store, &[("new", OLD)]);
    assert!(matches!(wrong.get(&place).await, Err(VaultFault::Damaged)));
    let error = vault(&store, &[("other", NEW)]).get(&place).await.unwrap_err();
    assert!(matches!(&error, VaultFault::UnknownKey { id } if &**id == "new"), "{error}");
    assert!(vault(&store, &[("new", NEW)]).get(&place).await.unwrap().is_some(), "nothing was harmed");
}

#[tokio::test]
async fn every_changed_byte_and_every_cut_is_noticed() {
    let store = MemoryStore::default();
    let (vault, place) = (vault(&store, &[("new", NEW), ("nex", NEW)]), place("alice", "github"));
    vault.put(&place, b"gho_upstream").await.unwrap();
    let sealed = store.get(&place).await.unwrap().unwrap();
    for at in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        store.put(&place, &changed).await.unwrap();
        assert!(vault.get(&place).await.is_err(), "byte {at}");
        store.put(&place, &sealed[..at]).await.unwrap();
        assert!(vault.get(&place).await.is_err(), "cut at {at}");
    }
    // The mark of another key, though its bytes be the same: `w` for `x`.
    let mut marked = sealed.clone();
    marked[4] = b'x';
    store.put(&place, &marked).await.unwrap();
    assert!(matches!(vault.get(&place).await, Err(VaultFault::Damaged)));
}

#[tokio::test]
async fn keys_are_rotated_without_losing_anything() {
    let store = MemoryStore::default();
    let (read, passed) = (place("alice", "github"), place("bob", "github"));
    let old = vault(&store, &[("old", OLD)]);
    for place in [&read, &passed] {
        old.put(place, b"gho_upstream").await.unwrap();
    }
    let both = vault(&store, &[("new", NEW), ("old", OLD)]);
    assert_eq!(both.get(&read).await.unwrap().unwrap().as_slice(), b"gho_upstream");
    assert!(both.seal_anew(&passed).await.unwrap());
    for place in [&read, &passed] {
        assert!(!both.seal_anew(place).await.unwrap(), "it was sealed anew");
    }
    let new = vault(&store, &[("new", NEW)]);
    for place in [&read, &passed] {
        assert_eq!(new.get(place).await.unwrap().unwrap().as_slice(), b"gho_upstream");
        assert!(matches!(old.get(place).await, Err(VaultFault::UnknownKey { .. })));
    }
}

#[tokio::test]
async fn of_two_that_renew_one_token_one_has_the_say() {
    let store = MemoryStore::default();
    let (vault, place) = (vault(&store, &[("new", NEW)]), place("alice", "github"));
    vault.put(&place, b"read").await.unwrap();
    assert!(vault.replace(&place, b"read", b"renewed").await.unwrap());
    assert!(!vault.replace(&place, b"read", b"renewed elsewhere").await.unwrap());
    assert_eq!(vault.get(&place).await.unwrap().unwrap().as_slice(), b"renewed");
}

#[test]
fn keys_are_read_from_configuration_and_never_shown() {
    const KEY: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc";
    let parse = |text: &str| VaultKeyring::parse(&Secret::new(text.to_owned()));
    let keys = parse(&format!("new:{KEY}, old:{KEY}\n")).unwrap();
    assert_eq!(format!("{keys:?}"), r#"VaultKeyring(["new", "old"])"#);
    for (text, wanted) in [
        (String::new(), VaultKeyringError::NoId),
        (KEY.to_owned(), VaultKeyringError::NoId),
        (format!(":{KEY}"), VaultKeyringError::BadId { id: "".into() }),
        (format!("new:{}", &KEY[1..]), VaultKeyringError::BadKey { id: "new".into() }),
        (format!("new:{KEY}A"), VaultKeyringError::BadKey { id: "new".into() }),
        (format!("new:{KEY},new:{KEY}"), VaultKeyringError::Twice { id: "new".into() }),
    ] {
        let error = parse(&text).unwrap_err();
        assert_eq!(error, wanted);
        assert!(!error.to_string().contains("BwcH"));
    }
}

/// Another server that seals the same anew, with a newer key, just before each of the first writes.
struct SealsAnew {
    store: MemoryStore,
    times: AtomicUsize,
}

#[async_trait]
impl Vault for SealsAnew {
    async fn put(&self, key: &VaultKey, sealed: &[u8]) -> Result<(), StoreError> {
        self.store.put(key, sealed).await
    }
    async fn get(&self, key: &VaultKey) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.get(key).await
    }
    async fn replace(&self, key: &VaultKey, read: &[u8], sealed: &[u8]) -> Result<bool, StoreError> {
        if self.times.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
            let other = vault(&self.store, &[("new", NEW), ("old", OLD)]);
            let plain = other.get(key).await.unwrap().unwrap();
            other.put(key, &plain).await?;
        }
        self.store.replace(key, read, sealed).await
    }
    async fn forget(&self, key: &VaultKey) -> Result<bool, StoreError> {
        self.store.forget(key).await
    }
}

#[tokio::test]
async fn what_is_only_sealed_anew_has_not_changed() {
    let store = MemoryStore::default();
    let place = place("alice", "github");
    vault(&store, &[("old", OLD)]).put(&place, b"spent").await.unwrap();
    let keys = || VaultKeyring::new("old", &OLD).unwrap().with_earlier("new", &NEW).unwrap();
    let racing = |times| {
        let store = SealsAnew { store: store.clone(), times: AtomicUsize::new(times) };
        SealedVault::new(Arc::new(store), keys())
    };
    assert!(racing(3).replace(&place, b"spent", b"bought").await.unwrap());
    assert_eq!(racing(0).get(&place).await.unwrap().unwrap().as_slice(), b"bought");
    assert!(!racing(3).replace(&place, b"spent", b"late").await.unwrap());
    // Without end it is an outage, and no answer.
    assert!(racing(1000).replace(&place, b"bought", b"never").await.is_err());
}
