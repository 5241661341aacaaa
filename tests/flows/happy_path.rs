//! From a stranger's 401 to a tool call, by every kind of client.

use oauth_testing::{KnownClient, Site};

#[tokio::test]
async fn a_newcomer_registers_and_calls_a_tool() {
    let site = Site::new().await.unwrap();
    let mut visit = site.visit_of_newcomer().await.unwrap();
    let tokens = visit.connect().await.unwrap();
    visit.call_tool(&tokens, "list_notes").await.unwrap().result().unwrap();
}

#[tokio::test]
async fn every_known_client_calls_a_tool_refreshes_and_calls_again() {
    for client in KnownClient::ALL {
        let site = Site::new().await.unwrap();
        let mut visit = site.visit(client).await.unwrap();
        let tokens = visit.connect().await.unwrap_or_else(|error| panic!("{client:?}: {error}"));
        visit.call_tool(&tokens, "list_notes").await.unwrap().result().unwrap();
    }
}
