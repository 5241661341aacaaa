//! The issuers, each as its preset trusts it.

use oauth_resource::presets;

use crate::recorded::Recorded;

macro_rules! recorded {
    ($file:literal, $trusted:expr) => {
        Recorded::of(include_str!(concat!($file, ".json")), $trusted)
    };
}

pub(crate) const TENANT: &str = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490";
pub(crate) const APPLICATION: &str = "11112222-bbbb-3333-cccc-4444dddd5555";
pub(crate) const COGNITO_CLIENT: &str = "1h57kf5cpq17m0eml12EXAMPLE";
pub(crate) const STYTCH_PROJECT: &str = "project-test-3d69a0a4-5b0f-4a4c-9a37-d0d0f6b1a8c1";

pub(crate) fn of_auth0() -> Recorded {
    recorded!("auth0", presets::auth0("tenant.eu.auth0.com", "https://notes.example/api"))
}

pub(crate) fn of_auth0_custom_domain() -> Recorded {
    let (domain, tenant) = ("login.example.com", "tenant.eu.auth0.com");
    recorded!(
        "auth0_custom_domain",
        presets::auth0_custom_domain(domain, tenant, "https://notes.example/api")
    )
}

pub(crate) fn of_okta() -> Recorded {
    recorded!("okta", presets::okta("dev-1.okta.com", "default", "api://default"))
}

pub(crate) fn of_entra() -> Recorded {
    recorded!("entra", presets::entra(TENANT, APPLICATION))
}

pub(crate) fn of_google() -> Recorded {
    recorded!("google", presets::google("1234.apps.googleusercontent.com"))
}

pub(crate) fn of_keycloak() -> Recorded {
    recorded!("keycloak", presets::keycloak("https://id.example/", "staff"))
}

pub(crate) fn of_cognito() -> Recorded {
    recorded!("cognito", presets::cognito("eu-west-1", "eu-west-1_AbCdEf", [COGNITO_CLIENT]))
}

pub(crate) fn of_workos() -> Recorded {
    recorded!("workos", presets::workos("imaginative-palm-54.authkit.app"))
}

pub(crate) fn of_stytch() -> Recorded {
    recorded!("stytch", presets::stytch("noun-verb-1234.customers.stytch.com", STYTCH_PROJECT))
}

pub(crate) fn of_supabase() -> Recorded {
    recorded!("supabase", presets::supabase("abcdefghijkl"))
}

/// Its tokens `bound` are those that are good.
pub(crate) fn of_clerk_for_resource() -> Recorded {
    recorded!("clerk", presets::clerk_for_resource("clerk.example.com"))
}

pub(crate) fn of_clerk() -> Recorded {
    recorded!("clerk", presets::clerk("clerk.example.com", ["aBcDeFgHiJkLmNoP"]))
}

pub(crate) fn of_github_actions() -> Recorded {
    recorded!("github_actions", presets::github_actions("octo-org"))
}

pub(crate) fn all() -> [Recorded; 12] {
    [
        of_auth0(),
        of_auth0_custom_domain(),
        of_okta(),
        of_entra(),
        of_google(),
        of_keycloak(),
        of_cognito(),
        of_workos(),
        of_stytch(),
        of_supabase(),
        of_clerk(),
        of_github_actions(),
    ]
}
