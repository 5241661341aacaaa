//! Whoever runs a program chooses the engine by a URL, and a wrong one says what is wrong, without the password.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

use oauth_core::{GrantFilter, Stores};
use oauth_stores::{Connect as _, ConnectError};

async fn refused(url: &str) -> String {
    let error = Stores::connect(url).await.unwrap_err();
    let mut text = format!("{error} {error:?}");
    let mut source = std::error::Error::source(&error);
    while let Some(error) = source {
        text.push_str(&format!(" {error}"));
        source = error.source();
    }
    text
}

async fn is_empty(url: &str) {
    let stores = Stores::connect(url).await.unwrap();
    assert_eq!(stores.grants.count(GrantFilter::All).await.unwrap(), 0, "{url}");
}

#[tokio::test]
async fn memory_forgets() {
    is_empty("memory:").await;
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn sqlite_is_a_file_or_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("some name?.sqlite");
    let written = path.display().to_string().replace(' ', "%20").replace('?', "%3F");
    for url in [
        format!("sqlite://{written}"),
        format!("sqlite:{written}?size_limit=10000000"),
        "sqlite::memory:".into(),
    ] {
        is_empty(&url).await;
    }
    assert!(path.is_file());
    let error = Stores::connect(&format!("sqlite://{written}?siez_limit=5")).await.unwrap_err();
    assert!(error.to_string().contains("`siez_limit`"), "{error}");
    let error = Stores::connect("sqlite://oauth.sqlite?size_limit=much").await.unwrap_err();
    assert!(matches!(error, ConnectError::BadParameter { .. }), "{error}");
    for url in ["sqlite://", "sqlite:", "sqlite://?size_limit=10000000"] {
        let error = Stores::connect(url).await.unwrap_err();
        assert!(matches!(error, ConnectError::NoFile { .. }), "{error}");
        let text = error.to_string();
        let scheme = url.split('?').next().unwrap();
        assert!(text.starts_with(&format!("cannot open {scheme}: it names no file")), "{text}");
    }
    let error = Stores::connect("sqlite:///missing/folder/oauth.sqlite").await.unwrap_err();
    assert!(
        error.to_string().contains("/missing/folder") && error.to_string().contains("create it"),
        "{error}"
    );
}

#[cfg(all(unix, feature = "postgres"))]
#[tokio::test]
async fn postgres_is_a_server() {
    use oauth_stores::testing::{TestPostgres, available};
    let Some(server) = available(TestPostgres::shared()) else { return };
    let url = server.fresh_database().unwrap();
    is_empty(&url).await;
    is_empty(&format!(
        "{}?schema=login&connections=2&purge=by-grant&sslmode=disable",
        url.replace("postgres://", "postgresql://")
    ))
    .await;
    let text = refused(&format!("{url}?schema=untouched&migrate=false")).await;
    assert!(text.contains("untouched"), "{text}");
    assert!(refused(&format!("{url}?migrate=perhaps")).await.contains("`migrate`"));
    assert!(refused(&format!("{url}?purge=perhaps")).await.contains("`purge`"));
}

#[cfg(all(unix, feature = "redis"))]
#[tokio::test]
async fn redis_is_a_server_or_a_cluster() {
    use oauth_stores::testing::{TestRedis, TestRedisCluster, available, fresh_prefix};
    if let Some(server) = available(TestRedis::shared()) {
        is_empty(&format!("{}?prefix={}", server.url(), fresh_prefix())).await;
        is_empty(&format!("{}?prefix={}", server.url().replace("redis://", "valkey://"), fresh_prefix()))
            .await;
    }
    if let Some(cluster) = available(TestRedisCluster::shared()) {
        is_empty(&format!("{}?prefix={}", cluster.url(), fresh_prefix())).await;
    }
    assert!(refused("redis://127.0.0.1:1?replicas=many").await.contains("`replicas`"));
    if let Some(server) = available(TestRedis::shared()) {
        is_empty(&format!("{}?protocol=resp3&prefix={}", server.url(), fresh_prefix())).await;
        // A server that answers: what is refused is the parameter.
        for (query, name) in [
            ("replica=1", "replica"),
            ("prefix=a&replica=1", "replica"),
            ("protocol=resp3&prefx=a", "prefx"),
            // A database stands behind the slash, a user before the `@`: here nobody reads them.
            ("db=1", "db"),
            ("user=me", "user"),
        ] {
            let text = refused(&format!("{}?{query}", server.url())).await;
            assert!(text.contains(&format!("there is no parameter \"{name}\"")), "{query}: {text}");
        }
        let text = refused(&format!("{}#replicas=1", server.url())).await;
        assert!(text.contains("#"), "{text}");
        let text = refused(&format!("{}?protocol=resp4", server.url())).await;
        assert!(text.contains("protocol"), "{text}");
    }
    for scheme in ["redis", "rediss", "valkey", "valkeys"] {
        let text = refused(&format!("{scheme}://me:s3cret@127.0.0.1:1?replica=1")).await;
        assert!(text.contains("there is no parameter \"replica\"") && !text.contains("s3cret"), "{text}");
    }
    if let Some(server) = available(TestRedis::own_with(&["unixsocket=here.sock"])) {
        let socket = server.folder().join("here.sock");
        for scheme in ["unix", "redis+unix", "valkey+unix"] {
            is_empty(&format!("{scheme}://{}?db=1&prefix={}", socket.display(), fresh_prefix())).await;
            let text = refused(&format!("{scheme}://{}?database=1&pass=s3cret", socket.display())).await;
            assert!(
                text.contains("there is no parameter \"database\"") && !text.contains("s3cret"),
                "{text}"
            );
        }
    }
}

#[tokio::test]
async fn a_scheme_that_no_store_has_is_named() {
    let text = refused("mysql://me:s3cret@db.example/oauth").await;
    assert!(text.contains("`mysql`") && text.contains("postgres") && !text.contains("s3cret"), "{text}");
    // A file's name, as somebody writes it who does not know of URLs.
    let text = refused("data/oauth.sqlite").await;
    assert!(text.contains("sqlite://data/oauth.sqlite"), "{text}");
    for name in [r"C:\oauth.sqlite", "my data.sqlite", "bücher.sqlite"] {
        let error = Stores::connect(name).await.unwrap_err();
        assert!(matches!(error, ConnectError::NoScheme { .. }), "{error:?}");
        assert!(error.to_string().contains("write sqlite:// before it"), "{error}");
    }
}

#[tokio::test]
async fn no_error_shows_a_password() {
    for url in [
        "postgres://me:s3cret@127.0.0.1:1/oauth",
        "postgres://me:s3cret@127.0.0.1:port/oauth",
        "postgres://me:s3%63ret@127.0.0.1:1/oauth",
        "postgres://127.0.0.1:1/oauth?password=s3cret",
        "postgres://127.0.0.1:1/oauth?password=s3cret&migrate=perhaps",
        "postgres://me:s3cret",
        "postgresql://me:s3cret@[::1/oauth",
        "redis://me:s3cret@127.0.0.1:1",
        "redis://:s3cret@127.0.0.1:port",
        "redis://:s3cret@127.0.0.1:1?replicas=many",
        "redis://me:s3cret",
        "redis-cluster://me:s3cret@127.0.0.1:1,127.0.0.1:2",
        "redis-sentinel://me:s3cret@127.0.0.1:1",
        "rediss://me:s3cret@127.0.0.1:1/x",
        "me:s3cret@127.0.0.1",
        "oracle:me/s3cret@host",
        "redis-cluster://me:s3cret",
        "redis-cluster://me:1/s3cret",
        "redis-sentinel://:s3cret/main",
        "redis-sentinel://127.0.0.1:1/main?sentinel_password=s3cret",
        "redis-sentinel://127.0.0.1:1/main?password=s3cret",
        "redis:me:s3cret",
        "redis::s3cret",
        "valkey+unix:s3cret",
        "redis+unix:///nowhere.sock?pass=s3cret",
        "redis+unix:///nowhere.sock?db=1;pass=s3cret",
        "redis://127.0.0.1:1?s3cret",
        "redis://127.0.0.1:1?password=s3cret",
        "redis://127.0.0.1:1?protocol=resp3;password=s3cret",
        "redis://127.0.0.1:1#s3cret",
        "rediss://127.0.0.1:1#s3cret",
        "postgres:me:s3cret",
        "s3cret",
        "host=db user=app password=s3cret",
        "host=db user=app password=s3cret options=://",
        "Server=db;User Id=app;Password=s3cret",
        "db:6379,password=s3cret,ssl=True",
        "redis://127.0.0.1:1,password=s3cret,ssl=True",
        "redis://127.0.0.1:1/0&password=s3cret",
        "redis://me:s3@s3cret",
        "redis-cluster://127.0.0.1:1/0&password=s3cret",
        "redis-sentinel://127.0.0.1:1,127.0.0.1:2/main&sentinel_password=s3cret",
        "postgres://127.0.0.1:1/oauth&password=s3cret",
        "postgres://127.0.0.1:1/oauth?sslmode=disable;password=s3cret",
        "postgres://127.0.0.1;password=s3cret",
    ] {
        let text = refused(url).await;
        assert!(!text.contains("s3cret") && !text.contains("s3%63ret"), "{url}: {text}");
    }
}
