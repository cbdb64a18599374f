//! Which device a request means.

use std::fmt;

use super::{Backend, DeviceError, DeviceInfo, Kind};

/// What was asked for: `--device auto|cpu|wgpu[:i]|cuda[:i]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// The best device there is; a software adapter is none.
    Auto,
    /// The processor.
    Cpu,
    /// A Vulkan device; without an index, that of the local rank among those that are hardware.
    Wgpu(Option<usize>),
    /// An NVIDIA device; without an index, that of the local rank.
    Cuda(Option<usize>),
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Wgpu(None) => f.write_str("wgpu"),
            Self::Cuda(None) => f.write_str("cuda"),
            Self::Wgpu(Some(i)) => write!(f, "wgpu:{i}"),
            Self::Cuda(Some(i)) => write!(f, "cuda:{i}"),
        }
    }
}

/// A device and why it was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The device.
    pub device: DeviceInfo,
    /// One line for the user.
    pub reason: String,
}

/// The device that `request` means among `devices` (see [`super::devices`]). Ranks of a node share
/// its devices by turns: rank `local_rank` takes number `local_rank` modulo the visible ones.
///
/// # Errors
/// If there is no such device; the error says what there is.
pub fn choose(request: Request, local_rank: usize, devices: &[DeviceInfo]) -> Result<Choice, DeviceError> {
    let of = |backend| devices.iter().filter(move |d| d.backend == backend);
    let hardware = |backend| of(backend).filter(|d| d.kind != Kind::Software).collect::<Vec<_>>();
    let by_turns = |all: &[&DeviceInfo], why: &str| {
        let device = all[local_rank % all.len()].clone();
        let reason = match all.len() {
            1 => format!("{why}: {device}"),
            n => format!("{why}: {device}, number {} of {n} by local rank {local_rank}", local_rank % n),
        };
        Choice { device, reason }
    };
    let (backend, index) = match request {
        Request::Auto => {
            for backend in [Backend::Cuda, Backend::Wgpu] {
                let found = hardware(backend);
                if !found.is_empty() {
                    return Ok(by_turns(&found, "the best device here"));
                }
            }
            let software = of(Backend::Wgpu).count();
            let reason = match software {
                0 => "no GPU is visible",
                _ => "only a software Vulkan driver is there, which is for tests",
            };
            return processor(devices).map(|device| Choice { device, reason: reason.to_owned() });
        }
        Request::Cpu => {
            return processor(devices).map(|device| Choice { device, reason: "asked for".to_owned() });
        }
        Request::Wgpu(index) => (Backend::Wgpu, index),
        Request::Cuda(index) => (Backend::Cuda, index),
    };
    let missing = |reason: String, instead: String| {
        Err(DeviceError::Missing { request: request.to_string(), reason, instead })
    };
    match index {
        Some(index) => match of(backend).find(|d| d.index == index) {
            Some(device) => Ok(Choice { device: device.clone(), reason: format!("asked for: {device}") }),
            None => {
                let there: Vec<String> = of(backend).map(DeviceInfo::request).collect();
                match there.first() {
                    None => missing(nothing(backend), "cpu".to_owned()),
                    Some(first) => missing(format!("there is only {}", there.join(", ")), first.clone()),
                }
            }
        },
        None => match (&hardware(backend)[..], of(backend).next()) {
            ([], None) => missing(nothing(backend), "cpu".to_owned()),
            ([], Some(software)) => missing(
                format!("only {software} is there, a software driver for tests; name it to use it"),
                "cpu".to_owned(),
            ),
            (found, _) => Ok(by_turns(found, "asked for")),
        },
    }
}

fn processor(devices: &[DeviceInfo]) -> Result<DeviceInfo, DeviceError> {
    devices.iter().find(|d| d.backend == Backend::Cpu).cloned().ok_or_else(|| DeviceError::Missing {
        request: "cpu".to_owned(),
        reason: "the list of devices has no processor".to_owned(),
        instead: "auto".to_owned(),
    })
}

/// Why there is no device of a backend.
fn nothing(backend: Backend) -> String {
    let (built, library) = match backend {
        Backend::Cpu => (true, "processor"),
        Backend::Wgpu => (cfg!(feature = "wgpu"), "Vulkan driver with a device"),
        Backend::Cuda => (cfg!(feature = "cuda"), "NVIDIA driver with a device"),
    };
    match built {
        true => format!("no {library} is visible to this process"),
        false => format!("this binary was built without the feature {}", backend.name()),
    }
}
