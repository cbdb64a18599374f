//! The op on the harness.

use super::{Activation, device};
use crate::backend::{Device, DeviceError, Source};
use crate::ops::Op;
use crate::ops::case::{Case, Gradient, Tensor, Work, normal};
use crate::simd::{Kernel, LANES, Level, Simd, run_on};

/// `activation` for the harness: outputs `a` and `dz`.
pub struct ActivationOp;

fn kind(case: &Case) -> Activation {
    Activation::ALL[case.size("kind")].1
}

struct Fast<'a> {
    kind: Activation,
    z: &'a [f32],
    da: &'a [f32],
    a: &'a mut [f32],
    dz: &'a mut [f32],
}

impl Kernel for Fast<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for i in (0..self.z.len()).step_by(LANES) {
            // SAFETY: the buffers are padded to a multiple of 16.
            unsafe {
                let a = self.kind.value_lanes(s, s.load(self.z.as_ptr().add(i)));
                let da = s.load(self.da.as_ptr().add(i));
                s.store(self.a.as_mut_ptr().add(i), a);
                s.store(self.dz.as_mut_ptr().add(i), s.mul(da, self.kind.slope_lanes(s, a)));
            }
        }
    }
}

impl Op for ActivationOp {
    fn name(&self) -> &'static str {
        "activation"
    }

    fn cases(&self) -> Vec<Case> {
        let mut cases = Vec::new();
        for (k, (name, _)) in Activation::ALL.iter().enumerate() {
            for n in [0usize, 1, 17, 1000] {
                let z = normal(n as u64 + 1, n).iter().map(|z| 3.0 * z).collect();
                cases.push(
                    Case::new(format!("{name}_n{n}"))
                        .option("kind", k as f64)
                        .with(Tensor::f32("z", &[n], z))
                        .with(Tensor::f32("da", &[n], normal(n as u64 + 2, n))),
                );
            }
        }
        cases
    }

    fn reference(&self, case: &Case) -> Vec<Tensor> {
        let (kind, n) = (kind(case), case.input("z").len());
        let a: Vec<f64> = case.input("z").to_f64().iter().map(|&z| kind.value(z)).collect();
        let dz = a.iter().zip(case.input("da").to_f64()).map(|(&a, da)| da * kind.slope(a)).collect();
        vec![Tensor::f64("a", &[n], a), Tensor::f64("dz", &[n], dz)]
    }

    fn cpu(&self, case: &Case, level: Level) -> Vec<Tensor> {
        let n = case.input("z").len();
        let padded = n.next_multiple_of(LANES);
        let pad = |name: &str| {
            let mut v = case.input(name).to_f32();
            v.resize(padded, 0.0);
            v
        };
        let (z, da) = (pad("z"), pad("da"));
        let (mut a, mut dz) = (vec![0.0; padded], vec![0.0; padded]);
        run_on(level, Fast { kind: kind(case), z: &z, da: &da, a: &mut a, dz: &mut dz });
        a.truncate(n);
        dz.truncate(n);
        vec![Tensor::f32("a", &[n], a), Tensor::f32("dz", &[n], dz)]
    }

    fn gradients(&self) -> Vec<Gradient> {
        vec![Gradient { of: "a", seed: Some("da"), wrt: "z", gradient: "dz" }]
    }

    fn source(&self) -> Option<Source> {
        Some(device::SOURCE)
    }

    fn run_on(&self, device: &dyn Device, case: &Case) -> Result<Vec<Tensor>, DeviceError> {
        device::run(device, case)
    }

    fn work(&self, case: &Case) -> Work {
        let n = case.input("z").len() as f64;
        Work { bytes: 16.0 * n, flops: 20.0 * n }
    }
}
