//! Where a study computes: the processor, or a device that holds the networks while they train.

use std::rc::Rc;

use osteon_kernels::PROFILE;
use osteon_kernels::backend::{Backend, Device, DeviceError, DeviceInfo, open};
use osteon_models::deepsurv::{Batch, Resident};

use crate::Study;
use crate::config::{Arm, ModelKind, Strategy};

/// The processor, or an opened device.
pub struct Engine {
    chosen: Option<(DeviceInfo, Rc<dyn Device>)>,
    why: Option<String>,
}

impl Engine {
    /// The processor.
    pub fn processor() -> Self {
        Self { chosen: None, why: None }
    }

    /// A device of this machine.
    ///
    /// # Errors
    /// If its driver refuses.
    pub fn open(info: &DeviceInfo) -> Result<Self, DeviceError> {
        match info.backend {
            Backend::Cpu => Ok(Self::processor()),
            _ => Ok(Self { chosen: Some((info.clone(), Rc::from(open(info)?))), why: None }),
        }
    }

    /// Has the run say what was chosen, and why.
    #[must_use]
    pub fn because(self, why: impl Into<String>) -> Self {
        Self { why: Some(why.into()), ..self }
    }

    /// What the run says about the choice.
    pub(crate) fn choice(&self) -> Option<String> {
        let device = self.chosen.as_ref().map_or("cpu".to_owned(), |(info, _)| info.request());
        self.why.as_ref().map(|why| format!("device: {device} ({why})"))
    }

    /// Why a study has to be trained on the processor, if it has to.
    pub fn needs_processor(study: &Study) -> Option<&'static str> {
        if study.model.kind == ModelKind::Cox {
            return Some("the linear model is fitted on the processor");
        }
        if study.model.kind == ModelKind::Abmil {
            return Some("attention pooling is trained on the processor");
        }
        let federation = &study.federation;
        if study.train.arm == Arm::Federated {
            if federation.exact {
                return Some("risk sets are summed over sites on the processor");
            }
            if federation.privacy.is_some() {
                return Some("gradients are clipped and blurred on the processor");
            }
            if federation.strategy == Strategy::Scaffold {
                return Some("control variates are added on the processor");
            }
        }
        None
    }

    /// Refuses a study that has to be trained on the processor, if this is another device.
    ///
    /// # Errors
    /// [`DeviceError::Unsupported`] with the reason.
    pub fn require_support(&self, study: &Study) -> Result<(), DeviceError> {
        match (&self.chosen, Self::needs_processor(study)) {
            (Some((_, device)), Some(reason)) => Err(DeviceError::Unsupported {
                op: "this study",
                device: device.name(),
                reason: reason.to_owned(),
            }),
            _ => Ok(()),
        }
    }

    /// The device as `run.json` names it.
    pub fn device(&self) -> String {
        self.chosen.as_ref().map_or("cpu".to_owned(), |(info, _)| info.to_string())
    }

    /// The numeric profile: equal profiles give equal bits.
    pub fn profile(&self) -> String {
        self.chosen.as_ref().map_or(PROFILE.to_owned(), |(info, _)| info.profile())
    }

    /// Brings a batch to where it is trained.
    pub(crate) fn trainer(&self, batch: &Batch) -> Result<Trainer, DeviceError> {
        match &self.chosen {
            None => Ok(Trainer::Processor),
            Some((_, device)) => Ok(Trainer::Device(Resident::new(Rc::clone(device), batch)?)),
        }
    }
}

/// What trains a batch.
pub(crate) enum Trainer {
    /// Threads of this process.
    Processor,
    /// A device that holds it.
    Device(Resident),
}

impl Trainer {
    /// As [`Batch::train`].
    pub fn train(
        &mut self,
        batch: &mut Batch,
        which: &[usize],
        epochs: u64,
    ) -> Result<Vec<Vec<f64>>, DeviceError> {
        match self {
            Self::Processor => Ok(batch.train(which, epochs)),
            Self::Device(resident) => resident.train(batch, which, epochs),
        }
    }
}
