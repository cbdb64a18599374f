//! DICOM: series, masks, SUV and the index of a folder, on objects made here and on the shared series.

mod index;
mod masks;
mod objects;
mod series;
mod shared;
mod suv;
