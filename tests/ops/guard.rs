//! A device whose buffers lie between sentinels.

use std::cell::RefCell;

use osteon_kernels::backend::{ALIGNMENT, Buffer, Device, DeviceError, Launch, Limits};

/// What is written around every buffer, and into it before it is used: a NaN as a number.
const SENTINEL: u32 = 0x7fc5_a5a5;

/// Keeps every buffer that was allocated, with a border before and behind.
pub struct Guard<'a> {
    inner: &'a dyn Device,
    buffers: RefCell<Vec<Buffer>>,
}

impl<'a> Guard<'a> {
    pub fn new(inner: &'a dyn Device) -> Self {
        Self { inner, buffers: RefCell::default() }
    }

    /// Nobody wrote outside a buffer.
    pub fn check(&self) -> Result<(), String> {
        for whole in self.buffers.borrow().iter() {
            let words = self.inner.download(whole).map_err(|e| e.to_string())?;
            let end = words.len() - ALIGNMENT;
            let outside = (0..ALIGNMENT).chain(end..words.len()).find(|&i| words[i] != SENTINEL);
            if let Some(i) = outside {
                let at = i as i64 - ALIGNMENT as i64;
                return Err(format!("{}[{at}] was written, it has {} words", whole.name, end - ALIGNMENT));
            }
        }
        Ok(())
    }
}

impl Device for Guard<'_> {
    fn name(&self) -> String {
        self.inner.name()
    }

    fn limits(&self) -> Limits {
        self.inner.limits()
    }

    fn alloc(&self, name: &'static str, words: usize) -> Result<Buffer, DeviceError> {
        let whole = self.inner.alloc(name, words + 2 * ALIGNMENT)?;
        self.inner.upload(&whole, &vec![SENTINEL; words + 2 * ALIGNMENT])?;
        self.buffers.borrow_mut().push(whole.clone());
        Ok(whole.slice(ALIGNMENT..ALIGNMENT + words))
    }

    fn upload(&self, buffer: &Buffer, words: &[u32]) -> Result<(), DeviceError> {
        self.inner.upload(buffer, words)
    }

    fn download(&self, buffer: &Buffer) -> Result<Vec<u32>, DeviceError> {
        self.inner.download(buffer)
    }

    fn launch(&self, launch: &Launch) -> Result<(), DeviceError> {
        self.inner.launch(launch)
    }

    fn synchronize(&self) -> Result<(), DeviceError> {
        self.inner.synchronize()
    }
}
