//! Messages a user sees for a wrong study, and the round trip of a right one.

use osteon_core::Failure;

use super::*;
use crate::config::{Arm, Batch, Seeds, SiteSource};

const SMALL: &str = "[data]\npath = \"cohort.csv\"\n";

fn load(text: &str, overrides: &[&str]) -> Result<Loaded, StudyError> {
    let overrides: Vec<String> = overrides.iter().map(|s| (*s).to_owned()).collect();
    Loaded::parse(text, "S.toml", Path::new("/study"), &overrides)
}

/// The message and hint of a study that must be refused.
fn refused(text: &str, overrides: &[&str]) -> String {
    let error = load(text, overrides).expect_err("a wrong study");
    format!("{error}|{}", error.hint().unwrap_or_default())
}

#[test]
fn unknown_keys_and_values_name_the_nearest() {
    let text = format!("{SMALL}[train]\nlearnig_rate = 0.1\n");
    assert_eq!(refused(&text, &[]), "S.toml:4:1: unknown key `learnig_rate`|did you mean `learning_rate`?");
    let text = format!("{SMALL}[train]\n  optimizer = \"adm\"\n");
    assert_eq!(refused(&text, &[]), "S.toml:4:15: unknown value \"adm\"|did you mean `adam`?");
    assert_eq!(refused("[trian]\n", &[]), "S.toml:1:2: unknown key `trian`|did you mean `train`?");
    let text = format!("{SMALL}[data.columns.hb]\nunits = \"g/dL\"\n");
    assert_eq!(refused(&text, &[]), "S.toml:4:1: unknown key `units`|did you mean `unit`?");
    let text = format!("{SMALL}[split]\nzzz = 1\n");
    assert_eq!(refused(&text, &[]), "S.toml:4:1: unknown key `zzz`|known here: test, folds, seed");
}

#[test]
fn wrong_types_have_a_position() {
    let text = format!("{SMALL}[train]\nepochs = \"many\"\n");
    assert_eq!(
        refused(&text, &[]),
        "S.toml:4:10: invalid type: string \"many\", expected a whole number, 0 or more|"
    );
    let text = format!("{SMALL}[train]\nbatch = \"ful\"\n");
    let expected = "S.toml:4:9: invalid value: string \"ful\", expected \"full\" or a positive whole number|";
    assert_eq!(refused(&text, &[]), expected);
    let text = format!("{SMALL}[[federation.site]]\nname = \"a\"\n");
    assert!(refused(&text, &[]).contains("S.toml:3:1: missing field `path`"), "{}", refused(&text, &[]));
    assert!(refused("a = [", &[]).starts_with("S.toml:1:6: "), "{}", refused("a = [", &[]));
}

#[test]
fn ranges_have_a_position() {
    let cases = [
        ("[model]\ndropout = 1.0\n", "S.toml:4:1: model.dropout: 1 is not a share in [0, 1)|"),
        ("[model]\nhidden = [4, 0]\n", "S.toml:4:1: model.hidden: a width must be from 1 to 65536|"),
        ("[train]\nlearning_rate = nan\n", "S.toml:4:1: train.learning_rate: NaN is not positive|"),
        (
            "[train]\nseeds = 2000000000\nbootstraps = 1\n",
            "S.toml:4:1: train.seeds: seeds x (1 + bootstraps) x folds are 4000000000 models, more than 1000000|",
        ),
        ("[train]\nseed = 9223372036854775807\n", "S.toml:4:1: train.seed: a seed must be below 2^63|"),
        ("[train]\nseeds = [3, 3]\n", "S.toml:4:1: train.seeds: lists a seed twice|"),
        (
            "[federation]\nsites = [0.6, 0.3]\n",
            "S.toml:4:1: federation.sites: the shares sum to 0.8999999999999999, not to 1|",
        ),
        ("[evaluation]\ntimes = [2, 1]\n", "S.toml:4:1: evaluation.times: must be positive and increasing|"),
    ];
    for (text, expected) in cases {
        assert_eq!(refused(&format!("{SMALL}{text}"), &[]), expected);
    }
    assert!(refused("", &[]).starts_with("S.toml: data.path: is missing|give one table"));
    let text = format!("{SMALL}[train]\narm = \"federated\"\n");
    assert!(refused(&text, &[]).contains("arm = \"federated\" needs sites"));
}

#[test]
fn exact_federations_say_what_they_may_show() {
    let drawn = |set: &[&str]| -> Vec<String> {
        let set = [&["train.arm=federated", "federation.sites=[0.5, 0.5]", "federation.exact=true"], set];
        set.concat().into_iter().map(str::to_owned).collect()
    };
    let ask = |text: &str, set: Vec<String>| Loaded::parse(text, "S.toml", Path::new("/study"), &set);
    // Simulated sites have nothing to hide.
    assert!(ask(SMALL, drawn(&[])).is_ok());
    for (set, message) in [
        (&["model.batch_norm=true"][..], "excludes model.batch_norm"),
        (&["model.kind=cox", "model.robust=true"], "model.robust: is not there"),
        (&["federation.min_count=5", "train.bootstraps=3"], "excludes train.bootstraps"),
        (&["federation.min_count=5", "train.batch=64"], "excludes mini-batches"),
        (&["federation.time_bins=0"], "must be from 1 to"),
        (&["federation.time_bins=[3.0, 2.0]"], "positive and increasing"),
        (&["federation.time_bins=\"many\""], "a number of bins, or a list of their ends"),
    ] {
        let error = ask(SMALL, drawn(set)).expect_err("a wrong study").to_string();
        assert!(error.contains(message), "{error}");
    }
    let files = "[[federation.site]]\nname = \"a\"\npath = \"a.csv\"\n[train]\narm = \"federated\"\n";
    assert!(
        refused(files, &["federation.exact=true"])
            .contains("single patients to every site|set federation.min_count = 10")
    );
    let limited =
        ["federation.min_count=10", "federation.time_bins=[30, 60.5]", "federation.exact_reveals=accepted"];
    for key in limited {
        let study = load(files, &["federation.exact=true", key]).expect("a study").study;
        assert!(study.may_share_times());
        assert_eq!(toml::from_str::<Study>(&toml::to_string(&study).expect("text")).expect("a study"), study);
    }
    let averaged = refused(SMALL, &["model.kind=cox", "train.arm=federated", "federation.sites=[1.0]"]);
    assert!(averaged.contains("risk sets summed over the sites|set federation.exact = true"), "{averaged}");
}

#[test]
fn overrides_are_toml_values_or_text() {
    let set = ["train.arm=federated", "federation.sites=[0.5, 0.5]", "train.batch=64", "train.seeds=[7,9]"];
    let study = load(SMALL, &set).expect("a study").study;
    assert_eq!(study.train.arm, Arm::Federated);
    assert_eq!(study.federation.sites, [0.5, 0.5]);
    assert_eq!(study.train.batch, Batch::Size(64));
    assert_eq!(study.train.seeds, Seeds::List(vec![7, 9]));
    let unknown = refused(SMALL, &["train.epoch=3"]);
    assert_eq!(unknown, "--set train.epoch=3: unknown key `epoch`|did you mean `epochs`?");
    assert_eq!(refused(SMALL, &["model.l2=-1"]), "--set model.l2=-1: model.l2: -1 is not zero or positive|");
    assert_eq!(refused(SMALL, &["train"]), "--set train: needs the form key=value|");
    assert_eq!(refused(SMALL, &["data.path.x=1"]), "--set data.path.x=1: `path` is not a table|");
}

#[test]
fn paths_start_at_the_file_or_the_working_directory() {
    let study = load(SMALL, &[]).expect("a study").study;
    assert_eq!(study.data.path.as_deref(), Some(Path::new("/study/cohort.csv")));
    let study = load(SMALL, &["data.path=other.csv"]).expect("a study").study;
    let here = std::env::current_dir().expect("working directory");
    assert_eq!(study.data.path, Some(here.join("other.csv")));
}

#[test]
fn ignored_keys_are_named_once() {
    let text = format!("{SMALL}[train]\nmomentum = 0.9\nepochs = 500\n[federation]\nmu = 1\nsites = [1.0]\n");
    let warnings = load(&text, &[]).expect("a study").warnings;
    assert_eq!(
        warnings,
        [
            "federation.mu is ignored with train.arm = \"central\"",
            "federation.sites is ignored with train.arm = \"central\"",
            "train.momentum is ignored with train.optimizer = \"adam\"",
        ]
    );
    let used = ["train.arm=federated", "federation.strategy=fedprox", "train.optimizer=sgd"];
    assert_eq!(load(&text, &used).expect("a study").warnings, Vec::<String>::new());
}

#[test]
fn the_resolved_study_is_a_valid_input() {
    let text = "[[federation.site]]\nname = \"a\"\npath = \"a.csv\"\n\
                [[data.block]]\nname = \"genomic\"\nfeatures = [\"SF3B1\"]\n\
                [data.columns.hb]\nkind = \"continuous\"\nunit = \"g/dL\"\ntransform = \"log1p\"\n\
                [train]\narm = \"federated\"\nsite = \"bologna\"\nbatch = 32\nseeds = [1]\n";
    let first = load(text, &["federation.scale_bits=30"]).expect("a study");
    assert!(matches!(&first.study.federation.site, Some(SiteSource::Files(f)) if f.len() == 1));
    let toml = first.to_toml().expect("TOML");
    let second = Loaded::parse(&toml, "run", Path::new("/elsewhere"), &[]).expect("the resolved study");
    assert_eq!(first, second);

    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().join("run.json");
    let json = serde_json::json!({ "config": first.study, "version": "0" });
    fs::write(&path, json.to_string()).expect("write");
    assert_eq!(Loaded::read(&path, &[]).expect("the study of a run"), first);
}

/// A valid study to damage.
const WHOLE: &str = "[data]\npath = \"c.csv\"\nfeatures = [\"a\"]\n[data.columns.a]\nlevels = [\"x\", \"y\"]\n\
    [train]\narm = \"federated\"\nseeds = [1, 2]\nbatch = 8\n[federation]\nsites = [0.5, 0.5]\n";

proptest::proptest! {
    /// Any text is a study or one error, never a panic, and an error has a place.
    #[test]
    fn any_text_is_a_study_or_an_error(
        at in 0..WHOLE.len(),
        cut in 0..24usize,
        insert in "\\PC{0,12}|[-0-9e.naif\"\\[\\]{}=#\n]{0,12}",
        set in "[a-z.]{0,12}=?\\PC{0,8}",
    ) {
        let end = (at + cut).min(WHOLE.len());
        let text = format!("{}{insert}{}", &WHOLE[..at], &WHOLE[end..]);
        for overrides in [vec![], vec![set.clone()]] {
            match Loaded::parse(&text, "S.toml", Path::new("/study"), &overrides) {
                Ok(loaded) => {
                    let toml = loaded.to_toml().expect("a checked study has a TOML form");
                    let again = Loaded::parse(&toml, "run", Path::new("/"), &[]).expect("the resolved study");
                    proptest::prop_assert_eq!(again.study, loaded.study);
                }
                Err(e) => {
                    let text = e.to_string();
                    proptest::prop_assert!(text.starts_with("S.toml") || text.starts_with("--set "), "{}", text);
                }
            }
        }
    }
}

#[test]
fn blocks_with_a_table_of_their_own() {
    let own = "[data]\npath = \"c.csv\"\nid = \"p\"\n[[data.block]]\nname = \"wsi\"\nfile = \"s.h5\"\n";
    let loaded = load(own, &["data.features=[\"age\"]"]).expect("a study");
    assert_eq!(loaded.study.apart(), ["wsi"]);
    assert_eq!(loaded.study.data.block[0].file.as_deref(), Some(Path::new("/study/s.h5")));
    assert_eq!(load(&loaded.to_toml().expect("text"), &[]).expect("a study").study, loaded.study);
    let anonymous = own.replace("id = \"p\"\n", "");
    assert!(refused(&anonymous, &[]).contains("no column names the patients|set data.id"));
    let bare = own.replace("file = \"s.h5\"\n", "");
    assert!(
        refused(&bare, &[]).contains("has a block without features|list its columns, or name its own table")
    );
    let keyed = bare + "features = [\"age\"]\nkey = \"p\"\n";
    assert!(refused(&keyed, &[]).contains("`key` and `unknown` of block \"wsi\" need its `file`"));
    let sites = |of: &str| {
        let data = "[data]\nid = \"p\"\n[[data.block]]\nname = \"wsi\"\nkey = \"patient\"\n";
        format!("{data}[[federation.site]]\nname = \"a\"\npath = \"a.csv\"\n{of}")
    };
    let study = load(&sites("blocks = { wsi = \"s.h5\" }\n"), &[]).expect("a study").study;
    assert_eq!(study.apart(), ["wsi"]);
    let Some(SiteSource::Files(files)) = &study.federation.site else { panic!("files") };
    assert_eq!(files[0].tables().last(), Some(Path::new("/study/s.h5")));
    assert!(
        refused(&sites("blocks = { wsi = \"s.h5\", pet = \"s.h5\" }\n"), &[])
            .contains("names \"pet\", which is no [[data.block]]")
    );
    let shared = sites("blocks = { wsi = \"s.h5\" }\n").replacen("key =", "file = \"all.h5\"\nkey =", 1);
    assert!(refused(&shared, &[]).contains("has a block with one file for sites"));
}
