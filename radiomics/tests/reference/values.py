"""Writes values.json: what PyRadiomics 3.0.1 computes on two small images made by a formula.

python3 -m venv py && py/bin/pip install "numpy<2" "scipy<1.15" "scikit-image<0.25" "PyWavelets<1.9" \
    "setuptools<70" wheel versioneer pykwalify six SimpleITK trimesh
py/bin/pip install --no-build-isolation --no-deps pyradiomics==3.0.1
py/bin/python values.py > values.json
"""

import json
import logging
import sys
import tempfile

import numpy as np
import SimpleITK as sitk
from radiomics import featureextractor

logging.getLogger("radiomics").setLevel(logging.CRITICAL)
SIZE = (17, 14, 11)
z, y, x = np.meshgrid(*[np.arange(n) for n in SIZE[::-1]], indexing="ij")
NOISE = (131 * x + 241 * y + 383 * z + 17 * x * y + 29 * y * z + 13 * z * x) % 251
BUMP = (x - 8) ** 2 + (y - 7) ** 2 + (z - 5) ** 2
BALL = (25 * (x - 8) ** 2 + 36 * (y - 7) ** 2 + 49 * (z - 5) ** 2 <= 900).astype(np.uint8)


def grid(array):
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((1.5, 1.25, 2.0))
    image.SetOrigin((-3.0, 5.0, 7.0))
    return image


IMAGES = {
    "float": grid((NOISE / 16 + BUMP / 8 - 6).astype(np.float32)),
    "short": grid((2 * NOISE + BUMP).astype(np.int16)),
}
MASKS = {
    "ball": grid(BALL),
    "plane": grid(np.where(z == 5, BALL, 0).astype(np.uint8)),
}
FEW = {"firstorder": ["Mean", "Variance", "Entropy"], "glcm": ["Contrast"]}
CASES = []


def case(name, params, image="float", mask="ball", voxel=False, diagnostics=False):
    params.setdefault("setting", {}).setdefault("binWidth", 2)
    params.setdefault("featureClass", FEW)
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        json.dump(params, file)
        file.flush()
        extractor = featureextractor.RadiomicsFeatureExtractor(file.name)
    found = extractor.execute(IMAGES[image], MASKS[mask], voxelBased=voxel)
    values = {}
    for key, value in found.items():
        if key.startswith("diagnostics"):
            if diagnostics:
                values[key] = str(value)
        elif voxel:
            # The sum over the map, and three voxels of its middle row.
            array = sitk.GetArrayFromImage(value)
            nz, ny, nx = array.shape
            row = array[nz // 2, ny // 2]
            values[key] = [float(array.sum()), float(row[0]), float(row[1]), float(row[nx // 2])]
        else:
            values[key] = float(value)
    print(name, file=sys.stderr, flush=True)
    CASES.append({"name": name, "image": image, "mask": mask, "voxel": voxel, "params": params, "values": values})


ALL = {c: None for c in ["firstorder", "glcm", "glrlm", "glszm", "gldm", "ngtdm"]}
for method in ["uniform", "default", "ror", "var"]:
    case(f"LBP2D {method}", {"imageType": {"LBP2D": {"lbp2DMethod": method, "binWidth": 1}}})
case("LBP2D wide", {"imageType": {"LBP2D": {"lbp2DRadius": 2.5, "lbp2DSamples": 12, "binWidth": 1}}}, "short")
case("LBP2D x", {"setting": {"force2D": True, "force2Ddimension": 2}, "imageType": {"LBP2D": {"binWidth": 1}}})
case("LBP3D", {"imageType": {"LBP3D": {"binWidth": 0.5}}})
case("LBP3D levels", {"imageType": {"LBP3D": {"binWidth": 0.5, "lbp3DLevels": 4, "lbp3DIcosphereRadius": 2,
     "lbp3DIcosphereSubdivision": 2}}}, "short")
for wavelet in ["haar", "db1", "db4", "db20", "sym2", "sym8", "sym20", "coif1", "coif3", "coif5", "bior1.1", "bior1.5",
                "bior2.4", "bior3.1", "bior3.9", "bior4.4", "bior5.5", "bior6.8", "rbio1.3", "rbio2.8", "rbio3.7",
                "rbio4.4", "rbio6.8", "dmey"]:
    for image in ["float", "short"] if wavelet in ["haar", "db4", "sym8", "coif3", "bior4.4", "dmey"] else ["float"]:
        features = {"firstorder": ["Mean", "Variance"]}
        case(f"Wavelet {wavelet} {image}", {"imageType": {"Wavelet": {"wavelet": wavelet}}, "featureClass": features},
             image)
case("Wavelet levels", {"imageType": {"Wavelet": {"start_level": 1, "level": 2}}})
case("Wavelet plane", {"setting": {"force2D": True}, "imageType": {"Wavelet": {}}})
case("Gradient in voxels", {"imageType": {"Gradient": {"gradientUseSpacing": False}}})
case("LoG of integers", {"setting": {"sigma": [2, 3.5]}, "imageType": {"LoG": {}, "Original": {"binWidth": 5}}}, "short")
case("pre-crop", {"setting": {"preCrop": True, "padDistance": 2}, "imageType": {"LoG": {"sigma": [2.0]}, "Square": {},
     "Wavelet": {}}})
case("one-way pairs", {"setting": {"symmetricalGLCM": False}, "featureClass": {"glcm": None}})
case("one-way weighted", {"setting": {"symmetricalGLCM": False, "weightingNorm": "euclidean"},
     "featureClass": {"glcm": None}})
case("shape2D", {"setting": {"force2D": True}, "featureClass": {"shape2D": None, "firstorder": ["Mean"]}}, mask="plane")
case("by name", {"featureClass": {"shape": ["Compactness1", "Compactness2", "SphericalDisproportion"],
     "firstorder": ["StandardDeviation"], "glcm": ["Homogeneity1", "Dissimilarity", "SumVariance", "Id"],
     "gldm": ["DependencePercentage", "SmallDependenceEmphasis"]}})
case("shape2D by name", {"setting": {"force2D": True}, "featureClass": {"shape2D": ["SphericalDisproportion"]}},
     mask="plane")
for norm in ["manhattan", "euclidean", "infinity", "no_weighting"]:
    case(f"norm {norm}", {"setting": {"weightingNorm": norm}, "featureClass": {"glcm": ["Contrast", "MCC"],
         "glrlm": ["RunVariance"]}})
for mode, limits in [("absolute", [0, 12]), ("relative", [0.1]), ("sigma", [-1, 1.5])]:
    case(f"resegment {mode}", {"setting": {"resegmentRange": limits, "resegmentMode": mode}}, diagnostics=True)
case("flat planes", {"setting": {"force2D": True, "force2Ddimension": 1}, "featureClass": ALL})
case("diagnostics", {"setting": {"resampledPixelSpacing": [1, 1, 1], "interpolator": "sitkLinear", "padDistance": 2},
     "imageType": {"Original": {}, "LoG": {"sigma": [2.0]}}, "featureClass": {"firstorder": ["Mean"]}},
     diagnostics=True)
case("maps", {"setting": {"binWidth": 5}, "featureClass": ALL, "voxelSetting": {"kernelRadius": 1}}, voxel=True)
case("maps unmasked", {"setting": {"binWidth": 6}, "featureClass": ALL, "voxelSetting": {"kernelRadius": 1, "maskedKernel": False,
     "initValue": -1}}, voxel=True)
case("maps wide", {"setting": {"binWidth": 80}, "featureClass": ALL, "voxelSetting": {"kernelRadius": 2}}, "short", voxel=True)
case("maps in planes", {"setting": {"force2D": True, "binWidth": 5}, "featureClass": ALL, "voxelSetting": {"kernelRadius": 1,
     "voxelBatch": 50}}, voxel=True)
case("maps of filters", {"setting": {"binWidth": 4}, "imageType": {"LoG": {"sigma": [2.0]}, "Wavelet": {}}, "featureClass":
     {"firstorder": ["Mean"], "glcm": ["Contrast"]}, "voxelSetting": {"kernelRadius": 1}}, voxel=True)

def plain(value):
    """NaN as null."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [plain(v) for v in value]
    return None if isinstance(value, float) and value != value else value


print("[")
print(",\n".join(json.dumps(plain(c)) for c in CASES))
print("]")
