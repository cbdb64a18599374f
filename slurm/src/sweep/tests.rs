use super::*;

fn sweep(nodes: &[u32], array: bool, values: Option<&str>) -> StudySweep {
    StudySweep {
        study: "[train]\nseeds = 1\n".to_owned(),
        nodes: nodes.to_vec(),
        array,
        each: values.map(|e| each(e).expect("a key and values")),
    }
}

fn text<'s>(scripts: &'s [Script], name: &str) -> &'s str {
    let names: Vec<&str> = scripts.iter().map(|s| s.name.as_str()).collect();
    &scripts.iter().find(|s| s.name == name).unwrap_or_else(|| panic!("{name} is not among {names:?}")).text
}

/// What the shell says of a script.
fn syntax(script: &str) -> String {
    let out = std::process::Command::new("bash").args(["-n", "-c", script]).output().expect("bash");
    String::from_utf8_lossy(&out.stderr).into_owned()
}

#[test]
fn a_job_per_number_of_nodes_and_a_report_after_all() {
    let asked = Resources {
        partition: Some("compute".into()),
        account: Some("p1".into()),
        time: Some("4:00:00".into()),
        tasks_per_node: 4,
        cpus_per_task: Some(8),
        ..Resources::default()
    };
    let scripts = sweep(&[4, 1, 2, 2], false, None).render(&asked).expect("scripts");
    let four = text(&scripts, "nodes-4.sbatch");
    for line in [
        "#SBATCH --partition=compute",
        "#SBATCH --account=p1",
        "#SBATCH --nodes=4",
        "#SBATCH --ntasks-per-node=4",
        "#SBATCH --cpus-per-task=8",
        "#SBATCH --time=4:00:00",
        "#SBATCH --requeue",
        "#SBATCH --signal=B:USR1@180",
        "#SBATCH --open-mode=append",
        "max_restarts=10",
        "0) nodes=4 ranks=16; set -- train study.toml -o runs/nodes-4 ;;",
    ] {
        assert!(four.lines().any(|l| l == line), "{line}\n{four}");
    }
    assert!(four.contains("srun -K1 --mpi=pmix ") && !four.contains("--array") && !four.contains("gpu"));
    let submit = text(&scripts, "submit.sh");
    assert!(submit.contains("for script in nodes-1.sbatch nodes-2.sbatch nodes-4.sbatch; do"), "{submit}");
    assert!(submit.contains("--dependency=afterok$after"), "{submit}");
    assert!(text(&scripts, "report.sbatch").contains("\"${OSTEON:-osteon}\" report --scaling runs"));
    for script in scripts.iter().filter(|s| s.name != "study.toml") {
        assert_eq!(syntax(&script.text), "", "{}", script.name);
    }
}

#[test]
fn a_script_names_no_site_and_no_home() {
    let scripts =
        sweep(&[1, 2], true, Some("split.seed=0,1")).render(&Resources::default()).expect("scripts");
    for script in &scripts {
        for word in ["/home", "/root", "/work", "HOME", "--partition", "--account", "module load"] {
            assert!(!script.text.contains(word), "{} names {word}", script.name);
        }
    }
}

#[test]
fn an_array_holds_all_sizes_and_values() {
    let scripts =
        sweep(&[1, 4], true, Some("model.hidden=[8,8],[4]")).render(&Resources::default()).expect("scripts");
    let text = text(&scripts, "sweep.sbatch");
    assert!(text.contains("#SBATCH --array=0-3\n") && text.contains("#SBATCH --nodes=4\n"), "{text}");
    let cell = "1) nodes=1 ranks=1; set -- train study.toml -o runs/nodes-1-1 --set 'model.hidden=[4]' ;;";
    assert!(text.contains(cell), "{text}");
    assert!(text.contains("2) nodes=4 ranks=4; set -- train study.toml -o runs/nodes-4-0"), "{text}");
    assert!(text.contains("logs/sweep-%A_%a.log"), "{text}");
}

#[test]
fn gpus_are_asked_for_and_bound() {
    let asked = Resources { gpus_per_node: 4, tasks_per_node: 4, ..Resources::default() };
    let scripts = sweep(&[2], false, None).render(&asked).expect("scripts");
    let text = text(&scripts, "nodes-2.sbatch");
    assert!(text.contains("#SBATCH --gpus-per-node=4\n") && text.contains(" --gpu-bind=single:1 "), "{text}");
}

#[test]
fn shards_are_an_array_and_a_merge() {
    let cases = ShardedCases {
        cases: "../cases of 2024.csv".into(),
        shards: 3,
        output: "../features.parquet".into(),
        more: ["--params", "P.yaml"].map(str::to_owned).to_vec(),
    };
    let scripts = cases.render(&Resources::default()).expect("scripts");
    let extract = text(&scripts, "extract.sbatch");
    assert!(extract.contains("#SBATCH --array=1-3\n") && extract.contains("--mpi=none"), "{extract}");
    let cell = "2) nodes=1 ranks=1; set -- radiomics extract --cases '../cases of 2024.csv' --shard 2/3 \
                -o shards/2.parquet --params P.yaml ;;";
    assert!(extract.contains(cell), "{extract}");
    let merge = "radiomics merge shards/1.parquet shards/2.parquet shards/3.parquet -o ../features.parquet";
    assert!(text(&scripts, "merge.sbatch").contains(merge));
    assert_eq!(syntax(extract), "");
}

#[test]
fn sizes_and_values_that_are_none_are_refused() {
    for (nodes, flag) in [(&[][..], "--nodes"), (&[0, 1], "--nodes")] {
        let error = sweep(nodes, false, None).render(&Resources::default()).expect_err("no nodes");
        assert!(error.to_string().starts_with(flag), "{error}");
    }
    for text in ["seeds", "=1", "a b=1", "split.seed=1,,2"] {
        assert!(each(text).is_err(), "{text}");
    }
}

#[test]
fn paths_are_seen_from_the_folder_of_the_scripts() {
    let seen = |folder: &str, path: &str| seen_from(Path::new(folder), Path::new(path)).display().to_string();
    assert_eq!(seen("/scratch/p/jobs", "/scratch/p/cases.csv"), "../cases.csv");
    assert_eq!(seen("/scratch/p", "/scratch/p/a/cases.csv"), "a/cases.csv");
    assert_eq!(seen("/scratch/p", "/data/cases.csv"), "/data/cases.csv");
}
