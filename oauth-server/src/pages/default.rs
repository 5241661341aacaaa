//! The pages as they come, drawn from the templates beside the sources.

use askama::Template;
use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::{
    ClientView, ConnectPage, ConsentPage, Destination, ErrorPage, FieldKind, LandingPage, NoticePage, Page,
    PagePolicy, PageRenderer, SignInForm, SignInPage, SignedOutPage, Theme, colour::Colour,
};

/// What the card stands on in the dark, as in `style.css`. In the light it is white.
const DARK_CARD: Colour = Colour::new(0x16, 0x1b, 0x22);

/// The default pages.
///
/// ```
/// use oauth_server::pages::{DefaultPages, PageRenderer, Theme, samples};
///
/// let pages = DefaultPages::new(&Theme::new("Notes")?.with_accent("#0f766e")?);
/// let (_, consent) = samples().into_iter().find(|(name, _)| *name == "consent-verified").expect("a sample");
/// let html = pages.render(&consent);
/// assert!(html.contains("nimbus.example") && html.contains(r#"value="deny""#) && html.contains(r#"value="allow""#));
/// # Ok::<(), oauth_server::pages::InvalidTheme>(())
/// ```
#[derive(Debug)]
pub struct DefaultPages {
    shell: Shell,
    policy: PagePolicy,
}

/// What all pages share; rendered into each of them.
#[derive(Debug)]
struct Shell {
    product: String,
    initial: String,
    logo: Option<String>,
    icon: String,
    style: String,
}

impl DefaultPages {
    /// The default pages in this theme.
    pub fn new(theme: &Theme) -> Self {
        let accent = theme.accent();
        let (light, dark) = (accent.visible_on(Colour::WHITE), accent.visible_on(DARK_CARD));
        let (ring, dark_ring) = (accent.clear_on(Colour::WHITE), accent.clear_on(DARK_CARD));
        // A hash covers the text as the browser reads it, and it reads every line end as "\n".
        let style = include_str!("../../templates/style.css").replace("\r\n", "\n");
        let style = format!(
            ":root{{--accent:{light};--on-accent:{};--ring:{ring}}}\n\
             @media (prefers-color-scheme:dark){{:root{{--accent:{dark};--on-accent:{};--ring:{dark_ring}}}}}\n{style}",
            light.ink(),
            dark.ink()
        );
        let icon = format!(
            "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'>\
             <rect width='32' height='32' rx='8' fill='{light}'/>\
             <path d='M10 15v-3a6 6 0 0 1 12 0v3h1v9H9v-9zm3 0h6v-3a3 3 0 0 0-6 0z' fill='{}'/></svg>",
            light.ink()
        );
        let mut policy = PagePolicy::new().with_inline_style(&style);
        if let Some(origin) = theme.logo().and_then(|logo| logo.origin.as_deref()) {
            policy = policy.with_image_origin(origin);
        }
        let shell = Shell {
            product: theme.product().to_owned(),
            initial: theme.product().trim().chars().take(1).flat_map(char::to_uppercase).collect(),
            logo: theme.logo().map(|logo| logo.src.clone()),
            icon: format!("data:image/svg+xml;base64,{}", BASE64_STANDARD.encode(icon)),
            style,
        };
        Self { shell, policy }
    }

    /// Leaves the pages in touch with the window that opened them: see [`PagePolicy::with_opener`].
    #[must_use]
    pub fn with_opener(mut self) -> Self {
        self.policy = self.policy.with_opener();
        self
    }
}

impl PageRenderer for DefaultPages {
    fn render(&self, page: &Page<'_>) -> String {
        let shell = &self.shell;
        let html = match page {
            Page::SignIn(page) => SignInTemplate { shell, page }.render(),
            Page::Consent(page) => ConsentTemplate { shell, page }.render(),
            Page::Connect(page) => ConnectTemplate { shell, page }.render(),
            Page::Error(page) => ErrorTemplate { shell, page }.render(),
            Page::Notice(page) => NoticeTemplate { shell, page }.render(),
            Page::SignedOut(page) => SignedOutTemplate { shell, page }.render(),
            Page::Landing(page) => LandingTemplate { shell, page }.render(),
        };
        // The templates show strings and numbers, whose `Display` does not fail, and write to a `String`.
        html.expect("nothing in a template can fail")
    }

    fn policy(&self) -> &PagePolicy {
        &self.policy
    }
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInTemplate<'a> {
    shell: &'a Shell,
    page: &'a SignInPage<'a>,
}

#[derive(Template)]
#[template(path = "consent.html")]
struct ConsentTemplate<'a> {
    shell: &'a Shell,
    page: &'a ConsentPage<'a>,
}

impl ConsentTemplate<'_> {
    /// What the title says the client wants: the one server by its name, else the product.
    fn target(&self) -> &str {
        match self.page.resources {
            [one] => one.name.unwrap_or(&self.shell.product),
            _ => &self.shell.product,
        }
    }
}

#[derive(Template)]
#[template(path = "connect.html")]
struct ConnectTemplate<'a> {
    shell: &'a Shell,
    page: &'a ConnectPage<'a>,
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorTemplate<'a> {
    shell: &'a Shell,
    page: &'a ErrorPage<'a>,
}

#[derive(Template)]
#[template(path = "notice.html")]
struct NoticeTemplate<'a> {
    shell: &'a Shell,
    page: &'a NoticePage<'a>,
}

#[derive(Template)]
#[template(path = "signed_out.html")]
struct SignedOutTemplate<'a> {
    shell: &'a Shell,
    page: &'a SignedOutPage<'a>,
}

#[derive(Template)]
#[template(path = "landing.html")]
struct LandingTemplate<'a> {
    shell: &'a Shell,
    page: &'a LandingPage<'a>,
}

impl LandingTemplate<'_> {
    /// What there is to connect to: the one server by its name, else the product.
    fn target(&self) -> &str {
        match self.page.servers {
            [one] => one.name.unwrap_or(&self.shell.product),
            _ => &self.shell.product,
        }
    }
}

impl ClientView<'_> {
    /// The name, or what stands for it.
    fn called(&self) -> &str {
        self.name.map_or("An app without a name", |name| name.as_str())
    }

    /// The user should look twice: nobody vouches for it, or something else could take its answer.
    fn needs_care(&self) -> bool {
        !self.verified || !self.is_site()
    }

    /// Is reached by an address that only its publisher controls. For others a document's host is a claim only.
    fn is_site(&self) -> bool {
        matches!(self.destination, Destination::Site { .. })
    }

    /// Nothing is known of it but the scheme that its answer goes to.
    fn is_app_only(&self) -> bool {
        self.id_host.is_none() && matches!(self.destination, Destination::App { .. })
    }

    /// Its answer goes to the very site that its document is from: said in one line.
    fn leads_home(&self) -> bool {
        self.id_host.is_some() && !self.leads_elsewhere()
    }

    /// Its answer goes to another place than the one that stands beside its name.
    fn leads_elsewhere(&self) -> bool {
        self.id_host
            .is_some_and(|host| !matches!(self.destination, Destination::Site { host: to } if to == host))
    }

    /// Has a page to link to.
    fn linked(&self) -> bool {
        self.home.is_some() || self.privacy.is_some() || self.terms.is_some()
    }
}

/// The text in pieces, between which a line may break: after a dot or the last of some slashes.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let end =
            rest.as_bytes().windows(2).position(|pair| matches!(pair[0], b'/' | b'.') && pair[1] != b'/');
        let (piece, after) = rest.split_at(end.map_or(rest.len(), |at| at + 1));
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

impl SignInForm<'_> {
    /// Asks for a secret without asking whose.
    fn nameless(&self) -> bool {
        self.fields.iter().any(|field| field.kind == FieldKind::Password)
            && !self.fields.iter().any(|field| matches!(field.autocomplete, "username" | "email"))
    }
}
