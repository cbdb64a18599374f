//! Floor 5: STUDY.toml to a run directory: plan, train, evaluate, resume.
