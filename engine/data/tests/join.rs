//! Modalities with tables of their own.

use osteon_core::Here;
use osteon_data::join::{Modality, join};
use osteon_data::preprocess::{FittedPreprocess, Preprocess};
use osteon_data::{ColumnSpec, DataError, Dataset, Kind, Role, Rules, Schema};
use osteon_table::{Cell, Cells, Column, Table, examine_csv};

fn table(name: &str, csv: &str) -> Table {
    examine_csv(std::path::Path::new(name), csv.as_bytes(), None).0.expect("a table")
}

fn cohort() -> Table {
    table("cohort.csv", "id,age\nP1,60\nP2,70\nP3,80\nP4,50\n")
}

fn wsi(features: &[String]) -> Modality<'_> {
    Modality { name: "wsi", key: "patient", features, ignore_unknown: false }
}

fn joined(csv: &str) -> Result<(Table, Vec<String>), DataError> {
    join(&cohort(), "id", &table("slides.csv", csv), &wsi(&[]))
}

/// The message of tables that cannot be joined.
fn refused(csv: &str) -> String {
    joined(csv).expect_err("a fault").to_string()
}

#[test]
fn patients_without_a_row_are_missing() {
    let csv = "slide,patient,site,tiles,mean0,mean1\ns3,P3,a,9,0.5,1.5\ns1,P1,a,7,2.5,3.5\ns2,P2,a,0,,\n";
    let (both, names) = joined(csv).expect("joined");
    assert_eq!(names, ["wsi_mean0", "wsi_mean1"]);
    let column = |row| both.cell(row, 2);
    assert_eq!((column(0), column(2)), (Cell::Text("2.5"), Cell::Text("0.5")));
    // P2 has an empty row (no tissue), P4 none.
    assert_eq!((column(1), column(3)), (Cell::Missing, Cell::Missing));
    assert_eq!(both.locate(2, 3).to_string(), "slides.csv:2:6");
    let asked = ["mean*".to_owned()];
    let file = table("slides.csv", csv);
    assert_eq!(join(&cohort(), "id", &file, &wsi(&asked)).expect("joined").1, names);
    let asked = ["mean1".to_owned()];
    assert_eq!(join(&cohort(), "id", &file, &wsi(&asked)).expect("joined").1, names[1..]);
}

#[test]
fn numbers_and_texts_name_the_same_patient() {
    let own = Table::new("cohort", vec![Column::ints("id", [1, 2])]).expect("a table");
    let (both, _) = join(&own, "id", &table("s.csv", "patient,x\n2,0.5\n"), &wsi(&[])).expect("joined");
    assert_eq!((both.cell(0, 1), both.cell(1, 1)), (Cell::Missing, Cell::Text("0.5")));
}

#[test]
fn faults_have_their_row() {
    let twice = refused("patient,x\nP1,1\nP2,2\nP1,3\n");
    assert!(
        twice.starts_with("slides.csv:4:1: column \"patient\": patient \"P1\" is in row 2 already"),
        "{twice}"
    );
    let unnamed = refused("patient,x\nP1,1\n,2\n");
    assert!(unnamed.starts_with("slides.csv:3:1: column \"patient\": no patient is named"), "{unnamed}");
    let unknown = refused("patient,x\nP1,1\nP9,2\n");
    assert!(
        unknown.starts_with("slides.csv:3:1: column \"patient\": patient \"P9\" is not in cohort.csv"),
        "{unknown}"
    );
    let narrow = refused("patient,x,y,z\nP1,1,2,3\nP2,1,2,\n");
    assert!(
        narrow.starts_with("slides.csv:3:1: column \"patient\": patient \"P2\" has 2 of 3 values"),
        "{narrow}"
    );
    let nobody = refused("patient,x\n1,1\n2,2\n");
    assert!(
        nobody.ends_with("none of its 2 patients is among the 4 of cohort.csv: \"1\" here, \"P1\" there"),
        "{nobody}"
    );
    let tolerant = Modality { ignore_unknown: true, ..wsi(&[]) };
    let file = table("slides.csv", "patient,x\nP1,1\nP9,2\n");
    assert_eq!(join(&cohort(), "id", &file, &tolerant).expect("joined").0.rows(), 4);
    let key = Modality { key: "Patient", ..wsi(&[]) };
    let error = join(&cohort(), "id", &file, &key).expect_err("no such column").to_string();
    assert!(error.contains("there is no column \"Patient\"; did you mean \"patient\"?"), "{error}");
    let asked = ["pca*".to_owned()];
    let error = join(&cohort(), "id", &file, &wsi(&asked)).expect_err("no such column").to_string();
    assert!(error.contains("slides.csv: no column begins with \"pca\""), "{error}");
    assert!(refused("patient,tiles\nP1,1\n").contains("there are no columns beside the patient"));
}

/// Four patients, two of them without the block of two columns.
fn dataset(first: Vec<Option<f64>>) -> Dataset {
    let second = first.iter().map(|x| x.map(|x| 10.0 * x)).collect();
    let column = |name: &str, cells| Column { name: name.into(), cells: Cells::Float(cells) };
    let spec = |name: &str| ColumnSpec {
        block: "wsi".into(),
        masked: true,
        ..ColumnSpec::new(name, Role::Feature, Kind::Continuous)
    };
    let table = Table::new("t", vec![column("a", first), column("b", second)]).expect("a table");
    let schema = Schema { columns: vec![spec("a"), spec("b")] };
    Dataset::from_table(&table, &schema, &Rules::default()).expect("a cohort")
}

fn fit(data: &Dataset, spec: &Preprocess) -> FittedPreprocess {
    let rows: Vec<usize> = (0..data.n).collect();
    FittedPreprocess::fit(spec, data, &rows, &Here).expect("a fit")
}

#[test]
fn a_modality_has_one_mask_and_is_filled_from_those_that_have_it() {
    use osteon_data::preprocess::Scale;
    let data = dataset(vec![Some(1.0), None, Some(4.0), None]);
    assert_eq!(data.without(), [("wsi", 2)]);
    for indicators in [false, true] {
        let spec = Preprocess { scale: Scale::None, indicators, ..Preprocess::default() };
        let fitted = fit(&data, &spec);
        assert_eq!(fitted.names(), ["a", "wsi_missing", "b"]);
        let design = fitted.transform(&data).expect("a design");
        assert_eq!(design.x, [1.0, 0.0, 10.0, 2.5, 1.0, 25.0, 4.0, 0.0, 40.0, 2.5, 1.0, 25.0]);
        assert_eq!(design.blocks, ["wsi"; 3]);
    }
}

#[test]
fn a_mask_that_training_never_saw_says_nothing() {
    let (whole, gaps) = (dataset(vec![Some(1.0), Some(2.0), Some(6.0)]), dataset(vec![None, Some(2.0)]));
    assert_eq!(fit(&whole, &Preprocess::default()).names(), ["a", "b"]);
    let fitted = fit(&whole, &Preprocess { constant_masks: true, ..Preprocess::default() });
    assert_eq!(
        (fitted.names(), &fitted.constant[..]),
        (vec!["a".into(), "wsi_missing".into(), "b".into()], &["wsi_missing".to_owned()][..])
    );
    let design = fitted.transform(&gaps).expect("a design");
    assert_eq!((design.x[1], design.x[4]), (0.0, 0.0));
    assert_eq!(design.x[0], design.x[3], "filled by the median, which the second patient has");
}
