//! Floor 2: typed cohorts, schema, checks, splits, fitted preprocessing.
