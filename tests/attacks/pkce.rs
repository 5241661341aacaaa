//! PKCE: a code is worth nothing without the verifier of the challenge it was asked for with.

use http::StatusCode;
use oauth_core::GrantFilter;
use oauth_testing::{KnownClient, TokenRequest};

use crate::host::{
    CALLBACK, Host, VERIFIER, agree, ask, assert_refused, assert_told, challenge, redeem, token_request,
    visit,
};

/// Refused with `invalid_request`, without a code and without a question.
async fn assert_no_code(requests: impl IntoIterator<Item = oauth_testing::AuthorizeRequest>) {
    let host = Host::start().await;
    for request in requests {
        assert_told(&visit(&host, &request).await, "invalid_request");
        // Nor in silence, nor for somebody who agreed before.
        let mut browser = host.browser();
        agree(&mut browser, &ask("app", CALLBACK), "alice").await;
        assert_told(&browser.get(request.url().as_str()).await.unwrap(), "invalid_request");
        assert_told(
            &browser.get(request.set("prompt", "none").url().as_str()).await.unwrap(),
            "invalid_request",
        );
    }
}

#[tokio::test]
async fn a_pkce_1_no_challenge() {
    let without = ask("app", CALLBACK).remove("code_challenge").remove("code_challenge_method");
    assert_no_code([without.clone(), without.set("code_challenge", "")]).await;
}

#[tokio::test]
async fn a_pkce_2_plain() {
    assert_no_code([
        ask("app", CALLBACK).set("code_challenge_method", "plain").set("code_challenge", VERIFIER),
        // RFC 7636 §4.3: no method means `plain`.
        ask("app", CALLBACK).remove("code_challenge_method"),
    ])
    .await;
}

#[tokio::test]
async fn a_pkce_4_method_without_challenge() {
    assert_no_code([ask("app", CALLBACK).remove("code_challenge")]).await;
}

#[tokio::test]
async fn a_pkce_5_odd_methods() {
    let odd = ["s256", "S256 ", " S256", "S512", "SHA-256", "none", "S256,plain", "S256 plain"];
    assert_no_code(odd.map(|method| ask("app", CALLBACK).set("code_challenge_method", method))).await;
    assert_no_code([ask("app", CALLBACK).add("code_challenge_method", "plain")]).await;
}

/// T4: the pairs by which servers were talked out of PKCE.
#[tokio::test]
async fn a_pkce_6_downgrade_at_the_token_endpoint() {
    let host = Host::start().await;
    let code = host.code().await;
    let without = || redeem("app", &code).remove("code_verifier");
    let bent: [TokenRequest; 4] = [
        without(),
        without().set("code_verifier", ""),
        without().set("code_challenge", &challenge()).set("code_challenge_method", "S256"),
        redeem("app", &code).add("code_verifier", VERIFIER),
    ];
    for request in bent {
        assert_refused(&host.client().send(&request).await.unwrap(), 400, "invalid_request");
    }
    // The challenge itself, as if it were `plain`.
    let answer = host.client().send(&redeem("app", &code).set("code_verifier", &challenge())).await.unwrap();
    assert_refused(&answer, 400, "invalid_grant");
    host.client().send(&redeem("app", &code)).await.unwrap().tokens().unwrap();
}

/// There is no code without a challenge for a verifier to be missing from: nothing but a challenge opens a grant.
#[tokio::test]
async fn a_pkce_7_verifier_without_challenge() {
    let host = Host::start().await;
    let mut browser = host.browser();
    agree(&mut browser, &ask("app", CALLBACK), "alice").await;
    let before = host.stores().grants.count(GrantFilter::All).await.unwrap();
    let without = ask("app", CALLBACK).remove("code_challenge").remove("code_challenge_method");
    assert_told(&browser.get(without.url().as_str()).await.unwrap(), "invalid_request");
    let at_authorize = without.set("code_verifier", VERIFIER);
    assert_told(&browser.get(at_authorize.url().as_str()).await.unwrap(), "invalid_request");
    assert_eq!(host.stores().grants.count(GrantFilter::All).await.unwrap(), before);
    let answer = host
        .token(&[
            ("grant_type", "authorization_code"),
            ("client_id", "app"),
            ("code", ""),
            ("code_verifier", VERIFIER),
        ])
        .await;
    assert_refused(&answer, 400, "invalid_request");
}

#[tokio::test]
async fn a_pkce_8_malformed_verifiers() {
    let host = Host::start().await;
    for verifier in [
        "x".to_owned(),
        "x".repeat(42),
        "x".repeat(129),
        format!("{}!", &VERIFIER[1..]),
        format!("{}é", &VERIFIER[1..]),
        format!(" {VERIFIER}"),
        format!("{VERIFIER}="),
        "x".repeat(60_000),
    ] {
        // It is a wrong one, and counts as one (AS-61).
        let code = host.code().await;
        let wrong = redeem("app", &code).set("code_verifier", &verifier);
        for _ in 0..4 {
            assert_refused(&host.client().send(&wrong).await.unwrap(), 400, "invalid_grant");
        }
        host.client().send(&redeem("app", &code)).await.unwrap().tokens().unwrap();
        let code = host.code().await;
        for _ in 0..5 {
            let wrong = redeem("app", &code).set("code_verifier", &verifier);
            assert_refused(&host.client().send(&wrong).await.unwrap(), 400, "invalid_grant");
        }
        assert_refused(&host.client().send(&redeem("app", &code)).await.unwrap(), 400, "invalid_grant");
    }
    // What is no form is not read that far.
    let code = host.code().await;
    for verifier in [format!("{VERIFIER}\n"), format!("{VERIFIER}\0")] {
        let answer = host.client().send(&redeem("app", &code).set("code_verifier", &verifier)).await.unwrap();
        assert_refused(&answer, 400, "invalid_request");
    }
    host.client().send(&redeem("app", &code)).await.unwrap().tokens().unwrap();
}

#[tokio::test]
async fn a_pkce_9_challenge_stripped_from_a_link() {
    // The link that the attacker hands to the victim is the victim client's own, without the challenge; whatever the client is.
    let host = Host::start().await;
    for client in KnownClient::ALL {
        let client_id = client.registration().client_id;
        let mut browser = host.browser();
        agree(&mut browser, &ask(&client_id, client.redirect_uri()), "alice").await;
        let stripped =
            ask(&client_id, client.redirect_uri()).remove("code_challenge").remove("code_challenge_method");
        let page = browser.get(stripped.url().as_str()).await.unwrap();
        let code = page.location().is_some_and(|url| url.query_pairs().any(|(name, _)| name == "code"));
        assert!(!code && page.form_with_button("allow").is_err(), "{client_id}: {}", page.text());
    }
}

#[tokio::test]
async fn a_pkce_10_junk_for_a_challenge() {
    let junk = [
        "x".repeat(10 * 1024),
        "x".repeat(42),
        "x".repeat(44),
        format!("{}=", &challenge()[1..]),
        format!("{}+", &challenge()[1..]),
        format!("{}/", &challenge()[1..]),
        format!("{}é", &challenge()[2..]),
    ];
    assert_no_code(junk.iter().map(|junk| ask("app", CALLBACK).set("code_challenge", junk))).await;
}

/// 43 characters of which the last has bits that no hash has: well-formed (AS-38), and of use to nobody.
#[tokio::test]
async fn a_pkce_10_a_challenge_that_no_hash_is_written_like() {
    let host = Host::start().await;
    // The right one, but for those bits; and one that could be a verifier.
    let right = challenge();
    let last = char::from(right.as_bytes()[42] + 1);
    let (like, many) = (format!("{}{last}", &right[..42]), "a".repeat(43));
    for challenge in [&like, &many] {
        let request = ask("app", CALLBACK).set("code_challenge", challenge);
        for verifier in [VERIFIER, challenge] {
            let callback = agree(&mut host.browser(), &request, "alice").await;
            let redemption = redeem("app", callback.code().unwrap()).set("code_verifier", verifier);
            assert_refused(&host.client().send(&redemption).await.unwrap(), 400, "invalid_grant");
        }
    }
}

/// Time is not measured here: digests are compared, and in constant time by their type. What an attacker reads is the same to the byte,
/// wherever the first difference is.
#[tokio::test]
async fn a_pkce_11_every_wrong_verifier_is_answered_alike() {
    let host = Host::start().await;
    let first = format!("X{}", &VERIFIER[1..]);
    let last = format!("{}X", &VERIFIER[..VERIFIER.len() - 1]);
    let mut answers = Vec::new();
    for verifier in [first.as_str(), &last, &"y".repeat(128)] {
        let code = host.code().await;
        let answer = host.client().send(&redeem("app", &code).set("code_verifier", verifier)).await.unwrap();
        assert_refused(&answer, 400, "invalid_grant");
        answers.push((answer.headers, answer.body));
    }
    // As is a code that nobody issued.
    let unknown = format!("mcp_ac_{}", "A".repeat(64));
    let answer = host.client().send(&redeem("app", &unknown)).await.unwrap();
    answers.push((answer.headers, answer.body));
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
}

#[tokio::test]
async fn a_pkce_12_a_verifier_is_no_secret() {
    let host = Host::start().await;
    for client in [KnownClient::Gateway, KnownClient::Legacy] {
        let registration = client.registration();
        let callback =
            agree(&mut host.browser(), &ask(&registration.client_id, client.redirect_uri()), "alice").await;
        let request = token_request()
            .set("grant_type", "authorization_code")
            .set("code", callback.code().unwrap())
            .set("redirect_uri", client.redirect_uri())
            .set("code_verifier", VERIFIER);
        for bent in [
            request.clone().set("client_id", &registration.client_id),
            request.clone().set("client_id", &registration.client_id).set("client_secret", ""),
            request.clone().basic(&registration.client_id, ""),
        ] {
            assert_refused(&host.client().send(&bent).await.unwrap(), 401, "invalid_client");
        }
        // Nor does the secret make up for the verifier (A-UPS-16).
        let without = request.clone().of_client(&registration).remove("code_verifier");
        assert_refused(&host.client().send(&without).await.unwrap(), 400, "invalid_request");
        let answer = host.client().send(&request.of_client(&registration)).await.unwrap();
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    }
}

/// Guessing a verifier is not worth the try: the code dies with the fifth wrong one (AS-61).
#[tokio::test]
async fn wrong_verifiers_kill_a_code_that_was_not_redeemed() {
    let host = Host::start().await;
    let code = host.code().await;
    for at in 0..5 {
        let wrong = format!("{at}{}", &VERIFIER[1..]);
        let answer = host.client().send(&redeem("app", &code).set("code_verifier", &wrong)).await.unwrap();
        assert_refused(&answer, 400, "invalid_grant");
    }
    assert_refused(&host.client().send(&redeem("app", &code)).await.unwrap(), 400, "invalid_grant");
}
