//! LOGX: what is written and told, and to whom.

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Request, StatusCode};
use oauth_core::{
    IdentityProvider, ProviderId, SignInFault, SignInReply, SignInStart, SignInStep, async_trait,
};
use oauth_testing::{CapturedLog, KnownClient, Site, TokenRequest};
use serde_json::{Value, json};

use crate::host::{
    CALLBACK, Host, VERIFIER, ask, assert_refused, assert_shown, consent_page, decide, out, redeem, refresh,
    token_request, url, visit,
};
use crate::upstream::{Upstream, comes_back, depart};

#[tokio::test]
async fn a_logx_1_no_secret_in_the_log() {
    let log = CapturedLog::of_the_process().unwrap();
    let host = Host::with(|server| server.sign_in_with(Upstream::new("idp"))).await;
    let mut secrets = vec![
        Site::PASSPHRASE.to_owned(),
        KnownClient::SECRET.to_owned(),
        VERIFIER.to_owned(),
        Site::RESOURCE_SECRET.to_owned(),
    ];
    let mut browser = host.browser();
    let request =
        ask("app", CALLBACK).set("state", "a-state-of-the-client").set("nonce", "a-nonce-of-the-client");
    secrets.push("a-state-of-the-client".to_owned());

    // Wrong and right passphrases, an upstream sign-in, consent.
    let page = browser.get(request.url().as_str()).await.unwrap();
    let form = page.form_with_field("passphrase").unwrap().clone();
    secrets.push(form.value("ticket").unwrap().to_owned());
    browser.submit(&form, &[("passphrase", "a wrong passphrase of mine")], None).await.unwrap();
    secrets.push("a wrong passphrase of mine".to_owned());
    let back = comes_back(&depart(&mut browser, &page, "idp").await, "an-upstream-code");
    secrets.push("an-upstream-code".to_owned());
    secrets
        .extend(back.query_pairs().filter(|(name, _)| name == "state").map(|(_, state)| state.into_owned()));
    browser.get(back.as_str()).await.unwrap();
    let signed_in = browser.submit(&form, &[("passphrase", Site::PASSPHRASE)], None).await.unwrap();
    secrets.extend(signed_in.location().unwrap().query_pairs().map(|(_, ticket)| ticket.into_owned()));
    let page = consent_page(&mut browser, &request, "alice").await;
    secrets.push(page.form_with_button("allow").unwrap().value("ticket").unwrap().to_owned());
    let next = decide(&mut browser, &page, "allow").await;
    let code = out(&mut browser, next).await.code().unwrap().to_owned();
    decide(&mut browser, &page, "allow").await;
    secrets.extend(browser.history().iter().flat_map(|step| &step.cookies).filter_map(|(cookie, _)| {
        let value = cookie.split(';').next()?.split_once('=')?.1;
        (!value.is_empty()).then(|| value.to_owned())
    }));

    // Tokens, used and misused.
    let wrong = format!("X{}", &VERIFIER[1..]);
    host.client().send(&redeem("app", &code).set("code_verifier", &wrong)).await.unwrap();
    let tokens = host.client().send(&redeem("app", &code)).await.unwrap().tokens().unwrap();
    let second = host
        .client()
        .send(&refresh("app", tokens.refresh_token.as_deref().unwrap()))
        .await
        .unwrap()
        .tokens()
        .unwrap();
    for tokens in [&tokens, &second] {
        secrets.extend([tokens.access_token.clone(), tokens.refresh_token.clone().unwrap()]);
        assert!(host.lets_in(&tokens.access_token).await);
    }
    host.client().mcp().call_tool(Some(&second.access_token), "delete_note", json!({})).await.unwrap();
    host.send(Request::get(url(&format!("/mcp?access_token={}", second.access_token))), "").await;
    let gateway = KnownClient::Gateway.registration();
    host.client().send(&redeem("app", &code).remove("client_id").of_client(&gateway)).await.unwrap();
    for path in ["/introspect", "/revoke"] {
        let mut request: TokenRequest =
            token_request().set("token", &second.access_token).of_client(&gateway);
        request.url = host.url(path);
        host.client().send(&request).await.unwrap();
    }
    let registered = host
        .register(&json!({ "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "client_secret_post" }))
        .await;
    secrets.push(registered.member("client_secret").unwrap().to_owned());
    host.client().send(&redeem("app", &code)).await.unwrap();
    // The store fails on the way.
    for call in ["grants.find", "grants.exchange", "sessions.find", "clients.find", "accounts.find"] {
        host.faults().fail_next(call);
        host.client().send(&refresh("app", second.refresh_token.as_deref().unwrap())).await.unwrap();
        browser.get(request.url().as_str()).await.unwrap();
        host.faults().reset();
    }
    secrets.push(code);

    assert!(log.text().contains("the store failed"), "something was logged");
    let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
    assert_eq!(log.leaks(secrets.iter().copied()), Vec::<String>::new());
    for event in host.events() {
        assert!(secrets.iter().all(|secret| !event.contains(secret)), "{event}");
    }
}

#[tokio::test]
async fn a_logx_3_who_is_a_client() {
    let host = Host::start().await;
    // At the endpoints that clients call: the same to the byte, whether there is such a client or not.
    for path in ["/token", "/revoke", "/introspect"] {
        let mut answers = Vec::new();
        for id in ["gateway", "nobody", "c_AAAAAAAAAAAAAAAAAAAAAA", "legacy"] {
            let mut request = redeem("x", "x").remove("client_id").set("token", "x").basic(id, "wrong");
            request.url = host.url(path);
            let answer = host.client().send(&request).await.unwrap();
            assert_refused(&answer, 401, "invalid_client");
            answers.push((answer.headers, answer.body));
        }
        assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{path}: {answers:?}");
    }
    // Whose a token is.
    let tokens = host.tokens().await;
    let unknown = format!("mcp_rt_{}", "A".repeat(64));
    let mut answers = Vec::new();
    for token in [tokens.refresh_token.as_deref().unwrap(), &unknown, "x", &tokens.access_token] {
        let answer = host.client().send(&refresh("one", token)).await.unwrap();
        answers.push((answer.status, answer.headers, answer.body));
        let mut request: TokenRequest = token_request().set("client_id", "one").set("token", token);
        request.url = host.url("/revoke");
        assert_eq!(host.client().send(&request).await.unwrap().status, StatusCode::OK);
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
    assert!(host.lets_in(&tokens.access_token).await);
    // The page for a client that is not known names none, and a redirect that is not registered is told of no others.
    let (one, other) =
        (visit(&host, &ask("nobody", CALLBACK)).await, visit(&host, &ask("else", CALLBACK)).await);
    assert_shown(&one);
    assert_eq!(one.text(), other.text());
    let page = visit(&host, &ask("app", "https://evil.example/")).await;
    assert!(!page.html.contains("app.example") && !page.html.contains("evil.example"));
}

#[tokio::test]
async fn a_logx_4_error_detail() {
    let host = Host::start().await;
    let tokens = host.tokens().await;
    let code = host.code().await;
    let mut browser = host.browser();
    let page = consent_page(&mut browser, &ask("one", "https://one.example/cb"), "alice").await;
    let bare = |text: &str| {
        for inner in
            ["injected", "grants.", "sessions.", "fault", "Unavailable", "StoreError", "src/", "panicked"]
        {
            assert!(!text.contains(inner), "{inner}: {text}");
        }
    };
    host.faults().fail_all(true);
    for request in [
        redeem("app", &code),
        refresh("app", tokens.refresh_token.as_deref().unwrap()),
        redeem("nobody", &code),
    ] {
        let answer = host.client().send(&request).await.unwrap();
        assert_refused(&answer, 503, "temporarily_unavailable");
        assert!(answer.headers.contains_key("retry-after"));
        bare(&answer.text());
    }
    let mut introspect = token_request().set("token", &tokens.access_token);
    introspect.url = host.url("/introspect");
    let introspect =
        introspect.header(AUTHORIZATION, format!("Bearer {}", Site::RESOURCE_SECRET).parse().unwrap());
    let answer = host.client().send(&introspect).await.unwrap();
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    bare(&answer.text());
    let answer = host.register(&json!({ "redirect_uris": [CALLBACK] })).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    bare(&answer.text());
    let pages = [
        browser.get(ask("app", CALLBACK).url().as_str()).await.unwrap(),
        browser.get(ask("c_AAAAAAAAAAAAAAAAAAAAAA", CALLBACK).url().as_str()).await.unwrap(),
        decide(&mut browser, &page, "allow").await,
    ];
    for page in pages {
        assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE, "{}", page.text());
        bare(page.html.split("</style>").last().unwrap());
    }
    let answer =
        host.client().mcp().call_tool(Some(&tokens.access_token), "list_notes", json!({})).await.unwrap();
    assert_eq!(answer.http.status, StatusCode::SERVICE_UNAVAILABLE);
    bare(&answer.http.text());
    host.faults().fail_all(false);
    // Nothing was lost by it.
    host.client().send(&redeem("app", &code)).await.unwrap().tokens().unwrap();
}

#[tokio::test]
async fn a_logx_5_nothing_to_look_into() {
    let host = Host::start().await;
    for path in [
        "/",
        "/metrics",
        "/debug",
        "/debug/pprof",
        "/health",
        "/admin",
        "/.env",
        "/.git/config",
        "/status",
        "/openapi.json",
        "/keys",
        "/jwks",
        "/.well-known/jwks.json",
        "/authorize/debug",
        "/tokens",
        "/clients",
    ] {
        assert_eq!(host.get(path).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
    let answer = host.get("/jwks.json").await;
    let keys: Value = serde_json::from_slice(answer.body()).unwrap();
    for key in keys["keys"].as_array().unwrap() {
        for private in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
            assert!(key.get(private).is_none(), "{key}");
        }
    }
    for path in ["/token", "/authorize", "/jwks.json", "/nowhere"] {
        let request = Request::builder()
            .method("TRACE")
            .uri(url(path))
            .header("cookie", "a=secret")
            .header(CONTENT_TYPE, "x");
        let answer = host.send(request, "").await;
        assert!(
            answer.status().is_client_error() && !String::from_utf8_lossy(answer.body()).contains("secret")
        );
        assert!(!answer.headers().contains_key("server") && !answer.headers().contains_key("x-powered-by"));
    }
}

/// An adapter whose server answers with what it should not have said.
struct Chatty(ProviderId);

#[async_trait]
impl IdentityProvider for Chatty {
    fn id(&self) -> &ProviderId {
        &self.0
    }

    fn label(&self) -> &str {
        "chatty"
    }

    async fn begin(&self, start: SignInStart<'_>) -> Result<SignInStep, SignInFault> {
        Upstream::new("chatty").begin(start).await
    }

    async fn resume(&self, reply: SignInReply<'_>) -> Result<SignInStep, SignInFault> {
        Err(match reply.fields.get("code") {
            Some("invalid") => SignInFault::Invalid("token_response"),
            _ => SignInFault::Refused("access_denied"),
        })
    }
}

#[tokio::test]
async fn a_logx_6_what_another_server_says() {
    let log = CapturedLog::of_the_process().unwrap();
    let host = Host::with(|server| server.sign_in_with(Chatty("chatty".parse().unwrap()))).await;
    let said = "ghp_a-token-in-an-error";
    for code in ["invalid", "refused"] {
        let mut browser = host.browser();
        let page = browser.get(ask("app", CALLBACK).url().as_str()).await.unwrap();
        let mut back = comes_back(&depart(&mut browser, &page, "chatty").await, code);
        back.query_pairs_mut()
            .append_pair("error", said)
            .append_pair("error_description", said)
            .append_pair("error_uri", said);
        let page = browser.get(back.as_str()).await.unwrap();
        assert_eq!(page.status, StatusCode::FORBIDDEN);
        assert!(!page.html.contains(said));
    }
    // A document that fails says nothing on the page or in the log of what stood in it.
    let id = "https://tool.example/c.json";
    host.documents().set(
        id,
        oauth_core::fetch::Fetched::json(json!({ "client_id": said, "client_name": said }).to_string()),
    );
    let page = visit(&host, &ask(id, CALLBACK)).await;
    assert_shown(&page);
    assert!(!page.html.contains(said));
    assert!(log.leaks([said]).is_empty(), "{:?}", log.leaks([said]));
    assert!(host.events().iter().all(|event| !event.contains(said)));
}
