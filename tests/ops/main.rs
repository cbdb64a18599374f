//! One harness for every op on every backend: `cargo test --test ops -- <op>::<backend>::<case>`.
//!
//! Each case compares a backend with the op's f64 oracle by normalised mean square error; the
//! oracle's own gradients are checked by central differences, and all CPU levels and thread counts
//! must agree to the bit. A device version runs between sentinels, twice, to the same bits; the CUDA
//! sources run on the CPU too, in three orders of their threads. `OSTEON_PRINT_NMSE=1` prints errors.

mod captured;
mod compare;
mod devices;
mod guard;
mod limited;
mod narrow;
mod shim;
mod support;
mod timing;
mod training;

use std::io::Write;

use libtest_mimic::{Arguments, Failed, Trial};
use osteon_kernels::ops::{ALL, Case, Op};
use osteon_kernels::simd::Level;

fn main() {
    if let Ok(what) = std::env::var("OSTEON_TIME") {
        if let Err(error) = timing::run(&what) {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            std::process::exit(5);
        }
        return;
    }
    let mut trials = Vec::new();
    for &op in ALL {
        for case in op.cases() {
            for level in Level::available() {
                let name = format!("{}::cpu_{}::{}", op.name(), level.name(), case.label);
                let case = case.clone();
                trials.push(Trial::test(name, move || on_cpu(op, &case, level)));
            }
            if !op.gradients().is_empty() {
                let name = format!("{}::gradient::{}", op.name(), case.label);
                trials.push(Trial::test(name, move || compare::gradients(op, &case)));
            }
        }
    }
    trials.extend(devices::trials());
    trials.push(Trial::test("every_op::docs::the table is current", support::is_current));
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// One CPU level against the oracle, and the same bits on one and on four threads.
fn on_cpu(op: &dyn Op, case: &Case, level: Level) -> Result<(), Failed> {
    let run = |threads: usize, level: Level| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        Ok::<_, rayon::ThreadPoolBuildError>(pool.install(|| op.cpu(case, level)))
    };
    let outputs = run(1, level)?;
    compare::outputs(&outputs, &op.reference(case), op.max_nmse())?;
    compare::same_bits(&outputs, &run(4, level)?, "4 threads")?;
    compare::same_bits(&outputs, &run(1, Level::Portable)?, "the portable level")
}
