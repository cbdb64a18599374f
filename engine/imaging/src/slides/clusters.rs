//! Prototypes of the tiles of all cases: k-means, and mixtures that begin with it.

use osteon_core::{FixedSums, Reduce};
use osteon_federate::{Comm, CommReduce};
use osteon_slides::{Assigned, Memberships, Mixture, Pca, Prototypes, Slide, SlidesError};
use rayon::prelude::*;

use super::batch::SlideVectors;
use super::finish::{Components, Finish, shared};
use crate::error::ImagingError;

/// Sums of terms over the tiles of the cases that are fitted to, at all sites: one message.
fn summed(
    cases: &[&SlideVectors],
    len: usize,
    comm: &Comm,
    terms: impl Fn(&SlideVectors) -> Result<Vec<f64>, SlidesError> + Sync,
) -> Result<FixedSums, ImagingError> {
    let empty = || FixedSums::new(len);
    let fitted: Vec<&SlideVectors> = cases.iter().copied().filter(|c| c.fit && c.tiles > 0).collect();
    let own = fitted.par_iter().map(|case| terms(case)).try_fold(empty, |mut total, found| {
        total.add(&found?);
        Ok::<_, SlidesError>(total)
    });
    let own = own.try_reduce(empty, |mut a, b| {
        a.merge(&b);
        Ok(a)
    });
    let mut sums = comm.agree(shared(own))?;
    sums.reduce(&CommReduce(comm)).map_err(SlidesError::from)?;
    Ok(sums)
}

/// What `of` gives for each file of a case, added up.
fn over_files<T>(
    case: &SlideVectors,
    finish: &Finish,
    mut total: T,
    mut of: impl FnMut(&mut T, &Slide) -> Result<(), SlidesError>,
) -> Result<T, SlidesError> {
    for file in &case.files {
        let slide = Slide::open(file, finish.key.as_deref())?;
        if slide.tiles() > 0 {
            of(&mut total, &slide)?;
        }
    }
    Ok(total)
}

/// k-means over all cases that are fitted to; then the tiles of each prototype in every case.
pub(super) fn kmeans(
    k: usize,
    pca: &Pca,
    cases: &[&SlideVectors],
    finish: &Finish,
    comm: &Comm,
) -> Result<(Prototypes, Vec<Vec<u64>>), ImagingError> {
    let mut prototypes = Prototypes::draw(pca, k, finish.seed);
    let assign = |prototypes: &Prototypes, case: &SlideVectors| {
        over_files(case, finish, Assigned::new(k, pca.width), |total, slide| {
            total.add(&prototypes.assign(slide)?);
            Ok(())
        })
    };
    for _ in 0..finish.iterations {
        let sums = summed(cases, k * (1 + pca.width), comm, |case| Ok(assign(&prototypes, case)?.terms()))?;
        if !prototypes.step(&sums) {
            break;
        }
    }
    let counts = cases.par_iter().map(|case| assign(&prototypes, case).map(|a| a.counts));
    let counts = comm.agree(shared(counts.collect::<Result<Vec<_>, SlidesError>>()))?;
    Ok((prototypes, counts))
}

/// Fits a mixture of `k` components to all cases that are fitted to, from their k-means.
pub(super) fn mixture(
    (prototypes, counts): &(Prototypes, Vec<Vec<u64>>),
    pca: &Pca,
    cases: &[&SlideVectors],
    finish: &Finish,
    comm: &Comm,
) -> Result<Mixture, ImagingError> {
    let mut tiles = vec![0u64; prototypes.centres.len()];
    for (_, counts) in cases.iter().zip(counts).filter(|(case, _)| case.fit) {
        tiles.iter_mut().zip(counts).for_each(|(a, b)| *a += b);
    }
    CommReduce(comm).count(&mut tiles).map_err(SlidesError::from)?;
    let mut mixture = Mixture::begin(prototypes, &tiles, pca)?;
    for _ in 0..finish.gmm_iterations {
        let terms = |case: &SlideVectors| Ok(memberships(&mixture, case, finish)?.terms());
        let sums = summed(cases, mixture.terms(), comm, terms)?;
        if !mixture.step(&sums) {
            break;
        }
    }
    Ok(mixture)
}

/// Mixing weights and, if asked for, means of every case.
pub(super) fn described(
    mixture: &Mixture,
    cases: &[&SlideVectors],
    finish: &Finish,
    comm: &Comm,
) -> Result<Vec<Components>, ImagingError> {
    let of = |case: &&SlideVectors| {
        let found = memberships(mixture, case, finish)?;
        let means = if finish.gmm_means { mixture.slide_means(&found) } else { Vec::new() };
        Ok(Components { weights: mixture.shares(&found), means })
    };
    Ok(comm.agree(shared(cases.par_iter().map(of).collect::<Result<Vec<_>, SlidesError>>()))?)
}

fn memberships(mixture: &Mixture, case: &SlideVectors, finish: &Finish) -> Result<Memberships, SlidesError> {
    over_files(case, finish, mixture.none(), |total, slide| {
        total.add(&mixture.expect(slide)?);
        Ok(())
    })
}
