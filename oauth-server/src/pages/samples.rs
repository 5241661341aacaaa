//! One page of each kind, to look at and to test a renderer with.

use std::sync::LazyLock;

use super::{
    AccountView, ClientLogo, ClientName, ClientView, ConnectPage, ConsentPage, Destination, ErrorPage,
    FieldKind, FieldView, HttpsLink, LandingPage, LinkView, NoticePage, Page, ProviderChoice, ResourceView,
    ScopeView, ServerView, SignInForm, SignInPage, SignedOutPage, UpstreamView, WayView,
};

/// Made-up pages of every kind, each with a name of its own: for a preview, and for the tests of a renderer.
///
/// ```
/// use oauth_server::pages::{Page, samples};
///
/// assert!(samples().iter().any(|(_, page)| matches!(page, Page::Consent(_))));
/// ```
pub fn samples() -> Vec<(&'static str, Page<'static>)> {
    let asks = |form| SignInPage { client: Some(cli()), ticket: TICKET, providers: &[], forms: form };
    vec![
        ("sign-in", Page::SignIn(asks(&PASSPHRASE))),
        ("sign-in-error", Page::SignIn(asks(&REFUSED))),
        (
            "sign-in-providers",
            Page::SignIn(SignInPage { client: Some(site()), providers: &PROVIDERS, ..asks(&MAIL) }),
        ),
        ("sign-in-forms", Page::SignIn(asks(&WAYS))),
        ("consent-loopback", Page::Consent(consent(cli()))),
        ("consent-registered", Page::Consent(consent(stranger()))),
        (
            "consent-app",
            Page::Consent(ConsentPage { account: None, upstream: Some(UPSTREAM), ..consent(editor()) }),
        ),
        ("consent-verified", Page::Consent(consent(site()))),
        ("consent-again", Page::Consent(ConsentPage { notice: Some(AGAIN), ..consent(site()) })),
        ("connect", Page::Connect(connect())),
        ("error", Page::Error(ERROR)),
        ("error-faulty", Page::Error(FAULTY)),
        ("error-expired", Page::Error(EXPIRED)),
        ("error-not-found", Page::Error(NOT_FOUND)),
        ("notice", Page::Notice(NOTICE)),
        ("landing", Page::Landing(LANDING)),
        ("signed-out", Page::SignedOut(SignedOutPage { sign_in: Some(SIGN_IN) })),
    ]
}

const TICKET: &str = "c2VhbGVk";
const SIGN_IN: LinkView<'_> = LinkView { label: "Sign in again", path: "/sign-in" };

static NAMES: LazyLock<[ClientName; 4]> = LazyLock::new(|| {
    ["Nimbus CLI", "Nimbus", "Nimbus Editor", "Totally Nimbus\u{202e} ✅"]
        .map(|name| ClientName::clean(name).expect("letters are left"))
});

static LINKS: LazyLock<[HttpsLink; 3]> = LazyLock::new(|| {
    ["https://nimbus.example/", "https://nimbus.example/privacy", "https://nimbus.example/terms"]
        .map(|link| HttpsLink::parse(link).expect("https"))
});

static LOGO: LazyLock<ClientLogo> = LazyLock::new(|| {
    ClientLogo::sniff(include_bytes!("../../templates/sample-logo.png")).expect("a small picture")
});

/// A command line client by metadata document.
fn cli() -> ClientView<'static> {
    let destination = Destination::Loopback { host: "localhost" };
    ClientView {
        name: Some(&NAMES[0]),
        id_host: Some("nimbus.example"),
        destination,
        verified: false,
        ..unnamed()
    }
}

/// A web client that the operator knows.
fn site() -> ClientView<'static> {
    let [home, privacy, terms] = &*LINKS;
    ClientView {
        name: Some(&NAMES[1]),
        id_host: Some("nimbus.example"),
        logo: Some(&LOGO),
        verified: true,
        home: Some(home),
        privacy: Some(privacy),
        terms: Some(terms),
        ..unnamed()
    }
}

/// An editor with a scheme of its own.
fn editor() -> ClientView<'static> {
    ClientView { name: Some(&NAMES[2]), destination: Destination::App { scheme: "nimbus" }, ..unnamed() }
}

/// A web client that registered itself, under a name that is not its own.
fn stranger() -> ClientView<'static> {
    let destination = Destination::Site { host: "nimbus-login.accounts.evil.example" };
    ClientView { name: Some(&NAMES[3]), destination, ..unnamed() }
}

fn unnamed() -> ClientView<'static> {
    ClientView {
        name: None,
        id_host: None,
        logo: None,
        destination: Destination::Site { host: "nimbus.example" },
        verified: false,
        home: None,
        privacy: None,
        terms: None,
    }
}

fn consent(client: ClientView<'static>) -> ConsentPage<'static> {
    ConsentPage {
        client,
        account: Some(AccountView { name: "alice@example.com", switch: Some("/authorize/switch") }),
        resources: &[ResourceView { name: Some("Personal notes"), id: "https://notes.example/mcp" }],
        scopes: &SCOPES,
        upstream: None,
        action: "/authorize/decide",
        ticket: TICKET,
        notice: None,
    }
}

fn connect() -> ConnectPage<'static> {
    ConnectPage {
        upstream: UPSTREAM,
        host: "github.com",
        account: AccountView { name: "alice@example.com", switch: None },
        client: Some(cli()),
        action: "/connect/github",
        ticket: TICKET,
        notice: None,
    }
}

const AGAIN: &str = "The app has changed what it says of itself since this page was shown.";

const SCOPES: [ScopeView<'_>; 4] = [
    ScopeView {
        name: "notes:read",
        words: Some("Read your notes"),
        optional: false,
        checked: true,
        already_granted: true,
    },
    ScopeView {
        name: "notes:write",
        words: Some("Add notes, and change those you have"),
        optional: true,
        checked: true,
        already_granted: false,
    },
    ScopeView {
        name: "notes:delete",
        words: Some("Delete notes for good"),
        optional: true,
        checked: false,
        already_granted: false,
    },
    ScopeView { name: "offline_access", words: None, optional: true, checked: true, already_granted: false },
];

const UPSTREAM: UpstreamView<'_> = UpstreamView { provider: "GitHub", scopes: &["read:user", "user:email"] };

const PROVIDERS: [ProviderChoice<'_>; 2] = [
    ProviderChoice { id: "github", label: "GitHub", action: "/sign-in" },
    ProviderChoice { id: "google", label: "Google", action: "/sign-in" },
];

const SECRET: FieldView<'_> = FieldView {
    name: "passphrase",
    label: "Passphrase",
    kind: FieldKind::Password,
    autocomplete: "current-password",
    value: "",
};

const PASSPHRASE: [SignInForm<'_>; 1] = [SignInForm {
    id: "owner",
    label: "Passphrase",
    action: "/sign-in",
    fields: &[SECRET],
    submit: "Sign in",
    error: None,
}];

const REFUSED: [SignInForm<'_>; 1] = [SignInForm {
    id: "owner",
    label: "Passphrase",
    action: "/sign-in",
    fields: &[SECRET],
    submit: "Sign in",
    error: Some("That is not the passphrase. Check it and try again."),
}];

const MAIL: [SignInForm<'_>; 1] = [SignInForm {
    id: "mail",
    label: "Mail",
    action: "/sign-in",
    fields: &[FieldView {
        name: "email",
        label: "Mail address",
        kind: FieldKind::Email,
        autocomplete: "email",
        value: "alice@example.com",
    }],
    submit: "Send me a link",
    error: None,
}];

const CODE: FieldView<'_> = FieldView {
    name: "code",
    label: "Code",
    kind: FieldKind::Code,
    autocomplete: "one-time-code",
    value: "",
};

const WAYS: [SignInForm<'_>; 2] = [
    PASSPHRASE[0],
    SignInForm {
        id: "totp",
        label: "Authenticator app",
        action: "/sign-in",
        fields: &[CODE],
        submit: "Sign in",
        error: None,
    },
];

const ERROR: ErrorPage<'_> = ErrorPage {
    status: 400,
    code: "invalid_redirect_uri",
    causes: &[],
    link: None,
    detail: None,
    title: "This sign-in link is not right",
    message: "The app asked to send you to an address that it has not registered, so you were not sent anywhere.",
    help: Some(
        "Nothing was shared. Go back to the app and connect again; if it happens again, tell its makers.",
    ),
    reference: Some("7f3a-91c2"),
};

const FAULTY: ErrorPage<'_> = ErrorPage {
    code: "invalid_request",
    title: "The app sent a faulty request",
    message: "The app left something out of its request, or got something in it wrong.",
    help: Some("Nothing was permitted. Go back to the app, or close this page."),
    detail: Some("code_challenge is missing"),
    reference: None,
    ..ERROR
};

const EXPIRED: ErrorPage<'_> = ErrorPage {
    status: 403,
    code: "invalid_request",
    title: "This page has expired",
    message: "It cannot be used any more. Likely causes:",
    causes: &["It was open for too long.", "It was opened in another browser."],
    help: Some("Go back to the app and connect again."),
    reference: Some("expired"),
    ..ERROR
};

const NOT_FOUND: ErrorPage<'_> = ErrorPage {
    status: 404,
    code: "invalid_request",
    title: "There is nothing here",
    message: "The address may be mistyped, or meant for an app.",
    help: None,
    link: Some(LinkView { label: "How to connect an app", path: "/" }),
    reference: None,
    ..ERROR
};

const LANDING: LandingPage<'_> = LandingPage {
    servers: &[ServerView {
        name: Some("Personal notes"),
        url: "https://notes.example/mcp",
        metadata: "https://notes.example/.well-known/oauth-protected-resource/mcp",
        ways: &[
            WayView {
                app: "Claude Code",
                line: "claude mcp add --transport http personal-notes https://notes.example/mcp",
                then: None,
            },
            WayView {
                app: "MCP Inspector",
                line: "npx @modelcontextprotocol/inspector",
                then: Some("Choose Streamable HTTP there, and paste the address above."),
            },
        ],
    }],
    metadata: "https://notes.example/.well-known/oauth-authorization-server",
    documentation: None,
    privacy: None,
    terms: None,
};

const NOTICE: NoticePage<'_> = NoticePage {
    title: "You are not signed in",
    message: "The sign-in was cancelled, or this account may not use this server.",
    help: Some("Nothing was permitted. Go back to the app and connect again."),
    link: None,
};
