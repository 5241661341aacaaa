//! A server with a certificate of an authority of its own: it is spoken to by TLS, and by nobody who does not know that authority.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::time::{Duration, Instant};

use oauth_core::GrantStore as _;
use oauth_stores::sqlx::{self, Row as _};
use oauth_stores::testing::{TestPostgres, available};
use oauth_stores::{PostgresOpenError, PostgresStore};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use super::scene::session;

#[tokio::test]
async fn a_store_is_reached_by_tls_under_the_authority_that_is_named() {
    let Some(server) = available(TestPostgres::own()) else { return };
    let authority = |folder: &std::path::Path, name: &str| {
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let path = folder.join(name);
        std::fs::write(&path, parameters.self_signed(&key).unwrap().pem()).unwrap();
        (Issuer::new(parameters, key), path)
    };
    let folder = tempfile::tempdir().unwrap();
    let (issuer, known) = authority(folder.path(), "known.pem");
    let (_, other) = authority(folder.path(), "other.pem");
    let own = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&own, &issuer).unwrap();
    // In its folder, and its own alone: it insists on that.
    let data = server.folder().join("data");
    let owner = data.metadata().unwrap();
    for (name, text) in [("server.crt", certificate.pem()), ("server.key", own.serialize_pem())] {
        std::fs::write(data.join(name), text).unwrap();
        std::fs::set_permissions(data.join(name), std::fs::Permissions::from_mode(0o600)).unwrap();
        chown(data.join(name), Some(owner.uid()), Some(owner.gid())).unwrap();
    }
    server.sql("ALTER SYSTEM SET ssl = on").unwrap();
    server.sql("SELECT pg_reload_conf()").unwrap();

    let url = server.fresh_database().unwrap();
    let verified =
        |root: &std::path::Path| format!("{url}?sslmode=verify-full&sslrootcert={}", root.display());
    let deadline = Instant::now() + Duration::from_secs(30);
    let store = loop {
        match PostgresStore::open(&verified(&known)).await {
            Ok(store) => break store,
            // It has not yet read its settings anew.
            Err(error) => assert!(Instant::now() < deadline, "{error:?}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let (grant, token) = session();
    store.open(&grant, std::slice::from_ref(&token)).await.unwrap();
    assert!(store.find(&token.key).await.unwrap().is_some());
    let ours = sqlx::query("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()");
    assert!(ours.fetch_one(store.pool()).await.unwrap().get::<bool, _>(0), "it is spoken to in clear");
    // Somebody else's authority does not vouch for it.
    let error = PostgresStore::open(&verified(&other)).await.unwrap_err();
    assert!(matches!(error, PostgresOpenError::Tls { .. }), "{error:?}");
    assert!(!error.to_string().contains("p%40ss") && !error.to_string().contains("p@ss"), "{error}");
}
