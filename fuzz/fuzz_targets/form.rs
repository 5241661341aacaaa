//! A form that we read is the form that the URL standard reads, less its forgiveness.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oauth_core::{Form, FormFault};

const REPEATABLE: &[&str] = &["resource"];
const OPAQUE: &[&str] = &["state"];

fuzz_target!(|bytes: &[u8]| {
    let standard: Vec<(String, String)> = form_urlencoded::parse(bytes).into_owned().collect();
    match Form::read(bytes, REPEATABLE, OPAQUE) {
        Ok(form) => agrees(&form, &standard, &[]),
        Err(FormFault::Repeated { names, rest }) => {
            for name in &names {
                assert!(standard.iter().filter(|(own, _)| own == name).count() > 1);
                assert_eq!(rest.get(name), None);
            }
            agrees(&rest, &standard, &names);
        }
        Err(_) => {}
    }
});

fn agrees(form: &Form<'_>, standard: &[(String, String)], without: &[String]) {
    assert!(standard.len() <= Form::MAX_PARAMETERS);
    for (name, _) in standard.iter().filter(|(name, _)| !without.contains(name)) {
        let expected: Vec<&str> = standard
            .iter()
            .filter(|(own, value)| own == name && !value.is_empty())
            .map(|(_, value)| &**value)
            .collect();
        assert_eq!(form.all(name).collect::<Vec<_>>(), expected);
        assert_eq!(form.get(name), expected.first().copied());
        assert!(REPEATABLE.contains(&&**name) || expected.len() <= 1);
        assert!(OPAQUE.contains(&&**name) || !expected.iter().any(|value| value.contains(char::is_control)));
    }
}
