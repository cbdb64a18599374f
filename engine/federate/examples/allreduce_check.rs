//! Prints the SHA-256 of a parameter sum and an exact sum over 50 made-up sites: the same line for any number
//! of ranks and any MPI library. `mpirun -n K allreduce_check [WORDS_PER_CALL [FAULT]]`, where FAULT is
//! `nan`, `panic` or `stall` on the last rank.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use osteon_core::exact::ExactSum;
use osteon_core::{Failure, Reduce};
use osteon_federate::hash::model_sha256;
use osteon_federate::{
    Comm, CommReduce, ConnectOptions, FederateError, ParamScale, ParamSum, TensorSpec, connect, placement,
};

const SITES: usize = 50;
const PARAMS: usize = 6849;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let chunk = args.next().and_then(|a| a.parse().ok());
    let fault = args.next();
    let mut options = ConnectOptions::default();
    options.chunk_words = chunk.unwrap_or(options.chunk_words);
    let comm = match connect(options) {
        Ok(comm) => comm,
        Err(e) => return end(&e),
    };
    match check(&comm, fault.as_deref()) {
        Ok(line) if comm.rank() == 0 => match writeln!(std::io::stdout(), "{line}") {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        Ok(_) => ExitCode::SUCCESS,
        Err(e) => {
            let code = end(&e);
            if !e.is_agreed() {
                comm.abort(e.exit_code() as i32);
            }
            code
        }
    }
}

fn check(comm: &Comm, fault: Option<&str>) -> Result<String, FederateError> {
    let last = comm.rank() + 1 == comm.size();
    let _deadline = comm.deadline(Duration::from_secs(5), "the check");
    match fault {
        Some("panic") if last => panic!("asked for"),
        Some("stall") if last => std::thread::sleep(Duration::from_secs(60)),
        _ => {}
    }
    let sizes: Vec<u64> = (0..SITES as u64).map(|k| 7 + 13 * k).collect();
    let rank_of = placement::place(&sizes, comm.size());
    let tensors = TensorSpec::layout([("w", vec![PARAMS])]);
    let mut sum = ParamSum::<f32>::new(ParamScale::choose(sizes.iter().sum()), &tensors, 1);
    let mut moments = [ExactSum::new()];
    for site in (0..SITES).filter(|&k| rank_of[k] == comm.rank()) {
        let mut params: Vec<f32> =
            (0..PARAMS).map(|i| ((i * 31 + site * 17) % 4093) as f32 * 1e-3 - 2.0).collect();
        moments[0].extend(params.iter().map(|&x| f64::from(x).powi(9)));
        if fault == Some("nan") && last {
            params[5] = f32::NAN;
        }
        sum.add(0, &format!("site {site}"), sizes[site], &params);
    }
    let mut mean = vec![0f32; PARAMS];
    sum.finish(comm)?.write(&mut mean);
    CommReduce(comm).sum(&mut moments).map_err(|e| FederateError::Mpi(e.to_string()))?;
    let bits = moments[0].value().map_or(0, f64::to_bits);
    Ok(format!("{} {bits:016x}", model_sha256(&tensors, &mean, 1)))
}

fn end(error: &FederateError) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "error: {error}");
    ExitCode::from(error.exit_code() as u8)
}
