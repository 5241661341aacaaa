//! Legacy sessions belong to who opened them.

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use oauth_core::{OsEntropy, Secret};
use oauth_resource::SessionKey;

use crate::fixture::{Bench, claims, method, post, rules};

fn in_session(token: &str, http_method: &str, session: &str) -> Request<Full<Bytes>> {
    let mut request = post(token, &method("tools/list"));
    if http_method != "POST" {
        *request.method_mut() = http_method.parse().unwrap();
        *request.body_mut() = Full::default();
    }
    request.headers_mut().append("mcp-session-id", session.parse().unwrap());
    request
}

#[tokio::test]
async fn a_aud_8_a_session_of_another_is_not_found() {
    // RS-36, RS-82, A-AUD-8
    let bench = Bench::new();
    bench.tokens.put("bob", claims("bob", "notes:read"));
    let mut app = claims("alice", "notes:read");
    app.client_id = "other_app".parse().unwrap();
    bench.tokens.put("other_app", app);

    let opened = bench.post("reader", &method("initialize")).await;
    let session = opened.header("mcp-session-id").to_owned();
    assert_ne!(session, "inner-1");
    for http_method in ["POST", "GET", "DELETE"] {
        // The owner, with any token of theirs.
        for token in ["reader", "writer"] {
            assert_eq!(
                bench.send(in_session(token, http_method, &session)).await.status,
                200,
                "{token} {http_method}"
            );
            assert_eq!(bench.inner.last().headers["mcp-session-id"], "inner-1");
        }
        for token in ["bob", "other_app", "admin"] {
            assert_eq!(
                bench.send(in_session(token, http_method, &session)).await.status,
                404,
                "{token} {http_method}"
            );
        }
        // A session is no credential.
        assert_eq!(bench.send(in_session("", http_method, &session)).await.status, 401, "{http_method}");
        for guess in [
            "inner-1",
            "inner-1.",
            "inner-1.AAAAAAAAAAAAAAAAAAAAAA",
            "inner-2",
            &session[1..],
            &session[..session.len() - 1],
        ] {
            assert_eq!(
                bench.send(in_session("reader", http_method, guess)).await.status,
                404,
                "{guess} {http_method}"
            );
        }
    }
    let mut twice = in_session("reader", "POST", &session);
    twice.headers_mut().append("mcp-session-id", session.parse().unwrap());
    assert_eq!(bench.send(twice).await.status, 404);
}

#[tokio::test]
async fn two_servers_with_one_key_know_each_others_sessions() {
    let secret = Secret::generate(&OsEntropy);
    let server = || {
        Bench::with(|builder| builder.scopes(rules()).session_key(SessionKey::derived_from(&secret).unwrap()))
    };
    let (one, two, three) = (server(), server(), Bench::new());
    let session = one.post("reader", &method("initialize")).await.header("mcp-session-id").to_owned();
    assert_eq!(two.send(in_session("reader", "POST", &session)).await.status, 200);
    assert_eq!(three.send(in_session("reader", "POST", &session)).await.status, 404);
}
