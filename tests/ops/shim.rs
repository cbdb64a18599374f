//! The CUDA sources on the CPU: compiled unchanged by the machine's C++ compiler behind
//! `kernels/shim/cuda_on_cpu.h`, one thread of a block after the other in a chosen order.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::{CString, c_int, c_uint, c_void};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;
use std::rc::Rc;
use std::sync::{Mutex, OnceLock, PoisonError};

use osteon_kernels::backend::{Buffer, Device, DeviceError, GROUP, Launch, Limits, Source};

/// In which order the threads of a block take their turns.
#[derive(Debug, Clone, Copy)]
pub enum Order {
    Forward,
    Reverse,
    Shuffled,
}

impl Order {
    pub const ALL: [Self; 3] = [Self::Forward, Self::Reverse, Self::Shuffled];
}

type Entry = unsafe extern "C" fn(*mut *mut c_void, c_uint, c_uint, c_uint, c_uint, c_uint) -> c_int;

/// A C++ compiler with C++20, by `CXX` or by name.
pub fn compiler() -> Option<&'static str> {
    static FOUND: OnceLock<Option<String>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        let named = std::env::var("CXX").ok();
        let works =
            |name: &String| Command::new(name).arg("--version").output().is_ok_and(|o| o.status.success());
        named.into_iter().chain(["g++".to_owned(), "c++".to_owned()]).find(works)
    });
    found.as_deref()
}

/// Handles of the loaded libraries by the hash of their text. They stay open: the state of the fibres
/// is in them.
static LIBRARIES: Mutex<BTreeMap<u64, usize>> = Mutex::new(BTreeMap::new());
/// The scheduler of a library is one for the process.
static TURN: Mutex<()> = Mutex::new(());

const HEADER: &str = include_str!("../../kernels/shim/cuda_on_cpu.h");
const OPTIONS: [&str; 5] = ["-O1", "-std=c++20", "-shared", "-fPIC", "-ffp-contract=off"];

/// The library of a CUDA text; compiled once for all processes of a test run.
fn library(text: &str) -> Result<usize, String> {
    let compiler = compiler().ok_or("no C++ compiler")?;
    let mut hasher = DefaultHasher::new();
    (HEADER, text, compiler, OPTIONS).hash(&mut hasher);
    let key = hasher.finish();
    let mut libraries = LIBRARIES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = libraries.get(&key) {
        return Ok(*handle);
    }
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cuda_on_cpu-{key:016x}.so"));
    if !file.exists() {
        compile(compiler, text, &file)?;
    }
    let path = CString::new(file.as_os_str().as_bytes()).map_err(|e| e.to_string())?;
    // SAFETY: the path is zero-terminated; the library was compiled from our own sources.
    let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
    if handle.is_null() {
        return Err(format!("{} cannot be loaded", file.display()));
    }
    libraries.insert(key, handle as usize);
    Ok(handle as usize)
}

fn compile(compiler: &str, text: &str, file: &Path) -> Result<(), String> {
    let entries = text.split("__global__ void ").skip(1).filter_map(|rest| rest.split('(').next());
    let entries: String = entries.map(|name| format!("CUDA_ENTRY({name})\n")).collect();
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).map_err(|e| e.to_string())?;
    let (source, object) = (folder.path().join("kernel.cpp"), folder.path().join("kernel.so"));
    fs::write(&source, format!("{HEADER}\n{text}\n{entries}")).map_err(|e| e.to_string())?;
    let output = Command::new(compiler)
        .args(OPTIONS)
        .args([source.as_os_str(), "-o".as_ref(), object.as_os_str()])
        .output()
        .map_err(|e| e.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    // Another process may do the same: the file appears whole.
    fs::rename(&object, file).map_err(|e| e.to_string())
}

/// Host memory and serial blocks.
pub struct Shim {
    pub order: Order,
    /// Changes the CUDA text before it is compiled: plants a fault.
    pub fault: Option<fn(String) -> String>,
}

impl Shim {
    pub fn new(order: Order) -> Self {
        Self { order, fault: None }
    }

    fn failed(&self, op: &'static str, shape: String, message: String) -> DeviceError {
        DeviceError::Failed { op, device: self.name(), shape, message }
    }

    fn memory<'a>(&self, buffer: &'a Buffer) -> Result<&'a RefCell<Vec<u32>>, DeviceError> {
        let foreign = || self.failed("bind", buffer.name.to_owned(), "buffer of another device".to_owned());
        buffer.memory().ok_or_else(foreign)
    }

    fn entry(&self, source: &Source, name: &str) -> Result<Entry, DeviceError> {
        let compile = |log| DeviceError::Compile { op: source.op, device: self.name(), log };
        let text = source.full_cuda();
        let text = self.fault.map_or(text.clone(), |fault| fault(text));
        let handle = library(&text).map_err(compile)?;
        let symbol = CString::new(format!("run_{name}")).map_err(|e| compile(e.to_string()))?;
        // SAFETY: the library stays open; `CUDA_ENTRY` defines the symbol with this signature.
        unsafe {
            let address = libc::dlsym(handle as *mut c_void, symbol.as_ptr());
            if address.is_null() {
                return Err(compile(format!("no entry {name}")));
            }
            Ok(std::mem::transmute::<*mut c_void, Entry>(address))
        }
    }
}

impl Device for Shim {
    fn name(&self) -> String {
        format!("cuda_shim ({:?})", self.order)
    }

    fn limits(&self) -> Limits {
        Limits { binding_words: u32::MAX as usize, groups: 65535, matrix_halves: true }
    }

    fn alloc(&self, name: &'static str, words: usize) -> Result<Buffer, DeviceError> {
        Ok(Buffer::new(name, words, Rc::new(RefCell::new(vec![0u32; words.max(1)]))))
    }

    fn upload(&self, buffer: &Buffer, words: &[u32]) -> Result<(), DeviceError> {
        let mut memory = self.memory(buffer)?.borrow_mut();
        memory[buffer.offset..buffer.offset + words.len()].copy_from_slice(words);
        Ok(())
    }

    fn download(&self, buffer: &Buffer) -> Result<Vec<u32>, DeviceError> {
        Ok(self.memory(buffer)?.borrow()[buffer.offset..buffer.offset + buffer.words].to_vec())
    }

    fn launch(&self, launch: &Launch) -> Result<(), DeviceError> {
        let entry = self.entry(&launch.source, launch.entry)?;
        let mut params = [0u32; 16];
        params[..launch.params.len()].copy_from_slice(&launch.params);
        let mut addresses = Vec::new();
        for buffer in &launch.buffers {
            addresses.push(self.memory(buffer)?.borrow_mut()[buffer.offset..].as_mut_ptr());
        }
        let mut arguments: Vec<*mut c_void> = addresses.iter_mut().map(|a| (&raw mut *a).cast()).collect();
        arguments.push(params.as_mut_ptr().cast());
        let [x, y, z] = launch.groups;
        let code = {
            let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
            // SAFETY: the entry takes the launch's buffers and parameters by address; nobody else
            // holds a borrow of them, and the scheduler runs one launch at a time.
            unsafe { entry(arguments.as_mut_ptr(), x, y, z, GROUP as c_uint, self.order as c_uint) }
        };
        match code {
            0 => Ok(()),
            _ => {
                let message = "threads of a block wait at different barriers".to_owned();
                Err(self.failed(launch.source.op, launch.shape(), message))
            }
        }
    }

    fn synchronize(&self) -> Result<(), DeviceError> {
        Ok(())
    }
}
