//! XSS: strangers' text on pages, in headers and in logs.

use http::StatusCode;
use http::header::{ACCEPT_LANGUAGE, CONTENT_TYPE};
use oauth_testing::{Browser, CapturedLog, Page};
use serde_json::json;

use crate::host::{
    CALLBACK, Host, ORIGIN, agree, ask, assert_closed, assert_refused, consent_page, redeem, token_request,
    visit,
};
use crate::upstream::{Upstream, comes_back, depart};

const EVIL: &str = "https://evil.example/cb";

/// Names that would run if they were not escaped.
const NAMES: [&str; 6] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "'><svg/onload=alert(1)>",
    "</title><script>alert(1)</script>",
    "{{7*7}}${7*7}<%=7*7%>",
    "</h1></main><form action=//evil.example>",
];

/// No element of the attacker's, and no script at all.
fn assert_inert(page: &Page) {
    assert_closed(page);
    let html = page.html.to_ascii_lowercase();
    for live in ["<script", "<img", "<svg/", "<form action", "href=\"javascript", "</title><", "</h1></main>"]
    {
        assert!(!html.contains(live), "{live}: {}", page.text());
    }
    assert!(!page.text().contains("49"), "{}", page.text());
    assert!(page.forms.iter().all(|form| form.action.as_str().starts_with(ORIGIN)));
}

#[tokio::test]
async fn a_xss_1_client_name() {
    let host = Host::start().await;
    for (at, name) in NAMES.into_iter().enumerate() {
        let registered = host.registered(name, EVIL).await;
        let published = format!("https://evil.example/{at}.json");
        host.publish(&json!({ "client_id": published, "client_name": name, "redirect_uris": [EVIL] }));
        for id in [&registered, &published] {
            assert_inert(&visit(&host, &ask(id, EVIL)).await);
            let page = consent_page(&mut host.browser(), &ask(id, EVIL), "alice").await;
            assert_inert(&page);
            assert!(page.text().contains("wants to use"));
            // What is wrong with the request, and its shape, is shown without the name.
            let page = visit(&host, &ask(id, EVIL).remove("code_challenge_method")).await;
            assert_eq!(page.status, StatusCode::BAD_REQUEST);
            assert_inert(&page);
        }
    }
    // The same from people's names.
    let mut browser = host.browser();
    let page = consent_page(&mut browser, &ask("app", CALLBACK), "<script>alert(1)</script>").await;
    assert_inert(&page);
    assert!(page.text().contains("<script>alert(1)</script>"), "as text: {}", page.text());
}

#[tokio::test]
async fn a_xss_2_links() {
    let host = Host::start().await;
    let bad = [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "vbscript:x",
        "http://evil.example/",
        "//evil.example",
        "https://evil.example/\"onclick=\"x",
    ];
    for (at, link) in bad.into_iter().enumerate() {
        for name in ["client_uri", "logo_uri", "tos_uri", "policy_uri"] {
            let answer = host.register(&json!({ "redirect_uris": [EVIL], name: link })).await;
            if answer.status == StatusCode::CREATED {
                // A URL that is one once it is encoded: it is shown encoded.
                let id = answer.member("client_id").unwrap().to_owned();
                let page = consent_page(&mut host.browser(), &ask(&id, EVIL), "alice").await;
                assert!(!page.html.contains("\"onclick"), "{}", page.html);
            } else {
                assert_refused(&answer, 400, "invalid_client_metadata");
            }
            let id = format!("https://evil.example/{at}/{name}.json");
            host.publish(
                &json!({ "client_id": id, "client_name": "Evil", "redirect_uris": [EVIL], name: link }),
            );
            let page = consent_page(&mut host.browser(), &ask(&id, EVIL), "alice").await;
            assert!(page.links().iter().all(|(url, _)| url.starts_with("https://")), "{:?}", page.links());
            assert!(!page.html.contains("\"onclick") && !page.html.contains("alert(1)"), "{}", page.html);
        }
    }
    // Strangers' images are not loaded, whatever they are.
    let id = "https://evil.example/logo.json";
    host.publish(&json!({ "client_id": id, "client_name": "Evil", "redirect_uris": [EVIL], "logo_uri": "https://evil.example/x.svg" }));
    let page = consent_page(&mut host.browser(), &ask(id, EVIL), "alice").await;
    assert!(!page.html.contains("x.svg"));
    assert_eq!(host.documents().count("https://evil.example/x.svg"), 0);
}

#[tokio::test]
async fn a_xss_3_parameters_come_back_as_data() {
    let host = Host::with(|server| server.sign_in_with(Upstream::new("idp"))).await;
    let state = "\"><script>alert(1)</script>\r\nSet-Cookie: x=1&code=forged#é";
    let mut browser = host.browser();
    let request = ask("app", CALLBACK)
        .set("state", state)
        .set("nonce", "\"><script>alert(1)</script>")
        .set("login_hint", "\"><script>alert(1)</script>");
    let page = browser.get(request.url().as_str()).await.unwrap();
    assert_inert(&page);
    let callback = agree(&mut browser, &request, "alice").await;
    assert_eq!(callback.state(), Some(state));
    assert_ne!(callback.code().unwrap(), "forged");
    assert!(!callback.url.as_str().contains(['<', '"', '\r', '\n']), "{}", callback.url);

    // What an upstream server is made to say (A-UPS-10).
    let said =
        "error=access_denied&error_description=<script>alert(1)</script>&error_uri=javascript:alert(1)";
    let callback = format!("{ORIGIN}/sign-in/idp/callback?{said}");
    assert_inert(&browser.get(&callback).await.unwrap());
    let mut fresh = host.browser();
    let page = fresh.get(ask("app", CALLBACK).url().as_str()).await.unwrap();
    let mut back = comes_back(&depart(&mut fresh, &page, "idp").await, "");
    back.set_query(Some(&format!("{}&{said}", back.query().unwrap())));
    let page = fresh.get(back.as_str()).await.unwrap();
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert_inert(&page);
    // And what is on no path of ours.
    for path in ["/%3Cscript%3Ealert(1)%3C/script%3E", "/sign-in/%3Cscript%3E", "/authorize?x=%3Cscript%3E"] {
        let answer = host.get(path).await;
        assert!(!String::from_utf8_lossy(answer.body()).contains("<script"), "{path}");
    }
}

#[tokio::test]
async fn a_xss_6_error_descriptions_are_fixed_texts() {
    let host = Host::start().await;
    for (name, value) in [
        ("grant_type", "<x>\""),
        ("grant_type", "<x>\"\r\n"),
        ("grant_type", "<x>é"),
        ("client_id", "<x>\""),
        ("client_id", "<x>é"),
        ("scope", "<x>\"é"),
        ("resource", "https://<x>/\"é"),
        ("code", "<x>\"é"),
        ("code_verifier", "<x>\"é"),
    ] {
        let code = host.code().await;
        let request = redeem("app", &code).set(name, value);
        let refresh = request.clone().set("refresh_token", &code);
        let refresh = if name == "grant_type" { refresh } else { refresh.set("grant_type", "refresh_token") };
        for request in [request, refresh] {
            let answer = host.client().send(&request).await.unwrap();
            assert_eq!(answer.headers[CONTENT_TYPE], "application/json");
            // RFC 6749 §5.2: these characters, and no others.
            let text = answer.member("error_description").unwrap_or_default();
            assert!(
                text.bytes().all(|byte| matches!(byte, 0x20 | 0x21 | 0x23..=0x5b | 0x5d..=0x7e)),
                "{text}"
            );
            assert!(!answer.text().contains("<x>") && answer.text().is_ascii(), "{}", answer.text());
        }
    }
    let answer = host.register(&json!({ "redirect_uris": ["<x>\"é"], "client_name": "<x>" })).await;
    assert!(!answer.text().contains("<x>"), "{}", answer.text());
}

#[tokio::test]
async fn a_xss_8_locales_name_no_files() {
    let host = Host::start().await;
    let plain = visit(&host, &ask("app", CALLBACK)).await.text().to_owned();
    for locale in ["../../etc/passwd", "de", "xx-<script>", "{{7*7}}", &"x".repeat(8000)] {
        let page =
            visit(&host, &ask("app", CALLBACK).set("ui_locales", locale).set("claims_locales", locale)).await;
        assert_eq!(page.text(), plain);
        let mut browser: Browser = host.browser().with_header(ACCEPT_LANGUAGE, locale.parse().unwrap());
        assert_eq!(browser.get(ask("app", CALLBACK).url().as_str()).await.unwrap().text(), plain);
    }
}

#[tokio::test]
async fn a_xss_9_a_log_line_is_one_line() {
    let log = CapturedLog::of_the_process().unwrap();
    let host = Host::start().await;
    let forged = "x\r\nFORGED granted everything\u{1b}[31m\u{7}";
    host.register(&json!({ "client_name": forged, "redirect_uris": [EVIL] })).await;
    host.register(&json!({ "client_name": "x", "redirect_uris": [forged] })).await;
    for name in ["client_id", "redirect_uri", "state", "scope", "resource", "login_hint", "nonce"] {
        visit(&host, &ask("app", CALLBACK).set(name, forged)).await;
        visit(&host, &ask("app", CALLBACK).set("prompt", "none").set(name, forged)).await;
    }
    for name in ["client_id", "code", "grant_type", "redirect_uri", "refresh_token", "token"] {
        host.client().send(&token_request().set("client_id", "app").set(name, forged)).await.unwrap();
    }
    // Documents whose members and whose failures are logged.
    let id = "https://evil.example/log.json";
    host.publish(&json!({ "client_id": id, "client_name": forged, "redirect_uris": [forged] }));
    visit(&host, &ask(id, EVIL)).await;
    let mut browser = host.browser().with_header(http::header::USER_AGENT, "x FORGED".parse().unwrap());
    agree(&mut browser, &ask("app", CALLBACK), "alice FORGED").await.code().unwrap();
    let text = log.text();
    assert!(!text.is_empty(), "something was logged");
    assert!(!text.contains(['\u{1b}', '\u{7}', '\r']), "{text}");
    assert!(text.lines().all(|line| !line.starts_with("FORGED")), "{text}");
    assert!(host.events().iter().all(|event| !event.contains(char::is_control)), "{:?}", host.events());
}
