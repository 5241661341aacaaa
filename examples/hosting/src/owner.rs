//! The owner's passphrase, told at once: whatever fails after it was made, it was shown.

use std::sync::Arc;

use oauth_core::{OsEntropy, Secret, Stores};
use oauth_providers::{OwnerPassphrase, PassphraseError};

use crate::secret::secret;

/// What a command line can say of the owner.
///
/// ```
/// use clap::Parser as _;
///
/// #[derive(clap::Parser)]
/// struct Args {
///     #[command(flatten)]
///     owner: hosting::OwnerArgs,
/// }
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let args = Args::parse_from(["server", "--passphrase", "correct horse battery"]);
/// args.owner.open(&oauth_core::Stores::memory()).await?;
/// # Ok::<(), oauth_providers::PassphraseError>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug, clap::Args)]
pub struct OwnerArgs {
    /// Sets a new passphrase for the owner, in place of the one that was made at the first start. The environment keeps it out of the list of
    /// processes.
    #[arg(long, env = "OAUTH_PASSPHRASE", hide_env_values = true, value_parser = secret)]
    passphrase: Option<Arc<Secret>>,
}

impl OwnerArgs {
    /// The owner's way in. A passphrase that is made now is printed, this once.
    ///
    /// # Errors
    /// If the passphrase cannot be one, or the store fails.
    #[expect(clippy::print_stdout, reason = "a program's owner has to learn it")]
    pub async fn open(&self, stores: &Stores) -> Result<OwnerPassphrase, PassphraseError> {
        if let Some(passphrase) = &self.passphrase {
            println!("Your passphrase: the one that you gave");
            return OwnerPassphrase::with_passphrase(stores, passphrase, &OsEntropy).await;
        }
        let (owner, made) = OwnerPassphrase::open(stores, &OsEntropy).await?;
        match made {
            Some(passphrase) => println!("Your passphrase, shown this once: {}", passphrase.expose()),
            None => println!("Your passphrase: as before. A new one: --passphrase, or OAUTH_PASSPHRASE"),
        }
        Ok(owner)
    }
}
