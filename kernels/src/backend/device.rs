//! What an op needs of a device: buffers of 32-bit words, and launches of named entries.

use std::any::Any;
use std::fmt::Write;
use std::ops::Range;
use std::rc::Rc;

use super::DeviceError;

/// Threads of a group (block) in every kernel; part of the device sources.
pub const GROUP: usize = 256;
/// Elements that a thread of a counting kernel takes, so that a table of its group's own pays.
pub const PER_THREAD: usize = 16;
/// Words of counts that a group keeps of its own; larger tables are counted in the device's memory.
pub const TABLE_WORDS: usize = 3072;
/// Words that an offset into a buffer is a multiple of: 256 bytes, the most any adapter asks for.
pub const ALIGNMENT: usize = 64;

/// The two device versions of an op; [`Source::full_wgsl`] and [`Source::full_cuda`] put the shared
/// part in front.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// Op.
    pub op: &'static str,
    /// WGSL text. Binding 0 is the uniform `params`, the buffers follow in order.
    pub wgsl: &'static str,
    /// CUDA text. Each entry is `extern "C" __global__ void name(buffers..., params)`.
    pub cuda: &'static str,
}

/// 32-bit words on a device, or a part of them. The memory is given back with the last clone.
#[derive(Clone)]
pub struct Buffer {
    /// Name in the op's table.
    pub name: &'static str,
    /// First word.
    pub offset: usize,
    /// Words.
    pub words: usize,
    /// The backend's own handle.
    pub(super) memory: Rc<dyn Any>,
}

impl Buffer {
    /// All of a backend's memory.
    pub fn new(name: &'static str, words: usize, memory: Rc<dyn Any>) -> Self {
        Self { name, offset: 0, words, memory }
    }

    /// A part of this buffer; it starts at a multiple of [`ALIGNMENT`].
    ///
    /// # Panics
    /// If the range is not within the buffer or its start is not aligned.
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= self.words, "{}: {range:?}", self.name);
        assert_eq!(range.start % ALIGNMENT, 0, "{}: {range:?}", self.name);
        Self { offset: self.offset + range.start, words: range.len(), ..self.clone() }
    }

    /// The backend's handle, if it is of this type.
    pub fn memory<T: 'static>(&self) -> Option<&T> {
        self.memory.downcast_ref()
    }
}

/// One kernel launch.
#[derive(Clone)]
pub struct Launch {
    /// Where the entry is found.
    pub source: Source,
    /// Kernel.
    pub entry: &'static str,
    /// Buffers in the entry's order.
    pub buffers: Vec<Buffer>,
    /// Words of the entry's `Params`, at most 16.
    pub params: Vec<u32>,
    /// Groups of [`GROUP`] threads in each dimension.
    pub groups: [u32; 3],
}

impl Launch {
    /// A launch of `entry`; the buffers live as long as it does.
    pub fn new(
        source: Source,
        entry: &'static str,
        buffers: &[&Buffer],
        params: &[u32],
        groups: [u32; 3],
    ) -> Self {
        let buffers = buffers.iter().map(|b| (*b).clone()).collect();
        Self { source, entry, buffers, params: params.to_vec(), groups }
    }

    /// Entry, buffers and grid for an error message.
    pub fn shape(&self) -> String {
        let mut text = self.entry.to_owned();
        for buffer in &self.buffers {
            let _ = write!(text, " {}[{}]", buffer.name, buffer.words);
        }
        let _ = write!(text, ", groups {:?}", self.groups);
        text
    }
}

/// Launches that were prepared once, to be started together as often as wanted. What changes from
/// one time to the next lies in buffers.
pub struct Recording {
    /// The launches, in order.
    pub launches: Vec<Launch>,
    /// What the backend made of them.
    #[cfg_attr(not(any(feature = "wgpu", feature = "cuda")), expect(dead_code))]
    pub(super) prepared: Option<Rc<dyn Any>>,
}

impl Recording {
    /// Launches that are started one by one.
    pub fn plain(launches: Vec<Launch>) -> Self {
        Self { launches, prepared: None }
    }
}

/// What a device allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Words of one buffer that a kernel can see.
    pub binding_words: usize,
    /// Groups in the smallest dimension.
    pub groups: u32,
    /// Whether it runs the CUDA entries that multiply matrices of halves.
    pub matrix_halves: bool,
}

/// A device that was opened. Work is done in order; [`Device::download`] waits for it.
pub trait Device {
    /// Name for messages, such as `cuda:0 (NVIDIA H100)`.
    fn name(&self) -> String;

    /// What a launch may ask for.
    fn limits(&self) -> Limits;

    /// Memory for so many words, at least one; its contents are not defined.
    ///
    /// # Errors
    /// If there is not enough memory.
    fn alloc(&self, name: &'static str, words: usize) -> Result<Buffer, DeviceError>;

    /// Fills the beginning of a buffer.
    ///
    /// # Errors
    /// If the driver fails.
    fn upload(&self, buffer: &Buffer, words: &[u32]) -> Result<(), DeviceError>;

    /// Reads a whole buffer after all work before.
    ///
    /// # Errors
    /// If the driver fails, or a launch before did.
    fn download(&self, buffer: &Buffer) -> Result<Vec<u32>, DeviceError>;

    /// Starts a kernel.
    ///
    /// # Errors
    /// If it does not compile, a buffer or the grid is too large, or the driver fails.
    fn launch(&self, launch: &Launch) -> Result<(), DeviceError>;

    /// Prepares a list of launches for [`Device::replay`]: one graph on CUDA, bound groups on Vulkan.
    ///
    /// # Errors
    /// As [`Device::launch`].
    fn record(&self, launches: Vec<Launch>) -> Result<Recording, DeviceError> {
        Ok(Recording::plain(launches))
    }

    /// Starts all launches of a recording of this device.
    ///
    /// # Errors
    /// As [`Device::launch`].
    fn replay(&self, recording: &Recording) -> Result<(), DeviceError> {
        recording.launches.iter().try_for_each(|launch| self.launch(launch))
    }

    /// Waits for all work.
    ///
    /// # Errors
    /// If a launch before failed.
    fn synchronize(&self) -> Result<(), DeviceError>;
}

impl dyn Device + '_ {
    /// A new buffer with these numbers.
    ///
    /// # Errors
    /// As [`Device::alloc`] and [`Device::upload`].
    pub fn put(&self, name: &'static str, values: &[f32]) -> Result<Buffer, DeviceError> {
        self.put_words(name, bytemuck::cast_slice(values))
    }

    /// A new buffer with these words.
    ///
    /// # Errors
    /// As [`Device::alloc`] and [`Device::upload`].
    pub fn put_words(&self, name: &'static str, words: &[u32]) -> Result<Buffer, DeviceError> {
        let buffer = self.alloc(name, words.len())?;
        self.upload(&buffer, words)?;
        Ok(buffer)
    }

    /// The numbers of a buffer.
    ///
    /// # Errors
    /// As [`Device::download`].
    pub fn get(&self, buffer: &Buffer) -> Result<Vec<f32>, DeviceError> {
        Ok(self.download(buffer)?.into_iter().map(f32::from_bits).collect())
    }

    /// The grid for one thread per element; the kernel finds its own by `element`.
    pub fn elementwise(&self, elements: usize) -> [u32; 3] {
        self.line(elements.div_ceil(GROUP))
    }

    /// So many groups in a line that is folded where the device's limit asks for it. There may be
    /// more groups than asked for, so that a kernel has to compare.
    pub fn line(&self, groups: usize) -> [u32; 3] {
        let x = groups.clamp(1, self.limits().groups as usize);
        [x as u32, groups.div_ceil(x).max(1) as u32, 1]
    }

    /// The grid for [`PER_THREAD`] elements per thread.
    pub fn counting(&self, elements: usize) -> [u32; 3] {
        self.line(elements.div_ceil(GROUP * PER_THREAD))
    }

    /// Starts launches one after the other.
    ///
    /// # Errors
    /// As [`Device::launch`].
    pub fn run(&self, launches: impl IntoIterator<Item = Launch>) -> Result<(), DeviceError> {
        launches.into_iter().try_for_each(|launch| self.launch(&launch))
    }

    /// Ranges that cover so many elements, each within what one binding can see.
    pub fn pieces(&self, elements: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let piece = (self.limits().binding_words / ALIGNMENT * ALIGNMENT).max(ALIGNMENT);
        (0..elements).step_by(piece).map(move |start| start..elements.min(start + piece))
    }
}

/// Whether a launch is within the limits of its device.
#[cfg(any(feature = "wgpu", feature = "cuda"))]
pub(super) fn check(launch: &Launch, limits: Limits, device: &str) -> Result<(), DeviceError> {
    assert!(launch.params.len() <= 16, "{}: parameters", launch.entry);
    let too_large = |what, needed, limit, unit| {
        Err(DeviceError::TooLarge { what, device: device.to_owned(), needed, limit, unit })
    };
    if let Some(buffer) = launch.buffers.iter().find(|b| b.words > limits.binding_words) {
        let what = format!("{} of {}", buffer.name, launch.source.op);
        return too_large(what, 4 * buffer.words as u64, 4 * limits.binding_words as u64, "bytes");
    }
    if let Some(groups) = launch.groups.iter().find(|g| **g > limits.groups) {
        return too_large(launch.shape(), u64::from(*groups), limits.groups.into(), "groups");
    }
    Ok(())
}
