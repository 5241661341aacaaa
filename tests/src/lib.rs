//! What this family is tested with, for your tests too: a scripted browser, a headless MCP client, a store that fails on demand, a log to
//! search for secrets.
//!
//! All of it talks through a [`Wire`]: to a service in the same process, without a socket, or to a running server.
//!
//! | to | use |
//! |---|---|
//! | go through sign-in and consent as a person | [`Browser`], [`Page`], [`Form`], [`Person`] |
//! | be an MCP client, an honest one or not | [`Client`], [`AuthorizeRequest`], [`TokenRequest`], [`Mcp`] |
//! | read `WWW-Authenticate` | [`Challenge`] |
//! | have a whole server to talk to, with clients, an owner and tools | [`Site`], [`KnownClient`], [`Visit`] |
//! | put several servers on one small internet | [`Hosts`] |
//! | see what an outage of the store does | [`FaultyStore`], [`Faults`] |
//! | see whether secrets get into the log | [`CapturedLog`] |
//! | have a real program beside the test, a proxy for one | [`Program`] |
//! | set the time, and repeat chance | [`FixedClock`], [`SeededEntropy`] |

mod browser;
mod challenge;
mod client;
mod faulty;
mod log;
mod person;
mod program;
mod site;
mod wire;

pub use browser::{Browser, BrowserError, Control, ControlKind, Cookie, Form, Landed, Page, SameSite, Step};
pub use challenge::{Challenge, ChallengeError};
pub use client::{
    Answer, AuthorizeRequest, Callback, Client, ClientError, Discovery, Mcp, McpAnswer, Pairs, Pkce,
    Protocol, Registration, RegistrationRequest, TokenRequest, Tokens,
};
pub use faulty::{Faults, FaultyStore};
pub use log::{AlreadyCaptured, CapturedLog};
pub use oauth_core::testing::{FixedClock, SeededEntropy};
pub use person::Person;
pub use program::Program;
pub use site::{Call, Calls, Heard, KnownClient, Site, SiteBuilder, SiteError, Visit};
pub use wire::{Hosts, InProcess, Tcp, Wire, WireError};
