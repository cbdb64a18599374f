//! Every fault of a cohort is found, at its place, in words that say what to do.

use std::fs;

use osteon_data::check::{self, Typing};
use osteon_data::{
    ColumnSpec, DataError, Dataset, Fault, Features, Kind, Role, Roles, Rules, Schema, Severity,
};
use osteon_table::{ReadOptions, Table, read};
use proptest::prelude::*;

fn roles() -> Roles {
    let some = |name: &str| Some(name.to_owned());
    Roles { id: some("id"), time: some("t"), event: some("e"), ..Roles::default() }
}

/// The faults of a CSV text as lines without the directory.
fn faults_of(text: &str, typing: Typing<'_>, rules: &Rules) -> Vec<String> {
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().join("c.csv");
    fs::write(&path, text).expect("file");
    let faults = check::file(&path, &ReadOptions::default(), typing, rules).expect("a readable file");
    let prefix = format!("{}/", dir.path().display());
    faults.iter().map(|f: &Fault| f.to_string().replace(&prefix, "")).collect()
}

fn faults(text: &str, roles: &Roles) -> Vec<String> {
    faults_of(text, Typing::Infer(roles), &Rules::default())
}

fn table(text: &str) -> Table {
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().join("c.csv");
    fs::write(&path, text).expect("file");
    read(&path, &ReadOptions::default()).expect("a table")
}

fn refused(text: &str, change: impl FnOnce(&mut Schema), rules: &Rules) -> Vec<Fault> {
    let table = table(text);
    let mut schema = Schema::infer(&table, &roles()).expect("a schema");
    change(&mut schema);
    match Dataset::from_table(&table, &schema, rules) {
        Err(DataError::Faults(faults)) => faults,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn all_faults_of_a_bad_file_in_one_go() {
    let text = "id,t,e,age\n\
                a,-1,1,50\n\
                b,inf,0,51\n\
                c,,1,fifty\n\
                d,4,2,\"52,5\"\n\
                a,5,,53\n\
                f,6\n\
                g,0,0,54\n";
    assert_eq!(
        faults(text, &roles()),
        [
            "c.csv:2:2: column \"t\": time -1 is negative",
            "c.csv:3:2: column \"t\": inf is not finite",
            "c.csv:4:2: column \"t\": missing",
            "c.csv:4:4: column \"age\": \"fifty\" is not a number",
            "c.csv:5:3: column \"e\": 2 is neither 0 nor 1; an event is 1, a censored time 0",
            "c.csv:5:4: column \"age\": \"52,5\" has a decimal comma; write 52.5",
            "c.csv:6:1: column \"id\": id \"a\" is used already in row 2",
            "c.csv:6:3: column \"e\": missing; an event is 1, a censored time 0",
            "c.csv:7: 3 fields where the header has 4".replace("3 fields", "2 fields").as_str(),
        ]
    );
}

#[test]
fn a_wrong_encoding_is_found_beside_the_rest() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().join("c.csv");
    fs::write(&path, b"id,t,e,x\nJos\xe9,1,1,1\nb,2,5,3\n").expect("file");
    let faults = check::file(&path, &ReadOptions::default(), Typing::Infer(&roles()), &Rules::default());
    let faults = faults.expect("a readable file");
    let places: Vec<_> = faults.iter().map(|f| (f.at.line, f.at.column)).collect();
    assert_eq!(places, [(Some(2), Some(1)), (Some(3), Some(3))]);
    assert!(faults[0].message.contains("0xE9 is not UTF-8"), "{}", faults[0]);
}

#[test]
fn missing_text_codes_are_missing_and_zero_times_legal() {
    let text = "id,t,e,x,s\n1,0,1,NA,m\n2,2,0,.,\n3,3,1,n/a,f\n4,4,1,null,NaN\n5,5,1,-2.5,m\n6,6,1,7,f\n";
    let table = table(text);
    let schema = Schema::infer(&table, &roles()).expect("a schema");
    let cohort = Dataset::from_table(&table, &schema, &Rules::default()).expect("a cohort");
    assert_eq!(cohort.survival().expect("an outcome").time[0], 0.0);
    assert_eq!(cohort.features[0].missing, [true, true, true, true, false, false]);
    assert!(cohort.features[0].values[0].is_nan());
    assert_eq!(cohort.features[0].values[4..], [-2.5, 7.0]);
    let levels = vec!["f".to_owned(), "m".to_owned()];
    assert_eq!(cohort.features[1].spec.kind, Kind::Categorical { levels });
    assert_eq!(cohort.features[1].missing, [false, true, false, true, false, false]);
    let part = cohort.subset(&[5, 5, 0]);
    assert_eq!((part.n, part.ids.join(""), part.lines.clone()), (3, "661".to_owned(), vec![7, 7, 2]));
    assert_eq!(part.features[0].missing, [false, false, true]);
}

#[test]
fn own_missing_codes_replace_the_common_ones() {
    let text = "id,t,e,x\na,1,1,-9\nb,2,0,3\nc,3,1,\n";
    let faults = refused(text, |s| s.columns[0].missing_codes = Some(vec!["-9".into()]), &Rules::default());
    assert_eq!(faults.len(), 1);
    assert_eq!((faults[0].at.line, faults[0].at.column), (Some(4), Some(4)));
}

#[test]
fn all_censored_and_sites_without_events() {
    let censored = "id,t,e,x\na,1,0,1\nb,2,0,2\n";
    let found = faults(censored, &roles());
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("c.csv:1:3: column \"e\": no event in any row"), "{found:?}");
    // A site of a federation may be without events; its gradient is 0.
    let table = table(censored);
    let schema = Schema::infer(&table, &roles()).expect("a schema");
    let one_site = Rules { one_site: true, ..Rules::default() };
    let site = Dataset::from_table(&table, &schema, &one_site).expect("a site");
    assert_eq!((site.events(), site.warnings.len()), (0, 1));

    let sites = "id,t,e,x,site\na,1,1,1,north\nb,2,0,2,south\nc,2,0,3,south\n";
    let found = faults(sites, &Roles { site: Some("site".into()), ..roles() });
    assert_eq!(found, ["c.csv:1:3: warning: column \"e\": site \"south\" has no event"]);
}

#[test]
fn entry_weight_strata() {
    let text = "id,t,e,x,start,w,s\na,5,1,1,5,1,A\nb,5,1,2,4.9,-1,\nc,5,0,3,,nan,B\nd,5,0,3,6,0,B\n";
    let some = |name: &str| Some(name.to_owned());
    let roles = Roles { entry: some("start"), weight: some("w"), strata: some("s"), ..roles() };
    assert_eq!(
        faults(text, &roles),
        [
            "c.csv:2:5: column \"start\": entry 5 is not before time 5",
            "c.csv:3:7: column \"s\": missing",
            "c.csv:3:6: column \"w\": weight -1 is negative",
            "c.csv:4:6: column \"w\": missing",
            "c.csv:4:5: column \"start\": missing",
            "c.csv:5:5: column \"start\": entry 6 is not before time 5",
        ]
    );
}

#[test]
fn constant_and_empty_columns_are_warnings() {
    let found = faults("id,t,e,x,y\na,1,1,3,\nb,2,0,3,NA\n", &roles());
    assert_eq!(
        found,
        [
            "c.csv:1:4: warning: column \"x\": constant (3)",
            "c.csv:1:5: warning: column \"y\": missing in every row"
        ]
    );
}

#[test]
fn unknown_levels_and_columns_name_the_nearest() {
    let cohort = "id,t,e,cyto\na,1,1,good\nb,2,0,poor\nc,3,1,god\n";
    let levels = vec!["good".to_owned(), "poor".to_owned()];
    let faults = refused(cohort, |s| s.columns[0].kind = Kind::Categorical { levels }, &Rules::default());
    assert_eq!(faults[0].message, "\"god\" is not a level of this column (nearest: \"good\")");
    assert_eq!((faults[0].at.line, faults[0].at.column), (Some(4), Some(4)));
    let faults = refused(cohort, |s| s.columns[0].name = "cyt".into(), &Rules::default());
    assert!(faults[0].message.contains("no column \"cyt\" (nearest: \"cyto\")"), "{}", faults[0]);
    let misspelt = Roles { time: Some("tt".into()), ..roles() };
    let error = Schema::infer(&table(cohort), &misspelt).expect_err("no such column").to_string();
    assert!(error.contains("there is no column \"tt\"; did you mean \"t\"?"), "{error}");
    let twice = Roles { features: Features::Only(vec!["t".into()]), ..roles() };
    assert!(Schema::infer(&table(cohort), &twice).is_err());
}

#[test]
fn post_baseline_features_need_a_word() {
    let text = "id,t,e,transplant,age\na,1,1,1,50\nb,2,0,0,60\n";
    let mark = |s: &mut Schema| s.columns[0].post_baseline = true;
    let faults = refused(text, mark, &Rules::default());
    assert!(
        faults[0].to_string().contains("column \"transplant\": known only after baseline"),
        "{}",
        faults[0]
    );
    let table = table(text);
    let mut schema = Schema::infer(&table, &roles()).expect("a schema");
    mark(&mut schema);
    let allowed = Rules { allow_post_baseline: true, ..Rules::default() };
    assert_eq!(Dataset::from_table(&table, &schema, &allowed).expect("a cohort").features.len(), 2);
    schema.columns[0].role = Role::Ignore;
    assert_eq!(Dataset::from_table(&table, &schema, &Rules::default()).expect("a cohort").features.len(), 1);
}

#[test]
fn a_schema_is_toml_and_unknown_keys_are_refused() {
    let text = "[[column]]\nname = \"cyto\"\nrole = \"feature\"\nblock = \"genomic\"\n\
                kind = { ordinal = { levels = [\"good\", \"poor\"] } }\n\
                [[column]]\nname = \"t\"\nrole = \"time\"\nunit = \"days\"\n\
                [[column]]\nname = \"e\"\nrole = \"event\"\n";
    let schema: Schema = toml::from_str(text).expect("a schema");
    schema.validate().expect("a sound schema");
    assert_eq!(schema.columns[0].kind.levels().len(), 2);
    assert_eq!(schema.columns[1].unit.as_deref(), Some("days"));
    let back: Schema = toml::from_str(&toml::to_string(&schema).expect("TOML")).expect("a schema");
    assert_eq!(back, schema);
    let unknown = text.replace("unit =", "units =");
    let error = toml::from_str::<Schema>(&unknown).expect_err("an unknown key").to_string();
    assert!(error.contains("units"), "{error}");
}

proptest! {
    #[test]
    fn arbitrary_files_never_panic(
        header in "[a-e,;\"]{0,8}", body in "[a-e01.,;\"\n\r-]{0,120}", tail in proptest::collection::vec(any::<u8>(), 0..40)
    ) {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("c.csv");
        let bytes = [header.as_bytes(), b",t,e\n", body.as_bytes(), &tail].concat();
        fs::write(&path, bytes).expect("file");
        let roles = Roles { id: None, ..roles() };
        let _ = check::file(&path, &ReadOptions::default(), Typing::Infer(&roles), &Rules::default());
        let levels = vec!["a".to_owned(), "b".to_owned()];
        let columns = vec![
            ColumnSpec::new("t", Role::Time, Kind::Continuous),
            ColumnSpec::new("e", Role::Event, Kind::Binary),
            ColumnSpec::new("a", Role::Feature, Kind::Categorical { levels }),
        ];
        let schema = Schema { columns };
        if let Ok(faults) = check::file(&path, &ReadOptions::default(), Typing::Schema(&schema), &Rules::default()) {
            // What passes the check makes a cohort, and what does not makes none.
            if let Ok(table) = read(&path, &ReadOptions::default()) {
                let sound = faults.iter().all(|f| f.severity == Severity::Warning);
                prop_assert_eq!(sound, Dataset::from_table(&table, &schema, &Rules::default()).is_ok());
            }
        }
    }
}
