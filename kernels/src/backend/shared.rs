//! A device for callers on many threads.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};

use super::{Device, DeviceError, DeviceInfo, open};

type Job = Box<dyn FnOnce(&dyn Device) + Send>;

/// A device with a thread of its own, which others give their work to; it is done in the order in which it came.
/// The thread ends with the last clone, which waits for it.
#[derive(Debug, Clone)]
pub struct Shared {
    info: DeviceInfo,
    server: Arc<Server>,
}

#[derive(Debug)]
struct Server {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Server {
    /// Waits until the device is closed: a process that ends meanwhile unloads the driver under its feet.
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take().filter(|t| t.thread().id() != thread::current().id()) {
            // A panic there was heard of by whoever waited for the work.
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// Opens a device of [`devices`](super::devices); the processor is none.
    ///
    /// # Errors
    /// As [`open`].
    pub fn open(info: &DeviceInfo) -> Result<Self, DeviceError> {
        let (jobs, work) = channel::<Job>();
        let (say, opened) = channel();
        let there = info.clone();
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
        let thread = thread::Builder::new().name(info.request()).spawn(serve);
        let failed = |e| Self::failed(info, &format!("no thread: {e}"));
        let server = Server { jobs: Some(jobs), thread: Some(thread.map_err(failed)?) };
        let shared = Self { info: info.clone(), server: Arc::new(server) };
        opened.recv().map_err(|_| Self::failed(info, "its thread ended"))??;
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
        let sent = self.server.jobs.as_ref().is_some_and(|jobs| jobs.send(job).is_ok());
        let ended = || Self::failed(&self.info, "its thread has ended");
        sent.then_some(()).ok_or_else(ended)?;
        answered.recv().map_err(|_| Self::failed(&self.info, "its thread ended at work"))?
    }

    fn failed(info: &DeviceInfo, message: &str) -> DeviceError {
        let (device, shape) = (info.request(), info.name.clone());
        DeviceError::Failed { op: "share", device, shape, message: message.to_owned() }
    }
}
