//! REDIR: where answers go, and nowhere else.

use http::StatusCode;
use http::header::SET_COOKIE;
use oauth_core::Client;
use serde_json::json;

use crate::host::{
    CALLBACK, Host, agree, ask, assert_refused, assert_shown, consent_page, decide, out, redeem, visit,
};

/// For each pair of a registered and an asked redirect URI: the request is shown as refused, and leads nowhere.
async fn assert_unlike(pairs: &[(&str, &str)]) {
    let clients: Vec<Client> = pairs
        .iter()
        .enumerate()
        .map(|(at, (registered, _))| {
            Client::public(format!("c{at}").parse().unwrap(), [registered.parse().unwrap()])
        })
        .collect();
    let host = Host::with(move |server| {
        clients.iter().cloned().fold(server, |server, client| server.client(client))
    })
    .await;
    for (at, (registered, asked)) in pairs.iter().enumerate() {
        let client = format!("c{at}");
        // The one that is registered is answered: it is the difference that is refused.
        assert_eq!(visit(&host, &ask(&client, registered)).await.status, StatusCode::OK, "{registered}");
        let page = visit(&host, &ask(&client, asked)).await;
        assert_shown(&page);
        assert!(!page.html.contains(asked), "{asked}");
    }
}

#[tokio::test]
async fn a_redir_4_percent_encoding_variance() {
    assert_unlike(&[
        ("https://app.example/cb%2Fa", "https://app.example/cb%2fa"),
        ("https://app.example/cb%2Fa", "https://app.example/cb/a"),
        ("https://app.example/cb", "https://app.example/c%62"),
    ])
    .await;
}

#[tokio::test]
async fn a_redir_5_case_variance() {
    assert_unlike(&[
        ("https://app.example/Callback", "https://app.example/callback"),
        ("https://app.example/Callback", "HTTPS://app.example/Callback"),
        ("https://app.example/Callback", "https://APP.example/Callback"),
    ])
    .await;
}

#[tokio::test]
async fn a_redir_7_regex_dot() {
    assert_unlike(&[
        ("https://app.example/cb", "https://appXexample/cb"),
        ("https://app.example/cb", "https://app.example/cbb"),
        ("https://app.example/.*", "https://app.example/anything"),
        ("https://app.example/*", "https://app.example/anything"),
    ])
    .await;
}

#[tokio::test]
async fn a_redir_8_port_change_off_loopback() {
    assert_unlike(&[
        ("https://app.example/cb", "https://app.example:8443/cb"),
        ("https://app.example/cb", "https://app.example:443/cb"),
        ("https://app.example:8443/cb", "https://app.example/cb"),
    ])
    .await;
}

#[tokio::test]
async fn a_redir_9_loopback_varies_by_port_alone() {
    let registered = "http://127.0.0.1/cb";
    assert_unlike(&[
        (registered, "http://127.0.0.1:9999/cb?x=1"),
        (registered, "http://127.0.0.1:9999/cb/"),
        (registered, "http://127.0.0.1:9999/other"),
        (registered, "http://127.0.0.1:9999/cb#"),
        (registered, "http://127.0.0.1:9999@evil.example/cb"),
        (registered, "http://127.0.0.1:99999/cb"),
        (registered, "https://127.0.0.1:9999/cb"),
    ])
    .await;
    let host = Host::start().await;
    let callback = agree(&mut host.browser(), &ask("cli", "http://127.0.0.1:9999/callback"), "alice").await;
    assert!(callback.url.as_str().starts_with("http://127.0.0.1:9999/callback?code="), "{}", callback.url);
}

#[tokio::test]
async fn a_redir_10_each_loopback_literal_stands_by_itself() {
    let registered = "http://127.0.0.1/cb";
    assert_unlike(&[
        (registered, "http://localhost:1234/cb"),
        (registered, "http://[::1]:1234/cb"),
        (registered, "http://127.1/cb"),
        (registered, "http://2130706433/cb"),
        (registered, "http://0.0.0.0/cb"),
        (registered, "http://127.0.0.1.evil.example/cb"),
        ("http://localhost/cb", "http://localhost.evil.example/cb"),
        ("http://localhost/cb", "http://127.0.0.1/cb"),
    ])
    .await;
}

#[tokio::test]
async fn a_redir_13_dangerous_schemes() {
    let host = Host::start().await;
    for (at, uri) in [
        "javascript:alert(1)//",
        "JavaScript:alert(1)//",
        "data:text/html,<script>alert(1)</script>",
        "vbscript:x",
        "file:///etc/passwd",
        "blob:https://app.example/x",
        "about:blank",
        "intent://x#Intent;scheme=http;end",
        "ms-msdt:x",
        " java\tscript:alert(1)",
        "\u{1}javascript:alert(1)",
        "view-source:https://app.example/",
    ]
    .into_iter()
    .enumerate()
    {
        let answer = host.register(&json!({ "redirect_uris": [uri], "client_name": "Evil" })).await;
        assert_refused(&answer, 400, "invalid_redirect_uri");
        // Beside a good one it is no better.
        let answer = host.register(&json!({ "redirect_uris": [CALLBACK, uri] })).await;
        assert_refused(&answer, 400, "invalid_redirect_uri");

        let id = format!("https://evil.example/{at}.json");
        host.publish(&json!({ "client_id": id, "client_name": "Evil", "redirect_uris": [uri] }));
        for asked in [ask(&id, uri), ask("app", uri)] {
            let page = visit(&host, &asked).await;
            assert_shown(&page);
            assert!(page.links().is_empty() && !page.html.contains(uri), "{uri}: {}", page.html);
        }
    }
}

#[tokio::test]
async fn a_redir_14_private_use_schemes() {
    let host = Host::start().await;
    for uri in ["myapp:/cb", "myapp://cb", "http+x:/cb", "x:/cb", "Cursor://a/b", "cursor+x://a"] {
        let answer = host.register(&json!({ "redirect_uris": [uri] })).await;
        assert_refused(&answer, 400, "invalid_redirect_uri");
    }
    for uri in
        ["cursor://anysphere.cursor/cb", "vscode://vscode.github-authentication/cb", "com.example.app:/cb"]
    {
        let answer = host.register(&json!({ "redirect_uris": [uri] })).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{uri}: {}", answer.text());
    }
}

#[tokio::test]
async fn a_redir_15_http_off_loopback() {
    let host = Host::start().await;
    for uri in ["http://app.example/cb", "http://192.168.1.5/cb", "http://127.0.0.2/cb", "http://[::2]/cb"] {
        let answer = host.register(&json!({ "redirect_uris": [uri] })).await;
        assert_refused(&answer, 400, "invalid_redirect_uri");
    }
}

#[tokio::test]
async fn a_redir_16_white_space_control_characters_and_homographs() {
    let host = Host::start().await;
    for tail in ["%0d%0aSet-Cookie:x=1", "%09", "%00", "%0a", "%20", "%e2%80%ae", "%c2%a0"] {
        // As it stands in the query: once decoded, the redirect URI has the character itself.
        let query = ask("app", "@")
            .url()
            .to_string()
            .replace("%40", &format!("https%3A%2F%2Fapp.example%2Fcb{tail}"));
        let page = host.browser().get(&query).await.unwrap();
        assert_shown(&page);
        assert!(
            page.headers.get_all(SET_COOKIE).iter().all(|cookie| cookie.as_bytes().starts_with(b"__Host-"))
        );
    }
    for uri in [
        "https://\u{430}pp.example/cb",
        "https://app.example/cb\r\nx",
        "https://app.example/\u{0}",
        "https://app.example/ cb",
    ] {
        let answer = host.register(&json!({ "redirect_uris": [uri] })).await;
        assert_refused(&answer, 400, "invalid_redirect_uri");
    }
    // The name in Cyrillic letters is shown as what it is.
    let id = host.registered("App", "https://xn--pp-8cd.example/cb").await;
    let page = consent_page(&mut host.browser(), &ask(&id, "https://xn--pp-8cd.example/cb"), "alice").await;
    assert!(page.text().contains("xn--pp-8cd.example") && !page.html.contains('\u{430}'), "{}", page.text());
}

#[tokio::test]
async fn a_redir_19_several_registered_and_none_named() {
    let host = Host::start().await;
    assert_shown(&visit(&host, &ask("app", CALLBACK).remove("redirect_uri")).await);
    // An empty one is none (RFC 6749 §3.1).
    assert_shown(&visit(&host, &ask("app", "")).await);
}

#[tokio::test]
async fn a_redir_20_another_redirect_uri_at_the_token_endpoint() {
    let host = Host::start().await;
    let code = host.code().await;
    for other in [
        "https://app.example/other",
        "https://evil.example/cb",
        "https://app.example/cb/",
        "HTTPS://app.example/cb",
    ] {
        let answer = host.client().send(&redeem("app", &code).set("redirect_uri", other)).await.unwrap();
        assert_refused(&answer, 400, "invalid_grant");
    }
    // Whoever tries does not burn the code for its owner.
    host.client().send(&redeem("app", &code)).await.unwrap().tokens().unwrap();
}

#[tokio::test]
async fn a_redir_21_the_redirect_uri_twice() {
    let host = Host::start().await;
    let evil = "https://evil.example/";
    for request in [
        ask("app", CALLBACK).add("redirect_uri", evil),
        ask("app", evil).add("redirect_uri", CALLBACK),
        ask("app", CALLBACK).add("redirect_uri", CALLBACK),
        // Where one is registered, and none need be named: two are not none.
        ask("one", "https://one.example/cb").add("redirect_uri", evil),
        ask("app", CALLBACK).add("client_id", "one"),
        ask("app", CALLBACK)
            .remove("redirect_uri")
            .add("redirect_uri[]", CALLBACK)
            .add("redirect_uri[0]", evil),
    ] {
        assert_shown(&visit(&host, &request).await);
    }
    // Beside the one that counts, array syntax has no meaning, and what has no value was not sent (RFC 6749 §3.1).
    for request in
        [ask("app", CALLBACK).add("redirect_uri[]", evil), ask("app", CALLBACK).add("redirect_uri", "")]
    {
        let callback = agree(&mut host.browser(), &request, "alice").await;
        assert!(callback.url.as_str().starts_with(CALLBACK), "{}", callback.url);
    }
}

#[tokio::test]
async fn a_redir_22_a_query_that_collides_with_the_answer() {
    let host = Host::start().await;
    for query in
        ["code=x", "state=y", "iss=z", "error=e", "error_description=e", "a=1&code=x", "%63ode=x", "co%64e"]
    {
        let uri = format!("https://app.example/cb?{query}");
        assert_refused(&host.register(&json!({ "redirect_uris": [uri] })).await, 400, "invalid_redirect_uri");
    }
    let uri = "https://app.example/cb?tenant=7&codes=x";
    let id = host.registered("App", uri).await;
    let callback = agree(&mut host.browser(), &ask(&id, uri), "alice").await;
    for name in ["tenant", "codes", "code", "state", "iss"] {
        assert_eq!(
            callback.pairs.iter().filter(|(own, _)| *own == name).count(),
            1,
            "{name}: {}",
            callback.url
        );
    }
}

#[tokio::test]
async fn a_redir_24_another_redirect_uri_after_the_checks() {
    let evil = "https://evil.example/cb";
    let host = Host::start().await;
    let mut browser = host.browser();
    let request = ask("app", CALLBACK);

    // At sign-in: as a field, and in the query of the form's target.
    let page = browser.get(request.url().as_str()).await.unwrap();
    let mut form =
        page.form_with_field("name").unwrap().clone().forge("redirect_uri", evil).forge("client_id", "one");
    form.action.set_query(Some(&format!("redirect_uri={evil}&client_id=one")));
    let next = browser.submit(&form, &[("name", "alice")], None).await.unwrap();

    // On the way on.
    let mut location = next.location().unwrap();
    location.query_pairs_mut().append_pair("redirect_uri", evil);
    let page = browser.get(location.as_str()).await.unwrap();
    assert!(page.text().contains("app.example") && !page.html.contains("evil.example"));

    // At consent.
    let form =
        page.form_with_button("allow").unwrap().clone().forge("redirect_uri", evil).forge("state", "S2");
    let next = browser.submit(&form, &[], Some("allow")).await.unwrap();
    let callback = out(&mut browser, next).await;
    assert!(callback.url.as_str().starts_with(CALLBACK), "{}", callback.url);
    assert_eq!(callback.state(), Some("S1"));
}

/// A loopback URI of the greatest length, asked for with a port, is longer than a redirect URI can be.
#[tokio::test]
async fn a_port_that_makes_a_redirect_uri_too_long_is_refused() {
    let host = Host::start().await;
    let longest = format!("http://localhost/{}", "x".repeat(2048 - "http://localhost/".len()));
    let id = host.registered("App", &longest).await;
    let longer = longest.replacen("localhost", "localhost:65535", 1);
    let mut browser = host.browser();
    assert_shown(&browser.get(ask(&id, &longer).url().as_str()).await.unwrap());
    // What is registered is answered.
    let page = consent_page(&mut browser, &ask(&id, &longest), "alice").await;
    let next = decide(&mut browser, &page, "deny").await;
    assert_eq!(out(&mut browser, next).await.error(), Some("access_denied"));
    // To answer it is what would have failed.
    assert_shown(&browser.get(ask(&id, &longer).set("prompt", "none").url().as_str()).await.unwrap());
}
