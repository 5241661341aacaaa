//! Whom the endpoint sees, what of its answers counts, and for how long.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, StatusCode};
use oauth_core::fetch::{Fetch, FetchError, FetchRequest, Fetched, StaticFetch};
use oauth_core::jose::{Algorithm, JwkSet, Jws, SigningKey};
use oauth_core::{Quota, Secret, TokenVerifier as _, VerifyFault, async_trait};
use oauth_resource::IntrospectionCredentials;
use serde_json::{Value, json};

use crate::fixture::{
    ENDPOINT, ISSUER, NOW, RESOURCE, answering, builder, live, name, now, protected, secret,
};

async fn outcome(answer: &Value) -> &'static str {
    let (_, verifier) = answering(Fetched::json(answer.to_string()));
    name(verifier.verify("token", now()).await.map(drop))
}

#[tokio::test]
async fn the_endpoint_sees_who_asks() {
    // RS-69
    let asked = |credentials: IntrospectionCredentials| async move {
        let fetch = Arc::new(StaticFetch::new().with(ENDPOINT, Fetched::json(live().to_string())));
        let verifier = builder(fetch.clone()).credentials(credentials).build().unwrap();
        assert!(!format!("{verifier:?}").contains("s3cret"));
        verifier.verify("to/ken+=", now()).await.unwrap();
        let request = fetch.requests().remove(0);
        assert_eq!((request.method.as_str(), request.url.as_str()), ("POST", ENDPOINT));
        let form: Vec<(String, String)> = url::form_urlencoded::parse(&request.body).into_owned().collect();
        assert_eq!(form[0], ("token".to_owned(), "to/ken+=".to_owned()));
        (request.headers.get("authorization").cloned(), form)
    };
    let value = |form: &[(String, String)], name: &str| {
        form.iter().find(|(own, _)| own == name).map(|(_, value)| value.clone())
    };

    let (header, form) = asked(IntrospectionCredentials::basic(RESOURCE, secret())).await;
    let header = header.unwrap();
    assert!(header.is_sensitive());
    let pair = STANDARD.decode(header.to_str().unwrap().strip_prefix("Basic ").unwrap()).unwrap();
    assert_eq!(pair, b"https%3A%2F%2Fmcp.example%2Fmcp:s3cret+with+%25%2F%2B%3A");
    assert_eq!(value(&form, "client_secret"), None);

    let (header, form) = asked(IntrospectionCredentials::post("mcp", secret())).await;
    assert!(header.is_none());
    assert_eq!(value(&form, "client_id").as_deref(), Some("mcp"));
    assert_eq!(value(&form, "client_secret").as_deref(), Some("s3cret with %/+:"));

    let (header, form) = asked(IntrospectionCredentials::bearer(Secret::new("own-token".to_owned()))).await;
    assert_eq!(header.unwrap(), "Bearer own-token");
    assert_eq!(form.len(), 2);

    // The header of the first seed.
    let fetch = Arc::new(StaticFetch::new().with(ENDPOINT, Fetched::json(live().to_string())));
    let verifier = builder(fetch.clone())
        .credentials(IntrospectionCredentials::resource_secret(secret()))
        .build()
        .unwrap();
    verifier.verify("token", now()).await.unwrap();
    let header = fetch.requests()[0].headers["x-resource-secret"].clone();
    assert!(header == "s3cret with %/+:" && header.is_sensitive());

    let key = SigningKey::generate_es256();
    let jwks = JwkSet::of([key.public_jwk().clone()], &Algorithm::ALL);
    let (header, form) = asked(IntrospectionCredentials::private_key_jwt("mcp", key)).await;
    assert!(header.is_none());
    let assertion = value(&form, "client_assertion").unwrap();
    let jws = Jws::parse(&assertion).unwrap();
    assert!(jwks.verify(&jws, |typ| typ == Some("client-authentication+jwt")).is_ok());
    let claims = jws.claims().unwrap();
    assert_eq!((claims.issuer.as_deref(), claims.subject.as_deref()), (Some("mcp"), Some("mcp")));
    assert_eq!((&*claims.audience[0], claims.expires_at.unwrap().secs()), (ISSUER, NOW + 60));
}

#[tokio::test]
async fn only_a_live_access_token_for_this_resource_is_good() {
    // RS-70, RS-47
    assert_eq!(outcome(&live()).await, "good");
    let with = |change: &[(&str, Value)]| {
        let mut answer = live();
        for (name, value) in change {
            match value {
                Value::Null => drop(answer.as_object_mut().unwrap().remove(*name)),
                value => answer[*name] = value.clone(),
            }
        }
        answer
    };
    for change in [
        [("active", json!(false))],
        [("active", json!("true"))],
        [("active", json!(1))],
        [("aud", Value::Null)],
        [("aud", json!("https://other.example/mcp"))],
        [("aud", json!([RESOURCE, "https://other.example"]))],
        [("iss", json!("https://evil.example"))],
        [("exp", json!(NOW - 60))],
        [("exp", Value::Null)],
        [("nbf", json!(NOW + 3600))],
        [("sub", Value::Null)],
        [("client_id", Value::Null)],
        [("token_type", json!("refresh_token"))],
        [("token_type", json!(7))],
        // RS-74: bound, it is said, and to nothing.
        [("token_type", json!("DPoP"))],
        [("token_use", json!("refresh_token"))],
        [("typ", json!("Refresh"))],
        [("typ", json!("ID"))],
        [("cnf", json!({"x5t#S256": "abc"}))],
        [("scope", json!(5))],
    ] {
        let refused = outcome(&with(&change)).await;
        assert!(matches!(refused, "invalid" | "expired"), "{change:?}: {refused}");
    }
    // Of what is not active nothing else need make sense.
    for rubbish in [r#"{"active":false,"exp":"soon","aud":7}"#, r#"{"exp":{},"active":null}"#] {
        let (_, verifier) = answering(Fetched::json(rubbish));
        assert_eq!(name(verifier.verify("token", now()).await.map(drop)), "invalid", "{rubbish}");
    }
    for change in [
        [("iss", Value::Null)],
        [("token_type", Value::Null)],
        [("token_type", json!("bearer"))],
        [("aud", json!([RESOURCE]))],
        [("scope", Value::Null)],
        [("iat", json!(NOW))],
        [("username", json!("Alice"))],
    ] {
        assert_eq!(outcome(&with(&change)).await, "good", "{change:?}");
    }
}

#[tokio::test]
async fn what_is_null_is_not_there() {
    // RS-70
    let with = |name: &str| {
        let mut answer = live();
        answer[name] = Value::Null;
        answer
    };
    for name in ["nbf", "iat", "auth_time", "scope", "token_type", "cnf", "iss", "username"] {
        assert_eq!(outcome(&with(name)).await, "good", "{name}");
    }
    for name in ["sub", "client_id", "aud", "exp"] {
        assert_eq!(outcome(&with(name)).await, "invalid", "{name}");
    }
    let twice = format!(r#"{{"sub":null,{}"#, &live().to_string()[1..]);
    let (_, verifier) = answering(Fetched::json(twice));
    assert!(verifier.verify("token", now()).await.is_err());
}

#[tokio::test]
async fn tokens_of_our_own_form_are_shown_to_nobody_else() {
    for token in ["mcp_at_abc", "mcp_rt_abc", "mcp_key_abc"] {
        let (fetch, verifier) = answering(Fetched::json(live().to_string()));
        let fault = verifier.verify(token, now()).await.unwrap_err();
        assert!(matches!(fault, VerifyFault::Unrecognized), "{fault}");
        assert!(fetch.requests().is_empty());
        let ours = builder(fetch.clone()).tokens_of_our_form().build().unwrap();
        assert!(ours.verify(token, now()).await.is_ok());
    }
}

#[tokio::test]
async fn a_bound_token_is_told_so() {
    // RS-74
    let thumbprint = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
    let mut answer = live();
    answer["cnf"] = json!({ "jkt": thumbprint });
    answer["token_type"] = "DPoP".into();
    let (_, verifier) = answering(Fetched::json(answer.to_string()));
    let claims = verifier.verify("token", now()).await.unwrap();
    assert_eq!(claims.binding, oauth_core::Binding::Dpop(serde_json::from_value(thumbprint.into()).unwrap()));
}

#[tokio::test]
async fn a_intro_6_what_is_no_answer_is_an_outage() {
    // RS-72
    let html = |status| {
        Fetched::new(status, "<html>")
            .with_header(http::header::CONTENT_TYPE, HeaderValue::from_static("text/html"))
    };
    let long = format!(r#"{{"active":true,"x":"{}"}}"#, "a".repeat(10 << 20));
    for answer in [
        html(StatusCode::OK),
        html(StatusCode::INTERNAL_SERVER_ERROR),
        html(StatusCode::FOUND),
        Fetched::new(StatusCode::OK, live().to_string()),
        Fetched::json(""),
        Fetched::json("{"),
        Fetched::json("[]"),
        Fetched::json("[false]"),
        Fetched::json(r#"[{"active":true}]"#),
        Fetched::json("{}"),
        Fetched::json("null"),
        Fetched::json(r#"{"active":true,"active":false}"#),
        Fetched::json(r#"{"active":false} x"#),
        Fetched::json(r#"{"active":true,"aud":[]}"#),
        Fetched::json(long),
        Fetched::new(StatusCode::UNAUTHORIZED, r#"{"error":"invalid_client"}"#),
        Fetched::new(StatusCode::TOO_MANY_REQUESTS, "")
            .with_header(http::header::RETRY_AFTER, HeaderValue::from_static("7")),
    ] {
        let shown = format!("{answer:?}");
        let limited = answer.status == StatusCode::TOO_MANY_REQUESTS;
        let (_, verifier) = answering(answer);
        let fault = verifier.verify("token", now()).await.unwrap_err();
        let VerifyFault::Unavailable { retry_after, source } = fault else { panic!("{shown}: {fault}") };
        assert_eq!(retry_after, Duration::from_secs(if limited { 7 } else { 2 }), "{shown}");
        assert!(!format!("{source} {source:?}").contains("token\""), "{source:?}");
    }
    let (fetch, verifier) = answering(Fetched::json(live().to_string()));
    for error in
        [FetchError::Busy, FetchError::TooLarge { limit: 5 }, FetchError::unreachable("as.example", "reset")]
    {
        fetch.set_error(ENDPOINT, error);
        assert_eq!(name(verifier.verify("token", now()).await.map(drop)), "unavailable");
    }
    // An outage is not remembered.
    fetch.set(ENDPOINT, Fetched::json(live().to_string()));
    assert!(verifier.verify("token", now()).await.is_ok());
}

#[tokio::test]
async fn an_answer_counts_for_a_short_time_and_never_longer_than_the_token() {
    // RS-71
    let (fetch, verifier) = answering(Fetched::json(live().to_string()));
    let at = |seconds| now() + Duration::from_secs(seconds);
    for (seconds, asked) in [(0, 1), (19, 1), (20, 2)] {
        assert!(verifier.verify("token", at(seconds)).await.is_ok());
        assert_eq!(fetch.requests().len(), asked, "{seconds}");
    }
    fetch.set(ENDPOINT, Fetched::json(r#"{"active":false}"#));
    for (seconds, good, asked) in [(39, true, 2), (40, false, 3), (44, false, 3)] {
        assert_eq!(verifier.verify("token", at(seconds)).await.is_ok(), good, "{seconds}");
        assert_eq!(fetch.requests().len(), asked, "{seconds}");
    }
    // A refusal counts shorter.
    fetch.set(ENDPOINT, Fetched::json(live().to_string()));
    assert!(verifier.verify("token", at(45)).await.is_ok());

    // A clock that was set back makes it no longer one.
    fetch.set(ENDPOINT, Fetched::json(r#"{"active":false}"#));
    assert!(verifier.verify("token", now().before(Duration::from_secs(3600))).await.is_err());

    let mut brief = live();
    brief["exp"] = (NOW + 5).into();
    let (fetch, verifier) = answering(Fetched::json(brief.to_string()));
    assert!(verifier.verify("token", at(0)).await.is_ok());
    fetch.set(ENDPOINT, Fetched::json(r#"{"active":false}"#));
    assert!(verifier.verify("token", at(4)).await.is_ok());
    assert!(verifier.verify("token", at(5)).await.is_err());
}

#[tokio::test]
async fn a_strangers_tokens_push_nobodys_out() {
    // RS-71
    let fetch = Arc::new(StaticFetch::new().with(ENDPOINT, Fetched::json(live().to_string())));
    // As many as can be sent.
    let verifier = builder(fetch.clone())
        .cache(100, Duration::from_secs(20))
        .unknown_tokens(Quota::new(1, Duration::ZERO))
        .build()
        .unwrap();
    assert!(verifier.verify("good", now()).await.is_ok());
    fetch.set(ENDPOINT, Fetched::json(r#"{"active":false}"#));
    for number in 0..2_000 {
        assert!(verifier.verify(&format!("forged-{number}"), now()).await.is_err());
    }
    let asked = fetch.requests().len();
    assert!(verifier.verify("good", now()).await.is_ok());
    assert_eq!(fetch.requests().len(), asked);
}

/// Answers when it is let.
struct Slow {
    asked: AtomicUsize,
    go: tokio::sync::Notify,
}

#[async_trait]
impl Fetch for Slow {
    async fn fetch(&self, _: FetchRequest<'_>) -> Result<Fetched, FetchError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.go.notified().await;
        Ok(Fetched::json(live().to_string()))
    }
}

#[tokio::test]
async fn many_requests_with_one_token_ask_once() {
    // RS-71
    let slow = Arc::new(Slow { asked: AtomicUsize::new(0), go: tokio::sync::Notify::new() });
    let verifier = Arc::new(builder(slow.clone()).build().unwrap());
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let verifier = verifier.clone();
        callers.spawn(async move { verifier.verify("token", now()).await.is_ok() });
    }
    while slow.asked.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    slow.go.notify_one();
    assert!(callers.join_all().await.into_iter().all(|good| good));
    assert_eq!(slow.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn behind_it_stands_the_layer() {
    // RS-72, RS-74
    let (fetch, verifier) = answering(Fetched::json(live().to_string()));
    let send = protected(verifier);
    assert_eq!(send("good").await.0, 200);
    fetch.set_error(ENDPOINT, FetchError::Busy);
    let (status, headers, body) = send("another").await;
    assert_eq!((status, headers["retry-after"].to_str().unwrap()), (503, "2"));
    assert!(body.contains("temporarily_unavailable") && !headers.contains_key("www-authenticate"));
    let mut bound = live();
    bound["cnf"] = json!({ "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" });
    fetch.set(ENDPOINT, Fetched::json(bound.to_string()));
    assert_eq!(send("bound").await.0, 401);
}

#[test]
fn what_is_wrong_is_said_at_once() {
    for bad in ["", "http://as.example/introspect", "/introspect", "ftp://as.example"] {
        let errors = builder(Arc::new(StaticFetch::new())).endpoint(bad).build().unwrap_err();
        assert!(errors.to_string().contains("introspection endpoint"), "{errors}");
    }
    assert!(
        builder(Arc::new(StaticFetch::new())).endpoint("http://127.0.0.1:3001/introspect").build().is_ok()
    );
}
