//! What is promised of users and their identities.

use super::scene::{Answered as _, NOW, RACERS, ROUNDS, assert_conflict, race, subject};
use crate::store::{Account, AccountStore, Identity, StoreError, Stores};

fn account() -> Account {
    Account { subject: subject(), name: Some("Åsa".into()), created_at: NOW, disabled: false }
}

fn identity() -> Identity {
    Identity {
        provider: "github".parse().expect("the kit's own text is a provider"),
        id: subject().to_string(),
    }
}

async fn opened(store: &dyn AccountStore) -> (Account, Identity) {
    let (account, identity) = (account(), identity());
    store.open(&account, &identity).await.answered();
    (account, identity)
}

async fn owner(store: &dyn AccountStore, identity: &Identity) -> Option<Account> {
    store.find_by_identity(identity).await.answered()
}

pub(crate) async fn an_account_is_found_by_subject_and_by_identity(stores: Stores) {
    let store = &*stores.accounts;
    let (first, identity) = opened(store).await;
    let nameless = Account { name: None, disabled: true, ..account() };
    let other = self::identity();
    store.open(&nameless, &other).await.answered();
    for (account, identity) in [(&first, &identity), (&nameless, &other)] {
        let found = store.find(&account.subject).await.answered();
        assert_eq!(found.as_ref(), Some(account), "find: an account is found by its subject, whole");
        let found = owner(store, identity).await;
        assert_eq!(
            found.as_ref(),
            Some(account),
            "find_by_identity: an account is found by its identity, whole"
        );
    }
    assert_eq!(store.find(&subject()).await.answered(), None, "find: an unknown subject has no account");
}

pub(crate) async fn an_identity_is_provider_and_identifier_to_the_letter(stores: Stores) {
    // UP-7
    let store = &*stores.accounts;
    let (_, identity) = opened(store).await;
    for other in [
        Identity { id: identity.id.to_uppercase(), ..identity.clone() },
        Identity { id: format!("{} ", identity.id), ..identity.clone() },
        Identity {
            provider: "google".parse().expect("the kit's own text is a provider"),
            ..identity.clone()
        },
    ] {
        assert_eq!(
            owner(store, &other).await,
            None,
            "find_by_identity: a similar identity is another's: {other:?}"
        );
    }
}

pub(crate) async fn a_taken_subject_or_identity_opens_no_account(stores: Stores) {
    let store = &*stores.accounts;
    let (first, taken) = opened(store).await;
    let (other, fresh) = (Account { name: None, ..first.clone() }, identity());
    assert_conflict(store.open(&other, &fresh).await, "open: a taken subject");
    assert_eq!(owner(store, &fresh).await, None, "open: with a taken subject no identity is written");
    let newcomer = account();
    assert_conflict(store.open(&newcomer, &taken).await, "open: a taken identity");
    assert_eq!(
        store.find(&newcomer.subject).await.answered(),
        None,
        "open: with a taken identity no account is written"
    );
    assert_eq!(owner(store, &taken).await, Some(first), "open: nothing is overwritten");
}

pub(crate) async fn a_linked_identity_leads_to_the_account(stores: Stores) {
    let store = &*stores.accounts;
    let (account, first) = opened(store).await;
    let second = identity();
    store.link(&account.subject, &second).await.answered();
    for identity in [first, second] {
        assert_eq!(
            owner(store, &identity).await.as_ref(),
            Some(&account),
            "link: each identity leads to the account"
        );
    }
}

pub(crate) async fn a_taken_identity_is_not_linked(stores: Stores) {
    let store = &*stores.accounts;
    let (alice, hers) = opened(store).await;
    let (bob, his) = opened(store).await;
    assert_conflict(store.link(&bob.subject, &hers).await, "link: an identity of somebody else");
    assert_conflict(store.link(&bob.subject, &his).await, "link: an identity that is linked already");
    assert_eq!(owner(store, &hers).await, Some(alice), "link: no identity changes hands");
    assert_eq!(owner(store, &his).await, Some(bob), "link: no identity changes hands");
}

pub(crate) async fn updating_an_account_says_whether_there_is_one(stores: Stores) {
    let store = &*stores.accounts;
    let (account, identity) = opened(store).await;
    let (other, _) = opened(store).await;
    let disabled = Account { name: None, disabled: true, ..account.clone() };
    assert!(store.update(&disabled).await.answered(), "update: there is one");
    assert_eq!(owner(store, &identity).await, Some(disabled), "update: the record is replaced");
    assert_eq!(store.find(&other.subject).await.answered(), Some(other), "update: no other record is");
    let unknown = self::account();
    assert!(!store.update(&unknown).await.answered(), "update: there is none");
    assert_eq!(store.find(&unknown.subject).await.answered(), None, "update: opens no account");
}

pub(crate) async fn the_last_verifier_that_was_set_counts(stores: Stores) {
    let store = &*stores.accounts;
    let (one, two) = (identity(), identity());
    assert_eq!(store.verifier(&one).await.answered(), None, "verifier: at first there is none");
    for value in ["$argon2id$1", "$argon2id$2"] {
        store.set_verifier(&one, value).await.answered();
        let kept = store.verifier(&one).await.answered();
        assert_eq!(kept.as_deref(), Some(value), "set_verifier: the last writer wins");
    }
    assert_eq!(store.verifier(&two).await.answered(), None, "set_verifier: for that identity alone");
}

pub(crate) async fn a_first_verifier_replaces_none(stores: Stores) {
    let store = &*stores.accounts;
    let identity = identity();
    let first = store.first_verifier(&identity, "first").await.answered();
    assert_eq!(first, "first", "first_verifier: where there is none it is set");
    let second = store.first_verifier(&identity, "second").await.answered();
    assert_eq!(second, "first", "first_verifier: what is there is returned");
    let kept = store.verifier(&identity).await.answered();
    assert_eq!(kept.as_deref(), Some("first"), "first_verifier: what is there stays");
}

pub(crate) async fn of_many_first_sign_ins_at_once_one_opens_the_account(stores: Stores) {
    let store = stores.accounts;
    for _ in 0..ROUNDS {
        let identity = identity();
        let opening = |_| {
            let (store, account, identity) = (store.clone(), account(), identity.clone());
            async move { (store.open(&account, &identity).await, account) }
        };
        let mut opened = Vec::new();
        for (result, account) in race((0..RACERS).map(opening).collect()).await {
            match result {
                Ok(()) => opened.push(account),
                Err(StoreError::Conflict) => {
                    let lost = store.find(&account.subject).await.answered();
                    assert_eq!(lost, None, "open: who came late wrote nothing");
                }
                Err(other) => panic!("open: of many at once the others are a `Conflict`, not {other:?}"),
            }
        }
        let found = owner(&*store, &identity).await;
        assert_eq!(
            opened,
            Vec::from_iter(found),
            "open: of many first sign-ins at once exactly one opens the account"
        );
    }
}

pub(crate) async fn of_many_first_verifiers_at_once_all_get_one(stores: Stores) {
    let store = stores.accounts;
    for _ in 0..ROUNDS {
        let identity = identity();
        let setting = |at: usize| {
            let (store, identity) = (store.clone(), identity.clone());
            async move { store.first_verifier(&identity, &at.to_string()).await.answered() }
        };
        let returned = race((0..RACERS).map(setting).collect()).await;
        let kept = store.verifier(&identity).await.answered();
        assert!(
            returned.iter().all(|value| Some(value) == kept.as_ref()),
            "first_verifier: of many at once all go on with one"
        );
    }
}
