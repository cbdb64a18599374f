//! The `--device` flag.

use std::str::FromStr;

use osteon_core::ExitCode;
use osteon_kernels::backend::{self, Request};

use crate::failure::CommandError;
use crate::launcher;

/// Where to compute. An index counts the devices of a kind from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Device(pub Request);

impl Device {
    /// Refuses what cannot train yet; nothing falls back to the processor silently. `auto` is the
    /// processor here, and no device is looked for.
    ///
    /// # Errors
    /// If the device is not there, or is there but has no training yet.
    pub fn for_training(self) -> Result<(), CommandError> {
        if matches!(self.0, Request::Auto | Request::Cpu) {
            return Ok(());
        }
        let choice = backend::choose(self.0, launcher::local_rank(), &backend::devices())?;
        let message = format!("--device {}: training on {} is not there yet", self.0, choice.device);
        Err(CommandError::Plain(message, ExitCode::Device, Some("use --device cpu".to_owned())))
    }
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
        let request = match (kind, index) {
            ("auto", None) => Request::Auto,
            ("cpu", None) => Request::Cpu,
            ("wgpu", index) => Request::Wgpu(index),
            ("cuda", index) => Request::Cuda(index),
            _ => return Err("expected auto, cpu, wgpu[:i] or cuda[:i]".to_owned()),
        };
        Ok(Self(request))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_reads_as_it_writes() {
        for text in ["auto", "cpu", "wgpu", "wgpu:2", "cuda", "cuda:0"] {
            assert_eq!(text.parse::<Device>().expect("a device").0.to_string(), text);
        }
        for text in ["gpu", "cpu:1", "auto:0", "cuda:", "cuda:x", "wgpu:-1"] {
            assert!(text.parse::<Device>().is_err(), "{text}");
        }
    }
}
