//! A device that allows less than it could, and counts what is asked of it.

use std::cell::Cell;
use std::rc::Rc;

use osteon_kernels::backend::{Buffer, Device, DeviceError, Launch, Limits, Recording};

/// Passes everything on, within narrower limits.
pub struct Limited {
    inner: Rc<dyn Device>,
    /// Words that a launch may see of one buffer.
    pub binding_words: usize,
    /// A larger buffer finds no memory.
    pub largest_words: usize,
    pub allocs: Cell<usize>,
    pub uploads: Cell<usize>,
    pub downloads: Cell<usize>,
    pub replays: Cell<usize>,
}

impl Limited {
    pub fn new(inner: Rc<dyn Device>) -> Self {
        let [allocs, uploads, downloads, replays] = [const { Cell::new(0) }; 4];
        let (binding_words, largest_words) = (inner.limits().binding_words, usize::MAX);
        Self { inner, binding_words, largest_words, allocs, uploads, downloads, replays }
    }

    fn visible(&self, launch: &Launch) -> Result<(), DeviceError> {
        match launch.buffers.iter().find(|b| b.words > self.binding_words) {
            None => Ok(()),
            Some(buffer) => Err(DeviceError::TooLarge {
                what: format!("{} of {}", buffer.name, launch.entry),
                device: self.name(),
                needed: 4 * buffer.words as u64,
                limit: 4 * self.binding_words as u64,
                unit: "bytes",
            }),
        }
    }
}

fn count(cell: &Cell<usize>) {
    cell.set(cell.get() + 1);
}

impl Device for Limited {
    fn name(&self) -> String {
        self.inner.name()
    }

    fn limits(&self) -> Limits {
        Limits { binding_words: self.binding_words, ..self.inner.limits() }
    }

    fn alloc(&self, name: &'static str, words: usize) -> Result<Buffer, DeviceError> {
        count(&self.allocs);
        if words > self.largest_words {
            let (device, bytes) = (self.name(), 4 * words as u64);
            return Err(DeviceError::OutOfMemory { buffer: name, device, bytes });
        }
        self.inner.alloc(name, words)
    }

    fn upload(&self, buffer: &Buffer, words: &[u32]) -> Result<(), DeviceError> {
        count(&self.uploads);
        self.inner.upload(buffer, words)
    }

    fn download(&self, buffer: &Buffer) -> Result<Vec<u32>, DeviceError> {
        count(&self.downloads);
        self.inner.download(buffer)
    }

    fn launch(&self, launch: &Launch) -> Result<(), DeviceError> {
        self.visible(launch)?;
        self.inner.launch(launch)
    }

    fn record(&self, launches: Vec<Launch>) -> Result<Recording, DeviceError> {
        launches.iter().try_for_each(|launch| self.visible(launch))?;
        self.inner.record(launches)
    }

    fn replay(&self, recording: &Recording) -> Result<(), DeviceError> {
        count(&self.replays);
        self.inner.replay(recording)
    }

    fn synchronize(&self) -> Result<(), DeviceError> {
        self.inner.synchronize()
    }
}
