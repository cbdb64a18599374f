//! NVIDIA's run-time compiler, loaded by name: that of CUDA 12 or 13, whichever is there.
//!
//! Its few functions have kept their signatures over all releases, so they are declared here; a
//! binding that looks for the names of one release would not find the other.

use std::env;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::fs;
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::OnceLock;

use super::{DeviceError, Source};

/// Names of the library, the newest first; `OSTEON_NVRTC` names another.
const NAMES: [&str; 4] = ["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so", "libnvrtc.so.11.2"];
/// Options of every compilation: part of the numeric profile and of the cache key.
const OPTIONS: [&str; 2] = ["--std=c++17", "--ptxas-options=-v"];

type Program = *mut c_void;
type Code = c_int;

/// The compiler's entry points.
pub struct Nvrtc {
    /// Library, for messages.
    pub library: String,
    /// Major and minor version.
    pub version: (i32, i32),
    create: unsafe extern "C" fn(
        *mut Program,
        *const c_char,
        *const c_char,
        c_int,
        *const *const c_char,
        *const *const c_char,
    ) -> Code,
    destroy: unsafe extern "C" fn(*mut Program) -> Code,
    compile: unsafe extern "C" fn(Program, c_int, *const *const c_char) -> Code,
    log_size: unsafe extern "C" fn(Program, *mut usize) -> Code,
    log: unsafe extern "C" fn(Program, *mut c_char) -> Code,
    cubin_size: unsafe extern "C" fn(Program, *mut usize) -> Code,
    cubin: unsafe extern "C" fn(Program, *mut c_char) -> Code,
}

/// Machine code and what the compiler said about it.
#[derive(Debug, Clone)]
pub struct Cubin {
    /// Image for the driver.
    pub image: Vec<u8>,
    /// The compiler's log: registers and spills of each entry.
    pub log: String,
}

/// The compiler of this process; `None` where no library is found.
pub fn nvrtc() -> Option<&'static Nvrtc> {
    static LOADED: OnceLock<Option<Nvrtc>> = OnceLock::new();
    LOADED.get_or_init(load).as_ref()
}

fn load() -> Option<Nvrtc> {
    let named = env::var("OSTEON_NVRTC").ok();
    let names: Vec<&str> = named.as_deref().map_or(NAMES.to_vec(), |name| vec![name]);
    names.into_iter().find_map(|name| {
        let c_name = CString::new(name).ok()?;
        // SAFETY: the name is zero-terminated; loading runs only the library's initialisers.
        let library = unsafe { libc::dlopen(c_name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        if library.is_null() {
            return None;
        }
        // SAFETY: each symbol is read as the type that NVRTC documents for it, and the library is
        // never closed.
        unsafe {
            let version: unsafe extern "C" fn(*mut c_int, *mut c_int) -> Code =
                symbol(library, c"nvrtcVersion")?;
            let (mut major, mut minor) = (0, 0);
            if version(&raw mut major, &raw mut minor) != 0 {
                return None;
            }
            Some(Nvrtc {
                library: name.to_owned(),
                version: (major, minor),
                create: symbol(library, c"nvrtcCreateProgram")?,
                destroy: symbol(library, c"nvrtcDestroyProgram")?,
                compile: symbol(library, c"nvrtcCompileProgram")?,
                log_size: symbol(library, c"nvrtcGetProgramLogSize")?,
                log: symbol(library, c"nvrtcGetProgramLog")?,
                cubin_size: symbol(library, c"nvrtcGetCUBINSize")?,
                cubin: symbol(library, c"nvrtcGetCUBIN")?,
            })
        }
    })
}

/// A function of a library.
///
/// # Safety
/// `F` is the type of a function pointer, and that of the symbol.
unsafe fn symbol<F: Copy>(library: *mut c_void, name: &CStr) -> Option<F> {
    assert_eq!(size_of::<F>(), size_of::<*mut c_void>());
    // SAFETY: the library is open; by the contract `F` is a pointer of the symbol's type.
    unsafe {
        let address = libc::dlsym(library, name.as_ptr());
        (!address.is_null()).then(|| std::mem::transmute_copy(&address))
    }
}

impl Nvrtc {
    /// Compiles for `sm_<major><minor>`.
    ///
    /// # Errors
    /// With the compiler's log.
    pub fn compile(&self, source: &Source, architecture: &str) -> Result<Cubin, DeviceError> {
        let failed =
            |log: String| DeviceError::Compile { op: source.op, device: architecture.to_owned(), log };
        let text = CString::new(source.full_cuda()).map_err(|e| failed(e.to_string()))?;
        let name = CString::new(format!("{}.cu", source.op)).map_err(|e| failed(e.to_string()))?;
        let architecture = CString::new(format!("--gpu-architecture={architecture}"));
        let mut options: Vec<CString> = OPTIONS.iter().filter_map(|o| CString::new(*o).ok()).collect();
        options.push(architecture.map_err(|e| failed(e.to_string()))?);
        let options: Vec<*const c_char> = options.iter().map(|o| o.as_ptr()).collect();
        let mut program = ptr::null_mut();
        // SAFETY: all strings are zero-terminated and outlive the calls; sizes come from NVRTC itself
        // before it writes so many bytes; the program is destroyed once.
        unsafe {
            let no = ptr::null();
            let code = (self.create)(&raw mut program, text.as_ptr(), name.as_ptr(), 0, no, no);
            if code != 0 {
                return Err(failed(format!("NVRTC error {code}")));
            }
            let code = (self.compile)(program, options.len() as c_int, options.as_ptr());
            let read = |size: unsafe extern "C" fn(Program, *mut usize) -> Code,
                        get: unsafe extern "C" fn(Program, *mut c_char) -> Code| {
                let mut bytes = 0;
                if size(program, &raw mut bytes) != 0 {
                    return Vec::new();
                }
                let mut text = vec![0u8; bytes];
                if get(program, text.as_mut_ptr().cast()) != 0 {
                    text.clear();
                }
                text
            };
            let log =
                String::from_utf8_lossy(&read(self.log_size, self.log)).trim_end_matches('\0').to_owned();
            let image = if code == 0 { read(self.cubin_size, self.cubin) } else { Vec::new() };
            (self.destroy)(&raw mut program);
            if image.is_empty() {
                return Err(failed(format!("NVRTC error {code}: {log}")));
            }
            Ok(Cubin { image, log })
        }
    }

    /// As [`Self::compile`], from the user's cache where the same source was compiled for the same
    /// architecture by the same version before.
    ///
    /// # Errors
    /// As [`Self::compile`]; a cache that cannot be written is no error.
    pub fn compile_cached(&self, source: &Source, architecture: &str) -> Result<Vec<u8>, DeviceError> {
        self.compile_into(cache().as_deref(), source, architecture)
    }

    /// As [`Self::compile_cached`] with a cache of one's own.
    pub(super) fn compile_into(
        &self,
        folder: Option<&Path>,
        source: &Source,
        architecture: &str,
    ) -> Result<Vec<u8>, DeviceError> {
        let file = folder.map(|folder| folder.join(cache_name(source, architecture, self.version)));
        if let Some(image) = file.as_ref().and_then(|f| fs::read(f).ok()).and_then(unsealed) {
            return Ok(image);
        }
        let image = self.compile(source, architecture)?.image;
        if let Some(file) = file {
            // Another process may write the same file: it appears whole or not at all.
            let aside = file.with_extension(format!("{}.tmp", std::process::id()));
            let written = file
                .parent()
                .map_or(Ok(()), fs::create_dir_all)
                .and_then(|()| fs::write(&aside, sealed(&image)));
            if written.and_then(|()| fs::rename(&aside, &file)).is_err() {
                let _ = fs::remove_file(&aside);
            }
        }
        Ok(image)
    }
}

/// Name of a compiled kernel in the cache: everything that its code depends on.
pub(super) fn cache_name(source: &Source, architecture: &str, version: (i32, i32)) -> String {
    let key = format!("{}\n{architecture}\n{version:?}\n{OPTIONS:?}", source.full_cuda());
    format!("{}-{}.cubin", source.op, &osteon_core::files::sha256_hex(key.as_bytes())[..32])
}

/// An image behind its hash, so that a damaged file is noticed.
pub(super) fn sealed(image: &[u8]) -> Vec<u8> {
    [osteon_core::files::sha256_hex(image).as_bytes(), image].concat()
}

/// The image of a whole file; `None` for a damaged one.
fn unsealed(mut file: Vec<u8>) -> Option<Vec<u8>> {
    let image = file.split_off(64.min(file.len()));
    (!image.is_empty() && osteon_core::files::sha256_hex(&image).as_bytes() == file).then_some(image)
}

/// Where compiled kernels are kept: `OSTEON_CACHE`, or the user's cache directory.
fn cache() -> Option<PathBuf> {
    let var = |name| env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let base = || var("XDG_CACHE_HOME").or_else(|| Some(var("HOME")?.join(".cache")));
    var("OSTEON_CACHE").or_else(|| Some(base()?.join("osteon"))).map(|folder| folder.join("kernels"))
}
