//! Median wall and CPU time of a piece of work, as a line of JSON.
//!
//! CPU time is that of the whole process (all threads): on a shared machine it says what the work
//! cost, while wall time also says who else was running.

use std::io::Write;
use std::time::Instant;

use serde_json::json;

/// CPU seconds this process has used.
fn cpu_seconds() -> f64 {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock exists on every POSIX system and `t` is writable.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut t) };
    t.tv_sec as f64 + t.tv_nsec as f64 * 1e-9
}

/// Runs `work` for about `seconds` of CPU time (5 samples at least, 200 at most, each of 2 ms or more)
/// and prints the median of wall and CPU milliseconds, divided by `per`. `extra` is added to the line.
pub fn time(what: &str, who: &str, seconds: f64, per: f64, extra: serde_json::Value, mut work: impl FnMut()) {
    work();
    let once = cpu_seconds();
    work();
    let once = (cpu_seconds() - once).max(1e-7);
    let repeats = (2e-3 / once).ceil().max(1.0);
    let samples = (seconds / (repeats * once)).clamp(5.0, 200.0) as usize;
    let (mut wall, mut cpu) = (Vec::new(), Vec::new());
    for _ in 0..samples {
        let (start, used) = (Instant::now(), cpu_seconds());
        for _ in 0..repeats as usize {
            work();
        }
        cpu.push((cpu_seconds() - used) * 1e3 / repeats / per);
        wall.push(start.elapsed().as_secs_f64() * 1e3 / repeats / per);
    }
    let median = |mut x: Vec<f64>| {
        x.sort_unstable_by(f64::total_cmp);
        (x[x.len() / 2], x[0])
    };
    let ((wall_ms, wall_min_ms), (cpu_ms, cpu_min_ms)) = (median(wall), median(cpu));
    let mut line = json!({
        "what": what, "who": who, "wall_ms": wall_ms, "cpu_ms": cpu_ms,
        "wall_min_ms": wall_min_ms, "cpu_min_ms": cpu_min_ms, "samples": samples,
    });
    if let (Some(line), Some(extra)) = (line.as_object_mut(), extra.as_object()) {
        line.extend(extra.clone());
        // Rates follow from the work that the caller states.
        for (amount, rate) in [("gflop", "gflop_per_s"), ("gbyte", "gbyte_per_s")] {
            if let Some(amount) = extra.get(amount).and_then(serde_json::Value::as_f64) {
                line.insert(rate.to_owned(), json!(amount / per / (cpu_min_ms * 1e-3)));
            }
        }
    }
    writeln!(std::io::stdout(), "{line}").expect("standard output");
}

/// Runs long `work` once, and prints wall and CPU milliseconds and the peak memory of the process.
#[allow(dead_code, reason = "not every program has long work")]
pub fn once<T>(what: &str, who: &str, work: impl FnOnce() -> T) -> T {
    let (start, used) = (Instant::now(), cpu_seconds());
    let done = work();
    let (wall_ms, cpu_ms) = (start.elapsed().as_secs_f64() * 1e3, (cpu_seconds() - used) * 1e3);
    let peak_mbyte = osteon_core::phases::peak_memory_bytes() as f64 * 1e-6;
    let line = json!({
        "what": what, "who": who, "wall_ms": wall_ms, "cpu_ms": cpu_ms, "samples": 1, "peak_mbyte": peak_mbyte,
    });
    writeln!(std::io::stdout(), "{line}").expect("standard output");
    done
}
