//! DICOM objects for tests.

use std::path::Path;

use dicom_core::value::DataSetSequence;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};

pub type Attributes = InMemDicomObject;

/// Sets an attribute from text, as most of DICOM is; several values are parted by `\`.
pub fn set(to: &mut Attributes, tag: Tag, vr: VR, text: &str) {
    let parts: Vec<String> = text.split('\\').map(ToOwned::to_owned).collect();
    to.put(DataElement::new(tag, vr, PrimitiveValue::Strs(parts.into())));
}

/// Sets an unsigned number.
pub fn number(to: &mut Attributes, tag: Tag, value: usize) {
    to.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value as u16)));
}

/// Sets a sequence.
pub fn sequence(to: &mut Attributes, tag: Tag, items: Vec<Attributes>) {
    to.put(DataElement::new(tag, VR::SQ, DataSetSequence::from(items)));
}

/// An item made of texts.
pub fn item(elements: &[(Tag, VR, &str)]) -> Attributes {
    let mut all = Attributes::new_empty();
    elements.iter().for_each(|(tag, vr, text)| set(&mut all, *tag, *vr, text));
    all
}

/// An item that holds one sequence of one item.
pub fn group(tag: Tag, inner: Attributes) -> Attributes {
    let mut all = Attributes::new_empty();
    sequence(&mut all, tag, vec![inner]);
    all
}

/// 16-bit pixels.
pub fn pixels(to: &mut Attributes, size: [usize; 2], values: &[u16]) {
    number(to, tags::SAMPLES_PER_PIXEL, 1);
    number(to, tags::COLUMNS, size[0]);
    number(to, tags::ROWS, size[1]);
    number(to, tags::BITS_ALLOCATED, 16);
    number(to, tags::BITS_STORED, 16);
    number(to, tags::HIGH_BIT, 15);
    number(to, tags::PIXEL_REPRESENTATION, 0);
    set(to, tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2");
    to.put(DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(values.to_vec().into())));
}

/// Columns, rows and distance of slices of the images made here.
pub const SIZE: [usize; 2] = [4, 3];
pub const STEP: f64 = 3.0;

/// Slice `k` of a PET series: pixels `100 k + 0, 1, 2, ...` of 2 x 2.5 mm.
pub fn pet(k: usize) -> Attributes {
    let mut all = Attributes::new_empty();
    for (tag, vr, text) in [
        (tags::SOP_CLASS_UID, VR::UI, uids::POSITRON_EMISSION_TOMOGRAPHY_IMAGE_STORAGE),
        (tags::SOP_INSTANCE_UID, VR::UI, &*format!("1.2.3.{}", k + 1)),
        (tags::STUDY_INSTANCE_UID, VR::UI, "1.2.100"),
        (tags::SERIES_INSTANCE_UID, VR::UI, "1.2.200"),
        (tags::FRAME_OF_REFERENCE_UID, VR::UI, "1.2.300"),
        (tags::MODALITY, VR::CS, "PT"),
        (tags::SERIES_DESCRIPTION, VR::LO, "PET AC"),
        (tags::MANUFACTURER, VR::LO, "SIEMENS"),
        (tags::PATIENT_ID, VR::LO, "P1"),
        (tags::IMAGE_POSITION_PATIENT, VR::DS, &*format!("-10\\-20\\{}", 5.0 + STEP * k as f64)),
        (tags::IMAGE_ORIENTATION_PATIENT, VR::DS, "1\\0\\0\\0\\1\\0"),
        (tags::PIXEL_SPACING, VR::DS, "2.5\\2"),
        (tags::SLICE_THICKNESS, VR::DS, "3"),
        (tags::RESCALE_SLOPE, VR::DS, "0.5"),
        (tags::RESCALE_INTERCEPT, VR::DS, "0"),
    ] {
        set(&mut all, tag, vr, text);
    }
    let first = 100 * k as u16;
    pixels(&mut all, SIZE, &(first..first + 12).collect::<Vec<_>>());
    all
}

/// Writes an object in explicit VR little endian.
pub fn write(path: &Path, object: &Attributes) {
    write_as(path, object, uids::EXPLICIT_VR_LITTLE_ENDIAN);
}

/// Writes an object in a transfer syntax.
pub fn write_as(path: &Path, object: &Attributes, syntax: &str) {
    let text = |tag| object.get(tag).and_then(|e| e.to_str().ok()).map_or(String::new(), |t| t.into_owned());
    let meta = FileMetaTableBuilder::new()
        .transfer_syntax(syntax)
        .media_storage_sop_class_uid(text(tags::SOP_CLASS_UID))
        .media_storage_sop_instance_uid(text(tags::SOP_INSTANCE_UID));
    object.clone().with_meta(meta).expect("meta").write_to_file(path).expect("a DICOM file");
}

/// Writes slices as `0.dcm`, `1.dcm`, ...
pub fn write_all(folder: &Path, slices: &[Attributes]) {
    std::fs::create_dir_all(folder).expect("a folder");
    slices.iter().enumerate().for_each(|(k, s)| write(&folder.join(format!("{k}.dcm")), s));
}

/// An enhanced PET object of `frames` frames, the same voxels as `pet(0)`, `pet(1)`, ...
pub fn enhanced(frames: usize) -> Attributes {
    let mut all = pet(0);
    set(&mut all, tags::SOP_CLASS_UID, VR::UI, uids::ENHANCED_PET_IMAGE_STORAGE);
    for tag in [
        tags::IMAGE_POSITION_PATIENT,
        tags::IMAGE_ORIENTATION_PATIENT,
        tags::PIXEL_SPACING,
        tags::SLICE_THICKNESS,
        tags::RESCALE_SLOPE,
        tags::RESCALE_INTERCEPT,
    ] {
        all.remove_element(tag);
    }
    let mut shared = Attributes::new_empty();
    let measures = [(tags::PIXEL_SPACING, VR::DS, "2.5\\2"), (tags::SLICE_THICKNESS, VR::DS, "3")];
    sequence(&mut shared, tags::PIXEL_MEASURES_SEQUENCE, vec![item(&measures)]);
    let orientation = [(tags::IMAGE_ORIENTATION_PATIENT, VR::DS, "1\\0\\0\\0\\1\\0")];
    sequence(&mut shared, tags::PLANE_ORIENTATION_SEQUENCE, vec![item(&orientation)]);
    sequence(&mut all, tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, vec![shared]);
    // The last frame lies lowest.
    let per_frame = |frame: usize| {
        let z = format!("-10\\-20\\{}", 5.0 + STEP * (frames - 1 - frame) as f64);
        let place = [(tags::IMAGE_POSITION_PATIENT, VR::DS, &*z)];
        let mut own = group(tags::PLANE_POSITION_SEQUENCE, item(&place));
        let rescale = [(tags::RESCALE_SLOPE, VR::DS, "0.5"), (tags::RESCALE_INTERCEPT, VR::DS, "0")];
        sequence(&mut own, tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE, vec![item(&rescale)]);
        own
    };
    sequence(&mut all, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, (0..frames).map(per_frame).collect());
    set(&mut all, tags::NUMBER_OF_FRAMES, VR::IS, &frames.to_string());
    let values: Vec<u16> = (0..frames as u16).rev().flat_map(|k| 100 * k..100 * k + 12).collect();
    pixels(&mut all, SIZE, &values);
    all
}

/// A SEG whose frames are (segment, slice); segments 1 "liver" and 2 "spleen".
pub fn segmentation(frames: &[(usize, f64)]) -> Attributes {
    let mut all = pet(0);
    all.remove_element(tags::RESCALE_SLOPE);
    all.remove_element(tags::RESCALE_INTERCEPT);
    set(&mut all, tags::SOP_CLASS_UID, VR::UI, uids::SEGMENTATION_STORAGE);
    set(&mut all, tags::MODALITY, VR::CS, "SEG");
    set(&mut all, tags::SEGMENTATION_TYPE, VR::CS, "BINARY");
    let segment = |n: usize, name: &str| {
        let mut s = item(&[(tags::SEGMENT_LABEL, VR::LO, name)]);
        number(&mut s, tags::SEGMENT_NUMBER, n);
        s
    };
    sequence(&mut all, tags::SEGMENT_SEQUENCE, vec![segment(1, "liver"), segment(2, "spleen")]);
    let frame = |&(segment, slice): &(usize, f64)| {
        let z = format!("-10\\-20\\{}", 5.0 + STEP * slice);
        let mut f = group(tags::PLANE_POSITION_SEQUENCE, item(&[(tags::IMAGE_POSITION_PATIENT, VR::DS, &z)]));
        let mut id = Attributes::new_empty();
        number(&mut id, tags::REFERENCED_SEGMENT_NUMBER, segment);
        sequence(&mut f, tags::SEGMENT_IDENTIFICATION_SEQUENCE, vec![id]);
        f
    };
    sequence(&mut all, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, frames.iter().map(frame).collect());
    set(&mut all, tags::NUMBER_OF_FRAMES, VR::IS, &frames.len().to_string());
    for tag in [tags::BITS_ALLOCATED, tags::BITS_STORED] {
        number(&mut all, tag, 1);
    }
    number(&mut all, tags::HIGH_BIT, 0);
    all
}

/// Packs the voxels that are set, by frame, the lowest bit of a byte first.
pub fn bits(to: &mut Attributes, frames: usize, voxels: &[usize]) {
    let mut bytes = vec![0u8; (frames * 12).div_ceil(16) * 2];
    voxels.iter().for_each(|v| bytes[v / 8] |= 1 << (v % 8));
    to.put(DataElement::new(tags::PIXEL_DATA, VR::OB, PrimitiveValue::U8(bytes.into())));
}

/// A structure set of regions (number, name, contours in mm).
pub fn structures(frame: &str, regions: &[(usize, &str, Vec<String>)]) -> Attributes {
    let mut all = Attributes::new_empty();
    set(&mut all, tags::SOP_CLASS_UID, VR::UI, uids::RT_STRUCTURE_SET_STORAGE);
    set(&mut all, tags::SOP_INSTANCE_UID, VR::UI, "1.2.9");
    set(&mut all, tags::MODALITY, VR::CS, "RTSTRUCT");
    let named = |(n, name, _): &(usize, &str, Vec<String>)| {
        item(&[
            (tags::ROI_NUMBER, VR::IS, &n.to_string()),
            (tags::ROI_NAME, VR::LO, name),
            (tags::REFERENCED_FRAME_OF_REFERENCE_UID, VR::UI, frame),
        ])
    };
    sequence(&mut all, tags::STRUCTURE_SET_ROI_SEQUENCE, regions.iter().map(named).collect());
    let drawn = |(n, _, contours): &(usize, &str, Vec<String>)| {
        let mut roi = item(&[(tags::REFERENCED_ROI_NUMBER, VR::IS, &n.to_string())]);
        let contour = |data: &String| {
            item(&[
                (tags::CONTOUR_GEOMETRIC_TYPE, VR::CS, "CLOSED_PLANAR"),
                (tags::CONTOUR_DATA, VR::DS, data),
            ])
        };
        sequence(&mut roi, tags::CONTOUR_SEQUENCE, contours.iter().map(contour).collect());
        roi
    };
    sequence(&mut all, tags::ROI_CONTOUR_SEQUENCE, regions.iter().map(drawn).collect());
    all
}

/// A rectangle round the pixels `x0..=x1`, `y0..=y1` of a slice.
pub fn rectangle([x0, x1]: [f64; 2], [y0, y1]: [f64; 2], slice: f64) -> String {
    let (left, right) = (-10.0 + 2.0 * (x0 - 0.4), -10.0 + 2.0 * (x1 + 0.4));
    let (top, bottom) = (-20.0 + 2.5 * (y0 - 0.4), -20.0 + 2.5 * (y1 + 0.4));
    let z = 5.0 + STEP * slice;
    format!("{left}\\{top}\\{z}\\{right}\\{top}\\{z}\\{right}\\{bottom}\\{z}\\{left}\\{bottom}\\{z}")
}
