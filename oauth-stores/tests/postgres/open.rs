//! Opening: each fault has one message, which names the URL without its password, and the remedy.

use std::time::{Duration, Instant};

use oauth_core::GrantStore as _;
use oauth_stores::sqlx::{Connection as _, PgConnection, raw_sql};
use oauth_stores::testing::{TestPostgres, available, free_port};
use oauth_stores::{PostgresOpenError, PostgresOptions, PostgresStore};

use super::scene::{database, run, session};

/// The error of opening, which must not show the password, in whichever way it is written.
async fn fault(options: PostgresOptions, url: &str) -> PostgresOpenError {
    let error = options.open(url).await.expect_err("this cannot be opened");
    let mut shown = format!("{error} {error:?}");
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        shown += &format!(" {cause} {cause:?}");
        source = cause.source();
    }
    for secret in ["p%40ss", "p@ss", "hush"] {
        assert!(!shown.contains(secret), "the password is shown: {shown}");
    }
    error
}

#[tokio::test]
async fn what_is_no_url_of_a_postgres_is_refused_with_its_form() {
    for url in [
        "postgres://app:hush@host:port/oauth",
        "postgres:/app:hush@",
        "mysql://app:hush@127.0.0.1/oauth",
        "postgres://app:hush@127.0.0.1/oauth?sslmode=perhaps",
        "postgres://app@127.0.0.1/oauth?password=hush&pool=3",
    ] {
        let error = fault(PostgresOptions::default(), url).await;
        assert!(matches!(error, PostgresOpenError::BadUrl { .. }), "{url}: {error:?}");
        assert!(error.to_string().contains("postgres://user:password@host:port/database"));
    }
}

#[tokio::test]
async fn a_schema_whose_name_needs_quotes_is_refused() {
    let options = PostgresOptions::default().with_schema("oauth; DROP TABLE grants");
    let error = fault(options, "postgres://app:hush@127.0.0.1/oauth").await;
    assert!(matches!(error, PostgresOpenError::BadSchema { .. }), "{error:?}");
}

#[tokio::test]
async fn a_server_that_is_down_is_said_to_be_at_once() {
    let url = format!("postgres://app:hush@127.0.0.1:{}/oauth", free_port().unwrap());
    let error = fault(PostgresOptions::default(), &url).await;
    assert!(matches!(error, PostgresOpenError::Down { .. }), "{error:?}");
    assert!(error.to_string().contains("127.0.0.1") && error.to_string().contains("start it"), "{error}");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_waited_for_within_the_time() {
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://app:hush@{}/oauth", deaf.local_addr().unwrap());
    let options = PostgresOptions::default().with_connect_time(Duration::from_millis(100));
    let error = fault(options, &url).await;
    assert!(matches!(error, PostgresOpenError::Down { .. }), "{error:?}");
}

#[tokio::test]
async fn a_wrong_user_or_password_and_an_unknown_database_are_told_apart() {
    let Some((_server, url)) = database() else { return };
    let wrong = url.replace("p%40ss", "hush");
    let error = fault(PostgresOptions::default(), &wrong).await;
    assert!(matches!(error, PostgresOpenError::WrongPassword { .. }), "{error:?}");

    let unknown = format!("{}/nowhere", url.rsplit_once('/').unwrap().0);
    let error = fault(PostgresOptions::default(), &unknown).await;
    assert!(matches!(error, PostgresOpenError::UnknownDatabase { .. }), "{error:?}");
    assert!(error.to_string().contains("/nowhere") && error.to_string().contains("createdb"), "{error}");
}

#[tokio::test]
async fn without_migration_missing_tables_are_named_and_nothing_is_made() {
    let Some((_server, url)) = database() else { return };
    let error = fault(PostgresOptions::default().without_migration(), &url).await;
    assert!(matches!(error, PostgresOpenError::OlderSchema { found: 0, .. }), "{error:?}");
    assert!(error.to_string().contains("PostgresOptions::migrate"), "{error}");
    run(&url, "CREATE SCHEMA oauth").await;

    // Somebody who may does it; then the server may start.
    PostgresOptions::default().migrate(&url).await.unwrap();
    let store = PostgresOptions::default().without_migration().open(&url).await.unwrap();
    let (grant, token) = session();
    store.open(&grant, &[token]).await.unwrap();
}

#[tokio::test]
async fn a_user_who_may_not_make_tables_is_told_who_should() {
    let Some((_server, url)) = database() else { return };
    let name = url.rsplit('/').next().unwrap();
    let make = format!("DROP ROLE IF EXISTS {name}_app; CREATE ROLE {name}_app LOGIN PASSWORD 'hush'");
    run(&url, &make).await;
    let app = url.replace("oauth:p%40ss%2Fword", &format!("{name}_app:hush"));
    let error = fault(PostgresOptions::default(), &app).await;
    assert!(matches!(error, PostgresOpenError::Forbidden { .. }), "{error:?}");

    PostgresOptions::default().migrate(&url).await.unwrap();
    let grant = format!(
        "GRANT USAGE ON SCHEMA oauth TO {name}_app; GRANT SELECT ON oauth.migrations TO {name}_app;
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA oauth TO {name}_app"
    );
    run(&url, &grant).await;
    let store = PostgresOptions::default().without_migration().open(&app).await.unwrap();
    let (grant, token) = session();
    store.open(&grant, &[token]).await.unwrap();
    store.pool().close().await;
    run(&url, &format!("DROP OWNED BY {name}_app; DROP ROLE {name}_app")).await;
}

#[tokio::test]
async fn a_database_that_can_only_be_read_is_refused() {
    let Some((_server, url)) = database() else { return };
    let name = url.rsplit('/').next().unwrap();
    run(&url, &format!("ALTER DATABASE {name} SET default_transaction_read_only = on")).await;
    let error = fault(PostgresOptions::default(), &url).await;
    assert!(matches!(error, PostgresOpenError::ReadOnly { .. }), "{error:?}");
}

#[tokio::test]
async fn a_newer_schema_is_named_and_left_alone() {
    let Some((_server, url)) = database() else { return };
    run(&url, "CREATE SCHEMA oauth; CREATE TABLE oauth.migrations (version BIGINT PRIMARY KEY)").await;
    run(&url, "INSERT INTO oauth.migrations VALUES (99)").await;
    let error = fault(PostgresOptions::default(), &url).await;
    assert!(matches!(error, PostgresOpenError::NewerSchema { found: 99, .. }), "{error:?}");
    // It has no other table yet.
    run(&url, "DROP TABLE oauth.migrations; DROP SCHEMA oauth RESTRICT").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_servers_that_start_at_once_all_do() {
    for _ in 0..5 {
        let Some((_server, url)) = database() else { return };
        let starting: Vec<_> = (0..8)
            .map(|_| {
                let url = url.clone();
                tokio::spawn(async move { PostgresOptions::default().with_connections(1).open(&url).await })
            })
            .collect();
        for server in starting {
            let (grant, token) = session();
            server.await.unwrap().unwrap().open(&grant, &[token]).await.unwrap();
        }
    }
}

#[tokio::test]
async fn stores_in_schemas_of_their_own_do_not_see_each_other() {
    let Some((_server, url)) = database() else { return };
    let one = PostgresStore::open(&url).await.unwrap();
    let two = PostgresOptions::default().with_schema("login_2").open(&url).await.unwrap();
    let (grant, token) = session();
    one.open(&grant, std::slice::from_ref(&token)).await.unwrap();
    assert!(one.find(&token.key).await.unwrap().is_some());
    assert!(two.find(&token.key).await.unwrap().is_none());
}

#[tokio::test]
async fn it_is_reached_by_its_socket_too() {
    let Some(server) = available(TestPostgres::shared()) else { return };
    let url = server.fresh_database().unwrap();
    let folder = server.folder().display().to_string();
    let url = format!("{url}?host={}", folder.replace('/', "%2F"));
    assert!(PostgresStore::open(&url).await.is_ok());
}

#[tokio::test]
async fn tables_that_somebody_has_locked_are_waited_for_within_the_time() {
    let Some((_server, url)) = database() else { return };
    PostgresOptions::default().migrate(&url).await.unwrap();
    let mut other = PgConnection::connect(&url).await.unwrap();
    raw_sql("BEGIN; LOCK TABLE oauth.migrations").execute(&mut other).await.unwrap();
    let began = Instant::now();
    for options in [PostgresOptions::default(), PostgresOptions::default().without_migration()] {
        let error = fault(options.with_connect_time(Duration::from_millis(300)), &url).await;
        assert!(matches!(error, PostgresOpenError::Locked { .. }), "{error:?}");
        assert!(error.to_string().contains("pg_locks"), "{error}");
    }
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    other.close().await.unwrap();
    PostgresStore::open(&url).await.unwrap();
}

#[tokio::test]
async fn a_look_that_takes_too_long_is_no_migration() {
    let Some((_server, url)) = database() else { return };
    PostgresOptions::default().migrate(&url).await.unwrap();
    // Nothing is locked, and the answer does not come.
    let slow = "ALTER TABLE oauth.migrations RENAME TO slow;
        CREATE VIEW oauth.migrations AS SELECT version FROM oauth.slow, (SELECT pg_sleep(30) OFFSET 0) AS long";
    run(&url, slow).await;
    for options in [PostgresOptions::default(), PostgresOptions::default().without_migration()] {
        let error = fault(options.with_connect_time(Duration::from_millis(300)), &url).await;
        assert!(matches!(error, PostgresOpenError::SlowLook { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains("300ms") && text.contains("with_connect_time"), "{text}");
    }
}

#[tokio::test]
async fn no_time_is_too_long() {
    let Some((_server, url)) = database() else { return };
    let options = PostgresOptions::default()
        .with_acquire_time(Duration::MAX)
        .with_connect_time(Duration::MAX)
        .with_statement_time(Duration::MAX)
        .with_migration_time(Duration::MAX);
    let store = options.open(&url).await.unwrap();
    let (grant, token) = session();
    store.open(&grant, &[token]).await.unwrap();
}

#[tokio::test]
async fn a_migration_that_does_not_come_to_an_end_is_given_up() {
    let Some((_server, url)) = database() else { return };
    run(&url, "CREATE SCHEMA oauth; CREATE TABLE oauth.migrations (version BIGINT PRIMARY KEY)").await;
    // Another server is at it, and hangs.
    let mut other = PgConnection::connect(&url).await.unwrap();
    raw_sql("BEGIN; INSERT INTO oauth.migrations VALUES (1)").execute(&mut other).await.unwrap();
    let error = fault(PostgresOptions::default().with_migration_time(Duration::from_millis(300)), &url).await;
    assert!(matches!(error, PostgresOpenError::Locked { .. }), "{error:?}");
    other.close().await.unwrap();
    PostgresStore::open(&url).await.unwrap();
}

#[tokio::test]
async fn a_table_that_is_missing_is_named() {
    let Some((_server, url)) = database() else { return };
    PostgresOptions::default().migrate(&url).await.unwrap();
    run(&url, "DROP TABLE oauth.sessions").await;
    for options in [PostgresOptions::default(), PostgresOptions::default().without_migration()] {
        let error = fault(options, &url).await;
        assert!(matches!(error, PostgresOpenError::MissingTable { table: "sessions", .. }), "{error:?}");
        assert!(
            error.to_string().contains("oauth.sessions") && error.to_string().contains("dump"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_user_who_owns_the_schema_alone_makes_the_tables() {
    let Some((_server, url)) = database() else { return };
    let name = url.rsplit('/').next().unwrap();
    let make = format!(
        "DROP ROLE IF EXISTS {name}_own; CREATE ROLE {name}_own LOGIN PASSWORD 'hush'; CREATE SCHEMA login AUTHORIZATION {name}_own"
    );
    run(&url, &make).await;
    let own = url.replace("oauth:p%40ss%2Fword", &format!("{name}_own:hush"));
    let store = PostgresOptions::default().with_schema("login").open(&own).await.unwrap();
    let (grant, token) = session();
    store.open(&grant, &[token]).await.unwrap();
    store.pool().close().await;
    // A schema of another name takes the right to make one.
    let error = fault(PostgresOptions::default(), &own).await;
    assert!(matches!(error, PostgresOpenError::Forbidden { .. }), "{error:?}");
    run(&url, &format!("DROP OWNED BY {name}_own CASCADE; DROP ROLE {name}_own")).await;
}

#[tokio::test]
async fn a_disk_that_is_full_is_named() {
    let Some((_server, url)) = database() else { return };
    let full = "CREATE FUNCTION disk_full() RETURNS event_trigger LANGUAGE plpgsql AS $$
            BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$;
        CREATE EVENT TRIGGER disk_full ON ddl_command_start WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION disk_full()";
    run(&url, full).await;
    let error = fault(PostgresOptions::default(), &url).await;
    assert!(matches!(error, PostgresOpenError::Full { .. }), "{error:?}");
    assert!(error.to_string().contains("free some space"), "{error}");
}
