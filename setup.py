"""Ships the gin files of `gin/` inside the wheel; everything else is in setup.cfg.

`package_dir` cannot say this: mapping `gin/` to a sub-package breaks editable installs.
"""

import pathlib
import shutil

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithGinFiles(build_py):
    """Copies `gin/` to `spl_tf/gin_files/` of a wheel; an editable install reads `gin/` itself."""

    def run(self):
        super().run()
        if not self.editable_mode:
            source = pathlib.Path(__file__).parent / "gin"
            shutil.copytree(source, pathlib.Path(self.build_lib) / "spl_tf" / "gin_files", dirs_exist_ok=True)


setup(cmdclass={"build_py": BuildWithGinFiles})
