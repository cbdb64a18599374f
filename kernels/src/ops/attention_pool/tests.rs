use half::f16;
use osteon_core::rng::{Purpose, Stream};

use super::*;

const SHAPE: Shape = Shape { inputs: 70, hidden: 66, attention: 34 };

fn numbers(seed: u64, n: usize, scale: f64) -> Vec<f32> {
    let mut stream = Stream::new(seed, Purpose::Synthetic, 3);
    (0..n).map(|_| (stream.normal() * scale) as f32).collect()
}

/// Vector, attention and gradient of a bag.
fn run(level: Level, parameters: &[f32], rows: Rows) -> (Pooled, Vec<f64>, Vec<f64>) {
    let network = Network::new(level, SHAPE, parameters);
    let (mut space, mut pooled, mut logits) = (Workspace::default(), Pooled::new(SHAPE), vec![]);
    let step = BLOCK * SHAPE.inputs;
    let blocks: Vec<Rows> =
        (0..rows.len()).step_by(step).map(|at| rows.part(at, rows.len().min(at + step))).collect();
    let mut block = Block::default();
    for rows in &blocks {
        network.forward(*rows, None, &mut space, &mut block);
        pooled.add(level, &mut space, &block);
        logits.extend_from_slice(block.logits());
    }
    let pooled = pooled.finish().expect("tiles");
    let pull = numbers(9, SHAPE.hidden, 1.0);
    let mut gradient = vec![0.0; SHAPE.len()];
    for rows in &blocks {
        network.forward(*rows, None, &mut space, &mut block);
        network.backward(&mut space, &mut block, &pooled, &pull, None, &mut gradient);
    }
    let attention = pooled.attention(&logits);
    (pooled, attention, gradient)
}

fn bits(of: &(Pooled, Vec<f64>, Vec<f64>)) -> Vec<u64> {
    of.0.z().iter().chain(&of.1).chain(&of.2).map(|x| x.to_bits()).collect()
}

#[test]
fn a_bag_has_the_same_bits_for_any_number_of_threads_and_any_vectors() {
    let parameters = numbers(1, SHAPE.len(), 0.2);
    let rows = numbers(2, (2 * BLOCK + 77) * SHAPE.inputs, 1.0);
    let with = |threads: usize, level: Level| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        bits(&pool.install(|| run(level, &parameters, Rows::F32(&rows))))
    };
    let one = with(1, Level::Portable);
    for level in Level::available() {
        for threads in [1, 2, 3, 5] {
            assert_eq!(with(threads, level), one, "{} with {threads} threads", level.name());
        }
    }
}

#[test]
fn the_type_of_the_tiles_is_not_seen() {
    let parameters = numbers(1, SHAPE.len(), 0.2);
    let half: Vec<f16> = numbers(2, 90 * SHAPE.inputs, 1.0).into_iter().map(f16::from_f32).collect();
    let single: Vec<f32> = half.iter().map(|x| x.to_f32()).collect();
    let level = Level::current();
    assert_eq!(
        bits(&run(level, &parameters, Rows::F16(&half))),
        bits(&run(level, &parameters, Rows::F32(&single)))
    );
}

#[test]
fn huge_logits_choose_one_tile() {
    let mut parameters = numbers(1, SHAPE.len(), 0.2);
    for scale in [1e6, 1e30] {
        parameters[SHAPE.places().a].iter_mut().for_each(|a| *a = scale);
        let rows = numbers(2, (BLOCK + 40) * SHAPE.inputs, 1.0);
        let (pooled, attention, gradient) = run(Level::current(), &parameters, Rows::F32(&rows));
        assert_eq!(attention.iter().filter(|&&p| p == 1.0).count(), 1, "{scale}");
        assert!((attention.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert!(pooled.z().iter().chain(&gradient).all(|x| x.is_finite()), "{scale}");
        // The tile alone gives the same vector.
        let best = attention.iter().position(|&p| p == 1.0).expect("one") * SHAPE.inputs;
        let alone = run(Level::current(), &parameters, Rows::F32(&rows[best..best + SHAPE.inputs]));
        assert_eq!(alone.0.z(), pooled.z());
        assert_eq!(alone.1, [1.0]);
    }
}

#[test]
fn equal_logits_make_a_mean_and_no_number_makes_none() {
    let mut parameters = numbers(1, SHAPE.len(), 0.2);
    parameters[SHAPE.places().a].fill(0.0);
    let mut rows = numbers(2, 1500 * SHAPE.inputs, 1.0);
    let (_, attention, _) = run(Level::current(), &parameters, Rows::F32(&rows));
    assert!(attention.iter().all(|p| (p - 1.0 / 1500.0).abs() < 1e-15));
    rows[7] = f32::NAN;
    let (pooled, ..) = run(Level::current(), &parameters, Rows::F32(&rows));
    assert!(pooled.z().iter().any(|z| z.is_nan()), "a NaN is not passed over");
}

#[test]
fn a_bag_without_tiles_has_no_vector() {
    let (mut space, mut block) = (Workspace::default(), Block::default());
    let network = Network::new(Level::current(), SHAPE, &numbers(1, SHAPE.len(), 0.2));
    let mut pooled = Pooled::new(SHAPE);
    network.forward(Rows::F32(&[]), None, &mut space, &mut block);
    pooled.add(Level::current(), &mut space, &block);
    assert_eq!(pooled.finish(), None);
}
