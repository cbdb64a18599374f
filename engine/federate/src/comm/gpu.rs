//! Whether the MPI library takes pointers to device memory.
//!
//! Osteon's words are staged through host memory whatever the library can do; the answer is told so that a site
//! knows what its library was built with.

use std::fmt;

/// What is known of the CUDA support of an MPI library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GpuAware {
    /// Whether it is there; `None` if nothing says so.
    pub support: Option<bool>,
    /// The function or variable that said it.
    pub source: Option<&'static str>,
}

/// Variables by which users and modulefiles switch support on: Cray MPICH, MPICH, MVAPICH2.
const SWITCHES: [&str; 3] = ["MPICH_GPU_SUPPORT_ENABLED", "MPIR_CVAR_ENABLE_GPU", "MV2_USE_CUDA"];

/// The library's own answer (`MPIX_Query_cuda_support`) before the switches of libraries without that function. A switch
/// that is on says what was asked for, not that the library can do it, so a library that says no is believed.
#[cfg_attr(not(feature = "mpi"), allow(dead_code))]
pub(super) fn detect(query: Option<bool>, env: impl Fn(&str) -> Option<String>) -> GpuAware {
    if query.is_some() {
        return GpuAware { support: query, source: Some("MPIX_Query_cuda_support") };
    }
    let told = SWITCHES.into_iter().find_map(|name| match env(name)?.trim() {
        "1" => Some((true, name)),
        "0" => Some((false, name)),
        _ => None,
    });
    GpuAware { support: told.map(|t| t.0), source: told.map(|t| t.1) }
}

impl fmt::Display for GpuAware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let support = match self.support {
            Some(true) => "CUDA support",
            Some(false) => "no CUDA support",
            None => "CUDA support unknown",
        };
        match self.source {
            Some(source) => write!(f, "{support} ({source}), host staging"),
            None => write!(f, "{support}, host staging"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(query: Option<bool>, pairs: &[(&str, &str)]) -> String {
        detect(query, |name| pairs.iter().find(|(k, _)| *k == name).map(|(_, v)| (*v).to_owned())).to_string()
    }

    #[test]
    fn the_library_is_asked_before_the_environment() {
        let on = [("MPICH_GPU_SUPPORT_ENABLED", "1")];
        assert_eq!(from(Some(false), &on), "no CUDA support (MPIX_Query_cuda_support), host staging");
        assert_eq!(from(Some(true), &[]), "CUDA support (MPIX_Query_cuda_support), host staging");
        assert_eq!(from(None, &on), "CUDA support (MPICH_GPU_SUPPORT_ENABLED), host staging");
    }

    #[test]
    fn what_is_not_said_is_not_assumed() {
        assert_eq!(from(None, &[]), "CUDA support unknown, host staging");
        assert_eq!(from(None, &[("MV2_USE_CUDA", "yes, please")]), "CUDA support unknown, host staging");
        assert_eq!(from(None, &[("MV2_USE_CUDA", "0 ")]), "no CUDA support (MV2_USE_CUDA), host staging");
        // An unreadable switch does not hide the next.
        let pairs = [("MPICH_GPU_SUPPORT_ENABLED", ""), ("MPIR_CVAR_ENABLE_GPU", "1")];
        assert_eq!(from(None, &pairs), "CUDA support (MPIR_CVAR_ENABLE_GPU), host staging");
    }
}
