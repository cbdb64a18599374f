//! Kills at random moments, one after the other, in one run directory.

use std::path::Path;
use std::time::Duration;

use osteon_core::rng::{Purpose, Stream};

use crate::job::{Job, Start, log_of, mpi, rounds_done, train_args};

/// Starts a run and kills it, up to so many times or until it is finished: all its processes at once, or one
/// rank, whose job must then end by itself. Gives the number of kills.
pub fn killed_often(study: &Path, run: &Path, set: &[&str], kills: u64) -> u64 {
    let finished = || run.join("summary.json").exists();
    let mut done = 0;
    while done < kills && !finished() {
        let ranks = if done % 2 == 1 && mpi() { 2 + done as usize / 2 % 3 } else { 1 };
        let start = if ranks > 1 { Start::Ranks(ranks) } else { Start::Solo };
        let before = rounds_done(run);
        let mut job = Job::start(start, &train_args(study, run, set), &[], &log_of(run));
        // At a moment that depends on nothing in the run: while it starts, reads, trains or saves.
        let mut draw = Stream::new(1, Purpose::Synthetic, done);
        if done % 3 > 0 {
            job.until("a round", || rounds_done(run) > before || finished());
        }
        std::thread::sleep(Duration::from_millis(draw.below(60) / 6 * (done % 3)));
        match job.ranks().get(draw.below(ranks as u64) as usize) {
            Some(&rank) if ranks > 1 && done % 4 == 1 => {
                let ended = job.kill_one(rank);
                assert!(ended.code != Some(0) || finished(), "a dead rank went unseen: {}", ended.stderr);
            }
            _ => job.kill(),
        }
        done += 1;
    }
    done
}
