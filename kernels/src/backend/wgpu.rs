//! Vulkan devices through wgpu: the only file that names it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use wgpu::{
    Adapter, Backends, BindGroup, BindGroupDescriptor, BindGroupEntry, BindingResource, BufferBinding,
    BufferDescriptor, BufferUsages, CommandEncoderDescriptor, ComputePassDescriptor, ComputePipeline,
    ComputePipelineDescriptor, DeviceDescriptor, DeviceType, Instance, InstanceDescriptor, MapMode, PollType,
    ShaderModule, ShaderModuleDescriptor, ShaderSource,
};

use super::device::check;
use super::{Backend, Buffer, Device, DeviceError, DeviceInfo, Kind, Launch, Limits, Recording, Source};

/// Vulkan adapters in the order of their driver.
fn adapters() -> Vec<Adapter> {
    let descriptor =
        InstanceDescriptor { backends: Backends::VULKAN, ..InstanceDescriptor::new_without_display_handle() };
    pollster::block_on(Instance::new(descriptor).enumerate_adapters(Backends::VULKAN))
}

/// The Vulkan devices; none without a loader or driver.
pub(super) fn devices() -> Vec<DeviceInfo> {
    let describe = |(index, adapter): (usize, &Adapter)| {
        let info = adapter.get_info();
        DeviceInfo {
            backend: Backend::Wgpu,
            index,
            name: info.name,
            kind: match info.device_type {
                DeviceType::DiscreteGpu => Kind::Discrete,
                DeviceType::IntegratedGpu => Kind::Integrated,
                DeviceType::VirtualGpu => Kind::Virtual,
                DeviceType::Cpu => Kind::Software,
                DeviceType::Other => Kind::Other,
            },
            memory: None,
            driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
            api: "Vulkan".to_owned(),
        }
    };
    adapters().iter().enumerate().map(describe).collect()
}

/// An opened Vulkan device.
pub(super) struct Wgpu {
    name: String,
    device: wgpu::Device,
    queue: wgpu::Queue,
    limits: Limits,
    largest_buffer: u64,
    modules: RefCell<HashMap<&'static str, ShaderModule>>,
    pipelines: RefCell<HashMap<(&'static str, &'static str), ComputePipeline>>,
    /// What the device said outside a call; wgpu would panic if nobody took it.
    fault: Arc<Mutex<Option<wgpu::Error>>>,
}

impl Wgpu {
    pub fn open(info: &DeviceInfo) -> Result<Self, DeviceError> {
        let name = info.request();
        let failed = |message: String| DeviceError::Failed {
            op: "open",
            device: name.clone(),
            shape: info.name.clone(),
            message,
        };
        let adapter =
            adapters().into_iter().nth(info.index).ok_or_else(|| failed("it is gone".to_owned()))?;
        let limits = adapter.limits();
        let descriptor = DeviceDescriptor { required_limits: limits.clone(), ..Default::default() };
        let (device, queue) =
            pollster::block_on(adapter.request_device(&descriptor)).map_err(|e| failed(e.to_string()))?;
        let fault = Arc::new(Mutex::new(None));
        let keep = Arc::clone(&fault);
        device.on_uncaptured_error(Arc::new(move |error| {
            keep.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        }));
        Ok(Self {
            name: format!("{name} ({})", info.name),
            device,
            queue,
            limits: Limits {
                binding_words: (limits.max_storage_buffer_binding_size / 4) as usize,
                groups: limits.max_compute_workgroups_per_dimension,
                matrix_halves: false,
            },
            largest_buffer: limits.max_buffer_size,
            modules: RefCell::default(),
            pipelines: RefCell::default(),
            fault,
        })
    }

    /// Turns what the device said since the last call into an error.
    fn faultless(&self, op: &'static str, shape: impl FnOnce() -> String) -> Result<(), DeviceError> {
        match self.fault.lock().unwrap_or_else(PoisonError::into_inner).take() {
            None => Ok(()),
            Some(error) => Err(self.failed(op, shape(), &error)),
        }
    }

    fn failed(&self, op: &'static str, shape: String, error: &dyn std::fmt::Display) -> DeviceError {
        DeviceError::Failed { op, device: self.name.clone(), shape, message: error.to_string() }
    }

    fn buffer<'a>(&self, buffer: &'a Buffer) -> Result<&'a wgpu::Buffer, DeviceError> {
        buffer
            .memory()
            .ok_or_else(|| self.failed("bind", buffer.name.to_owned(), &"buffer of another device"))
    }

    fn pipeline(&self, source: Source, entry: &'static str) -> Result<ComputePipeline, DeviceError> {
        let key = (source.op, entry);
        if let Some(pipeline) = self.pipelines.borrow().get(&key) {
            return Ok(pipeline.clone());
        }
        let mut modules = self.modules.borrow_mut();
        let module = modules.entry(source.op).or_insert_with(|| {
            self.device.create_shader_module(ShaderModuleDescriptor {
                label: Some(source.op),
                source: ShaderSource::Wgsl(source.full_wgsl().into()),
            })
        });
        let pipeline = self.device.create_compute_pipeline(&ComputePipelineDescriptor {
            label: Some(entry),
            layout: None,
            module,
            entry_point: Some(entry),
            compilation_options: Default::default(),
            cache: None,
        });
        self.faultless(source.op, || entry.to_owned()).map_err(|error| DeviceError::Compile {
            op: source.op,
            device: self.name.clone(),
            log: error.to_string(),
        })?;
        self.pipelines.borrow_mut().insert(key, pipeline.clone());
        Ok(pipeline)
    }

    fn raw(&self, name: &'static str, bytes: u64, usage: BufferUsages) -> Result<wgpu::Buffer, DeviceError> {
        if bytes > self.largest_buffer {
            let (what, device) = (name.to_owned(), self.name.clone());
            let limit = self.largest_buffer;
            return Err(DeviceError::TooLarge { what, device, needed: bytes, limit, unit: "bytes" });
        }
        let buffer = self.device.create_buffer(&BufferDescriptor {
            label: Some(name),
            size: bytes,
            usage,
            mapped_at_creation: false,
        });
        match self.fault.lock().unwrap_or_else(PoisonError::into_inner).take() {
            None => Ok(buffer),
            Some(wgpu::Error::OutOfMemory { .. }) => {
                Err(DeviceError::OutOfMemory { buffer: name, device: self.name.clone(), bytes })
            }
            Some(error) => Err(self.failed("alloc", format!("{name}, {bytes} bytes"), &error)),
        }
    }
}

/// A launch with its pipeline, parameters and buffers in place.
struct Bound {
    pipeline: ComputePipeline,
    group: BindGroup,
    groups: [u32; 3],
}

impl Wgpu {
    fn bind(&self, launch: &Launch) -> Result<Bound, DeviceError> {
        check(launch, self.limits, &self.name)?;
        let pipeline = self.pipeline(launch.source, launch.entry)?;
        let params = self.raw("params", 64, BufferUsages::UNIFORM | BufferUsages::COPY_DST)?;
        self.queue.write_buffer(&params, 0, bytemuck::cast_slice(&launch.params));
        let mut entries = vec![BindGroupEntry { binding: 0, resource: params.as_entire_binding() }];
        for (binding, buffer) in (1..).zip(&launch.buffers) {
            let part = BufferBinding {
                buffer: self.buffer(buffer)?,
                offset: 4 * buffer.offset as u64,
                size: std::num::NonZeroU64::new(4 * buffer.words.max(1) as u64),
            };
            entries.push(BindGroupEntry { binding, resource: BindingResource::Buffer(part) });
        }
        let group = self.device.create_bind_group(&BindGroupDescriptor {
            label: Some(launch.entry),
            layout: &pipeline.get_bind_group_layout(0),
            entries: &entries,
        });
        self.faultless(launch.source.op, || launch.shape())?;
        Ok(Bound { pipeline, group, groups: launch.groups })
    }

    /// One command buffer; each launch sees what those before it wrote.
    fn submit(&self, launches: &[Bound]) {
        let mut encoder = self.device.create_command_encoder(&CommandEncoderDescriptor::default());
        {
            let mut pass = encoder.begin_compute_pass(&ComputePassDescriptor::default());
            for Bound { pipeline, group, groups: [x, y, z] } in launches {
                pass.set_pipeline(pipeline);
                pass.set_bind_group(0, group, &[]);
                pass.dispatch_workgroups(*x, *y, *z);
            }
        }
        self.queue.submit([encoder.finish()]);
    }
}

impl Device for Wgpu {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    fn alloc(&self, name: &'static str, words: usize) -> Result<Buffer, DeviceError> {
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_DST | BufferUsages::COPY_SRC;
        let buffer = self.raw(name, 4 * words.max(1) as u64, usage)?;
        Ok(Buffer::new(name, words, std::rc::Rc::new(buffer)))
    }

    fn upload(&self, buffer: &Buffer, words: &[u32]) -> Result<(), DeviceError> {
        if words.is_empty() {
            return Ok(());
        }
        self.queue.write_buffer(self.buffer(buffer)?, 4 * buffer.offset as u64, bytemuck::cast_slice(words));
        self.faultless("upload", || format!("{}[{}]", buffer.name, words.len()))
    }

    fn download(&self, buffer: &Buffer) -> Result<Vec<u32>, DeviceError> {
        if buffer.words == 0 {
            return self.synchronize().map(|()| Vec::new());
        }
        let bytes = 4 * buffer.words as u64;
        let shape = || format!("{}[{}]", buffer.name, buffer.words);
        let staging = self.raw(buffer.name, bytes, BufferUsages::MAP_READ | BufferUsages::COPY_DST)?;
        let mut encoder = self.device.create_command_encoder(&CommandEncoderDescriptor::default());
        encoder.copy_buffer_to_buffer(self.buffer(buffer)?, 4 * buffer.offset as u64, &staging, 0, bytes);
        self.queue.submit([encoder.finish()]);
        let (send, receive) = std::sync::mpsc::channel();
        staging.slice(..).map_async(MapMode::Read, move |mapped| {
            let _ = send.send(mapped);
        });
        self.synchronize()?;
        match receive.recv() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(self.failed("download", shape(), &error)),
            Err(error) => return Err(self.failed("download", shape(), &error)),
        }
        let view = staging.slice(..).get_mapped_range().map_err(|e| self.failed("download", shape(), &e))?;
        Ok(bytemuck::pod_collect_to_vec(&view))
    }

    fn launch(&self, launch: &Launch) -> Result<(), DeviceError> {
        let bound = self.bind(launch)?;
        self.submit(std::slice::from_ref(&bound));
        self.faultless(launch.source.op, || launch.shape())
    }

    fn record(&self, launches: Vec<Launch>) -> Result<Recording, DeviceError> {
        let bound: Vec<Bound> = launches.iter().map(|launch| self.bind(launch)).collect::<Result<_, _>>()?;
        Ok(Recording { launches, prepared: Some(std::rc::Rc::new(bound)) })
    }

    fn replay(&self, recording: &Recording) -> Result<(), DeviceError> {
        let Some(bound) = recording.prepared.as_ref().and_then(|p| p.downcast_ref::<Vec<Bound>>()) else {
            return recording.launches.iter().try_for_each(|launch| self.launch(launch));
        };
        self.submit(bound);
        self.faultless("replay", || format!("{} launches", bound.len()))
    }

    fn synchronize(&self) -> Result<(), DeviceError> {
        let waited = self.device.poll(PollType::wait_indefinitely());
        waited.map_err(|e| self.failed("synchronize", String::new(), &e))?;
        self.faultless("synchronize", String::new)
    }
}
