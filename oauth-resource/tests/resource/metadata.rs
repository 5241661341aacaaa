//! The metadata document, and that anybody may read it.

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use oauth_core::metadata::ProtectedResourceMetadata;
use oauth_resource::{MetadataService, ProtectedResource, ScopeRules, WELL_KNOWN};
use serde_json::json;
use tower::ServiceExt as _;

use crate::fixture::{Bench, ISSUER, Tokens, call, claims, rules};

#[tokio::test]
async fn the_document_is_at_both_forms_without_a_token() {
    // RS-1, RS-2, RS-3, RS-4, RS-7, RS-10, RS-12, RS-13
    let bench = Bench::with(|builder| {
        builder
            .scopes(rules())
            .name("Notes")
            .documentation("https://mcp.example/docs")
            .policy_uri("https://mcp.example/policy")
            .terms("https://mcp.example/terms")
    });
    for path in [
        format!("{WELL_KNOWN}/mcp"),
        WELL_KNOWN.to_owned(),
        format!("{WELL_KNOWN}/"),
        format!("{WELL_KNOWN}/mcp?x=y"),
    ] {
        let reply = bench.get(&path).await;
        assert_eq!(reply.status, 200, "{path}");
        assert_eq!(reply.header("content-type"), "application/json");
        assert_eq!(reply.header("cache-control"), "public, max-age=300");
        assert_eq!(
            reply.json(),
            json!({
                "resource": "https://mcp.example/mcp",
                "authorization_servers": [ISSUER],
                // RS-9: what basic use needs, not what everything does.
                "scopes_supported": ["notes:read"],
                "bearer_methods_supported": ["header"],
                "resource_name": "Notes",
                "resource_documentation": "https://mcp.example/docs",
                "resource_policy_uri": "https://mcp.example/policy",
                "resource_tos_uri": "https://mcp.example/terms",
            })
        );
    }
}

#[tokio::test]
async fn a_further_issuer_is_published_or_known_here_alone() {
    // RS-6, RS-46
    let (second, workloads) = ("https://second.example", "https://workloads.example");
    let bench = Bench::with(|builder| builder.scopes(rules()).issuer(second).unlisted_issuer(workloads));
    let document = bench.get(&format!("{WELL_KNOWN}/mcp")).await.json();
    assert_eq!(document["authorization_servers"], json!([ISSUER, second]));
    for (issuer, status) in [(ISSUER, 200), (second, 200), (workloads, 200), ("https://third.example", 401)] {
        let mut claims = claims("alice", "notes:read");
        claims.issuer = issuer.into();
        let token = issuer.trim_start_matches("https://");
        bench.tokens.put(token, claims);
        assert_eq!(bench.post(token, &call("list_notes")).await.status, status, "{issuer}");
    }
    let wrong = ProtectedResource::builder("https://mcp.example", ISSUER)
        .unlisted_issuer("workloads")
        .verifier(Tokens::default())
        .build();
    assert!(wrong.unwrap_err().to_string().contains("workloads"));
}

#[tokio::test]
async fn the_well_known_path_is_put_between_host_and_path() {
    // RS-2, RS-5
    for (resource, path, canonical) in [
        ("https://h/public/mcp", "/public/mcp", "https://h/public/mcp"),
        ("https://h/a/b/c", "/a/b/c", "https://h/a/b/c"),
        ("https://h", "", "https://h"),
        ("HTTPS://Host:443/mcp/", "/mcp", "https://host/mcp"),
    ] {
        let bench = Bench::at(resource, |builder| builder);
        let reply = bench.get(&format!("{WELL_KNOWN}{path}")).await;
        assert_eq!((reply.status, &reply.json()["resource"]), (200, &canonical.into()), "{resource}");
        // RS-7: nothing is said where there is nothing to say.
        assert!(reply.json().get("scopes_supported").is_none());
    }
}

#[tokio::test]
async fn unknown_paths_are_not_found_in_json() {
    // RS-15
    let bench = Bench::new();
    for path in ["/nope", "/mcp/x", "/mcp2", "//mcp", "/%6dcp", "/../mcp"] {
        let reply = bench.get(&format!("{WELL_KNOWN}{path}")).await;
        assert_eq!((reply.status, reply.header("content-type")), (404, "application/json"), "{path}");
    }
}

#[tokio::test]
async fn any_page_may_read_it() {
    // RS-14, wire fact 13
    let bench = Bench::new();
    let path = format!("{WELL_KNOWN}/mcp");
    let preflight = Request::options(&path)
        .header("origin", "https://inspector.example")
        .header("access-control-request-method", "GET")
        .header("access-control-request-headers", "mcp-protocol-version")
        .body(Full::<Bytes>::default())
        .unwrap();
    let reply = bench.send(preflight).await;
    assert_eq!(reply.status, 204);
    assert!(reply.header("access-control-allow-headers").to_lowercase().contains("mcp-protocol-version"));
    for version in ["2024-11-05", "2099-01-01", "nonsense"] {
        let request = Request::get(&path)
            .header("origin", "https://inspector.example")
            .header("mcp-protocol-version", version);
        let reply = bench.send(request.body(Full::<Bytes>::default()).unwrap()).await;
        assert_eq!((reply.status, reply.header("access-control-allow-origin")), (200, "*"), "{version}");
        assert!(!reply.headers.contains_key("access-control-allow-credentials"));
    }
}

#[tokio::test]
async fn it_is_read_and_nothing_else() {
    let bench = Bench::new();
    let request = |method: &str| {
        Request::builder().method(method).uri(format!("{WELL_KNOWN}/mcp")).body(Full::<Bytes>::default())
    };
    let head = bench.send(request("HEAD").unwrap()).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    let length = bench.get(&format!("{WELL_KNOWN}/mcp")).await.body.len().to_string();
    assert_eq!(head.header("content-length"), length);
    for method in ["POST", "PUT", "DELETE"] {
        let reply = bench.send(request(method).unwrap()).await;
        assert_eq!((reply.status, reply.header("allow")), (405, "GET, HEAD, OPTIONS"), "{method}");
    }
}

#[tokio::test]
async fn no_header_changes_what_it_says() {
    // RS-17, RS-80, A-PROXY-2
    let bench = Bench::new();
    let plain = bench.get(&format!("{WELL_KNOWN}/mcp")).await;
    let challenge = bench.get("/mcp").await;
    for (name, value) in [
        ("host", "evil.example"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-prefix", "/evil"),
        ("forwarded", "host=evil.example;proto=http"),
        ("x-original-url", "/evil"),
    ] {
        let request =
            |path: &str| Request::get(path).header(name, value).body(Full::<Bytes>::default()).unwrap();
        assert_eq!(bench.send(request(&format!("{WELL_KNOWN}/mcp"))).await.body, plain.body, "{name}");
        assert_eq!(bench.send(request("/mcp")).await.challenge(), challenge.challenge(), "{name}");
    }
}

#[tokio::test]
async fn several_resources_of_one_origin_each_have_their_own() {
    // RS-3
    let document = |path: &str| {
        ProtectedResourceMetadata::new(format!("https://h{path}").parse().unwrap(), ISSUER.parse().unwrap())
    };
    let get = |service: MetadataService, path: &str| {
        let request = Request::get(format!("{WELL_KNOWN}{path}")).body(()).unwrap();
        async move { service.oneshot(request).await.unwrap().status().as_u16() }
    };
    let (a, b, root) = (document("/a"), document("/b"), document(""));
    let two = MetadataService::new([&a, &b]);
    assert_eq!(
        (get(two.clone(), "/a").await, get(two.clone(), "/b").await, get(two, "").await),
        (200, 200, 404)
    );
    let real = MetadataService::new([&a, &root]);
    assert_eq!((get(real.clone(), "/a").await, get(real, "").await), (200, 200));
    let shared = Bench::with(|builder| builder.shares_origin());
    assert_eq!(shared.get(WELL_KNOWN).await.status, 404);
    assert_eq!(shared.get(&format!("{WELL_KNOWN}/mcp")).await.status, 200);
}

#[tokio::test]
async fn a_router_that_strips_the_prefix_may_mount_it() {
    // RS-13
    let resource =
        ProtectedResource::builder("https://h/mcp", ISSUER).verifier(Tokens::default()).build().unwrap();
    for (path, status) in
        [("/mcp", 200), ("/", 200), ("/nope", 404), ("/.well-known/oauth-protected-resource/mcp", 200)]
    {
        let request = Request::get(path).body(()).unwrap();
        assert_eq!(resource.metadata().oneshot(request).await.unwrap().status().as_u16(), status, "{path}");
    }
}

#[test]
fn what_is_wrong_with_a_configuration_is_said_at_once() {
    // RS-6, RS-8
    let wrong = |resource: &str| {
        ProtectedResource::builder(resource, ISSUER).verifier(Tokens::default()).build().unwrap_err()
    };
    for resource in [
        "http://example.com/mcp",
        "https://h/mcp#x",
        "https://h/mcp?x",
        "h/mcp",
        "",
        "https://h/.well-known/x",
    ] {
        assert_eq!(wrong(resource).iter().count(), 1, "{resource}");
    }
    let errors = ProtectedResource::builder("http://mcp.example", "http://as.example")
        .verifier(Tokens::default())
        .scopes(ScopeRules::builder("a\"b").tool("x", "offline_access"))
        .scopes_supported("é")
        .documentation("javascript:alert(1)")
        .allow_origin("https://app.example/path")
        .allow_host("a b")
        .strip_header("x y")
        .trusted_proxy("10.20.3.4/16")
        .leeway(std::time::Duration::from_secs(61))
        .build()
        .unwrap_err();
    let text = errors.to_string();
    for value in [
        "http://mcp.example",
        "http://as.example",
        "a\\\"b",
        "offline_access",
        "é",
        "javascript:alert(1)",
        "https://app.example/path",
        "a b",
        "x y",
        "10.20.3.4/16",
        "61",
    ] {
        assert!(text.contains(value), "{value}: {text}");
    }
    assert_eq!(errors.iter().count(), 11);
}

#[tokio::test]
async fn offline_access_is_never_listed() {
    // RS-8
    let bench = Bench::with(|builder| {
        builder
            .scopes(ScopeRules::builder("notes:read").tool("add_note", "notes:write"))
            .scopes_supported("offline_access notes:read")
            .challenge_includes_granted(true)
    });
    let document = bench.get(WELL_KNOWN).await.json();
    assert_eq!(document["scopes_supported"], json!(["notes:read"]));
    // Nor asked for: not of a stranger, not of whoever has it.
    bench.tokens.put("offline", crate::fixture::claims("alice", "notes:read offline_access"));
    for (token, status, scopes) in
        [("", 401, "notes:read notes:write"), ("offline", 403, "notes:read notes:write")]
    {
        let reply = bench.post(token, &crate::fixture::call("add_note")).await;
        assert_eq!(reply.status, status);
        assert!(reply.challenge().contains(&format!("scope=\"{scopes}\"")), "{}", reply.challenge());
        assert!(!String::from_utf8_lossy(&reply.body).contains("offline_access"));
    }
}

#[tokio::test]
async fn whoever_looks_for_an_authorization_server_here_learns_that_it_is_elsewhere() {
    // RS-15: clients of 2025-03-26 look at the MCP server itself, and give up unless it is 404.
    let bench = Bench::new();
    for path in [
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-authorization-server/mcp",
        "/.well-known/openid-configuration",
        "/.well-known/openid-configuration/mcp",
    ] {
        let reply = bench.get(path).await;
        assert_eq!((reply.status, reply.header("content-type")), (404, "application/json"), "{path}");
        // From a page of whomever: its browser asks first.
        for (asks, status) in [("OPTIONS", 204), ("GET", 404)] {
            let request =
                Request::builder().method(asks).uri(path).header("origin", "https://inspector.example");
            let request = request.header("access-control-request-headers", "mcp-protocol-version");
            let reply = bench.send(request.body(Full::<Bytes>::default()).unwrap()).await;
            assert_eq!((reply.status, reply.header("access-control-allow-origin")), (status, "*"), "{path}");
        }
    }
    assert_eq!(bench.get("/.well-known/openid-configurations").await.status, 401);
    // What stands there is not hidden from whoever has a token.
    let known = Request::get("/.well-known/openid-configuration").header("authorization", "Bearer reader");
    assert_eq!(bench.send(known.body(Full::<Bytes>::default()).unwrap()).await.status, 200);
}

#[tokio::test]
async fn signed_metadata_holds_against_the_keys_beside_it() {
    // RS-16
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, UnparsedPublicKey,
    };
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    let pkcs8 = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap().to_pkcs8v1().unwrap();
    for resource in ["https://mcp.example/mcp", "https://mcp.example"] {
        let key = oauth_resource::MetadataKey::from_pkcs8(pkcs8.as_ref()).unwrap();
        let bench = Bench::at(resource, |builder| builder.sign_metadata(key).name("Notes").scopes(rules()));
        let path = resource.strip_prefix("https://mcp.example").unwrap();
        let document = bench.get(&format!("/.well-known/oauth-protected-resource{path}")).await.json();
        let keys_at = document["jwks_uri"].as_str().unwrap().strip_prefix("https://mcp.example").unwrap();
        let keys = bench.get(keys_at).await;
        assert_eq!((keys.status, keys.header("access-control-allow-origin")), (200, "*"));
        let keys = keys.json();

        let jwt = document["signed_metadata"].as_str().unwrap();
        let (signed, signature) = jwt.rsplit_once('.').unwrap();
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
        let (header, claims) = signed.split_once('.').unwrap();
        let header: serde_json::Value = serde_json::from_slice(&decode(header)).unwrap();
        assert_eq!(header["alg"], "ES256");
        let key = keys["keys"].as_array().unwrap().iter().find(|key| key["kid"] == header["kid"]).unwrap();
        assert!(key.get("d").is_none());
        let mut point = vec![4];
        point.extend(decode(key["x"].as_str().unwrap()));
        point.extend(decode(key["y"].as_str().unwrap()));
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
        key.verify(signed.as_bytes(), &decode(signature)).unwrap();
        assert!(key.verify(jwt.as_bytes(), &decode(signature)).is_err());

        // It says all that the document says, who says so, and not itself.
        let mut claims: serde_json::Value = serde_json::from_slice(&decode(claims)).unwrap();
        let said = claims.as_object_mut().unwrap();
        assert_eq!(said.remove("iss").unwrap(), resource);
        assert_eq!(said.remove("iat").unwrap(), crate::fixture::NOW);
        let mut plain = document.clone();
        plain.as_object_mut().unwrap().remove("signed_metadata");
        assert_eq!(claims, plain);
        assert_eq!(claims["resource_name"], "Notes");
    }
    // Who signs nothing publishes no keys.
    let plain = Bench::new();
    assert_eq!(plain.get("/.well-known/oauth-protected-resource/mcp/jwks.json").await.status, 404);
    let document = plain.get("/.well-known/oauth-protected-resource/mcp").await.json();
    assert!(document.get("signed_metadata").is_none() && document.get("jwks_uri").is_none());
}
