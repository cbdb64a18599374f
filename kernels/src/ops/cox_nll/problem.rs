//! One problem from scores to loss and gradient: which path each stratum takes, and its blocks
//! one after another or spread over threads, with the same bits.

use rayon::prelude::*;

use super::fast::{self, BLOCK, Block, BlockSums, Carry, Span, Survey};
use super::order::{EventGroup, Stratum};
use super::truncation::Departures;
use super::{CoxLoss, CoxScratch, RiskOrder, Ties, truncation, wide};
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
    fn span(&self, stratum: &Stratum) -> Span<'a> {
        Span {
            score: &self.score[stratum.rows.clone()],
            weight: self.weight.map(|w| &w[stratum.rows.clone()]),
            flags: &self.order.flags[stratum.flags.clone()],
            groups: &self.order.groups[stratum.groups.clone()],
            ties: self.ties,
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
                let parts: Vec<Survey> = (0..span.score.len().div_ceil(BLOCK))
                    .into_par_iter()
                    .map(|k| run_on(level, SurveyRows { span, from: k * BLOCK, to: (k + 1) * BLOCK }))
                    .collect();
                parts.into_iter().fold(Survey::default(), Survey::join)
            } else {
                run_on(level, SurveyRows { span, from: 0, to: span.score.len() })
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

struct SurveyRows<'a> {
    span: Span<'a>,
    from: usize,
    to: usize,
}

impl Kernel for SurveyRows<'_> {
    type Out = Survey;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Survey {
        let to = self.to.min(self.span.score.len());
        (self.from..to)
            .step_by(BLOCK)
            .map(|i0| fast::survey(s, &self.span, i0, to.min(i0 + BLOCK)))
            .fold(Survey::default(), Survey::join)
    }
}

/// A stratum without left truncation whose scores the fast path can take.
#[derive(Clone, Copy)]
struct Narrow<'a> {
    span: Span<'a>,
    survey: Survey,
    scale: f64,
}

impl<'a> Narrow<'a> {
    /// Rows and groups of the block from `i0`; the groups start at `g0`.
    #[inline(always)]
    fn block(&self, i0: usize, g0: usize) -> (usize, usize) {
        let groups = self.span.groups;
        let i1 = self.span.score.len().min(i0 + BLOCK);
        let candidates = &groups[g0..groups.len().min(g0 + BLOCK)];
        (i1, g0 + candidates.partition_point(|group| group.end as usize <= i1))
    }

    /// Whether every logarithm has the factor 1.
    fn is_unit(&self) -> bool {
        let untied = self.span.groups.len() as f64 == self.survey.event_weight;
        self.span.weight.is_none() && (self.span.ties == Ties::Efron || untied)
    }

    #[inline(always)]
    fn scan<S: Simd>(&self, s: S, i0: usize, g0: usize, block: &mut Block) -> BlockSums {
        let (i1, g1) = self.block(i0, g0);
        fast::scan(s, &self.span, self.survey.shift(), i0, i1, self.span.groups.get(g1), block)
    }

    /// Forward half of a block after [`Self::scan`]; `a` and `b` are those of its groups.
    #[inline(always)]
    fn forward<S: Simd>(
        &self,
        s: S,
        i0: usize,
        groups: &[EventGroup],
        carry: Carry,
        block: &mut Block,
        a: &mut [f64],
        b: &mut [f64],
    ) -> f64 {
        fast::risk_sets(i0, groups, carry, block, a, b);
        if self.is_unit() {
            fast::events::<S, true>(s, &self.span, groups, block, a, b)
        } else {
            fast::events::<S, false>(s, &self.span, groups, block, a, b)
        }
    }

    /// Loss from the sums of the blocks.
    fn loss(&self, logs: f64, carry: Carry) -> f64 {
        let shift = f64::from(self.survey.shift()) * std::f64::consts::LN_2;
        // The last term is 0 unless a score was not a number, which a logarithm may have hidden.
        logs + shift * self.survey.event_weight + 0.0 * carry.before
    }

    /// The blocks over the threads of the current pool.
    fn spread(self, level: Level, gradient: &mut [f32], scratch: &mut CoxScratch) -> f64 {
        let n = self.span.score.len();
        let mut starts = vec![(0, 0)];
        while let Some(&(i0, g0)) = starts.last().filter(|(i0, _)| *i0 < n) {
            starts.push(self.block(i0, g0));
        }
        let blocks: Vec<((usize, usize), (usize, usize))> =
            starts.windows(2).map(|pair| (pair[0], pair[1])).collect();
        let sums: Vec<BlockSums> = blocks
            .par_iter()
            .map_init(Block::default, |block, &((i0, g0), _)| {
                run_on(level, Scan { narrow: &self, i0, g0, block })
            })
            .collect();
        let carries: Vec<Carry> = sums
            .iter()
            .scan(Carry::default(), |carry, sums| Some(std::mem::replace(carry, carry.next(sums))))
            .collect();
        let end = carries.last().zip(sums.last()).map_or(Carry::default(), |(c, s)| c.next(s));

        scratch.groups.resize(self.span.groups.len());
        let lengths = || blocks.iter().map(|((_, g0), (_, g1))| g1 - g0);
        let a = pieces(&mut scratch.groups.a, lengths());
        let b = pieces(&mut scratch.groups.b, lengths());
        let parts: Vec<(f64, f64)> = blocks
            .par_iter()
            .zip(&carries)
            .zip(a.into_par_iter().zip(b))
            .map_init(Block::default, |block, ((&((i0, g0), _), &carry), (a, b))| {
                let logs = run_on(level, Forward { narrow: &self, i0, g0, carry, block, a, b });
                (logs, a.iter().rev().fold(0.0, |sum, a| sum + a))
            })
            .collect();
        let logs =
            parts.iter().zip(&sums).fold(0.0, |loss, ((logs, _), sums)| loss + (logs - sums.event_score));

        let mut later = vec![0.0; blocks.len()];
        for k in (1..blocks.len()).rev() {
            later[k - 1] = later[k] + parts[k].1;
        }
        let b = &scratch.groups.b;
        let a = pieces(&mut scratch.groups.a, lengths());
        blocks
            .par_iter()
            .zip(later)
            .zip(a.into_par_iter().zip(gradient.par_chunks_mut(BLOCK)))
            .for_each_init(Block::default, |block, ((&((i0, g0), _), later), (a, out))| {
                run_on(level, Backward { narrow: &self, i0, g0, later, a, b, block, out });
            });
        self.loss(logs, end)
    }
}

/// Cuts `values` into consecutive pieces.
fn pieces<'v>(mut values: &'v mut [f64], lengths: impl Iterator<Item = usize>) -> Vec<&'v mut [f64]> {
    lengths
        .map(|length| {
            let (piece, rest) = std::mem::take(&mut values).split_at_mut(length);
            values = rest;
            piece
        })
        .collect()
}

struct Scan<'a> {
    narrow: &'a Narrow<'a>,
    i0: usize,
    g0: usize,
    block: &'a mut Block,
}

impl Kernel for Scan<'_> {
    type Out = BlockSums;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> BlockSums {
        self.narrow.scan(s, self.i0, self.g0, self.block)
    }
}

struct Forward<'a> {
    narrow: &'a Narrow<'a>,
    i0: usize,
    g0: usize,
    carry: Carry,
    block: &'a mut Block,
    a: &'a mut [f64],
    b: &'a mut [f64],
}

impl Kernel for Forward<'_> {
    type Out = f64;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f64 {
        let groups = &self.narrow.span.groups[self.g0..self.g0 + self.a.len()];
        self.narrow.scan(s, self.i0, self.g0, self.block);
        self.narrow.forward(s, self.i0, groups, self.carry, self.block, self.a, self.b)
    }
}

struct Backward<'a> {
    narrow: &'a Narrow<'a>,
    i0: usize,
    g0: usize,
    later: f64,
    /// Of the block's groups.
    a: &'a mut [f64],
    /// Of all groups.
    b: &'a [f64],
    block: &'a mut Block,
    out: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    /// `later` of the block before.
    type Out = f64;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f64 {
        let Narrow { span, survey, scale } = self.narrow;
        let g1 = self.g0 + self.a.len();
        let before = self.later + fast::rates(self.a, self.later);
        let next = span.groups.get(g1).map(|group| (group, self.b[g1]));
        let (groups, b) = (&span.groups[self.g0..g1], &self.b[self.g0..g1]);
        let shift = survey.shift();
        fast::gradient(
            s, span, shift, *scale, self.i0, groups, self.a, b, self.later, next, self.block, self.out,
        );
        before
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
        let (groups, n) = (narrow.span.groups, narrow.span.score.len());
        scratch.groups.resize(groups.len());
        let (a, b) = (&mut scratch.groups.a[..], &mut scratch.groups.b[..]);
        let block = &mut scratch.block;
        let (mut carry, mut logs, mut g0) = (Carry::default(), 0.0, 0);
        for i0 in (0..n).step_by(BLOCK) {
            let (_, g1) = narrow.block(i0, g0);
            let sums = narrow.scan(s, i0, g0, block);
            let (a, b) = (&mut a[g0..g1], &mut b[g0..g1]);
            logs += narrow.forward(s, i0, &groups[g0..g1], carry, block, a, b) - sums.event_score;
            carry = carry.next(&sums);
            g0 = g1;
        }
        let (mut later, mut g1) = (0.0, groups.len());
        for (k, out) in gradient.chunks_mut(BLOCK).enumerate().rev() {
            let i0 = k * BLOCK;
            let from = g1.saturating_sub(BLOCK);
            let g0 = from + groups[from..g1].partition_point(|group| group.end as usize <= i0);
            later = Backward { narrow: &narrow, i0, g0, later, a: &mut a[g0..g1], b, block, out }.run(s);
            g1 = g0;
        }
        narrow.loss(logs, carry)
    }
}
