//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use oauth_core::Secret;

/// A personal MCP server: notes, behind a sign-in of your own.
#[derive(Debug, Parser)]
#[command(version, after_help = LIMITS)]
pub(crate) struct Args {
    /// The port to listen at, on this machine alone. 0 takes a free one.
    #[arg(long, default_value_t = 8080, env = "QUICKSTART_PORT", global = true)]
    pub(crate) port: u16,

    /// The folder of the database, which is made if it is missing, or the database's URL: sqlite://…; with the features `postgres` and
    /// `redis` also postgres://…, redis://…, redis-cluster://… (cargo run -p quickstart --features postgres). The notes stay in a file.
    #[arg(
        long,
        default_value = "quickstart-data",
        env = "QUICKSTART_DATA",
        hide_env_values = true,
        global = true
    )]
    pub(crate) data: String,

    /// How clients reach this server, if a reverse proxy stands before it: https://notes.example
    #[arg(long, env = "QUICKSTART_PUBLIC_URL", global = true)]
    pub(crate) public_url: Option<String>,

    /// A network whose X-Forwarded-For is believed: the reverse proxy's. With --public-url this machine's, unless named.
    #[arg(
        long,
        value_name = "NETWORK",
        env = "QUICKSTART_TRUSTED_PROXY",
        value_delimiter = ',',
        global = true
    )]
    pub(crate) trusted_proxy: Vec<String>,

    /// Sets a new passphrase for the owner, in place of the one that was made at the first start.
    #[arg(long, env = "QUICKSTART_PASSPHRASE", hide_env_values = true, value_parser = hosting::secret, global = true)]
    pub(crate) passphrase: Option<std::sync::Arc<Secret>>,

    /// Clients that you vouch for: a JSON list with client_id, redirect_uris, client_name, token_endpoint_auth_method.
    #[arg(long, value_name = "FILE", env = "QUICKSTART_CLIENTS", global = true)]
    pub(crate) clients: Option<PathBuf>,

    /// Changes a rate limit: NAME=COUNT/SECONDS. May be given several times.
    #[arg(long, value_name = "LIMIT", env = "QUICKSTART_LIMITS", value_delimiter = ',', global = true)]
    pub(crate) limit: Vec<String>,

    /// Lets clients live at http addresses of this machine, for those who develop one.
    #[arg(long, env = "QUICKSTART_DEVELOP_CLIENTS", global = true)]
    pub(crate) develop_clients: bool,

    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Command {
    /// Walks the whole path with a real client and a scripted browser, and prints each step.
    Tour,
}

const LIMITS: &str = "Limits: token-client token-total authorize-source authorize-total register-source register-total fetch-source \
fetch-total wrong-secret wrong-secret-client wrong-verifier, and passphrase-source passphrase-total for wrong passphrases.
Example: quickstart --limit register-total=6000/60 --limit passphrase-source=100/60";
