//! Checks that a type cannot make: ranges, sums, and keys that need or exclude each other.

use std::collections::BTreeSet;

use osteon_federate::aggregate::mask::LEAST_SITES;
use osteon_federate::strategies::{Entry, REGISTRY, Sends, entry};

use super::{
    Arm, Batch, Block, Features, Impute, ModelKind, OnSiteFailure, Optimizer, Scale, Seeds, SiteSource,
    Strategy, Study, TimeBins, Unknown,
};

/// Widest hidden layer.
const WIDEST: usize = 1 << 16;
/// Most models of one study.
const MOST_PROBLEMS: u128 = 1_000_000;

/// Most bins of event times.
const MOST_BINS: u32 = 100_000;

/// What is wrong with a study.
#[derive(Debug)]
pub(super) struct Fault {
    /// The dotted key at fault.
    pub key: &'static str,
    /// What is wrong with it.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

/// Collects faults; the first one is reported.
struct Faults(Vec<Fault>);

impl Faults {
    fn unless(&mut self, holds: bool, key: &'static str, message: impl Into<String>) {
        if !holds {
            self.0.push(Fault { key, message: message.into(), hint: None });
        }
    }

    fn hint(&mut self, holds: bool, key: &'static str, message: impl Into<String>, hint: &str) {
        if !holds {
            self.0.push(Fault { key, message: message.into(), hint: Some(hint.to_owned()) });
        }
    }

    fn range(&mut self, key: &'static str, x: f64, holds: bool, range: &str) {
        self.unless(x.is_finite() && holds, key, format!("{x} is not {range}"));
    }
}

/// The first fault of a study, in the order of its tables.
pub(super) fn first_fault(study: &Study) -> Option<Fault> {
    let mut faults = Faults(Vec::new());
    data(study, &mut faults);
    split(study, &mut faults);
    model(study, &mut faults);
    train(study, &mut faults);
    federation(study, &mut faults);
    faults.0.into_iter().next()
}

fn data(study: &Study, f: &mut Faults) {
    let data = &study.data;
    let by_site = matches!(study.federation.site, Some(SiteSource::Files(_)));
    f.hint(
        data.path.is_some() != by_site,
        "data.path",
        if by_site { "excludes [[federation.site]] files" } else { "is missing" },
        "give one table in data.path, or one per site in [[federation.site]]",
    );
    f.unless(data.path.as_ref().is_none_or(|p| !p.as_os_str().is_empty()), "data.path", "is empty");
    let apart = study.apart();
    let of_cohort = |b: &&Block| !apart.contains(&b.name.as_str());
    let one_of = !data.block.iter().any(|b| of_cohort(&b)) || data.features == Features::All;
    f.unless(one_of, "data.features", "excludes [[data.block]]: list each feature once");
    if let Features::Names(names) = &data.features {
        f.unless(!names.is_empty(), "data.features", "is empty: a model needs a column");
        f.unless(distinct(names), "data.features", "names a column twice");
        let outcome = [Some(&data.time), Some(&data.event), data.entry.as_ref(), data.id.as_ref()];
        if let Some(name) = names.iter().find(|n| outcome.contains(&Some(n))) {
            f.unless(false, "data.features", format!("`{name}` already has a role in [data]"));
        }
    }
    f.unless(distinct(data.block.iter().map(|b| &b.name)), "data.block", "has two blocks of one name");
    let named = |b: &Block| !of_cohort(&b) || !b.features.is_empty();
    f.hint(
        data.block.iter().all(named),
        "data.block",
        "has a block without features",
        "list its columns, or name its own table: file = \"slides.h5\"",
    );
    blocks_apart(study, &apart, f);
    f.unless(data.time != data.event, "data.event", "is the column of the time");
}

/// Blocks with tables of their own.
fn blocks_apart(study: &Study, apart: &[&str], f: &mut Faults) {
    const KEY: &str = "data.block";
    let data = &study.data;
    for block in &data.block {
        f.unless(!block.name.is_empty(), KEY, "has a block without a name");
        let alone =
            apart.contains(&block.name.as_str()) || (block.key.is_none() && block.unknown == Unknown::Refuse);
        f.unless(alone, KEY, format!("`key` and `unknown` of block \"{}\" need its `file`", block.name));
    }
    f.hint(
        apart.is_empty() || data.id.is_some(),
        KEY,
        "has a block with a table of its own, and no column names the patients",
        "set data.id to the column of the patient",
    );
    let Some(SiteSource::Files(files)) = &study.federation.site else { return };
    f.hint(
        data.block.iter().all(|b| b.file.is_none()),
        KEY,
        "has a block with one file for sites that have files of their own",
        "give each site its own: blocks = { wsi = \"slides.h5\" } in [[federation.site]]",
    );
    for name in files.iter().flat_map(|s| s.blocks.keys()) {
        let known = data.block.iter().any(|b| b.name == *name);
        f.unless(known, "federation.site", format!("blocks names \"{name}\", which is no [[data.block]]"));
    }
}

fn split(study: &Study, f: &mut Faults) {
    let split = &study.split;
    f.range("split.test", split.test, (0.0..1.0).contains(&split.test), "a share in [0, 1)");
    f.unless(split.folds != 1, "split.folds", "1 fold leaves nothing to train on");
    let e = &study.evaluation;
    f.range("evaluation.level", e.level, e.level > 0.0 && e.level < 1.0, "a coverage in (0, 1)");
    f.unless(e.resamples > 0, "evaluation.resamples", "must be positive");
    f.unless(
        e.times.iter().all(|t| t.is_finite() && *t > 0.0) && e.times.windows(2).all(|w| w[0] < w[1]),
        "evaluation.times",
        "must be positive and increasing",
    );
}

fn model(study: &Study, f: &mut Faults) {
    let model = &study.model;
    let width = |&h: &usize| (1..=WIDEST).contains(&h);
    f.unless(model.hidden.iter().all(width), "model.hidden", format!("a width must be from 1 to {WIDEST}"));
    f.range("model.dropout", model.dropout, (0.0..1.0).contains(&model.dropout), "a share in [0, 1)");
    f.range("model.l2", model.l2, model.l2 >= 0.0, "zero or positive");
    f.unless(
        width(&model.tile_features),
        "model.tile_features",
        format!("a width must be from 1 to {WIDEST}"),
    );
    f.unless(width(&model.attention), "model.attention", format!("a width must be from 1 to {WIDEST}"));
    attention_pooling(study, f);
    f.range("model.ridge", model.ridge, model.ridge >= 0.0, "zero or positive");
}

/// What attention pooling needs, and what it has no version of.
fn attention_pooling(study: &Study, f: &mut Faults) {
    let tiles = study.model.kind == ModelKind::Abmil;
    f.hint(
        tiles == study.bags.is_some(),
        "bags",
        if tiles {
            "is missing: attention pooling reads slides"
        } else {
            "is for model.kind = \"abmil\" alone"
        },
        "[bags] with folder = \"DIR\", and table = \"slides.csv\" where files are not named by patients",
    );
    if !tiles {
        return;
    }
    let fed = &study.federation;
    f.unless(study.data.id.is_some(), "data.id", "is missing: slides are found by the id of a patient");
    f.unless(!fed.exact, "federation.exact", "is not there for model.kind = \"abmil\"");
    f.unless(
        fed.strategy != Strategy::Scaffold,
        "federation.strategy",
        "scaffold is not there for model.kind = \"abmil\"",
    );
    f.unless(fed.privacy.is_none(), "federation.privacy", "is not there for model.kind = \"abmil\"");
}

fn train(study: &Study, f: &mut Faults) {
    let train = &study.train;
    f.unless(train.epochs > 0, "train.epochs", "must be positive");
    f.range("train.learning_rate", train.learning_rate, train.learning_rate > 0.0, "positive");
    f.range("train.lr_decay", train.lr_decay, train.lr_decay >= 0.0, "zero or positive");
    f.range("train.momentum", train.momentum, (0.0..1.0).contains(&train.momentum), "in [0, 1)");
    let plain = train.optimizer == Optimizer::Sgd && train.nesterov && train.momentum == 0.0;
    f.unless(!plain, "train.nesterov", "needs train.momentum > 0");
    f.unless(train.record_every > 0, "train.record_every", "must be positive");
    // The number of seeds is checked before any list of them is made.
    let (number, last) = match &train.seeds {
        Seeds::Count(n) => (u64::from(*n), train.seed.saturating_add(u64::from(*n))),
        Seeds::List(seeds) => {
            f.unless(distinct(seeds), "train.seeds", "lists a seed twice");
            (seeds.len() as u64, train.seed)
        }
    };
    let replicates = u128::from(train.bootstraps) + 1;
    let problems = u128::from(number) * replicates * u128::from(study.split.folds.max(1));
    f.unless(
        problems <= MOST_PROBLEMS,
        "train.seeds",
        format!("seeds x (1 + bootstraps) x folds are {problems} models, more than {MOST_PROBLEMS}"),
    );
    // TOML has no larger integers.
    f.unless(i64::try_from(last).is_ok(), "train.seed", "a seed must be below 2^63");
    let single = train.batch == Batch::Size(1);
    f.unless(!single, "train.batch", "one patient has no risk set to learn from: use at least 2");
}

fn federation(study: &Study, f: &mut Faults) {
    let fed = &study.federation;
    if !fed.sites.is_empty() {
        let sum: f64 = fed.sites.iter().sum();
        let shares = fed.sites.iter().all(|s| s.is_finite() && *s >= 0.0);
        f.unless(shares, "federation.sites", "a share must be zero or positive");
        f.unless((sum - 1.0).abs() < 1e-9, "federation.sites", format!("the shares sum to {sum}, not to 1"));
        f.unless(
            fed.site.is_none(),
            "federation.sites",
            "excludes federation.site: sites are drawn or given",
        );
    }
    match &fed.site {
        Some(SiteSource::Files(files)) => {
            f.unless(!files.is_empty(), "federation.site", "lists no site");
            f.unless(distinct(files.iter().map(|s| &s.name)), "federation.site", "has two sites of one name");
        }
        Some(SiteSource::Column(name)) => f.unless(!name.is_empty(), "federation.site", "names no column"),
        None => {}
    }
    let parted = fed.site.is_some() || !fed.sites.is_empty();
    f.hint(
        parted || study.train.arm == Arm::Central,
        "federation.sites",
        format!("is missing: arm = \"{}\" needs sites", study.train.arm.name()),
        "for instance sites = [0.6, 0.3, 0.1], or site = \"hospital\"",
    );
    f.unless(fed.rounds > 0, "federation.rounds", "must be positive");
    f.unless(fed.local_epochs > 0, "federation.local_epochs", "must be positive");
    f.range(
        "federation.fraction",
        fed.fraction,
        fed.fraction > 0.0 && fed.fraction <= 1.0,
        "a share in (0, 1]",
    );
    strategy(study, f);
    privacy(study, f);
    f.range("federation.round_deadline_s", fed.round_deadline_s, fed.round_deadline_s > 0.0, "positive");
    let bits = fed.scale_bits.is_none_or(|b| (8..=44).contains(&b));
    f.unless(bits, "federation.scale_bits", "must be from 8 to 44");
    bins(study, f);
    exact(study, f);
    absent(study, f);
}

fn bins(study: &Study, f: &mut Faults) {
    match &study.federation.time_bins {
        Some(TimeBins::Number(n)) => {
            f.unless(
                (1..=MOST_BINS).contains(n),
                "federation.time_bins",
                format!("must be from 1 to {MOST_BINS}"),
            );
        }
        Some(TimeBins::Ends(ends)) => f.unless(
            !ends.is_empty()
                && ends.iter().all(|t| t.is_finite() && *t > 0.0)
                && ends.windows(2).all(|w| w[0] < w[1]),
            "federation.time_bins",
            "ends of bins must be positive and increasing",
        ),
        None => {}
    }
}

fn exact(study: &Study, f: &mut Faults) {
    let fed = &study.federation;
    if study.train.arm != Arm::Federated {
        return;
    }
    let cox = study.model.kind == ModelKind::Cox;
    f.hint(
        !cox || fed.exact,
        "model.kind",
        "a federated cox model needs risk sets summed over the sites",
        "set federation.exact = true; or model.kind = \"deepsurv\" with hidden = [], averaged over sites",
    );
    if !fed.exact {
        return;
    }
    f.hint(
        study.may_share_times(),
        "federation.exact",
        "shows the event times and risk sums of single patients to every site",
        "set federation.min_count = 10 or federation.time_bins = 50; or, where all sites agree to it, \
         federation.exact_reveals = \"accepted\"",
    );
    f.unless(
        cox || !study.model.batch_norm,
        "federation.exact",
        "excludes model.batch_norm: its statistics are not summed over the sites",
    );
    f.unless(!(study.model.robust && cox), "model.robust", "is not there for a federated model");
    // A replicate or a batch has fewer events in a bin than the minimum says.
    let counted = fed.min_count > 0 && !cox;
    f.unless(!(counted && study.train.bootstraps > 0), "federation.min_count", "excludes train.bootstraps");
    let full = study.train.batch == Batch::Full;
    f.hint(full || !counted, "federation.min_count", "excludes mini-batches", "set train.batch = \"full\"");
}

/// Differential privacy holds only where nothing else of the training rows crosses.
fn privacy(study: &Study, f: &mut Faults) {
    const KEY: &str = "federation.privacy";
    let Some(asked) = &study.federation.privacy else { return };
    let range = |x: f64, holds: bool| x.is_finite() && holds;
    let (noise, clip, rate) = (asked.noise_multiplier, asked.clip, asked.sample_rate);
    f.unless(range(noise, noise > 0.0), KEY, format!("noise_multiplier = {noise} is not positive"));
    f.unless(range(clip, clip > 0.0), KEY, format!("clip = {clip} is not positive"));
    f.unless(range(rate, rate > 0.0 && rate <= 1.0), KEY, format!("sample_rate = {rate} is not in (0, 1]"));
    let delta = asked.delta;
    f.unless(range(delta, delta > 0.0 && delta < 1.0), KEY, format!("delta = {delta} is not in (0, 1)"));
    f.unless(asked.blocks > 0, KEY, "blocks must be positive");
    let federated = study.train.arm == Arm::Federated && study.model.kind == ModelKind::Deepsurv;
    f.unless(federated, KEY, "covers federated training of deepsurv only");
    let bare = study.preprocess.scale == Scale::None && study.preprocess.impute == Impute::None;
    f.hint(
        bare,
        KEY,
        "excludes preprocess.scale and preprocess.impute: moments of the training rows would cross without noise",
        "set both to \"none\", and scale the columns by known constants beforehand",
    );
    f.unless(!study.model.batch_norm, KEY, "excludes model.batch_norm, whose statistics no noise covers");
    let control = study.federation.strategy == Strategy::Scaffold;
    f.unless(!control, KEY, "excludes strategy = \"scaffold\", whose control variates no noise covers");
    f.unless(!study.federation.exact, KEY, "excludes federation.exact, whose sums no noise covers");
    let full = study.train.batch == Batch::Full;
    f.hint(full, KEY, "excludes train.batch", "sample_rate says how many patients a step samples");
}

/// The options of all strategies, used or not, have one range each; and what a strategy cannot be joined with.
fn strategy(study: &Study, f: &mut Faults) {
    let fed = &study.federation;
    const KEYS: [(&str, &str); 6] = [
        ("mu", "federation.mu"),
        ("server_learning_rate", "federation.server_learning_rate"),
        ("server_momentum", "federation.server_momentum"),
        ("server_beta2", "federation.server_beta2"),
        ("server_tau", "federation.server_tau"),
        ("trim", "federation.trim"),
    ];
    for (name, dotted) in KEYS {
        let key = REGISTRY.iter().flat_map(|e| e.keys).find(|k| k.name == name);
        if let (Some(key), Some(value)) = (key, fed.option(name)) {
            let (least, most) = key.range;
            f.range(dotted, value, (least..=most).contains(&value), &format!("from {least} to {most}"));
        }
    }
    let sends = entry(fed.strategy.name()).map(|e: &Entry| e.sends);
    if study.train.arm != Arm::Federated || !fed.secure {
        return;
    }
    f.hint(
        sends.is_ok_and(Sends::maskable),
        "federation.secure",
        format!(
            "excludes strategy = \"{}\", which looks at the parameters of each site",
            fed.strategy.name()
        ),
        "use a strategy that sums (docs/strategies.md)",
    );
    f.hint(
        fed.on_site_failure == OnSiteFailure::Abort,
        "federation.secure",
        "excludes on_site_failure = \"drop\": the sum without a site would bare what it sent",
        "use on_site_failure = \"abort\"",
    );
    f.unless(!fed.exact, "federation.secure", "excludes federation.exact, whose sums have no masks");
    let sites = match &fed.site {
        Some(SiteSource::Files(files)) => files.len(),
        // The table tells, once it is read.
        Some(SiteSource::Column(_)) => LEAST_SITES,
        None => fed.sites.len(),
    };
    f.unless(
        sites >= LEAST_SITES,
        "federation.secure",
        format!("needs at least {LEAST_SITES} sites: of two, each can subtract its own part"),
    );
}

/// Keys that the file may hold and this version cannot honour: refused, never passed over.
fn absent(study: &Study, f: &mut Faults) {
    let federated = study.train.arm == Arm::Federated;
    let not_yet = "is not there yet";
    let folds = study.split.folds > 0 && federated;
    f.hint(
        !folds,
        "split.folds",
        "has no meaning in a federation yet",
        "use split.test, once per split.seed",
    );
    let times = !study.evaluation.times.is_empty();
    f.hint(!times, "evaluation.times", not_yet, "osteon predict --survival, then osteon evaluate --times");
}

fn distinct<T: Ord>(items: impl IntoIterator<Item = T>) -> bool {
    let mut seen = BTreeSet::new();
    items.into_iter().all(|item| seen.insert(item))
}
