"""Checks that need an environment of their own; results are committed beside what they check."""

import pathlib

import nox

nox.options.sessions = ["oldest"]
nox.options.default_venv_backend = "venv"


@nox.session
def oldest(session: nox.Session) -> None:
    """The test suite with the lower bounds of setup.cfg."""
    session.install("--constraint", "constraints-min.txt", "--editable", ".[test]")
    session.run("python", "-m", "pytest", "-n", "auto", "--dist", "loadfile", *session.posargs)


@nox.session
def parity(session: nox.Session) -> None:
    """Logits against tf-models-official's ResNet3D-50 with copied weights: tools/parity/RESULTS.md."""
    session.install("--editable", ".[modelgarden]")
    session.run("python", "-m", "tools.parity.model_garden", "--results=tools/parity/RESULTS.md")


@nox.session
def wheel(session: nox.Session) -> None:
    """The package as a wheel, used from a folder that is not the repository: gin files are found."""
    folder = pathlib.Path(session.create_tmp()).resolve()
    session.install("build")
    session.run("python", "-m", "build", "--wheel", "--outdir", str(folder))
    (built,) = folder.glob("*.whl")
    session.install("--constraint", "constraints.txt", str(built))
    session.chdir(folder)
    session.run("python", "-c", "from spl_tf import configuration; configuration.parse(['demo.gin'])")
    session.run("python", "-m", "spl_tf.recipe", "--help")
