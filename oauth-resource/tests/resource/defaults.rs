//! Clients that prove possession of a key and ask for nothing in particular, neither scope nor resource.

use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use oauth_core::dpop::{Nonces, ProofChecker};
use oauth_core::{Binding, Claims, Sealer};
use oauth_resource::Dpop;
use serde_json::json;

use crate::fixture::{Bench, RESOURCE, Reply, call, claims, method};
use crate::possession::{KEY, ath, bench, proof_with};

/// The resource, and tokens as issuers write them for who asks for nothing.
fn resource() -> Bench {
    let nonces = Nonces::of_resource(Arc::new(Sealer::new(&[7; 32])), &RESOURCE.parse().unwrap());
    let bench = bench(Dpop::required(ProofChecker::new().with_required_nonces(Arc::new(nonces))));
    let bound = |mut claims: Claims| {
        claims.binding = Binding::Dpop(KEY.public_jwk().thumbprint());
        claims
    };
    bench.tokens.put("scopeless", bound(claims("alice", "")));
    let expires = claims("alice", "").expires_at;
    let nowhere =
        Claims::new(crate::fixture::ISSUER, "alice".parse().unwrap(), "app".parse().unwrap(), expires);
    bench.tokens.put("nowhere", bound(nowhere.with_scopes("notes:read".parse().unwrap())));
    bench
}

async fn send(bench: &Bench, token: &str, nonce: Option<&str>, body: &str) -> Reply {
    let mut said = vec![("ath", json!(ath(token)))];
    said.extend(nonce.map(|nonce| ("nonce", json!(nonce))));
    let request = Request::post("/mcp")
        .header("authorization", format!("DPoP {token}"))
        .header("dpop", proof_with(&KEY, &said))
        .body(Full::<Bytes>::from(body.to_owned()))
        .unwrap();
    bench.send(request).await
}

#[tokio::test]
async fn dpop_22_what_an_issuer_gives_by_default_is_of_use() {
    let bench = resource();
    // Where it may look for what there is to ask for.
    let unknown = bench.post("", &method("tools/list")).await;
    let told = unknown.challenge();
    assert_eq!(unknown.status, 401);
    assert!(
        told.contains("DPoP")
            && told.contains("resource_metadata=")
            && told.contains(r#"scope="notes:read""#),
        "{told}"
    );

    // As every client comes that knows no nonce yet, and does again what it did.
    let first = send(&bench, "bound", None, &method("tools/list")).await;
    assert_eq!((first.status, &first.json()["error"]), (401, &json!("use_dpop_nonce")));
    let nonce = first.header("dpop-nonce").to_owned();
    for body in [method("tools/list"), call("list_notes")] {
        assert_eq!(send(&bench, "bound", Some(&nonce), &body).await.status, 200, "{body}");
    }

    // Of an issuer that gives no scope to who asks for none: it is told for what to ask, by the scheme that it uses, and may go on.
    let lacks = send(&bench, "scopeless", Some(&nonce), &call("list_notes")).await;
    let told = lacks.challenge();
    assert_eq!(lacks.status, 403);
    assert!(told.starts_with("DPoP ") && told.contains(r#"error="insufficient_scope""#), "{told}");
    assert!(told.contains(r#"scope="notes:read""#), "{told}");
    assert_eq!(send(&bench, "scopeless", Some(&nonce), &method("server/discover")).await.status, 200);

    // Of one that writes no audience for who names no resource: for nobody in particular is not for this one (RS-47).
    let nowhere = send(&bench, "nowhere", Some(&nonce), &method("tools/list")).await;
    assert_eq!(nowhere.status, 401);
    assert!(nowhere.challenge().contains(r#"error="invalid_token""#), "{}", nowhere.challenge());
}
