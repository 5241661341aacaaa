//! Everything that is wrong with a configuration, found at once.

use oauth_core::fetch::{HostPattern, Network};
use oauth_core::metadata::OFFLINE_ACCESS;
use oauth_core::{Client, ClientId, ClientOrigin, GrantTypeName, Issuer, ResourceUri, ScopeSet, TokenFormat};
use url::Url;

use super::builder::{BuildError, Builder};
use super::options::Registration;
use crate::server::is_of;

/// A configuration without faults.
pub(crate) struct Checked {
    pub(crate) issuer: Issuer,
    pub(crate) resources: Vec<(ResourceUri, Option<String>)>,
    pub(crate) resource_secrets: Vec<(ResourceUri, oauth_core::TokenHash)>,
    pub(crate) clients: Vec<Client>,
    pub(crate) advertised: ScopeSet,
    pub(crate) grantable: ScopeSet,
    pub(crate) format: TokenFormat,
    pub(crate) trusted_proxies: Vec<Network>,
    pub(crate) approve_all: Option<oauth_core::Subject>,
}

impl Checked {
    pub(super) fn of(builder: &Builder) -> Result<Self, BuildError> {
        let mut faults = builder.policy.faults();
        let mut check = |result: Result<(), String>| {
            if let Err(fault) = result {
                faults.push(fault);
            }
        };
        let issuer = builder.issuer.parse::<Issuer>();
        check(issuer.as_ref().map(|_| ()).map_err(|error| format!("issuer: {error}")));

        let mut resources: Vec<(ResourceUri, Option<String>)> = Vec::new();
        if builder.resources.is_empty() {
            check(Err("resource: there must be at least one".to_owned()));
        }
        for (id, name) in &builder.resources {
            match id.parse::<ResourceUri>() {
                Ok(id) if resources.iter().any(|(other, _)| *other == id) => {
                    check(Err(format!("resource: {id} stands twice")));
                }
                Ok(id) => resources.push((id, name.clone())),
                Err(error) => check(Err(format!("resource: {error}"))),
            }
        }
        let mut resource_secrets = Vec::new();
        for (id, secret) in &builder.resource_secrets {
            match id.parse::<ResourceUri>() {
                Ok(id) if !resources.iter().any(|(other, _)| *other == id) => {
                    check(Err(format!("resource_secret: {id} is not a resource of this server")));
                }
                Ok(_) if secret.len() < MIN_SECRET => {
                    check(Err(format!(
                        "resource_secret: the secret of {id} must have at least {MIN_SECRET} characters"
                    )));
                }
                Ok(id) => resource_secrets.push((id, oauth_core::TokenHash::of(secret))),
                Err(error) => check(Err(format!("resource_secret: {error}"))),
            }
        }

        for scope in &builder.scopes {
            let one = scope
                .name
                .parse::<ScopeSet>()
                .is_ok_and(|set| set.iter().count() == 1 && set.as_str() == scope.name);
            check(one.then_some(()).ok_or_else(|| format!("scope: {:?} is not one scope", scope.name)));
            if scope.name == OFFLINE_ACCESS {
                check(Err("scope: offline_access is not a resource's scope; see advertise_offline_access"
                    .to_owned()));
            }
            if builder.scopes.iter().filter(|other| other.name == scope.name).count() > 1 {
                check(Err(format!("scope: {:?} stands twice", scope.name)));
            }
        }
        let names = |only_advertised: bool| {
            builder
                .scopes
                .iter()
                .filter(move |scope| scope.advertised || !only_advertised)
                .map(|scope| scope.name.as_str())
        };

        let mut clients: Vec<Client> = Vec::new();
        for config in &builder.clients {
            match config.read() {
                Ok(read) => {
                    for client in read {
                        if clients.iter().any(|other| other.id == client.id) {
                            check(Err(format!("client: {:?} stands twice", client.id.as_str())));
                        }
                        clients.push(client);
                    }
                }
                Err(errors) => {
                    for error in errors {
                        check(Err(error));
                    }
                }
            }
        }
        let offered = grant_types(builder, &mut check);
        for client in &clients {
            let id = client.id.as_str();
            check(configured_client(client));
            for grant_type in client.grant_types.iter().filter(|asked| !offered.contains(asked)) {
                check(Err(format!(
                    "client: {id:?}: this server does not offer the grant type {:?}",
                    grant_type.as_str()
                )));
            }
            let ceiling = client.scope_ceiling.iter().flat_map(ScopeSet::iter);
            for scope in
                ceiling.filter(|scope| *scope != OFFLINE_ACCESS && !names(false).any(|own| own == *scope))
            {
                check(Err(format!("client: {id:?}: this server does not offer the scope {scope:?}")));
            }
        }

        let format = TokenFormat::new(&builder.token_prefix);
        check(format.as_ref().map(|_| ()).ok_or_else(|| {
            format!("token_prefix: {:?} must be 1 to 16 lower-case letters and digits", builder.token_prefix)
        }));

        let mut trusted_proxies = Vec::new();
        for network in &builder.trusted_proxies {
            match network.parse::<Network>() {
                Ok(network) => trusted_proxies.push(network),
                Err(error) => check(Err(format!("trusted_proxy: {error}"))),
            }
        }

        let approve_all = match builder.approve_all.as_deref().map(str::parse).transpose() {
            Ok(subject) => subject,
            Err(error) => {
                check(Err(format!("insecure_approve_all: {error}")));
                None
            }
        };
        if builder.providers.is_empty() && approve_all.is_none() {
            check(Err("sign_in_with: there must be at least one way to sign in".to_owned()));
        }
        for (at, provider) in builder.providers.iter().enumerate() {
            let id = provider.id().as_str();
            if builder.providers[..at].iter().any(|other| other.id() == provider.id()) {
                check(Err(format!("sign_in_with: {id:?} stands twice")));
            }
            if !is_path_word(id) {
                check(Err(format!("sign_in_with: {id:?} must be lower-case letters, digits and '-'")));
            }
        }
        connected(builder, issuer.as_ref().ok(), &mut check);
        for (name, url) in [
            ("documentation", &builder.links.documentation),
            ("privacy_policy", &builder.links.policy),
            ("terms_of_service", &builder.links.terms),
        ] {
            if let Some(url) = url {
                check(if url.starts_with("https://") {
                    Ok(())
                } else {
                    Err(format!("{name}: {url:?} must be https"))
                });
            }
        }
        for tag in builder.links.languages.iter().filter(|tag| !is_language_tag(tag)) {
            check(Err(format!("ui_locales: {tag:?} is not a language tag")));
        }
        if matches!(&builder.registration, Registration::InitialAccessToken(hash) if *hash == oauth_core::TokenHash::of(""))
        {
            check(Err("registration: the initial access token must not be empty".to_owned()));
        }
        if let Registration::RedirectHosts(hosts) = &builder.registration {
            for host in hosts.iter().filter(|host| !is_host(host)) {
                check(Err(format!("registration: {host:?} is not a host, like app.example")));
            }
        }
        if builder.development_documents && issuer.as_ref().is_ok_and(Issuer::is_https) {
            check(Err("insecure_development_documents: only for an issuer on loopback".to_owned()));
        }
        for (client_id, json) in &builder.pinned {
            if let Err(error) = crate::clients::document::pinned(client_id, json) {
                check(Err(format!("pinned_document: {client_id:?}: {error}")));
            }
        }

        match (issuer, format) {
            (Ok(issuer), Some(format)) if faults.is_empty() => Ok(Self {
                issuer,
                resources,
                resource_secrets,
                clients,
                advertised: names(true).collect(),
                grantable: names(false).collect(),
                format,
                trusted_proxies,
                approve_all,
            }),
            _ => Err(BuildError::Config(faults)),
        }
    }
}

/// How many characters a configured secret must have.
pub(crate) const MIN_SECRET: usize = 16;

fn configured_client(client: &Client) -> Result<(), String> {
    let id: &ClientId = &client.id;
    if client.origin != ClientOrigin::Configured {
        return Err(format!("client: {:?} must be configured, not registered", id.as_str()));
    }
    if client.may(&GrantTypeName::ClientCredentials) && client.auth.secrets().is_empty() {
        return Err(format!(
            "client: {:?} must have a secret for client_credentials: anybody could say to be it",
            id.as_str()
        ));
    }
    let wants_redirect = client.may(&GrantTypeName::AuthorizationCode);
    if wants_redirect && client.redirect_uris.is_empty() {
        return Err(format!(
            "client: {:?} must have a redirect uri for the authorization code grant",
            id.as_str()
        ));
    }
    Ok(())
}

/// The grant types of this server: its own, and those that were added.
fn grant_types(builder: &Builder, check: &mut impl FnMut(Result<(), String>)) -> Vec<GrantTypeName> {
    let own = [GrantTypeName::AuthorizationCode, GrantTypeName::RefreshToken];
    let mut offered = own.to_vec();
    for name in builder.grant_types.iter().map(|grant_type| grant_type.name()) {
        if own.contains(&name) {
            check(Err(format!(
                "grant_type: {:?} is this server's own and cannot be replaced",
                name.as_str()
            )));
        } else if offered.contains(&name) {
            check(Err(format!("grant_type: {:?} stands twice", name.as_str())));
        } else {
            offered.push(name);
        }
    }
    offered
}

/// Accounts elsewhere. A page whose user nobody knows would connect anybody's; and MCP's own authorization is never brought about by one.
fn connected(builder: &Builder, issuer: Option<&Issuer>, check: &mut impl FnMut(Result<(), String>)) {
    for (at, accounts) in builder.connected.iter().enumerate() {
        let connection = accounts.connection();
        let id = connection.id().as_str();
        if builder.connected[..at].iter().any(|other| other.connection().id() == connection.id()) {
            check(Err(format!("connect: {id:?} stands twice")));
        }
        if !is_path_word(id) {
            check(Err(format!("connect: {id:?} must be lower-case letters, digits and '-'")));
        }
        if issuer.is_some_and(|issuer| issuer != accounts.issuer()) {
            check(Err(format!("connect: {id:?} has accounts of the users of {}", accounts.issuer())));
        }
        let leads_here =
            |issuer: &Issuer| Url::parse(connection.issuer()).is_ok_and(|url| is_of(&url, issuer));
        if issuer.is_some_and(leads_here) {
            check(Err(format!("connect: {id:?} must be another server than this one")));
        }
    }
    if !builder.connected.is_empty() && builder.approve_all.is_some() {
        check(Err("connect: nobody signs in with insecure_approve_all".to_owned()));
    }
}

/// A word of a path.
fn is_path_word(id: &str) -> bool {
    id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// A host and nothing else, written as it stands in a URL but for capitals.
fn is_host(text: &str) -> bool {
    let is_exact = |host: HostPattern| host.to_string().eq_ignore_ascii_case(text);
    !text.starts_with("*.") && text.parse::<HostPattern>().is_ok_and(is_exact)
}

/// Subtags of 1 to 8 letters and digits, the first of letters alone (RFC 5646 §2.1).
fn is_language_tag(tag: &str) -> bool {
    let is_subtag =
        |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    tag.starts_with(|first: char| first.is_ascii_alphabetic()) && tag.split('-').all(is_subtag)
}
