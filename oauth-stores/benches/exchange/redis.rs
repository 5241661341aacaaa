//! The store in Redis against the bare script: the same script over one multiplexed connection, its words written out by hand.
//! On a server that keeps everything in memory alone, where whatever the store adds shows most, and on a durable one.

use std::time::{Duration, Instant};

use ::redis::aio::MultiplexedConnection;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oauth_core::{Credential, Exchange, Exchanged, Grant, GrantStore};
use oauth_stores::testing::{TestRedis, available};
use oauth_stores::{RedisOptions, RedisStore};

use crate::scene::{self, NOW};

const SCRIPT: &str = include_str!("../../src/redis/lua/exchange.lua");

/// Prints a table for each kind of server.
pub(crate) fn measure(runtime: &tokio::runtime::Runtime, time: Duration, rounds: u64) {
    let servers = [("in memory alone", TestRedis::own_with(&[])), ("appendfsync always", TestRedis::own())];
    for (kind, server) in servers {
        let Some(server) = available(server) else { return };
        println!("redis, {kind}");
        println!("callers     bare/s    store/s   ratio");
        for callers in [1, 8, 64] {
            let mut runs = Vec::new();
            for round in 0..rounds {
                let bare = || runtime.block_on(bare(&server.url(), callers, time));
                let store = || runtime.block_on(store(&server.url(), callers, time));
                runs.push(if round % 2 == 0 {
                    let bare = bare();
                    (bare, store())
                } else {
                    let store = store();
                    (bare(), store)
                });
            }
            runs.sort_by(|a, b| (a.1 / a.0).total_cmp(&(b.1 / b.0)));
            let (bare, store) = runs[runs.len() / 2];
            println!("{callers:>7} {bare:>10.0} {store:>10.0} {:>6.0}%", 100.0 * store / bare);
        }
    }
}

/// How many exchanges a second `callers` at once make, each with its own grant.
async fn rate<F: Future<Output = u32> + Send + 'static>(
    callers: usize,
    time: Duration,
    caller: impl Fn(Grant, Credential, Instant) -> F,
    prepare: &RedisStore,
) -> f64 {
    let mut held = Vec::new();
    for _ in 0..callers {
        let (grant, refresh) = scene::session();
        prepare.open(&grant, std::slice::from_ref(&refresh)).await.expect("the store has room");
        held.push((grant, refresh));
    }
    let began = Instant::now();
    let tasks: Vec<_> =
        held.into_iter().map(|(grant, refresh)| tokio::spawn(caller(grant, refresh, began + time))).collect();
    let mut done = 0;
    for task in tasks {
        done += task.await.expect("a caller ends");
    }
    f64::from(done) / began.elapsed().as_secs_f64()
}

async fn store(url: &str, callers: usize, time: Duration) -> f64 {
    let store = RedisOptions::default().open(url).await.expect("the server answers");
    let shared = store.clone();
    let caller = move |grant: Grant, mut held: Credential, until: Instant| {
        let store = shared.clone();
        async move {
            let mut done = 0;
            while Instant::now() < until {
                let issued = scene::issued(&grant);
                let act = Exchange {
                    spent: &held.key,
                    issued: &issued,
                    reply: scene::reply(),
                    now: NOW,
                    grace: Duration::from_secs(120),
                };
                assert_eq!(store.exchange(act).await.expect("the store answers"), Exchanged::Done);
                [_, held] = issued;
                done += 1;
            }
            done
        }
    };
    rate(callers, time, caller, &store).await
}

async fn bare(url: &str, callers: usize, time: Duration) -> f64 {
    let store = RedisOptions::default().open(url).await.expect("the server answers");
    let client = ::redis::Client::open(url).expect("this is a url");
    let connection = client.get_multiplexed_async_connection().await.expect("the server answers");
    let hash = ::redis::Script::new(SCRIPT).get_hash().to_owned();
    let mut first = connection.clone();
    let _: String = ::redis::cmd("SCRIPT")
        .arg("LOAD")
        .arg(SCRIPT)
        .query_async(&mut first)
        .await
        .expect("the script is right");
    let caller = move |grant: Grant, mut held: Credential, until: Instant| {
        let (mut connection, hash) = (connection.clone(), hash.clone());
        async move {
            let mut done = 0;
            while Instant::now() < until {
                let issued = scene::issued(&grant);
                exchange(&mut connection, &hash, &grant, &held, &issued).await;
                [_, held] = issued;
                done += 1;
            }
            done
        }
    };
    rate(callers, time, caller, &store).await
}

async fn exchange(
    connection: &mut MultiplexedConnection,
    hash: &str,
    grant: &Grant,
    spent: &Credential,
    issued: &[Credential; 2],
) {
    let tag = format!("oauth:{{{}}}", grant.id);
    let text = |credential: &Credential| URL_SAFE_NO_PAD.encode(credential.key.hash.as_bytes());
    let (spent, access, refresh) = (text(spent), text(&issued[0]), text(&issued[1]));
    let reply = scene::reply();
    let kept = [reply.request().as_bytes(), refresh.as_bytes(), reply.sealed()].concat();
    let (now, ends, life) = (NOW.as_millis(), issued[0].expires_at.as_millis(), 90_000_000);
    let mut command = ::redis::cmd("EVALSHA");
    command.arg(hash).arg(5).arg(&tag).arg(format!("{tag}:c:{spent}")).arg(format!("{tag}:r:{spent}"));
    command.arg(format!("{tag}:c:{access}")).arg(format!("{tag}:c:{refresh}"));
    command
        .arg(now)
        .arg(120_000)
        .arg(reply.request().as_bytes())
        .arg(kept)
        .arg(720_000)
        .arg(2)
        .arg("")
        .arg(ends);
    for kind in ["at", "rt"] {
        command.arg(life).arg(grant.scopes.as_str()).arg(grant.resources.as_slice()[0].as_str());
        command.arg(6).arg("k").arg(kind).arg("i").arg(now).arg("e").arg(ends);
    }
    let (answer,): (String,) = command.query_async(connection).await.expect("the server answers");
    assert_eq!(answer, "DONE");
}
