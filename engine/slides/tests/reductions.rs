//! Moments, components and prototypes of generated slides against plain `f64`.
#![cfg(feature = "hdf5")]
#![allow(clippy::print_stderr, reason = "says why a test was skipped, and the errors of the real tokens")]

use std::path::{Path, PathBuf};

use half::f16;
use nalgebra::DMatrix;
use osteon_core::rng::{Purpose, Stream};
use osteon_slides::{
    Fit, Memberships, Mixture, Pca, Pooling, Precision, Prototypes, Reduced, Scatter, Slide, SlidesError,
    Wanted, reduce,
};

const WIDTH: usize = 60;

/// A slide of tiles in half precision whose columns lie up to 17 standard deviations from zero.
fn slide(dir: &Path, number: u64, tiles: usize) -> (PathBuf, Vec<f64>) {
    let mut stream = Stream::new(21, Purpose::Synthetic, number);
    let mut values = Vec::new();
    for _ in 0..tiles {
        let common = stream.normal();
        for j in 0..WIDTH {
            let x = 17.0 * (j as f64 / WIDTH as f64) + 0.6 * common * (j % 5) as f64 + stream.normal();
            values.push(f16::from_f64(x));
        }
    }
    let path = dir.join(format!("s{number}.h5"));
    let file = hdf5::File::create(&path).expect("a file");
    let data = file.new_dataset::<f16>().chunk([1, WIDTH]).shape([tiles, WIDTH]).create("features");
    data.and_then(|d| d.write_raw(&values)).expect("numbers");
    (path, values.into_iter().map(f16::to_f64).collect())
}

fn wanted(precision: Precision) -> Wanted {
    let pools = ["mean", "std", "max", "min", "q10", "q50", "top3"];
    let pools = pools.into_iter().map(|p| p.parse().expect("a pooling")).collect();
    Wanted { key: None, pools, products: true, precision, device: None }
}

fn run(path: &Path, precision: Precision, threads: usize) -> Reduced {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
    let slide = Slide::open(path, None).expect("a slide");
    pool.install(|| reduce(&[slide], &wanted(precision))).expect("reduced")
}

#[test]
fn vectors_are_those_of_plain_f64() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let (path, x) = slide(dir.path(), 0, 4500);
    for (precision, limit) in [(Precision::Single, 1e-6), (Precision::Double, 1e-12)] {
        let found = run(&path, precision, 1);
        for j in 0..WIDTH {
            let mut column: Vec<f64> = x.iter().skip(j).step_by(WIDTH).copied().collect();
            let n = column.len() as f64;
            let mean = column.iter().sum::<f64>() / n;
            let sd = (column.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
            column.sort_by(f64::total_cmp);
            let at = |q: f64| {
                let place = q * (n - 1.0);
                let (low, part) = (place.floor() as usize, place.fract());
                column[low] + part * (column[(low + 1).min(column.len() - 1)] - column[low])
            };
            let top = column.iter().rev().take(3).sum::<f64>() / 3.0;
            let plain = [mean, sd, column[column.len() - 1], column[0], at(0.1), at(0.5), top];
            for (k, plain) in plain.into_iter().enumerate() {
                let error = (found.vectors[k][j] - plain).abs() / sd;
                assert!(error < limit, "{precision:?} vector {k} column {j}: {error:e}");
            }
        }
    }
}

#[test]
fn bits_do_not_depend_on_threads() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let (path, _) = slide(dir.path(), 1, 1300);
    let one = run(&path, Precision::Single, 1);
    for threads in [2, 5] {
        assert_eq!(run(&path, Precision::Single, threads), one);
    }
}

/// Slides' sums, added in an order and in groups.
fn scatter(found: &[Reduced], order: &[&[usize]]) -> Scatter {
    let mut whole = Scatter::new(WIDTH);
    for group in order {
        let mut part = Scatter::new(WIDTH);
        for &k in *group {
            part.add(found[k].tiles, found[k].products.as_ref().expect("products"));
        }
        whole.merge(&part);
    }
    whole
}

/// Sine of the largest angle between the components of a model and the exact ones, and the largest error of the
/// variances relative to the largest variance.
fn against(model: &Pca, x: &[f64]) -> (f64, f64) {
    let width = model.components[0].len();
    let n = x.len() / width;
    let mut x = DMatrix::from_row_slice(n, width, x);
    for mut column in x.column_iter_mut() {
        let mean = column.sum() / n as f64;
        column.add_scalar_mut(-mean);
    }
    let svd = x.svd(false, true);
    let v = svd.v_t.expect("vectors");
    let k = model.components.len();
    let mut order: Vec<usize> = (0..svd.singular_values.len()).collect();
    order.sort_by(|&a, &b| svd.singular_values[b].total_cmp(&svd.singular_values[a]));
    let mut variance = 0f64;
    for (j, &row) in order.iter().take(k).enumerate() {
        let exact = svd.singular_values[row].powi(2) / (n as f64 - 1.0);
        let largest = svd.singular_values[order[0]].powi(2) / (n as f64 - 1.0);
        variance = variance.max((model.variance[j] - exact).abs() / largest);
    }
    // What of each component lies outside of the exact subspace: its norm is the sine.
    let mut outside = DMatrix::from_fn(k, width, |i, j| model.components[i][j]);
    for &row in order.iter().take(k) {
        let exact = v.row(row).clone_owned();
        let along = &outside * exact.transpose();
        outside -= along * exact;
    }
    (outside.svd(false, false).singular_values.max(), variance)
}

#[test]
fn components_equal_those_of_the_singular_value_decomposition() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let slides: Vec<_> =
        [700, 64, 1100].iter().enumerate().map(|(k, &n)| slide(dir.path(), k as u64, n)).collect();
    let all: Vec<f64> = slides.iter().flat_map(|(_, x)| x.iter().copied()).collect();
    // The first component stands out; the rest is one flat level, of which no subspace is determined.
    for (precision, limit) in [(Precision::Double, 1e-10), (Precision::Single, 1e-6)] {
        let found: Vec<_> = slides.iter().map(|(path, _)| run(path, precision, 2)).collect();
        let whole = scatter(&found, &[&[0, 1, 2]]);
        let model = Pca::fit(&whole, Fit { components: 1 }, None).expect("a model");
        let (angle, variance) = against(&model, &all);
        assert!(angle < limit && variance < limit, "{precision:?}: angle {angle:e}, variance {variance:e}");
        let full = Pca::fit(&whole, Fit { components: WIDTH }, None).expect("a model");
        let (_, variance) = against(&full, &all);
        assert!(variance < limit, "{precision:?}: variance {variance:e}");
        assert!((full.explained.iter().sum::<f64>() - 1.0).abs() < 1e-12);

        for order in [&[&[2, 1][..], &[0]][..], &[&[0], &[1], &[2]], &[&[], &[1, 0], &[], &[2], &[]]] {
            assert_eq!(scatter(&found, order).to_words(), whole.to_words());
        }
    }
}

#[test]
fn components_of_the_real_gigapath_tokens_equal_those_of_the_decomposition() {
    let required = std::env::var("OSTEON_REQUIRE").is_ok_and(|r| r.split(',').any(|p| p == "data"));
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let data = std::env::var_os("OSTEON_TEST_DATA").map_or(beside, Into::into).join("wsi");
    let Some(data) = Some(data).filter(|d| d.is_dir()) else {
        assert!(!required, "OSTEON_REQUIRE names data, and there is none");
        eprintln!("skipped: OSTEON_TEST_DATA names no folder with wsi");
        return;
    };
    let path = data.join("gigapath_tile_tokens_197x1536_f32.npy");
    let slide = Slide::open(&path, None).expect("the tokens");
    let mut x = Vec::new();
    let read = slide.stream(64, |rows| {
        x.extend((0..rows.len()).map(|k| rows.get(k)));
        Ok(())
    });
    read.expect("tokens");
    for (precision, limit) in [(Precision::Double, 1e-10), (Precision::Single, 1e-6)] {
        let found = run(&path, precision, 2);
        let mut whole = Scatter::new(slide.width());
        whole.add(found.tiles, found.products.as_ref().expect("products"));
        let model = Pca::fit(&whole, Fit { components: 16 }, None).expect("a model");
        let (angle, variance) = against(&model, &x);
        eprintln!("{precision:?}: angle {angle:.1e}, variance {variance:.1e}");
        assert!(angle < limit && variance < limit, "{precision:?}: angle {angle:e}, variance {variance:e}");
    }
}

#[test]
fn a_model_survives_its_file_and_whitens() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let (path, x) = slide(dir.path(), 4, 300);
    let found = run(&path, Precision::Double, 1);
    let model =
        Pca::fit(&scatter(&[found], &[&[0]]), Fit { components: 4 }, Some("e".into())).expect("a model");
    for component in &model.components {
        let largest = component.iter().fold(0f64, |m, x| if x.abs() > m.abs() { *x } else { m });
        assert!(largest > 0.0);
    }
    let file = dir.path().join("pca.json");
    model.write(&file).expect("written");
    assert_eq!(Pca::read(&file).expect("read"), model);
    // Scores of the tiles have the variances of the model, whitened ones 1.
    for (whiten, wanted) in [(false, model.variance[0]), (true, 1.0)] {
        let scores: Vec<f64> = x.chunks_exact(WIDTH).map(|tile| model.scores(tile, whiten)[0]).collect();
        let variance = scores.iter().map(|s| s * s).sum::<f64>() / (scores.len() as f64 - 1.0);
        assert!((variance / wanted - 1.0).abs() < 1e-10, "{variance} {wanted}");
    }
    assert!(Pca::fit(&Scatter::new(WIDTH), Fit { components: 2 }, None).is_err());
}

#[test]
fn prototypes_are_the_means_of_their_nearest_tiles() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let (path, x) = slide(dir.path(), 5, 333);
    let found = run(&path, Precision::Double, 1);
    let model = Pca::fit(&scatter(&[found], &[&[0]]), Fit { components: 5 }, None).expect("a model");
    let start = Prototypes::draw(&model, 3, 9);
    let assigned = start.assign(&Slide::open(&path, None).expect("a slide")).expect("assigned");
    let mut counts = vec![0; 3];
    let mut sums = vec![0.0; 3 * WIDTH];
    for tile in x.chunks_exact(WIDTH) {
        let far = |c: &Vec<f64>| c.iter().zip(tile).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
        let best =
            (0..3).min_by(|&a, &b| far(&start.centres[a]).total_cmp(&far(&start.centres[b]))).expect("three");
        counts[best] += 1;
        (0..WIDTH).for_each(|j| sums[best * WIDTH + j] += tile[j]);
    }
    assert_eq!(assigned.counts, counts);
    assert_eq!(assigned.sums, sums);
    let mut total = osteon_core::FixedSums::new(3 * (1 + WIDTH));
    total.add(&assigned.terms());
    let mut moved = start.clone();
    assert!(moved.step(&total));
    for (k, centre) in moved.centres.iter().enumerate().filter(|(k, _)| counts[*k] > 0) {
        assert!((centre[7] - sums[k * WIDTH + 7] / counts[k] as f64).abs() < 1e-12);
    }
}

#[test]
fn nan_and_mixtures_are_refused() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let make = |name: &str, width: usize, x: &[f32]| {
        let path = dir.path().join(name);
        let file = hdf5::File::create(&path).expect("a file");
        let data = file.new_dataset::<f32>().shape([x.len() / width, width]).create("features");
        data.and_then(|d| d.write_raw(x)).expect("numbers");
        path
    };
    let mut x = vec![1f32; 400];
    (x[205], x[206], x[399]) = (f32::NAN, f32::INFINITY, f32::NEG_INFINITY);
    let bad = make("nan.h5", 2, &x);
    let open = |path: &Path| Slide::open(path, None).expect("a slide");
    match reduce(&[open(&bad)], &wanted(Precision::Single)) {
        Err(SlidesError::NotFinite { values, tiles, first, .. }) => {
            assert_eq!((values, tiles, first), (3, 3, 102))
        }
        other => panic!("{other:?}"),
    }
    let (two, four) = (make("two.h5", 2, &[1.0; 8]), make("four.h5", 4, &[1.0; 8]));
    let text = reduce(&[open(&two), open(&four)], &wanted(Precision::Single))
        .expect_err("widths differ")
        .to_string();
    assert!(text.contains("2 and 4 values"), "{text}");
    for text in ["median", "q101", "top0", "q"] {
        assert!(text.parse::<Pooling>().is_err(), "{text}");
    }
}

/// Two clusters of tiles with different spreads, and a column that never changes.
fn clusters(dir: &Path, number: u64, tiles: usize) -> (PathBuf, Vec<f64>) {
    let mut stream = Stream::new(5, Purpose::Synthetic, number);
    let mut x = Vec::new();
    for t in 0..tiles {
        let far = t % 3 == 0;
        for j in 0..WIDTH {
            let (mean, sd) = if far { (4.0 + (j % 4) as f64, 1.5) } else { (4.0, 0.5) };
            x.push(if j == 7 { 2.5 } else { f64::from((mean + sd * stream.normal()) as f32) });
        }
    }
    let path = dir.join(format!("c{number}.h5"));
    let file = hdf5::File::create(&path).expect("a file");
    let values: Vec<f32> = x.iter().map(|&v| v as f32).collect();
    let data = file.new_dataset::<f32>().shape([tiles, WIDTH]).create("features");
    data.and_then(|d| d.write_raw(&values)).expect("numbers");
    (path, x)
}

fn begun(files: &[(PathBuf, Vec<f64>)], k: usize) -> Mixture {
    let found: Vec<Reduced> = files.iter().map(|(path, _)| run(path, Precision::Double, 1)).collect();
    let order: Vec<usize> = (0..found.len()).collect();
    let pca = Pca::fit(&scatter(&found, &[&order]), Fit { components: 5 }, None).expect("a model");
    let mut prototypes = Prototypes::draw(&pca, k, 3);
    let mut counts = vec![0; k];
    for _ in 0..3 {
        let mut sums = osteon_core::FixedSums::new(k * (1 + WIDTH));
        counts = vec![0; k];
        for (path, _) in files {
            let found = prototypes.assign(&Slide::open(path, None).expect("a slide")).expect("assigned");
            counts.iter_mut().zip(&found.counts).for_each(|(a, b)| *a += b);
            sums.add(&found.terms());
        }
        prototypes.step(&sums);
    }
    Mixture::begin(&prototypes, &counts, &pca).expect("a mixture")
}

fn expected(model: &Mixture, files: &[(PathBuf, Vec<f64>)]) -> Vec<Memberships> {
    let of = |(path, _): &(PathBuf, Vec<f64>)| model.expect(&Slide::open(path, None).expect("a slide"));
    files.iter().map(|file| of(file).expect("memberships")).collect()
}

fn summed(found: &[Memberships]) -> osteon_core::FixedSums {
    let mut sums = osteon_core::FixedSums::new(found[0].terms().len());
    found.iter().for_each(|f| sums.add(&f.terms()));
    sums
}

/// One step in plain `f64`, from the definition: the mean log-likelihood before it, and the mixture after it.
fn plain_step(model: &Mixture, x: &[f64]) -> (f64, Mixture) {
    let k = model.weights.len();
    let mut likelihood = 0.0;
    let member: Vec<Vec<f64>> = x
        .chunks_exact(WIDTH)
        .map(|tile| {
            let density = |c: usize| {
                let (m, v) = (&model.means[c], &model.variances[c]);
                let far = |j: usize| (tile[j] - m[j]).powi(2) / v[j] + (std::f64::consts::TAU * v[j]).ln();
                model.weights[c].ln() - 0.5 * (0..WIDTH).map(far).sum::<f64>()
            };
            let logs: Vec<f64> = (0..k).map(density).collect();
            let top = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let whole: f64 = logs.iter().map(|l| (l - top).exp()).sum();
            likelihood += top + whole.ln();
            logs.iter().map(|l| (l - top).exp() / whole).collect()
        })
        .collect();
    let n = member.len() as f64;
    let mut next = model.clone();
    for c in 0..k {
        let own: f64 = member.iter().map(|r| r[c]).sum();
        next.weights[c] = own / n;
        for j in (0..WIDTH).filter(|_| own >= 1.0) {
            let column = || x.iter().skip(j).step_by(WIDTH).zip(&member);
            next.means[c][j] = column().map(|(x, r)| r[c] * x).sum::<f64>() / own;
            let about = next.means[c][j];
            let variance = column().map(|(x, r)| r[c] * (x - about).powi(2)).sum::<f64>() / own;
            next.variances[c][j] = variance.max(model.floor[j]);
        }
    }
    (likelihood / n, next)
}

#[test]
fn a_step_of_a_mixture_is_that_of_plain_f64() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let files: Vec<_> =
        [400, 90].into_iter().enumerate().map(|(k, n)| clusters(dir.path(), k as u64, n)).collect();
    let all: Vec<f64> = files.iter().flat_map(|(_, x)| x.iter().copied()).collect();
    let mut model = begun(&files, 3);
    let close = |a: f64, b: f64, limit: f64| assert!((a - b).abs() <= limit * b.abs().max(1.0), "{a} {b}");
    for step in 0..6 {
        let (likelihood, plain) = plain_step(&model, &all);
        let found = expected(&model, &files);
        assert!((found[1].tiles.iter().sum::<f64>() - 90.0).abs() < 1e-9);
        model.step(&summed(&found));
        close(model.log_likelihood[step], likelihood, 1e-6);
        for c in 0..3 {
            close(model.weights[c], plain.weights[c], 1e-5);
            for j in 0..WIDTH {
                close(model.means[c][j], plain.means[c][j], 1e-5);
                close(model.variances[c][j], plain.variances[c][j], 1e-5);
                assert!(model.variances[c][j] >= model.floor[j] && model.floor[j] > 0.0);
            }
        }
    }
    for pair in model.log_likelihood.windows(2) {
        assert!(pair[1] >= pair[0] - 1e-6 * pair[0].abs(), "{:?}", model.log_likelihood);
    }
    assert!(model.log_likelihood[5] > model.log_likelihood[0] + 1.0, "{:?}", model.log_likelihood);
    // The constant column rests on its floor, in every component that has tiles.
    let held = |c: &usize| model.weights[*c] * 490.0 >= 1.0;
    assert!((0..3).filter(held).count() >= 2, "{:?}", model.weights);
    assert!((0..3).filter(held).all(|c| model.variances[c][7] == model.floor[7]));
    // The wide cluster is a third of the tiles.
    let spread = |c: usize| model.variances[c][1];
    let wide: f64 = (0..3).filter(|&c| spread(c) > 1.2).map(|c| model.weights[c]).sum();
    assert!((wide - 1.0 / 3.0).abs() < 0.03, "{:?}", model.weights);
}

#[test]
fn memberships_of_slides_add_up_in_any_order_and_describe_each() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let files: Vec<_> =
        [130, 257, 16].into_iter().enumerate().map(|(k, n)| clusters(dir.path(), k as u64, n)).collect();
    let mut model = begun(&files, 4);
    let found = expected(&model, &files);
    let mut reversed = found.clone();
    reversed.reverse();
    assert_eq!(summed(&found).to_words(), summed(&reversed).to_words());
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().expect("a pool");
    assert_eq!(pool.install(|| expected(&model, &files)), found);
    model.step(&summed(&found));
    let one = &expected(&model, &files)[2];
    let shares = model.shares(one);
    assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    // One tile of the fitted mean is among those of the slide.
    let means = model.slide_means(one);
    let x = &files[2].1;
    let by_weight = (0..4).map(|c| means[c * WIDTH] * (1.0 + one.tiles[c]) - model.means[c][0]).sum::<f64>();
    let plain: f64 = x.iter().step_by(WIDTH).sum();
    assert!((by_weight - plain).abs() < 1e-8 * plain.abs(), "{by_weight} {plain}");
    let none = model.none();
    assert!(model.shares(&none).iter().all(|s| s.is_nan()));
    assert_eq!(model.slide_means(&none), model.means.concat());
    let file = dir.path().join("gmm.json");
    model.write(&file).expect("written");
    assert_eq!(Mixture::read(&file).expect("read"), model);
    std::fs::write(&file, "{\"osteon_mixture\":1}").expect("written");
    assert!(Mixture::read(&file).is_err());
}

#[test]
fn mixtures_of_too_few_or_equal_tiles_are_refused_and_lost_components_stay() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let files = [clusters(dir.path(), 0, 40)];
    let found = run(&files[0].0, Precision::Double, 1);
    let mut pca = Pca::fit(&scatter(&[found], &[&[0]]), Fit { components: 2 }, None).expect("a model");
    let mut prototypes = Prototypes::draw(&pca, 3, 1);
    let few = Mixture::begin(&prototypes, &[1, 1, 0], &pca).expect_err("two tiles").to_string();
    assert!(few.contains("a mixture of 3 components needs as many tiles; there are 2"), "{few}");
    // A component far from every tile.
    prototypes.centres[2] = vec![1e4; WIDTH];
    let mut model = Mixture::begin(&prototypes, &[20, 20, 0], &pca).expect("a mixture");
    for _ in 0..3 {
        let found = expected(&model, &files);
        model.step(&summed(&found));
        assert!(model.means.iter().flatten().chain(&model.weights).all(|x| x.is_finite()));
        assert_eq!((model.weights[2], &model.means[2]), (0.0, &prototypes.centres[2]));
    }
    pca.deviation = vec![0.0; WIDTH];
    let equal = Mixture::begin(&prototypes, &[20, 20, 0], &pca).expect_err("equal tiles").to_string();
    assert!(equal.contains("all tiles are equal"), "{equal}");
}
