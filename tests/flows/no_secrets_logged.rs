//! The whole path with every level of the log on: none of the secrets that were made on it may be there.

use oauth_testing::{CapturedLog, KnownClient, Person, Site, Tokens, Visit};

/// Everything on the way that opens something.
#[derive(Default)]
struct Secrets(Vec<String>);

impl Secrets {
    fn add(&mut self, secret: &str) {
        assert!(secret.len() >= 8, "too short to be searched for: {secret:?}");
        self.0.push(secret.to_owned());
    }

    fn add_tokens(&mut self, tokens: &Tokens) {
        self.add(&tokens.access_token);
        self.add(tokens.refresh_token.as_deref().unwrap());
    }

    /// Cookies, tickets, and whatever else the browser was given.
    fn add_browser(&mut self, visit: &Visit) {
        for step in visit.browser.history() {
            for (cookie, _) in &step.cookies {
                let value = cookie.split([';', '=']).nth(1).unwrap();
                if !value.is_empty() {
                    self.add(value);
                }
            }
            for (name, value) in &step.sent {
                if ["ticket", "passphrase"].contains(&&**name) {
                    self.add(value);
                }
            }
            for (name, value) in step.location.iter().flat_map(|url| url.query_pairs()) {
                if ["ticket", "code", "state"].contains(&&*name) {
                    self.add(&value);
                }
            }
        }
    }
}

#[tokio::test]
async fn no_secret_of_the_whole_path_is_in_the_log() {
    // RS-87, LIM-5, A-LOGX-1, AS-55, TOK-1
    let log = CapturedLog::of_this_thread();
    let site = Site::new().await.unwrap();
    let mut secrets = Secrets::default();
    for secret in [Site::PASSPHRASE, Site::RESOURCE_SECRET, KnownClient::SECRET, "a wrong passphrase of mine"]
    {
        secrets.add(secret);
    }
    let confidential = site.client("https://new.example/cb").unwrap();
    let found = confidential.discover().await.unwrap();
    let request =
        confidential.registration().with("token_endpoint_auth_method", "client_secret_basic".into());
    let registered = confidential.register(&found, &request).await.unwrap();
    secrets.add(registered.client_secret.as_deref().unwrap());
    let registered = site.visit_as(registered, "https://new.example/cb").await.unwrap();

    let mut visits = vec![registered];
    for client in KnownClient::ALL {
        visits.push(site.visit(client).await.unwrap());
    }
    for visit in &mut visits {
        let (request, pkce) = visit.request().unwrap();
        secrets.add(pkce.verifier());
        // Wrong first: errors are what is logged most.
        visit.person = Person::new("a wrong passphrase of mine");
        assert!(visit.answer(&request).await.is_err());
        visit.person = site.owner();
        let callback = visit.answer(&request).await.unwrap();
        secrets.add(callback.code().unwrap());
        let form = visit.redeem(&callback, &pkce).unwrap();
        let wrong = form.clone().set("code_verifier", &"wrong-verifier-".repeat(3));
        assert_eq!(visit.send(&wrong).await.unwrap().error(), Some("invalid_grant"));
        // In the URL by mistake: it is not read, and not logged.
        let mut query = form.clone();
        query.url.set_query(Some(&form.pairs.encoded()));
        query.pairs = Default::default();
        assert!(!visit.send(&query).await.unwrap().status.is_success());
        site.faults().fail_next("grants.exchange");
        assert_eq!(visit.send(&form).await.unwrap().status, 503);
        let tokens = visit.send(&form).await.unwrap().tokens().unwrap();
        secrets.add_tokens(&tokens);
        visit.call_tool(&tokens, "list_notes").await.unwrap().result().unwrap();
        assert_eq!(visit.call_tool(&tokens, "delete_note").await.unwrap().http.status, 403);

        let refreshed = visit.send(&visit.refresh(&tokens).unwrap()).await.unwrap().tokens().unwrap();
        secrets.add_tokens(&refreshed);
        let again = visit.send(&visit.refresh(&refreshed).unwrap()).await.unwrap().tokens().unwrap();
        secrets.add_tokens(&again);
        // A replay ends it all.
        assert_eq!(
            visit.send(&visit.refresh(&tokens).unwrap()).await.unwrap().error(),
            Some("invalid_grant")
        );
        assert_eq!(visit.call_tool(&again, "list_notes").await.unwrap().http.status, 401);
        visit.send(&visit.revoke(&again.access_token).unwrap()).await.unwrap();
        let form = visit.client.introspect(&visit.found, &visit.registration, &again.access_token).unwrap();
        visit.send(&form.remove("client_id").basic(Site::MCP, Site::RESOURCE_SECRET)).await.unwrap();
        secrets.add_browser(visit);
    }
    let text = log.text();
    assert!(
        text.contains("token refused") && text.contains("the store failed"),
        "the log is listened to: {text}"
    );
    let leaks = log.leaks(secrets.0.iter().map(String::as_str));
    assert!(leaks.is_empty(), "{leaks:#?}");
    // What is written for operators has none of them either.
    for event in site.events() {
        assert!(!secrets.0.iter().any(|secret| event.contains(secret.as_str())), "{event}");
    }
}
