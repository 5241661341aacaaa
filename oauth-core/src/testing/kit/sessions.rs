//! What is promised of browser sign-ins.

use super::scene::{Answered as _, DAY, HOUR, MINUTE, NOW, assert_conflict, hash, subject};
use crate::id::Subject;
use crate::store::{Session, Stores};

fn session(subject: &Subject) -> Session {
    Session { key: hash(), subject: subject.clone(), auth_time: NOW, expires_at: NOW + DAY }
}

pub(crate) async fn a_session_is_kept_whole_after_its_end_too(stores: Stores) {
    let store = &*stores.sessions;
    let (live, expired) =
        (session(&subject()), Session { expires_at: NOW.before(HOUR), ..session(&subject()) });
    for session in [live, expired] {
        store.begin(&session).await.answered();
        let found = store.find(&session.key).await.answered();
        assert_eq!(found, Some(session), "find: a session is found, whole, an expired one too");
    }
    assert_eq!(store.find(&hash()).await.answered(), None, "find: an unknown session is none");
}

pub(crate) async fn a_taken_session_is_a_conflict(stores: Stores) {
    let store = &*stores.sessions;
    let first = session(&subject());
    store.begin(&first).await.answered();
    let second = Session { key: first.key, ..session(&subject()) };
    assert_conflict(store.begin(&second).await, "begin: a taken hash");
    assert_eq!(store.find(&first.key).await.answered(), Some(first), "begin: nothing is overwritten");
    assert_eq!(store.end_all(&second.subject).await.answered(), 0, "begin: at a conflict nothing is written");
}

pub(crate) async fn ending_a_session_says_whether_there_was_one(stores: Stores) {
    let store = &*stores.sessions;
    let alice = subject();
    let (one, two) = (session(&alice), session(&alice));
    store.begin(&one).await.answered();
    store.begin(&two).await.answered();
    assert!(store.end(&one.key).await.answered(), "end: there was one");
    assert!(!store.end(&one.key).await.answered(), "end: there was none any more");
    assert_eq!(store.find(&one.key).await.answered(), None, "end: the session is gone");
    assert_eq!(store.find(&two.key).await.answered(), Some(two), "end: no other session is");
}

pub(crate) async fn all_sessions_of_a_subject_end(stores: Stores) {
    let store = &*stores.sessions;
    let (alice, bob) = (subject(), subject());
    let hers = [session(&alice), session(&alice), session(&alice)];
    let his = session(&bob);
    for session in hers.iter().chain([&his]) {
        store.begin(session).await.answered();
    }
    assert!(store.end(&hers[0].key).await.answered(), "end: there was one");
    assert_eq!(store.end_all(&alice).await.answered(), 2, "end_all: each session that was there counts once");
    for session in &hers {
        assert_eq!(
            store.find(&session.key).await.answered(),
            None,
            "end_all: the subject's sessions are gone"
        );
    }
    assert_eq!(store.find(&his.key).await.answered(), Some(his), "end_all: nobody else's are");
    assert_eq!(store.end_all(&alice).await.answered(), 0, "end_all: there are none any more");
}

pub(crate) async fn only_sessions_that_expired_are_purged(stores: Stores) {
    let store = &*stores.sessions;
    let alice = subject();
    let sessions = [MINUTE, HOUR, DAY].map(|life| Session { expires_at: NOW + life, ..session(&alice) });
    for session in &sessions {
        store.begin(session).await.answered();
    }
    // The second ends at that very moment, not before it.
    assert_eq!(store.purge(NOW + HOUR).await.answered(), 1, "purge: the session that expired is counted");
    for (session, kept) in sessions.iter().zip([false, true, true]) {
        let found = store.find(&session.key).await.answered();
        assert_eq!(found.is_some(), kept, "purge: what expired is forgotten, and nothing else");
    }
    assert_eq!(store.end_all(&alice).await.answered(), 2, "purge: what expired does not count any more");
}
