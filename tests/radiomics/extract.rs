//! One case, many cases, bad ones among them.

use std::fs;

use crate::{lines, osteon, volumes};

#[test]
fn one_case_has_a_row_per_label_and_the_same_bytes_for_any_number_of_threads() {
    let dir = tempfile::tempdir().expect("temporary directory");
    volumes(dir.path());
    let mut seen = Vec::new();
    for threads in ["1", "3"] {
        let out = osteon(
            dir.path(),
            &["extract", "--image", "image.nrrd", "--mask", "mask.nrrd", "--labels", "1-2", "--whole"]
                .into_iter()
                .chain(["--set", "binWidth=5", "--threads", threads, "-o", "out.csv"])
                .collect::<Vec<_>>(),
        );
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        seen.push(lines(&dir.path().join("out.csv")));
    }
    assert_eq!(seen[0], seen[1]);
    let table = &seen[0];
    assert_eq!(table.len(), 4);
    assert!(table[0].starts_with("Image,Mask,Label,Profile,original_shape_Elongation,"), "{}", table[0]);
    assert_eq!(table[0].split(',').count(), 4 + 107);
    assert!(
        table[1].starts_with("image.nrrd,mask.nrrd,1,") && table[3].starts_with("image.nrrd,mask.nrrd,all,")
    );
}

#[test]
fn a_bad_case_is_listed_and_the_others_are_complete() {
    let dir = tempfile::tempdir().expect("temporary directory");
    volumes(dir.path());
    let cases = "ID,Image,Mask,Label\na,image.nrrd,mask.nrrd,1\nb,image.nrrd,other.nrrd,1\n\
                 c,absent.nrrd,mask.nrrd,1\nd,image.nrrd,mask.nrrd,2-3\n";
    fs::write(dir.path().join("cases.csv"), cases).expect("cases");
    let out = osteon(dir.path(), &["extract", "--cases", "cases.csv", "-o", "out.json"]);
    assert_eq!(out.status.code(), Some(3), "{}", String::from_utf8_lossy(&out.stderr));
    let text = fs::read_to_string(dir.path().join("out.json")).expect("results");
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let ids: Vec<_> = json.as_array().expect("rows").iter().map(|r| (&r["ID"], &r["Label"])).collect();
    assert_eq!(ids, [(&"a".into(), &"1".into()), (&"d".into(), &serde_json::Value::from("2"))]);
    let failures = lines(&dir.path().join("failures.csv"));
    assert_eq!(failures.len(), 4);
    assert!(failures[1].contains("other.nrrd") && failures[1].contains("spacing differs by 5.000e-1 mm"));
    assert!(failures[2].contains("cannot read absent.nrrd"), "{}", failures[2]);
    assert!(failures[3].contains(",3,region 3: it is a single voxel"), "{}", failures[3]);
}

#[test]
fn a_single_bad_case_is_an_error_with_its_reason() {
    let dir = tempfile::tempdir().expect("temporary directory");
    volumes(dir.path());
    let run = |more: &[&str]| {
        osteon(dir.path(), &[&["extract", "--image", "image.nrrd", "-o", "out.csv"], more].concat())
    };
    let out = run(&["--mask", "mask.nrrd", "--labels", "9"]);
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(4), "{text}");
    assert!(text.contains("label 9 is not in the mask (labels there: 1, 2, 3)"), "{text}");
    let out = run(&["--mask", "mask.nrrd", "--set", "binwidth=3"]);
    assert_eq!(out.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&out.stderr).contains("did you mean \"binWidth\"?"));
    assert!(!dir.path().join("out.csv").exists());
}
