//! Which PET series of a study is meant, and the CT and the mask that belong to it. A rule decides
//! or nothing does: what is left open is a doubt, listed and never guessed.

use std::collections::BTreeMap;

use dicom_dictionary_std::uids;

use super::Choice;
use super::survey::Series;

/// A PET series with what belongs to it; places in the list of series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pair {
    pub pet: usize,
    pub ct: Option<usize>,
    pub mask: Option<usize>,
}

/// A question that no rule answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Doubt {
    /// One of the series of the study.
    pub of: usize,
    /// What is open.
    pub question: &'static str,
    /// The series among which to choose.
    pub candidates: Vec<usize>,
}

/// What became of every series.
#[derive(Debug, Default)]
pub(crate) struct Pairing {
    pub pairs: Vec<Pair>,
    pub doubts: Vec<Doubt>,
    /// What each series is used as, or why it is not.
    pub roles: Vec<String>,
}

/// Pairs the series of all studies.
pub(crate) fn pair(series: &[Series], choice: &Choice) -> Pairing {
    let mut pairing = Pairing { roles: vec![String::new(); series.len()], ..Pairing::default() };
    let mut studies: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
    for (k, s) in series.iter().enumerate() {
        studies.entry((&s.patient, &s.study)).or_default().push(k);
        pairing.roles[k] = match unfit(s, choice) {
            Some(reason) => reason,
            None if is_mask(s) => "mask".into(),
            None => "candidate".into(),
        };
    }
    for study in studies.values() {
        one_study(series, study, &mut pairing);
    }
    pairing
}

fn one_study(series: &[Series], study: &[usize], pairing: &mut Pairing) {
    let fit = |modality: &str| -> Vec<usize> {
        study
            .iter()
            .copied()
            .filter(|&k| pairing.roles[k] == "candidate" && series[k].modality == modality)
            .collect()
    };
    let (pets, cts) = (fit("PT"), fit("CT"));
    let pet = match pets[..] {
        [pet] => pet,
        [] => {
            let unfit: Vec<usize> = study.iter().copied().filter(|&k| series[k].modality == "PT").collect();
            if let Some(&of) = unfit.first() {
                let question = "no PET series meets the rules";
                pairing.doubts.push(Doubt { of, question, candidates: unfit });
            }
            return;
        }
        [of, ..] => {
            let question = "several PET series meet the rules";
            return pairing.doubts.push(Doubt { of, question, candidates: pets });
        }
    };
    let frame = &series[pet].frame_of_reference;
    let (same, other): (Vec<usize>, Vec<usize>) =
        cts.into_iter().partition(|&k| frame.is_some() && series[k].frame_of_reference == *frame);
    let ct = match (&same[..], &other[..]) {
        ([ct], _) => Some(*ct),
        ([], []) => None,
        ([], _) => {
            let question = "the CT lies in another frame of reference than the PET";
            pairing.doubts.push(Doubt { of: pet, question, candidates: other });
            None
        }
        _ => {
            let question = "several CT series share the frame of reference of the PET";
            pairing.doubts.push(Doubt { of: pet, question, candidates: same });
            None
        }
    };
    let masks: Vec<usize> = study
        .iter()
        .copied()
        .filter(|&k| pairing.roles[k] == "mask" && series[k].drawn_on.contains(&series[pet].uid))
        .collect();
    let mask = match masks[..] {
        [mask] if series[mask].files.len() == 1 => Some(mask),
        [] => None,
        _ => {
            let question = "several masks were drawn on the PET";
            pairing.doubts.push(Doubt { of: pet, question, candidates: masks });
            None
        }
    };
    pairing.roles[pet] = "PET".into();
    if let Some(ct) = ct {
        pairing.roles[ct] = "CT".into();
    }
    pairing.pairs.push(Pair { pet, ct, mask });
}

fn is_mask(series: &Series) -> bool {
    matches!(&*series.class, uids::SEGMENTATION_STORAGE | uids::RT_STRUCTURE_SET_STORAGE)
}

/// Why a series can be neither PET, CT nor mask of a case.
fn unfit(series: &Series, choice: &Choice) -> Option<String> {
    const PET: [&str; 3] = [
        uids::POSITRON_EMISSION_TOMOGRAPHY_IMAGE_STORAGE,
        uids::ENHANCED_PET_IMAGE_STORAGE,
        uids::LEGACY_CONVERTED_ENHANCED_PET_IMAGE_STORAGE,
    ];
    const CT: [&str; 3] = [
        uids::CT_IMAGE_STORAGE,
        uids::ENHANCED_CT_IMAGE_STORAGE,
        uids::LEGACY_CONVERTED_ENHANCED_CT_IMAGE_STORAGE,
    ];
    if is_mask(series) {
        return None;
    }
    let has = |list: &[String], word: &str| list.iter().any(|w| w == word);
    let named = |wanted: &Option<String>| {
        wanted.as_ref().is_none_or(|w| series.description.to_lowercase().contains(&w.to_lowercase()))
    };
    let corrected = &series.facts.corrected;
    let reason = match &*series.modality {
        "PT" | "CT" if !PET.contains(&&*series.class) && !CT.contains(&&*series.class) => {
            "not used: not stored as a PET or CT image"
        }
        "PT" | "CT" if series.slices < 2 => "not used: a single slice",
        "PT" | "CT" if folders(series) > 1 => "not used: its files lie in several folders",
        "PT" | "CT" if has(&series.image_type, "PROJECTION IMAGE") || has(&series.image_type, "MIP") => {
            "not used: a projection"
        }
        "PT" if corrected.is_empty() => "not used: CorrectedImage is empty",
        "PT" if !has(corrected, "ATTN") => "not used: not attenuation corrected",
        "PT" if has(&series.series_type, "DYNAMIC") || has(&series.series_type, "GATED") => {
            "not used: dynamic or gated"
        }
        "PT" if !named(&choice.pet) => "not used: its description is not the one asked for",
        "CT" if has(&series.image_type, "LOCALIZER") => "not used: a localizer",
        "CT" if !named(&choice.ct) => "not used: its description is not the one asked for",
        "PT" | "CT" => return None,
        _ => "not used: neither PET, CT nor mask",
    };
    Some(reason.into())
}

/// Folders that hold files of a series.
fn folders(series: &Series) -> usize {
    let mut all: Vec<_> = series.files.iter().filter_map(|f| f.parent()).collect();
    all.sort();
    all.dedup();
    all.len()
}
