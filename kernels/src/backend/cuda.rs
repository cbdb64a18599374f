//! NVIDIA devices through cudarc: the only file that names it.
//!
//! cudarc panics where the driver library is missing, so [`devices`] asks for it first, and nothing
//! here is reached without it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::{CString, c_void};
use std::rc::Rc;

use cudarc::driver::{DriverError, result, sys};

use super::device::check;
use super::nvrtc::nvrtc;
use super::{
    Backend, Buffer, Device, DeviceError, DeviceInfo, GROUP, Kind, Launch, Limits, Recording, Source,
};

/// The NVIDIA devices that `CUDA_VISIBLE_DEVICES` leaves; none without a driver.
pub(super) fn devices() -> Vec<DeviceInfo> {
    // SAFETY: tries to load the driver library and nothing else.
    if !unsafe { sys::is_culib_present() } || result::init().is_err() {
        return Vec::new();
    }
    let mut version = 0;
    // SAFETY: writes one integer.
    let known = unsafe { sys::cuDriverGetVersion(&raw mut version) } == sys::CUresult::CUDA_SUCCESS;
    let driver = match known {
        true => format!("CUDA driver {}.{}", version / 1000, version % 1000 / 10),
        false => "CUDA driver".to_owned(),
    };
    let count = result::device::get_count().unwrap_or(0);
    let describe = |ordinal: i32| {
        let device = result::device::get(ordinal).ok()?;
        let (major, minor) = capability(device).ok()?;
        // SAFETY: the device was given by the driver.
        let (memory, integrated) = unsafe {
            let integrated = sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_INTEGRATED;
            (
                result::device::total_mem(device).ok(),
                result::device::get_attribute(device, integrated) == Ok(1),
            )
        };
        Some(DeviceInfo {
            backend: Backend::Cuda,
            index: ordinal as usize,
            name: result::device::get_name(device).ok()?,
            kind: if integrated { Kind::Integrated } else { Kind::Discrete },
            memory: memory.map(|bytes| bytes as u64),
            driver: driver.clone(),
            api: format!("sm_{major}{minor}"),
        })
    };
    (0..count).filter_map(describe).collect()
}

fn capability(device: sys::CUdevice) -> Result<(i32, i32), DriverError> {
    use sys::CUdevice_attribute::{
        CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR as MAJOR,
        CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR as MINOR,
    };
    // SAFETY: the device was given by the driver.
    unsafe {
        Ok((result::device::get_attribute(device, MAJOR)?, result::device::get_attribute(device, MINOR)?))
    }
}

/// The primary context of a device with a stream of ours; both go with the last buffer.
struct Context {
    device: sys::CUdevice,
    context: sys::CUcontext,
    stream: sys::CUstream,
}

impl Context {
    fn bind(&self) -> Result<(), DriverError> {
        // SAFETY: the context is retained as long as `self` lives.
        unsafe { result::ctx::set_current(self.context) }
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: all buffers and modules that belong to the context hold `self`, so they are gone;
        // the stream and our hold on the context are given back once.
        unsafe {
            if self.bind().is_ok() {
                let _ = result::stream::synchronize(self.stream);
                let _ = result::stream::destroy(self.stream);
            }
            let _ = result::primary_ctx::release(self.device);
        }
    }
}

struct Memory {
    context: Rc<Context>,
    address: sys::CUdeviceptr,
}

impl Drop for Memory {
    fn drop(&mut self) {
        if self.context.bind().is_ok() {
            // SAFETY: allocated by us and freed once; `cuMemFree` waits for kernels that use it.
            let _ = unsafe { result::free_sync(self.address) };
        }
    }
}

/// A captured list of launches.
struct Graph {
    context: Rc<Context>,
    executable: sys::CUgraphExec,
}

impl Drop for Graph {
    fn drop(&mut self) {
        if self.context.bind().is_ok() {
            // SAFETY: instantiated by us and destroyed once, after the stream has done with it.
            unsafe {
                let _ = result::stream::synchronize(self.context.stream);
                let _ = result::graph::exec_destroy(self.executable);
            }
        }
    }
}

/// An opened NVIDIA device.
pub(super) struct Cuda {
    name: String,
    architecture: String,
    matrix_halves: bool,
    context: Rc<Context>,
    modules: RefCell<HashMap<&'static str, sys::CUmodule>>,
}

impl Cuda {
    pub fn open(info: &DeviceInfo) -> Result<Self, DeviceError> {
        let name = format!("{} ({})", info.request(), info.name);
        let failed = |error: DriverError| DeviceError::Failed {
            op: "open",
            device: name.clone(),
            shape: info.name.clone(),
            message: error.to_string(),
        };
        let open = || -> Result<(Context, bool), DriverError> {
            result::init()?;
            let device = result::device::get(info.index as i32)?;
            // SAFETY: the device was given by the driver.
            let context = unsafe { result::primary_ctx::retain(device)? };
            // SAFETY: the context was just retained.
            let stream = unsafe { result::ctx::set_current(context) }
                .and_then(|()| result::stream::create(result::stream::StreamKind::NonBlocking));
            match stream {
                Ok(stream) => Ok((Context { device, context, stream }, capability(device)?.0 >= 8)),
                Err(error) => {
                    // SAFETY: retained above and not used any more.
                    let _ = unsafe { result::primary_ctx::release(device) };
                    Err(error)
                }
            }
        };
        let (context, matrix_halves) = open().map_err(failed)?;
        let (context, architecture) = (Rc::new(context), info.api.clone());
        Ok(Self { name: name.clone(), architecture, matrix_halves, context, modules: RefCell::default() })
    }

    fn failed(&self, op: &'static str, shape: String, message: &dyn std::fmt::Display) -> DeviceError {
        DeviceError::Failed { op, device: self.name.clone(), shape, message: message.to_string() }
    }

    fn memory<'a>(&self, buffer: &'a Buffer) -> Result<&'a Memory, DeviceError> {
        buffer
            .memory()
            .ok_or_else(|| self.failed("bind", buffer.name.to_owned(), &"buffer of another device"))
    }

    fn address(&self, buffer: &Buffer) -> Result<sys::CUdeviceptr, DeviceError> {
        Ok(self.memory(buffer)?.address + 4 * buffer.offset as u64)
    }

    fn module(&self, source: &Source) -> Result<sys::CUmodule, DeviceError> {
        if let Some(module) = self.modules.borrow().get(source.op) {
            return Ok(*module);
        }
        let compiler = nvrtc().ok_or_else(|| DeviceError::Unsupported {
            op: source.op,
            device: self.name.clone(),
            reason:
                "no NVRTC library (libnvrtc.so.12 or .13) is found; load a CUDA module or set OSTEON_NVRTC"
                    .to_owned(),
        })?;
        let image = compiler.compile_cached(source, &self.architecture)?;
        // SAFETY: the image is a whole cubin; the driver copies it.
        let module = unsafe { result::module::load_data(image.as_ptr().cast()) }
            .map_err(|e| self.failed(source.op, "load".to_owned(), &e))?;
        self.modules.borrow_mut().insert(source.op, module);
        Ok(module)
    }
}

impl Drop for Cuda {
    fn drop(&mut self) {
        if self.synchronize().is_ok() {
            for module in self.modules.borrow().values() {
                // SAFETY: loaded by us, unloaded once, and no kernel of it is running.
                let _ = unsafe { result::module::unload(*module) };
            }
        }
    }
}

impl Device for Cuda {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn limits(&self) -> Limits {
        // Indices are 32 bits wide in the kernels; y and z of a grid end at 65535.
        Limits { binding_words: u32::MAX as usize, groups: 65535, matrix_halves: self.matrix_halves }
    }

    fn alloc(&self, name: &'static str, words: usize) -> Result<Buffer, DeviceError> {
        let bytes = 4 * words.max(1);
        let shape = || format!("{name}[{words}]");
        self.context.bind().map_err(|e| self.failed("alloc", shape(), &e))?;
        // SAFETY: the context is current.
        let address = unsafe { result::malloc_sync(bytes) }.map_err(|error| match error.0 {
            sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY => {
                DeviceError::OutOfMemory { buffer: name, device: self.name.clone(), bytes: bytes as u64 }
            }
            _ => self.failed("alloc", shape(), &error),
        })?;
        let memory = Memory { context: Rc::clone(&self.context), address };
        Ok(Buffer::new(name, words, Rc::new(memory)))
    }

    fn upload(&self, buffer: &Buffer, words: &[u32]) -> Result<(), DeviceError> {
        assert!(words.len() <= buffer.words, "{}: {} words", buffer.name, words.len());
        let address = self.address(buffer)?;
        let copy = || -> Result<(), DriverError> {
            self.context.bind()?;
            // SAFETY: the buffer holds so many words, and the copy is done before this returns.
            unsafe {
                result::stream::synchronize(self.context.stream)?;
                if words.is_empty() { Ok(()) } else { result::memcpy_htod_sync(address, words) }
            }
        };
        copy().map_err(|e| self.failed("upload", format!("{}[{}]", buffer.name, words.len()), &e))
    }

    fn download(&self, buffer: &Buffer) -> Result<Vec<u32>, DeviceError> {
        let address = self.address(buffer)?;
        let mut words = vec![0u32; buffer.words];
        let mut copy = || -> Result<(), DriverError> {
            self.context.bind()?;
            // SAFETY: the buffer holds so many words; the stream is waited for before they are used.
            unsafe {
                if !words.is_empty() {
                    result::memcpy_dtoh_async(&mut words, address, self.context.stream)?;
                }
                result::stream::synchronize(self.context.stream)
            }
        };
        copy().map_err(|e| self.failed("download", format!("{}[{}]", buffer.name, buffer.words), &e))?;
        Ok(words)
    }

    fn launch(&self, launch: &Launch) -> Result<(), DeviceError> {
        check(launch, self.limits(), &self.name)?;
        let failed = |e: DriverError| self.failed(launch.source.op, launch.shape(), &e);
        self.context.bind().map_err(failed)?;
        let module = self.module(&launch.source)?;
        let mut params = [0u32; 16];
        params[..launch.params.len()].copy_from_slice(&launch.params);
        let mut addresses = Vec::with_capacity(launch.buffers.len());
        for buffer in &launch.buffers {
            addresses.push(self.address(buffer)?);
        }
        let mut arguments: Vec<*mut c_void> = addresses.iter_mut().map(|a| (&raw mut *a).cast()).collect();
        arguments.push(params.as_mut_ptr().cast());
        let name =
            CString::new(launch.entry).map_err(|e| self.failed(launch.source.op, launch.shape(), &e))?;
        let [x, y, z] = launch.groups;
        // SAFETY: the entry takes the launch's buffers and then at most 16 words of parameters, of
        // which the driver reads as many as it declares; the buffers live until the stream is
        // waited for, as `cuMemFree` waits.
        unsafe {
            let function = result::module::get_function(module, name).map_err(failed)?;
            let block = (GROUP as u32, 1, 1);
            result::launch_kernel(function, (x, y, z), block, 0, self.context.stream, &mut arguments)
                .map_err(failed)
        }
    }

    fn record(&self, launches: Vec<Launch>) -> Result<Recording, DeviceError> {
        let failed = |e: DriverError| self.failed("record", format!("{} launches", launches.len()), &e);
        // Nothing is loaded while a stream is captured.
        for launch in &launches {
            self.context.bind().map_err(failed)?;
            self.module(&launch.source)?;
        }
        let stream = self.context.stream;
        let mode = sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
        // SAFETY: the stream is ours; a capture that was begun is ended, whatever happened within.
        let (launched, captured) = unsafe {
            result::stream::begin_capture(stream, mode).map_err(failed)?;
            let launched = launches.iter().try_for_each(|launch| self.launch(launch));
            (launched, result::stream::end_capture(stream))
        };
        // SAFETY: the graph was just captured, is instantiated once and then destroyed.
        let executable = unsafe {
            let graph = match (launched, captured) {
                (Ok(()), Ok(graph)) => graph,
                (Err(error), captured) => {
                    if let Ok(graph) = captured {
                        let _ = result::graph::destroy(graph);
                    }
                    return Err(error);
                }
                (Ok(()), Err(error)) => return Err(failed(error)),
            };
            let executable = result::graph::instantiate(graph, sys::CUgraphInstantiate_flags(0));
            let _ = result::graph::destroy(graph);
            executable.map_err(failed)?
        };
        let graph = Graph { context: Rc::clone(&self.context), executable };
        Ok(Recording { launches, prepared: Some(Rc::new(graph)) })
    }

    fn replay(&self, recording: &Recording) -> Result<(), DeviceError> {
        let graph = recording.prepared.as_ref().and_then(|p| p.downcast_ref::<Graph>());
        let Some(graph) = graph else {
            return recording.launches.iter().try_for_each(|launch| self.launch(launch));
        };
        let start = || -> Result<(), DriverError> {
            self.context.bind()?;
            // SAFETY: the graph is alive, and the recording keeps its buffers.
            unsafe { result::graph::launch(graph.executable, self.context.stream) }
        };
        start().map_err(|e| self.failed("replay", format!("{} launches", recording.launches.len()), &e))
    }

    fn synchronize(&self) -> Result<(), DeviceError> {
        let wait = || -> Result<(), DriverError> {
            self.context.bind()?;
            // SAFETY: the stream lives as long as the context.
            unsafe { result::stream::synchronize(self.context.stream) }
        };
        wait().map_err(|e| self.failed("synchronize", String::new(), &e))
    }
}
