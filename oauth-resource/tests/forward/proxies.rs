//! A real nginx, Caddy, Traefik and Envoy, with the configuration that stands in the manual.

use oauth_resource::ProxyStyle;
use oauth_testing::Program;

use crate::fixture::{PAGE, forward};
use crate::launch::{caddy, envoy, free_port, nginx, program, traefik};
use crate::wire::{Behind, Events, Reply, ask, get, get_from, start};

/// Who the server behind takes the caller for, in every spelling of the header that it might read.
fn arrived(reply: &Reply) -> Vec<String> {
    let (_, lines) = reply.text.split_once("ARRIVED").unwrap_or_else(|| panic!("{}", reply.text));
    let names_a_user = |line: &&str| {
        let name = line.split('=').next().unwrap_or_default().to_ascii_lowercase().replace(['_', '.'], "-");
        ["x-user-id", "x-user-name", "x-auth-scopes"].contains(&&*name) && !line.ends_with('=')
    };
    lines.lines().filter(names_a_user).map(str::to_owned).collect()
}

const FORGED: [&str; 10] = [
    "X-User-Id: admin",
    "x-user-id: admin",
    "X-USER-ID: admin",
    "X_User_Id: admin",
    "x_user_id: admin",
    "X-User_Id: admin",
    "X-User-Name: admin",
    "X-Auth-Scopes: notes:admin",
    "X_Auth_Scopes: notes:admin",
    "X-Forwarded-Uri: /mcp/open",
];

/// What a proxy makes of a header whose name has an underscore.
#[derive(Clone, Copy, PartialEq)]
enum Underscores {
    Dropped,
    /// With the whole request.
    Refused,
}

async fn serves_as_the_manual_says(
    proxy: &Program,
    behind: &Behind,
    metadata: &str,
    underscores: Underscores,
) {
    let at = proxy.address;
    // Without a token: the challenge, and the document that it names.
    let refused = get(at, "/mcp", &[]).await;
    assert_eq!(refused.status, 401, "{}", refused.text);
    let lower = refused.text.to_ascii_lowercase();
    assert!(
        lower.contains(&format!(
            "www-authenticate: bearer scope=\"notes:read\", resource_metadata=\"{metadata}"
        )),
        "{lower}"
    );
    let document = get(at, "/.well-known/oauth-protected-resource/mcp", &[]).await;
    assert!(document.status == 200 && document.text.contains("authorization_servers"), "{}", document.text);

    let token = "Authorization: Bearer alice.read";
    let passed = get(at, "/mcp?a=b", &[token]).await;
    assert_eq!(passed.status, 200, "{}", passed.text);
    assert!(passed.text.contains("ARRIVED /mcp?a=b"), "{}", passed.text);
    let lower = passed.text.to_ascii_lowercase();
    // RS-39: the token ends at the proxy.
    assert!(!lower.contains("alice.read") && !lower.contains("authorization"), "{lower}");
    let name = "x-user-name=%C3%84lice 100%25%0D%0AX-User-Id: root";
    let expected = ["x-auth-scopes=notes:read", "x-user-id=alice", name];
    let sorted = |reply: &Reply| {
        let mut lines = arrived(reply);
        lines.sort();
        lines
    };
    assert_eq!(sorted(&passed), expected);
    // A-AUD-5: a sign-in at the authorization server is none of the server's business either.
    let signed_in = get(at, "/mcp", &[token, "Cookie: __Host-session=of-another-server"]).await;
    assert!(signed_in.status == 200 && !signed_in.text.contains("of-another-server"), "{}", signed_in.text);
    // A-PROXY-3, A-INTRO-3: from where a client came it does not say itself.
    for forged in [
        "X-Forwarded-For: 203.0.113.77",
        "X-Forwarded-For: 203.0.113.77, 127.0.0.1",
        "X-Real-Ip: 203.0.113.77",
    ] {
        let token = format!("Authorization: Bearer whence.read.{}", forged.len());
        let reply = get_from([127, 0, 0, 2], at, "/mcp", &[&token, forged]).await;
        assert!(sorted(&reply).contains(&"x-user-id=127.0.0.2".to_owned()), "{forged}: {}", reply.text);
    }

    // RS-40, A-PROXY-4: whatever a client says of itself is gone, one by one and all at once, with a token and without.
    for forged in FORGED.iter().map(|line| vec![*line]).chain([FORGED.to_vec()]) {
        let with_token: Vec<&str> = forged.iter().copied().chain([token]).collect();
        if underscores == Underscores::Refused && forged.iter().any(|line| line.contains('_')) {
            for lines in [&with_token, &forged] {
                assert_eq!(get(at, "/mcp/open", lines).await.status, 400, "{forged:?}");
            }
            continue;
        }
        assert_eq!(sorted(&get(at, "/mcp", &with_token).await), expected, "{forged:?}");
        let open = get(at, "/mcp/open", &forged).await;
        assert_eq!((open.status, sorted(&open)), (200, Vec::new()), "{forged:?}: {}", open.text);
        assert_eq!(get(at, "/mcp", &forged).await.status, 401, "{forged:?}");
    }

    // RS-40: nor can it take away what is said of it.
    let hop = "Connection: close, X-User-Id, X-Auth-Scopes, X-User-Name";
    let passed = get(at, "/mcp", &[token, hop]).await;
    assert!(
        matches!(passed.status, 200 | 400) && (passed.status == 400 || sorted(&passed) == expected),
        "{}",
        passed.text
    );

    // A-PROXY-2: nor does it choose what is judged.
    let elsewhere = [
        "X-Forwarded-Uri: /mcp/open",
        "X-Original-URI: /mcp/open",
        "X-Original-URL: https://notes.example/mcp/open",
        "X-Original-Method: GET",
        "X-Forwarded-Method: GET",
        "X-Forwarded-Host: other.example",
        "X-Forwarded-Proto: http",
        "X-Forwarded-For: 127.0.0.1",
        "Forwarded: host=other.example",
    ];
    assert_eq!(get(at, "/mcp/admin", &elsewhere).await.status, 401);

    // RS-22: a 403 has its challenge.
    let short = get(at, "/mcp/admin", &[token]).await;
    let lower = short.text.to_ascii_lowercase();
    assert!(
        short.status == 403 && lower.contains("insufficient_scope") && lower.contains("notes:admin"),
        "{lower}"
    );
    assert_eq!(get(at, "/mcp/admin", &["Authorization: Bearer root.admin"]).await.status, 200);
    // UP-16
    for path in [
        "/mcp/open/../admin",
        "/mcp/%2e%2e/mcp/admin",
        "/mcp//open",
        "/mcp/open%2F..%2Fadmin",
        "/mcp/%61dmin",
    ] {
        let reply = get(at, path, &["Authorization: Bearer alice.read"]).await;
        // A proxy may write a path in another way, if that is what is judged and what arrives.
        let is_judged_so = reply.status == 200 && reply.text.contains("ARRIVED /mcp/open\n");
        assert!(is_judged_so || matches!(reply.status, 400 | 403 | 404), "{path}: {}", reply.text);
    }
    // RS-72: nobody throws a token away because of an outage.
    let down = get(at, "/mcp", &["Authorization: Bearer down"]).await;
    assert_eq!(down.status, 503, "{}", down.text);
    assert!(down.text.to_ascii_lowercase().contains("retry-after: 2"), "{}", down.text);

    // RS-79: a browser asks for a page that is named, and the server behind answers.
    let wants = "Access-Control-Request-Method: POST";
    let page = format!("Origin: {PAGE}");
    let asked = ask(at, "OPTIONS", "/mcp", &[&page, wants]).await;
    assert!(asked.status == 200 && asked.text.contains("ARRIVED /mcp"), "{}", asked.text);
    assert_eq!(sorted(&asked), Vec::<String>::new());
    for (lines, status) in
        [(&["Origin: https://evil.example", wants][..], 403), (&[&page], 401), (&[wants], 401)]
    {
        assert_eq!(ask(at, "OPTIONS", "/mcp", lines).await.status, status, "{lines:?}");
    }

    // What comes as a stream goes on as one.
    let mut events = Events::open(at, "/mcp/stream", &[token]).await;
    events.until("data: one").await;
    behind.go_on.notify_one();
    events.until("data: two").await;
}

/// Every text that some server reads as the name of this header.
fn spellings(name: &str) -> Vec<String> {
    let mut all = vec![String::new()];
    for part in name.split('-') {
        let longer = |start: &String| match &**start {
            "" => vec![part.to_owned()],
            start => ["-", "_", "."].map(|between| format!("{start}{between}{part}")).to_vec(),
        };
        all = all.iter().flat_map(longer).collect();
    }
    all
}

#[test]
fn traefik_and_envoy_remove_every_spelling_of_what_they_set() {
    // A-PROXY-4: more spellings than are sent below.
    let of = |file: &str| {
        let path = format!("{}/src/manual/proxies/{file}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(path).unwrap()
    };
    let (traefik, envoy) = (of("traefik.yaml"), of("envoy.yaml"));
    assert!(envoy.contains("headers_with_underscores_action: REJECT_REQUEST"));
    let removed = envoy.split_once("request_headers_to_remove:").unwrap().1.split_once(']').unwrap().0;
    let removed: Vec<&str> = removed.split(['[', ',', ' ', '\n']).filter(|word| !word.is_empty()).collect();
    for name in ["X-User-Id", "X-User-Name", "X-Auth-Scopes"] {
        let all = spellings(name);
        assert_eq!(all.len(), 9);
        for other in all.iter().filter(|other| *other != name) {
            assert_eq!(traefik.matches(&format!("          {other}: \"\"\n")).count(), 1, "{other}");
            let lower = other.to_ascii_lowercase();
            assert!(other.contains('_') || removed.contains(&&*lower), "{lower}");
        }
        // The name itself is set anew from the answer.
        assert!(traefik.split_once("authResponseHeaders").unwrap().1.contains(name));
        assert!(envoy.contains(&format!("{{ exact: {} }}", name.to_ascii_lowercase())));
    }
    for token in ["authorization", "dpop", "cookie"] {
        assert!(removed.contains(&token), "{token}");
    }
    assert!(traefik.contains("Authorization, DPoP, Cookie]"));
}

#[tokio::test]
async fn nginx_asks_as_the_manual_says() {
    let Some(program) = program("nginx") else { return };
    let resource = "https://notes.example/mcp";
    let behind = start(forward(ProxyStyle::OriginalUri, resource), resource).await;
    let proxy = nginx(&program, &behind).await;
    let metadata = "https://notes.example/.well-known/oauth-protected-resource/mcp";
    serves_as_the_manual_says(&proxy, &behind, metadata, Underscores::Dropped).await;
    // Nobody outside asks by themselves.
    assert_eq!(get(proxy.address, "/verify", &[]).await.status, 404);
}

#[tokio::test]
async fn caddy_asks_as_the_manual_says() {
    let Some(program) = program("caddy") else { return };
    let port = free_port();
    let origin = format!("http://localhost:{port}");
    let resource = format!("{origin}/mcp");
    let behind = start(forward(ProxyStyle::ForwardedUri, &resource), &resource).await;
    let proxy = caddy(&program, &behind, port).await;
    let metadata = format!("{origin}/.well-known/oauth-protected-resource/mcp");
    serves_as_the_manual_says(&proxy, &behind, &metadata, Underscores::Dropped).await;
}

#[tokio::test]
async fn traefik_asks_as_the_manual_says() {
    let Some(program) = program("traefik") else { return };
    let port = free_port();
    let origin = format!("http://localhost:{port}");
    let resource = format!("{origin}/mcp");
    let behind = start(forward(ProxyStyle::ForwardedUri, &resource), &resource).await;
    let proxy = traefik(&program, &behind, port).await;
    let metadata = format!("{origin}/.well-known/oauth-protected-resource/mcp");
    serves_as_the_manual_says(&proxy, &behind, &metadata, Underscores::Dropped).await;
}

#[tokio::test]
async fn envoy_asks_as_the_manual_says() {
    let Some(program) = program("envoy") else { return };
    let port = free_port();
    let origin = format!("http://localhost:{port}");
    let resource = format!("{origin}/mcp");
    let behind = start(forward(ProxyStyle::Path, &resource), &resource).await;
    let proxy = envoy(&program, &behind, port).await;
    let metadata = format!("{origin}/.well-known/oauth-protected-resource/mcp");
    serves_as_the_manual_says(&proxy, &behind, &metadata, Underscores::Refused).await;
}
