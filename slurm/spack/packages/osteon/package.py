# Untried: `spack repo add slurm/spack && spack install osteon` has been run by no one yet.
from spack.package import *


class Osteon(CargoPackage):
    """Compute engine for survival models on rare blood diseases, federated over MPI ranks."""

    homepage = "https://github.com/osteon/osteon"
    git = "https://github.com/osteon/osteon.git"

    license("MIT OR Apache-2.0")

    version("main", branch="main")

    variant("mpi", default=True, description="Federation over MPI ranks")
    variant("hdf5", default=True, description="HDF5 tables")

    depends_on("c", type="build")
    depends_on("rust@1.91:", type="build")
    depends_on("llvm +clang", when="+mpi", type="build")
    depends_on("mpi", when="+mpi")
    depends_on("hdf5@1.10:", when="+hdf5")

    @property
    def build_args(self):
        features = ["zstd", "wgpu", "cuda"] + [f for f in ("mpi", "hdf5") if f"+{f}" in self.spec]
        return ["--no-default-features", "--features", ",".join(features)]

    def setup_build_environment(self, env):
        if "+mpi" in self.spec:
            env.set("LIBCLANG_PATH", join_path(self.spec["llvm"].prefix, "lib"))
        if "+hdf5" in self.spec:
            env.set("HDF5_DIR", self.spec["hdf5"].prefix)
