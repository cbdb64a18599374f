//! Floor 3: concordance, Brier, AUC, Kaplan-Meier, log-rank.
