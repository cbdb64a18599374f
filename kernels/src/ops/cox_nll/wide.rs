//! The wide path: every sum in `f64` with its own exponent, for any range of scores.
//!
//! A sum is a pair `(m, s)` worth `s e^m`; two add as `(M, s1 e^(m1-M) + s2 e^(m2-M))` with `M` the
//! larger exponent. Risk sets and rates are running sums of pairs, `O(N)`; with left truncation
//! they come out of a binary tree of pairs, `O(N log N)`, because a running sum would have to
//! subtract. No two positive quantities are ever subtracted except `S - (r / d) E >= S / d`.

use super::Ties;
use super::fast::Span;
use super::terms::tally;
use super::truncation::Departures;
use crate::simd::LANES;

/// `sum * e^exponent`.
#[derive(Clone, Copy)]
struct LogSum {
    exponent: f64,
    sum: f64,
}

impl LogSum {
    const ZERO: Self = Self { exponent: f64::NEG_INFINITY, sum: 0.0 };

    fn plus(self, other: Self) -> Self {
        if self.exponent == f64::NEG_INFINITY {
            return other;
        }
        if other.exponent == f64::NEG_INFINITY {
            return self;
        }
        let (high, low) = if self.exponent > other.exponent { (self, other) } else { (other, self) };
        Self { exponent: high.exponent, sum: high.sum + low.sum * libm::exp(low.exponent - high.exponent) }
    }
}

/// Sums over ranges of a changing list, without subtraction.
struct Tree {
    leaves: usize,
    nodes: Vec<LogSum>,
}

impl Tree {
    fn new(len: usize) -> Self {
        let leaves = len.next_power_of_two();
        Self { leaves, nodes: vec![LogSum::ZERO; 2 * leaves] }
    }

    fn set(&mut self, i: usize, value: LogSum) {
        let mut node = self.leaves + i;
        self.nodes[node] = value;
        while node > 1 {
            node /= 2;
            self.nodes[node] = self.nodes[2 * node].plus(self.nodes[2 * node + 1]);
        }
    }

    fn range(&self, from: usize, to: usize) -> LogSum {
        let (mut left, mut right) = (self.leaves + from, self.leaves + to);
        let mut sum = LogSum::ZERO;
        while left < right {
            if left % 2 == 1 {
                sum = sum.plus(self.nodes[left]);
                left += 1;
            }
            if right % 2 == 1 {
                right -= 1;
                sum = sum.plus(self.nodes[right]);
            }
            left /= 2;
            right /= 2;
        }
        sum
    }
}

/// `A` of a group, and what remains of it for the group's own events, `A - B`.
#[derive(Clone, Copy)]
struct Rates {
    all: LogSum,
    own: LogSum,
}

/// Loss and gradient (times `scale`) of one stratum.
pub(super) fn solve(span: &Span, departures: Option<&Departures>, scale: f64, gradient: &mut [f32]) -> f64 {
    let mass = |i: usize| match span.weight.map_or(1.0, |w| f64::from(w[i])) {
        0.0 => LogSum::ZERO,
        w => LogSum { exponent: f64::from(span.score[i]), sum: w },
    };
    let risks = risk_sets(span, departures, &mass);
    let mut loss = 0.0;
    let mut rates = Vec::with_capacity(risks.len());
    for (group, risk) in span.groups.iter().zip(risks) {
        let (count, total) = tally(span, group);
        let m = risk.exponent;
        let (mut logs, mut all, mut own) = (0.0, 0.0, 0.0);
        let factor = match span.ties {
            _ if count == 0 => 0.0,
            Ties::Breslow => {
                logs = libm::log(risk.sum);
                (all, own) = (1.0 / risk.sum, 1.0 / risk.sum);
                total
            }
            Ties::Efron => {
                let dying = (group.first..group.end).fold(LogSum::ZERO, |e, i| e.plus(mass(i as usize)));
                let dying = dying.sum * libm::exp(dying.exponent - m);
                for r in 0..count {
                    let fraction = f64::from(r) / f64::from(count);
                    let term = risk.sum - fraction * dying;
                    logs += libm::log(term);
                    all += 1.0 / term;
                    own += (1.0 - fraction) / term;
                }
                total / f64::from(count)
            }
        };
        if count > 0 {
            loss += factor * logs + total * m;
        }
        let rate = |sum: f64| match count {
            0 => LogSum::ZERO,
            _ => LogSum { exponent: -m, sum: factor * sum },
        };
        rates.push(Rates { all: rate(all), own: rate(own) });
    }

    let row = |i: usize, rate: LogSum| {
        let m = mass(i);
        let event = span.flags[i / LANES] >> (i % LANES) & 1 == 1;
        let died = if event { m.sum } else { 0.0 };
        let felt = if m.sum == 0.0 || rate.exponent == f64::NEG_INFINITY {
            0.0
        } else {
            m.sum * rate.sum * libm::exp(m.exponent + rate.exponent)
        };
        (scale * (felt - died)) as f32
    };
    let mut upto = span.score.len();
    if let Some(departures) = departures {
        let mut tree = Tree::new(rates.len());
        for (g, rate) in rates.iter().enumerate() {
            tree.set(g, rate.all);
        }
        let mut g = 0;
        for i in 0..upto {
            while g < rates.len() && span.groups[g].end as usize <= i {
                g += 1;
            }
            let until = departures.until[i] as usize;
            let dies = g < rates.len() && i >= span.groups[g].first as usize;
            gradient[i] = match dies {
                true => row(i, rates[g].own.plus(tree.range(g + 1, until.max(g + 1)))),
                false => row(i, tree.range(g, until.max(g))),
            };
        }
    } else {
        let mut later = LogSum::ZERO;
        for (group, rate) in span.groups.iter().zip(&rates).rev() {
            for i in group.end as usize..upto {
                gradient[i] = row(i, later);
            }
            let own = rate.own.plus(later);
            for i in group.first as usize..group.end as usize {
                gradient[i] = row(i, own);
            }
            later = rate.all.plus(later);
            upto = group.first as usize;
        }
        for i in 0..upto {
            gradient[i] = row(i, later);
        }
    }
    for i in 0..span.score.len() {
        let m = mass(i);
        if m.sum != 0.0 && span.flags[i / LANES] >> (i % LANES) & 1 == 1 {
            loss -= m.sum * m.exponent;
        }
    }
    loss
}

fn risk_sets(span: &Span, departures: Option<&Departures>, mass: &impl Fn(usize) -> LogSum) -> Vec<LogSum> {
    let mut entered = 0;
    if let Some(departures) = departures {
        let mut tree = Tree::new(span.score.len());
        let mut left = 0;
        let mut risks = Vec::with_capacity(span.groups.len());
        for (g, group) in span.groups.iter().enumerate() {
            while entered < group.end as usize {
                tree.set(entered, mass(entered));
                entered += 1;
            }
            while left < departures.left[g] as usize {
                tree.set(departures.by_leaving[left] as usize, LogSum::ZERO);
                left += 1;
            }
            risks.push(tree.nodes[1]);
        }
        risks
    } else {
        let mut risk = LogSum::ZERO;
        let upto = |group: &super::order::EventGroup| {
            while entered < group.end as usize {
                risk = risk.plus(mass(entered));
                entered += 1;
            }
            risk
        };
        span.groups.iter().map(upto).collect()
    }
}
