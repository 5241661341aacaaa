//! Every error of `/token`, reached on the whole path.

use std::time::Duration;

use http::{Method, Request, header};
use oauth_testing::{
    Answer, Callback, Client, KnownClient, Pkce, Registration, Site, TokenRequest, Visit, Wire as _,
};

/// A client with a code in its hand.
async fn with_code(site: &Site, client: KnownClient) -> (Visit, Callback, Pkce) {
    let mut visit = site.visit(client).await.unwrap();
    let (request, pkce) = visit.request().unwrap();
    let callback = visit.answer(&request).await.unwrap();
    (visit, callback, pkce)
}

/// The form of every error of RFC 6749 §5.2, and that nothing but the word differs by what was wrong.
#[track_caller]
fn refused(what: &str, answer: &Answer, status: u16, error: &str) {
    assert_eq!((answer.status.as_u16(), answer.error()), (status, Some(error)), "{what}: {}", answer.text());
    assert_eq!(answer.headers["content-type"], "application/json", "{what}");
    assert_eq!(answer.headers["cache-control"], "no-store", "{what}");
    assert!(
        answer.member("error_description").is_some_and(|line| line.is_ascii() && !line.contains(['"', '\\'])),
        "{what}"
    );
    assert!(answer.member("access_token").is_none() && answer.member("refresh_token").is_none(), "{what}");
}

#[tokio::test]
async fn each_word_is_reached_and_none_of_them_burns_the_code() {
    // TOK-6, TOK-9, AS-58, AS-61, AS-62, CAUTH-2
    let site = Site::new().await.unwrap();
    let (visit, callback, pkce) = with_code(&site, KnownClient::WebApp).await;
    let good = visit.redeem(&callback, &pkce).unwrap();
    let other = Pkce::generate(&oauth_core::OsEntropy);
    let secret = KnownClient::SECRET;
    let cases: Vec<(&str, TokenRequest, u16, &str)> = vec![
        ("no grant_type", good.clone().remove("grant_type"), 400, "invalid_request"),
        ("no code", good.clone().remove("code"), 400, "invalid_request"),
        ("an empty code", good.clone().set("code", ""), 400, "invalid_request"),
        ("no verifier", good.clone().remove("code_verifier"), 400, "invalid_request"),
        ("a short verifier", good.clone().set("code_verifier", "short"), 400, "invalid_grant"),
        ("two codes", good.clone().add("code", "x"), 400, "invalid_request"),
        ("no client", good.clone().remove("client_id"), 400, "invalid_request"),
        (
            "two ways to authenticate",
            good.clone().set("client_secret", secret).basic("web-app", secret),
            400,
            "invalid_request",
        ),
        ("two names", good.clone().basic("gateway", secret), 400, "invalid_request"),
        ("an unknown client", good.clone().set("client_id", "nobody"), 401, "invalid_client"),
        ("a secret that there is not", good.clone().set("client_secret", secret), 401, "invalid_client"),
        ("no secret where there is one", good.clone().set("client_id", "gateway"), 401, "invalid_client"),
        (
            "the secret in the wrong place",
            good.clone().set("client_id", "gateway").set("client_secret", secret),
            401,
            "invalid_client",
        ),
        (
            "a wrong secret",
            good.clone().set("client_id", "legacy").set("client_secret", "wrong"),
            401,
            "invalid_client",
        ),
        ("an assertion", good.clone().set("client_assertion", "x.y.z"), 401, "invalid_client"),
        ("a grant type of nobody", good.clone().set("grant_type", "password"), 400, "unsupported_grant_type"),
        ("the implicit grant", good.clone().set("grant_type", "implicit"), 400, "unsupported_grant_type"),
        ("an unknown code", good.clone().set("code", "mcp_ac_unknown"), 400, "invalid_grant"),
        ("another's code", good.clone().set("client_id", "desktop"), 400, "invalid_grant"),
        (
            "another redirect_uri",
            good.clone().set("redirect_uri", "https://app.example/cb/"),
            400,
            "invalid_grant",
        ),
        ("a wrong verifier", good.clone().set("code_verifier", other.verifier()), 400, "invalid_grant"),
        (
            "a code as refresh token",
            {
                let code = callback.code().unwrap();
                good.clone().set("grant_type", "refresh_token").set("refresh_token", code)
            },
            400,
            "invalid_grant",
        ),
        (
            "another resource",
            good.clone().set("resource", "https://other.example/mcp"),
            400,
            "invalid_target",
        ),
        ("a resource that is none", good.clone().set("resource", "mcp"), 400, "invalid_target"),
    ];
    for (what, form, status, error) in cases {
        let answer = visit.send(&form).await.unwrap();
        refused(what, &answer, status, error);
        // TOK-6: a challenge if the caller used the header, and only then.
        let challenged = answer.headers.contains_key(header::WWW_AUTHENTICATE);
        assert_eq!(challenged, status == 401 && form.headers.contains_key(header::AUTHORIZATION), "{what}");
    }
    let tokens = visit.send(&good).await.unwrap().tokens().unwrap();
    visit.call_tool(&tokens, "list_notes").await.unwrap().result().unwrap();

    for (what, form, error) in [
        (
            "more than was granted",
            visit.refresh(&tokens).unwrap().set("scope", "notes:delete"),
            "invalid_scope",
        ),
        ("no scope at all", visit.refresh(&tokens).unwrap().set("scope", "\""), "invalid_scope"),
        ("no token", visit.refresh(&tokens).unwrap().remove("refresh_token"), "invalid_request"),
        (
            "an access token",
            visit.refresh(&tokens).unwrap().set("refresh_token", &tokens.access_token),
            "invalid_grant",
        ),
        ("another's token", visit.refresh(&tokens).unwrap().set("client_id", "desktop"), "invalid_grant"),
    ] {
        refused(what, &visit.send(&form).await.unwrap(), 400, error);
    }
    visit.send(&visit.refresh(&tokens).unwrap()).await.unwrap().tokens().unwrap();
}

#[tokio::test]
async fn a_basic_header_that_is_wrong_is_challenged() {
    // CAUTH-5, TOK-6
    let site = Site::new().await.unwrap();
    let (visit, callback, pkce) = with_code(&site, KnownClient::Gateway).await;
    let good = visit.redeem(&callback, &pkce).unwrap();
    for value in ["Basic", "Basic !!!", "Basic bm8tY29sb24=", "Bearer x", "Basic /w=="] {
        let mut form = good.clone();
        form.headers.insert(header::AUTHORIZATION, value.parse().unwrap());
        let answer = visit.send(&form).await.unwrap();
        refused(value, &answer, 401, "invalid_client");
        assert!(answer.challenges().unwrap()[0].is("Basic"), "{value}");
    }
    visit.send(&good).await.unwrap().tokens().unwrap();
}

#[tokio::test]
async fn a_client_may_use_only_its_grant_types() {
    // TOK-15, REF-11
    let clients = r#"[{"client_id":"once","redirect_uris":["http://127.0.0.1:33418/oauth/callback"],"grant_types":["authorization_code"]}]"#;
    let site = Site::builder().server(|server| server.clients_json(clients)).build().await.unwrap();
    let mut visit = site.visit_as(Registration::public("once"), Client::REDIRECT_URI).await.unwrap();
    let mut tokens = visit.connect().await.unwrap();
    assert_eq!(tokens.refresh_token, None);
    tokens.refresh_token = Some("mcp_rt_x".to_owned());
    refused(
        "refresh",
        &visit.send(&visit.refresh(&tokens).unwrap()).await.unwrap(),
        400,
        "unauthorized_client",
    );
}

#[tokio::test]
async fn a_code_is_for_a_minute_and_for_once() {
    // AS-57, AS-59, AS-60
    let site = Site::new().await.unwrap();
    let (visit, callback, pkce) = with_code(&site, KnownClient::WebApp).await;
    site.clock().advance(Duration::from_secs(60));
    refused(
        "late",
        &visit.send(&visit.redeem(&callback, &pkce).unwrap()).await.unwrap(),
        400,
        "invalid_grant",
    );

    let (visit, callback, pkce) = with_code(&site, KnownClient::WebApp).await;
    let form = visit.redeem(&callback, &pkce).unwrap();
    let tokens = visit.send(&form).await.unwrap().tokens().unwrap();
    // Who has the code alone ends nothing.
    let other = Pkce::generate(&oauth_core::OsEntropy);
    let stolen = form.clone().set("code_verifier", other.verifier());
    refused("stolen", &visit.send(&stolen).await.unwrap(), 400, "invalid_grant");
    visit.call_tool(&tokens, "list_notes").await.unwrap().result().unwrap();
    refused("replayed", &visit.send(&form).await.unwrap(), 400, "invalid_grant");
    assert_eq!(visit.call_tool(&tokens, "list_notes").await.unwrap().http.status, 401);
}

#[tokio::test]
async fn fifty_redemptions_at_once_get_one_answer() {
    // AS-59
    let site = Site::new().await.unwrap();
    let (visit, callback, pkce) = with_code(&site, KnownClient::WebApp).await;
    let form = visit.redeem(&callback, &pkce).unwrap();
    let answers = futures::future::join_all((0..50).map(|_| visit.send(&form))).await;
    let answers: Vec<Answer> = answers.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    assert!(answers.iter().all(|answer| answer.status == 200 || answer.error() == Some("invalid_grant")));
}

#[tokio::test]
async fn only_a_form_by_post_is_read() {
    // TOK-1 to TOK-4, TOK-16
    let site = Site::new().await.unwrap();
    let (visit, callback, pkce) = with_code(&site, KnownClient::WebApp).await;
    let form = visit.redeem(&callback, &pkce).unwrap();
    let encoded = form.pairs.encoded();
    let url = form.url.as_str();
    let send = |method: Method, url: String, kind: &'static str, body: String| {
        let request = Request::builder()
            .method(method)
            .uri(url)
            .header("content-type", kind)
            .body(body.into())
            .unwrap();
        let wire = site.wire();
        async move { wire.send(request).await.unwrap() }
    };
    let form_type = "application/x-www-form-urlencoded";
    let query = format!("{url}?{encoded}");
    for method in [Method::GET, Method::HEAD, Method::PUT] {
        let answer = send(method, query.clone(), form_type, String::new()).await;
        assert_eq!(
            (answer.status().as_u16(), answer.headers()["allow"].to_str().unwrap()),
            (405, "POST, OPTIONS")
        );
    }
    let json = serde_json::json!({ "grant_type": "authorization_code" }).to_string();
    for (what, url, kind, body, status) in [
        ("parameters in the query", query, form_type, String::new(), 400),
        ("json", url.to_owned(), "application/json", json, 400),
        ("multipart", url.to_owned(), "multipart/form-data; boundary=x", encoded.clone(), 400),
        ("no type", url.to_owned(), "", encoded.clone(), 400),
        ("a broken escape", url.to_owned(), form_type, format!("{encoded}&x=%ZZ"), 400),
        ("not utf-8", url.to_owned(), form_type, format!("{encoded}&x=%FF"), 400),
        ("nul", url.to_owned(), form_type, format!("{encoded}&x=%00"), 400),
        ("too large", url.to_owned(), form_type, format!("{encoded}&x={}", "x".repeat(64 * 1024)), 413),
    ] {
        let answer = send(Method::POST, url, kind, body).await;
        let json: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
        assert_eq!(
            (answer.status().as_u16(), json["error"].as_str()),
            (status, Some("invalid_request")),
            "{what}"
        );
    }
    let charset = format!("{form_type}; charset=UTF-8");
    let request =
        Request::post(url).header("content-type", charset).body(format!("{encoded}&unknown=1&scope=").into());
    assert_eq!(site.wire().send(request.unwrap()).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_clock_that_is_set_back_brings_nothing_back() {
    // LIM-4, A-FAULT-5
    let unlimited = |server: oauth_server::Builder| server.limits(oauth_server::Limits::insecure_unlimited());
    let site = Site::builder().server(unlimited).build().await.unwrap();
    let (visit, callback, pkce) = with_code(&site, KnownClient::WebApp).await;
    let form = visit.redeem(&callback, &pkce).unwrap();
    let tokens = visit.send(&form).await.unwrap().tokens().unwrap();
    visit.send(&visit.revoke(&tokens.access_token).unwrap()).await.unwrap();
    site.clock().step_back(Duration::from_secs(3600));
    refused("spent", &visit.send(&form).await.unwrap(), 400, "invalid_grant");
    refused("revoked", &visit.send(&visit.refresh(&tokens).unwrap()).await.unwrap(), 400, "invalid_grant");
    assert_eq!(visit.call_tool(&tokens, "list_notes").await.unwrap().http.status, 401);
    // And locks nobody out.
    let (visit, callback, pkce) = with_code(&site, KnownClient::WebApp).await;
    visit.send(&visit.redeem(&callback, &pkce).unwrap()).await.unwrap().tokens().unwrap();
}
