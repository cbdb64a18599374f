//! Which build made a result, and where.

use serde::Serialize;

/// Version, commit and host of this process.
#[derive(Debug, Clone, Serialize)]
pub struct Provenance {
    /// Version of the package.
    pub version: &'static str,
    /// Commit the binary was built from, or "unknown" outside a checkout.
    pub commit: &'static str,
    /// Name of the host.
    pub host: String,
    /// Seconds since the epoch, UTC.
    pub unix_time_s: u64,
    /// Identifier of the Slurm job, if any.
    pub slurm_job: Option<String>,
}

impl Provenance {
    /// Describes this process now.
    pub fn now() -> Self {
        let unix_time_s =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs());
        Self {
            version: env!("CARGO_PKG_VERSION"),
            commit: option_env!("OSTEON_COMMIT").unwrap_or("unknown"),
            host: host_name(),
            unix_time_s,
            slurm_job: std::env::var("SLURM_JOB_ID").ok(),
        }
    }
}

/// The name of the host.
pub fn host_name() -> String {
    let mut name = [0u8; 256];
    // SAFETY: the buffer is valid for its length and zero-terminated by its last byte.
    let code = unsafe { libc::gethostname(name.as_mut_ptr().cast(), name.len() - 1) };
    if code != 0 {
        return "unknown".to_owned();
    }
    let end = name.iter().position(|&b| b == 0).unwrap_or(name.len());
    String::from_utf8_lossy(&name[..end]).into_owned()
}
