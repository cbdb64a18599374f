//! Floor 4: communication, exact aggregation, strategies, rounds, checkpoints.
