"""Checks that need an environment of their own; results are committed beside what they check."""

import pathlib

import nox

nox.options.sessions = ["oldest"]
nox.options.default_venv_backend = "venv"


@nox.session
def oldest(session: nox.Session) -> None:
    """The test suite with the lower bounds of setup.cfg."""
    session.install("--constraint", "constraints-min.txt", "--editable", ".[test]")
    session.run(
        "python", "-m", "pytest", "-n", "auto", "--dist", "loadfile", "--no-loadscope-reorder", *session.posargs
    )


@nox.session
def parity(session: nox.Session) -> None:
    """Logits against tf-models-official's ResNet3D-50, and each other's shards: tools/parity/README.md."""
    session.install("--upgrade", "pip")  # That of Python 3.11 (23.2) gives up on these requirements.
    # It comes with numpy 1.26, with which pyarrow 26 does not run, nor says so.
    session.install("tf-models-official==2.20.0", "pyarrow<26", "--editable", ".[modelgarden]")
    session.run("python", "-m", "tools.parity.model_garden", "--results=tools/parity/RESULTS.md")
    session.run("python", "-m", "tools.parity.converted", "--framework=tensorflow", "--results=results/converted.csv")
    session.run("python", "-m", "tools.parity.video_input", "--results=results/video_input.csv")


@nox.session
def torch(session: nox.Session) -> None:
    """Logits against torchvision's and pytorchvideo's networks with converted weights: results/converted.csv."""
    session.install("torch==2.14.1", "torchvision==0.29.1", "pytorchvideo==0.1.5")
    session.install("--constraint", "constraints.txt", "--editable", ".")
    session.run("python", "-m", "tools.parity.converted", "--framework=torch", "--results=results/converted.csv")


@nox.session
def fuzz(session: nox.Session) -> None:
    """Changed files of every kind, a few minutes: see tools/fuzz/README.md."""
    folder = pathlib.Path(session.create_tmp()).resolve()
    session.install("--constraint", "constraints.txt", "--editable", ".")
    session.run(
        "python", "-m", "tools.fuzz.fuzz", f"--output_dir={folder}/finds", *(session.posargs or ["--seconds=10"])
    )
    session.install("atheris==3.0.0")
    for reader in ("gin", "manifest", "manifest_lines"):
        session.run("python", "-m", "tools.fuzz.guided", reader, "-max_total_time=60")


@nox.session
def onnx(session: nox.Session) -> None:
    """Scores of exported ONNX files against those of the SavedModels beside them: results/onnx.csv."""
    session.install("--constraint", "constraints.txt", "--editable", ".[onnx,test]")
    session.run("python", "-m", "tools.parity.onnx_scores", "--results=results/onnx.csv")
    session.run("python", "-m", "pytest", "tests/inference/test_onnx_file.py")


@nox.session
def openvino(session: nox.Session) -> None:
    """Scores by OpenVINO against TensorFlow's, in float32, in the processor's own precision and in 8 bits."""
    session.install("--constraint", "constraints.txt", "--editable", ".[openvino,test]")
    session.run("python", "-m", "pytest", "tests/inference/test_engine.py")


@nox.session
def remote(session: nox.Session) -> None:
    """The demo at s3:// of a server that fails and is slow, against the same on the local disk: results/remote.csv."""
    session.install("moto[server]==5.2.5")
    session.install("--constraint", "constraints.txt", "--editable", ".[s3,test]")
    session.run("python", "-m", "pytest", "tests/remote")
    folder = session.create_tmp()
    session.run("python", "-m", "tools.remote.demo", f"--output_dir={folder}/demo", "--results=results/remote.csv")


@nox.session
def benchmark_labels(session: nox.Session) -> None:
    """Labels for many pairs beside polars, DuckDB and pyarrow alone: tools/benchmark/README.md."""
    session.install("polars==2.1.0", "duckdb==2.0.1")
    session.install("--constraint", "constraints.txt", "--editable", ".")
    session.run("python", "-m", "tools.benchmark.labels", *(session.posargs or [f"--folder={session.create_tmp()}"]))


@nox.session
def benchmark_input(session: nox.Session) -> None:
    """Training clips beside the input of tf-models-official, with its TensorFlow: tools/benchmark/README.md."""
    session.install("--upgrade", "pip")
    session.install("tf-models-official==2.20.0", "pyarrow<26", "--editable", ".[modelgarden]")
    session.run("python", "-m", "tools.benchmark.input", "--model_garden", *session.posargs)


@nox.session
def benchmark_cutting(session: nox.Session) -> None:
    """spl_tf.shard beside ffmpeg: tools/benchmark/README.md."""
    session.install("imageio-ffmpeg==0.8.1")
    session.install("--constraint", "constraints.txt", "--editable", ".")
    session.run("python", "-m", "tools.benchmark.cutting", *session.posargs)


@nox.session
def benchmark_start(session: nox.Session) -> None:
    """Command to first training step, beside stock Keras and PyTorch: tools/benchmark/README.md."""
    session.install("torch==2.14.1", "torchvision==0.29.1")
    session.install("--constraint", "constraints.txt", "--editable", ".")
    session.run("python", "-m", "tools.benchmark.start", *session.posargs)


@nox.session
def benchmark_networks(session: nox.Session) -> None:
    """Training and inference beside stock Keras, PyTorch and OpenVINO: tools/benchmark/README.md."""
    session.install("torch==2.14.1", "torchvision==0.29.1")
    session.install("--constraint", "constraints.txt", "--editable", ".[openvino]")
    session.run("python", "-m", "tools.benchmark.networks", *session.posargs)


@nox.session
def wheel(session: nox.Session) -> None:
    """The package as a wheel, used from a folder that is not the repository: gin files are found."""
    folder = pathlib.Path(session.create_tmp()).resolve()
    session.install("build")
    session.run("python", "-m", "build", "--wheel", "--outdir", str(folder))
    (built,) = folder.glob("*.whl")
    session.install("--constraint", "constraints.txt", str(built))
    session.chdir(folder)
    session.run("python", "-c", "import spl_tf.configurables, spl_tf.configuration as c; c.parse(['demo.gin'])")
    session.run("python", "-m", "spl_tf.recipe", "--help")
    session.run("spl_tf", "settings", "train_stage.epochs")
