//! Patients ready for training: sorted once into risk order, features in vector lanes.

use osteon_core::files::sha256_hex;
use osteon_kernels::ops::cox_nll::{CoxInputError, RiskOrder};
use osteon_kernels::ops::dropout::patient_lanes;
use osteon_kernels::simd::LANES;
use osteon_kernels::tiles::{self, Lane};

/// One set of patients, shared by every problem that trains on it.
#[derive(Debug, Clone)]
pub struct Cohort {
    pub(crate) order: RiskOrder,
    pub(crate) features: usize,
    /// `[T, F, 16]` in risk order.
    pub(crate) x: Vec<Lane>,
    pub(crate) keys: Vec<u64>,
    pub(crate) patients: Vec<[[u32; LANES]; 2]>,
}

/// Outcome and features of patients, in the order of the table.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// Preprocessed features, row-major `[N, F]`.
    pub x: &'a [f64],
    /// Features `F`.
    pub features: usize,
    /// Follow-up time, `[N]`.
    pub time: &'a [f64],
    /// Whether the event was seen at that time, `[N]`.
    pub event: &'a [bool],
    /// Start of observation, `[N]`.
    pub entry: Option<&'a [f64]>,
    /// Strata, `[N]`.
    pub strata: Option<&'a [u32]>,
    /// Keys of the patients, `[N]`; see [`patient_key`].
    pub keys: &'a [u64],
}

/// The key under which a patient's random numbers are drawn: 64 bits of SHA-256 of the id, so that
/// it does not depend on the order of rows or on the site.
pub fn patient_key(id: &str) -> u64 {
    u64::from_str_radix(&sha256_hex(id.as_bytes())[..16], 16).unwrap_or(0)
}

impl Cohort {
    /// Sorts the patients into risk order.
    ///
    /// # Errors
    /// If the outcome is not one of survival data: see [`RiskOrder::new`].
    ///
    /// # Panics
    /// If `x` is not `[N, F]` or a length differs from that of `time`.
    pub fn new(rows: Rows) -> Result<Self, CoxInputError> {
        let n = rows.time.len();
        assert_eq!((rows.x.len(), rows.keys.len()), (n * rows.features, n), "cohort of {n} patients");
        let order = RiskOrder::new(rows.time, rows.event, rows.entry, rows.strata)?;
        let mut sorted = Vec::with_capacity(rows.x.len());
        let mut keys = Vec::with_capacity(n);
        for &row in order.order() {
            let row = row as usize;
            sorted.extend(rows.x[row * rows.features..(row + 1) * rows.features].iter().map(|&x| x as f32));
            keys.push(rows.keys[row]);
        }
        let x = tiles::from_rows(&sorted, n, rows.features);
        Ok(Self { order, features: rows.features, x, patients: patient_lanes(&keys), keys })
    }

    /// Patients `N`.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether there are no patients.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Features `F`.
    pub fn features(&self) -> usize {
        self.features
    }

    /// The once-sorted outcome.
    pub fn order(&self) -> &RiskOrder {
        &self.order
    }

    /// Values per row of the table, `[N]`, brought into risk order.
    pub fn to_risk_order<T: Copy>(&self, values: &[T]) -> Vec<T> {
        self.order.order().iter().map(|&row| values[row as usize]).collect()
    }

    /// Values in risk order, brought back to the rows of the table.
    pub fn to_rows<T: Copy + Default>(&self, values: &[T]) -> Vec<T> {
        let mut rows = vec![T::default(); values.len()];
        for (&row, &value) in self.order.order().iter().zip(values) {
            rows[row as usize] = value;
        }
        rows
    }

    /// The patients at ascending `positions` of risk order, as a cohort of their own.
    pub(crate) fn gather(&self, positions: &[u32]) -> Self {
        let mut x = Vec::new();
        tiles::gather(&self.x, self.features, positions, &mut x);
        let keys: Vec<u64> = positions.iter().map(|&p| self.keys[p as usize]).collect();
        let order = self.order.subset(positions);
        Self { order, features: self.features, x, patients: patient_lanes(&keys), keys }
    }
}
