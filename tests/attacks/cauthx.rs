//! CAUTHX: a client proves who it is by the one method it was registered with, or it is nobody.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::header::{AUTHORIZATION, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use http::{Request, StatusCode};
use oauth_testing::{KnownClient, TokenRequest};
use serde_json::{Value, json};

use crate::host::{CALLBACK, Host, ORIGIN, VERIFIER, agree, ask, assert_refused, token_request, url};

const SECRET: &str = KnownClient::SECRET;
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A request in which nothing but the client's authentication can be wrong: with it, the unknown code is `invalid_grant`.
fn unproven() -> TokenRequest {
    token_request()
        .set("grant_type", "authorization_code")
        .set("code", &format!("mcp_ac_{}", "A".repeat(64)))
        .set("code_verifier", VERIFIER)
}

fn assertion(claims: &Value) -> String {
    let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    format!(
        "{}.{}.{}",
        part(&json!({ "alg": "ES256", "typ": "JWT" })),
        part(claims),
        URL_SAFE_NO_PAD.encode([7; 64])
    )
}

fn claims() -> Value {
    json!({ "iss": "gateway", "sub": "gateway", "aud": ORIGIN, "exp": 1_700_000_060, "iat": 1_700_000_000, "jti": "1" })
}

/// This server takes no assertions: not at any endpoint, whatever they say, and however often they come.
async fn assert_no_assertion(claims: &Value) {
    let host = Host::start().await;
    for path in ["/token", "/revoke", "/introspect"] {
        let mut request = unproven()
            .set("token", "x")
            .set("client_id", "gateway")
            .set("client_assertion_type", JWT_BEARER)
            .set("client_assertion", &assertion(claims));
        request.url = host.url(path);
        for _ in 0..2 {
            assert_refused(&host.client().send(&request).await.unwrap(), 401, "invalid_client");
        }
        let nameless = request.clone().remove("client_id");
        let answer = host.client().send(&nameless).await.unwrap();
        assert_refused(&answer, 401, "invalid_client");
    }
    // Nor does the metadata promise it.
    let metadata = host.get("/.well-known/oauth-authorization-server").await;
    assert!(!String::from_utf8_lossy(metadata.body()).contains("_jwt"));
}

#[tokio::test]
async fn a_cauthx_1_two_methods() {
    // CAUTH-1
    let host = Host::start().await;
    let own = |request: TokenRequest| request.set("client_secret", SECRET);
    let by_header = || unproven().set("token", "x").basic("gateway", SECRET);
    let by_form = || own(unproven().set("token", "x").set("client_id", "legacy"));
    let signed = assertion(&claims());
    for request in [
        own(by_header()),
        own(by_header().basic("legacy", SECRET).set("client_id", "legacy")),
        by_header().basic("gateway", SECRET),
        by_header().set("client_assertion", "x"),
        by_header().set("client_assertion_type", JWT_BEARER),
        by_header().set("client_assertion", &signed).set("client_assertion_type", JWT_BEARER),
        by_form().set("client_assertion", "x"),
        by_form().set("client_assertion_type", JWT_BEARER),
        by_form()
            .remove("client_id")
            .set("client_assertion", &signed)
            .set("client_assertion_type", JWT_BEARER),
        own(by_header()).set("client_assertion", "x"),
        // Whatever the header is: it is a second one.
        by_form()
            .remove("client_secret")
            .header(AUTHORIZATION, "Bearer x".parse().unwrap())
            .set("client_assertion", "x"),
    ] {
        for path in ["/token", "/revoke", "/introspect"] {
            let mut request = request.clone();
            request.url = host.url(path);
            assert_refused(&host.client().send(&request).await.unwrap(), 400, "invalid_request");
        }
    }
    assert_refused(
        &host.client().send(&unproven().basic("gateway", SECRET)).await.unwrap(),
        400,
        "invalid_grant",
    );
}

#[tokio::test]
async fn a_cauthx_2_another_method_than_registered() {
    let host = Host::start().await;
    let post = |id: &str, secret: &str| unproven().set("client_id", id).set("client_secret", secret);
    for request in [
        unproven().basic("legacy", SECRET),
        post("gateway", SECRET),
        unproven().set("client_id", "gateway"),
        unproven().set("client_id", "legacy"),
        // A public client has no secret that could be right.
        post("app", "x"),
        unproven().basic("app", "x"),
    ] {
        assert_refused(&host.client().send(&request).await.unwrap(), 401, "invalid_client");
    }
    for request in [post("legacy", SECRET), unproven().basic("gateway", SECRET)] {
        assert_refused(&host.client().send(&request).await.unwrap(), 400, "invalid_grant");
    }
    // Who wants to authenticate by a key is not registered without.
    let answer = host
        .register(&json!({ "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "private_key_jwt" }))
        .await;
    assert_refused(&answer, 400, "invalid_client_metadata");
}

#[tokio::test]
async fn a_cauthx_3_two_names() {
    let host = Host::start().await;
    for other in ["legacy", "app", "gateway ", "GATEWAY", "nobody"] {
        let request = unproven().basic("gateway", SECRET).set("client_id", other);
        assert_refused(&host.client().send(&request).await.unwrap(), 400, "invalid_request");
    }
    let twice = unproven().add("client_id", "app").add("client_id", "one");
    assert_refused(&host.client().send(&twice).await.unwrap(), 400, "invalid_request");
}

#[tokio::test]
async fn a_cauthx_5_assertion_replay() {
    assert_no_assertion(&claims()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_cauthx_6_assertions_at_once() {
    let host = std::sync::Arc::new(Host::start().await);
    let request = unproven()
        .set("client_id", "gateway")
        .set("client_assertion_type", JWT_BEARER)
        .set("client_assertion", &assertion(&claims()));
    let mut tasks = Vec::new();
    for _ in 0..50 {
        let (host, request) = (host.clone(), request.clone());
        tasks.push(tokio::spawn(async move { host.client().send(&request).await.unwrap().status }));
    }
    for task in tasks {
        assert_eq!(task.await.unwrap(), StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn a_cauthx_7_assertions_that_lack_something() {
    for name in ["exp", "jti", "aud", "iss", "sub"] {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(name);
        assert_no_assertion(&claims).await;
    }
    let mut other = claims();
    other["sub"] = json!("app");
    assert_no_assertion(&other).await;
}

/// T7's pair: an assertion for the token endpoint's URL, that another server was given, and one for the issuer.
#[tokio::test]
async fn a_cauthx_8_audience_injection() {
    for audience in [url("/token"), url("/introspect"), ORIGIN.to_owned()] {
        let mut claims = claims();
        claims["aud"] = json!(audience);
        assert_no_assertion(&claims).await;
    }
}

#[tokio::test]
async fn a_cauthx_9_several_audiences() {
    let mut claims = claims();
    claims["aud"] = json!([ORIGIN, "https://evil.example"]);
    assert_no_assertion(&claims).await;
}

#[tokio::test]
async fn a_cauthx_10_assertions_for_ever() {
    let mut claims = claims();
    claims["exp"] = json!(2_000_000_000);
    claims["jti"] = json!("x".repeat(10_000));
    assert_no_assertion(&claims).await;
}

/// Keys are not used, so that none can go on being used after it was taken away: they are not even fetched.
#[tokio::test]
async fn a_cauthx_11_keys_that_change() {
    let host = Host::start().await;
    let keys = "https://tool.example/jwks.json";
    let metadata =
        json!({ "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none", "jwks_uri": keys });
    let id = host.register(&metadata).await.member("client_id").unwrap().to_owned();
    let document = "https://tool.example/keys.json";
    host.publish(&json!({
        "client_id": document, "client_name": "Tool", "redirect_uris": [CALLBACK], "jwks_uri": keys,
        "token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_methods_supported": ["private_key_jwt", "none"],
    }));
    for id in [id.as_str(), document] {
        agree(&mut host.browser(), &ask(id, CALLBACK), "alice").await.code().unwrap();
        let request = unproven()
            .set("client_id", id)
            .set("client_assertion_type", JWT_BEARER)
            .set("client_assertion", &assertion(&claims()));
        assert_refused(&host.client().send(&request).await.unwrap(), 401, "invalid_client");
    }
    assert_eq!(host.documents().count(keys), 0);
}

/// Time is not measured here; digests are compared by their type, in constant time, and for an unknown client, too. What is read is the
/// same to the byte.
#[tokio::test]
async fn a_cauthx_12_wrong_is_wrong() {
    let host = Host::start().await;
    let prefix_right = format!("{}x", &SECRET[..SECRET.len() - 1]);
    let mut by_header = Vec::new();
    let mut by_form = Vec::new();
    for (id, secret) in [
        ("nobody", SECRET),
        ("gateway", "x"),
        ("legacy", &prefix_right),
        ("gateway", &prefix_right),
        ("app", SECRET),
        ("https://nobody.example/c.json", SECRET),
        ("c_AAAAAAAAAAAAAAAAAAAAAA", ""),
    ] {
        if !secret.is_empty() {
            by_header.push(host.client().send(&unproven().basic(id, secret)).await.unwrap());
        }
        if id != "legacy" || secret != SECRET {
            by_form.push(
                host.client()
                    .send(&unproven().set("client_id", id).set("client_secret", secret))
                    .await
                    .unwrap(),
            );
        }
    }
    for answers in [by_header, by_form] {
        for answer in &answers {
            if answer.status != StatusCode::SERVICE_UNAVAILABLE {
                assert_refused(answer, 401, "invalid_client");
                assert_eq!((&answer.headers, &answer.body), (&answers[0].headers, &answers[0].body));
            }
        }
    }
}

#[tokio::test]
async fn a_cauthx_13_basic_is_parsed_strictly() {
    let host = Host::start().await;
    let encoded = |bytes: &[u8]| format!("Basic {}", STANDARD.encode(bytes));
    let good = STANDARD.encode(format!("gateway:{SECRET}"));
    for header in [
        "Basic".to_owned(),
        "Basic ".to_owned(),
        "Basic !!!".to_owned(),
        format!("Basic {good}!"),
        format!("Basic  {}", &good[1..]),
        format!("Basic,{good}"),
        format!("Bearer {good}"),
        format!("Digest {good}"),
        encoded(b"gateway"),
        encoded(b":"),
        encoded(b":secret"),
        encoded(b"gateway:\0"),
        encoded(format!("gateway:{SECRET}\0").as_bytes()),
        encoded(format!("gateway:{SECRET}\n").as_bytes()),
        encoded(format!("gateway:{SECRET}:").as_bytes()),
        encoded(format!("gateway::{SECRET}").as_bytes()),
        encoded(b"gateway:%"),
        encoded(b"gateway:%zz"),
        encoded(b"%67ateway:%00"),
        encoded(b"\xff\xfe:\xff"),
        encoded("x".repeat(1 << 20).as_bytes()),
        encoded(format!("gateway:{}", "x".repeat(5000)).as_bytes()),
    ] {
        let request = unproven().header(AUTHORIZATION, header.parse().unwrap());
        let answer = host.client().send(&request).await.unwrap();
        assert_refused(&answer, 401, "invalid_client");
        assert!(
            answer.headers[WWW_AUTHENTICATE].to_str().unwrap().starts_with("Basic realm="),
            "{header:.40}"
        );
    }
    // Bytes that are no text.
    for odd in [&b"Basic \xff\xfe"[..], format!("Basic \u{2000}{good}").as_bytes()] {
        let odd = HeaderValue::from_bytes(odd).unwrap();
        let answer = host.client().send(&unproven().header(AUTHORIZATION, odd)).await.unwrap();
        assert_refused(&answer, 401, "invalid_client");
    }
}

#[tokio::test]
async fn a_cauthx_14_certificates_by_header() {
    let host = Host::start().await;
    let certificate = "Hash=0;Cert=\"-----BEGIN%20CERTIFICATE-----\";Subject=\"CN=gateway\"";
    for name in [
        "x-forwarded-client-cert",
        "x-ssl-cert",
        "x_ssl_cert",
        "ssl-client-cert",
        "x-client-cert",
        "client-cert",
    ] {
        let name: HeaderName = name.parse().unwrap();
        let request =
            unproven().set("client_id", "gateway").header(name.clone(), certificate.parse().unwrap());
        assert_refused(&host.client().send(&request).await.unwrap(), 401, "invalid_client");
        let request = Request::post(url("/introspect"))
            .header("content-type", "application/x-www-form-urlencoded")
            .header(name, certificate);
        assert_eq!(host.send(request, "client_id=gateway&token=x").await.status(), StatusCode::UNAUTHORIZED);
    }
}

/// Whether there is such a client, and by which method: a row of guesses says nothing of it, nor does what they cost the store (A-LOGX-3).
#[tokio::test]
async fn a_cauthx_12_a_row_of_guesses_is_answered_alike_whoever_it_names() {
    // CAUTH-18
    let host = Host::start().await;
    let registration =
        |method: &str| json!({ "redirect_uris": [CALLBACK], "token_endpoint_auth_method": method });
    let known =
        host.register(&registration("client_secret_basic")).await.member("client_id").unwrap().to_owned();
    let other_method =
        host.register(&registration("client_secret_post")).await.member("client_id").unwrap().to_owned();
    let public = host.registered("Public", "https://public.example/cb").await;
    let guesses = async |id: &str, peer: &str, path: &str, most: usize| {
        host.faults().reset();
        let mut answers = Vec::new();
        for at in 0..most {
            let mut request = unproven().set("token", "x").basic(id, &format!("guess-{at}"));
            request.url = host.url(path);
            let answer =
                host.client().send(&request.header(crate::host::PEER, peer.parse().unwrap())).await.unwrap();
            answers.push((answer.status.as_u16(), answer.headers, answer.body));
        }
        // Whether it is asked for before or after does not count.
        let mut calls = host.faults().calls();
        calls.sort_unstable();
        (answers, calls)
    };
    for path in ["/token", "/revoke", "/introspect"] {
        let (known_answers, known_calls) = guesses(&known, "198.51.100.1", path, 25).await;
        let statuses: Vec<u16> = known_answers.iter().map(|answer| answer.0).collect();
        assert_eq!(statuses, [[401; 20].as_slice(), &[429; 5]].concat(), "{path}");
        for (at, id) in ["c_AAAAAAAAAAAAAAAAAAAAAA", "nobody", &other_method, &public, "gateway", "legacy"]
            .iter()
            .enumerate()
        {
            // Each from a place of its own: one place may make up so many names a minute.
            let (answers, calls) = guesses(id, &format!("198.51.{at}.1"), path, 25).await;
            assert_eq!(answers, known_answers, "{path} {id}");
            assert_eq!(calls, known_calls, "{path} {id}");
        }
        host.forward(3600);
    }
    // From many addresses, too.
    let mut ends = Vec::new();
    for id in [&*known, "nobody"] {
        let mut last = 0;
        for at in 0..=200 {
            last = guesses(id, &format!("203.0.113.{at}"), "/token", 1).await.0[0].0;
        }
        ends.push(last);
    }
    assert_eq!(ends, [429, 429]);
    // The one that says its secret is let in, from elsewhere and by its name.
    assert_refused(
        &host.client().send(&unproven().basic("gateway", SECRET)).await.unwrap(),
        400,
        "invalid_grant",
    );
}

/// Strangers make up names without end; the store keeps no more of them than it would of registrations.
#[tokio::test]
async fn a_logx_3_names_that_are_made_up_do_not_fill_the_store() {
    // CAUTH-18, LIM-2
    let host = Host::start().await;
    let guess = async |id: &str, peer: &str| {
        let request = unproven().basic(id, "guess").header(crate::host::PEER, peer.parse().unwrap());
        host.client().send(&request).await.unwrap().status.as_u16()
    };
    let mut work = Vec::new();
    for at in 0..2000 {
        host.faults().reset();
        assert_eq!(guess(&format!("nobody-{at}"), &format!("203.0.{}.{}", at / 250, at % 250)).await, 401);
        work.push(host.faults().calls());
    }
    assert!(work[..600].iter().all(|calls| *calls == work[0]), "the work stays what it was");
    // A flood is not written down.
    assert!(work[0].contains(&"limits.hit") && !work[1999].contains(&"limits.hit"), "{:?}", work[1999]);
    // What is kept is soon whole again; from a time in which none is, all that is left is counted.
    let kept = host.stores().limits.purge(oauth_core::Timestamp::MAX).await.unwrap();
    assert!(kept <= 2 * 600, "{kept}");
    // And still a name that is guessed at is held up.
    let mut row = Vec::new();
    for _ in 0..25 {
        row.push(guess("nobody", "198.51.100.1").await);
    }
    assert_eq!(row, [[401; 20].as_slice(), &[429; 5]].concat());
}

/// Secrets cannot be guessed at leisure (CAUTH-18), and nobody is locked out by who tries (LIM-1).
#[tokio::test]
async fn guesses_at_a_secret_are_counted() {
    let host = Host::start().await;
    let from = |peer: &'static str, secret: &str| {
        let request = unproven().basic("gateway", secret).header(crate::host::PEER, peer.parse().unwrap());
        let client = host.client();
        async move { client.send(&request).await.unwrap() }
    };
    let mut limited = 0;
    for at in 0..40 {
        let answer = from("198.51.100.1", &format!("guess-{at}")).await;
        limited += usize::from(answer.status == StatusCode::TOO_MANY_REQUESTS);
    }
    assert_eq!(limited, 20);
    // From there the right one is not tried either: what is limited is the guess.
    assert_eq!(from("198.51.100.1", SECRET).await.status, StatusCode::TOO_MANY_REQUESTS);
    assert_refused(&from("198.51.100.2", SECRET).await, 400, "invalid_grant");
    host.forward(60);
    assert_refused(&from("198.51.100.1", SECRET).await, 400, "invalid_grant");
}
