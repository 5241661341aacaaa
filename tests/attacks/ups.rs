//! UPS: accounts elsewhere, connected by a link that an MCP client shows its user.

use std::sync::Arc;

use axum::Router;
use axum::routing::post;
use http::{Request, StatusCode};
use oauth_core::{Claims, Clock as _, Secret, SubjectKind, Timestamp, VaultKey};
use oauth_resource::ProtectedResource;
use oauth_testing::{CapturedLog, InProcess, Landed, Site, Wire as _};
use serde_json::{Value, json};
use tower_layer::Layer as _;
use url::Url;

use crate::host::{CALLBACK, ORIGIN, agree, ask, assert_closed, sign_in};
use crate::third_party::{Mood, SECRET};
use crate::ups_scene::{EXPIRED, Scene, assert_refused, press, tool};

/// RS-84, RS-91: from a tool that needs an account to the call that has it.
#[tokio::test]
async fn a_tool_asks_for_an_account_elsewhere_and_has_it() {
    let log = CapturedLog::of_this_thread();
    let scene = Scene::start().await;
    let (_, tokens, alice) = scene.user("alice").await;
    let resource = ProtectedResource::builder(Site::MCP, ORIGIN)
        .stores(scene.host.stores())
        .clock(Arc::new(scene.host.clock().clone()))
        .build()
        .unwrap();
    let clock = scene.host.clock().clone();
    let state = (scene.host.server().clone(), scene.accounts.clone(), scene.tracker.clone(), clock);
    let mcp = resource.layer().layer(Router::new().route("/mcp", post(tool)).with_state(state));
    let mcp = InProcess::new(Router::new().route_service("/mcp", mcp));
    let call = || async {
        let body =
            json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "whoami" } });
        let request = Request::post(Site::MCP)
            .header("authorization", format!("Bearer {}", tokens.access_token))
            .header("content-type", "application/json")
            .body(body.to_string().into())
            .unwrap();
        let answer = mcp.send(request).await.unwrap();
        String::from_utf8(answer.body().to_vec()).unwrap()
    };
    let asked = call().await;
    let json: Value = serde_json::from_str(&asked).unwrap();
    let elicitation = &json["error"]["data"]["elicitations"][0];
    assert_eq!((&json["error"]["code"], &elicitation["mode"]), (&json!(-32042), &json!("url")));
    assert!(elicitation["elicitationId"].as_str().is_some_and(|id| id.len() >= 22));

    // In a browser that was never here: sign-in comes first, then the question, then the way there.
    let mut browser = scene.host.browser();
    let first = browser.get(elicitation["url"].as_str().unwrap()).await.unwrap();
    assert_eq!((first.status, first.title()), (StatusCode::OK, "Sign in · mcp.example"));
    let Landed::Page(page) = sign_in(&mut browser, first, "alice").await else { panic!("sent away unasked") };
    assert_closed(&page);
    for said in ["Tracker", "127.0.0.1", "issues:read", "alice", "App", "app.example"] {
        assert!(page.text().contains(said), "{said}: {}", page.text());
    }
    let away = press(&mut browser, &page, "Connect").await;
    assert_eq!(away.status, StatusCode::SEE_OTHER);
    let departure = away.location().unwrap();
    assert!(departure.as_str().starts_with(&scene.tracker.origin), "{departure}");
    let back = scene.tracker.permits(&departure, "al1ce").await;
    assert_eq!(back.path(), "/connect/tracker/callback");
    let done = browser.get(back.as_str()).await.unwrap();
    assert_eq!((done.status, done.title()), (StatusCode::OK, "Tracker is connected · mcp.example"));
    assert_closed(&done);
    let answered = call().await;
    assert!(answered.contains(r#""result":"al1ce""#), "{answered}");
    assert_eq!(scene.host.heard("account_connected"), 1);

    // What the third party issued is sealed in the vault, and nowhere else: no page, no answer to the client, no log.
    let place = VaultKey { subject: alice.subject.clone(), provider: "tracker".parse().unwrap() };
    let sealed = scene.stores.vault.get(&place).await.unwrap().unwrap();
    for secret in scene.tracker.issued().iter().map(String::as_str).chain([SECRET]) {
        assert!(!sealed.windows(secret.len()).any(|bytes| bytes == secret.as_bytes()), "{secret}");
        for text in [&asked, &answered, &done.html, &format!("{:?}", scene.accounts)] {
            assert!(!text.contains(secret), "{secret}");
        }
        assert!(log.leaks([secret]).is_empty(), "{secret}");
    }
    let state = departure.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    assert!(log.leaks([&*state]).is_empty());
}

/// RS-84, RS-91: the link swap.
#[tokio::test]
async fn a_ups_15_a_link_is_of_no_use_to_anybody_else() {
    let scene = Scene::start().await;
    let (mut alices, _, alice) = scene.user("alice").await;
    let (mut bobs, _, bob) = scene.user("bob").await;
    let link = scene.link("tracker", &alice);
    let page = bobs.get(&link).await.unwrap();
    assert_refused(&page, "This link is not for you");
    assert!(!page.text().contains("alice") && page.forms.is_empty(), "{}", page.text());
    // Nor if he has to sign in first.
    let mut fresh = scene.host.browser();
    let first = fresh.get(&link).await.unwrap();
    let Landed::Page(page) = sign_in(&mut fresh, first, "bob").await else { panic!("sent away") };
    assert_refused(&page, "This link is not for you");
    assert_eq!(scene.host.heard("connection_refused"), 2);
    assert_eq!(scene.host.heard("reason=other_subject"), 2);
    scene.assert_untouched(&[&alice, &bob]).await;

    // It was not used up, and her page and her way back are of no use to him either.
    let page = alices.get(&link).await.unwrap();
    assert_refused(&press(&mut bobs, &page, "Connect").await, EXPIRED);
    let departure = press(&mut alices, &page, "Connect").await.location().unwrap();
    let back = scene.tracker.permits(&departure, "mallory").await;
    for browser in [&mut bobs, &mut scene.host.browser()] {
        assert_refused(&browser.get(back.as_str()).await.unwrap(), EXPIRED);
    }
    scene.assert_untouched(&[&alice, &bob]).await;
    assert_eq!(alices.get(back.as_str()).await.unwrap().status, StatusCode::OK);
    assert!(scene.token_of(&alice).await.is_some());
    scene.assert_untouched(&[&bob]).await;
}

/// RS-91: what is in a link, and what it opens.
#[tokio::test]
async fn a_link_says_nothing_and_opens_nothing() {
    let scene = Scene::start().await;
    let (mut alices, _, alice) = scene.user("alice").await;
    let link = scene.link("tracker", &alice);
    assert_ne!(link, scene.link("tracker", &alice));
    for said in [alice.subject.as_str(), "alice", "@"] {
        assert!(!link.replace(ORIGIN, "").contains(said), "{said}: {link}");
    }
    // Nobody is signed in by it, and nobody is named.
    let mut nobody = scene.host.browser();
    let page = nobody.get(&link).await.unwrap();
    assert!(page.title().starts_with("Sign in") && !page.text().contains("alice"), "{}", page.text());
    let (url, sealed) = link.split_once("?request=").unwrap();
    for form in [format!("request={sealed}&decision=allow"), format!("ticket={sealed}&decision=allow")] {
        let answer = scene.host.post_form(url, form).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    }
    // Nor is it enough with her session: only the page's own form is (CSRF), in the browser and for whom it was made.
    let page = alices.get(&link).await.unwrap();
    let form = page.form_with_button("Connect").unwrap();
    let ticket = form.value("ticket").unwrap().to_owned();
    for forged in ["", sealed, &ticket[1..], &format!("{ticket}A")] {
        let forged = form.clone().strip("ticket").forge("ticket", forged);
        assert_refused(&alices.submit(&forged, &[], Some("Connect")).await.unwrap(), EXPIRED);
    }
    assert_refused(
        &alices.submit(&form.clone().strip("ticket"), &[], Some("Connect")).await.unwrap(),
        EXPIRED,
    );
    // The page itself leads nowhere, however often it is looked at, and neither button is no answer.
    let undecided = alices.submit(&form.clone().strip("decision"), &[], None).await.unwrap();
    assert!(undecided.text().contains("Nothing was decided"), "{}", undecided.text());
    assert!(press(&mut alices, &page, "Connect").await.location().is_some());
    scene.assert_untouched(&[&alice]).await;
}

/// RS-84: at the end as at the beginning, who is there is who asked, in the browser in which they were asked.
#[tokio::test]
async fn page_and_way_back_are_of_one_browser_and_one_user() {
    let scene = Scene::start().await;
    let (mut alices, _, alice) = scene.user("alice").await;
    let (mut second, _, same) = scene.user("alice").await;
    assert_eq!(alice.subject, same.subject);
    let page = alices.get(&scene.link("tracker", &alice)).await.unwrap();
    assert_refused(&press(&mut second, &page, "Connect").await, EXPIRED);
    let departure = press(&mut alices, &page, "Connect").await.location().unwrap();
    let back = scene.tracker.permits(&departure, "alice").await;
    assert_refused(&second.get(back.as_str()).await.unwrap(), EXPIRED);
    // Somebody else signs in at her browser meanwhile.
    let waits = alices.get(&scene.link("tracker", &alice)).await.unwrap();
    agree(&mut alices, &ask("app", CALLBACK).set("prompt", "login"), "bob").await;
    assert_refused(&press(&mut alices, &waits, "Connect").await, EXPIRED);
    assert_refused(&alices.get(back.as_str()).await.unwrap(), EXPIRED);
    // Or nobody is signed in there any more.
    alices.clear_cookies();
    assert_refused(&alices.get(back.as_str()).await.unwrap(), EXPIRED);
    scene.assert_untouched(&[&alice]).await;
}

#[tokio::test]
async fn a_link_is_answered_once_and_in_time() {
    let scene = Scene::start().await;
    let (mut browser, _, alice) = scene.user("alice").await;
    // Forged, cut, or made for another third party (A-UPS-12).
    let link = scene.link("tracker", &alice);
    let (url, sealed) = link.split_once("?request=").unwrap();
    let other = url.replace("/tracker", "/other");
    for forged in
        [url.to_owned(), format!("{url}?request="), format!("{link}A"), format!("{other}?request={sealed}")]
    {
        assert_refused(&browser.get(&forged).await.unwrap(), EXPIRED);
    }
    let missing = browser.get(&url.replace("/tracker", "/nowhere")).await.unwrap();
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
    // Used by a no, and by coming back.
    let link = scene.link("tracker", &alice);
    let page = browser.get(&link).await.unwrap();
    assert_refused(&press(&mut browser, &page, "Cancel").await, "Tracker is not connected");
    assert_refused(&press(&mut browser, &page, "Connect").await, "This link was used already");
    assert_refused(&press(&mut browser, &page, "Cancel").await, "This link was used already");
    // Too late: the link, and a page of it.
    let link = scene.link("tracker", &alice);
    scene.host.forward(599);
    let page = browser.get(&link).await.unwrap();
    assert_eq!(page.status, StatusCode::OK);
    scene.host.forward(1);
    assert_refused(&browser.get(&link).await.unwrap(), EXPIRED);
    assert_refused(&press(&mut browser, &page, "Connect").await, EXPIRED);
    scene.assert_untouched(&[&alice]).await;
    assert!(scene.tracker.issued().is_empty());
}

#[tokio::test]
async fn a_second_click_goes_on_where_the_first_one_went_and_a_link_connects_once() {
    let scene = Scene::start().await;
    let (mut browser, _, alice) = scene.user("alice").await;
    let link = scene.link("tracker", &alice);
    let page = browser.get(&link).await.unwrap();
    let mut departures = Vec::new();
    for _ in 0..4 {
        departures.push(press(&mut browser, &page, "Connect").await.location().unwrap());
    }
    // Not without end; and a no after they went is none.
    assert_refused(&press(&mut browser, &page, "Connect").await, "This link was used already");
    assert_refused(&press(&mut browser, &page, "Cancel").await, "This link was used already");
    // The first way there is as good as the last.
    let backs = [
        scene.tracker.permits(&departures[0], "one").await,
        scene.tracker.permits(&departures[3], "two").await,
    ];
    assert_eq!(browser.get(backs[0].as_str()).await.unwrap().status, StatusCode::OK);
    assert_refused(&browser.get(backs[1].as_str()).await.unwrap(), EXPIRED);
    assert_eq!(scene.token_of(&alice).await.as_deref(), Some("tracker-access-one"));
    // Once they are back there is nowhere to go.
    let link = scene.link("tracker", &alice);
    let page = browser.get(&link).await.unwrap();
    let departure = press(&mut browser, &page, "Connect").await.location().unwrap();
    let back = scene.tracker.permits(&departure, "three").await;
    assert_eq!(browser.get(back.as_str()).await.unwrap().status, StatusCode::OK);
    assert_refused(&press(&mut browser, &page, "Connect").await, "This link was used already");
}

/// Nobody else has a user's account elsewhere: another issuer's user of the same name, or a client.
#[tokio::test]
async fn a_token_of_a_third_party_is_for_this_issuers_users_alone() {
    let scene = Scene::start().await;
    let (mut browser, _, alice) = scene.user("alice").await;
    let departure = scene.depart(&mut browser, &scene.link("tracker", &alice)).await;
    let back = scene.tracker.permits(&departure, "alice").await;
    assert_eq!(browser.get(back.as_str()).await.unwrap().status, StatusCode::OK);
    assert!(scene.token_of(&alice).await.is_some());
    let (now, token) = (scene.host.clock().now(), Secret::new("tracker-access-alice".into()));
    let elsewhere =
        Claims::new("https://other.example", alice.subject.clone(), alice.client_id.clone(), Timestamp::MAX);
    let mut machine = alice.clone();
    machine.subject_kind = SubjectKind::Client;
    for (caller, reason) in [(&elsewhere, "other_issuer"), (&machine, "no_user")] {
        let fault = scene.accounts.token_for(caller, now).await.unwrap_err();
        assert_eq!((fault.reason(), fault.retry_after()), (reason, None));
        assert_eq!(scene.accounts.refused(caller, &token, now).await.unwrap_err().reason(), reason);
    }
    assert!(scene.token_of(&alice).await.is_some(), "nor do they take it away");
}

/// The way back: whose, where, how often.
#[tokio::test]
async fn a_ups_11_a_callback_counts_once_where_it_belongs() {
    let scene = Scene::start().await;
    let (mut alices, _, alice) = scene.user("alice").await;
    let (mut bobs, _, bob) = scene.user("bob").await;
    let departure = scene.depart(&mut alices, &scene.link("tracker", &alice)).await;
    let back = scene.tracker.permits(&departure, "alice").await;
    // Bob's code with Alice's state in Alice's browser is what a thief would want her to bring; it is his own code that she cannot bring
    // with his state.
    let bobs_departure = scene.depart(&mut bobs, &scene.link("tracker", &bob)).await;
    let bobs_back = scene.tracker.permits(&bobs_departure, "bob").await;
    assert_refused(&alices.get(bobs_back.as_str()).await.unwrap(), EXPIRED);
    // His code, put into her answer, was made for another verifier.
    let code = |url: &Url| url.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
    let injected = back.as_str().replace(&code(&back), &code(&bobs_back));
    assert_refused(&alices.get(&injected).await.unwrap(), "Tracker is not connected");
    scene.assert_untouched(&[&alice, &bob]).await;
    // A-UPS-11: that state was used.
    assert_refused(&alices.get(back.as_str()).await.unwrap(), EXPIRED);

    // A-UPS-12, and without a state, or with one that was never made.
    let departure = scene.depart(&mut alices, &scene.link("tracker", &alice)).await;
    let back = scene.tracker.permits(&departure, "alice").await;
    let elsewhere = back.as_str().replace("/tracker/", "/other/");
    let without = back.as_str().replace("state=", "x=");
    let link_for_state =
        format!("{}&state={}", without, scene.link("tracker", &alice).split_once("request=").unwrap().1);
    for wrong in [elsewhere, without, link_for_state] {
        assert_refused(&alices.get(&wrong).await.unwrap(), EXPIRED);
    }
    // Whoever only looks uses nothing up (LIM-7).
    let ahead = scene.host.send(Request::head(back.as_str()), "").await;
    assert_eq!(ahead.status(), StatusCode::OK);
    assert_eq!(alices.get(back.as_str()).await.unwrap().status, StatusCode::OK);
    assert_refused(&alices.get(back.as_str()).await.unwrap(), EXPIRED);
    assert_eq!(scene.token_of(&alice).await.as_deref(), Some("tracker-access-alice"));
    // Too late.
    let departure = scene.depart(&mut alices, &scene.link("tracker", &alice)).await;
    let back = scene.tracker.permits(&departure, "late").await;
    scene.host.forward(600);
    assert_refused(&alices.get(back.as_str()).await.unwrap(), EXPIRED);
    assert_eq!(scene.token_of(&alice).await.as_deref(), Some("tracker-access-alice"));
}

/// A-UPS-10, and the mix-up of authorization servers (RFC 9207).
#[tokio::test]
async fn a_ups_10_what_a_third_party_says_is_not_repeated() {
    let scene = Scene::start().await;
    let (mut browser, _, alice) = scene.user("alice").await;
    for (mood, words) in [
        (Mood::Denies, "Tracker is not connected"),
        (Mood::LiesAboutIssuer, EXPIRED),
        (Mood::OmitsIssuer, EXPIRED),
    ] {
        scene.tracker.set(mood);
        let departure = scene.depart(&mut browser, &scene.link("tracker", &alice)).await;
        let back = scene.tracker.permits(&departure, "alice").await;
        let page = browser.get(back.as_str()).await.unwrap();
        assert_refused(&page, words);
        assert!(!page.html.contains("alert(1)") && !page.html.contains("evil.example"), "{}", page.html);
    }
    scene.assert_untouched(&[&alice]).await;
    assert_eq!(scene.host.heard("connection_refused"), 3);
    assert_eq!(scene.host.heard("reason=access_denied"), 1);
}

#[tokio::test]
async fn an_outage_of_a_third_party_is_told_and_can_be_tried_again() {
    let log = CapturedLog::of_this_thread();
    let scene = Scene::start().await;
    let (mut browser, _, alice) = scene.user("alice").await;
    scene.tracker.set(Mood::Down);
    let mut departure = scene.depart(&mut browser, &scene.link("tracker", &alice)).await;
    let mut pages = Vec::new();
    for _ in 0..2 {
        let back = scene.tracker.permits(&departure, "alice").await;
        let page = browser.get(back.as_str()).await.unwrap();
        assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE, "{}", page.text());
        assert!(page.headers.contains_key("retry-after") && page.text().contains("cannot be reached now"));
        departure = press(&mut browser, &page, "Connect").await.location().unwrap();
        pages.push(page);
    }
    scene.tracker.set(Mood::Honest);
    let back = scene.tracker.permits(&departure, "alice").await;
    assert_eq!(browser.get(back.as_str()).await.unwrap().status, StatusCode::OK);
    assert_eq!(scene.token_of(&alice).await.as_deref(), Some("tracker-access-alice"));
    // Each of the pages was good for one answer.
    for page in pages {
        assert_refused(&press(&mut browser, &page, "Connect").await, "This link was used already");
    }
    assert_eq!(scene.host.heard("unavailable"), 2);
    let issued = scene.tracker.issued();
    assert!(log.leaks(issued.iter().map(String::as_str)).is_empty());
}
