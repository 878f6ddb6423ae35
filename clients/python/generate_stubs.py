"""Generates the messages and stubs of proto/candor/v1 into src/candor_client/v1.

usage: python3 generate_stubs.py     (needs grpcio-tools; the build of the package calls it by itself)

The files are not kept in the repository. Generated messages hold their schema as one long line of bytes, so that any two
changes of proto/ would conflict there, and a copy that nobody renewed would go unnoticed until a field is missing. Made at
each build, they are never older than proto/; a test compares them with what the daemon says of itself by reflection.
"""

import pathlib
import re
import shutil
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
TARGET = HERE / "src" / "candor_client" / "v1"
# The generator takes the directory of a .proto file for the Python package; ours is another one.
IMPORT = re.compile(r"^from candor\.v1 import ", re.MULTILINE)


def contract() -> pathlib.Path:
    """The directory of the .proto files: in a source archive, else in the repository."""
    for place in (HERE / "proto", HERE.parent.parent / "proto"):
        if (place / "candor" / "v1").is_dir():
            return place
    raise FileNotFoundError(f"there is no proto/candor/v1 in {HERE} nor in {HERE.parent.parent}: build from the repository")


def generate() -> None:
    """Replaces TARGET by what the generator makes now."""
    from grpc_tools import protoc  # Only the build has it.
    import grpc_tools

    protos = contract()
    known_types = pathlib.Path(grpc_tools.__file__).parent / "_proto"
    with tempfile.TemporaryDirectory() as directory:
        out = pathlib.Path(directory)
        files = sorted(path.relative_to(protos).as_posix() for path in protos.glob("candor/v1/*.proto"))
        messages = [f"--python_out={out}", f"--pyi_out={out}"]
        run = lambda options, names: protoc.main(["protoc", f"-I{protos}", f"-I{known_types}", *options, *names])  # noqa: E731
        services = [name for name in files if re.search(r"^service ", (protos / name).read_text("utf-8"), re.MULTILINE)]
        if run(messages, files) != 0 or run([f"--grpc_python_out={out}"], services) != 0:
            raise RuntimeError("protoc failed; what it said is above")
        made = out / "candor" / "v1"
        for path in made.iterdir():
            path.write_text(IMPORT.sub("from . import ", path.read_text("utf-8")), "utf-8")
        (made / "__init__.py").write_text('"""Generated from proto/candor/v1: messages and stubs as the daemon speaks them."""\n')
        shutil.rmtree(TARGET, ignore_errors=True)
        shutil.copytree(made, TARGET)


if __name__ == "__main__":
    generate()
    print(f"generated {len(list(TARGET.iterdir()))} files in {TARGET}")
