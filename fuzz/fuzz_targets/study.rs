//! Any text is a study or one error with a place; the resolved study is a valid study.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use osteon_study::Loaded;

fuzz_target!(|text: &str| {
    match Loaded::parse(text, "STUDY.toml", Path::new("/study"), &[]) {
        Ok(loaded) => {
            let toml = loaded.to_toml().expect("a checked study has a TOML form");
            let again = Loaded::parse(&toml, "again", Path::new("/"), &[]).expect("the resolved study");
            assert_eq!(again.study, loaded.study);
        }
        Err(error) => assert!(error.to_string().starts_with("STUDY.toml")),
    }
});
