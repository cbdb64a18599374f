//! Times an aggregation round beside the bare allreduce: `mpirun -n 4 round_bench [PARAMS] [ITERS]`.

use std::io::Write;

use osteon_federate::{ConnectOptions, bench, connect};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let mut number = |default: usize| args.next().map_or(Ok(default), |a| a.parse());
    let (params, iters) = (number(6849)?, number(500)?);
    let comm = connect(ConnectOptions::default())?;
    let timing = bench::round(&comm, params, iters)?;
    if comm.rank() == 0 {
        let mut out = std::io::stdout();
        writeln!(out, "{}", comm.library())?;
        writeln!(out, "{}", serde_json::to_string(&timing)?)?;
        writeln!(
            out,
            "round / bare: min {:.2}, median {:.2}",
            timing.round.min_ms / timing.bare.min_ms,
            timing.round.median_ms / timing.bare.median_ms
        )?;
    }
    Ok(())
}
