"""SUV of Osteon and of MIRP on the same DICOM objects: suv_mirp.py OSTEON DIR [SERIES_FOLDER ...].

Writes PET series for every unit, decay correction and vendor case below DIR, lets both tools convert
them, and prints the ratio of the largest voxels to the values worked out here by the rules of
docs/pet.md. Series given at the end are compared as they are. Needs mirp, pydicom and nibabel.
"""

import pathlib
import shutil
import subprocess
import sys
import warnings

import nibabel
import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, PositronEmissionTomographyImageStorage, generate_uid

warnings.filterwarnings("ignore")
SIZE, SLICES = 16, 8
WEIGHT, DOSE, HALF_LIFE = 70.0, 3.5e8, 6000.0
BASE = 1000.0 * WEIGHT / DOSE
ROOT = 2.0**0.5

# Name: (changes of the header, expected factor). Injected at 10:00:00, scan at 11:40:00, one half-life later.
PHILIPS = {"Units": "CNTS", "philips": (0.0125, None)}
LATE = {"SeriesTime": "160000"}
CASES = {
    "BQML START": ({}, 2 * BASE),
    "BQML ADMIN": ({"DecayCorrection": "ADMIN"}, BASE),
    "BQML NONE": ({"DecayCorrection": "NONE"}, None),
    "GML": ({"Units": "GML"}, 1.0),
    "CNTS without factors": ({"Units": "CNTS"}, None),
    "CNTS Philips SUV factor": (PHILIPS, 0.0125),
    "CNTS Philips activity factor": ({"Units": "CNTS", "philips": (None, 3.0)}, 6 * BASE),
    "CNTS Philips factors that disagree": ({"Units": "CNTS", "philips": (0.0125, 3.0)}, 0.0125),
    "midnight": (
        {"SeriesTime": "005000", "AcquisitionTime": "005000", "injected": "231000"},
        2 * BASE,
    ),
    "start by date and time": ({"injected": "20240310105000"}, ROOT * BASE),
    "series time overwritten": (LATE, 2 * BASE),
    "series time overwritten, GE": (LATE | {"ge": "20240310105000.00"}, ROOT * BASE),
    "series time overwritten, frame reference": (
        LATE | {"FrameReferenceTime": "3059930.683", "ActualFrameDuration": "120000"},
        ROOT * BASE,
    ),
    "no weight": ({"PatientWeight": None}, None),
}


def write(folder, changes):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    study, series, frame = generate_uid(), generate_uid(), generate_uid()
    for k in range(SLICES):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = PositronEmissionTomographyImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        d = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
        d.SOPClassUID, d.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
        d.StudyInstanceUID, d.SeriesInstanceUID, d.FrameOfReferenceUID = study, series, frame
        d.Modality, d.Manufacturer, d.PatientID, d.PatientName = "PT", "SIEMENS", "P1", "P1"
        d.SeriesDate = d.AcquisitionDate = d.StudyDate = "20240310"
        d.SeriesTime = d.AcquisitionTime = d.StudyTime = "114000"
        d.Units, d.DecayCorrection, d.CorrectedImage = "BQML", "START", ["DECY", "ATTN"]
        d.PatientWeight = str(WEIGHT)
        d.ImagePositionPatient, d.ImageOrientationPatient = [0, 0, 3.0 * k], [1, 0, 0, 0, 1, 0]
        d.PixelSpacing, d.SliceThickness, d.InstanceNumber = [4, 4], 3, k + 1
        d.RescaleSlope, d.RescaleIntercept, d.RescaleType = "0.5", "0", "BQML"
        d.Rows = d.Columns = SIZE
        d.SamplesPerPixel, d.PhotometricInterpretation = 1, "MONOCHROME2"
        d.BitsAllocated, d.BitsStored, d.HighBit, d.PixelRepresentation = 16, 16, 15, 0
        values = (np.arange(SIZE * SIZE).reshape(SIZE, SIZE) + 200 * k).astype(np.uint16)
        d.PixelData = values.tobytes()
        isotope = Dataset()
        isotope.RadionuclideTotalDose, isotope.RadionuclideHalfLife = str(DOSE), str(HALF_LIFE)
        injected = changes.get("injected", "100000")
        if len(injected) > 6:
            isotope.RadiopharmaceuticalStartDateTime = injected
        else:
            isotope.RadiopharmaceuticalStartTime = injected
        d.RadiopharmaceuticalInformationSequence = [isotope]
        for name, value in changes.items():
            if name == "philips":
                block = d.private_block(0x7053, "Philips PET Private Group", create=True)
                for element, factor in zip((0x00, 0x09), value):
                    if factor is not None:
                        block.add_new(element, "DS", str(factor))
            elif name == "ge":
                d.private_block(0x0009, "GEMS_PETD_01", create=True).add_new(0x0D, "DT", value)
            elif value is None:
                delattr(d, name)
            elif name != "injected":
                setattr(d, name, value)
        d.save_as(folder / f"{k:03}.dcm", enforce_file_format=True)


def osteon(binary, folder, out):
    done = subprocess.run(
        [binary, "radiomics", "suv", "--dicom", folder, "-o", out, "-q"], capture_output=True, text=True
    )
    if done.returncode:
        return done.stderr.strip().splitlines()[0]
    return np.asarray(nibabel.load(out).dataobj, dtype=np.float64).max()


def mirp(folder):
    from mirp._data_import.read_data import read_image
    from mirp.data_import.import_image import import_image

    try:
        return float(np.max(read_image(import_image(str(folder))[0])[0].get_voxel_grid()))
    except Exception as error:  # The peer's own words are the result.
        return f"{type(error).__name__}: {error}"


def shown(value, truth):
    if isinstance(value, str):
        return value[:60]
    return f"{value:.6g}" if truth is None else f"{value / truth:.9f}"


def main(binary, directory, series):
    root = pathlib.Path(directory)
    print(f"{'case':44} {'Osteon / rule':>16} {'MIRP / rule':>16}")
    for number, (name, (changes, factor)) in enumerate(CASES.items()):
        folder = root / f"{number:02}"
        write(folder, changes)
        stored = SIZE * SIZE - 1 + 200 * (SLICES - 1)
        truth = None if factor is None else stored * 0.5 * factor
        ours, theirs = osteon(binary, folder, root / f"{number:02}.nii"), mirp(folder)
        print(f"{name:44} {shown(ours, truth):>16} {shown(theirs, truth):>16}")
    for folder in series:
        ours, theirs = osteon(binary, folder, root / "series.nii"), mirp(folder)
        print(f"{folder}: Osteon {ours}, MIRP {theirs}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
