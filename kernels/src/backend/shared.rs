//! A device for callers on many threads.

use std::sync::mpsc::{Sender, channel};
use std::thread;

use super::{Device, DeviceError, DeviceInfo, open};

type Job = Box<dyn FnOnce(&dyn Device) + Send>;

/// A device with a thread of its own, which others give their work to; it is done in the order in which it came.
/// The thread ends with the last clone.
#[derive(Debug, Clone)]
pub struct Shared {
    info: DeviceInfo,
    jobs: Sender<Job>,
}

impl Shared {
    /// Opens a device of [`devices`](super::devices); the processor is none.
    ///
    /// # Errors
    /// As [`open`].
    pub fn open(info: &DeviceInfo) -> Result<Self, DeviceError> {
        let (jobs, work) = channel::<Job>();
        let (say, opened) = channel();
        let (shared, there) = (Self { info: info.clone(), jobs }, info.clone());
        let serve = move || match open(&there) {
            Ok(device) => {
                // Nobody may wait for it any more.
                let _ = say.send(Ok(()));
                drop(say);
                work.iter().for_each(|job| job(device.as_ref()));
            }
            Err(error) => {
                let _ = say.send(Err(error));
            }
        };
        let started = thread::Builder::new().name(info.request()).spawn(serve);
        started.map_err(|e| shared.failed(&format!("no thread: {e}")))?;
        opened.recv().map_err(|_| shared.failed("its thread ended"))??;
        Ok(shared)
    }

    /// What was opened.
    pub fn info(&self) -> &DeviceInfo {
        &self.info
    }

    /// Does some work on the device and waits for it. The work must not wait for threads of a pool, which may all
    /// be waiting here.
    ///
    /// # Errors
    /// Those of the work, or if the device's thread has ended.
    pub fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Device) -> Result<T, DeviceError> + Send + 'static,
    ) -> Result<T, DeviceError> {
        let (answer, answered) = channel();
        let job: Job = Box::new(move |device| {
            let _ = answer.send(work(device));
        });
        self.jobs.send(job).map_err(|_| self.failed("its thread has ended"))?;
        answered.recv().map_err(|_| self.failed("its thread ended at work"))?
    }

    fn failed(&self, message: &str) -> DeviceError {
        let (device, shape) = (self.info.request(), self.info.name.clone());
        DeviceError::Failed { op: "share", device, shape, message: message.to_owned() }
    }
}
