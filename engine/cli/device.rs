//! The `--device` flag.

use std::str::FromStr;

use osteon_core::ExitCode;
use osteon_kernels::backend::{self, Backend, Choice, DeviceInfo, Request};
use osteon_study::Study;
use osteon_study::engine::Engine;
use osteon_study::watch::Watch;

use crate::failure::CommandError;
use crate::launcher;
use crate::talk::Talk;

/// Where to compute. An index counts the devices of a kind from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Device(pub Request);

impl Device {
    /// Opens what a study is trained on; with `auto` the run says what was taken and why. Only `auto` gives way to
    /// the processor, for a study that has no device version.
    ///
    /// # Errors
    /// If the device is not there or refuses.
    pub fn for_training(self, study: &Study) -> Result<Engine, CommandError> {
        let (auto, forced) = (self.0 == Request::Auto, Engine::needs_processor(study));
        if let (true, Some(reason)) = (auto, forced) {
            return Ok(Engine::processor().because(reason));
        }
        if self.0 == Request::Cpu {
            return Ok(Engine::processor());
        }
        let choice = self.choose()?;
        let engine = Engine::open(&choice.device)?;
        Ok(if auto { engine.because(choice.reason) } else { engine })
    }

    /// The device of this process, and why it is this one.
    fn choose(self) -> Result<Choice, CommandError> {
        Ok(backend::choose(self.0, launcher::local_rank(), &backend::devices())?)
    }

    /// The device for what can be computed elsewhere unless `forced` says why not, `None` for the processor; with
    /// `auto`, `talk` hears what was taken and why. It was opened once, so that a driver that refuses is heard of here.
    ///
    /// # Errors
    /// If a named device is not there, refuses, or cannot be used.
    pub fn or_processor(self, forced: Option<&str>, talk: &Talk) -> Result<Option<DeviceInfo>, CommandError> {
        let choice = match (self.0, forced) {
            (Request::Cpu, _) => return Ok(None),
            (Request::Auto, Some(reason)) => {
                talk.say(&format!("device: cpu ({reason})"));
                return Ok(None);
            }
            (_, Some(reason)) => {
                let message = format!("--device {}: {reason}", self.0);
                let hint = Some("use --device cpu".to_owned());
                return Err(CommandError::Plain(message, ExitCode::Device, hint));
            }
            (_, None) => self.choose()?,
        };
        talk.say(&format!("device: {} ({})", choice.device.request(), choice.reason));
        if choice.device.backend == Backend::Cpu {
            return Ok(None);
        }
        backend::open(&choice.device)?;
        Ok(Some(choice.device))
    }

    /// Refuses another device than the processor; `auto` is the processor here, and none is looked for.
    ///
    /// # Errors
    /// If a device is named.
    pub fn processor_only(self, verb: &str) -> Result<(), CommandError> {
        if matches!(self.0, Request::Auto | Request::Cpu) {
            return Ok(());
        }
        let message = format!("--device {}: {verb} computes on the processor", self.0);
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
