//! What a parameter sum promises: the same bits for any grouping, and one fault for all.

use osteon_core::{ExitCode, Failure};
use proptest::prelude::*;

use crate::comm::threads;
use crate::message::Kind;
use crate::{Comm, FederateError, TensorSpec};
use crate::{ParamScale, ParamSum};

fn model() -> Vec<TensorSpec> {
    TensorSpec::layout([("hidden.weight", vec![2, 3]), ("hidden.bias", vec![2])])
}

#[derive(Debug, Clone)]
struct Site {
    weight: u64,
    params: Vec<f32>,
}

/// The mean of `sites`, site `k` held by rank `rank_of(k)`, added in the given order.
fn mean(ranks: usize, sites: &[Site], rank_of: impl Fn(usize) -> usize + Sync, backwards: bool) -> Vec<u32> {
    let scale = ParamScale::choose(sites.iter().map(|s| s.weight).sum());
    let means = threads::spawn(ranks, |comm| {
        let mut sum = ParamSum::<f32>::new(scale, &model(), 1);
        let mut mine: Vec<usize> = (0..sites.len()).filter(|&k| rank_of(k) == comm.rank()).collect();
        if backwards {
            mine.reverse();
        }
        for k in mine {
            sum.add(0, "s", sites[k].weight, &sites[k].params);
        }
        let mut out = vec![0.0; 8];
        sum.finish(&comm).expect("finite parameters").write(&mut out);
        out.iter().map(|x| x.to_bits()).collect::<Vec<_>>()
    });
    assert!(means.iter().all(|m| *m == means[0]), "ranks differ");
    means[0].clone()
}

fn sites() -> impl Strategy<Value = Vec<Site>> {
    let site = (0u64..2000, proptest::collection::vec(-900f32..900.0, 8))
        .prop_map(|(weight, params)| Site { weight, params });
    proptest::collection::vec(site, 1..12).prop_filter("some weight", |s| s.iter().any(|s| s.weight > 0))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn order_and_grouping_do_not_matter(sites in sites(), seed in 0usize..7) {
        let one = mean(1, &sites, |_| 0, false);
        prop_assert_eq!(&mean(1, &sites, |_| 0, true), &one);
        for ranks in 2..=4 {
            prop_assert_eq!(&mean(ranks, &sites, |k| (k * 5 + seed) % ranks, seed % 2 == 0), &one);
        }
    }

    #[test]
    fn it_is_the_weighted_mean(sites in sites()) {
        let total: f64 = sites.iter().map(|s| s.weight as f64).sum();
        for (i, bits) in mean(2, &sites, |k| k % 2, false).into_iter().enumerate() {
            let plain = sites.iter().map(|s| s.weight as f64 * f64::from(s.params[i])).sum::<f64>() / total;
            let found = f64::from(f32::from_bits(bits));
            prop_assert!((found - plain).abs() <= 1e-7 * plain.abs() + 1e-8, "{found} {plain}");
        }
    }
}

#[test]
fn a_site_of_weight_zero_changes_no_bit() {
    let mut sites: Vec<Site> = (0..3)
        .map(|k| Site { weight: 10 + k, params: (0..8).map(|i| (i as f32 + 0.1).sin() * k as f32).collect() })
        .collect();
    let without = mean(2, &sites, |k| k % 2, false);
    sites.push(Site { weight: 0, params: vec![f32::NAN; 8] });
    assert_eq!(mean(2, &sites, |k| k % 2, false), without);
}

/// Runs one round on three ranks, rank `r` holding site `sites[r]`.
fn round(sites: [Site; 3], agreed: u64) -> Vec<Result<(), FederateError>> {
    threads::spawn(3, |comm: Comm| {
        let mut sum = ParamSum::<f32>::new(ParamScale::choose(agreed), &model(), 1);
        let site = &sites[comm.rank()];
        sum.add(0, ["bologna", "milan", "turin"][comm.rank()], site.weight, &site.params);
        sum.finish(&comm).map(|_| ())
    })
}

#[test]
fn a_fault_on_one_rank_ends_all_with_its_name() {
    for (bad, shown) in [(f32::NAN, "NaN"), (f32::NEG_INFINITY, "-inf"), (1024.0, "1024.0")] {
        let mut sites = [0.0, 0.5, -1.0].map(|x| Site { weight: 500, params: vec![x; 8] });
        sites[1].params[7] = bad;
        for end in round(sites.clone(), 1500) {
            let error = end.expect_err("rank 1 has a fault");
            assert!(error.is_agreed());
            assert_eq!(error.exit_code(), ExitCode::Data);
            let text = error.to_string();
            let head =
                format!("rank 1: tensor 'hidden.bias' element 1 of site 'milan' (problem 0) is {shown}");
            assert!(text.starts_with(&head), "{text}");
        }
    }
}

#[test]
fn zero_and_excess_weight_are_errors_on_all_ranks() {
    let sites = [0.0, 0.5, -1.0].map(|x| Site { weight: 0, params: vec![x; 8] });
    assert!(round(sites, 10).iter().all(|e| matches!(e, Err(FederateError::ZeroWeight { group: 0 }))));
    let sites = [0.0, 0.5, -1.0].map(|x| Site { weight: 5, params: vec![x; 8] });
    let ends = round(sites, 14);
    assert!(ends.iter().all(|e| matches!(e, Err(FederateError::WeightAboveScale { found: 15, .. }))));
}

#[test]
fn problems_of_a_batch_have_their_own_weights() {
    let comm = Comm::solo();
    let mut sum = ParamSum::<f64>::new(ParamScale::choose(10), &TensorSpec::layout([("b", vec![1])]), 2);
    sum.add(0, "a", 1, &[1.0]);
    sum.add(0, "b", 3, &[2.0]);
    sum.add(1, "a", 5, &[-0.25]);
    let mut out = [0.0; 2];
    let mean = sum.finish(&comm).expect("weights");
    mean.write(&mut out);
    assert_eq!(out, [1.75, -0.25]);
    assert_eq!(mean.values(0).collect::<Vec<_>>(), [1.75]);
    assert_eq!((mean.weight(0), mean.weight(1)), (4, 5));
    assert_eq!(comm.traffic(Kind::ParamSum).bytes, 8 * 5);
}
