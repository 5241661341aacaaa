//! What the default pages say, what they keep from saying, and what they send.
#![allow(clippy::unwrap_used, reason = "the functions beside the tests are tests too")]

use base64::{Engine as _, prelude::BASE64_STANDARD};
use oauth_server::pages::{
    ClientName, ConsentPage, DefaultPages, Destination, HttpsLink, Page, PageRenderer, Theme, samples,
};
use sha2::{Digest as _, Sha256};

/// A-XSS-1, A-XSS-2, A-CONS-6, A-CONS-7
const HOSTILE: [&str; 12] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "\" autofocus onfocus=\"alert(1)",
    "</title><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "<!-- x",
    "{{7*7}}{% include \"error.html\" %}",
    "&lt;script&gt;&#60;script&#62;",
    "javascript:alert(1)//\u{2028}",
    "<svg/onload=alert(1)>",
    "]]><b>admin</b>",
];

fn pages() -> DefaultPages {
    DefaultPages::new(&Theme::new("Notes").unwrap())
}

fn sample(name: &str) -> Page<'static> {
    samples().into_iter().find(|(n, _)| *n == name).unwrap().1
}

fn consent(name: &str) -> ConsentPage<'static> {
    match sample(name) {
        Page::Consent(page) => page,
        other => panic!("{other:?}"),
    }
}

/// A page as it reads: without the places at which a line may break.
fn read(page: &Page<'_>) -> String {
    pages().render(page).replace("<wbr>", "")
}

/// The tags of a document, with the names of their attributes: what a browser would build from it.
fn skeleton(html: &str) -> Vec<String> {
    let mut tags = Vec::new();
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        let (mut tag, mut quote, mut end) = (String::new(), None, rest.len());
        for (i, c) in rest[start..].char_indices() {
            match quote {
                Some(q) if c == q => quote = None,
                Some(_) => {}
                None if c == '"' || c == '\'' => quote = Some(c),
                None if c == '>' => {
                    end = start + i;
                    break;
                }
                None => tag.push(c),
            }
        }
        // Where a long word may break is no part of what is built.
        if tag != "<wbr" {
            tags.push(tag);
        }
        rest = &rest[end..];
    }
    tags
}

/// The page with `text` wherever a client, a request or an account could put it.
fn consent_with(text: &str) -> String {
    let name = ClientName::clean(text).unwrap();
    let link = HttpsLink::parse(&format!("https://a.example/{text}")).unwrap();
    let mut html = String::new();
    for destination in [
        Destination::Site { host: text },
        Destination::Loopback { host: text },
        Destination::App { scheme: text },
    ] {
        for id_host in [Some(text), None] {
            let mut page = consent("consent-app");
            page.account = consent("consent-verified").account;
            page.client.name = Some(&name);
            page.client.id_host = id_host;
            page.client.destination = destination;
            page.client.home = Some(&link);
            page.client.privacy = Some(&link);
            page.client.terms = Some(&link);
            let mut account = page.account.unwrap();
            account.name = text;
            page.account = Some(account);
            let mut resource = page.resources[0];
            (resource.name, resource.id) = (Some(text), text);
            let mut scope = page.scopes[0];
            (scope.name, scope.words) = (text, Some(text));
            let mut upstream = page.upstream.unwrap();
            let asked = [text];
            (upstream.provider, upstream.scopes) = (text, &asked);
            page.upstream = Some(upstream);
            let (resources, scopes) = ([resource], [scope]);
            (page.resources, page.scopes) = (&resources, &scopes);
            (page.ticket, page.action, page.notice) = (text, text, Some(text));
            html += &pages().render(&Page::Consent(page));
        }
    }
    html
}

/// The other pages, likewise.
fn others_with(text: &str) -> String {
    let mut html = String::new();
    for (name, mut page) in samples() {
        let client_name = ClientName::clean(text).unwrap();
        let (fields, forms, providers, ways, servers, causes, scopes);
        let link = HttpsLink::parse(&format!("https://a.example/{text}")).unwrap();
        match &mut page {
            Page::SignIn(page) => {
                let mut client = page.client.unwrap();
                client.name = Some(&client_name);
                client.id_host = Some(text);
                (page.client, page.ticket) = (Some(client), text);
                let mut form = page.forms[0];
                let mut field = form.fields[0];
                (field.name, field.label, field.autocomplete, field.value) = (text, text, text, text);
                fields = [field];
                (form.fields, form.submit, form.error, form.action) = (&fields, text, Some(text), text);
                (form.id, form.label) = (text, text);
                forms = [form];
                page.forms = &forms;
                if let [provider, ..] = page.providers {
                    let mut provider = *provider;
                    (provider.id, provider.label, provider.action) = (text, text, text);
                    providers = [provider];
                    page.providers = &providers;
                }
            }
            Page::Connect(page) => {
                let mut client = page.client.unwrap();
                (client.name, client.id_host) = (Some(&client_name), Some(text));
                (page.client, page.account.name) = (Some(client), text);
                scopes = [text];
                (page.upstream.provider, page.upstream.scopes) = (text, &scopes);
                (page.host, page.action, page.ticket, page.notice) = (text, text, text, Some(text));
            }
            Page::Error(page) => {
                (page.title, page.message, page.code) = (text, text, text);
                (page.help, page.reference, page.detail) = (Some(text), Some(text), Some(text));
                causes = [text];
                page.causes = &causes;
                if let Some(link) = &mut page.link {
                    (link.label, link.path) = (text, text);
                }
            }
            Page::Notice(page) => (page.title, page.message, page.help) = (text, text, Some(text)),
            Page::Landing(page) => {
                let mut server = page.servers[0];
                let mut way = server.ways[0];
                (way.app, way.line, way.then) = (text, text, Some(text));
                ways = [way];
                (server.name, server.url, server.metadata, server.ways) = (Some(text), text, text, &ways);
                servers = [server, server];
                (page.servers, page.metadata) = (&servers, text);
                (page.documentation, page.privacy, page.terms) = (Some(&link), Some(&link), Some(&link));
            }
            _ => continue,
        }
        html += &format!("<i {name}>");
        html += &pages().render(&page);
    }
    html
}

// AS-78, A-XSS-1, A-XSS-2, A-XSS-3
#[test]
fn no_text_adds_a_tag_or_an_attribute() {
    let harmless = (skeleton(&consent_with("abc")), skeleton(&others_with("abc")));
    assert!(harmless.0.len() > 300 && harmless.1.len() > 150);
    for text in HOSTILE {
        assert_eq!(skeleton(&consent_with(text)), harmless.0, "{text}");
        assert_eq!(skeleton(&others_with(text)), harmless.1, "{text}");
    }
}

// AS-71, A-XSS-1
#[test]
fn a_page_needs_no_script_and_nothing_from_elsewhere() {
    for (name, page) in samples() {
        let html = pages().render(&page);
        for never in ["<script", "javascript:", " style=", " onclick", "<iframe", "<link rel=\"style", "url("]
        {
            assert!(!html.contains(never), "{name} has {never}");
        }
        for attribute in ["src=\"", "<link rel=\"icon\" href=\""] {
            for (at, _) in html.match_indices(attribute) {
                assert!(html[at + attribute.len()..].starts_with("data:image/"), "{name}: {attribute}");
            }
        }
    }
}

// AS-71
#[test]
fn the_policy_allows_the_style_that_is_sent_in_every_theme() {
    for accent in ["#2f5fd0", "#ffffff", "#000000", "#ff0080"] {
        let theme = Theme::new("Notes").unwrap().with_accent(accent).unwrap();
        let pages = DefaultPages::new(&theme);
        let policy = pages.policy().content_security_policy();
        for (name, page) in samples() {
            let html = pages.render(&page);
            let style = html.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
            let hash = format!("style-src 'sha256-{}';", BASE64_STANDARD.encode(Sha256::digest(style)));
            assert!(policy.to_str().unwrap().contains(&hash), "{name} {accent}");
            assert!(!style.contains('\r') && !style.contains("</"));
        }
    }
}

#[test]
fn a_logo_is_shown_and_its_origin_allowed() {
    let theme = Theme::new("Notes").unwrap().with_logo("https://cdn.example/logo.png").unwrap();
    let pages = DefaultPages::new(&theme);
    assert!(pages.render(&sample("notice")).contains(r#"<img src="https://cdn.example/logo.png" alt="""#));
    let policy = pages.policy().content_security_policy();
    assert!(policy.to_str().unwrap().contains("img-src 'self' data: https://cdn.example;"), "{policy:?}");
}

#[test]
fn a_page_says_its_language_its_title_and_where_its_content_is() {
    for (name, page) in samples() {
        let html = pages().render(&page);
        for part in [
            "<!doctype html>",
            "<html lang=\"en\">",
            "name=\"viewport\"",
            "<header",
            "<main",
            "<h1>",
            " · Notes</title>",
        ] {
            assert_eq!(html.matches(part).count(), 1, "{name}: {part}");
        }
    }
}

// AS-65, CIMD-16
#[test]
fn consent_names_everything_that_is_decided() {
    let html = read(&sample("consent-loopback"));
    for part in [
        "<bdi>Nimbus CLI</bdi> wants to use Personal notes",
        "<b class=\"host\">nimbus.example</b>",
        "<b class=\"host\">localhost</b>",
        "alice@example.com",
        "https://notes.example/mcp",
        "Read your notes",
        "<code>notes:read</code>",
        "Add notes, and change those you have",
        "Delete notes for good",
        "name=\"ticket\" value=\"c2VhbGVk\"",
    ] {
        assert!(html.contains(part), "{part}");
    }
    let html = pages().render(&sample("consent-app"));
    for part in ["Then asks GitHub for", "<code>read:user</code>", "<code>user:email</code>"] {
        assert!(html.contains(part), "{part}");
    }
}

// AS-65, AS-67: what is said twice is read neither time.
#[test]
fn consent_says_each_thing_once() {
    for (name, hosts) in [
        ("consent-loopback", &["nimbus.example", "localhost"][..]),
        ("consent-registered", &["nimbus-login.accounts.evil.example"]),
        ("consent-app", &["nimbus:"]),
        ("consent-verified", &["<b class=\"host\">nimbus.example"]),
    ] {
        let html = read(&sample(name));
        let (_, body) = html.split_once("<h1>").unwrap();
        for said in hosts.iter().chain(&["nverified", "Personal notes", "https://notes.example/mcp"]) {
            let times = usize::from(*said != "nverified" || name != "consent-verified");
            assert_eq!(body.matches(said).count(), times, "{name}: {said}");
        }
    }
    let html = read(&sample("consent-verified"));
    assert!(html.contains("Published by</span>") && html.contains("and sends you there"));
    // A document at one place, and an answer to another: both are named.
    let mut page = consent("consent-verified");
    page.client.destination = Destination::Site { host: "elsewhere.example" };
    let html = read(&Page::Consent(page));
    assert!(
        html.contains("<dt>Sends you to</dt>") && html.contains("<b class=\"host\">elsewhere.example</b>")
    );
    assert!(html.contains("<b class=\"host\">nimbus.example</b>") && !html.contains("sends you there"));
}

#[test]
fn connecting_an_account_names_who_asks_where_it_leads_and_for_what() {
    // RS-91
    let Page::Connect(mut page) = sample("connect") else { panic!("another page") };
    let html = read(&Page::Connect(page));
    for said in [
        "GitHub",
        "github.com",
        "read:user",
        "alice@example.com",
        "Nimbus CLI",
        "nimbus.example",
        "Unverified",
    ] {
        assert!(html.contains(said), "{said}");
    }
    // Enter presses the first button, which connects nothing.
    assert!(html.find("value=\"deny\"") < html.find("value=\"allow\""));
    page.client = None;
    assert!(!read(&Page::Connect(page)).contains("Asked for by"));
}

#[test]
fn an_address_breaks_where_its_parts_end() {
    let html = pages().render(&sample("consent-loopback"));
    assert!(html.contains(">https://<wbr>notes.<wbr>example/<wbr>mcp<wbr></span>"));
}

// AS-66, A-CONS-4: a document's host is no more than a claim where any program could receive the answer.
#[test]
fn a_loopback_client_gets_a_warning_even_if_it_is_verified() {
    for verified in [false, true] {
        let mut page = consent("consent-loopback");
        page.client.verified = verified;
        let html = pages().render(&Page::Consent(page));
        assert!(html.contains("It runs on this computer"), "verified: {verified}");
        assert!(html.contains("Says it is from</span>") && !html.contains("Published by"));
    }
    assert!(!pages().render(&sample("consent-verified")).contains("class=\"note warn\""));
}

#[test]
fn a_private_scheme_is_shown_with_a_warning() {
    let html = pages().render(&sample("consent-app"));
    assert!(
        html.contains("<b class=\"host\">nimbus<wbr>:</b>")
            && html.contains("any app on this device could claim")
    );
}

// AS-67, A-CONS-5, A-CONS-6
#[test]
fn a_self_made_name_stands_with_its_host_and_its_mark() {
    let html = read(&sample("consent-registered"));
    let title = html.split_once("<title>").unwrap().1.split_once("</title>").unwrap().0;
    assert_eq!(title, "Totally Nimbus (nimbus-login.accounts.evil.example) wants access · Notes");
    let (_, after) = html.split_once("</h1>").unwrap();
    let (origin, _) = after.split_once("</p>").unwrap();
    assert!(
        origin.contains("nimbus-login.accounts.evil.example") && origin.contains("Unverified"),
        "{origin}"
    );
    assert!(!html.contains("Verified<") && !html.contains('✅') && !html.contains('\u{202e}'));
    assert!(html.contains("It chose its name itself, and Notes has not checked it."));
}

// AS-67: on the sign-in page too
#[test]
fn sign_in_names_the_client_with_its_host() {
    let html = read(&sample("sign-in"));
    assert!(html.contains("<bdi>Nimbus CLI</bdi>") && html.contains("<b class=\"host\">nimbus.example</b>"));
    assert!(html.contains("Unverified"));
}

#[test]
fn a_client_without_a_name_is_called_so() {
    let mut page = consent("consent-registered");
    page.client.name = None;
    let html = read(&Page::Consent(page));
    assert!(html.contains("An app without a name") && html.contains("evil.example"));
}

// AS-78
#[test]
fn links_of_a_client_carry_no_referrer_and_no_opener() {
    let html = pages().render(&sample("consent-verified"));
    assert_eq!(html.matches("<a href=\"https://nimbus.example/").count(), 3);
    assert_eq!(html.matches("rel=\"noopener noreferrer nofollow\"").count(), 3);
}

// AS-79, A-CONS-8
#[test]
fn enter_presses_nothing_and_deny_comes_before_allow() {
    for name in ["consent-loopback", "consent-registered", "consent-app", "consent-verified"] {
        let html = pages().render(&sample(name));
        let (_, form) = html.split_once("<form method=\"post\" action=\"/authorize/decide\">").unwrap();
        let (form, _) = form.split_once("</form>").unwrap();
        let buttons: Vec<_> = form.match_indices("<button").map(|(at, _)| &form[at..]).collect();
        assert_eq!(buttons.len(), 3);
        assert!(buttons[0].starts_with("<button type=\"submit\" formmethod=\"dialog\" hidden>"));
        assert!(buttons[1].contains("name=\"decision\" value=\"deny\">Deny<"));
        assert!(buttons[2].contains("name=\"decision\" value=\"allow\">Allow<"));
        assert!(!form.contains("autofocus"));
    }
}

// AS-79
#[test]
fn only_an_optional_scope_can_be_unticked() {
    let html = pages().render(&sample("consent-verified"));
    let input = |scope: &str| {
        let at = html.find(&format!("<input type=\"checkbox\" name=\"scope\" value=\"{scope}\"")).unwrap();
        html[at..].split_once('>').unwrap().0.to_owned()
    };
    assert!(input("notes:read").ends_with(" checked disabled"));
    assert!(input("notes:write").ends_with("\"notes:write\" checked"));
    assert!(input("notes:delete").ends_with("\"notes:delete\""));
    assert_eq!(html.matches("Allowed before").count(), 1);
}

#[test]
fn an_error_of_sign_in_is_tied_to_its_field() {
    let html = pages().render(&sample("sign-in-error"));
    assert!(html.contains("role=\"alert\" id=\"error-1\">That is not the passphrase."));
    assert!(html.contains("aria-invalid=\"true\" aria-describedby=\"error-1\""));
    assert!(html.contains("<label for=\"field-1-1\">Passphrase</label>"));
    assert!(html.contains("type=\"password\" autocomplete=\"current-password\""));
    assert!(!pages().render(&sample("sign-in")).contains("aria-invalid=\""));
}

#[test]
fn several_forms_have_a_heading_each_and_one_has_none() {
    let html = pages().render(&sample("sign-in-forms"));
    for part in [
        "<h2 id=\"way-1\">Passphrase</h2>",
        "aria-labelledby=\"way-2\">\n<h2 id=\"way-2\">Authenticator app</h2>",
        "autocomplete=\"one-time-code\" inputmode=\"numeric\"",
    ] {
        assert!(html.contains(part), "{part}: {html}");
    }
    assert!(!pages().render(&sample("sign-in")).contains("<h2"));
}

#[test]
fn a_secret_is_never_filled_in() {
    let Page::SignIn(mut page) = sample("sign-in") else { panic!() };
    let mut form = page.forms[0];
    let mut field = form.fields[0];
    field.value = "hunter2";
    let fields = [field];
    form.fields = &fields;
    let forms = [form];
    page.forms = &forms;
    assert!(!pages().render(&Page::SignIn(page)).contains("hunter2"));
}

#[test]
fn an_error_page_has_its_status_word_and_reference() {
    let html = pages().render(&sample("error"));
    for part in ["Error 400", "invalid_redirect_uri", "7f3a-91c2"] {
        assert!(html.contains(part), "{part}");
    }
}

#[test]
fn an_error_page_speaks_to_people_first_and_to_developers_last() {
    let html = pages().render(&sample("error-faulty"));
    let (people, developers) = html.split_once("class=\"detail\"").unwrap();
    assert!(!people.contains("code_challenge") && !people.contains("invalid_request"), "{people}");
    assert!(
        developers.contains("<code>invalid_request</code>: code_challenge is missing</p>"),
        "{developers}"
    );
    let html = pages().render(&sample("error-expired"));
    assert_eq!(html.matches("<li>It was opened in another browser.</li>").count(), 1);
    assert!(html.contains("reference <code>expired</code>"));
    let html = pages().render(&sample("error-not-found"));
    assert!(html.contains("<a class=\"plain\" href=\"/\">How to connect an app</a>"));
}

// AS-64, AS-80: without a script there is no other way to keep a second click from being sent.
#[test]
fn a_button_that_was_just_clicked_takes_no_second_click() {
    let html = pages().render(&sample("consent-verified"));
    assert!(html.contains("button:focus:not(:active):not(:focus-visible){animation:arm 5s step-end}"));
    assert!(html.contains("@keyframes arm{from{pointer-events:none}}"));
}

#[test]
fn the_focus_is_seen_in_the_dark_too() {
    let html = pages().render(&sample("sign-in"));
    assert!(html.contains(":focus-visible{outline:3px solid var(--ring)"));
    let dark = html.split_once("(prefers-color-scheme:dark){:root{").unwrap().1;
    let dark = dark.split_once('}').unwrap().0;
    assert!(dark.contains("--accent:#") && dark.contains("--ring:#"), "{dark}");
}
