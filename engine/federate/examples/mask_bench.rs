//! Times an aggregation round with and without pairwise masks: `mpirun -n 4 mask_bench [PARAMS] [SITES] [ITERS]`.

use std::io::Write;
use std::time::Instant;

use osteon_federate::aggregate::Masks;
use osteon_federate::{ConnectOptions, Kind, ParamScale, ParamSum, TensorSpec, connect};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let mut number = |default: usize| args.next().map_or(Ok(default), |a| a.parse());
    let (params, sites, iters) = (number(2_500_000)?, number(5)?, number(20)?);
    let comm = connect(ConnectOptions::default())?;
    let all: Vec<usize> = (0..sites).collect();
    let mine: Vec<usize> = all.iter().copied().filter(|k| k % comm.size() == comm.rank()).collect();
    let masks = Masks::agree(&comm, &mine, sites)?;
    let local: Vec<f32> = (0..params).map(|i| (i % 1009) as f32 * 1e-3 - 0.5).collect();
    let scale = ParamScale::choose(100 * sites as u64);
    let mut sum = ParamSum::<f32>::new(scale, &TensorSpec::layout([("w", vec![params])]), 1);
    let mut global = vec![0f32; params];
    let mut spent = [Vec::new(), Vec::new(), Vec::new()];
    for round in 0..2 * iters as u32 {
        let secure = round % 2 == 1;
        comm.agree(Ok(()))?;
        let start = Instant::now();
        sum.clear();
        mine.iter().for_each(|_| sum.add(0, "site", 100, &local));
        if secure {
            let laying = Instant::now();
            masks.lay(&mut sum, Kind::ParamSum, round, &mine, &all)?;
            spent[2].push(laying.elapsed().as_secs_f64() * 1e3);
        }
        sum.finish(&comm)?.write(&mut global);
        spent[usize::from(secure)].push(start.elapsed().as_secs_f64() * 1e3);
    }
    let mut line = format!("{params} parameters, {sites} sites, {} ranks, ms (min, median):", comm.size());
    for (name, mut ms) in ["bare", "masked", "masking alone"].into_iter().zip(spent) {
        ms.sort_by(f64::total_cmp);
        line += &format!(" {name} {:.1} {:.1};", ms[0], ms[ms.len() / 2]);
    }
    if comm.rank() == 0 {
        writeln!(std::io::stdout(), "{line}")?;
    }
    Ok(())
}
