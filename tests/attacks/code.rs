//! CODE: an authorization code buys one set of tokens, for the one it was sent to.

use std::sync::Arc;

use http::{Method, Request, StatusCode};
use oauth_core::{Clock as _, GrantFilter, Identity, Stores};
use oauth_server::{AuthorizationServer, OfferedScope};
use oauth_testing::{InProcess, Landed};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::Barrier;

use crate::host::{
    CALLBACK, Host, VERIFIER, agree, ask, assert_refused, consent_page, decide, leave, out, redeem, refresh,
    url,
};
use crate::upstream::{Upstream, comes_back, depart};
use crate::wire;

const AT_ONCE: usize = 50;

/// Of many answers to one code: one has tokens, and they are worth nothing, since the others were otherwise valid (OAuth 2.1 §4.1.3).
async fn assert_one_won(host: &Host, answers: Vec<(u16, serde_json::Value)>) {
    let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(status, _)| *status == 200);
    assert_eq!((won.len(), lost.len()), (1, AT_ONCE - 1));
    for (status, json) in lost {
        assert_eq!((status, json["error"].as_str()), (400, Some("invalid_grant")), "{json}");
        assert!(json.get("access_token").is_none());
    }
    let tokens = &won[0].1;
    assert!(!host.lets_in(tokens["access_token"].as_str().unwrap()).await);
    let again = host.client().send(&refresh("app", tokens["refresh_token"].as_str().unwrap())).await.unwrap();
    assert_refused(&again, 400, "invalid_grant");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_code_2_parallel_redemption_in_process() {
    let host = Arc::new(Host::start().await);
    let code = host.code().await;
    let barrier = Arc::new(Barrier::new(AT_ONCE));
    let mut tasks = Vec::new();
    for _ in 0..AT_ONCE {
        let (host, barrier, request) = (host.clone(), barrier.clone(), redeem("app", &code));
        tasks.push(tokio::spawn(async move {
            barrier.wait().await;
            let answer = host.client().send(&request).await.unwrap();
            (answer.status.as_u16(), answer.json)
        }));
    }
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    assert_one_won(&host, answers).await;
}

/// Fifty connections, each with all of the request but its last byte; then the last bytes together.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn t1_parallel_redemption_over_connections() {
    let host = Host::start().await;
    let code = host.code().await;
    let address = wire::serve(host.router()).await;
    let body = redeem("app", &code).pairs.encoded();
    let request = format!(
        "POST /token HTTP/1.1\r\nHost: mcp.example\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let (most, last) = request.as_bytes().split_at(request.len() - 1);
    let mut streams = Vec::new();
    for _ in 0..AT_ONCE {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(most).await.unwrap();
        streams.push(stream);
    }
    let barrier = Arc::new(Barrier::new(AT_ONCE));
    let mut tasks = Vec::new();
    for mut stream in streams {
        let (barrier, last) = (barrier.clone(), last.to_owned());
        tasks.push(tokio::spawn(async move {
            barrier.wait().await;
            stream.write_all(&last).await.unwrap();
            let answer = wire::read(&mut stream).await;
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            let status = head.split(' ').nth(1).unwrap().parse().unwrap();
            (status, serde_json::from_str(body).unwrap())
        }));
    }
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    assert_one_won(&host, answers).await;
}

/// T5: whoever has the code alone cannot end what it bought; whoever has the verifier, too, can only have it from the client.
#[tokio::test]
async fn a_code_3_replay_as_denial_of_service() {
    let host = Host::start().await;
    let code = host.code().await;
    let tokens = host.client().send(&redeem("app", &code)).await.unwrap().tokens().unwrap();
    // More often than wrong verifiers for an unspent code are borne.
    for at in 0..10 {
        let wrong = format!("{at}{}", &VERIFIER[1..]);
        let answer = host.client().send(&redeem("app", &code).set("code_verifier", &wrong)).await.unwrap();
        assert_refused(&answer, 400, "invalid_grant");
    }
    for bent in [
        redeem("one", &code),
        redeem("app", &code).set("redirect_uri", "https://app.example/other"),
        redeem("app", &code).set("resource", "https://other.example/mcp"),
    ] {
        assert_eq!(host.client().send(&bent).await.unwrap().status, StatusCode::BAD_REQUEST);
    }
    assert!(host.lets_in(&tokens.access_token).await);
    let tokens = host
        .client()
        .send(&refresh("app", tokens.refresh_token.as_deref().unwrap()))
        .await
        .unwrap()
        .tokens()
        .unwrap();

    let answer = host.client().send(&redeem("app", &code)).await.unwrap();
    assert_refused(&answer, 400, "invalid_grant");
    assert!(!host.lets_in(&tokens.access_token).await);
    let answer = host.client().send(&refresh("app", tokens.refresh_token.as_deref().unwrap())).await.unwrap();
    assert_refused(&answer, 400, "invalid_grant");
    assert_eq!(host.heard("code_replayed"), 1);
}

#[tokio::test]
async fn a_code_4_code_of_another_client() {
    let host = Host::start().await;
    let code = host.code().await;
    let bent = [
        redeem("one", &code),
        redeem("ignored", &code).remove("client_id").basic("gateway", oauth_testing::KnownClient::SECRET),
        // The one that it was issued to is named beside the one that authenticates.
        redeem("app", &code).basic("gateway", oauth_testing::KnownClient::SECRET),
    ];
    for (request, error) in bent.iter().zip(["invalid_grant", "invalid_grant", "invalid_request"]) {
        assert_refused(&host.client().send(request).await.unwrap(), 400, error);
    }
    // The client itself may still redeem it.
    host.client().send(&redeem("app", &code)).await.unwrap().tokens().unwrap();
}

#[tokio::test]
async fn a_code_5_code_of_another_issuer() {
    // Two tenants over one store, each with a resource of its own, and one client that both know.
    let stores = Stores::memory();
    let tenant = |name: &str| {
        AuthorizationServer::builder(&format!("https://as.example/{name}"), stores.clone())
            .resource(&format!("https://{name}.example/mcp"))
            .scope(OfferedScope::new("notes:read", ""))
            .clients_json(r#"[{"client_id":"app","redirect_uris":["https://app.example/cb"]}]"#)
            .insecure_approve_all("alice")
            .build()
    };
    let (first, second) = (tenant("t1").await.unwrap(), tenant("t2").await.unwrap());
    let wire = InProcess::new(axum::Router::new().nest_service("/t1", first).nest_service("/t2", second));
    let client = oauth_testing::Client::new(wire.clone(), "https://t1.example/mcp").unwrap();
    let mut request = ask("app", CALLBACK).remove("resource").set("scope", "notes:read");
    request.endpoint = "https://as.example/t1/authorize".parse().unwrap();
    let page = oauth_testing::Browser::new(wire).get(request.url().as_str()).await.unwrap();
    let callback = oauth_testing::Callback::read(&page.location().unwrap());
    assert_eq!(callback.iss(), Some("https://as.example/t1"));

    let at = |issuer: &str| {
        let mut request = redeem("app", callback.code().unwrap()).remove("resource");
        request.url = format!("{issuer}/token").parse().unwrap();
        request
    };
    let named = at("https://as.example/t2").set("resource", "https://t1.example/mcp");
    for request in [at("https://as.example/t2"), named] {
        assert_refused(&client.send(&request).await.unwrap(), 400, "invalid_grant");
    }
    client.send(&at("https://as.example/t1")).await.unwrap().tokens().unwrap();
}

#[tokio::test]
async fn a_code_6_expired_code() {
    let host = Host::start().await;
    let (late, in_time) = (host.code().await, host.code().await);
    host.forward(59);
    host.client().send(&redeem("app", &in_time)).await.unwrap().tokens().unwrap();
    host.forward(2);
    assert_refused(&host.client().send(&redeem("app", &late)).await.unwrap(), 400, "invalid_grant");
    // A clock that is set back makes nothing of it that was over; it was never spent, and counts again for a second.
    host.forward(3600);
    assert_refused(&host.client().send(&redeem("app", &late)).await.unwrap(), 400, "invalid_grant");
}

/// The attacker's own session in the honest client has another verifier than the one the victim's code was asked for with.
#[tokio::test]
async fn a_code_8_code_injection() {
    let host = Host::start().await;
    let stolen = host.code().await;
    let other = "another-verifier-of-the-attackers-own-session";
    let answer = host.client().send(&redeem("app", &stolen).set("code_verifier", other)).await.unwrap();
    assert_refused(&answer, 400, "invalid_grant");
    assert_eq!(host.heard("verifier_mismatch"), 1);
}

#[tokio::test]
async fn a_code_9_user_disabled_after_the_code() {
    let host = Host::start().await;
    let code = host.code().await;
    let accounts = &host.stores().accounts;
    let identity = Identity { provider: "door".parse().unwrap(), id: "alice".to_owned() };
    let mut account = accounts.find_by_identity(&identity).await.unwrap().unwrap();
    account.disabled = true;
    accounts.update(&account).await.unwrap();
    assert_refused(&host.client().send(&redeem("app", &code)).await.unwrap(), 400, "invalid_grant");
    // Nor is there a way in.
    let mut browser = host.browser();
    let page = browser.get(ask("app", CALLBACK).url().as_str()).await.unwrap();
    let form = page.form_with_field("name").unwrap();
    let page = browser.submit(form, &[("name", "alice")], None).await.unwrap();
    assert_eq!(page.status, StatusCode::FORBIDDEN, "{}", page.text());
    assert!(!browser.cookies().iter().any(|cookie| cookie.name.contains("session")));
}

#[tokio::test]
async fn a_code_10_crash_between_spending_and_issuing() {
    let host = Host::start().await;
    // Nothing was written: the same request works.
    let code = host.code().await;
    host.faults().fail_next("grants.exchange");
    assert_refused(&host.client().send(&redeem("app", &code)).await.unwrap(), 503, "temporarily_unavailable");
    host.client().send(&redeem("app", &code)).await.unwrap().tokens().unwrap();

    // All was written, and the answer was lost: the code is dead, and so is what nobody was told of.
    let code = host.code().await;
    host.faults().lose_next("grants.exchange");
    assert_refused(&host.client().send(&redeem("app", &code)).await.unwrap(), 503, "temporarily_unavailable");
    assert_refused(&host.client().send(&redeem("app", &code)).await.unwrap(), 400, "invalid_grant");
    let grants =
        host.stores().grants.list(GrantFilter::All, oauth_core::PageRequest::first(10)).await.unwrap().items;
    assert_eq!(grants.iter().filter(|grant| grant.revoked_at.is_none()).count(), 1, "the first one's");
}

#[tokio::test]
async fn a_code_13_nothing_happens_to_who_only_looks() {
    let host = Host::with(|server| server.sign_in_with(Upstream::new("idp"))).await;
    let mut browser = host.browser();
    agree(&mut browser, &ask("app", CALLBACK), "alice").await;
    let grants = || async { host.stores().grants.count(GrantFilter::All).await.unwrap() };
    let before = grants().await;
    let cookies: String =
        browser.cookies().iter().map(|cookie| format!("{}={}; ", cookie.name, cookie.value)).collect();
    let look = |method: Method, target: String, purpose: Option<&'static str>| {
        let mut request = Request::builder().method(method).uri(url(&target)).header("cookie", &cookies);
        if let Some(purpose) = purpose {
            request = request.header("sec-purpose", purpose);
        }
        host.send(request, "")
    };
    let lookers =
        [(Method::HEAD, None), (Method::GET, Some("prefetch")), (Method::GET, Some("prefetch;prerender"))];

    // A request that a real GET would answer with a code, since alice agreed before.
    let target = ask("app", CALLBACK).url().to_string();
    for (method, purpose) in lookers.clone() {
        let answer = look(method, target.clone(), purpose).await;
        assert!(answer.headers().get("location").is_none() && answer.body().is_empty());
    }
    assert_eq!(grants().await, before);

    // The way back from another server: a scanner that follows the link first uses nothing up.
    let mut fresh = host.browser();
    let page = fresh.get(&target).await.unwrap();
    let back = comes_back(&depart(&mut fresh, &page, "idp").await, "carol");
    let jar: String =
        fresh.cookies().iter().map(|cookie| format!("{}={}; ", cookie.name, cookie.value)).collect();
    for (method, purpose) in lookers.clone() {
        let mut request = Request::builder().method(method).uri(back.as_str()).header("cookie", &jar);
        if let Some(purpose) = purpose {
            request = request.header("sec-purpose", purpose);
        }
        let answer = host.send(request, "").await;
        assert!(answer.headers().get("location").is_none() && answer.headers().get("set-cookie").is_none());
    }
    let page = fresh.get(back.as_str()).await.unwrap();
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text());

    // The way on after a sign-in.
    let on = page.location().unwrap().to_string();
    for (method, purpose) in lookers {
        let answer = look(method, on.clone(), purpose).await;
        assert!(answer.headers().get("location").is_none());
    }
    let Landed::Page(page) = leave(&mut fresh, page).await else { panic!("nobody was asked") };
    assert!(page.form_with_button("allow").is_ok());

    // To agree takes a POST.
    for method in [Method::GET, Method::HEAD] {
        let answer = look(method, "/authorize/consent?decision=allow".to_owned(), None).await;
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
    }
    assert_eq!(grants().await, before);
}

/// A page that was answered cannot be answered again, whichever way, and whatever the store has forgotten meanwhile.
#[tokio::test]
async fn a_consent_page_is_answered_once() {
    let host = Host::start().await;
    for (first, then) in [("allow", "allow"), ("allow", "deny"), ("deny", "allow"), ("deny", "deny")] {
        let mut browser = host.browser();
        let request = ask("app", CALLBACK).set("prompt", "consent");
        let page = consent_page(&mut browser, &request, "alice").await;
        let next = decide(&mut browser, &page, first).await;
        let callback = out(&mut browser, next).await;
        let again = decide(&mut browser, &page, then).await;
        assert_eq!((again.status, again.location()), (StatusCode::FORBIDDEN, None), "{first}, {then}");
        // Whoever sweeps, keeps for an hour what has ended.
        host.forward(300);
        host.stores().purge(host.clock().now().before(std::time::Duration::from_secs(3600))).await.unwrap();
        let again = decide(&mut browser, &page, then).await;
        assert_eq!((again.status, again.location()), (StatusCode::FORBIDDEN, None), "{first}, swept, {then}");
        if first == "deny" {
            assert_eq!(callback.error(), Some("access_denied"));
        }
    }
}
