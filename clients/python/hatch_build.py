"""Called by the build of the package: makes the stubs first."""

import pathlib
import sys
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))


class GenerateStubs(BuildHookInterface):
    """Makes src/candor_client/v1 before its files are collected."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        import generate_stubs

        generate_stubs.generate()
