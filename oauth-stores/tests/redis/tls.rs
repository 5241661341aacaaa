//! A server that is spoken to by TLS alone, under a certificate authority of its own.

use oauth_core::GrantStore as _;
use oauth_stores::testing::{TestRedis, available, free_port, fresh_prefix};
use oauth_stores::{RedisOpenError, RedisOptions};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use crate::scene::begin;

#[tokio::test]
async fn a_store_is_reached_by_tls_under_the_authority_that_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let authority_pem = authority.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(authority, key);
    let own = KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let certificate = CertificateParams::new(names).unwrap().signed_by(&own, &issuer).unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let port = free_port().unwrap();
    let settings = [
        format!("tls-port={port}"),
        format!("tls-cert-file={}", file("cert.pem", &certificate.pem())),
        format!("tls-key-file={}", file("key.pem", &own.serialize_pem())),
        format!("tls-ca-cert-file={}", file("ca.pem", &authority_pem)),
        "tls-auth-clients=no".to_owned(),
    ];
    let settings: Vec<_> = settings.iter().map(String::as_str).collect();
    let Some(_server) = available(TestRedis::own_with(&settings)) else { return };
    let url = format!("rediss://localhost:{port}");
    let options = RedisOptions::default().with_prefix(&fresh_prefix());
    let store = options.clone().with_root_certificate(authority_pem).open(&url).await.unwrap();
    let (grant, _) = begin(&store).await.unwrap();
    assert_eq!(store.grant(&grant.id).await.unwrap(), Some(grant));
    // Nobody else vouches for it.
    let error = options.open(&url).await.unwrap_err();
    assert!(matches!(error, RedisOpenError::Unreachable { .. }), "{error:?}");
}
