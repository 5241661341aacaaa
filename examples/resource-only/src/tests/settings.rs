//! What the settings come to, and what is wrong with them.

use axum::Router;
use clap::Parser as _;
use tower::ServiceExt as _;

use crate::settings::Settings;

#[test]
fn it_listens_to_this_machine_alone_unless_told_otherwise() {
    // RS-77
    let settings = Settings::parse_from(["resource-only"]);
    assert!(settings.listen.ip().is_loopback(), "{}", settings.listen);
    assert!(settings.audience().starts_with("http://127.0.0.1:"));
}

#[tokio::test]
async fn what_came_in_the_clear_is_refused_unless_that_is_to_be_so() {
    // A-PROXY-12
    let with = |more: &[&str]| {
        Settings::parse_from(["resource-only", "--issuer", "https://as.example"].iter().chain(more))
    };
    let status = async |more: &[&str], peer: &str, proto: Option<&str>| {
        let settings = with(more);
        let app = crate::protected_tools(&settings, settings.verifier().unwrap()).unwrap();
        let app = crate::encrypted(&settings, app).unwrap();
        let mut request = axum::http::Request::post("/mcp");
        if let Some(proto) = proto {
            request = request.header("x-forwarded-proto", proto);
        }
        let request = request.extension(oauth_core::PeerAddress(peer.parse().unwrap()));
        app.oneshot(request.body(axum::body::Body::empty()).unwrap()).await.unwrap().status().as_u16()
    };
    for (more, peer, proto, expected) in [
        (&[][..], "192.0.2.7", None, 403),
        (&[], "192.0.2.7", Some("https"), 403),
        (&[], "127.0.0.1", None, 401),
        (&[], "127.0.0.1", Some("http"), 403),
        (&[], "127.0.0.1", Some("https"), 401),
        (&["--trusted-proxies", "192.0.2.0/24"], "192.0.2.7", Some("https"), 401),
        (&["--require-https", "false"], "192.0.2.7", None, 401),
    ] {
        assert_eq!(status(more, peer, proto).await, expected, "{more:?} {peer} {proto:?}");
    }
    assert!(crate::encrypted(&with(&["--trusted-proxies", "x,10.0.0.1/8"]), Router::new()).is_err());
    let plain =
        Settings::parse_from(["resource-only", "--issuer", "http://as.example", "--require-https", "false"]);
    assert!(crate::app(&plain).unwrap_err().contains("OAUTH_ISSUER: "));
}

#[test]
fn all_that_is_wrong_with_the_settings_is_said_at_once_and_where() {
    let settings = Settings::parse_from([
        "resource-only",
        "--issuer",
        "as.example",
        "--audience",
        "mcp.example",
        "--hmac-secret",
        "short",
        "--jwks-uri",
        "foo",
        "--allowed-origins",
        "nowhere",
        "--introspection-endpoint",
        "bar",
    ]);
    let said = crate::app(&settings).unwrap_err();
    for name in [
        "OAUTH_ISSUER: ",
        "MCP_AUDIENCE: ",
        "JWT_HMAC_SECRET: ",
        "OAUTH_JWKS_URI: ",
        "OAUTH_INTROSPECTION_ENDPOINT needs",
        "ALLOWED_ORIGINS: ",
    ] {
        assert_eq!(said.matches(name).count(), 1, "{name}\n{said}");
    }
    assert!(!said.contains("short"), "{said}");
}
