//! MIX: whose answer, whose browser, whose session.

use std::time::Duration;

use http::header::{COOKIE, LOCATION, ORIGIN as ORIGIN_HEADER, SET_COOKIE};
use http::{Request, StatusCode};
use oauth_core::{GrantFilter, Quota};
use oauth_testing::{Browser, Callback, Landed, Page};
use url::Url;

use crate::host::{
    CALLBACK, Host, ORIGIN, agree, ask, assert_closed, assert_shown, consent_page, decide, leave, out,
    redeem, sign_in, visit,
};
use crate::upstream::{Upstream, comes_back, depart};

const SESSION: &str = "__Host-oauth-session";

async fn with_upstreams(upstreams: &[&Upstream]) -> Host {
    let upstreams: Vec<Upstream> = upstreams.iter().map(|upstream| (*upstream).clone()).collect();
    Host::with(move |server| {
        upstreams.iter().cloned().fold(server, |server, upstream| server.sign_in_with(upstream))
    })
    .await
}

fn session(browser: &Browser) -> Option<String> {
    browser.cookies().iter().find(|cookie| cookie.name == SESSION).map(|cookie| cookie.value.clone())
}

/// Refused with a page that leads nowhere, and nobody is signed in.
fn assert_expired(page: &Page) {
    assert_eq!(page.status, StatusCode::FORBIDDEN, "{}", page.text());
    assert!(page.headers.get(LOCATION).is_none());
    assert!(
        page.headers
            .get_all(SET_COOKIE)
            .iter()
            .all(|cookie| !cookie.as_bytes().starts_with(SESSION.as_bytes()))
    );
    assert_closed(page);
}

/// The browser of somebody on the way to an upstream server, and where it was sent.
async fn departed(host: &Host, provider: &str) -> (Browser, Url) {
    let mut browser = host.browser();
    let page = browser.get(ask("app", CALLBACK).url().as_str()).await.unwrap();
    let departure = depart(&mut browser, &page, provider).await;
    (browser, departure)
}

fn with_path(url: &Url, path: &str) -> Url {
    let mut url = url.clone();
    url.set_path(path);
    url
}

/// Also A-UPS-12: the state was made for one provider, and opens at no other's callback.
#[tokio::test]
async fn a_mix_3_callback_of_another_provider() {
    let (honest, evil) = (Upstream::new("honest"), Upstream::new("evil"));
    let host = with_upstreams(&[&honest, &evil]).await;
    let (mut browser, departure) = departed(&host, "evil").await;
    let back = comes_back(&departure, "victim-at-honest");
    assert_eq!(back.path(), "/sign-in/evil/callback");
    assert_expired(&browser.get(with_path(&back, "/sign-in/honest/callback").as_str()).await.unwrap());
    assert!(honest.resumed().is_empty() && evil.resumed().is_empty());
    // Where it belongs it still opens.
    assert_eq!(browser.get(back.as_str()).await.unwrap().status, StatusCode::SEE_OTHER);
    assert_eq!(evil.resumed(), ["victim-at-honest"]);
}

/// Each provider has a callback of its own, so that an answer tells by its path to whom it belongs.
#[tokio::test]
async fn a_mix_4_connectors_share_no_callback() {
    let (one, other) = (Upstream::new("one-idp"), Upstream::new("other-idp"));
    let host = with_upstreams(&[&one, &other]).await;
    let (_, to_one) = departed(&host, "one-idp").await;
    let (_, to_other) = departed(&host, "other-idp").await;
    assert_ne!(comes_back(&to_one, "x").path(), comes_back(&to_other, "x").path());
    // In one browser with both under way, too, none takes the other's answer.
    let mut browser = host.browser();
    let page = browser.get(ask("app", CALLBACK).url().as_str()).await.unwrap();
    let first = comes_back(&depart(&mut browser, &page, "one-idp").await, "alice");
    let second = comes_back(&depart(&mut browser, &page, "other-idp").await, "alice");
    let swapped = [with_path(&first, second.path()), with_path(&second, first.path())];
    for url in swapped {
        assert_expired(&browser.get(url.as_str()).await.unwrap());
    }
    for nobody in
        ["/sign-in/callback", "/sign-in//callback", "/sign-in/nobody/callback", "/sign-in/one-idp/callback/"]
    {
        let page = browser.get(with_path(&first, nobody).as_str()).await.unwrap();
        assert!(page.status.is_client_error() && page.location().is_none(), "{nobody}");
    }
    assert!(one.resumed().is_empty() && other.resumed().is_empty());
}

/// Cross-user session fixation: the attacker's upstream URL, opened by the victim.
#[tokio::test]
async fn a_mix_5_attackers_departure_in_the_victims_browser() {
    let idp = Upstream::new("idp");
    let host = with_upstreams(&[&idp]).await;
    let (_, departure) = departed(&host, "idp").await;
    // The victim has used this server before: the browser has a name of its own.
    let mut victim = host.browser();
    victim.get(ask("app", CALLBACK).url().as_str()).await.unwrap();
    assert_expired(&victim.get(comes_back(&departure, "victim").as_str()).await.unwrap());
    // Or never: it has none.
    assert_expired(&host.browser().get(comes_back(&departure, "victim").as_str()).await.unwrap());
    assert!(idp.resumed().is_empty(), "the victim's code was not used");
}

#[tokio::test]
async fn a_mix_7_a_page_is_answered_by_whom_it_was_shown_to_and_once() {
    let host = Host::start().await;
    let mut alice = host.browser();
    let app = consent_page(&mut alice, &ask("app", CALLBACK), "alice").await;
    let one = consent_page(&mut alice, &ask("one", "https://one.example/cb"), "alice").await;

    // By somebody else, in their own browser.
    let mut bob = host.browser();
    let bobs = consent_page(&mut bob, &ask("app", CALLBACK), "bob").await;
    assert_expired(&decide(&mut bob, &app, "allow").await);
    assert_expired(&decide(&mut alice, &bobs, "allow").await);
    // By nobody, and without a ticket, and with one that was changed.
    assert_expired(&decide(&mut host.browser(), &app, "allow").await);
    let form = app.form_with_button("allow").unwrap();
    let ticket = form.value("ticket").unwrap().to_owned();
    let flipped = if ticket.ends_with('A') { "B" } else { "A" };
    for ticket in [String::new(), format!("{}{flipped}", &ticket[..ticket.len() - 1]), ticket[1..].to_owned()]
    {
        let forged = form.clone().strip("ticket").forge("ticket", &ticket);
        assert_expired(&alice.submit(&forged, &[], Some("allow")).await.unwrap());
    }

    // A ticket is the whole page: put into another page's form, it still speaks for its own.
    let forged = one.form_with_button("allow").unwrap().clone().strip("ticket").forge("ticket", &ticket);
    let next = alice.submit(&forged, &[], Some("allow")).await.unwrap();
    assert!(out(&mut alice, next).await.url.as_str().starts_with(CALLBACK));
    // Once.
    assert_expired(&decide(&mut alice, &app, "allow").await);
    // The other page is still open.
    let next = decide(&mut alice, &one, "allow").await;
    assert!(out(&mut alice, next).await.url.as_str().starts_with("https://one.example/cb?"));
}

/// A ticket is for one step: shown at another, it opens nothing.
#[tokio::test]
async fn a_ticket_is_for_one_purpose() {
    let idp = Upstream::new("idp");
    let host = with_upstreams(&[&idp]).await;
    let mut browser = host.browser();
    let page = browser.get(ask("app", CALLBACK).url().as_str()).await.unwrap();
    let sign_in_form = page.form_with_field("name").unwrap().clone();
    let departure = depart(&mut browser, &page, "idp").await;
    let state = departure.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    let next = browser.submit(&sign_in_form, &[("name", "alice")], None).await.unwrap();
    let on = next.location().unwrap();
    let resumed = on.query_pairs().find(|(name, _)| name == "ticket").unwrap().1.into_owned();
    let consent = browser.get(on.as_str()).await.unwrap();
    let consent_form = consent.form_with_button("allow").unwrap().clone();
    let switch_form = consent.form_with_button("Use another account").unwrap().clone();
    let of_sign_in = sign_in_form.value("ticket").unwrap().to_owned();
    let of_consent = consent_form.value("ticket").unwrap().to_owned();

    let with =
        |form: &oauth_testing::Form, ticket: &str| form.clone().strip("ticket").forge("ticket", ticket);
    for ticket in [&state, &resumed, &of_consent] {
        let form = with(&sign_in_form, ticket).fill("name", "mallory").unwrap();
        assert_expired(&browser.submit(&form, &[], None).await.unwrap());
    }
    for ticket in [&state, &resumed, &of_sign_in] {
        assert_expired(&browser.submit(&with(&consent_form, ticket), &[], Some("allow")).await.unwrap());
        assert_expired(&browser.submit(&with(&switch_form, ticket), &[], None).await.unwrap());
    }
    for ticket in [&state, &of_sign_in, &of_consent] {
        let url = format!("{ORIGIN}/authorize/continue?ticket={ticket}");
        assert_expired(&browser.get(&url).await.unwrap());
    }
    for ticket in [&resumed, &of_sign_in, &of_consent] {
        let url = format!("{ORIGIN}/sign-in/idp/callback?code=mallory&state={ticket}");
        assert_expired(&browser.get(&url).await.unwrap());
    }
    assert!(idp.resumed().is_empty());
    assert_eq!(host.stores().grants.count(GrantFilter::All).await.unwrap(), 0);
}

/// The attacker's own callback, code and state and all, opened by the victim: nobody is signed in as the attacker.
#[tokio::test]
async fn a_mix_8_login_csrf() {
    let idp = Upstream::new("idp");
    let host = with_upstreams(&[&idp]).await;
    let (_, departure) = departed(&host, "idp").await;
    let mut victim = host.browser();
    victim.get(ask("app", CALLBACK).url().as_str()).await.unwrap();
    assert_expired(&victim.get(comes_back(&departure, "attacker").as_str()).await.unwrap());
    assert_eq!((session(&victim), idp.resumed().len()), (None, 0));

    // Nor by a form: a page of the attacker's with the attacker's ticket and name.
    let mut attacker = host.browser();
    let page = attacker.get(ask("app", CALLBACK).url().as_str()).await.unwrap();
    let ticket = page.form_with_field("name").unwrap().value("ticket").unwrap().to_owned();
    let html = format!(
        "<form method=post action={ORIGIN}/sign-in/door><input name=ticket value={ticket}><input name=name value=attacker><button>Win</button></form>"
    );
    let evil = Page::of_html("https://evil.example/", &html);
    let page = victim.submit(evil.form_with_button("Win").unwrap(), &[], None).await.unwrap();
    assert_expired(&page);
    assert_eq!(session(&victim), None);

    // A state that is missing, or not ours, or used.
    let (mut browser, departure) = departed(&host, "idp").await;
    let back = comes_back(&departure, "alice");
    let callback = format!("{ORIGIN}/sign-in/idp/callback");
    for query in
        ["", "?code=alice", "?code=alice&state=", "?code=alice&state=x", "?code=alice&state=a&state=b"]
    {
        assert_expired(&browser.get(&format!("{callback}{query}")).await.unwrap());
    }
    assert_eq!(browser.get(back.as_str()).await.unwrap().status, StatusCode::SEE_OTHER);
    // A-UPS-11
    assert_expired(&browser.get(back.as_str()).await.unwrap());
    // Too late.
    let (mut browser, departure) = departed(&host, "idp").await;
    host.forward(601);
    assert_expired(&browser.get(comes_back(&departure, "alice").as_str()).await.unwrap());
    assert_eq!(idp.resumed(), ["alice"]);
}

#[tokio::test]
async fn a_mix_9_session_fixation() {
    let host = Host::start().await;
    let request = ask("app", CALLBACK);
    // A session that nobody began.
    let mut victim = host.browser();
    assert!(victim.set_cookie(ORIGIN, &format!("{SESSION}=known-to-the-attacker; Path=/; Secure")).unwrap());
    consent_page(&mut victim, &request, "alice").await;
    assert_ne!(session(&victim).unwrap(), "known-to-the-attacker");
    let mut attacker = host.browser();
    attacker.set_cookie(ORIGIN, &format!("{SESSION}=known-to-the-attacker; Path=/; Secure")).unwrap();
    let page = attacker.get(request.url().as_str()).await.unwrap();
    assert!(page.form_with_field("name").is_ok(), "{}", page.text());

    // A live one of the attacker's own: it ends when somebody else signs in over it.
    let mut attacker = host.browser();
    consent_page(&mut attacker, &request, "mallory").await;
    let fixed = session(&attacker).unwrap();
    let mut victim = host.browser();
    victim.set_cookie(ORIGIN, &format!("{SESSION}={fixed}; Path=/; Secure")).unwrap();
    let page = victim.get(request.clone().set("prompt", "login").url().as_str()).await.unwrap();
    assert!(matches!(sign_in(&mut victim, page, "alice").await, Landed::Page(_)));
    assert_ne!(session(&victim).unwrap(), fixed);
    let page = attacker.get(request.url().as_str()).await.unwrap();
    assert!(page.form_with_field("name").is_ok(), "the fixed session is over: {}", page.text());
}

#[tokio::test]
async fn a_mix_10_cookie_tossing() {
    let host = Host::start().await;
    let mut browser = host.browser();
    consent_page(&mut browser, &ask("app", CALLBACK), "alice").await;
    let own = session(&browser).unwrap();
    let signed_in = |cookies: Vec<String>| {
        let request =
            cookies.iter().fold(Request::get(ask("app", CALLBACK).url().as_str()), |request, cookie| {
                request.header(COOKIE, cookie)
            });
        let sent = host.send(request, "");
        async move { String::from_utf8_lossy(sent.await.body()).contains("value=\"allow\"") }
    };
    assert!(signed_in(vec![format!("{SESSION}={own}")]).await);
    assert!(signed_in(vec![format!("a=b;\t {SESSION}={own} \t;c=d")]).await);
    for cookies in [
        // Under any name that a neighbour can set.
        vec![format!("oauth-session={own}")],
        vec![format!("session={own}")],
        vec![format!("insecure-oauth-session={own}")],
        vec![format!("__HOST-oauth-session={own}")],
        vec![format!("__Host-oauth-session%3D={own}")],
        // Twice: which of them is ours?
        vec![format!("{SESSION}={own}; {SESSION}=other")],
        vec![format!("{SESSION}=other; {SESSION}={own}")],
        vec![format!("{SESSION}={own}"), format!("{SESSION}={own}")],
        vec![format!("{SESSION}=; {SESSION}={own}")],
        vec![format!("{SESSION}={own}x")],
        // White space to Unicode is a part of the name to a browser, which lets a neighbour set it.
        vec![format!("\u{2000}{SESSION}={own}")],
        vec![format!("\u{a0}{SESSION}={own}")],
        vec![format!("a=b; \u{85}{SESSION}={own}")],
        vec![format!("\u{2028}{SESSION}={own}; c=d")],
    ] {
        assert!(!signed_in(cookies.clone()).await, "{cookies:?}");
    }
    // What the server itself sets, a neighbour cannot (A-PROXY-11).
    for step in browser.history() {
        for (cookie, _) in &step.cookies {
            let attributes: Vec<&str> = cookie.split("; ").skip(1).collect();
            assert!(cookie.starts_with("__Host-"), "{cookie}");
            for wanted in ["Path=/", "HttpOnly", "SameSite=Lax", "Secure"] {
                assert!(attributes.contains(&wanted), "{cookie}");
            }
            assert!(!cookie.to_ascii_lowercase().contains("domain"), "{cookie}");
        }
    }
}

#[tokio::test]
async fn a_mix_11_two_tabs() {
    let host = Host::start().await;
    let mut browser = host.browser();
    let first = ask("app", CALLBACK).set("state", "first");
    let second = ask("one", "https://one.example/cb").set("state", "second");
    // Two tabs before anybody has signed in, answered crosswise.
    let tab_1 = browser.get(first.url().as_str()).await.unwrap();
    let tab_2 = browser.get(second.url().as_str()).await.unwrap();
    let Landed::Page(tab_2) = sign_in(&mut browser, tab_2, "alice").await else { panic!("nobody was asked") };
    assert!(tab_2.text().contains("one.example") && !tab_2.text().contains("app.example"));
    let Landed::Page(tab_1) = sign_in(&mut browser, tab_1, "alice").await else { panic!("nobody was asked") };
    assert!(tab_1.text().contains("app.example"));
    // The second sign-in began another session, of the same person: the other tab's page is still theirs (AS-77).
    for (tab, redirect_uri, state) in
        [(&tab_2, "https://one.example/cb", "second"), (&tab_1, CALLBACK, "first")]
    {
        let next = decide(&mut browser, tab, "allow").await;
        let callback = out(&mut browser, next).await;
        assert!(callback.url.as_str().starts_with(redirect_uri), "{}", callback.url);
        assert_eq!(callback.state(), Some(state));
    }
}

/// A page is for who was signed in when it was shown: nobody answers it for them, at the same browser either.
#[tokio::test]
async fn a_mix_11_two_people_at_one_browser() {
    let host = Host::start().await;
    let mut browser = host.browser();
    let of_alice = consent_page(&mut browser, &ask("app", CALLBACK), "alice").await;
    let request = ask("one", "https://one.example/cb").set("prompt", "login");
    let of_bob = consent_page(&mut browser, &request, "bob").await;
    assert_expired(&decide(&mut browser, &of_alice, "allow").await);
    // Nor does it sign anybody out.
    assert_expired(&decide(&mut browser, &of_alice, "Use another account").await);
    let next = decide(&mut browser, &of_bob, "allow").await;
    out(&mut browser, next).await.code().unwrap();
    // In another browser it is of no use to the same person.
    let mut other = host.browser();
    agree(&mut other, &ask("app", CALLBACK), "bob").await;
    let page = consent_page(&mut browser, &ask("app", CALLBACK).set("prompt", "consent"), "bob").await;
    assert_expired(&decide(&mut other, &page, "allow").await);
    let next = decide(&mut browser, &page, "allow").await;
    out(&mut browser, next).await.code().unwrap();
}

/// A page was shown for a sign-in of then: a later one of the same person does as well, an earlier one does not (AS-77, AS-52).
#[tokio::test]
async fn a_mix_11_a_page_and_the_sign_ins_after_it() {
    let host = Host::with(|server| server.limits(oauth_server::Limits::insecure_unlimited())).await;
    let mut browser = host.browser();
    let request = ask("app", CALLBACK).set("max_age", "60");
    let page = consent_page(&mut browser, &request, "alice").await;
    let again = ask("one", "https://one.example/cb").set("prompt", "login");
    host.clock().step_back(Duration::from_secs(600));
    consent_page(&mut browser, &again, "alice").await;
    assert_expired(&decide(&mut browser, &page, "allow").await);
    host.forward(900);
    consent_page(&mut browser, &again, "alice").await;
    let next = decide(&mut browser, &page, "allow").await;
    out(&mut browser, next).await.code().unwrap();
    // Once.
    assert_expired(&decide(&mut browser, &page, "allow").await);
}

/// T3: what the attacker has begun, and even agreed to, ends in the attacker's browser alone.
#[tokio::test]
async fn a_mix_13_consent_in_one_browser_callback_in_another() {
    let idp = Upstream::new("idp");
    let host = with_upstreams(&[&idp]).await;
    let evil = host.registered("Evil", "https://evil.example/cb").await;
    let request = ask(&evil, "https://evil.example/cb");
    let mut attacker = host.browser();
    let page = attacker.get(request.url().as_str()).await.unwrap();
    let departure = depart(&mut attacker, &page, "idp").await;

    // The victim, whom the upstream server lets through without a word.
    let mut victim = host.browser();
    agree(&mut victim, &ask("app", CALLBACK), "alice").await;
    let before = session(&victim);
    assert_expired(&victim.get(comes_back(&departure, "victim").as_str()).await.unwrap());
    assert_eq!(session(&victim), before);
    assert!(idp.resumed().is_empty());
    assert!(victim.history().iter().all(|step| {
        step.location.as_ref().is_none_or(|location| location.host_str() != Some("evil.example"))
    }));

    // Here consent comes after the sign-in, for this client and this user: an agreement of the attacker's is the attacker's.
    let page = attacker.get(comes_back(&departure, "attacker").as_str()).await.unwrap();
    let Landed::Page(page) = leave(&mut attacker, page).await else { panic!("nobody was asked") };
    assert_expired(&decide(&mut victim, &page, "allow").await);
    let own = consent_page(&mut victim, &request, "alice").await;
    assert!(own.text().contains("evil.example"));
}

#[tokio::test]
async fn a_mix_14_clickjacking() {
    let idp = Upstream::new("idp");
    let upstream = idp.clone();
    let host = Host::with(move |server| {
        let mut limits = oauth_server::Limits::default();
        limits.authorize_source = Quota::new(12, std::time::Duration::from_secs(3600));
        server.sign_in_with(upstream.clone()).limits(limits)
    })
    .await;
    let request = ask("app", CALLBACK);
    let mut browser = host.browser();
    let mut seen = Vec::new();
    let mut look = |page: &Page, status: u16| {
        assert_closed(page);
        assert_eq!(page.status.as_u16(), status, "{}", page.text());
        seen.push(page.title().to_owned());
    };
    let page = browser.get(request.url().as_str()).await.unwrap();
    look(&page, 200);
    let wrong = browser
        .submit(page.form_with_field("passphrase").unwrap(), &[("passphrase", "x")], None)
        .await
        .unwrap();
    look(&wrong, 403);
    let departure = depart(&mut browser, &page, "idp").await;
    look(&browser.get(comes_back(&departure, "").as_str()).await.unwrap(), 403);
    look(&consent_page(&mut browser, &request, "alice").await, 200);
    look(&browser.get(ask("nobody", CALLBACK).url().as_str()).await.unwrap(), 400);
    look(&browser.get(&format!("{ORIGIN}/authorize/continue")).await.unwrap(), 403);
    host.faults().fail_next("sessions.find");
    look(&browser.get(request.url().as_str()).await.unwrap(), 503);
    let last = loop {
        let page = browser.get(request.url().as_str()).await.unwrap();
        if page.status != StatusCode::OK {
            break page;
        }
    };
    look(&last, 429);
    assert_eq!(seen.len(), 8);
}

#[tokio::test]
async fn a_mix_17_prompt_none_tells_nobody_else() {
    let host = Host::start().await;
    let mut known = host.browser();
    agree(&mut known, &ask("app", CALLBACK), "alice").await;
    let silent = |request: oauth_testing::AuthorizeRequest| request.set("prompt", "none").url().to_string();
    let with_origin =
        |browser: Browser| browser.with_header(ORIGIN_HEADER, "https://evil.example".parse().unwrap());
    let (mut known, mut unknown) = (with_origin(known), with_origin(host.browser()));
    for (browser, wanted) in [(&mut known, None), (&mut unknown, Some("login_required"))] {
        let page = browser.get(&silent(ask("app", CALLBACK))).await.unwrap();
        assert_eq!(page.status, StatusCode::SEE_OTHER);
        assert!(page.headers.keys().all(|name| !name.as_str().starts_with("access-control")));
        let callback = Callback::read(&page.location().unwrap());
        assert!(callback.url.as_str().starts_with(CALLBACK));
        assert_eq!(callback.error(), wanted);
        // To an address that is not registered nothing is told, in silence neither.
        assert_shown(&browser.get(&silent(ask("app", "https://evil.example/cb"))).await.unwrap());
    }
    // No page comes up: agreement that was not given is an error, too.
    let page = known.get(&silent(ask("one", "https://one.example/cb"))).await.unwrap();
    assert_eq!(Callback::read(&page.location().unwrap()).error(), Some("consent_required"));
    let page =
        known.get(&silent(ask("app", CALLBACK)).replace("prompt=none", "prompt=none+login")).await.unwrap();
    assert_eq!(Callback::read(&page.location().unwrap()).error(), Some("invalid_request"));
}

/// No parameter says where to go on: that is in the sealed ticket, and leads to `/authorize/continue` of this server.
#[tokio::test]
async fn a_mix_18_return_to_open_redirect() {
    let host = Host::start().await;
    for target in [
        "//evil.example",
        "/\\evil.example",
        "https:evil.example",
        "%2f%2fevil.example",
        "/a\n//evil.example",
    ] {
        for name in ["return_to", "next", "redirect", "ticket", "url", "continue"] {
            let mut browser = host.browser();
            let request = ask("app", CALLBACK).set(name, target);
            let page = browser.get(request.url().as_str()).await.unwrap();
            let Ok(form) = page.form_with_field("name") else {
                // A line break in a parameter is no form at all.
                assert_shown(&page);
                continue;
            };
            let mut form = form.clone();
            if name != "ticket" {
                form = form.forge(name, &target.replace('\n', ""));
            }
            form.action.set_query(Some(&format!("{name}={target}")));
            let next = browser.submit(&form, &[("name", "alice")], None).await.unwrap();
            let location = next.headers[LOCATION].to_str().unwrap();
            assert!(location.starts_with("/authorize/continue?ticket="), "{location}");
            assert!(!location.contains("evil"), "{location}");
            let mut on = Url::parse(ORIGIN).unwrap().join("/authorize/continue").unwrap();
            on.query_pairs_mut().append_pair(name, target);
            assert_expired(&browser.get(on.as_str()).await.unwrap());
        }
    }
}

/// Signing somebody out takes the page's ticket: a foreign page has none.
#[tokio::test]
async fn signing_out_takes_the_pages_ticket() {
    let host = Host::start().await;
    let mut browser = host.browser();
    let page = consent_page(&mut browser, &ask("app", CALLBACK), "alice").await;
    let evil = Page::of_html(
        "https://evil.example/",
        &format!(
            "<form method=post action={ORIGIN}/sign-out><input name=ticket value=x><button>Out</button></form>"
        ),
    );
    assert_expired(&browser.submit(evil.form_with_button("Out").unwrap(), &[], None).await.unwrap());
    let same_site = page.form_with_button("Use another account").unwrap().clone().strip("ticket");
    assert_expired(&browser.submit(&same_site, &[], None).await.unwrap());
    assert!(session(&browser).is_some());
    let next = decide(&mut browser, &page, "allow").await;
    let code = out(&mut browser, next).await.code().unwrap().to_owned();
    host.client().send(&redeem("app", &code)).await.unwrap().tokens().unwrap();
}

/// `prompt=login` and `max_age` are met by a sign-in after they were asked for, and by no ticket that went round.
#[tokio::test]
async fn an_old_session_is_not_made_fresh_by_going_round() {
    let host = Host::start().await;
    let mut browser = host.browser();
    agree(&mut browser, &ask("app", CALLBACK), "alice").await;
    host.forward(120);
    for request in [ask("app", CALLBACK).set("prompt", "login"), ask("app", CALLBACK).set("max_age", "60")] {
        let page = browser.get(request.url().as_str()).await.unwrap();
        assert!(page.form_with_field("name").is_ok(), "{}", page.text());
        // An earlier way on, of a request that wanted less.
        let Landed::Page(earlier) =
            sign_in(&mut host.browser(), visit(&host, &request).await, "nobody").await
        else {
            panic!("a ticket of another browser")
        };
        assert_eq!(earlier.status, StatusCode::FORBIDDEN);
        let silent = request.set("prompt", "none").set("max_age", "60");
        let page = browser.get(silent.url().as_str()).await.unwrap();
        assert_eq!(Callback::read(&page.location().unwrap()).error(), Some("login_required"));
    }
}
