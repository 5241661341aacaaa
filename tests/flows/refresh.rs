//! Refreshing, as clients do it: in parallel, late, from elsewhere, for less.

use std::time::Duration;

use futures::future::join_all;
use oauth_core::MemoryStore;
use oauth_stores::SqliteStore;
use oauth_testing::{KnownClient, Site, Tokens, Visit};

async fn connected(site: &Site) -> (Visit, Tokens) {
    let mut visit = site.visit(KnownClient::Desktop).await.unwrap();
    let tokens = visit.connect().await.unwrap();
    (visit, tokens)
}

async fn eight_at_once(site: Site) {
    let (visit, tokens) = connected(&site).await;
    let form = visit.refresh(&tokens).unwrap();
    let answers = join_all((0..8).map(|_| visit.send(&form))).await;
    let all: Vec<Tokens> = answers.into_iter().map(|answer| answer.unwrap().tokens().unwrap()).collect();
    assert!(all.iter().all(|tokens| *tokens == all[0]), "all get the same");
    // All of them can go on, and the tool is there for each.
    visit.call_tool(&all[7], "list_notes").await.unwrap().result().unwrap();

    // The reply was lost on its way for another two minutes: then it is too late.
    site.clock().advance(Duration::from_secs(121));
    let late = visit.send(&form).await.unwrap();
    assert_eq!(late.error(), Some("invalid_grant"));
    // REF-2: the whole family is dead, at the resource as well.
    assert_eq!(visit.call_tool(&all[0], "list_notes").await.unwrap().http.status, 401);
    assert_eq!(visit.send(&visit.refresh(&all[0]).unwrap()).await.unwrap().error(), Some("invalid_grant"));
    assert!(site.events().iter().any(|event| event.starts_with("refresh_replayed")));
}

#[tokio::test]
async fn eight_parallel_refreshes_get_the_same_tokens_and_a_late_one_ends_the_grant() {
    // REF-2, REF-3, REF-4
    eight_at_once(Site::builder().store(MemoryStore::default()).build().await.unwrap()).await;
    eight_at_once(Site::builder().store(SqliteStore::in_memory().unwrap()).build().await.unwrap()).await;
}

#[tokio::test]
async fn a_retry_after_the_successor_was_used_ends_the_grant() {
    // REF-3: while the successor is unused, and no longer.
    let site = Site::new().await.unwrap();
    let (visit, first) = connected(&site).await;
    let second = visit.send(&visit.refresh(&first).unwrap()).await.unwrap().tokens().unwrap();
    let third = visit.send(&visit.refresh(&second).unwrap()).await.unwrap().tokens().unwrap();
    visit.call_tool(&third, "list_notes").await.unwrap().result().unwrap();
    assert_eq!(visit.send(&visit.refresh(&first).unwrap()).await.unwrap().error(), Some("invalid_grant"));
    assert_eq!(visit.call_tool(&third, "list_notes").await.unwrap().http.status, 401);
}

#[tokio::test]
async fn a_refresh_for_less_narrows_the_access_token_alone() {
    // REF-6, REF-7
    let site = Site::new().await.unwrap();
    let (visit, tokens) = connected(&site).await;
    let narrow = visit.refresh(&tokens).unwrap().set("scope", "notes:read");
    let narrow = visit.send(&narrow).await.unwrap().tokens().unwrap();
    assert_eq!(narrow.scope.as_deref(), Some("notes:read"));
    assert_eq!(visit.call_tool(&narrow, "add_note").await.unwrap().http.status, 403);

    let wide = visit.refresh(&narrow).unwrap().set("scope", "notes:read notes:delete");
    assert_eq!(visit.send(&wide).await.unwrap().error(), Some("invalid_scope"));
    let elsewhere = visit.refresh(&narrow).unwrap().set("resource", "https://other.example/mcp");
    assert_eq!(visit.send(&elsewhere).await.unwrap().error(), Some("invalid_target"));

    // What was refused has spent nothing; without scope and resource all that was granted is there again.
    let full = visit.refresh(&narrow).unwrap().remove("resource");
    let full = visit.send(&full).await.unwrap().tokens().unwrap();
    assert_eq!(full.scope.as_deref(), Some("notes:read notes:write"));
    visit.call_tool(&full, "add_note").await.unwrap().result().unwrap();
}

#[tokio::test]
async fn tokens_end_by_the_clock() {
    // TOK-12, REF-8
    let site = Site::new().await.unwrap();
    let (visit, tokens) = connected(&site).await;
    site.clock().advance(Duration::from_secs(599));
    visit.call_tool(&tokens, "list_notes").await.unwrap().result().unwrap();
    site.clock().advance(Duration::from_secs(1));
    let over = visit.call_tool(&tokens, "list_notes").await.unwrap();
    assert_eq!(over.http.status, 401);
    let fresh = visit.send(&visit.refresh(&tokens).unwrap()).await.unwrap().tokens().unwrap();
    visit.call_tool(&fresh, "list_notes").await.unwrap().result().unwrap();
    // Nobody used it for thirty days.
    site.clock().advance(Duration::from_secs(30 * 86_400));
    assert_eq!(visit.send(&visit.refresh(&fresh).unwrap()).await.unwrap().error(), Some("invalid_grant"));
}

#[tokio::test]
async fn a_grant_ends_after_a_year_however_often_it_is_refreshed() {
    // REF-8
    let site = Site::new().await.unwrap();
    let (visit, mut tokens) = connected(&site).await;
    for _ in 0..14 {
        site.clock().advance(Duration::from_secs(26 * 86_400));
        tokens = visit.send(&visit.refresh(&tokens).unwrap()).await.unwrap().tokens().unwrap();
    }
    site.clock().advance(Duration::from_secs(26 * 86_400));
    assert_eq!(visit.send(&visit.refresh(&tokens).unwrap()).await.unwrap().error(), Some("invalid_grant"));
}

#[tokio::test]
async fn a_user_who_is_disabled_is_out_at_the_next_refresh() {
    // REF-10
    let site = Site::new().await.unwrap();
    let (visit, tokens) = connected(&site).await;
    visit.call_tool(&tokens, "list_notes").await.unwrap().result().unwrap();
    let subject = site.calls().pop().unwrap().subject.unwrap().parse().unwrap();
    let mut account = site.stores().accounts.find(&subject).await.unwrap().unwrap();
    account.disabled = true;
    assert!(site.stores().accounts.update(&account).await.unwrap());
    assert_eq!(visit.send(&visit.refresh(&tokens).unwrap()).await.unwrap().error(), Some("invalid_grant"));
    // And signs in no more: the session that is open counts for nothing.
    let (request, _) = visit.request().unwrap();
    let mut visit = visit;
    let page = visit.browser.get(request.url().as_str()).await.unwrap();
    assert!(page.form_with_field("passphrase").is_ok());
    let page = visit.person.sign_in(&mut visit.browser, &page).await.unwrap();
    crate::expect::shown(&page, 403);
}
