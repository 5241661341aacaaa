//! Headers that tell inner services who calls.

use oauth_resource::IdentityClaim;

use crate::fixture::{Bench, method, post, rules};

#[tokio::test]
async fn what_the_client_says_of_itself_is_removed_in_every_spelling() {
    // RS-40, A-PROXY-4
    let bench = Bench::with(|builder| {
        builder
            .scopes(rules())
            .identity_header("X-User-Id", IdentityClaim::Subject)
            .identity_header("x-client", IdentityClaim::ClientId)
            .identity_header("x-scope", IdentityClaim::Scope)
            .strip_header("X-Forwarded-User")
    });
    let forged = [
        "X-User-Id",
        "x-user-id",
        "X_User_Id",
        "x-user_id",
        "x.user.id",
        "X-Client",
        "x_client",
        "x-forwarded-user",
        "X_Forwarded_User",
    ];
    for (token, body) in [("reader", method("tools/list")), ("", method("server/discover"))] {
        for _ in 0..2 {
            let mut request = post(token, &body);
            for name in forged {
                for value in ["admin", "root"] {
                    request
                        .headers_mut()
                        .append(http::HeaderName::try_from(name).unwrap(), value.parse().unwrap());
                }
            }
            request.headers_mut().insert("x-user-idx", "kept".parse().unwrap());
            assert_eq!(bench.send(request).await.status, 200);
            let seen = bench.inner.last();
            let all: Vec<_> =
                seen.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
            assert!(all.iter().all(|(_, value)| *value != "admin" && *value != "root"), "{all:?}");
            let told = seen.headers.get_all("x-user-id").iter().collect::<Vec<_>>();
            if token.is_empty() {
                assert!(told.is_empty());
            } else {
                assert_eq!(told, ["alice"]);
                assert_eq!(
                    (&seen.headers["x-client"], &seen.headers["x-scope"]),
                    (&"app".parse().unwrap(), &"notes:read".parse().unwrap())
                );
            }
            assert_eq!(seen.headers["x-user-idx"], "kept");
        }
    }
}
