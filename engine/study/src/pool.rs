//! The threads of this process.

/// Sets the number of threads; a second command in one process keeps the first one's.
pub(crate) fn use_threads(threads: usize) {
    let _ = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
}
