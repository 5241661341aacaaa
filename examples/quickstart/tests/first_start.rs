//! The passphrase of a first start that comes to nothing.
#![allow(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

use std::process::Command;

#[test]
fn a_passphrase_that_was_made_is_shown_whatever_fails_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let start = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quickstart"));
        // Not https, so no address for others.
        command.args(["--port", "0", "--public-url", "http://notes.example", "--data"]).arg(folder.path());
        let ended = command.output().unwrap();
        assert!(!ended.status.success());
        let said = [ended.stdout, ended.stderr].map(|text| String::from_utf8(text).unwrap());
        assert!(said[1].starts_with("quickstart: "), "{}", said[1]);
        said
    };
    let [told, _] = start();
    assert!(told.contains("Your passphrase: "), "{told}");
    // Once: the next start has its hash alone.
    let [told, error] = start();
    assert!(!told.contains("passphrase") && !error.contains("passphrase"), "{told}{error}");
}
