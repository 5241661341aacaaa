//! The owner's passphrase, through its public face.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::IpAddr;
use std::time::Duration;

use oauth_core::{
    Form, IdentityProvider as _, OsEntropy, Secret, SignInFault, SignInReply, SignInStart, SignInStep,
    Stores, Timestamp,
};
use oauth_providers::{MAX_PASSPHRASE_BYTES, OwnerPassphrase, PassphraseError};

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);
const MINUTE: Duration = Duration::from_secs(60);

/// What one attempt came to.
#[derive(Debug, PartialEq, Eq)]
enum Came {
    In,
    Again(String),
    Limited(Duration),
    Down,
}

async fn attempt(provider: &OwnerPassphrase, typed: &str, from: Option<&str>, now: Timestamp) -> Came {
    let body: String =
        form_urlencoded::Serializer::new(String::new()).append_pair("passphrase", typed).finish();
    let fields = Form::read(body.as_bytes(), &[], &[]).unwrap();
    let mut reply = SignInReply::new(&fields, &[], "https://as.example/sign-in/passphrase", now);
    reply.address = from.map(|from| from.parse::<IpAddr>().unwrap());
    match provider.resume(reply).await {
        Ok(SignInStep::Done(who)) => {
            assert_eq!((who.identity.provider.as_str(), who.identity.id.as_str()), ("passphrase", "owner"));
            assert_eq!(who.auth_time, now);
            Came::In
        }
        Ok(SignInStep::Form(form)) => Came::Again(form.error.unwrap()),
        Err(SignInFault::Limited { retry_after }) => Came::Limited(retry_after),
        Err(SignInFault::Unavailable(_)) => Came::Down,
        other => panic!("{other:?}"),
    }
}

fn wrong() -> Came {
    Came::Again("That is not the passphrase.".to_owned())
}

async fn opened() -> (Stores, OwnerPassphrase, Secret) {
    let stores = Stores::memory();
    let (provider, passphrase) = OwnerPassphrase::open(&stores, &OsEntropy).await.unwrap();
    (stores, provider, passphrase.unwrap())
}

#[tokio::test]
async fn the_form_asks_for_one_password() {
    let (_, provider, _) = opened().await;
    let SignInStep::Form(form) = provider.begin(SignInStart::new("https://as.example/", NOW)).await.unwrap()
    else {
        panic!()
    };
    assert_eq!(form.fields.len(), 1);
    assert_eq!((form.fields[0].name, form.error), ("passphrase", None));
}

#[tokio::test]
async fn a_generated_passphrase_may_be_typed_carelessly() {
    let (_, provider, passphrase) = opened().await;
    let text = passphrase.expose();
    for typed in
        [text.to_owned(), text.to_uppercase(), text.replace('-', ""), format!(" {} ", text.replace('-', " "))]
    {
        assert_eq!(attempt(&provider, &typed, None, NOW).await, Came::In, "{typed}");
    }
}

#[tokio::test]
async fn two_servers_that_start_at_once_agree_on_one_passphrase() {
    let stores = Stores::memory();
    let (one, two) =
        tokio::join!(OwnerPassphrase::open(&stores, &OsEntropy), OwnerPassphrase::open(&stores, &OsEntropy));
    let ((one, first), (two, second)) = (one.unwrap(), two.unwrap());
    assert_ne!(first.is_some(), second.is_some());
    let passphrase = first.or(second).unwrap();
    assert_eq!(attempt(&one, passphrase.expose(), None, NOW).await, Came::In);
    assert_eq!(attempt(&two, passphrase.expose(), None, NOW).await, Came::In);
}

#[tokio::test]
async fn what_is_wrong_with_an_attempt_is_not_told() {
    // AS-82
    let (_, provider, passphrase) = opened().await;
    let long = "x".repeat(MAX_PASSPHRASE_BYTES + 1);
    let almost = &passphrase.expose()[1..];
    for typed in ["", "x", &long, almost] {
        assert_eq!(attempt(&provider, typed, None, NOW).await, wrong());
    }
}

#[tokio::test]
async fn another_passphrase_replaces_the_one_before_on_every_server() {
    let (stores, provider, old) = opened().await;
    let (other, _) = OwnerPassphrase::open(&stores, &OsEntropy).await.unwrap();
    let chosen = Secret::new("  Correct horse battery staple\n".to_owned());
    provider.set(&chosen, &OsEntropy).await.unwrap();
    assert_eq!(attempt(&other, old.expose(), None, NOW).await, wrong());
    assert_eq!(attempt(&other, "Correct horse battery staple ", None, NOW).await, Came::In);
    // What a person chose is compared exactly.
    assert_eq!(attempt(&other, "correct horse battery staple", None, NOW).await, wrong());
    assert_eq!(attempt(&other, "Correct-horse-battery-staple", None, NOW).await, wrong());
}

#[tokio::test]
async fn a_refused_passphrase_changes_nothing_and_is_not_shown() {
    let (_, provider, old) = opened().await;
    for (text, error) in [
        ("hunter2".to_owned(), "a passphrase must have at least 15 characters"),
        (" ".repeat(40), "a passphrase must have at least 15 characters"),
        ("é".repeat(MAX_PASSPHRASE_BYTES), "a passphrase must have at most 1024 bytes"),
        (format!("correct\thorse{}", "x".repeat(10)), "a passphrase must not have control characters"),
    ] {
        let refused: PassphraseError = provider.set(&Secret::new(text), &OsEntropy).await.unwrap_err();
        assert_eq!(refused.to_string(), error);
    }
    assert_eq!(attempt(&provider, old.expose(), None, NOW).await, Came::In);
}

#[tokio::test]
async fn five_attempts_from_an_address_then_one_a_minute() {
    // AS-82, LIM-1
    let (stores, provider, passphrase) = opened().await;
    let from = Some("192.0.2.1");
    for _ in 0..5 {
        assert_eq!(attempt(&provider, "guess", from, NOW).await, wrong());
    }
    // Even the right one does not get through, and nothing tells that it is right.
    assert_eq!(attempt(&provider, passphrase.expose(), from, NOW).await, Came::Limited(MINUTE));
    // The count is in the store: another server has it too.
    let (other, _) = OwnerPassphrase::open(&stores, &OsEntropy).await.unwrap();
    assert_eq!(attempt(&other, "guess", from, NOW).await, Came::Limited(MINUTE));
    // Other addresses are not concerned.
    assert_eq!(attempt(&provider, "guess", Some("192.0.2.2"), NOW).await, wrong());
    assert_eq!(attempt(&provider, "guess", from, NOW + MINUTE).await, wrong());
    assert_eq!(attempt(&provider, "guess", from, NOW + MINUTE).await, Came::Limited(MINUTE));
}

#[tokio::test]
async fn a_success_gives_an_address_its_attempts_back() {
    let (_, provider, passphrase) = opened().await;
    let from = Some("192.0.2.1");
    for _ in 0..3 {
        for _ in 0..4 {
            assert_eq!(attempt(&provider, "guess", from, NOW).await, wrong());
        }
        assert_eq!(attempt(&provider, passphrase.expose(), from, NOW).await, Came::In);
    }
}

#[tokio::test]
async fn many_addresses_are_limited_together_but_the_owners_is_not() {
    // AS-82, LIM-1
    let (_, provider, passphrase) = opened().await;
    let hour = Duration::from_secs(3600);
    let provider = provider.with_attempts(oauth_core::Quota::new(2, hour), oauth_core::Quota::new(4, hour));
    let home = Some("198.51.100.1");
    assert_eq!(attempt(&provider, passphrase.expose(), home, NOW).await, Came::In);
    for stranger in 1..=3 {
        assert_eq!(attempt(&provider, "guess", Some(&format!("192.0.2.{stranger}")), NOW).await, wrong());
    }
    let later = Came::Limited(Duration::from_secs(900));
    assert_eq!(attempt(&provider, "guess", Some("192.0.2.4"), NOW).await, later);
    assert_eq!(attempt(&provider, passphrase.expose(), Some("192.0.2.5"), NOW).await, later);
    assert_eq!(attempt(&provider, passphrase.expose(), home, NOW).await, Came::In);
    // Its own quota holds there too.
    assert_eq!(attempt(&provider, "guess", home, NOW).await, wrong());
    assert_eq!(attempt(&provider, "guess", home, NOW).await, wrong());
    assert!(matches!(attempt(&provider, "guess", home, NOW).await, Came::Limited(_)));
}

#[tokio::test]
async fn a_known_address_is_forgotten_after_thirty_days() {
    let (_, provider, passphrase) = opened().await;
    let day = Duration::from_secs(24 * 3600);
    let provider =
        provider.with_attempts(oauth_core::Quota::new(100, day), oauth_core::Quota::new(1, 100 * day));
    let home = Some("198.51.100.1");
    assert_eq!(attempt(&provider, passphrase.expose(), home, NOW).await, Came::In);
    let late = NOW + 29 * day;
    assert_eq!(attempt(&provider, passphrase.expose(), home, late).await, Came::In);
    // The success of day 29 counts from then.
    assert_eq!(attempt(&provider, "guess", home, late + 29 * day).await, wrong());
    assert!(matches!(attempt(&provider, "guess", home, late + 31 * day).await, Came::Limited(_)));
}

#[tokio::test]
async fn a_hash_that_is_gone_is_an_outage() {
    // LIM-3
    let (stores, provider, _) = opened().await;
    let owner = oauth_core::Identity { provider: "passphrase".parse().unwrap(), id: "owner".to_owned() };
    stores.accounts.set_verifier(&owner, "nonsense").await.unwrap();
    assert_eq!(attempt(&provider, "x", None, NOW).await, Came::Down);
}
