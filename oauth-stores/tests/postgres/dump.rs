//! The documented way to copy a database, as it is documented: the commands are read from `SCHEMA.md`.

use std::process::Command;
use std::time::Duration;

use oauth_core::{CredentialStatus, Exchanged, GrantStore as _};
use oauth_stores::PostgresStore;
use oauth_stores::testing::{available, needed, scene};

use crate::scene::{NOW, database, refresh, session, trade};

const SCHEMA: &str = include_str!("../../SCHEMA.md");

/// The line of the documentation that starts with this program.
fn documented(program: &str) -> &'static str {
    SCHEMA.lines().find(|line| line.starts_with(program)).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_dumped_and_restored_is_there_and_spent_stays_spent() {
    let Some((server, from)) = database() else { return };
    let (Some(_), Some(_)) = (available(needed("pg_dump")), available(needed("pg_restore"))) else { return };
    let to = server.fresh_database().unwrap();
    let store = PostgresStore::open(&from).await.unwrap();
    let (grant, spent) = session();
    store.open(&grant, std::slice::from_ref(&spent)).await.unwrap();
    let live = [refresh(&grant)];
    assert_eq!(store.exchange(trade(&spent, &live)).await.unwrap(), Exchanged::Done);

    let folder = tempfile::tempdir().unwrap();
    let run = |line: &str, url: &str| {
        let output = Command::new("sh")
            .args(["-ec", line])
            .env("DATABASE_URL", url)
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    };
    run(documented("pg_dump"), &from);
    run(documented("pg_restore"), &to);

    let restored = PostgresStore::open(&to).await.unwrap();
    let found = restored.find(&live[0].key).await.unwrap().unwrap();
    assert_eq!((found.status(NOW), found.grant), (CredentialStatus::Live, grant.clone()));
    let found = restored.find(&spent.key).await.unwrap().unwrap();
    assert!(found.spent.is_some());
    // A replay long after: it ends the grant there, as it would have here, and here it does not.
    let late = [refresh(&grant)];
    let replay = scene::exchange(&spent, &late, Duration::ZERO);
    assert_eq!(restored.exchange(replay).await.unwrap(), Exchanged::Replayed);
    assert_eq!(store.find(&live[0].key).await.unwrap().unwrap().status(NOW), CredentialStatus::Live);
    // The dump goes over what is there, too, as it says: what came later is gone.
    run(documented("pg_restore"), &to);
    let restored = PostgresStore::open(&to).await.unwrap();
    assert_eq!(restored.find(&live[0].key).await.unwrap().unwrap().status(NOW), CredentialStatus::Live);
}
