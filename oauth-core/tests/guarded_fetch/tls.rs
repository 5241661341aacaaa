//! Certificates.

use std::sync::Arc;

use oauth_core::fetch::{Fetch, FetchError, FetchPolicy, FetchRequest, GuardedFetch, SetupError};
use tokio::io::AsyncWriteExt;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::Flipping;
use crate::server::{Connection, Server, ok};

/// A server with a certificate for this name, and the authority that has signed it, in PEM.
async fn tls_server(name: &str) -> (Server, String) {
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let mut authority = rcgen::CertificateParams::new([]).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let root = authority.self_signed(&authority_key).unwrap();
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let leaf = rcgen::CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], private)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let answer = |mut stream: Connection| async move {
        let _ = stream.write_all(ok("{}").as_bytes()).await;
        let _ = stream.shutdown().await;
    };
    let wrap = move |stream| {
        let acceptor = acceptor.clone();
        async move { acceptor.accept(stream).await.ok().map(|stream| Box::new(stream) as Connection) }
    };
    (Server::listen("127.0.0.1:0", answer, wrap).await, root.pem())
}

#[tokio::test]
async fn certificates_are_checked_and_an_own_authority_can_be_added() {
    let (server, root) = tls_server("app.example").await;
    let fetch = |roots: Option<&str>| {
        let (resolver, _) = Flipping::new(&[&["127.0.0.1"]]);
        let policy = FetchPolicy::new().allow_network("127.0.0.1".parse().unwrap());
        let builder = GuardedFetch::builder(policy).with_resolver(resolver);
        match roots {
            Some(pem) => builder.with_root_certificates(pem),
            None => builder,
        }
        .build()
        .unwrap()
    };
    let port = server.address.port();
    let (right, wrong) = (format!("https://app.example:{port}/c"), format!("https://other.example:{port}/c"));

    assert_eq!(fetch(Some(&root)).fetch(FetchRequest::get(&right)).await.unwrap().body, "{}");
    let unknown = fetch(None).fetch(FetchRequest::get(&right)).await;
    assert!(matches!(unknown, Err(FetchError::Unreachable { .. })), "unknown authority: {unknown:?}");
    let misnamed = fetch(Some(&root)).fetch(FetchRequest::get(&wrong)).await;
    assert!(matches!(misnamed, Err(FetchError::Unreachable { .. })), "wrong name: {misnamed:?}");
    assert_eq!(server.requests().len(), 1, "the others got no request");
}

#[test]
fn an_unreadable_root_certificate_is_an_error_at_setup() {
    for pem in ["", "not PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let outcome = GuardedFetch::builder(FetchPolicy::new()).with_root_certificates(pem).build();
        assert!(
            matches!(outcome, Err(SetupError::Certificate { .. } | SetupError::Client { .. })),
            "{pem:?}"
        );
    }
}
