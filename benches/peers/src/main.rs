//! Layers that verify JWT access tokens, side by side: one token by ES256, and one by RS256, which all of them read, presented again and
//! again.
//!
//! Each is measured over what it stands on (a bare service, or a router of the axum that it is made for), in the same run, by turns. Beside
//! them: this family's `RequireBearer`, with its memory of tokens and without.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{Empty, Full};
use oauth_core::jose::{Algorithm, JwkSet, SigningKey};
use oauth_resource::{JwtVerifier, RequireBearerLayer, TrustedIssuer};
use serde::Deserialize;
use serde_json::json;
use tower::{Layer, Service, service_fn};

type Error = Box<dyn std::error::Error>;

const RESOURCE: &str = "https://mcp.example/mcp";
const ISSUER: &str = "https://as.example";
const REQUESTS: usize = 50;
const ROUNDS: usize = 101;

fn main() -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for (name, key) in [("ES256", SigningKey::generate_es256()), ("RS256", SigningKey::generate_rs256())] {
        runtime.block_on(measure_all(name, &key))?;
    }
    Ok(())
}

async fn measure_all(name: &str, key: &SigningKey) -> Result<(), Error> {
    let jwks = JwkSet::of([key.public_jwk().clone()], &Algorithm::ALL).to_json().to_string();
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let claims = json!({
        "iss": ISSUER, "sub": "alice", "aud": RESOURCE, "client_id": "web-app-notes", "scope": "notes:read notes:write",
        "jti": "4f9Jt0qzTuyV5cHkUzvH2g", "iat": now, "exp": now + 3000, "auth_time": now - 60, "nbf": now,
        "grant": "0x3Zc1yQT6aFQm0wWm6y0g",
    });
    let token = key.sign("at+jwt", &claims)?;
    println!("{name}, {} bytes; nanoseconds a request, over what stands behind the layer", token.len());
    measure(key, &jwks, &token).await
}

async fn measure(key: &SigningKey, jwks: &str, token: &str) -> Result<(), Error> {
    let trusted = || TrustedIssuer::new(ISSUER).with_jwks(jwks);
    let layer = |capacity| -> Result<_, Error> {
        let verifier = JwtVerifier::builder(RESOURCE).issuer(trusted()).build()?;
        Ok(RequireBearerLayer::new(RESOURCE.parse()?, verifier)
            .with_cache(capacity, Duration::from_secs(600)))
    };
    let seen = compare(token, plain(), layer(1000)?.layer(plain())).await;
    row("oauth-resource, a token seen before", seen, seen);
    row("oauth-resource, without memory", compare(token, plain(), layer(0)?.layer(plain())).await, seen);

    use tower_oauth2_resource_server::{server::OAuth2ResourceServer, tenant::TenantConfiguration};
    let tenant =
        TenantConfiguration::static_builder(jwks).identifier(ISSUER).audiences(&[RESOURCE]).build()?;
    let server = <OAuth2ResourceServer>::builder().add_tenant(tenant).build().await?;
    let took = compare(token, plain(), server.into_layer().layer(plain())).await;
    row("tower-oauth2-resource-server", took, seen);

    use oauth_resource_server::{KeyNaming, OAuthConfig, OAuthValidator, http_layer::HttpAuthLayer, testing};
    let served =
        testing::spawn_http_server(HashMap::from([("/jwks".to_owned(), ("200 OK", jwks.to_owned()))]), None)
            .await;
    let config: OAuthConfig = serde_json::from_value(json!({
        "enabled": true, "issuer": ISSUER, "jwks_uri": served.url, "audience": RESOURCE, "resource": RESOURCE,
        "required_scope": "notes:read",
    }))?;
    let resolved = config.resolve(KeyNaming::Dotted("oauth"))?.ok_or("it is enabled")?;
    let validator = Arc::new(OAuthValidator::new(&resolved)?);
    validator.refresh_now().await?;
    let layer = HttpAuthLayer::builder().oauth(validator).build()?;
    row("oauth-resource-server", compare(token, plain(), layer.layer(plain())).await, seen);

    row("jwt-authorizer", jwt_authorizer(jwks, token).await?, seen);
    row("axum-jwt-auth", axum_jwt_auth(key, token).await?, seen);
    Ok(())
}

fn plain() -> tower::util::ServiceFn<
    fn(Request<Full<Bytes>>) -> std::future::Ready<Result<Response<Empty<Bytes>>, Infallible>>,
> {
    fn answer(_: Request<Full<Bytes>>) -> std::future::Ready<Result<Response<Empty<Bytes>>, Infallible>> {
        std::future::ready(Ok(Response::new(Empty::new())))
    }
    service_fn(answer)
}

async fn jwt_authorizer(jwks: &str, token: &str) -> Result<f64, Error> {
    use axum07::{Router, routing::post};
    use jwt_authorizer::{Authorizer, IntoLayer, JwtAuthorizer, RegisteredClaims, Validation};
    let validation = Validation::new().iss(&[ISSUER]).aud(&[RESOURCE]);
    let authorizer: Authorizer<RegisteredClaims> =
        JwtAuthorizer::from_jwks_text(jwks).validation(validation).build().await?;
    let router = || Router::new().route("/mcp", post(|| async {}));
    Ok(compare::<_, _, axum07::body::Body, _, _>(token, router(), router().layer(authorizer.into_layer()))
        .await)
}

async fn axum_jwt_auth(key: &SigningKey, token: &str) -> Result<f64, Error> {
    use axum::{Router, extract::FromRef, routing::post};
    use axum_jwt_auth::{Claims, Decoder, LocalDecoder};
    use jsonwebtoken::{Algorithm, DecodingKey, Validation};
    #[derive(Clone, Deserialize)]
    struct Said {
        #[allow(dead_code, reason = "read as a server would")]
        sub: String,
    }
    #[derive(Clone, FromRef)]
    struct App {
        decoder: Decoder<Said>,
    }
    let jwk = key.public_jwk().to_json();
    let part = |name: &str| jwk[name].as_str().map(str::to_owned).ok_or("it is a key on a curve, or RSA's");
    let (algorithm, key) = match jwk["kty"].as_str() {
        Some("RSA") => (Algorithm::RS256, DecodingKey::from_rsa_components(&part("n")?, &part("e")?)?),
        _ => (Algorithm::ES256, DecodingKey::from_ec_components(&part("x")?, &part("y")?)?),
    };
    let mut validation = Validation::new(algorithm);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[RESOURCE]);
    let decoder = LocalDecoder::builder().keys(vec![key]).validation(validation).build()?;
    let bare = Router::new().route("/mcp", post(|| async {}));
    let layered = Router::new()
        .route("/mcp", post(|_: Claims<Said>| async {}))
        .with_state(App { decoder: Arc::new(decoder) });
    Ok(compare::<_, _, axum::body::Body, _, _>(token, bare, layered).await)
}

/// Nanoseconds that a request takes more.
async fn compare<F, L, B, Q, R>(token: &str, mut floor: F, mut layered: L) -> f64
where
    B: From<Bytes>,
    F: Service<Request<B>, Response = Response<Q>, Error = Infallible>,
    L: Service<Request<B>, Response = Response<R>, Error = Infallible>,
{
    let mut differences = Vec::new();
    for _ in 0..ROUNDS {
        let (floor, layered) = (turn(&mut floor, token).await, turn(&mut layered, token).await);
        differences.push(layered - floor);
    }
    differences.sort_by(f64::total_cmp);
    differences[ROUNDS / 2]
}

async fn turn<S, B, R>(service: &mut S, token: &str) -> f64
where
    B: From<Bytes>,
    S: Service<Request<B>, Response = Response<R>, Error = Infallible>,
{
    let requests: Vec<Request<B>> = (0..REQUESTS)
        .map(|_| {
            let request = Request::post("/mcp").header("authorization", format!("Bearer {token}"));
            request.body(Bytes::from_static(b"{}").into()).expect("its parts are valid")
        })
        .collect();
    let began = Instant::now();
    for request in requests {
        std::future::poll_fn(|cx| service.poll_ready(cx)).await.unwrap_or_else(|never| match never {});
        let answer = service.call(request).await.unwrap_or_else(|never| match never {});
        assert_eq!(answer.status(), 200);
    }
    began.elapsed().as_secs_f64() * 1e9 / REQUESTS as f64
}

fn row(what: &str, took: f64, seen: f64) {
    println!("{what:<40} {took:>10.0} ns {:>8.0} times", took / seen);
}
