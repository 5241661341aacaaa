//! CONS: nobody agrees to what they did not see, or without being asked.

use http::header::{CACHE_CONTROL, LOCATION};
use http::{Request, StatusCode};
use oauth_core::fetch::Fetched;
use oauth_core::{GrantFilter, PageRequest};
use oauth_testing::{BrowserError, Landed, Page};
use serde_json::{Value, json};

use crate::host::{
    CALLBACK, Host, agree, ask, assert_refused, assert_shown, consent_page, decide, out, redeem, sign_in, url,
};
use crate::upstream::{Upstream, depart};

const EVIL: &str = "https://evil.example/cb";

/// T2, and the other way round: what was allowed to one client is nothing to another.
#[tokio::test]
async fn a_cons_1_confused_deputy() {
    let idp = Upstream::new("idp");
    let upstream = idp.clone();
    let host = Host::with(move |server| server.sign_in_with(upstream.clone())).await;
    let mut victim = host.browser();
    let of_x = consent_page(&mut victim, &ask("app", CALLBACK), "alice").await;
    let next = decide(&mut victim, &of_x, "allow").await;
    out(&mut victim, next).await.code().unwrap();

    let y = host.registered("Y", EVIL).await;
    let page = victim.get(ask(&y, EVIL).url().as_str()).await.unwrap();
    assert_eq!((page.status, page.headers.get(LOCATION)), (StatusCode::OK, None));
    let text = page.text();
    assert!(
        text.contains("Y wants to use") && text.contains("evil.example") && text.contains("Unverified"),
        "{text}"
    );
    // X's page is answered; it opens nothing for Y.
    let ticket = of_x.form_with_button("allow").unwrap().value("ticket").unwrap();
    let forged = page.form_with_button("allow").unwrap().clone().strip("ticket").forge("ticket", ticket);
    assert_eq!(victim.submit(&forged, &[], Some("allow")).await.unwrap().status, StatusCode::FORBIDDEN);

    // Nobody who is not signed in is sent upstream without pressing a button on a page that names the client.
    let mut stranger = host.browser();
    let page = stranger.get(ask(&y, EVIL).url().as_str()).await.unwrap();
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text().contains("evil.example") && page.text().contains("Unverified"), "{}", page.text());
    let departure = depart(&mut stranger, &page, "idp").await;
    assert_eq!(departure.host_str(), Some("idp.idp.example"));
    assert!(idp.resumed().is_empty());
}

#[tokio::test]
async fn a_cons_3_loopback_clients_are_asked_for_each_time() {
    let host = Host::start().await;
    let mut browser = host.browser();
    let silently = |page: Page| page.location().is_some();
    for (client, redirect_uri) in
        [("cli", "http://127.0.0.1:1111/callback"), ("cli", "http://127.0.0.1:2222/callback")]
    {
        let page = consent_page(&mut browser, &ask(client, redirect_uri), "alice").await;
        let next = decide(&mut browser, &page, "allow").await;
        out(&mut browser, next).await.code().unwrap();
    }
    // One that registered itself, on loopback or by a scheme of its own.
    for redirect_uri in ["http://localhost:1111/callback", "cursor://anysphere.cursor/cb"] {
        let id = host.registered("Tool", redirect_uri).await;
        agree(&mut browser, &ask(&id, redirect_uri), "alice").await;
        let page = browser.get(ask(&id, redirect_uri).url().as_str()).await.unwrap();
        assert!(!silently(page), "{redirect_uri}");
        let silent = ask(&id, redirect_uri).set("prompt", "none");
        let location = browser.get(silent.url().as_str()).await.unwrap().location().unwrap();
        assert!(location.query().unwrap().contains("error=consent_required"), "{location}");
    }
}

/// What was agreed to is kept for the return address that the page showed, and for none where any program may listen (AS-68).
#[tokio::test]
async fn a_cons_3_an_agreement_is_for_the_address_that_was_shown() {
    let host = Host::start().await;
    let elsewhere =
        ["https://app.example/other", EVIL, "http://127.0.0.1:4444/callback", "cursor://anysphere.cursor/cb"];
    let redirect_uris = [&[CALLBACK], &elsewhere[..]].concat();
    let metadata = json!({ "client_name": "Claude", "redirect_uris": redirect_uris, "token_endpoint_auth_method": "none" });
    let id = host.register(&metadata).await.member("client_id").unwrap().to_owned();
    let mut browser = host.browser();
    agree(&mut browser, &ask(&id, CALLBACK), "alice").await.code().unwrap();
    let silently = |redirect_uri: &str| ask(&id, redirect_uri).set("prompt", "none").url();
    for redirect_uri in elsewhere {
        let page = browser.get(ask(&id, redirect_uri).url().as_str()).await.unwrap();
        assert!(page.location().is_none() && page.form_with_button("allow").is_ok(), "{redirect_uri}");
        assert!(!page.text().contains("Allowed before"), "{redirect_uri}: {}", page.text());
        let location = browser.get(silently(redirect_uri).as_str()).await.unwrap().location().unwrap();
        assert!(location.query().unwrap().contains("error=consent_required"), "{location}");
    }
    // Where it was shown, it counts.
    let location = browser.get(silently(CALLBACK).as_str()).await.unwrap().location().unwrap();
    assert!(location.query().unwrap().contains("code="), "{location}");
    // And the other way round: the next address takes the first one's place.
    agree(&mut browser, &ask(&id, EVIL), "alice").await.code().unwrap();
    let location = browser.get(silently(CALLBACK).as_str()).await.unwrap().location().unwrap();
    assert!(location.query().unwrap().contains("error=consent_required"), "{location}");
}

#[tokio::test]
async fn a_cons_3_nothing_is_kept_of_an_agreement_on_the_users_own_machine() {
    let host = Host::start().await;
    let mut browser = host.browser();
    for redirect_uri in [
        "http://127.0.0.1:1111/callback",
        "com.example.tool:/cb",
        "https://localhost:8443/cb",
        "https://127.0.0.1/cb",
        "https://[::1]/cb",
        "https://tool.localhost/cb",
    ] {
        let id = host.registered("Tool", redirect_uri).await;
        let page = consent_page(&mut browser, &ask(&id, redirect_uri), "alice").await;
        // https to oneself is no better than http to oneself (AS-66).
        let warns = page.text().contains("any program could use its name");
        assert_eq!(warns, redirect_uri.starts_with("http"), "{redirect_uri}: {}", page.text());
        let next = decide(&mut browser, &page, "allow").await;
        out(&mut browser, next).await.code().unwrap();
        let again = browser.get(ask(&id, redirect_uri).url().as_str()).await.unwrap();
        assert!(again.form_with_button("allow").is_ok(), "{redirect_uri}: asked each time");
        let silent = ask(&id, redirect_uri).set("prompt", "none");
        let location = browser.get(silent.url().as_str()).await.unwrap().location().unwrap();
        assert!(location.as_str().contains("error=consent_required"), "{location}");
    }
    let grants = host.stores().grants.list(GrantFilter::All, PageRequest::first(99)).await.unwrap().items;
    assert_eq!(grants.len(), 6);
    let kept = host.stores().consents.of_subject(&grants[0].subject).await.unwrap();
    assert_eq!(kept, []);
}

#[tokio::test]
async fn a_cons_4_a_documents_name_on_localhost() {
    let host = Host::start().await;
    let id = "https://claude.ai/oauth/client.json";
    let redirect_uri = "http://localhost:4444/callback";
    host.publish(&json!({ "client_id": id, "client_name": "Claude", "redirect_uris": ["https://claude.ai/cb", "http://localhost/callback"] }));
    let mut browser = host.browser();
    for _ in 0..2 {
        let page = consent_page(&mut browser, &ask(id, redirect_uri), "alice").await;
        let text = page.text();
        for shown in ["claude.ai", "localhost", "Unverified", "any program could use its name"] {
            assert!(text.contains(shown), "{shown}: {text}");
        }
        let next = decide(&mut browser, &page, "allow").await;
        out(&mut browser, next).await.code().unwrap();
    }
}

#[tokio::test]
async fn a_cons_5_well_known_name() {
    let host = Host::start().await;
    let metadata = json!({
        "client_name": "Claude", "logo_uri": "https://claude.ai/logo.png", "client_uri": "https://claude.ai",
        "redirect_uris": [EVIL], "token_endpoint_auth_method": "none",
    });
    let id = host.register(&metadata).await.member("client_id").unwrap().to_owned();
    let page = consent_page(&mut host.browser(), &ask(&id, EVIL), "alice").await;
    let text = page.text();
    assert!(text.contains("evil.example") && text.contains("Unverified"), "{text}");
    // The host by which to judge stands before the name's own page; its logo nowhere.
    assert!(!text.contains("claude.ai") && !page.html.contains("logo.png"), "{text}");
    assert!(page.title().contains("evil.example"), "{}", page.title());
}

#[tokio::test]
async fn a_cons_6_look_alike_text() {
    let host = Host::start().await;
    for (name, shown) in [
        ("Cla\u{202e}edu", "Claedu"),
        ("C\u{200b}laud\u{feff}e", "Claude"),
        ("Claude ✔ verified ✅", "Claude verified"),
        ("Claude&lt;b&gt; &#9989;", "Claude&lt;b&gt; &#9989;"),
        ("a\u{300}\u{300}\u{300}\u{300}\u{300}\u{300}", "a\u{300}\u{300}"),
        ("App\u{a0}\u{2003}from  Anthropic", "App from Anthropic"),
        ("Claude\nVerified", "Claude Verified"),
        ("Claude\u{1b}[31m", "Claude [31m"),
        ("a\0b", "a b"),
    ] {
        let id = host.registered(name, EVIL).await;
        let page = consent_page(&mut host.browser(), &ask(&id, EVIL), "alice").await;
        assert!(page.text().contains(&format!("{shown} wants to use")), "{name:?}: {}", page.text());
        assert!(!page.html.contains(['\u{202e}', '\u{200b}', '\u{feff}', '✔', '✅']), "{name:?}");
    }
    // However long it is, the host beside it stays in sight.
    let id = host.registered(&"x".repeat(10 * 1024), EVIL).await;
    let page = consent_page(&mut host.browser(), &ask(&id, EVIL), "alice").await;
    assert!(page.text().contains("evil.example") && !page.html.contains(&"x".repeat(61)), "{}", page.text());
    // Nothing but disguise is no name.
    let id = host.registered("\u{200b}🔒", EVIL).await;
    let page = consent_page(&mut host.browser(), &ask(&id, EVIL), "alice").await;
    assert!(!page.html.contains('🔒') && page.text().contains("evil.example"), "{}", page.text());
}

#[tokio::test]
async fn a_cons_7_scopes_as_text() {
    let host = Host::start().await;
    let mut browser = host.browser();
    consent_page(&mut browser, &ask("app", CALLBACK), "alice").await;
    let many: Vec<String> = (0..2000).map(|at| format!("s{at}")).collect();
    for (scope, told) in [
        ("notes:read <b>admin</b>", None),
        ("notes:read All-of-your-money", None),
        ("<b>admin</b>", Some("invalid_scope")),
        ("notes:read \"x\"", Some("invalid_scope")),
        ("notes:read notes\\read", Some("invalid_scope")),
        ("notes:read \u{202e}", Some("invalid_scope")),
        (&many.join(" "), Some("invalid_scope")),
    ] {
        let page = browser.get(ask("app", CALLBACK).set("scope", scope).url().as_str()).await.unwrap();
        match (page.location(), told) {
            (Some(location), Some(error)) => {
                assert!(location.as_str().contains(&format!("error={error}")), "{location}");
            }
            (None, None) => {
                // Only what the operator has words for is shown.
                assert!(page.text().contains("Read your notes"), "{}", page.text());
                assert!(!page.html.contains("admin") && !page.html.contains("money"), "{scope}");
            }
            (location, _) => panic!("{scope}: {location:?} {}", page.text()),
        }
    }
}

#[tokio::test]
async fn a_cons_8_consent_without_a_press() {
    let host = Host::start().await;
    let mut browser = host.browser();
    let request = ask("app", CALLBACK);
    let page = consent_page(&mut browser, &request, "alice").await;
    let ticket = page.form_with_button("allow").unwrap().value("ticket").unwrap().to_owned();
    for (name, value) in [("approve", "1"), ("decision", "allow"), ("ticket", &ticket), ("_method", "POST")] {
        let page = browser.get(request.clone().set(name, value).url().as_str()).await.unwrap();
        assert!(page.location().is_none() && page.form_with_button("allow").is_ok());
    }
    let url_of = format!("{}?ticket={ticket}&decision=allow", url("/authorize/consent"));
    assert_eq!(browser.get(&url_of).await.unwrap().status, StatusCode::METHOD_NOT_ALLOWED);
    for name in ["x-http-method-override", "x-method-override", "x-http-method"] {
        let cookies: String =
            browser.cookies().iter().map(|cookie| format!("{}={}; ", cookie.name, cookie.value)).collect();
        let answer =
            host.send(Request::get(&url_of).header(name, "POST").header("cookie", cookies), "").await;
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
    }
    // Enter presses the first button, which sends nothing.
    let form = page.form_with_button("allow").unwrap();
    let entered = browser.submit(form, &[], None).await;
    assert!(matches!(entered, Err(BrowserError::NotSent)), "{entered:?}");
    // A post without a decision, or with both.
    let cookies: String =
        browser.cookies().iter().map(|cookie| format!("{}={}; ", cookie.name, cookie.value)).collect();
    for decision in [
        "",
        "&decision=",
        "&decision=Allow",
        "&decision=allow&decision=deny",
        "&decision=deny&decision=allow",
    ] {
        let request = Request::post(url("/authorize/consent"))
            .header("cookie", &cookies)
            .header("content-type", "application/x-www-form-urlencoded");
        let answer = host.send(request, format!("ticket={ticket}&scope=notes:write{decision}")).await;
        assert!(answer.headers().get(LOCATION).is_none(), "{decision}: {answer:?}");
    }
    assert_eq!(host.stores().grants.count(GrantFilter::All).await.unwrap(), 0);
}

#[tokio::test]
async fn a_cons_9_more_than_was_shown() {
    let host = Host::with(|server| server.resource("https://mcp.example/other")).await;
    let mut browser = host.browser();
    let request = ask("app", CALLBACK).set("scope", "notes:read");
    let page = consent_page(&mut browser, &request, "alice").await;
    let form = page.form_with_button("allow").unwrap().clone();
    let forged = ["notes:write", "notes:delete", "admin", "*", "notes:read notes:delete"]
        .iter()
        .fold(form, |form, scope| form.forge("scope", scope))
        .forge("resource", "https://mcp.example/other")
        .forge("client_id", "one")
        .forge("subject", "bob");
    let next = browser.submit(&forged, &[], Some("allow")).await.unwrap();
    let code = out(&mut browser, next).await.code().unwrap().to_owned();
    let other = redeem("app", &code).set("resource", "https://mcp.example/other");
    assert_refused(&host.client().send(&other).await.unwrap(), 400, "invalid_target");
    let tokens = host.client().send(&redeem("app", &code)).await.unwrap().tokens().unwrap();
    assert_eq!(tokens.scope.as_deref(), Some("notes:read"));

    // What cannot be unticked is not to be had without.
    let page = consent_page(&mut browser, &ask("app", CALLBACK), "alice").await;
    let stripped = page.form_with_button("allow").unwrap().clone().strip("scope");
    let next = browser.submit(&stripped, &[], Some("allow")).await.unwrap();
    let code = out(&mut browser, next).await.code().unwrap().to_owned();
    let tokens = host.client().send(&redeem("app", &code)).await.unwrap().tokens().unwrap();
    assert_eq!(tokens.scope.as_deref(), Some("notes:read"));
}

#[tokio::test]
async fn a_cons_10_the_client_changes_under_the_user() {
    let host = Host::start().await;
    let id = "https://tool.example/other.json";
    let document =
        json!({ "client_id": id, "client_name": "Tool", "redirect_uris": ["https://tool.example/cb"] });
    let publish = |document: &Value| {
        let answer =
            Fetched::json(document.to_string()).with_header(CACHE_CONTROL, "max-age=60".parse().unwrap());
        host.documents().set(id, answer);
    };
    let with = |name: &str, value: Value| {
        let mut document = document.clone();
        document[name] = value;
        document
    };
    publish(&document);
    let mut browser = host.browser();
    let request = ask(id, "https://tool.example/cb").set("prompt", "consent");
    for changed in
        [with("redirect_uris", json!(["https://tool.example/cb", EVIL])), with("client_name", json!("Bank"))]
    {
        let page = consent_page(&mut browser, &request, "alice").await;
        publish(&changed);
        host.forward(61);
        let again = decide(&mut browser, &page, "allow").await;
        assert_eq!((again.status, again.location()), (StatusCode::OK, None));
        assert!(again.form_with_button("allow").is_ok(), "asked again: {}", again.text());
        // Now they know.
        let next = decide(&mut browser, &again, "allow").await;
        out(&mut browser, next).await.code().unwrap();
        host.forward(61);
    }
    // Where the answer was to go is not the client's any more.
    let page = consent_page(&mut browser, &request, "alice").await;
    publish(&with("redirect_uris", json!(["https://tool.example/moved"])));
    host.forward(61);
    let over = decide(&mut browser, &page, "allow").await;
    assert_eq!((over.status, over.location()), (StatusCode::FORBIDDEN, None));
    assert_shown(&browser.get(request.url().as_str()).await.unwrap());
}

/// What is remembered is for the same client, scopes and resources, and for no more.
#[tokio::test]
async fn remembered_consent_covers_what_was_agreed_to() {
    let host = Host::with(|server| server.resource("https://mcp.example/other")).await;
    let mut browser = host.browser();
    let request = ask("app", CALLBACK).set("scope", "notes:read");
    agree(&mut browser, &request, "alice").await;
    let asked =
        |landed: &Landed| matches!(landed, Landed::Page(page) if page.form_with_button("allow").is_ok());
    let page = browser.get(request.url().as_str()).await.unwrap();
    assert!(!asked(&sign_in(&mut browser, page, "alice").await), "the same again");
    for more in [
        request.clone().set("scope", "notes:read notes:write"),
        request.clone().set("scope", "notes:read notes:delete"),
        request.clone().set("resource", "https://mcp.example/other"),
        request.clone().add("resource", "https://mcp.example/other"),
        request.clone().set("prompt", "consent"),
        ask("reader", "https://reader.example/cb").set("scope", "notes:read"),
    ] {
        let page = browser.get(more.url().as_str()).await.unwrap();
        assert!(asked(&sign_in(&mut browser, page, "alice").await), "{}", more.url());
    }
    // Somebody else at the same browser has agreed to nothing.
    let page = browser.get(request.clone().set("prompt", "login").url().as_str()).await.unwrap();
    assert!(asked(&sign_in(&mut browser, page, "bob").await));
}
