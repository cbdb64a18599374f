//! Real cohorts, and the made-up one. Their sources are named in `shared/data/survival/README.md`.

use std::path::PathBuf;

use osteon_data::{DataError, Dataset, Features, Kind, Role, Roles, Rules, Schema, synthetic};
use osteon_table::{ReadOptions, Table, read};

fn data(name: &str) -> Option<Table> {
    let root = std::env::var_os("OSTEON_TEST_DATA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    );
    let path = root.join("survival").join(name);
    if path.exists() {
        return Some(read(&path, &ReadOptions::default()).expect("a table"));
    }
    let required = std::env::var("OSTEON_REQUIRE").is_ok_and(|r| r.split(',').any(|w| w == "data"));
    assert!(!required, "{} is required and absent", path.display());
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "skipped: {} is absent (set OSTEON_TEST_DATA)", path.display());
    None
}

fn roles(time: &str, event: &str) -> Roles {
    Roles { time: Some(time.into()), event: Some(event.into()), ..Roles::default() }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|n| (*n).to_owned()).collect()
}

fn cohort(table: &Table, roles: &Roles, rules: &Rules) -> Result<Dataset, DataError> {
    Dataset::from_table(table, &Schema::infer(table, roles)?, rules)
}

#[test]
fn ipssm_cohort() {
    let Some(table) = data("mds_ipssm/mds_ipssm.csv") else { return };
    let out = names(&["lfs_years", "lfs_event", "amlt_years", "amlt_event", "ipssr", "ipssm"]);
    let roles =
        Roles { id: Some("id".into()), features: Features::AllBut(out), ..roles("os_years", "os_event") };
    let mut schema = Schema::infer(&table, &roles).expect("a schema");
    let kind = |name: &str| &schema.columns.iter().find(|c| c.name == name).expect("column").kind;
    assert_eq!(*kind("age"), Kind::Continuous);
    assert_eq!(*kind("mut_TP53"), Kind::Binary);
    assert_eq!(kind("cyto_ipssr").levels(), ["Good", "Int", "Poor", "Very-Good", "Very-Poor"]);
    for column in &mut schema.columns {
        column.post_baseline =
            ["hma", "lenalidomid", "chemotherapy", "transplant"].contains(&column.name.as_str());
    }
    let error = Dataset::from_table(&table, &schema, &Rules::default()).expect_err("post-baseline columns");
    assert!(matches!(&error, DataError::Faults(f) if f.len() == 4), "{error}");
    schema.columns.retain(|c| !c.post_baseline);
    let cohort = Dataset::from_table(&table, &schema, &Rules::default()).expect("a cohort");
    assert_eq!((cohort.n, cohort.events()), (2766, 1354));
}

/// The counted traps of the published table: two kinds of missing text, zero times, quoted commas.
#[test]
fn ipssm_as_published() {
    let Some(table) = data("mds_ipssm/mds_ipssm_raw.csv") else { return };
    assert_eq!((table.rows(), table.columns().len()), (2957, 348));
    let everyone = cohort(&table, &Roles::default(), &Rules::default()).expect("a cohort");
    let missing = |name: &str| {
        let feature = everyone.features.iter().find(|f| f.spec.name == name).expect("feature");
        feature.missing.iter().filter(|&&m| m).count()
    };
    let counted = [
        ("AGE", 20),
        ("BM_BLAST", 104),
        ("HB", 105),
        ("PLT", 118),
        ("ANC", 179),
        ("WBC", 261),
        ("MONOCYTES", 547),
        ("PB_BLAST", 560),
        ("RINGED_SIDEROBLASTS", 2356),
        ("IPSSR_SCORE", 308),
        ("IPSSM_SCORE", 256),
        ("OS_YEARS", 146),
    ];
    for (name, count) in counted {
        assert_eq!(missing(name), count, "{name}");
    }
    let warned = |name: &str| everyone.warnings.iter().find(|f| f.at.name.as_deref() == Some(name));
    assert!(warned("is_ipssm_sample").expect("a warning").message.contains("constant (yes)"));
    assert!(warned("CYTOGENETICS").expect("a warning").message.contains("free text"));

    let roles = Roles { id: Some("ID".into()), ..roles("OS_YEARS", "OS_STATUS") };
    let error = cohort(&table, &roles, &Rules::default()).expect_err("146 unknown outcomes");
    assert!(matches!(&error, DataError::Faults(f) if f.len() == 292), "{error}");
    let known = Rules { drop_missing_outcome: true, ..Rules::default() };
    let cohort = cohort(&table, &roles, &known).expect("a cohort");
    assert_eq!((cohort.n, cohort.dropped, cohort.events()), (2811, 146, 1354));
    let zero = cohort.survival().expect("an outcome").time.iter().filter(|&&t| t == 0.0).count();
    assert_eq!(zero, 45);
}

#[test]
fn cohorts_of_the_r_survival_package() {
    let Some(veteran) = data("r_survival/veteran.csv") else { return };
    let it = cohort(&veteran, &roles("time", "status"), &Rules::default()).expect("a cohort");
    assert_eq!((it.n, it.events()), (137, 128));
    let levels = it.features.iter().find(|f| f.spec.name == "celltype").expect("feature").spec.kind.levels();
    assert_eq!(levels, ["adeno", "large", "smallcell", "squamous"]);

    let Some(lung) = data("r_survival/lung.csv") else { return };
    let error = cohort(&lung, &roles("time", "status"), &Rules::default()).expect_err("status 1 and 2");
    assert!(matches!(&error, DataError::Faults(f) if f.len() == 165), "{error}");
    assert_eq!(error.to_string().lines().count(), 11);

    let Some(myeloma) = data("r_survival/myeloma.csv") else { return };
    let late = Roles { entry: Some("entry".into()), id: Some("id".into()), ..roles("futime", "death") };
    let it = cohort(&myeloma, &late, &Rules::default());
    let it = it.expect("a left-truncated cohort");
    assert_eq!((it.n, it.events()), (3882, 2769));
    let outcome = it.survival().expect("an outcome");
    let entry = outcome.entry.as_ref().expect("entries");
    assert!(entry.iter().zip(&outcome.time).all(|(e, t)| e < t) && entry.iter().any(|&e| e > 0.0));

    let Some(colon) = data("r_survival/colon.csv") else { return };
    let twice = Roles { id: Some("id".into()), ..roles("time", "status") };
    let error = cohort(&colon, &twice, &Rules::default()).expect_err("two rows per patient");
    assert!(error.to_string().contains("id \"1\" is used already in row 2"), "{error}");
    let strata = Roles { strata: Some("etype".into()), ..roles("time", "status") };
    let it = cohort(&colon, &strata, &Rules::default()).expect("a stratified cohort");
    let strata = it.survival().expect("an outcome").strata.as_ref().expect("strata");
    assert_eq!((it.n, it.events(), strata.names.join("")), (1858, 920, "12".to_owned()));
}

#[test]
fn the_made_up_cohort_is_plausible_and_stable() {
    let make = |patients, seed| {
        synthetic::cohort(&synthetic::Cohort { patients, seed, ..Default::default() }).expect("a cohort")
    };
    let (table, schema) = make(4000, 1);
    schema.validate().expect("a sound schema");
    let it = Dataset::from_table(&table, &schema, &Rules::default()).expect("a cohort");
    assert!(it.warnings.is_empty(), "{:?}", it.warnings);
    let share = it.events() as f64 / it.n as f64;
    assert!((0.35..=0.45).contains(&share), "{share}");
    let sites = it.sites.as_ref().expect("sites");
    let size = |code: u32| sites.codes.iter().filter(|&&c| c == code).count() as f64 / it.n as f64;
    assert!((size(0) - 0.6).abs() < 0.03 && (size(2) - 0.1).abs() < 0.02);
    let blast = it.features.iter().find(|f| f.spec.name == "bm_blast").expect("feature");
    assert!(blast.missing.iter().any(|&m| m));
    assert_eq!(
        it.blocks().iter().map(|(name, members)| (*name, members.len())).collect::<Vec<_>>(),
        [("clinical", 8), ("genomic", 20)]
    );
    // The smaller cohort is the beginning of the larger one; another seed is another cohort.
    let (small, _) = make(10, 1);
    let time = |t: &Table, row| format!("{:?}", t.cell(row, t.find("time_days").expect("column")));
    assert!((0..10).all(|row| time(&small, row) == time(&table, row)));
    assert!((0..10).any(|row| time(&make(10, 2).0, row) != time(&table, row)));
    assert!(schema.with_role(Role::Time).expect("time").unit.as_deref() == Some("days"));
}
