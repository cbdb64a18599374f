//! `osteon doctor`: what this machine and this build offer. Devices are listed, none is opened.

use std::ffi::CString;
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use osteon_core::ExitCode;
use osteon_kernels::backend::{self, Backend, DeviceInfo, Request};
use serde::Serialize;

use crate::args::Voice;
use crate::failure::CommandError;
use crate::launcher;
use crate::talk::Talk;

#[derive(Debug, Args)]
pub struct Doctor {
    /// Fail unless these are there
    #[arg(long, value_name = "PART,...", value_delimiter = ',')]
    require: Vec<Part>,
    /// Folder that runs will be written to
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    #[command(flatten)]
    pub voice: Voice,
}

/// A part a job may need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Part {
    Cuda,
    Vulkan,
    Mpi,
    Hdf5,
    Slurm,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    Missing,
}

#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    #[serde(skip)]
    part: Option<Part>,
    state: State,
    detail: String,
    hint: Option<&'static str>,
}

impl Check {
    fn fact(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, part: None, state: State::Ok, detail: detail.into(), hint: None }
    }

    fn part(name: &'static str, part: Part, found: Result<String, String>, hint: &'static str) -> Self {
        let (state, detail, hint) = match found {
            Ok(detail) => (State::Ok, detail, None),
            Err(detail) => (State::Missing, detail, Some(hint)),
        };
        Self { name, part: Some(part), state, detail, hint }
    }
}

impl Doctor {
    pub fn run(&self, talk: &Talk) -> Result<ExitCode, CommandError> {
        let checks = checks(&self.out);
        let record = serde_json::json!({
            "version": env!("CARGO_PKG_VERSION"),
            "commit": osteon_core::provenance::Provenance::now().commit,
            "features": crate::args::features(),
            "checks": checks,
        });
        talk.result(&record, &text(&checks))?;
        let absent = |p: &Part| checks.iter().any(|c| c.part == Some(*p) && c.state == State::Missing);
        match self.require.iter().find(|p| absent(p)) {
            None => Ok(ExitCode::Ok),
            Some(part) => {
                let code = match part {
                    Part::Cuda | Part::Vulkan => ExitCode::Device,
                    Part::Mpi | Part::Slurm => ExitCode::Mpi,
                    Part::Hdf5 => ExitCode::Io,
                };
                let name = part.to_possible_value().map_or(String::new(), |v| v.get_name().to_owned());
                Err(CommandError::Plain(format!("required but missing: {name}"), code, None))
            }
        }
    }
}

fn checks(out: &Path) -> Vec<Check> {
    let threads = osteon_core::threads::allotment();
    let devices = backend::devices();
    vec![
        Check::fact("cpu", cpu()),
        Check::fact("threads", format!("{} ({})", threads.threads, threads.source)),
        Check::part("mpi", Part::Mpi, mpi(), "build with --features mpi (needs an MPI library and libclang)"),
        Check::part(
            "hdf5",
            Part::Hdf5,
            built(cfg!(feature = "hdf5")),
            "build with --features hdf5 (needs libhdf5)",
        ),
        Check::part("slurm", Part::Slurm, slurm(), "start this under sbatch, salloc or srun"),
        Check::part("cuda", Part::Cuda, visible(Backend::Cuda, &devices), "use --device cpu"),
        Check::part("vulkan", Part::Vulkan, visible(Backend::Wgpu, &devices), "use --device cpu"),
        Check::fact("device", choice(&devices)),
        disk(out),
    ]
}

/// The devices of a backend, or why there are none.
fn visible(backend: Backend, devices: &[DeviceInfo]) -> Result<String, String> {
    let all: Vec<String> = devices.iter().filter(|d| d.backend == backend).map(ToString::to_string).collect();
    match (all.is_empty(), backend) {
        (false, _) => Ok(all.join("; ")),
        (true, Backend::Wgpu) => {
            built(cfg!(feature = "wgpu")).and(Err("no Vulkan device is visible".to_owned()))
        }
        (true, _) => built(cfg!(feature = "cuda")).and(Err("no NVIDIA device is visible".to_owned())),
    }
}

/// What `--device auto` means here, and why.
fn choice(devices: &[DeviceInfo]) -> String {
    match backend::choose(Request::Auto, launcher::local_rank(), devices) {
        Ok(choice) => {
            format!("auto is {} ({})", choice.device.request(), choice.reason)
        }
        Err(error) => error.to_string(),
    }
}

fn built(is: bool) -> Result<String, String> {
    if is { Ok("built in".to_owned()) } else { Err("not built in".to_owned()) }
}

fn cpu() -> String {
    #[cfg(target_arch = "x86_64")]
    let features = [
        ("avx2", std::arch::is_x86_feature_detected!("avx2")),
        ("fma", std::arch::is_x86_feature_detected!("fma")),
        ("avx512f", std::arch::is_x86_feature_detected!("avx512f")),
    ];
    #[cfg(not(target_arch = "x86_64"))]
    let features: [(&str, bool); 0] = [];
    let mut text = std::env::consts::ARCH.to_owned();
    for (name, _) in features.into_iter().filter(|(_, there)| *there) {
        let _ = write!(text, " {name}");
    }
    text
}

fn mpi() -> Result<String, String> {
    built(cfg!(feature = "mpi"))?;
    let library =
        osteon_federate::mpi_library().map_or(String::new(), |(name, gpu)| format!("{name}; {gpu}; "));
    Ok(match launcher::detect() {
        None => format!("{library}this process was not started by a launcher"),
        Some(l) => {
            let size = l.size.map_or(String::new(), |n| format!(" of {n}"));
            format!("{library}rank {}{size} under {}", l.rank, l.name)
        }
    })
}

fn slurm() -> Result<String, String> {
    let get = |name: &str| std::env::var(name).ok();
    let job = get("SLURM_JOB_ID").ok_or("no allocation")?;
    let mut text = format!("job {job}");
    for (label, name) in [
        ("nodes", "SLURM_JOB_NUM_NODES"),
        ("tasks", "SLURM_NTASKS"),
        ("cpus per task", "SLURM_CPUS_PER_TASK"),
        ("gpus on node", "SLURM_GPUS_ON_NODE"),
    ] {
        if let Some(value) = get(name) {
            let _ = write!(text, ", {label} {value}");
        }
    }
    Ok(text)
}

/// Free space where runs will be written.
fn disk(out: &Path) -> Check {
    let detail = match free_bytes(out) {
        Some(free) => format!("{:.1} GiB free in {}", free as f64 / f64::from(1 << 30), out.display()),
        None => {
            return Check {
                name: "disk",
                part: None,
                state: State::Missing,
                detail: format!("{} cannot be read", out.display()),
                hint: Some("name an existing folder with -o"),
            };
        }
    };
    Check::fact("disk", detail)
}

fn free_bytes(path: &Path) -> Option<u64> {
    let path = CString::new(path.as_os_str().as_bytes()).ok()?;
    // SAFETY: the path is zero-terminated, and statvfs fills the zeroed struct it is given.
    unsafe {
        let mut stat: libc::statvfs = std::mem::zeroed();
        (libc::statvfs(path.as_ptr(), &raw mut stat) == 0)
            .then(|| (stat.f_bavail as u64).saturating_mul(stat.f_frsize as u64))
    }
}

fn text(checks: &[Check]) -> String {
    let mut out = String::new();
    for check in checks {
        let state = if check.state == State::Ok { "ok" } else { "missing" };
        let _ = writeln!(out, "{:<8} {state:<8} {}", check.name, check.detail);
        if let Some(hint) = check.hint {
            let _ = writeln!(out, "{:<17} hint: {hint}", "");
        }
    }
    out
}
