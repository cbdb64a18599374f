//! The cases of a folder of DICOM files: PET with its CT and mask, by stated rules (docs/pet.md).

mod pair;
mod pseudonym;
mod survey;

use std::fs;
use std::path::{Path, PathBuf};

pub use self::pseudonym::Key;

use self::pair::Pairing;
use self::survey::Series;
use crate::error::RadiomicsError;
use crate::suv::rules;

/// What a person may add to the rules.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    /// Part of the description of the PET series, in any case.
    pub pet: Option<String>,
    /// Part of the description of the CT series.
    pub ct: Option<String>,
}

/// A table of texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Names of its columns.
    pub columns: Vec<&'static str>,
    /// Rows, a text per column.
    pub rows: Vec<Vec<String>>,
}

/// Columns whose text comes from headers as it is.
const TYPED: [&str; 7] =
    ["Manufacturer", "Model", "Units", "DecayCorrection", "Reconstruction", "Kernel", "Modality"];

/// What lies in a folder.
pub struct Index {
    series: Vec<Series>,
    unread: Vec<(PathBuf, String)>,
    pairing: Pairing,
}

/// How patients and series are named in what is written.
pub enum Naming<'a> {
    /// As in the files; cases name the folders where the files lie.
    Plain,
    /// By keyed hashes. Cases name folders below the given one, which hold a link to every file,
    /// because paths of archives are full of names.
    Pseudonyms(&'a Key, &'a Path),
}

impl Index {
    /// Reads the headers of all DICOM files below a folder and pairs their series.
    ///
    /// # Errors
    /// If the folder cannot be read, or holds no DICOM file. Files that cannot be read are listed.
    pub fn read(folder: &Path, choice: &Choice) -> Result<Self, RadiomicsError> {
        let folder = fs::canonicalize(folder).map_err(|e| RadiomicsError::io(folder, e))?;
        let (series, unread) = survey::survey(&folder)?;
        if series.is_empty() && unread.is_empty() {
            return Err(RadiomicsError::format(&folder, "no DICOM file lies below this folder"));
        }
        let pairing = pair::pair(&series, choice);
        Ok(Self { series, unread, pairing })
    }

    /// Number of cases, of open questions, and of files that could not be read.
    pub fn counts(&self) -> [usize; 3] {
        [self.pairing.pairs.len(), self.pairing.doubts.len(), self.unread.len()]
    }

    /// The cases: ID, Image, Mask, CT, and how the PET was acquired.
    pub fn cases(&self, naming: &Naming) -> Listing {
        let columns = [
            "ID",
            "Image",
            "Mask",
            "CT",
            "Study",
            "Manufacturer",
            "Model",
            "Units",
            "DecayCorrection",
            "UptakeMinutes",
            "DoseMBq",
            "WeightKg",
            "HalfLifeSeconds",
            "Reconstruction",
            "Kernel",
            "Slices",
            "VoxelXmm",
            "VoxelYmm",
            "VoxelZmm",
        ];
        let row = |pair: &pair::Pair| {
            let pet = &self.series[pair.pet];
            let facts = &pet.facts;
            let number = |x: Option<f64>| x.map_or(String::new(), |x| x.to_string());
            let of = |k: Option<usize>| k.map_or(String::new(), |k| naming.place(&self.series[k]));
            let uptake = rules::uptake(facts).ok().map(|u| u.seconds() / 60.0);
            vec![
                naming.patient(pet),
                naming.place(pet),
                of(pair.mask),
                of(pair.ct),
                naming.uid("study", &pet.study),
                pet.manufacturer.clone(),
                pet.model.clone(),
                facts.units.clone().unwrap_or_default(),
                facts.decay_correction.clone().unwrap_or_default(),
                number(uptake),
                number(facts.dose.map(|d| d / 1e6)),
                number(facts.weight),
                number(facts.half_life),
                pet.reconstruction.clone(),
                pet.kernel.clone(),
                pet.slices.to_string(),
                number(pet.spacing.map(|s| s[0])),
                number(pet.spacing.map(|s| s[1])),
                number(step(pet)),
            ]
        };
        self.listing(columns.to_vec(), self.pairing.pairs.iter().map(row).collect(), naming)
    }

    /// Every series and what it is used as, or why not.
    pub fn series(&self, naming: &Naming) -> Listing {
        let columns = vec![
            "ID",
            "Study",
            "Series",
            "Modality",
            "Description",
            "Files",
            "Slices",
            "FrameOfReference",
            "DrawnOn",
            "Role",
            "Path",
        ];
        let row = |(series, role): (&Series, &String)| {
            vec![
                naming.patient(series),
                naming.uid("study", &series.study),
                naming.uid("series", &series.uid),
                series.modality.clone(),
                naming.free(&series.description),
                series.files.len().to_string(),
                series.slices.to_string(),
                series.frame_of_reference.as_ref().map_or(String::new(), |f| naming.uid("frame", f)),
                series.drawn_on.iter().map(|s| naming.uid("series", s)).collect::<Vec<_>>().join(" "),
                role.clone(),
                if used(role) || matches!(naming, Naming::Plain) {
                    naming.place(series)
                } else {
                    String::new()
                },
            ]
        };
        let rows = self.series.iter().zip(&self.pairing.roles).map(row).collect();
        self.listing(columns, rows, naming)
    }

    /// Questions that no rule answers, and files that could not be read.
    pub fn doubts(&self, naming: &Naming) -> Listing {
        let row = |doubt: &pair::Doubt| {
            let of = &self.series[doubt.of];
            let candidate = |&k: &usize| {
                let s = &self.series[k];
                let words = [naming.uid("series", &s.uid), naming.free(&s.description)];
                words.into_iter().filter(|w| !w.is_empty()).collect::<Vec<_>>().join(" ")
            };
            vec![
                naming.patient(of),
                naming.uid("study", &of.study),
                doubt.question.to_owned(),
                doubt.candidates.iter().map(candidate).collect::<Vec<_>>().join("; "),
            ]
        };
        let mut rows: Vec<Vec<String>> = self.pairing.doubts.iter().map(row).collect();
        for (path, error) in &self.unread {
            let what = match naming {
                Naming::Plain => [path.display().to_string(), error.clone()].join(": "),
                Naming::Pseudonyms(..) => String::new(),
            };
            rows.push(vec![String::new(), String::new(), "a file that cannot be read".into(), what]);
        }
        self.listing(vec!["ID", "Study", "Question", "Candidates"], rows, naming)
    }

    /// Where pseudonyms are asked for, texts of the headers that hold an identifier of any patient are
    /// emptied: people write names in odd places.
    fn listing(&self, columns: Vec<&'static str>, mut rows: Vec<Vec<String>>, naming: &Naming) -> Listing {
        if let Naming::Pseudonyms(..) = naming {
            let all: Vec<String> =
                self.series.iter().flat_map(|s| &s.identifiers).map(|i| i.to_lowercase()).collect();
            let tells = |cell: &str| {
                let cell = cell.to_lowercase();
                all.iter().any(|i| cell == *i || (i.len() > 2 && cell.contains(i.as_str())))
            };
            for row in &mut rows {
                let typed = row.iter_mut().zip(&columns).filter(|(_, name)| TYPED.contains(name));
                typed.filter(|(cell, _)| tells(cell)).for_each(|(cell, _)| cell.clear());
            }
        }
        Listing { columns, rows }
    }

    /// Makes the links that cases under pseudonyms name.
    ///
    /// # Errors
    /// If a folder or link cannot be made.
    pub fn link(&self, naming: &Naming) -> Result<(), RadiomicsError> {
        let Naming::Pseudonyms(key, root) = naming else { return Ok(()) };
        for (series, role) in self.series.iter().zip(&self.pairing.roles) {
            if !used(role) {
                continue;
            }
            let folder = root.join(folder(key, series));
            fs::create_dir_all(&folder).map_err(|e| RadiomicsError::io(&folder, e))?;
            for (k, file) in series.files.iter().enumerate() {
                let link = folder.join(link_name(k));
                let _ = fs::remove_file(&link);
                std::os::unix::fs::symlink(file, &link).map_err(|e| RadiomicsError::io(&link, e))?;
            }
        }
        Ok(())
    }
}

/// Distance of slices in mm.
fn step(series: &Series) -> Option<f64> {
    let (low, high) =
        series.places.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), x| (a.min(*x), b.max(*x)));
    if series.places.len() < 2 {
        return series.thickness;
    }
    // Headers have a few digits; the difference should not show more.
    Some(((high - low) / (series.places.len() - 1) as f64 * 1e6).round() / 1e6)
}

/// Whether a series is part of a case, or could be.
fn used(role: &str) -> bool {
    matches!(role, "PET" | "CT" | "mask")
}

fn folder(key: &Key, series: &Series) -> String {
    let kind = match &*series.modality {
        "PT" => "PT",
        "CT" => "CT",
        _ => "mask",
    };
    format!("{}/{kind}_{}", key.name("patient", &series.patient), key.name("series", &series.uid))
}

fn link_name(k: usize) -> String {
    format!("{k:06}.dcm")
}

impl Naming<'_> {
    fn patient(&self, series: &Series) -> String {
        match self {
            Self::Plain => series.patient.clone(),
            Self::Pseudonyms(key, _) => key.name("patient", &series.patient),
        }
    }

    fn uid(&self, kind: &str, uid: &str) -> String {
        match self {
            Self::Plain => uid.to_owned(),
            Self::Pseudonyms(key, _) => key.name(kind, uid),
        }
    }

    /// Text that a person typed.
    fn free(&self, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Pseudonyms(..) => String::new(),
        }
    }

    /// What [`crate::Image::read`] or [`crate::Mask::read`] takes.
    fn place(&self, series: &Series) -> String {
        let file = &series.files[0];
        let single = matches!(&*series.modality, "SEG" | "RTSTRUCT");
        match self {
            Self::Plain if single => file.display().to_string(),
            Self::Plain => {
                let folder = file.parent().unwrap_or(file);
                format!("{}#{}", folder.display(), series.uid)
            }
            Self::Pseudonyms(key, root) => {
                // Beside the table, which names its files from where it lies.
                let place = Path::new(root.file_name().unwrap_or_default()).join(folder(key, series));
                if single {
                    place.join(link_name(0)).display().to_string()
                } else {
                    place.display().to_string()
                }
            }
        }
    }
}
