//! Says in plain words what is wrong: with a token, with an issuer, with a server's metadata.

mod issuer;
mod report;
mod server;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests;
mod token;

use std::error::Error;
use std::io::Read as _;

use crate::settings::Settings;
use report::Report;

/// Looks at what it is given. Whether all is well.
pub(crate) async fn examine(settings: &Settings, what: Option<&str>) -> Result<bool, Box<dyn Error>> {
    let mut report = Report::default();
    match what {
        Some(url) if url.starts_with("https://") || url.starts_with("http://") => {
            server::examine(&mut report, url).await?;
        }
        what => {
            let wrong = settings.check();
            if !wrong.is_empty() {
                return Err(wrong.join("\n").into());
            }
            let found = issuer::examine(&mut report, settings).await?;
            match what {
                Some("-") => {
                    let mut text = String::new();
                    std::io::stdin().take(64 * 1024).read_to_string(&mut text)?;
                    token::examine(&mut report, settings, &found, text.trim()).await?;
                }
                Some(text) => token::examine(&mut report, settings, &found, text.trim()).await?,
                None => {}
            }
        }
    }
    Ok(report.close())
}
