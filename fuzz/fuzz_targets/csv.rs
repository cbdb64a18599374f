//! Any bytes are a table or faults; a table that is read can be typed and checked.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use osteon_data::check::check;
use osteon_data::{Roles, Rules, Schema};

fuzz_target!(|bytes: &[u8]| {
    let (table, faults) = osteon_table::examine_csv(Path::new("fuzz.csv"), bytes, None);
    assert!(table.is_some() || !faults.is_empty());
    for fault in &faults {
        assert!(fault.to_string().starts_with("fuzz.csv"));
    }
    let Some(table) = table else { return };
    let named = |name: &str| table.find(name).map(|_| name.to_owned());
    let (time, event) = named("t").zip(named("e")).unzip();
    let roles = Roles { time, event, id: named("id"), ..Roles::default() };
    let schema = Schema::infer(&table, &roles).expect("the columns are there");
    let _ = check(&table, &schema, &Rules::default());
});
