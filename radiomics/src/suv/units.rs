//! Whether a PET image that features are taken of is in SUV at all.

use std::path::Path;

use dicom_dictionary_std::tags;

use crate::image::{Image, dicom};
use crate::image::{Samples, dicom::object};

/// Above any SUV of a patient; a PET image in Bq/ml passes it nearly everywhere in the body.
const SUV_LIMIT: f64 = 500.0;

/// Why an image looks like PET in Bq/ml or counts where SUV is wanted; `None` if it does not.
///
/// A DICOM series says so by its modality and units. Other files hold no units: values that are not
/// integers, nowhere negative, and somewhere above 500 look like activity.
pub fn not_suv(path: &Path, image: &Image) -> Option<String> {
    if dicom::is_ours(path) {
        let header = dicom::first_header(path)?;
        let units = object::text(&header, tags::UNITS)?;
        let pet = object::text(&header, tags::MODALITY).as_deref() == Some("PT");
        return (pet && units != "GML").then(|| format!("PET in units {units}, not in SUV"));
    }
    if matches!(image.samples, Samples::I16(_)) {
        return None;
    }
    let (mut low, mut high, mut whole) = (f64::MAX, f64::MIN, true);
    for k in 0..image.samples.len() {
        let value = image.samples.get(k);
        low = low.min(value);
        high = high.max(value);
        whole &= value.fract() == 0.0;
    }
    (low >= 0.0 && high > SUV_LIMIT && !whole)
        .then(|| format!("values up to {high:.0}: activity in Bq/ml, if it is PET, not SUV"))
}
