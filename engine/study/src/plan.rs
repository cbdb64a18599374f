//! What a study will do, for `--dry-run`.
