//! A device that keeps the launches of an op, so that its kernels can be timed without their transfers.

use std::cell::RefCell;

use osteon_kernels::backend::{Buffer, Device, DeviceError, Launch, Limits};

/// Passes everything on.
pub struct Captured<'a> {
    inner: &'a dyn Device,
    pub launches: RefCell<Vec<Launch>>,
}

impl<'a> Captured<'a> {
    pub fn new(inner: &'a dyn Device) -> Self {
        Self { inner, launches: RefCell::default() }
    }
}

impl Device for Captured<'_> {
    fn name(&self) -> String {
        self.inner.name()
    }

    fn limits(&self) -> Limits {
        self.inner.limits()
    }

    fn alloc(&self, name: &'static str, words: usize) -> Result<Buffer, DeviceError> {
        self.inner.alloc(name, words)
    }

    fn upload(&self, buffer: &Buffer, words: &[u32]) -> Result<(), DeviceError> {
        self.inner.upload(buffer, words)
    }

    fn download(&self, buffer: &Buffer) -> Result<Vec<u32>, DeviceError> {
        self.inner.download(buffer)
    }

    fn launch(&self, launch: &Launch) -> Result<(), DeviceError> {
        self.launches.borrow_mut().push(launch.clone());
        self.inner.launch(launch)
    }

    fn synchronize(&self) -> Result<(), DeviceError> {
        self.inner.synchronize()
    }
}
