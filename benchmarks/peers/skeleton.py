"""PyRadiomics or Nyxus on a generated skeleton, one thread: skeleton.py pyradiomics|nyxus FOLDER [shape].

FOLDER is what `skeleton -- pet write FOLDER` left. Lines of JSON as Osteon's; one sample each, as some take
half a minute. The two tools need different numpy versions, so each has an environment of its own.
"""

import os

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"):
    os.environ[name] = "1"

import json
import pathlib
import resource
import sys
import time


def once(what, who, work):
    wall, cpu = time.perf_counter(), time.process_time()
    found = work()
    line = {"what": what, "who": who, "wall_ms": (time.perf_counter() - wall) * 1e3}
    line |= {"cpu_ms": (time.process_time() - cpu) * 1e3, "samples": 1, "features": found}
    line["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(line), flush=True)


def pyradiomics(folder, shape):
    import logging

    import SimpleITK
    from radiomics import featureextractor

    logging.getLogger("radiomics").setLevel(logging.ERROR)
    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    image, whole, bones = (SimpleITK.ReadImage(str(folder / f"{n}.nii")) for n in ("image", "whole", "bones"))

    def features(classes, mask, labels, images=None):
        extractor = featureextractor.RadiomicsFeatureExtractor(binWidth=0.25, additionalInfo=False)
        extractor.disableAllFeatures()
        for name in classes:
            extractor.enableFeatureClassByName(name)
        if images:
            extractor.enableImageTypes(**images)
        return sum(len(extractor.execute(image, mask, label=label)) for label in labels)

    texture = ["firstorder", "glcm", "gldm", "glrlm", "glszm", "ngtdm"]
    once("radiomics_pet_without_shape", "PyRadiomics", lambda: features(texture, whole, [1]))
    if shape:
        once("radiomics_pet_whole", "PyRadiomics", lambda: features([*texture, "shape"], whole, [1]))
        every = range(1, 67)
        once("radiomics_pet_66_bones", "PyRadiomics", lambda: features([*texture, "shape"], bones, every))
        filters = {"Original": {}, "LoG": {"sigma": [4.0, 8.0]}, "Wavelet": {}}
        once("radiomics_pet_filters_without_shape", "PyRadiomics", lambda: features(texture, whole, [1], filters))


def voxels(path):
    """Size and voxels of an uncompressed NIfTI file."""
    import numpy as np

    raw = path.read_bytes()
    kind = {16: "<f4", 512: "<u2"}[int.from_bytes(raw[70:72], "little")]
    size = np.frombuffer(raw, "<i2", 3, 42)
    return raw[:352], np.frombuffer(raw, kind, offset=352).reshape(size[::-1])


def nyxus(folder, _):
    import numpy as np
    import nyxus as tool

    # Nyxus bins integers only: it gets the bins of width 0.25.
    header, image = voxels(folder / "image.nii")
    head = bytearray(header)
    head[70:74] = np.array([512, 16], "<i2").tobytes()
    binned = folder / "binned.nii"
    binned.write_bytes(bytes(head) + (np.floor(image / 0.25) + 1).astype("<u2").tobytes())
    classes = ["*3D_GLCM*", "*3D_GLDM*", "*3D_GLRLM*", "*3D_GLSZM*", "*3D_NGTDM*", "*3D_ALL_INTENSITY*"]
    work = tool.Nyxus3D(classes, n_feature_calc_threads=1)
    for what, mask in (("radiomics_pet_without_shape", "whole"), ("radiomics_pet_66_bones", "bones")):
        files = [str(binned)], [str(folder / f"{mask}.nii")]
        once(what, "Nyxus (from disk, no shape)", lambda f=files: int(work.featurize_files(*f, False).shape[1]))


if __name__ == "__main__":
    tools = {"pyradiomics": pyradiomics, "nyxus": nyxus}
    tools[sys.argv[1]](pathlib.Path(sys.argv[2]), sys.argv[3:] == ["shape"])
