//! The patients of a study: read, held out, dealt to sites.

use std::path::Path;

use osteon_data::{Dataset, Rules, Schema, split};
use osteon_federate::{Comm, FederateError, placement};
use osteon_table::{ReadOptions, Table, read, read_deepsurv};

use crate::config::{Arm, Data, SiteFile, SiteSource};
use crate::modality::{Joined, agreed, completed};
use crate::schema::schema;
use crate::source::Source;
use crate::{Study, StudyError};

/// One site of a study.
#[derive(Debug)]
pub struct Site {
    /// Place among all sites.
    pub index: usize,
    /// Name.
    pub name: String,
    /// Its training patients.
    pub train: Dataset,
    /// Patients it holds out itself; empty where a common test set was drawn first.
    pub test: Dataset,
    /// Its own file, if it has one.
    pub source: Option<Source>,
}

/// Which held-out pairs a concordance counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Pairs of one test set, drawn before the sites.
    Common,
    /// Pairs within each site's own test set, summed.
    WithinSite,
}

impl Scope {
    /// The word used in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Common => "common",
            Self::WithinSite => "within_site",
        }
    }
}

/// The patients of a study that this rank holds.
#[derive(Debug)]
pub struct Cohorts {
    /// The columns.
    pub schema: Schema,
    /// Names of all sites, in order.
    pub names: Vec<String>,
    /// The sites held here.
    pub sites: Vec<Site>,
    /// The common test set; empty if there is none.
    pub test: Dataset,
    /// Which pairs count.
    pub scope: Scope,
}

impl Cohorts {
    /// Reads the tables of a study. In a federation each rank keeps the sites placed on it; a
    /// site's own file is opened by that rank only.
    ///
    /// # Errors
    /// If a table cannot be read, has a fault, or cannot be split as asked. With site files, also
    /// if another rank cannot read its own: every rank then ends with the same message.
    pub fn read(study: &Study, comm: &Comm) -> Result<Self, StudyError> {
        match &study.federation.site {
            Some(SiteSource::Files(files)) => from_site_files(study, files, comm),
            Some(SiteSource::Column(column)) => from_one_table(study, Some(column), comm),
            None => from_one_table(study, None, comm),
        }
    }

    /// All training patients held here, in order of site.
    pub fn pooled(&self) -> Dataset {
        Dataset::concat(&self.schema, self.sites.iter().map(|s| &s.train))
    }

    /// All patients that the sites held here hold out themselves, or the common test set.
    pub fn held_out(&self) -> Dataset {
        match self.scope {
            Scope::Common => self.test.clone(),
            Scope::WithinSite => Dataset::concat(&self.schema, self.sites.iter().map(|s| &s.test)),
        }
    }
}

/// What the study tolerates in a table.
pub(crate) fn rules(data: &Data, one_site: bool) -> Rules {
    Rules {
        allow_post_baseline: data.allow_post_baseline,
        drop_missing_outcome: data.drop_missing_outcome,
        one_site,
    }
}

/// One table that every rank reads: sites are simulated, named by a column, or absent.
fn from_one_table(study: &Study, column: Option<&str>, comm: &Comm) -> Result<Cohorts, StudyError> {
    let data = &study.data;
    let path = data.path.as_deref().unwrap_or(Path::new(""));
    let (table, own_test, data) = tables(path, data)?;
    let joined = Joined::new(table, study, None)?;
    let schema = schema(&joined, &data, column, false)?;
    let all = Dataset::from_table(&joined.table, &schema, &rules(&data, false))?;
    let (train, test) = match own_test {
        Some(test) => {
            ((0..all.n).collect::<Vec<usize>>(), Dataset::from_table(&test, &schema, &rules(&data, true))?)
        }
        None => {
            let drawn = split::train_test(all.n, study.split.test, study.split.seed)?;
            (drawn.train, all.subset(&drawn.test))
        }
    };
    let (names, rows) = match (&all.sites, study.federation.sites.as_slice()) {
        (Some(labels), _) => (labels.names.clone(), split::by_site(labels, &train)),
        (None, []) => (vec!["all".to_owned()], vec![train]),
        (None, shares) => {
            let rows = split::sites(&train, shares, study.split.seed)?;
            ((1..=shares.len()).map(|k| format!("site-{k}")).collect(), rows)
        }
    };
    let sizes: Vec<u64> = rows.iter().map(|r| r.len() as u64).collect();
    let rank_of = placement::place(&sizes, comm.size());
    let held = (0..names.len()).filter(|&k| study.train.arm != Arm::Federated || rank_of[k] == comm.rank());
    let sites = held
        .map(|k| Site {
            index: k,
            name: names[k].clone(),
            train: all.subset(&rows[k]),
            test: all.subset(&[]),
            source: None,
        })
        .collect();
    Ok(Cohorts { schema, names, sites, test, scope: Scope::Common })
}

/// The table of a path; a file in the DeepSurv layout brings its own test set and column names.
pub(crate) fn tables(path: &Path, data: &Data) -> Result<(Table, Option<Table>, Data), StudyError> {
    let hdf5 = path.extension().is_some_and(|e| e == "h5" || e == "hdf5");
    if let Some(file) = if hdf5 { read_deepsurv(path)? } else { None } {
        let defaults = Data::default();
        let mut data = data.clone();
        if data.time == defaults.time && data.event == defaults.event {
            (data.time, data.event) = ("t".to_owned(), "e".to_owned());
        }
        return Ok((file.train, file.test, data));
    }
    Ok((read(path, &ReadOptions::default())?, None, data.clone()))
}

/// Tables of the sites held here with their files, and the schema they share.
type Tables = (Vec<(Table, Source)>, Option<Schema>);

/// A table per site, opened by the rank that holds it.
fn from_site_files(study: &Study, files: &[SiteFile], comm: &Comm) -> Result<Cohorts, StudyError> {
    let federated = study.train.arm == Arm::Federated;
    let rank_of = placement::place(&vec![1; files.len()], comm.size());
    let held: Vec<usize> = (0..files.len()).filter(|&k| !federated || rank_of[k] == comm.rank()).collect();
    let read = || -> Result<Tables, StudyError> {
        let mut tables = Vec::new();
        let mut first: Option<Schema> = None;
        for &k in &held {
            // Described first: a file that changes while it is read is not what was read.
            let source = Source::of(files[k].tables())?;
            let table = read(&files[k].path, &ReadOptions::default())?;
            let joined = Joined::new(table, study, Some(&files[k]))?;
            let schema = schema(&joined, &study.data, None, true)?;
            first = Some(match &first {
                Some(first) => agreed(first, &schema)?,
                None => schema,
            });
            tables.push((joined.table, source));
        }
        Ok((tables, first))
    };
    let (tables, mine) = comm.agree(read().map_err(FederateError::from))?;
    let schema = agreed_schema(comm, mine)?;
    let sites = || -> Result<Vec<Site>, StudyError> {
        let rules = rules(&study.data, true);
        let site = |(&k, (table, source)): (&usize, &(Table, Source))| {
            let all = Dataset::from_table(&completed(table, &schema)?, &schema, &rules)?;
            let drawn = split::train_test(all.n, study.split.test, study.split.seed.wrapping_add(k as u64))?;
            let (train, test) = (all.subset(&drawn.train), all.subset(&drawn.test));
            Ok(Site { index: k, name: files[k].name.clone(), train, test, source: Some(source.clone()) })
        };
        held.iter().zip(&tables).map(site).collect()
    };
    let sites = comm.agree(sites().map_err(FederateError::from))?;
    let names = files.iter().map(|f| f.name.clone()).collect();
    let test = Dataset::concat(&schema, []);
    Ok(Cohorts { schema, names, sites, test, scope: Scope::WithinSite })
}

/// The schema all ranks share: names, kinds, levels and units of columns, no values.
fn agreed_schema(comm: &Comm, mine: Option<Schema>) -> Result<Schema, StudyError> {
    let text = mine.as_ref().and_then(|s| serde_json::to_string(s).ok()).unwrap_or_default();
    let all = comm.gather_metadata(&text)?;
    let parsed = all.iter().filter(|t| !t.is_empty()).map(|t| serde_json::from_str::<Schema>(t));
    let mut whole: Option<Schema> = None;
    for schema in parsed {
        let schema = schema.map_err(|e| FederateError::Lost(format!("schema of a rank: {e}")))?;
        whole = Some(match &whole {
            Some(first) => agreed(first, &schema)?,
            None => schema,
        });
    }
    whole.ok_or_else(|| FederateError::Lost("no rank holds a site".into()).into())
}
