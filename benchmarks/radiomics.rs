//! Features of a generated whole skeleton on the PET grid, `cargo bench --bench radiomics`.
//!
//! Aims on four threads: all 107 features 0.08 s (0.2 s on one), 66 bones and the whole 1.5 times
//! that, 1 037 features of eleven filtered images 1.2 s. `RAYON_NUM_THREADS` sets the threads. The CT
//! grid and the peers are timed by the example `skeleton` of `osteon-radiomics`.
#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]
#![allow(dead_code, reason = "the writer of files is for peers")]

use criterion::{Criterion, criterion_group, criterion_main};
use osteon_radiomics::{Filter, ImageType, Params, Selection, extract};

mod skeleton;

use skeleton::{Grid, generate, merged};

fn bench(c: &mut Criterion) {
    let (image, bones) = generate(Grid::Pet);
    let whole = merged(&bones);
    let mut params = Params::default();
    params.assign("binWidth=0.25").expect("a width");
    let mut filtered = params.clone();
    filtered.image_types =
        [Filter::Original, Filter::Laplacian, Filter::Wavelet].map(ImageType::plain).to_vec();
    filtered.assign("sigma=[4.0, 8.0]").expect("two widths");
    let (one, all) = (Selection::single(1), Selection { labels: None, whole: true });

    let mut group = c.benchmark_group("radiomics");
    group.sample_size(10);
    group.bench_function("whole", |b| b.iter(|| extract(&image, &whole, &one, &params)));
    group.bench_function("bones_and_whole", |b| b.iter(|| extract(&image, &bones, &all, &params)));
    group.bench_function("eleven_images", |b| b.iter(|| extract(&image, &whole, &one, &filtered)));
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
