//! Around the server: a port, a folder, a sweep now and then.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use oauth_core::fetch::FetchPolicy;
use oauth_core::{Secret, Stores};
use oauth_stores::{Connect as _, SqliteStore, Sweep};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::args::Args;
use crate::limits::Rates;
use crate::notes::Notes;
use crate::{Options, owner, protected_notes, show};

/// Where the notes are if `--data` is a URL.
const DEFAULT_FOLDER: &str = "quickstart-data";

/// A server that answers.
pub(crate) struct Running {
    /// Where clients reach it.
    pub(crate) origin: String,
    /// The passphrase, if it was made at this start.
    pub(crate) made: Option<Secret>,
    /// Whether the passphrase was given.
    pub(crate) given: bool,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

pub(crate) async fn start(args: Args) -> Result<Running, Box<dyn Error>> {
    let rates = Rates::read(&args.limit)?;
    let clients = match &args.clients {
        Some(path) => Some(
            std::fs::read_to_string(path)
                .map_err(|error| format!("cannot read {}: {error}", path.display()))?,
        ),
        None => None,
    };
    // A URL says where the grants are; the notes are in a folder all the same.
    let is_url = is_url(&args.data)?;
    let url = is_url.then_some(args.data.as_str());
    let folder = Path::new(if is_url { DEFAULT_FOLDER } else { &args.data });
    make_folder(folder)?;
    // On this machine alone: whoever wants more puts a proxy with TLS before it.
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, args.port));
    let listener = hosting::listen(address, "--port").await?;
    let origin = match &args.public_url {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => format!("http://{}", listener.local_addr()?),
    };

    let stores = match url {
        Some(url) => Stores::connect(url).await?,
        None => Stores::new(SqliteStore::open(folder.join("oauth.sqlite"))?),
    };
    let notes_at = folder.join("notes.sqlite");
    let notes =
        Notes::open(&notes_at).map_err(|error| format!("cannot open {}: {error}", notes_at.display()))?;
    let (owner, made) = owner(&stores, &args, &rates).await?;
    let fetch = FetchPolicy::new();
    // Whoever stands before this port stands on this machine: without its word all visitors would count as one.
    let trusted_proxies = match (&args.public_url, args.trusted_proxy) {
        (Some(_), named) if named.is_empty() => vec!["127.0.0.0/8".to_owned()],
        (_, named) => named,
    };
    let options = Options {
        rates,
        fetch: if args.develop_clients { fetch.insecure_allow_loopback() } else { fetch },
        clients,
        develop_clients: args.develop_clients,
        trusted_proxies,
    };

    let stop = CancellationToken::new();
    let app = protected_notes(&origin, &stores, owner, notes, &options, &stop).await.inspect_err(|_| {
        // The next start knows its hash alone.
        if let Some(passphrase) = &made {
            show(passphrase);
        }
    })?;
    let sweeper = Sweep::new(stores).start();
    let stopped = stop.clone();
    let task = tokio::spawn(async move {
        let _sweeper = sweeper;
        hosting::serve(listener, app, stopped).await;
    });
    Ok(Running { origin, made, given: args.passphrase.is_some(), stop, task })
}

impl Running {
    pub(crate) async fn stop(self) -> Result<(), Box<dyn Error>> {
        self.stop.cancel();
        match tokio::time::timeout(hosting::PATIENCE, self.task).await {
            Ok(served) => Ok(served?),
            // Somebody holds a connection open; everything that was answered is on the disk.
            Err(_) => Ok(()),
        }
    }
}

/// Whether `--data` is a URL; else it is a folder. What somebody meant as an address of a database becomes no folder of that name, and is not
/// shown: it may have a password.
fn is_url(data: &str) -> Result<bool, &'static str> {
    if data.contains("://") || matches!(data, "memory:" | "sqlite::memory:") {
        return Ok(true);
    }
    let is_path =
        data.starts_with(['.', '/', '\\']) || matches!(data.as_bytes(), [_, b':', b'\\' | b'/', ..]);
    if !is_path && data.contains([':', '=', ';', '@', '?']) {
        return Err(
            "--data is neither a folder nor a URL: write sqlite://path, postgres://user:password@host/database or \
                    redis://:password@host; before a folder of such a name write ./",
        );
    }
    Ok(false)
}

/// Makes the folder, for its owner alone: the database holds keys.
fn make_folder(path: &Path) -> Result<(), String> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|error| format!("cannot make the folder {}: {error}", path.display()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use clap::Parser as _;

    use super::{is_url, start};
    use crate::args::Args;

    #[tokio::test]
    async fn it_listens_to_this_machine_alone() {
        // RS-77
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().to_str().unwrap();
        let running = start(Args::parse_from(["quickstart", "--port", "0", "--data", data])).await.unwrap();
        let address =
            running.origin.strip_prefix("http://").unwrap().parse::<std::net::SocketAddr>().unwrap();
        assert!(address.ip().is_loopback(), "{address}");
        running.stop().await.unwrap();
    }

    #[test]
    fn an_address_of_a_database_is_taken_for_no_folder() {
        for url in ["sqlite://oauth.sqlite", "postgres://me:pw@host/db", "memory:", "sqlite::memory:"] {
            assert_eq!(is_url(url), Ok(true), "{url}");
        }
        for folder in ["quickstart-data", "/var/lib/notes", "./a=b", r"C:\notes", "C:/notes"] {
            assert_eq!(is_url(folder), Ok(false), "{folder}");
        }
        for neither in [
            "redis:me:s3cret",
            "sqlite:x",
            "host=db password=s3cret",
            "Server=db;Password=s3cret",
            "me:s3cret@db",
        ] {
            let said = is_url(neither).unwrap_err();
            assert!(said.contains("--data") && !said.contains("s3cret"), "{said}");
        }
    }
}
