//! What can go wrong on a device.

use osteon_core::{ExitCode, Failure};

/// Why a device was not chosen or did not compute.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// The device asked for is not there.
    #[error("--device {request}: {reason}")]
    Missing {
        /// What was asked for.
        request: String,
        /// What was found instead.
        reason: String,
        /// A request that can be met.
        instead: String,
    },
    /// The op has no version for this device, or not for these inputs.
    #[error("{op} does not run on {device}: {reason}")]
    Unsupported {
        /// Op.
        op: &'static str,
        /// Device.
        device: String,
        /// Why.
        reason: String,
    },
    /// A buffer is larger than the device can bind, or a grid larger than it can launch.
    #[error("{what} on {device} needs {needed} {unit}, the device allows {limit}")]
    TooLarge {
        /// Buffer, or op and dimension.
        what: String,
        /// Device.
        device: String,
        /// What is needed.
        needed: u64,
        /// What is allowed.
        limit: u64,
        /// Unit of both.
        unit: &'static str,
    },
    /// The memory of the device is used up.
    #[error("{device} is out of memory: {buffer} needs {bytes} bytes")]
    OutOfMemory {
        /// Buffer.
        buffer: &'static str,
        /// Device.
        device: String,
        /// Its size.
        bytes: u64,
    },
    /// A source does not compile.
    #[error("{op} does not compile for {device}: {log}")]
    Compile {
        /// Op.
        op: &'static str,
        /// Device or architecture.
        device: String,
        /// What the compiler says.
        log: String,
    },
    /// The driver refused or failed.
    #[error("{op} on {device}, {shape}: {message}")]
    Failed {
        /// Op, or what was done to a buffer.
        op: &'static str,
        /// Device.
        device: String,
        /// Buffers and their elements.
        shape: String,
        /// What the driver says.
        message: String,
    },
}

impl Failure for DeviceError {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Device
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Missing { instead, .. } => Some(format!("use --device {instead}")),
            Self::Unsupported { .. } => Some("use --device cpu".into()),
            Self::TooLarge { .. } | Self::OutOfMemory { .. } => {
                Some("give it less at once (problems, voxels), or use --device cpu".into())
            }
            Self::Compile { .. } | Self::Failed { .. } => None,
        }
    }
}
