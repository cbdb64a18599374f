//! The `--device` flag.

use std::fmt;
use std::str::FromStr;

use osteon_core::ExitCode;

use crate::failure::CommandError;

/// Where to compute. An index counts the devices of a kind from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// The best device there is; a software adapter is none.
    Auto,
    /// The processor.
    Cpu,
    /// A Vulkan device.
    Wgpu(Option<usize>),
    /// An NVIDIA device.
    Cuda(Option<usize>),
}

/// Refuses a device that no backend of this build drives.
pub fn cpu_only(device: Device) -> Result<(), CommandError> {
    if matches!(device, Device::Auto | Device::Cpu) {
        return Ok(());
    }
    let message = format!("--device {device}: no backend of this kind is built in");
    Err(CommandError::Plain(message, ExitCode::Device, Some("use --device cpu".to_owned())))
}

impl FromStr for Device {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, index) = match text.split_once(':') {
            Some((kind, index)) => {
                let index = index.parse().map_err(|_| format!("`{index}` is not the index of a device"))?;
                (kind, Some(index))
            }
            None => (text, None),
        };
        match (kind, index) {
            ("auto", None) => Ok(Self::Auto),
            ("cpu", None) => Ok(Self::Cpu),
            ("wgpu", index) => Ok(Self::Wgpu(index)),
            ("cuda", index) => Ok(Self::Cuda(index)),
            _ => Err("expected auto, cpu, wgpu[:i] or cuda[:i]".to_owned()),
        }
    }
}

impl fmt::Display for Device {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_reads_as_it_writes() {
        for text in ["auto", "cpu", "wgpu", "wgpu:2", "cuda", "cuda:0"] {
            assert_eq!(text.parse::<Device>().expect("a device").to_string(), text);
        }
        for text in ["gpu", "cpu:1", "auto:0", "cuda:", "cuda:x", "wgpu:-1"] {
            assert!(text.parse::<Device>().is_err(), "{text}");
        }
    }
}
