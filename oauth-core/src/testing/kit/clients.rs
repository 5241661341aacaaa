//! What is promised of clients.

use std::sync::Arc;

use serde_json::json;

use super::scene::{
    Answered as _, DAY, HOUR, MINUTE, NOW, RACERS, ROUNDS, SECOND, assert_conflict, client_id, hash, race,
};
use crate::client::{ApplicationType, Client, ClientAuth, ClientOrigin, ClientSecret};
use crate::id::ClientId;
use crate::redirect::RedirectUri;
use crate::store::{ClientFilter, ClientStore, PageRequest, Registered, StoreError, StoredClient, Stores};
use crate::time::Timestamp;

/// A client that registered itself a moment ago, for a day.
fn client() -> Client {
    let redirect: RedirectUri =
        "https://app.example/cb".parse().expect("the kit's own text is a redirect uri");
    let mut client = Client::public(client_id(), [redirect]);
    client.origin = ClientOrigin::Registered;
    client.issued_at = NOW;
    client.expires_at = Some(NOW + DAY);
    client
}

async fn register(store: &dyn ClientStore, client: &Client) {
    let registered = store.register(client, NOW).await.answered();
    assert_eq!(registered, Registered::New, "register: a client that is not there yet is new");
}

async fn find(store: &dyn ClientStore, id: &ClientId) -> StoredClient {
    match store.find(id).await.answered() {
        Some(stored) => stored,
        None => panic!("find: a client that was registered, and not removed, is found"),
    }
}

pub(crate) async fn clients_are_kept_whole(stores: Stores) {
    let store = &*stores.clients;
    let mut full = client();
    full.name = Some("Ärger & <Söhne> 🦀".into());
    full.redirect_uris.extend("http://127.0.0.1/cb".parse::<RedirectUri>());
    full.auth = ClientAuth::SecretPost(vec![
        ClientSecret { hash: hash(), expires_at: Some(NOW + HOUR) },
        ClientSecret { hash: hash(), expires_at: None },
    ]);
    full.scope_ceiling = "notes:read notes:write".parse().ok();
    full.application_type = Some(ApplicationType::Native);
    full.fingerprint = Some(hash());
    full.extra =
        json!({"scope": "a b", "client_uri": "https://app.example", "contacts": ["x@app.example"], "n": 7})
            .as_object()
            .cloned()
            .map(Box::new);
    let mut plain = client();
    (plain.expires_at, plain.used) = (None, true);
    for client in [full, plain] {
        register(store, &client).await;
        assert_eq!(find(store, &client.id).await.client, client, "register: a client is kept whole");
    }
    assert_eq!(store.find(&client_id()).await.answered(), None, "find: an unknown client is none");
}

pub(crate) async fn a_taken_client_id_is_a_conflict(stores: Stores) {
    let store = &*stores.clients;
    let first = client();
    register(store, &first).await;
    let mut second = client();
    (second.id, second.name) = (first.id.clone(), Some("Mallory".into()));
    assert_conflict(store.register(&second, NOW).await, "register: a taken id");
    assert_eq!(find(store, &first.id).await.client, first, "register: nothing is overwritten");
    assert_eq!(
        store.count(ClientFilter::All).await.answered(),
        1,
        "register: at a conflict nothing is written"
    );
}

/// Two clients with one fingerprint.
fn twins() -> (Client, Client) {
    let (mut one, mut two) = (client(), client());
    one.fingerprint = Some(hash());
    two.fingerprint = one.fingerprint;
    (one, two)
}

pub(crate) async fn the_same_client_again_is_the_one_that_is_there(stores: Stores) {
    // DCR-11
    let store = &*stores.clients;
    let (one, two) = twins();
    register(store, &one).await;
    let again = store.register(&two, NOW + HOUR).await.answered();
    let existing = Registered::Existing(Box::new(one.clone()));
    assert_eq!(again, existing, "register: a live client with the same fingerprint is returned");
    assert_eq!(store.find(&two.id).await.answered(), None, "register: of a twin nothing is written");
    assert_eq!(store.count(ClientFilter::All).await.answered(), 1, "register: of a twin nothing is written");
}

pub(crate) async fn an_expired_or_removed_client_has_no_twin(stores: Stores) {
    let store = &*stores.clients;
    let (one, two) = twins();
    register(store, &one).await;
    let late = NOW + DAY;
    let renewed = Client { expires_at: Some(late + DAY), ..two.clone() };
    let registered = store.register(&renewed, late).await.answered();
    assert_eq!(registered, Registered::New, "register: a client that expired is not handed out again");
    assert_eq!(find(store, &one.id).await.client, one, "register: a client that expired is not overwritten");
    assert_eq!(
        find(store, &two.id).await.client,
        renewed,
        "register: a new client is stored beside an expired one"
    );
    // The newer of the two is the one that is found from now on, after the older is gone, too.
    let _ = store.purge(late + SECOND).await.answered();
    let (mut third, existing) = (client(), Registered::Existing(Box::new(renewed.clone())));
    third.fingerprint = one.fingerprint;
    assert_eq!(store.register(&third, late).await.answered(), existing, "register: a live twin is returned");
    let _ = store.remove(&two.id).await.answered();
    let registered = store.register(&third, late).await.answered();
    assert_eq!(registered, Registered::New, "register: a client that was removed is not handed out again");
}

pub(crate) async fn clients_without_a_fingerprint_have_no_twin(stores: Stores) {
    let store = &*stores.clients;
    let (mut other, fingerprinted) = twins();
    other.fingerprint = Some(hash());
    for client in [client(), client(), other, fingerprinted] {
        register(store, &client).await;
    }
    assert_eq!(store.count(ClientFilter::All).await.answered(), 4, "register: each is stored");
}

pub(crate) async fn expired_clients_are_found(stores: Stores) {
    let store = &*stores.clients;
    let mut client = client();
    client.expires_at = Some(NOW.before(DAY));
    register(store, &client).await;
    assert!(!find(store, &client.id).await.client.is_live(NOW), "find: an expired client is found");
}

pub(crate) async fn an_update_needs_the_version_that_was_read(stores: Stores) {
    let store = &*stores.clients;
    let mut client = client();
    register(store, &client).await;
    let read = find(store, &client.id).await.version;
    client.name = Some("New".into());
    client.redirect_uris.clear();
    let newer = store.update(&client, read).await.answered();
    assert_eq!(
        find(store, &client.id).await,
        StoredClient::new(client.clone(), newer),
        "update: the record is replaced"
    );
    let stale = Client { name: Some("Stale".into()), ..client.clone() };
    assert_conflict(store.update(&stale, read).await, "update: a version that is not the newest");
    assert_eq!(find(store, &client.id).await.client, client, "update: at a conflict nothing changes");
    let _ = store.update(&stale, newer).await.answered();
    let _ = store.remove(&client.id).await.answered();
    assert_conflict(store.update(&client, newer).await, "update: a client that is gone");
    assert_eq!(store.find(&client.id).await.answered(), None, "update: a client that is gone stays gone");
}

pub(crate) async fn an_update_undoes_no_renewal(stores: Stores) {
    let store = &*stores.clients;
    let client = client();
    register(store, &client).await;
    let read = find(store, &client.id).await;
    assert!(
        store.renew(&client.id, NOW + 9 * DAY).await.answered(),
        "renew: says that there is such a client"
    );
    let changed = Client { name: Some("New".into()), ..read.client };
    let newer = store.update(&changed, read.version).await.answered();
    let expected = Client { expires_at: Some(NOW + 9 * DAY), used: true, ..changed.clone() };
    assert_eq!(
        find(store, &client.id).await,
        StoredClient::new(expected, newer),
        "update: the mark and the end of a renewal since the record was read stay"
    );
    let mut version = newer;
    for (end, kept) in [(Some(12), Some(12)), (None, None), (Some(5), Some(5)), (Some(4), Some(5))] {
        let [end, kept] = [end, kept].map(|days| days.map(|days: u32| NOW + days * DAY));
        let changed = Client { expires_at: end, ..changed.clone() };
        version = store.update(&changed, version).await.answered();
        assert_eq!(
            find(store, &client.id).await.client.expires_at,
            kept,
            "update: of two ends the later one counts"
        );
    }
}

pub(crate) async fn renewing_never_moves_the_end_back(stores: Stores) {
    let store = &*stores.clients;
    let client = client();
    register(store, &client).await;
    let version = find(store, &client.id).await.version;
    for (until, end) in [(2 * DAY, 2 * DAY), (DAY, 2 * DAY), (3 * DAY, 3 * DAY)] {
        assert!(
            store.renew(&client.id, NOW + until).await.answered(),
            "renew: says that there is such a client"
        );
        let expected = Client { expires_at: Some(NOW + end), used: true, ..client.clone() };
        let renewed = find(store, &client.id).await;
        assert_eq!(
            renewed.client, expected,
            "renew: the end moves forward alone, and the client is marked as used"
        );
        assert_eq!(renewed.version, version, "renew: does not change the version");
    }
    assert!(
        !store.renew(&client_id(), NOW + DAY).await.answered(),
        "renew: says that there is no such client"
    );
}

pub(crate) async fn renewing_gives_no_end_to_what_has_none(stores: Stores) {
    let store = &*stores.clients;
    let client = Client { expires_at: None, ..client() };
    register(store, &client).await;
    assert!(store.renew(&client.id, NOW + DAY).await.answered(), "renew: says that there is such a client");
    let used = Client { used: true, ..client.clone() };
    assert_eq!(
        find(store, &client.id).await.client,
        used,
        "renew: what has no end gets none, but for the mark"
    );
}

pub(crate) async fn removing_a_client_says_whether_there_was_one(stores: Stores) {
    let store = &*stores.clients;
    let (client, other) = (client(), client());
    register(store, &client).await;
    register(store, &other).await;
    assert!(store.remove(&client.id).await.answered(), "remove: there was one");
    assert!(!store.remove(&client.id).await.answered(), "remove: there was none any more");
    assert_eq!(store.find(&client.id).await.answered(), None, "remove: the client is gone");
    assert_eq!(find(store, &other.id).await.client, other, "remove: no other client is gone");
}

async fn listed(store: &dyn ClientStore, filter: ClientFilter, limit: usize) -> Vec<Client> {
    let (mut all, mut page) = (Vec::new(), PageRequest::first(limit));
    for _ in 0..100 {
        let listing = store.list(filter, page).await.answered();
        let most = limit.max(1);
        assert!(listing.items.len() <= most, "list: a page has at most as many records as were asked for");
        all.extend(listing.items);
        match listing.next {
            Some(next) => page = PageRequest { after: Some(next), limit },
            None => return all,
        }
    }
    panic!("list: the pages come to an end");
}

pub(crate) async fn clients_are_listed_page_by_page_each_once(stores: Stores) {
    let store = &*stores.clients;
    let mut all: Vec<_> = (0..7).map(|at| Client { used: at % 3 == 0, ..client() }).collect();
    all.extend(documents());
    for client in &all {
        register(store, client).await;
    }
    all.sort_by(|one, two| one.id.cmp(&two.id));
    let unused: Vec<_> = all.iter().filter(|client| !client.used).cloned().collect();
    let documents: Vec<_> = all.iter().filter(|client| client.id.is_url()).cloned().collect();
    for (filter, wanted) in
        [(ClientFilter::All, all), (ClientFilter::Unused, unused), (ClientFilter::Documents, documents)]
    {
        for limit in [1, 3, 4, 7, 50] {
            let mut listed = listed(store, filter, limit).await;
            listed.sort_by(|one, two| one.id.cmp(&two.id));
            assert_eq!(listed, wanted, "list: each client of the filter exactly once, in pages of {limit}");
        }
    }
}

pub(crate) async fn a_page_of_no_clients_is_a_page_of_one(stores: Stores) {
    let store = &*stores.clients;
    let mut all: Vec<_> = (0..3).map(|_| client()).collect();
    for client in &all {
        register(store, client).await;
    }
    all.sort_by(|one, two| one.id.cmp(&two.id));
    for filter in [ClientFilter::All, ClientFilter::Unused] {
        let mut listed = listed(store, filter, 0).await;
        listed.sort_by(|one, two| one.id.cmp(&two.id));
        assert_eq!(listed, all, "list: a limit of zero is taken as one: each client exactly once");
    }
}

pub(crate) async fn unused_clients_are_counted(stores: Stores) {
    let store = &*stores.clients;
    let clients: Vec<_> = (0..5).map(|_| client()).collect();
    for client in &clients {
        register(store, client).await;
    }
    let counts = async || {
        (store.count(ClientFilter::All).await.answered(), store.count(ClientFilter::Unused).await.answered())
    };
    assert_eq!(counts().await, (5, 5), "count: a registered client is unused");
    for _ in 0..2 {
        let _ = store.renew(&clients[0].id, NOW + HOUR).await.answered();
        assert_eq!(counts().await, (5, 4), "count: a client is used once it is renewed, and counts once");
    }
    let stored = find(store, &clients[1].id).await;
    let _ = store.update(&Client { used: true, ..stored.client }, stored.version).await.answered();
    assert_eq!(counts().await, (5, 3), "count: a client is used once its record says so");
    let _ = store.remove(&clients[0].id).await.answered();
    let _ = store.remove(&clients[2].id).await.answered();
    assert_eq!(counts().await, (3, 2), "count: a removed client is not counted");
    let _ = store.purge(NOW + 2 * DAY).await.answered();
    assert_eq!(counts().await, (0, 0), "count: a purged client is not counted");
}

/// Clients by metadata document, and names that are none though they look alike.
const DOCUMENTS: [&str; 3] =
    ["https://app.example/client.json", "https://z.example/c", "http://localhost:9000/client.json"];
const NO_DOCUMENTS: [&str; 4] = ["https:app", "http", "httpt://app.example/c", "HTTPS://app.example/c"];

fn documents() -> impl Iterator<Item = Client> {
    let ids = DOCUMENTS.iter().chain(&NO_DOCUMENTS);
    ids.enumerate().map(|(at, id)| Client {
        id: id.parse().expect("the kit's own text is a client id"),
        used: at % 2 == 0,
        ..client()
    })
}

pub(crate) async fn clients_by_document_are_counted(stores: Stores) {
    // CIMD-14
    let store = &*stores.clients;
    for client in (0..3).map(|_| client()).chain(documents()) {
        register(store, &client).await;
    }
    let counts = async || store.count(ClientFilter::Documents).await.answered();
    assert_eq!(counts().await, 3, "count: clients by document are those whose id is a url");
    let id: ClientId = DOCUMENTS[1].parse().expect("the kit's own text is a client id");
    let _ = store.renew(&id, NOW + HOUR).await.answered();
    let stored = find(store, &id).await;
    let _ = store.update(&stored.client, stored.version).await.answered();
    assert_eq!(counts().await, 3, "count: a client by document counts once, whatever is written to it");
    let _ = store.remove(&id).await.answered();
    assert_eq!(counts().await, 2, "count: a removed client is not counted");
    let _ = store.purge(NOW + 2 * DAY).await.answered();
    assert_eq!(counts().await, 0, "count: a purged client is not counted");
}

pub(crate) async fn clients_that_ended_are_listed_and_counted(stores: Stores) {
    let store = &*stores.clients;
    let mut ended = Vec::new();
    for life in [SECOND, MINUTE, HOUR] {
        let client = Client { expires_at: Some(NOW + life), ..client() };
        register(store, &client).await;
        ended.push(client);
    }
    // What has no end has not ended.
    register(store, &Client { expires_at: None, ..client() }).await;
    // What ends at that very moment has not ended before it.
    for (before, wanted) in [(NOW, 0), (NOW + SECOND, 0), (NOW + MINUTE, 1), (NOW + HOUR, 2), (NOW + DAY, 3)]
    {
        let filter = ClientFilter::Expired(before);
        assert_eq!(
            store.count(filter).await.answered(),
            wanted as u64,
            "count: those that ended before then"
        );
        for limit in [1, 50] {
            let mut listed = listed(store, filter, limit).await;
            listed.sort_by_key(|client| client.expires_at);
            assert_eq!(listed, ended[..wanted], "list: those that ended before then, in pages of {limit}");
        }
    }
}

pub(crate) async fn only_clients_that_ended_are_purged(stores: Stores) {
    let store = &*stores.clients;
    let ending = |end: Option<Timestamp>| Client { expires_at: end, ..client() };
    let clients =
        [ending(Some(NOW + MINUTE)), ending(Some(NOW + HOUR)), ending(Some(NOW + DAY)), ending(None)];
    for client in &clients {
        register(store, client).await;
    }
    // The second ends at that very moment, not before it.
    assert_eq!(store.purge(NOW + HOUR).await.answered(), 1, "purge: the client that ended is counted");
    assert_eq!(store.find(&clients[0].id).await.answered(), None, "purge: a client that ended is forgotten");
    for client in &clients[1..] {
        assert_eq!(
            find(store, &client.id).await.client,
            *client,
            "purge: a client that has not ended is kept"
        );
    }
}

pub(crate) async fn of_many_twins_at_once_one_is_registered(stores: Stores) {
    // DCR-11
    let store = stores.clients;
    for _ in 0..ROUNDS {
        let fingerprint = Some(hash());
        let clients: Vec<_> = (0..RACERS).map(|_| Client { fingerprint, ..client() }).collect();
        let registering = |client: &Client| {
            let (store, client) = (store.clone(), client.clone());
            async move { (store.register(&client, NOW).await.answered(), client.id) }
        };
        let results = race(clients.iter().map(registering).collect()).await;
        let new: Vec<_> = results.iter().filter(|(registered, _)| *registered == Registered::New).collect();
        let [(_, winner)] = &*new else {
            panic!("register: of many twins at once one is new, not {}", new.len());
        };
        for (registered, id) in &results {
            if let Registered::Existing(existing) = registered {
                assert_eq!(existing.id, *winner, "register: the others get the one that was stored");
                assert_eq!(
                    store.find(id).await.answered(),
                    None,
                    "register: of the others nothing is written"
                );
            }
        }
    }
}

pub(crate) async fn of_many_updates_at_once_one_succeeds(stores: Stores) {
    let store: Arc<dyn ClientStore> = stores.clients;
    for _ in 0..ROUNDS {
        let client = client();
        register(&*store, &client).await;
        let read = find(&*store, &client.id).await.version;
        let updating = |at: usize| {
            let (store, client) =
                (store.clone(), Client { name: Some(at.to_string().into()), ..client.clone() });
            async move { (store.update(&client, read).await, client.name) }
        };
        let mut names = Vec::new();
        for (result, name) in race((0..RACERS).map(updating).collect()).await {
            match result {
                Ok(_) => names.push(name),
                Err(StoreError::Conflict) => {}
                Err(other) => panic!("update: of many at once the others are a `Conflict`, not {other:?}"),
            }
        }
        let stored = find(&*store, &client.id).await.client.name;
        assert_eq!(names, [stored], "update: of many at once exactly one succeeds, and is not overwritten");
    }
}
