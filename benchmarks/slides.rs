//! Osteon's side of the comparison on slide embeddings: one line of JSON per item. `slides DIR [SECONDS]`, where DIR holds
//! what `peers/slides.py --write DIR` generated; threads are those of `RAYON_NUM_THREADS`. `slides DIR pca` fits 128
//! components to 1.03 million tiles (one file, read 52 times over), once and in a process of its own for its peak memory.
//! `slides attention [SECONDS]` times attention pooling alone, which needs no files.
#![allow(missing_docs, reason = "a program")]

use std::hint::black_box;
use std::path::Path;

use half::f16;
use osteon_kernels::ops::attention_pool::{self, Network, Pooled, Shape};
use osteon_kernels::ops::gram::{BLOCK, Workspace, len};
use osteon_kernels::ops::pool::{Pool, Precision, Rows};
use osteon_kernels::simd::Level;
use osteon_slides::{
    Fit, Mixture, Pca, Pooling, Prototypes, Scatter, Slide, SlideProducts, Wanted, largest, reduce,
};
use rayon::prelude::*;
use serde_json::json;

mod stopwatch;

/// Values of an embedding, and tiles of the product.
const WIDTH: usize = 1536;
const TILES: usize = 4096;
/// Times that a slide of 20,000 tiles is read for the components of a million.
const SLIDES: usize = 52;

/// A bag of Prov-GigaPath's tiles through the network of Ilse et al., as CLAM sizes it.
const BAG: usize = 5000;
const NETWORK: Shape = Shape { inputs: WIDTH, hidden: 512, attention: 256 };

/// Forwards and backwards over a bag in half precision, the layout of the parameters included; activations are kept
/// between the passes, or computed again.
fn attention(who: &str, seconds: f64) {
    let level = Level::current();
    let value = |k: usize, scale: f32| (((k * 7919) % 1009) as f32 / 504.0 - 1.0) * scale;
    let x: Vec<f16> = (0..BAG * WIDTH).map(|k| f16::from_f32(value(k, 1.0))).collect();
    let parameters: Vec<f32> = (0..NETWORK.len()).map(|k| value(k, 0.05)).collect();
    let pull: Vec<f32> = (0..NETWORK.hidden).map(|k| value(k, 1.0)).collect();
    let mut gradient = vec![0.0; NETWORK.len()];
    let (first, gates) = (WIDTH * NETWORK.hidden, 2 * NETWORK.attention * NETWORK.hidden);
    let forward = 2e-9 * (BAG * (first + gates)) as f64;
    let both = forward + 2e-9 * (BAG * (first + 2 * gates)) as f64;
    let mut space = attention_pool::Workspace::default();
    let blocks = || x.chunks(attention_pool::BLOCK * WIDTH).map(Rows::F16);
    let mut kept: Vec<attention_pool::Block> = blocks().map(|_| Default::default()).collect();
    let mut pass = |keep: bool, backward: bool| {
        let network = Network::new(level, NETWORK, &parameters);
        let mut pooled = Pooled::new(NETWORK);
        for (rows, block) in blocks().zip(&mut kept) {
            network.forward(rows, None, &mut space, block);
            pooled.add(level, &mut space, block);
        }
        let pooled = pooled.finish().expect("tiles");
        for (rows, block) in blocks().zip(&mut kept).filter(|_| backward) {
            match keep {
                true => network.load(rows, &mut space),
                false => network.forward(rows, None, &mut space, block),
            }
            network.backward(&mut space, block, &pooled, &pull, None, &mut gradient);
        }
        black_box((&pooled, &gradient));
    };
    for (what, gflop, keep, backward) in [
        ("attention_forward", forward, true, false),
        ("attention_forward_backward", both, true, true),
        ("attention_forward_backward_recomputed", both + forward, false, true),
    ] {
        stopwatch::time(what, who, seconds, 1.0, json!({ "gflop": gflop }), || pass(keep, backward));
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let Some(dir) = args.first().map(Path::new) else { return };
    if args.get(1).is_some_and(|a| a == "pca") {
        return pca(dir);
    }
    let seconds = args.get(1).and_then(|s| s.parse().ok()).unwrap_or(1.0);
    let threads = rayon::current_num_threads();
    let who = format!("osteon, {threads} threads");
    attention(&who, seconds);
    if dir == Path::new("attention") {
        return;
    }
    let open = |name: &str| Slide::open(&dir.join(name), None).expect("a slide that peers/slides.py wrote");

    for (what, name) in [
        ("slides_read_contiguous_f16", "contiguous.h5"),
        ("slides_read_chunk_per_tile_f16", "chunk1.h5"),
        ("slides_read_chunk_per_tile_latest_f16", "latest.h5"),
        ("slides_read_gzip_f16", "gzip.h5"),
    ] {
        let slide = open(name);
        let gbyte = (slide.tiles() * slide.width() * slide.number().bytes()) as f64 * 1e-9;
        stopwatch::time(what, &who, seconds, 1.0, json!({ "gbyte": gbyte }), || {
            let slide = open(name);
            let mut first = 0.0;
            let read = slide.stream(512, |rows| {
                first += rows.get(0);
                Ok(())
            });
            read.expect("tiles");
            black_box(first);
        });
    }

    let pools = vec![Pooling::Mean, Pooling::Std, Pooling::Max];
    let wanted = |products| Wanted {
        key: None,
        pools: pools.clone(),
        products,
        precision: Precision::Single,
        device: None,
    };
    for (what, name) in [
        ("slides_pool_contiguous_f16", "contiguous.h5"),
        ("slides_pool_npy_f16", "tiles.npy"),
        ("slides_pool_chunk_per_tile_f16", "chunk1.h5"),
        ("slides_pool_gzip_f16", "gzip.h5"),
    ] {
        let slide = open(name);
        let gbyte = (slide.tiles() * slide.width() * slide.number().bytes()) as f64 * 1e-9;
        stopwatch::time(what, &who, seconds, 1.0, json!({ "gbyte": gbyte }), || {
            black_box(reduce(&[open(name)], &wanted(false)).expect("reduced"));
        });
    }

    split(&open("contiguous.h5"), seconds, &who);

    let x: Vec<f32> = (0..TILES * WIDTH).map(|k| ((k * 7919) % 1009) as f32 / 504.0 - 1.0).collect();
    let mut workspace = Workspace::new(WIDTH, Precision::Single);
    let (shift, mut gram) = (vec![0f32; WIDTH], vec![0.0; len(WIDTH)]);
    let gflop = 2e-9 * TILES as f64 * (WIDTH * WIDTH) as f64;
    stopwatch::time("slides_gram_f32", &who, seconds, 1.0, json!({ "gflop": gflop }), || {
        for block in x.chunks(BLOCK * WIDTH) {
            workspace.add(Level::current(), Rows::F32(block), &shift, &mut gram);
        }
        black_box(&gram);
    });

    let slide = || reduce(&[open("contiguous.h5")], &wanted(true)).expect("reduced");
    let tiles = slide().tiles as f64;
    stopwatch::time("slides_products_per_ktile", &who, seconds, tiles / 1e3, json!({}), || {
        black_box(slide());
    });
    let found = slide();
    let mut scatter = Scatter::new(WIDTH);
    let products = found.products.expect("products");
    stopwatch::time("slides_add_to_sums", &who, seconds, 1.0, json!({}), || {
        scatter.add(found.tiles, &products);
    });
    let covariance = scatter.covariance();
    stopwatch::time("slides_eigen_128_of_1536", &who, seconds, 1.0, json!({}), || {
        black_box(largest(covariance.clone(), WIDTH, 128));
    });
    stopwatch::time("slides_fit_128_of_1536", &who, seconds, 1.0, json!({}), || {
        black_box(Pca::fit(&scatter, Fit { components: 128 }, None).expect("a model"));
    });

    let pca = Pca::fit(&scatter, Fit { components: 16 }, None).expect("a model");
    for k in [16, 64] {
        let prototypes = Prototypes::draw(&pca, k, 0);
        let slide = open("contiguous.h5");
        let name = format!("slides_kmeans_{k}_step_per_ktile");
        let mut counts = Vec::new();
        stopwatch::time(&name, &who, seconds, tiles / 1e3, json!({}), || {
            counts = prototypes.assign(&slide).expect("assigned").counts;
        });
        let mixture = Mixture::begin(&prototypes, &counts, &pca).expect("a mixture");
        let name = format!("slides_gmm_{k}_step_per_ktile");
        stopwatch::time(&name, &who, seconds, tiles / 1e3, json!({}), || {
            black_box(mixture.expect(&slide).expect("memberships"));
        });
    }
}

/// The parts of a pass, each by itself, per 1000 tiles: read, convert, compute, reduce.
fn split(slide: &Slide, seconds: f64, who: &str) {
    let ktiles = slide.tiles() as f64 / 1e3;
    let part = |what: &str, gbyte: f64, work: &mut dyn FnMut()| {
        let extra = if gbyte > 0.0 { json!({ "gbyte": gbyte }) } else { json!({}) };
        stopwatch::time(&format!("slides_part_{what}_per_ktile"), who, seconds, ktiles, extra, work);
    };
    let mut half: Vec<f16> = Vec::new();
    let read = slide.stream(BLOCK, |rows| {
        let Rows::F16(rows) = rows else { panic!("half precision") };
        half.extend_from_slice(rows);
        Ok(())
    });
    read.expect("tiles");
    let gbyte = half.len() as f64 * 2e-9;
    part("read", gbyte, &mut || {
        let read = slide.stream(BLOCK, |rows| {
            black_box(rows.get(0));
            Ok(())
        });
        read.expect("tiles");
    });
    let simd = Level::current();
    let (mut workspace, mut gram) = (Workspace::new(WIDTH, Precision::Single), vec![0.0; len(WIDTH)]);
    let shift = vec![0f32; WIDTH];
    let single: Vec<f32> = half.iter().map(|x| x.to_f32()).collect();
    // Conversion is a part of the kernels: it is what f16 takes longer than f32.
    part("convert_and_pool", gbyte, &mut || {
        let mut pool = Pool::new(WIDTH, Precision::Single);
        half.chunks(128 * WIDTH).for_each(|block| pool.add(simd, Rows::F16(block)));
        black_box(pool.tiles());
    });
    part("pool_of_f32", 2.0 * gbyte, &mut || {
        let mut pool = Pool::new(WIDTH, Precision::Single);
        single.chunks(128 * WIDTH).for_each(|block| pool.add(simd, Rows::F32(block)));
        black_box(pool.tiles());
    });
    part("convert_and_products", 0.0, &mut || {
        for block in half.chunks(BLOCK * WIDTH) {
            workspace.add(simd, Rows::F16(block), &shift, &mut gram);
        }
    });
    part("products_of_f32", 0.0, &mut || {
        for block in single.chunks(BLOCK * WIDTH) {
            workspace.add(simd, Rows::F32(block), &shift, &mut gram);
        }
    });
    let products = SlideProducts { sum: vec![1.0; WIDTH], gram };
    let mut scatter = Scatter::new(WIDTH);
    part("reduce", 0.0, &mut || scatter.add(1, &products));
}

/// Slides one after the other on one thread, as many at once as there are threads otherwise.
fn pca(dir: &Path) {
    let threads = rayon::current_num_threads();
    let who = format!("osteon, {threads} threads");
    let wanted = Wanted {
        key: None,
        pools: vec![Pooling::Mean],
        products: true,
        precision: Precision::Single,
        device: None,
    };
    let tiles = stopwatch::once("slides_pca_128_of_1_million", &who, || {
        let one = |whole: Scatter, _: usize| {
            let slide = Slide::open(&dir.join("contiguous.h5"), None).expect("a slide");
            let found = reduce(&[slide], &wanted).expect("reduced");
            let mut whole = whole;
            whole.add(found.tiles, &found.products.expect("products"));
            whole
        };
        let parts = (0..SLIDES).into_par_iter().fold(|| Scatter::new(WIDTH), one);
        let whole = parts.reduce_with(|mut a, b| {
            a.merge(&b);
            a
        });
        let whole = whole.expect("slides");
        black_box(Pca::fit(&whole, Fit { components: 128 }, None).expect("a model"));
        whole.tiles()
    });
    assert!(tiles > 1_030_000);
}
