//! One problem from scores to loss and gradient: which path each stratum takes, and its blocks
//! one after another or spread over threads, with the same bits.

use rayon::prelude::*;

use super::fast::{self, BLOCK, Block, BlockSums, Carry, Span, Survey};
use super::order::Stratum;
use super::truncation::Departures;
use super::{CoxLoss, CoxScratch, RiskOrder, Ties, terms, truncation, wide};
use crate::simd::{Kernel, Level, Simd, run_on};

/// Rows from which a stratum's blocks are worth spreading over threads.
const PARALLEL_ROWS: usize = 32 * BLOCK;

/// Scores of one problem with the order they belong to.
#[derive(Clone, Copy)]
pub(super) struct Problem<'a> {
    pub order: &'a RiskOrder,
    pub ties: Ties,
    pub score: &'a [f32],
    pub weight: Option<&'a [f32]>,
    pub normalise: bool,
}

impl<'a> Problem<'a> {
    pub fn span(&self, stratum: &Stratum) -> Span<'a> {
        Span {
            score: &self.score[stratum.rows.clone()],
            weight: self.weight.map(|w| &w[stratum.rows.clone()]),
            flags: &self.order.flags[stratum.flags.clone()],
            groups: &self.order.groups[stratum.groups.clone()],
            block_groups: &self.order.block_groups[stratum.blocks.clone()],
            ties: self.ties,
            tied: stratum.tied,
        }
    }

    /// Loss and gradient; `spread` over the threads of the current pool or on this one.
    pub fn solve(
        &self,
        level: Level,
        gradient: &mut [f32],
        scratch: &mut CoxScratch,
        spread: bool,
    ) -> CoxLoss {
        let strata = &self.order.strata;
        scratch.surveys.clear();
        scratch.surveys.extend(strata.iter().map(|stratum| {
            let span = self.span(stratum);
            if spread && is_long(&span) {
                let parts: Vec<Survey> = (0..span.blocks())
                    .into_par_iter()
                    .map(|k| run_on(level, SurveyBlocks { span, blocks: k..k + 1 }))
                    .collect();
                parts.into_iter().fold(Survey::default(), Survey::join)
            } else {
                run_on(level, SurveyBlocks { span, blocks: 0..span.blocks() })
            }
        }));
        let event_weight: f64 = scratch.surveys.iter().map(|s| s.event_weight).sum();
        let scale = match self.normalise {
            true if event_weight > 0.0 => 1.0 / event_weight,
            _ => 1.0,
        };
        let mut nll = 0.0;
        for (k, stratum) in strata.iter().enumerate() {
            let (span, survey) = (self.span(stratum), scratch.surveys[k]);
            let gradient = &mut gradient[stratum.rows.clone()];
            let departures = self.order.truncation.as_ref().map(|t| Departures::of(t, stratum));
            if survey.event_weight == 0.0 {
                gradient.fill(0.0);
                continue;
            }
            let narrow = Narrow { span, survey, scale };
            let done = match &departures {
                _ if !survey.is_narrow() => None,
                Some(d) => run_on(
                    level,
                    truncation::Truncated { span, survey, scale, departures: d, gradient, scratch },
                ),
                None if spread && is_long(&span) => Some(narrow.spread(level, gradient, scratch)),
                None => Some(run_on(level, InOrder { narrow, gradient, scratch })),
            };
            nll += done.unwrap_or_else(|| wide::solve(&span, departures.as_ref(), scale, gradient));
        }
        CoxLoss { nll: nll * scale, event_weight }
    }
}

fn is_long(span: &Span) -> bool {
    span.score.len() >= PARALLEL_ROWS
}

struct SurveyBlocks<'a> {
    span: Span<'a>,
    blocks: std::ops::Range<usize>,
}

impl Kernel for SurveyBlocks<'_> {
    type Out = Survey;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Survey {
        let parts = self.blocks.map(|k| fast::survey(s, &self.span, self.span.rows(k)));
        parts.fold(Survey::default(), Survey::join)
    }
}

/// A stratum without left truncation whose scores the fast path can take.
#[derive(Clone, Copy)]
struct Narrow<'a> {
    span: Span<'a>,
    survey: Survey,
    scale: f64,
}

impl Narrow<'_> {
    /// Prefix sums of block `k`.
    #[inline(always)]
    fn scan<S: Simd>(&self, s: S, k: usize, block: &mut Block) -> BlockSums {
        let open = self.span.following(k).map(|g| &self.span.groups[g]);
        fast::scan(s, &self.span, self.survey.shift(), self.span.rows(k), open, block)
    }

    /// `A` and `B` of the groups that end in block `k`, after [`Self::scan`]; returns the sum of
    /// the logarithms.
    #[inline(always)]
    fn forward<S: Simd>(
        &self,
        s: S,
        k: usize,
        carry: Carry,
        block: &mut Block,
        a: &mut [f64],
        b: &mut [f64],
    ) -> f64 {
        let span = &self.span;
        let groups = &span.groups[span.ending(k)];
        fast::risk_sets(span, k * BLOCK, groups, carry, block, a, b);
        if span.weight.is_none() && (span.ties == Ties::Efron || !span.tied) {
            terms::events::<S, true>(s, span, groups, &mut block.terms, a, b)
        } else {
            terms::events::<S, false>(s, span, groups, &mut block.terms, a, b)
        }
    }

    /// Gradient of block `k` into `out`. `a` belongs to the groups that end in it, `b` to all,
    /// `later` is the sum of `A` over later blocks; returns that of the block before.
    #[inline(always)]
    fn backward<S: Simd>(
        &self,
        s: S,
        k: usize,
        later: f64,
        a: &mut [f64],
        b: &[f64],
        block: &mut Block,
        out: &mut [f32],
    ) -> f64 {
        let span = &self.span;
        let sum = fast::rates(a, later);
        let groups = span.ending(k);
        let next = span.following(k).map(|g| (&span.groups[g], b[g]));
        let here = fast::Rates { groups: &span.groups[groups.clone()], rate: a, b: &b[groups], later, next };
        fast::gradient(s, span, self.survey.shift(), self.scale, span.rows(k), here, block, out);
        later + sum
    }

    /// Loss from the sums of the blocks.
    fn loss(&self, logs: f64, carry: Carry) -> f64 {
        let shift = f64::from(self.survey.shift()) * std::f64::consts::LN_2;
        // The last term is 0 unless a score was not a number, which a logarithm may have hidden.
        logs + shift * self.survey.event_weight + 0.0 * carry.before
    }

    /// The blocks over the threads of the current pool.
    fn spread(&self, level: Level, gradient: &mut [f32], scratch: &mut CoxScratch) -> f64 {
        let span = &self.span;
        let blocks = span.blocks();
        let sums: Vec<BlockSums> = (0..blocks)
            .into_par_iter()
            .map_init(Block::default, |block, k| run_on(level, Scan { narrow: self, k, block }))
            .collect();
        let mut carry = Carry::default();
        let mut carries = Vec::with_capacity(blocks);
        for sums in &sums {
            carries.push(carry);
            carry = carry.next(sums);
        }

        scratch.groups.resize(span.groups.len());
        let a = pieces(&mut scratch.groups.a, span);
        let b = pieces(&mut scratch.groups.b, span);
        let parts: Vec<(f64, f64)> = (carries, a, b)
            .into_par_iter()
            .enumerate()
            .map_init(Block::default, |block, (k, (carry, a, b))| {
                let logs = run_on(level, Forward { narrow: self, k, carry, block, a, b });
                (logs, fast::total(a))
            })
            .collect();
        let logs = parts.iter().zip(&sums).fold(0.0, |sum, ((logs, _), s)| sum + (logs - s.event_score));

        let mut later = vec![0.0; blocks];
        for k in (1..blocks).rev() {
            later[k - 1] = later[k] + parts[k].1;
        }
        let a = pieces(&mut scratch.groups.a, span);
        let b = &scratch.groups.b;
        let out: Vec<&mut [f32]> = gradient.chunks_mut(BLOCK).collect();
        (later, a, out).into_par_iter().enumerate().for_each_init(
            Block::default,
            |block, (k, (later, a, out))| {
                run_on(level, Backward { narrow: self, k, later, a, b, block, out });
            },
        );
        self.loss(logs, carry)
    }
}

/// Cuts an array over groups into those of each block.
fn pieces<'v>(mut values: &'v mut [f64], span: &Span) -> Vec<&'v mut [f64]> {
    (0..span.blocks())
        .map(|k| {
            let (piece, rest) = std::mem::take(&mut values).split_at_mut(span.ending(k).len());
            values = rest;
            piece
        })
        .collect()
}

struct Scan<'a> {
    narrow: &'a Narrow<'a>,
    k: usize,
    block: &'a mut Block,
}

impl Kernel for Scan<'_> {
    type Out = BlockSums;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> BlockSums {
        self.narrow.scan(s, self.k, self.block)
    }
}

struct Forward<'a> {
    narrow: &'a Narrow<'a>,
    k: usize,
    carry: Carry,
    block: &'a mut Block,
    a: &'a mut [f64],
    b: &'a mut [f64],
}

impl Kernel for Forward<'_> {
    type Out = f64;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f64 {
        self.narrow.scan(s, self.k, self.block);
        self.narrow.forward(s, self.k, self.carry, self.block, self.a, self.b)
    }
}

struct Backward<'a> {
    narrow: &'a Narrow<'a>,
    k: usize,
    later: f64,
    a: &'a mut [f64],
    b: &'a [f64],
    block: &'a mut Block,
    out: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        self.narrow.backward(s, self.k, self.later, self.a, self.b, self.block, self.out);
    }
}

/// The blocks of a stratum one after another on this thread.
struct InOrder<'a, 'b> {
    narrow: Narrow<'a>,
    gradient: &'b mut [f32],
    scratch: &'b mut CoxScratch,
}

impl Kernel for InOrder<'_, '_> {
    type Out = f64;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f64 {
        let Self { narrow, gradient, scratch } = self;
        let span = &narrow.span;
        scratch.groups.resize(span.groups.len());
        let (a, b) = (&mut scratch.groups.a[..], &mut scratch.groups.b[..]);
        let block = &mut scratch.block;
        let (mut carry, mut logs) = (Carry::default(), 0.0);
        for k in 0..span.blocks() {
            let groups = span.ending(k);
            let sums = narrow.scan(s, k, block);
            let part = narrow.forward(s, k, carry, block, &mut a[groups.clone()], &mut b[groups]);
            logs += part - sums.event_score;
            carry = carry.next(&sums);
        }
        let mut later = 0.0;
        for (k, out) in gradient.chunks_mut(BLOCK).enumerate().rev() {
            later = narrow.backward(s, k, later, &mut a[span.ending(k)], b, block, out);
        }
        narrow.loss(logs, carry)
    }
}
