//! Devices: what this machine offers, which one a request means, and what ops need of one.
//!
//! Nothing is opened before it is asked for, and nothing panics where a driver is missing.
//! `wgpu.rs` alone names wgpu, `cuda.rs` alone names cudarc; `nvrtc.rs` loads the compiler itself,
//! because it must find that of CUDA 12 and of CUDA 13.

mod choose;
#[cfg(feature = "cuda")]
mod cuda;
mod device;
mod error;
#[cfg(feature = "cuda")]
pub mod nvrtc;
mod shared;
mod source;
#[cfg(feature = "wgpu")]
mod wgpu;

use std::fmt;

pub use choose::{Choice, Request, choose};
pub use device::{
    ALIGNMENT, Buffer, Device, GROUP, Launch, Limits, PER_THREAD, Recording, Source, TABLE_WORDS,
};
pub use error::DeviceError;
pub use shared::Shared;

/// A way to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// The processor.
    Cpu,
    /// Vulkan.
    Wgpu,
    /// NVIDIA.
    Cuda,
}

impl Backend {
    /// Name in `--device`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Wgpu => "wgpu",
            Self::Cuda => "cuda",
        }
    }
}

/// What sort of thing a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The processor itself.
    Processor,
    /// A GPU with its own memory.
    Discrete,
    /// A GPU that shares the processor's memory.
    Integrated,
    /// A GPU of a virtual machine.
    Virtual,
    /// A driver that computes on the processor: for tests, never chosen unless named.
    Software,
    /// Not said.
    Other,
}

impl Kind {
    /// Name for messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Processor => "processor",
            Self::Discrete => "discrete",
            Self::Integrated => "integrated",
            Self::Virtual => "virtual",
            Self::Software => "software",
            Self::Other => "unknown kind",
        }
    }
}

/// A device of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceInfo {
    /// Way to reach it.
    pub backend: Backend,
    /// Index among the visible devices of its backend.
    pub index: usize,
    /// Name by its driver.
    pub name: String,
    /// What sort of thing it is.
    pub kind: Kind,
    /// Memory in bytes, where the driver says.
    pub memory: Option<u64>,
    /// Driver and its version.
    pub driver: String,
    /// Programming interface and version, or architecture.
    pub api: String,
}

impl DeviceInfo {
    /// What `--device` calls it.
    pub fn request(&self) -> String {
        match self.backend {
            Backend::Cpu => "cpu".to_owned(),
            backend => format!("{}:{}", backend.name(), self.index),
        }
    }

    /// The numeric profile (decision 0002): devices of equal profiles give equal bits. That of a
    /// GPU names the device and what compiles its kernels.
    pub fn profile(&self) -> String {
        let compiler = match self.backend {
            Backend::Cpu => return crate::PROFILE.to_owned(),
            Backend::Wgpu => self.driver.clone(),
            #[cfg(feature = "cuda")]
            Backend::Cuda => nvrtc::nvrtc()
                .map_or("no NVRTC".to_owned(), |n| format!("NVRTC {}.{}", n.version.0, n.version.1)),
            #[cfg(not(feature = "cuda"))]
            Backend::Cuda => String::new(),
        };
        format!("{}-v1 {} {} {compiler}", self.backend.name(), self.name, self.api)
    }
}

impl fmt::Display for DeviceInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({}", self.request(), self.name, self.kind.name())?;
        if let Some(bytes) = self.memory {
            write!(f, ", {:.1} GiB", bytes as f64 / f64::from(1 << 30))?;
        }
        for text in [&self.api, &self.driver].into_iter().filter(|t| !t.is_empty()) {
            write!(f, ", {text}")?;
        }
        f.write_str(")")
    }
}

/// The devices of this machine: the processor first, then CUDA, then Vulkan. A missing driver or
/// library means that there are none of its kind.
pub fn devices() -> Vec<DeviceInfo> {
    let processor = DeviceInfo {
        backend: Backend::Cpu,
        index: 0,
        name: std::env::consts::ARCH.to_owned(),
        kind: Kind::Processor,
        memory: None,
        driver: String::new(),
        api: crate::simd::Level::current().name().to_owned(),
    };
    let all = std::iter::once(processor);
    #[cfg(feature = "cuda")]
    let all = all.chain(cuda::devices());
    #[cfg(feature = "wgpu")]
    let all = all.chain(wgpu::devices());
    all.collect()
}

/// Opens a device of [`devices`] for [`Device`]; the processor needs no opening.
///
/// # Errors
/// If it is the processor, its backend is not built in, or its driver refuses.
pub fn open(info: &DeviceInfo) -> Result<Box<dyn Device>, DeviceError> {
    match info.backend {
        #[cfg(feature = "cuda")]
        Backend::Cuda => Ok(Box::new(cuda::Cuda::open(info)?)),
        #[cfg(feature = "wgpu")]
        Backend::Wgpu => Ok(Box::new(wgpu::Wgpu::open(info)?)),
        _ => Err(DeviceError::Missing {
            request: info.request(),
            reason: "no device of this kind can be opened".to_owned(),
            instead: "cpu".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests;
