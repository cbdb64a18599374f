//! Embeddings in the types that files hold.

use half::{bf16, f16};

use crate::simd::{LANES, Simd};

/// Numbers that a vector of `f32`, or two of `f64`, can be loaded from.
pub trait Element: Copy + Send + Sync + 'static {
    /// Zero.
    const ZERO: Self;
    /// The value.
    fn value(self) -> f64;
    /// 16 values as `f32`; rounded where they are `f64`.
    /// # Safety
    /// `p` is valid for reading 16 values.
    unsafe fn load<S: Simd>(s: S, p: *const Self) -> S::F;
    /// 16 values as `f64`.
    /// # Safety
    /// `p` is valid for reading 16 values.
    #[inline(always)]
    unsafe fn load_wide<S: Simd>(s: S, p: *const Self) -> (S::D, S::D) {
        // SAFETY: as the function's.
        s.widen(unsafe { Self::load(s, p) })
    }
}

impl Element for f16 {
    const ZERO: Self = Self::ZERO;
    fn value(self) -> f64 {
        self.to_f64()
    }
    #[inline(always)]
    unsafe fn load<S: Simd>(s: S, p: *const Self) -> S::F {
        unsafe { s.load_f16(p.cast()) }
    }
}

impl Element for bf16 {
    const ZERO: Self = Self::ZERO;
    fn value(self) -> f64 {
        self.to_f64()
    }
    #[inline(always)]
    unsafe fn load<S: Simd>(s: S, p: *const Self) -> S::F {
        unsafe { s.load_bf16(p.cast()) }
    }
}

impl Element for f32 {
    const ZERO: Self = 0.0;
    fn value(self) -> f64 {
        f64::from(self)
    }
    #[inline(always)]
    unsafe fn load<S: Simd>(s: S, p: *const Self) -> S::F {
        unsafe { s.load(p) }
    }
}

impl Element for f64 {
    const ZERO: Self = 0.0;
    fn value(self) -> f64 {
        self
    }
    #[inline(always)]
    unsafe fn load<S: Simd>(s: S, p: *const Self) -> S::F {
        unsafe { s.narrow(s.load_d(p), s.load_d(p.add(LANES / 2))) }
    }
    #[inline(always)]
    unsafe fn load_wide<S: Simd>(s: S, p: *const Self) -> (S::D, S::D) {
        unsafe { (s.load_d(p), s.load_d(p.add(LANES / 2))) }
    }
}

/// Values of tiles as a file holds them, row-major.
#[derive(Debug, Clone, Copy)]
pub enum Rows<'a> {
    /// IEEE half precision.
    F16(&'a [f16]),
    /// bfloat16.
    Bf16(&'a [bf16]),
    /// Single precision.
    F32(&'a [f32]),
    /// Double precision.
    F64(&'a [f64]),
}

/// Calls `$body` with `$v` being the slice of values, whatever their type.
#[macro_export]
macro_rules! with_rows {
    ($rows:expr, $v:ident => $body:expr) => {
        match $rows {
            $crate::ops::pool::Rows::F16($v) => $body,
            $crate::ops::pool::Rows::Bf16($v) => $body,
            $crate::ops::pool::Rows::F32($v) => $body,
            $crate::ops::pool::Rows::F64($v) => $body,
        }
    };
}
pub use with_rows;

impl<'a> Rows<'a> {
    /// Number of values.
    pub fn len(self) -> usize {
        with_rows!(self, v => v.len())
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// A value.
    ///
    /// # Panics
    /// If there is none at `at`.
    pub fn get(self, at: usize) -> f64 {
        with_rows!(self, v => v[at].value())
    }

    /// The values `start..end`.
    ///
    /// # Panics
    /// If they are not all there.
    pub fn part(self, start: usize, end: usize) -> Rows<'a> {
        match self {
            Self::F16(v) => Self::F16(&v[start..end]),
            Self::Bf16(v) => Self::Bf16(&v[start..end]),
            Self::F32(v) => Self::F32(&v[start..end]),
            Self::F64(v) => Self::F64(&v[start..end]),
        }
    }
}
