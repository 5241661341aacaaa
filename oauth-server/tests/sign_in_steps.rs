//! Ways to sign in that take several steps: what a provider is asked, and what the user sees meanwhile.

#![allow(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

mod support;

use std::sync::{Arc, Mutex};

use http::{Method, StatusCode};
use oauth_core::testing::FixedClock;
use oauth_core::{
    FieldKind, Identity, IdentityProvider, ProviderId, SignInFault, SignInField, SignInForm, SignInReply,
    SignInStart, SignInStep, SignedIn, Stores, async_trait,
};
use oauth_server::AuthorizationServer;
use support::browser::{Browser, ticket};
use support::{Answer, CLIENTS, ISSUER, REDIRECT, RESOURCE, authorize_query};

/// What a provider was asked.
#[derive(Clone, Default)]
struct Asked(Arc<Mutex<Vec<String>>>);

impl Asked {
    fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// Sends a word that is good once, and asks for it.
struct Mail {
    id: ProviderId,
    asked: Asked,
    words: Mutex<Vec<String>>,
}

fn word(keep: &[u8]) -> SignInForm {
    let mut form = SignInForm::new([SignInField::new("word", "The word in your mail", FieldKind::Text)]);
    form.keep = keep.to_vec();
    form
}

#[async_trait]
impl IdentityProvider for Mail {
    fn id(&self) -> &ProviderId {
        &self.id
    }

    fn label(&self) -> &str {
        "Mail"
    }

    async fn begin(&self, start: SignInStart<'_>) -> Result<SignInStep, SignInFault> {
        self.asked.note(if start.fresh { "begin, anew" } else { "begin" });
        Ok(SignInStep::Form(SignInForm::new([SignInField::new("mail", "Mail", FieldKind::Email)])))
    }

    async fn resume(&self, reply: SignInReply<'_>) -> Result<SignInStep, SignInFault> {
        if reply.fields.get("mail") == Some("clumsy@mail.example") {
            let field = SignInField::new("provider", "Provider", FieldKind::Text);
            return Ok(SignInStep::Form(SignInForm::new([field])));
        }
        if let Some(mail) = reply.fields.get("mail") {
            let mut words = self.words.lock().unwrap();
            let sent = format!("word-{}", words.len());
            self.asked.note(format!("sent {sent}"));
            words.push(format!("{mail} {sent}"));
            return Ok(SignInStep::Form(word(mail.as_bytes())));
        }
        // A word is good for whom it was sent to.
        let whom = String::from_utf8(reply.kept.to_vec()).unwrap();
        let typed = format!("{whom} {}", reply.fields.get("word").unwrap_or_default());
        let mut words = self.words.lock().unwrap();
        let Some(at) = words.iter().position(|word| *word == typed) else {
            return Ok(SignInStep::Form(word(reply.kept).with_error("not the word")));
        };
        words[at] = "used".to_owned();
        let identity = Identity { provider: self.id.clone(), id: whom };
        Ok(SignInStep::Done(SignedIn::new(identity, reply.now)))
    }
}

/// Leads elsewhere, and asks for a name when somebody comes back.
struct Elsewhere(ProviderId);

#[async_trait]
impl IdentityProvider for Elsewhere {
    fn id(&self) -> &ProviderId {
        &self.0
    }

    fn label(&self) -> &str {
        "Elsewhere"
    }

    async fn begin(&self, _: SignInStart<'_>) -> Result<SignInStep, SignInFault> {
        let location = "https://idp.example/authorize?client_id=me".to_owned();
        Ok(SignInStep::Redirect { location, keep: b"nonce".to_vec() })
    }

    async fn resume(&self, reply: SignInReply<'_>) -> Result<SignInStep, SignInFault> {
        if reply.fields.get("code").is_some() {
            assert_eq!(reply.kept, b"nonce");
            let mut form = SignInForm::new([SignInField::new("nick", "Your nickname", FieldKind::Text)]);
            form.keep = b"known there".to_vec();
            return Ok(SignInStep::Form(form));
        }
        assert_eq!(reply.kept, b"known there");
        let nick = reply.fields.get("nick").unwrap_or_default();
        let identity = Identity { provider: self.0.clone(), id: "there".to_owned() };
        Ok(SignInStep::Done(SignedIn::new(identity, reply.now).with_name(nick)))
    }
}

/// A field that is the page's own.
struct Clumsy(ProviderId);

#[async_trait]
impl IdentityProvider for Clumsy {
    fn id(&self) -> &ProviderId {
        &self.0
    }

    fn label(&self) -> &str {
        "Clumsy"
    }

    async fn begin(&self, _: SignInStart<'_>) -> Result<SignInStep, SignInFault> {
        Ok(SignInStep::Form(SignInForm::new([SignInField::new("ticket", "Ticket", FieldKind::Text)])))
    }

    async fn resume(&self, _: SignInReply<'_>) -> Result<SignInStep, SignInFault> {
        Err(SignInFault::Refused("never"))
    }
}

async fn server(asked: &Asked) -> AuthorizationServer {
    let mail = Mail { id: "mail".parse().unwrap(), asked: asked.clone(), words: Mutex::default() };
    AuthorizationServer::builder(ISSUER, Stores::memory())
        .resource(RESOURCE)
        .clients_json(CLIENTS)
        .sign_in_with(mail)
        .sign_in_with(Elsewhere("elsewhere".parse().unwrap()))
        .sign_in_with(Clumsy("clumsy".parse().unwrap()))
        .clock(FixedClock::default())
        .build()
        .await
        .unwrap()
}

async fn page(server: &AuthorizationServer, browser: &mut Browser, more: &[(&str, &str)]) -> Answer {
    browser.go(server, Method::GET, &authorize_query("public", REDIRECT, more), &[]).await
}

/// Follows to the consent page.
async fn arrives(server: &AuthorizationServer, browser: &mut Browser, answer: &Answer) -> String {
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{answer:?}");
    let page = browser.go(server, Method::GET, answer.header("location"), &[]).await;
    assert!(page.text().contains("value=\"allow\""), "{}", page.text());
    page.text().to_owned()
}

#[tokio::test]
async fn a_form_is_begun_once_for_a_page_and_leads_to_the_next() {
    let asked = Asked::default();
    let server = server(&asked).await;
    let mut browser = Browser::default();
    let first = page(&server, &mut browser, &[]).await;
    let form = [("ticket", ticket(&first)), ("mail", "alice@mail.example")];
    let second = browser.go(&server, Method::POST, "/sign-in/mail", &form).await;
    // Nothing went wrong.
    assert_eq!(second.status, StatusCode::OK, "{}", second.text());
    assert!(second.text().contains("The word in your mail"), "{}", second.text());
    let wrong = [("ticket", ticket(&second)), ("word", "word-7")];
    let third = browser.go(&server, Method::POST, "/sign-in/mail", &wrong).await;
    assert_eq!(third.status, StatusCode::FORBIDDEN);
    assert!(third.text().contains("not the word"), "{}", third.text());
    let right = [("ticket", ticket(&third)), ("word", "word-0")];
    let done = browser.go(&server, Method::POST, "/sign-in/mail", &right).await;
    arrives(&server, &mut browser, &done).await;
    assert_eq!(asked.all(), ["begin", "sent word-0"]);
}

#[tokio::test]
async fn a_second_click_goes_on_where_the_first_one_went() {
    // AS-64: the word is used up by the first.
    let server = server(&Asked::default()).await;
    let mut browser = Browser::default();
    let first = page(&server, &mut browser, &[]).await;
    let form = [("ticket", ticket(&first)), ("mail", "alice@mail.example")];
    let second = browser.go(&server, Method::POST, "/sign-in/mail", &form).await;
    let right = [("ticket", ticket(&second)), ("word", "word-0")];
    let one = browser.go(&server, Method::POST, "/sign-in/mail", &right).await;
    let other = browser.go(&server, Method::POST, "/sign-in/mail", &right).await;
    for answer in [one, other] {
        arrives(&server, &mut browser, &answer).await;
    }
}

#[tokio::test]
async fn who_comes_back_from_elsewhere_can_be_asked_more() {
    let server = server(&Asked::default()).await;
    let mut browser = Browser::default();
    let first = page(&server, &mut browser, &[]).await;
    let away = browser.go(&server, Method::POST, "/sign-in/elsewhere", &[("ticket", ticket(&first))]).await;
    let state = away.sent_back("state").unwrap_or_else(|| panic!("{away:?}"));
    let back = format!("/sign-in/elsewhere/callback?code=c&state={state}");
    let more = browser.go(&server, Method::GET, &back, &[]).await;
    assert_eq!(more.status, StatusCode::OK, "{}", more.text());
    assert!(more.text().contains("Your nickname"), "{}", more.text());
    // UP-2, A-UPS-11
    assert_eq!(browser.go(&server, Method::GET, &back, &[]).await.status, StatusCode::FORBIDDEN);
    let form = [("ticket", ticket(&more)), ("nick", "Alice")];
    let done = browser.go(&server, Method::POST, "/sign-in/elsewhere", &form).await;
    assert!(arrives(&server, &mut browser, &done).await.contains("Alice"));
}

#[tokio::test]
async fn a_form_is_told_that_the_user_must_be_there_and_never_has_the_pages_own_field() {
    // AS-75, UP-18
    let asked = Asked::default();
    let server = server(&asked).await;
    let shown = page(&server, &mut Browser::default(), &[("prompt", "login")]).await;
    assert_eq!(asked.all(), ["begin, anew"]);
    assert!(!shown.text().contains("/sign-in/clumsy"), "{}", shown.text());
}

#[tokio::test]
async fn nor_has_the_form_of_a_later_step() {
    let server = server(&Asked::default()).await;
    let mut browser = Browser::default();
    let first = page(&server, &mut browser, &[]).await;
    let form = [("ticket", ticket(&first)), ("mail", "clumsy@mail.example")];
    let second = browser.go(&server, Method::POST, "/sign-in/mail", &form).await;
    assert_eq!(second.status, StatusCode::FORBIDDEN, "{}", second.text());
    assert!(!second.text().contains("name=\"ticket\""), "{}", second.text());
}

#[tokio::test]
async fn what_was_begun_ends_with_one_yes() {
    // AS-83: a page each time, whatever was agreed to before.
    let asks = [("prompt", "consent")];
    let server = server(&Asked::default()).await;
    let mut browser = Browser::default();
    let first = page(&server, &mut browser, &asks).await;
    let form = [("ticket", ticket(&first)), ("mail", "alice@mail.example")];
    let second = browser.go(&server, Method::POST, "/sign-in/mail", &form).await;
    let right = [("ticket", ticket(&second)), ("word", "word-0")];
    let signed_in = browser.go(&server, Method::POST, "/sign-in/mail", &right).await;
    let mut codes = Vec::new();
    for _ in 0..3 {
        // The same address again, which shows the page anew.
        let consent = browser.go(&server, Method::GET, signed_in.header("location"), &[]).await;
        let form = [("ticket", ticket(&consent)), ("decision", "allow")];
        let answer = browser.go(&server, Method::POST, "/authorize/consent", &form).await;
        codes.push((answer.status.as_u16(), answer.sent_back("code").is_some()));
    }
    assert_eq!(codes, [(303, true), (403, false), (403, false)]);
    // What is begun anew is another thing.
    let anew = page(&server, &mut browser, &asks).await;
    let form = [("ticket", ticket(&anew)), ("decision", "allow")];
    let answer = browser.go(&server, Method::POST, "/authorize/consent", &form).await;
    assert!(answer.sent_back("code").is_some(), "{answer:?}");
}
