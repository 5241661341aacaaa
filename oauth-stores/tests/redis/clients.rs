//! Clients: what died half-way is finished or forgotten, and what was renewed stays so.

use std::time::Duration;

use oauth_core::{Client, ClientFilter, ClientStore as _, Registered, Timestamp, TokenHash};
use oauth_stores::testing::{TestRedis, available, fresh_prefix};
use oauth_stores::{RedisOptions, RedisStore};

use crate::proxy::Proxy;
use crate::scene::{NOW, assert_unavailable, open};

const DAY: u64 = 86_400;

fn days(days: u64) -> Timestamp {
    NOW + Duration::from_secs(days * DAY)
}

fn client(id: &str, ends: Timestamp) -> Client {
    let mut client = Client::public(id.parse().unwrap(), ["https://app.example/cb".parse().unwrap()]);
    client.issued_at = NOW;
    client.expires_at = Some(ends);
    client.fingerprint = Some(TokenHash::of("metadata"));
    client
}

/// A store, and what its keys look like from outside.
struct Scene {
    store: RedisStore,
    prefix: String,
    connection: redis::Connection,
}

impl Scene {
    async fn at(server: &TestRedis) -> Self {
        let prefix = fresh_prefix();
        let store = RedisOptions::default().with_prefix(&prefix).open(&server.url()).await.unwrap();
        let connection = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
        Self { store, prefix, connection }
    }

    fn ask<T: redis::FromRedisValue>(&mut self, command: &str, key: &str, rest: &[&str]) -> T {
        let key = format!("{}:{key}", self.prefix);
        redis::cmd(command).arg(key).arg(rest).query(&mut self.connection).unwrap()
    }

    /// As it was before it was confirmed.
    fn unconfirm(&mut self, id: &str) {
        let _: i64 = self.ask("PEXPIRE", &format!("client:{id}"), &["60000"]);
        let ends = (NOW + Duration::from_secs(60)).as_millis().to_string();
        let _: i64 = self.ask("ZADD", "{clients}:unused", &["XX", &ends, id]);
    }

    #[track_caller]
    fn assert_lives(&mut self, key: &str, until: Timestamp) {
        let left: i64 = self.ask("PTTL", key, &[]);
        let least = i64::try_from(until.since(NOW).as_millis()).unwrap();
        assert!(left >= least, "{key} has {left} of {least} ms");
    }

    #[track_caller]
    fn assert_stands(&mut self, index: &str, id: &str, at: Timestamp) {
        let score: Option<f64> = self.ask("ZSCORE", index, &[id]);
        assert_eq!(score.map(|score| format!("{score:.0}")), Some(at.as_millis().to_string()), "{index}");
    }
}

#[tokio::test]
async fn whose_registration_died_is_confirmed_before_it_is_the_answer() {
    let Some(server) = available(TestRedis::shared()) else { return };
    let mut scene = Scene::at(&server).await;
    assert!(matches!(scene.store.register(&client("one", days(9)), NOW).await, Ok(Registered::New)));
    scene.unconfirm("one");
    let answer = scene.store.register(&client("two", days(9)), NOW).await.unwrap();
    assert!(matches!(answer, Registered::Existing(known) if known.id.as_str() == "one"));
    scene.assert_lives("client:one", days(9));
    scene.assert_stands("{clients}:unused", "one", days(9));
}

#[tokio::test]
async fn what_was_renewed_before_it_was_confirmed_lives_to_its_end() {
    let Some(server) = available(TestRedis::shared()) else { return };
    let mut scene = Scene::at(&server).await;
    let _ = scene.store.register(&client("one", days(1)), NOW).await.unwrap();
    scene.unconfirm("one");
    assert!(scene.store.renew(&"one".parse().unwrap(), days(9)).await.unwrap());
    let answer = scene.store.register(&client("two", days(1)), NOW).await.unwrap();
    assert!(matches!(answer, Registered::Existing(known) if known.id.as_str() == "one"));
    scene.assert_lives("client:one", days(9));
}

#[tokio::test]
async fn an_update_undoes_no_renewal_in_record_lifetime_or_index() {
    let Some(server) = available(TestRedis::shared()) else { return };
    let mut scene = Scene::at(&server).await;
    let _ = scene.store.register(&client("one", days(1)), NOW).await.unwrap();
    let read = scene.store.find(&"one".parse().unwrap()).await.unwrap().unwrap();
    assert!(scene.store.renew(&read.client.id, days(9)).await.unwrap());
    let mut changed = read.client;
    changed.name = Some("Another".into());
    changed.expires_at = Some(days(2));
    let _ = scene.store.update(&changed, read.version).await.unwrap();

    let found = scene.store.find(&changed.id).await.unwrap().unwrap().client;
    assert_eq!((found.used, found.expires_at, found.name), (true, Some(days(9)), changed.name));
    scene.assert_lives("client:one", days(9));
    scene.assert_stands("{clients}:all", "one", days(9));
    assert_eq!(scene.store.count(ClientFilter::Unused).await.unwrap(), 0);
    assert_eq!(scene.store.purge(days(5)).await.unwrap(), 0);
}

#[tokio::test]
async fn a_fingerprint_leads_to_its_client_as_long_as_that_one_lives() {
    let Some(server) = available(TestRedis::shared()) else { return };
    let mut scene = Scene::at(&server).await;
    let name = format!("fingerprint:{}", {
        use base64::Engine as _;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(TokenHash::of("metadata").as_bytes())
    });
    let _ = scene.store.register(&client("one", days(1)), NOW).await.unwrap();
    let read = scene.store.find(&"one".parse().unwrap()).await.unwrap().unwrap();
    let _ = scene.store.update(&client("one", days(9)), read.version).await.unwrap();
    scene.assert_lives(&name, days(9));
    assert!(scene.store.renew(&read.client.id, days(12)).await.unwrap());
    scene.assert_lives(&name, days(12));
    // Lost, as it is to those who were renewed by a version that did not know this.
    let _: i64 = scene.ask("DEL", &name, &[]);
    assert!(scene.store.renew(&read.client.id, days(15)).await.unwrap());
    scene.assert_lives(&name, days(15));
    let answer = scene.store.register(&client("two", days(1)), days(14)).await.unwrap();
    assert!(matches!(answer, Registered::Existing(known) if known.id.as_str() == "one"));
}

#[tokio::test]
async fn a_purge_looks_at_those_that_ended_and_no_others() {
    let Some(server) = available(TestRedis::own_with(&[])) else { return };
    let store = open(&server.url()).await;
    for number in 0..150 {
        let mut new = client(&format!("c{number}"), if number < 3 { days(1) } else { days(9) });
        new.fingerprint = None;
        let _ = store.register(&new, NOW).await.unwrap();
    }
    let calls = || -> u64 {
        let stats = server.ask("INFO commandstats").unwrap();
        let calls = ["cmdstat_evalsha:calls=", "cmdstat_eval:calls="].map(|line| {
            let rest = stats.split(line).nth(1).unwrap_or("0,");
            rest.split(',').next().unwrap().parse::<u64>().unwrap()
        });
        calls.iter().sum()
    };
    let before = calls();
    assert_eq!(store.purge(days(5)).await.unwrap(), 3);
    assert!(calls() - before < 15, "{} calls", calls() - before);
    assert_eq!(store.count(ClientFilter::All).await.unwrap(), 147);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_enters_no_client_that_is_removed_meanwhile() {
    let Some(server) = available(TestRedis::shared()) else { return };
    let store = open(&server.url()).await;
    for number in 0..200 {
        let mut new = client(&format!("c{number}"), days(1));
        new.fingerprint = None;
        let _ = store.register(&new, NOW).await.unwrap();
        let (renewing, removing, id) = (store.clone(), store.clone(), new.id.clone());
        let renewal = tokio::spawn(async move { renewing.renew(&new.id, days(9)).await });
        let removal = tokio::spawn(async move { removing.remove(&id).await });
        let _ = renewal.await.unwrap().unwrap();
        assert!(removal.await.unwrap().unwrap());
    }
    assert_eq!(store.count(ClientFilter::All).await.unwrap(), 0);
}

#[tokio::test]
async fn one_that_ended_and_is_renewed_after_all_is_listed_again() {
    let Some(server) = available(TestRedis::shared()) else { return };
    let mut scene = Scene::at(&server).await;
    let _ = scene.store.register(&client("one", days(1)), NOW).await.unwrap();
    // As a registration does by a clock that is a day ahead.
    let _: i64 = scene.ask("ZREM", "{clients}:all", &["one"]);
    assert!(scene.store.renew(&"one".parse().unwrap(), days(9)).await.unwrap());
    scene.assert_stands("{clients}:all", "one", days(9));
}

#[tokio::test]
async fn a_registration_that_died_takes_no_place_after_its_minute() {
    let Some(server) = available(TestRedis::shared()) else { return };
    let mut scene = Scene::at(&server).await;
    let proxy = Proxy::before(server.port()).await;
    let options = RedisOptions::default().with_prefix(&scene.prefix);
    let store = options.open(&format!("redis://127.0.0.1:{}", proxy.port)).await.unwrap();
    // The record is written for 60,000 ms.
    proxy.cut(Some("\r\n60000\r\n"));
    assert_unavailable(store.register(&client("one", days(9)), NOW).await);
    assert_eq!(scene.store.count(ClientFilter::Unused).await.unwrap(), 1);
    let _: i64 = scene.ask("DEL", "client:one", &[]);
    let _ = scene.store.purge(NOW + Duration::from_secs(61)).await.unwrap();
    for filter in [ClientFilter::Unused, ClientFilter::All] {
        assert_eq!(scene.store.count(filter).await.unwrap(), 0, "{filter:?}");
    }
}

#[tokio::test]
async fn a_removal_that_died_half_way_leaves_no_entry_for_good() {
    let Some(server) = available(TestRedis::shared()) else { return };
    let mut scene = Scene::at(&server).await;
    let mut ids = Vec::new();
    // More than are looked at in one go.
    for number in 0..70 {
        let mut endless = client(&format!("c_{number}"), NOW);
        (endless.expires_at, endless.fingerprint) = (None, None);
        assert!(matches!(scene.store.register(&endless, NOW).await.unwrap(), Registered::New));
        ids.push(endless.id);
    }
    for id in &ids[..3] {
        assert_eq!(scene.ask::<u32>("DEL", &format!("client:{id}"), &[]), 1);
    }
    assert_eq!(scene.store.count(ClientFilter::All).await.unwrap(), 70);
    let _ = scene.store.purge(NOW).await.unwrap();
    for filter in [ClientFilter::All, ClientFilter::Unused] {
        assert_eq!(scene.store.count(filter).await.unwrap(), 67, "{filter:?}");
    }

    // It may also die while the entries are struck out.
    let proxy = Proxy::before(server.port()).await;
    let options = RedisOptions::default().with_prefix(&scene.prefix);
    let store = options.open(&format!("redis://127.0.0.1:{}", proxy.port)).await.unwrap();
    proxy.cut(Some("{clients}:all"));
    assert_unavailable(store.remove(&ids[3]).await);
    assert_eq!(proxy.lost(), 1);
    let _ = scene.store.purge(NOW).await.unwrap();
    for filter in [ClientFilter::All, ClientFilter::Unused] {
        assert_eq!(scene.store.count(filter).await.unwrap(), 66, "{filter:?}");
    }
}
