//! Floor 1: CSV, Parquet and HDF5 tables.
