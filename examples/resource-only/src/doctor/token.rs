//! Why a token is refused, or that it is not.

use std::error::Error;
use std::time::Duration;

use oauth_core::jose::{ClaimSet, Header, Jws, SignatureFault, is_type};
use oauth_core::{Binding, ResourceUri, ScopeSet, TokenVerifier as _, VerifyFault};
use oauth_resource::{ScopeRoles, is_audience};

use crate::doctor::issuer::Found;
use crate::doctor::report::Report;
use crate::now;
use crate::settings::{Possession, Settings};

/// What this server forgives clocks that differ.
const LEEWAY: u64 = 60;

pub(crate) async fn examine(
    report: &mut Report,
    settings: &Settings,
    found: &Found,
    token: &str,
) -> Result<(), Box<dyn Error>> {
    if token.is_empty() || token.contains(char::is_whitespace) {
        report
            .wrong("that is no token: it has spaces, or nothing in it. Give what stands behind \"Bearer \"");
        return Ok(());
    }
    match Jws::parse(token) {
        Ok(jws) => signed(report, settings, found, &jws),
        Err(error) if token.matches('.').count() == 2 => {
            report.wrong(&format!("it looks like a JWT, and is none: {error}"));
        }
        Err(_) if settings.introspection_endpoint.is_none() => {
            report.wrong("it is opaque, no JWT, and nobody can be asked: set OAUTH_INTROSPECTION_ENDPOINT");
        }
        Err(_) => report.note("it is opaque: the issuer is asked"),
    }
    // The last word is that of what guards the server.
    let verdict = settings.verifier().map_err(|lines| lines.join("\n"))?.verify(token, now()).await;
    match verdict {
        Ok(claims) if !is_presentable(report, settings.dpop, claims.binding) => {}
        Ok(claims) => {
            report.good(&format!("the server accepts it: {} through {}", claims.subject, claims.client_id));
            scopes(report, &claims.scopes);
            let left = claims.expires_at.since(now());
            report.note(&format!("it is good for {} more", spoken(left)));
        }
        Err(VerifyFault::Unavailable { source, .. }) => {
            report.wrong(&format!("the server cannot tell whether it is good, and answers 503: {source}"));
        }
        Err(fault) => report.wrong(&format!("the server refuses it: {fault}")),
    }
    Ok(())
}

/// Whether the server takes it as it is bound; what it says of that.
fn is_presentable(report: &mut Report, dpop: Possession, binding: Binding) -> bool {
    match (dpop, binding) {
        (Possession::Required, Binding::Bearer) => report
            .wrong("the server refuses it: it is bound to no key, and OAUTH_DPOP=required. The client must ask for a bound one (DPoP)"),
        (Possession::Off | Possession::Optional, Binding::Bearer) => return true,
        (Possession::Off, _) => report
            .wrong("the server refuses it: it is bound to a key of its client (DPoP), and OAUTH_DPOP is off. Set OAUTH_DPOP=optional"),
        (Possession::Optional | Possession::Required, _) => {
            report.note("it is bound to a key of its client: it is good only with a proof of that key (DPoP), which is not looked at here");
            return true;
        }
    }
    false
}

fn signed(report: &mut Report, settings: &Settings, found: &Found, jws: &Jws<'_>) {
    match jws.header() {
        Ok(header) => of_header(report, settings, found, jws, &header),
        Err(error) => report.wrong(&format!("its header is not understood: {error}")),
    }
    match jws.claims() {
        Ok(said) => of_claims(report, settings, &said),
        Err(error) => report.wrong(&format!("{error}")),
    }
}

fn of_header(report: &mut Report, settings: &Settings, found: &Found, jws: &Jws<'_>, header: &Header) {
    let typ = header.typ.as_deref();
    let is_access_token = typ.is_some_and(|typ| is_type(typ, "at+jwt"));
    let is_plain = typ.is_none_or(|typ| is_type(typ, "JWT"));
    if is_plain && !settings.plain_jwt {
        misfit(
            report,
            settings,
            "its type is JWT, not at+jwt: it may be an ID token. If your issuer writes access tokens so, set OAUTH_PLAIN_JWT=true",
        );
    } else if !is_access_token && !is_plain {
        misfit(
            report,
            settings,
            &format!("its type is {:?}: that is no access token", typ.unwrap_or_default()),
        );
    }
    if header.alg.starts_with("HS") {
        match settings.hmac_secret {
            Some(_) => report.note("it is signed with a shared secret"),
            None => report.wrong("it is signed with a shared secret, and JWT_HMAC_SECRET is not set"),
        }
        return;
    }
    if !settings.uses_published_keys() {
        match settings.introspection_endpoint {
            Some(_) => report.note("the issuer is asked about it: its keys are not used here"),
            None => report.wrong("it is signed with a key that the issuer publishes, and with JWT_HMAC_SECRET those are used only if OAUTH_JWKS_URI says where they are"),
        }
        return;
    }
    let Some(keys) = &found.keys else { return };
    let kid = header.kid.as_deref().unwrap_or("without a name");
    match keys.verify(jws, |_| true) {
        Ok(_) => report.good(&format!("the issuer's key {kid} signed it")),
        Err(SignatureFault::UnknownKey) => {
            let known: Vec<&str> = keys.iter().filter_map(|key| key.kid()).collect();
            report.wrong(&format!("its key {kid} is none of the issuer's ({}): another issuer's token, or one signed with a key that is gone", known.join(", ")));
        }
        Err(fault) => {
            report.wrong(&format!("its signature is not good: {fault} (alg {}, key {kid})", header.alg));
        }
    }
}

fn of_claims(report: &mut Report, settings: &Settings, said: &ClaimSet<'_>) {
    match said.issuer.as_deref() {
        Some(issuer) if issuer == settings.issuer => report.good("it is from the issuer"),
        Some(issuer) => report.wrong(&format!("it is from {issuer:?}, not from {:?}", settings.issuer)),
        None => report.wrong("it does not say who issued it (iss)"),
    }
    let audience = settings.audience();
    let own = audience.parse::<ResourceUri>();
    // As the server reads it.
    let is_own = |named: &str| own.as_ref().is_ok_and(|own| is_audience(named, own));
    if said.audience.iter().any(|named| is_own(named)) {
        report.good("it is for this server");
        let beside = |named: &&str| {
            !is_own(named) && !settings.further_audiences.iter().any(|further| further == named)
        };
        for other in said.audience.iter().map(|named| &**named).filter(beside) {
            report.wrong(&format!("it is for {other:?} as well (aud), which could use it here: if that may be, set OAUTH_FURTHER_AUDIENCES={other}"));
        }
    } else if said.audience.is_empty() {
        report.wrong(&format!("it is for nobody in particular (no aud): the client must ask for resource={audience}, or the issuer be told to add it"));
    } else {
        report.wrong(&format!("it is for {}, not for {audience:?} (aud)", said.audience.join(", ")));
    }
    let now = now().as_secs();
    match said.expires_at.map(|at| at.secs()) {
        None => report.wrong("it does not say when it ends (exp)"),
        Some(at) if at.saturating_add(LEEWAY) <= now => {
            report.wrong(&format!("it expired {} ago", spoken(Duration::from_secs(now - at))));
        }
        Some(_) => report.good("it has not expired"),
    }
    if let Some(at) = said.not_before.map(|at| at.secs()).filter(|at| *at > now + LEEWAY) {
        report.wrong(&format!(
            "it is not good before {} from now (nbf): is this machine's clock behind?",
            spoken(Duration::from_secs(at - now))
        ));
    }
    if let Some(at) = said.issued_at.map(|at| at.secs()).filter(|at| *at > now + LEEWAY) {
        report.wrong(&format!(
            "it was issued {} from now (iat): this machine's clock is behind",
            spoken(Duration::from_secs(at - now))
        ));
    }
    if said.subject.is_none() {
        report.wrong("it does not say who it is about (sub)");
    }
    if !settings.plain_jwt {
        for (missing, name) in [
            (said.client_id.is_none(), "client_id"),
            (said.issued_at.is_none(), "iat"),
            (said.id.is_none(), "jti"),
        ] {
            if missing {
                misfit(
                    report,
                    settings,
                    &format!(
                        "it has no {name}, which RFC 9068 wants. If your issuer leaves it out, set OAUTH_PLAIN_JWT=true"
                    ),
                );
            }
        }
    }
}

/// What keeps a token from being read here. The issuer may vouch for it all the same, where it is asked.
fn misfit(report: &mut Report, settings: &Settings, what: &str) {
    match settings.introspection_endpoint {
        Some(_) => report.note(what),
        None => report.wrong(what),
    }
}

fn scopes(report: &mut Report, held: &ScopeSet) {
    let roles = ScopeRoles::default();
    for (scope, what) in [
        (roles.tools(), "call tools"),
        (roles.resources(), "read resources"),
        (roles.admin(), "call tools that are kept for administrators"),
    ] {
        if held.contains(scope) || held.contains(roles.admin()) {
            report.good(&format!("it may {what} ({scope})"));
        } else {
            report.note(&format!("it may not {what}: it lacks {scope}"));
        }
    }
}

fn spoken(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds @ 7200..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}
