//! The engines, filled.

use std::any::Any;
use std::sync::Arc;

use oauth_core::{GrantStore, MemoryStore};

use crate::ledger;
use crate::measure::Costs;

/// A store with so many grants, and what must live as long.
pub(crate) type Loaded = (Arc<dyn GrantStore>, Box<dyn Any + Send>);

pub(crate) trait Engine {
    fn name(&self) -> &'static str;

    /// A store with so many grants, as [`ledger`] makes them.
    fn loaded(&self, grants: usize) -> impl Future<Output = Loaded>;

    /// What it is compared to, if there is something.
    fn floor_name(&self) -> Option<&'static str> {
        None
    }

    /// What the same costs there.
    fn floor(&self, _grants: usize) -> impl Future<Output = Costs> {
        async { Costs([f64::NAN; 5]) }
    }
}

/// How many open grants at once.
const HANDS: usize = 256;

/// Opens the grants by the port, many at once.
async fn open(store: &Arc<dyn GrantStore>, grants: usize) {
    let hands: Vec<_> = (0..HANDS)
        .map(|hand| {
            let store = store.clone();
            tokio::spawn(async move {
                for number in (hand..grants).step_by(HANDS) {
                    let (grant, token) = ledger::session(number);
                    store.open(&grant, &[token]).await.expect("the store has room");
                }
            })
        })
        .collect();
    for hand in hands {
        hand.await.expect("the grants are opened");
    }
}

pub(crate) struct Memory;

impl Engine for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    async fn loaded(&self, grants: usize) -> Loaded {
        let store: Arc<dyn GrantStore> = Arc::new(MemoryStore::default());
        open(&store, grants).await;
        (store, Box::new(()))
    }

    fn floor_name(&self) -> Option<&'static str> {
        Some("a map")
    }

    async fn floor(&self, grants: usize) -> Costs {
        crate::floor::measure(grants).await
    }
}

#[cfg(feature = "sqlite")]
pub(crate) struct Sqlite;

#[cfg(feature = "sqlite")]
impl Engine for Sqlite {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    async fn loaded(&self, grants: usize) -> Loaded {
        let folder = file(grants);
        let store = oauth_stores::SqliteStore::open(folder.path().join(FILE)).expect("the file is a store's");
        (Arc::new(store), Box::new(folder))
    }

    fn floor_name(&self) -> Option<&'static str> {
        Some("statements")
    }

    async fn floor(&self, grants: usize) -> Costs {
        crate::bare_sqlite::measure(&file(grants).path().join(FILE), grants).expect("the statements run")
    }
}

#[cfg(feature = "sqlite")]
const FILE: &str = "oauth.sqlite";

/// A folder with a store's file. It is on the disk before it is measured, as PostgreSQL's is: else the first sync would wait for all of it.
#[cfg(feature = "sqlite")]
fn file(grants: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("the target folder can be written");
    let path = folder.path().join(FILE);
    drop(oauth_stores::SqliteStore::open(&path).expect("the file is new"));
    fill(&path, grants).expect("the file has room");
    std::fs::File::open(&path).and_then(|file| file.sync_all()).expect("the file is written");
    folder
}

/// Writes the grants past the store: by the port a million takes minutes.
#[cfg(feature = "sqlite")]
fn fill(path: &std::path::Path, grants: usize) -> rusqlite::Result<()> {
    let connection = rusqlite::Connection::open(path)?;
    connection.execute_batch("PRAGMA synchronous = OFF; PRAGMA cache_size = -1000000; BEGIN")?;
    let mut insert =
        connection.prepare("INSERT INTO grants VALUES (?1, ?2, NULL, ?3, ?4, ?5, ?6, ?7, NULL, NULL)")?;
    let mut issue = connection.prepare(
        "INSERT INTO credentials (grant_id, hash, kind, issued_at, expires_at) VALUES (?1, ?2, 'rt', ?3, ?4)",
    )?;
    for number in 0..grants {
        let (grant, token) = ledger::session(number);
        let (issued, ends) =
            (grant.issued_at.as_millis().cast_signed(), grant.expires_at.as_millis().cast_signed());
        insert.execute(rusqlite::params![
            grant.id.as_bytes(),
            grant.subject.as_str(),
            grant.client_id.as_str(),
            grant.scopes.as_str(),
            grant.resources.as_slice()[0].as_str(),
            issued,
            ends
        ])?;
        issue.execute(rusqlite::params![grant.id.as_bytes(), token.key.hash.as_bytes(), issued, ends])?;
    }
    connection.execute_batch("COMMIT")?;
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}

#[cfg(all(unix, feature = "postgres"))]
pub(crate) struct Postgres(oauth_stores::testing::TestPostgres);

#[cfg(all(unix, feature = "postgres"))]
impl Postgres {
    /// A durable server, unless PostgreSQL is not installed.
    pub(crate) fn start() -> Option<Self> {
        use oauth_stores::testing::{TestPostgres, available};
        available(TestPostgres::own()).map(Self)
    }
}

#[cfg(all(unix, feature = "postgres"))]
impl Engine for Postgres {
    fn name(&self) -> &'static str {
        "postgres"
    }

    async fn loaded(&self, grants: usize) -> Loaded {
        let url = self.database(grants).await;
        let store = oauth_stores::PostgresStore::open(&url).await.expect("the server is up");
        (Arc::new(store), Box::new(()))
    }

    fn floor_name(&self) -> Option<&'static str> {
        Some("statements")
    }

    async fn floor(&self, grants: usize) -> Costs {
        crate::bare_postgres::measure(&self.database(grants).await, grants).await.expect("the statements run")
    }
}

#[cfg(all(unix, feature = "postgres"))]
impl Postgres {
    /// A database with so many grants.
    async fn database(&self, grants: usize) -> String {
        use ledger::{ENDED, LIFE, STRIDE, UNSWEPT};
        use oauth_stores::sqlx::{AssertSqlSafe, Connection as _, PgConnection, raw_sql};
        let url = self.0.fresh_database().expect("the server has room");
        drop(oauth_stores::PostgresStore::open(&url).await.expect("the server is up"));
        let (now, last) = (ledger::NOW.as_millis(), grants - 1);
        let ends = format!(
            "CASE WHEN n % {ENDED} = 0 THEN {now} - n::bigint * {STRIDE} % {UNSWEPT} ELSE {now} + {LIFE} - n::bigint * {STRIDE} % {} END",
            LIFE - UNSWEPT
        );
        // In one statement, as `ledger` makes them; then what the server does by itself in a quiet hour.
        let fill = format!(
            "INSERT INTO oauth.grants (id, subject, client_id, scopes, resources, issued_at, expires_at)
            SELECT substring(sha256(convert_to('g' || n, 'UTF8')) FOR 16), 'user-' || n, 'app-' || n % 50, 'notes:read notes:write',
                'https://mcp.example/mcp', {ends} - {LIFE}, {ends} FROM generate_series(0, {last}) n;
            INSERT INTO oauth.credentials (grant_id, hash, kind, issued_at, expires_at)
            SELECT substring(sha256(convert_to('g' || n, 'UTF8')) FOR 16), sha256(convert_to('r' || n, 'UTF8')), 'rt',
                {ends} - {LIFE}, {ends} FROM generate_series(0, {last}) n"
        );
        // Not over a store's own connections: its statements may not take so long.
        let mut connection = PgConnection::connect(&url).await.expect("the server is up");
        raw_sql(AssertSqlSafe(fill)).execute(&mut connection).await.expect("the grants are loaded");
        for settle in ["VACUUM ANALYZE", "CHECKPOINT"] {
            raw_sql(settle).execute(&mut connection).await.expect("the server settles");
        }
        url
    }
}

#[cfg(all(unix, feature = "redis"))]
pub(crate) struct Redis(oauth_stores::testing::TestRedis);

#[cfg(all(unix, feature = "redis"))]
impl Redis {
    /// A durable server, unless Redis is not installed. It does not write its file anew while we measure.
    pub(crate) fn start() -> Option<Self> {
        use oauth_stores::testing::{TestRedis, available};
        let settings = ["appendonly=yes", "appendfsync=always", "auto-aof-rewrite-percentage=0"];
        available(TestRedis::own_with(&settings)).map(Self)
    }
}

/// Writes grants as the store does. ARGV: issued, ends; then for each grant its id, its token's hash, subject, client.
#[cfg(all(unix, feature = "redis"))]
const FILL: &str = "local issued, ends, life = ARGV[1], ARGV[2], ARGV[3]
    for i = 4, #ARGV, 5 do
        local id, key = ARGV[i], 'oauth:{' .. ARGV[i] .. '}'
        redis.call('HSET', key, 'su', ARGV[i + 2], 'c', ARGV[i + 3], 'sc', 'notes:read notes:write', 're', 'https://mcp.example/mcp',
            'i', issued, 'e', ends, 'x', ends)
        redis.call('PEXPIRE', key, life)
        redis.call('HSET', key .. ':c:' .. ARGV[i + 1], 'k', 'rt', 'i', issued, 'e', ends)
        redis.call('PEXPIRE', key .. ':c:' .. ARGV[i + 1], life)
        redis.call('ZADD', 'oauth:grants:all:' .. ARGV[i + 4], ends, id)
        redis.call('ZADD', 'oauth:grants:s:' .. ARGV[i + 2], ends, id)
        redis.call('ZADD', 'oauth:grants:c:' .. ARGV[i + 3], ends, id)
    end";

#[cfg(all(unix, feature = "redis"))]
impl Engine for Redis {
    fn name(&self) -> &'static str {
        "redis"
    }

    async fn loaded(&self, grants: usize) -> Loaded {
        use base64::Engine as _;
        use base64::engine::general_purpose::URL_SAFE_NO_PAD;

        const HOUR: u64 = 3_600_000;

        let url = self.0.url();
        let client = ::redis::Client::open(url.as_str()).expect("this is a url");
        let mut connection = client.get_multiplexed_async_connection().await.expect("the server answers");
        ::redis::cmd("FLUSHALL").exec_async(&mut connection).await.expect("the server answers");
        let (ended, live): (Vec<_>, Vec<_>) =
            (0..grants).partition(|number| number.is_multiple_of(ledger::ENDED));
        for numbers in [ended, live] {
            for numbers in numbers.chunks(500) {
                let (first, _) = ledger::session(numbers[0]);
                let (issued, ends) = (first.issued_at.as_millis(), first.expires_at.as_millis());
                let mut call = ::redis::cmd("EVAL");
                call.arg(FILL).arg(0).arg(issued).arg(ends).arg(ends - issued + HOUR);
                for number in numbers {
                    let (grant, token) = ledger::session(*number);
                    call.arg(grant.id.to_string()).arg(URL_SAFE_NO_PAD.encode(token.key.hash.as_bytes()));
                    call.arg(grant.subject.as_str()).arg(grant.client_id.as_str());
                    call.arg(grant.id.as_bytes()[0] % 16);
                }
                call.exec_async(&mut connection).await.expect("the server has room");
            }
        }
        let store = oauth_stores::RedisStore::open(&url).await.expect("the server answers");
        (Arc::new(store), Box::new(()))
    }
}

/// A cluster of its own for each size: three masters, each with a replica, all durable.
#[cfg(all(unix, feature = "redis"))]
pub(crate) struct RedisCluster;

#[cfg(all(unix, feature = "redis"))]
impl Engine for RedisCluster {
    fn name(&self) -> &'static str {
        "redis-cluster"
    }

    async fn loaded(&self, grants: usize) -> Loaded {
        let cluster = oauth_stores::testing::TestRedisCluster::own().expect("the nodes start");
        let store = oauth_stores::RedisStore::open(&cluster.url()).await.expect("the nodes answer");
        let store: Arc<dyn GrantStore> = Arc::new(store);
        open(&store, grants).await;
        (store, Box::new(cluster))
    }
}
