//! Identifiers of resources and issuers: canonical ones stay as they are, and their endpoints lie at their own origin.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oauth_core::{Issuer, ResourceUri};
use url::Url;

fuzz_target!(|text: &str| {
    if let Ok(resource) = text.parse::<ResourceUri>() {
        let canonical = resource.as_str();
        assert_eq!(canonical.parse::<ResourceUri>().as_ref(), Ok(&resource), "it is canonical");
        assert_eq!(format!("{}{}", resource.origin(), resource.path()), canonical);
        let metadata = Url::parse(&resource.metadata_url()).expect("the metadata has a url");
        assert_eq!(metadata.origin(), Url::parse(text).expect("it was read before").origin());
        assert_eq!(metadata.path(), resource.metadata_path());
        assert!(metadata.query().is_none() && metadata.fragment().is_none());
    }
    if let Ok(issuer) = text.parse::<Issuer>() {
        assert_eq!(issuer.as_str(), text, "issuers are compared as strings");
        let url = Url::parse(text).expect("it was read before");
        let token = Url::parse(&issuer.endpoint("/token")).expect("an endpoint is a url");
        assert_eq!(token.origin(), url.origin());
        assert!(token.path().ends_with("/token") && token.username().is_empty());
        assert_eq!(issuer.is_https(), url.scheme() == "https");
    }
});
