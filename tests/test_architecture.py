"""The rules of the house that a machine can check: who may import whom, and what no code of ours does."""

import ast
import configparser
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.import_graph import cycles, import_graph

HOME = Path(__file__).resolve().parent.parent
MAY_IMPORT = {
    "configs": set(),
    "data": {"data"},
    "trackers": {"data", "trackers"},
    "reid": {"data", "reid"},
    "st_model": {"data", "st_model"},
    "pipeline": {"configs", "data", "pipeline", "reid", "st_model", "trackers"},
    "tools": {"configs", "data", "pipeline", "reid", "st_model", "tools", "trackers"},
}
LIBRARIES = ("data", "pipeline", "reid", "st_model", "trackers")
COMMANDS = ("pipeline/run.py", "pipeline/cli.py")
REQUIRED = ("filterpy", "lap", "motmetrics", "numpy", "opencv-python", "pyyaml", "scipy", "torch", "ultralytics")
HEAVY = ("av", "cv2", "matplotlib", "onnxruntime", "openpifpaf", "ray", "timm", "torch", "torchvision", "ultralytics")
AGPL = ("openpifpaf", "ultralytics")
AGPL_HOMES = ("pipeline/backends/",)
UNPICKLERS = ("cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve")
# Read published files with unpicklers that run no code: names are inert stand-ins, or only plain arrays are let in.
UNPICKLER_HOMES = ("reid/weights/torch_pickle.py", "st_model/importers.py")
TEXT_SUFFIXES = (
    "",
    ".cfg",
    ".css",
    ".csv",
    ".html",
    ".js",
    ".json",
    ".md",
    ".py",
    ".sh",
    ".toml",
    ".txt",
    ".yaml",
    ".yml",
)
REGISTERED = re.compile(rf"({'|'.join(MAY_IMPORT)})(\.\w+)+:\w+")


def sources(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((HOME / folder).rglob("*.py"))]


@cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def name_of(node: ast.expr) -> str:
    """The dotted name of what is called or looked up; "" where it has none."""
    if isinstance(node, ast.Attribute):
        return f"{name_of(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def imports(tree: ast.Module, package: str) -> Iterator[tuple[int, str]]:
    """Line and dotted name of every import, at any depth, and of every module named by a string to be imported."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, package if node.level else str(node.module)
        elif isinstance(node, ast.Call) and name_of(node.func).endswith(("import_module", "__import__")):
            constants = [entry.value for entry in node.args[:1] if isinstance(entry, ast.Constant)]
            yield from ((node.lineno, str(value)) for value in constants)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and REGISTERED.fullmatch(node.value):
            yield node.lineno, node.value.partition(":")[0]


def keyword(call: ast.Call, name: str) -> ast.expr | None:
    return next((entry.value for entry in call.keywords if entry.arg == name), None)


def is_true(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is True


def dangers(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Calls that could run code from a file, go through a shell or change what is imported."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = name_of(node.func)
        if name == "torch.load" and not is_true(keyword(node, "weights_only")):
            yield node.lineno, "torch.load without weights_only=True"
        elif name in ("yaml.load", "yaml.load_all"):
            loader = keyword(node, "Loader") or (node.args[1] if len(node.args) > 1 else None)
            if loader is None or name_of(loader).rpartition(".")[2] not in ("SafeLoader", "CSafeLoader"):
                yield node.lineno, f"{name} without SafeLoader"
        elif name in ("yaml.unsafe_load", "yaml.full_load", "os.system", "os.popen", "eval", "exec"):
            yield node.lineno, name
        elif name.startswith("sys.path."):
            yield node.lineno, "an edit of sys.path"
        shell = keyword(node, "shell")
        if shell is not None and not (isinstance(shell, ast.Constant) and shell.value is False):
            yield node.lineno, "shell=True"
        if is_true(keyword(node, "allow_pickle")):
            yield node.lineno, "allow_pickle=True"


def prints(tree: ast.Module) -> Iterator[int]:
    return (node.lineno for node in ast.walk(tree) if isinstance(node, ast.Call) and name_of(node.func) == "print")


def relative(path: Path) -> str:
    return path.relative_to(HOME).as_posix()


def child(code: str, *arguments: str, cwd: Path = HOME) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(HOME), "COLUMNS": "120", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=cwd, env=environment, capture_output=True, text=True
    )


def test_import_arrows() -> None:
    wrong = []
    for package, allowed in MAY_IMPORT.items():
        for path in sources(package):
            for line, name in imports(parse(path), package):
                head = name.partition(".")[0]
                if (head in MAY_IMPORT and head not in allowed) or head == "tests":
                    wrong.append(f"{relative(path)}:{line} imports {name}")
    assert not wrong, "\n".join(wrong)


def module_name(path: Path) -> str:
    parts = path.relative_to(HOME).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_no_package_has_a_circle_of_imports() -> None:
    graph = import_graph({module_name(path): parse(path) for path in sources(*MAY_IMPORT)})
    assert not list(cycles(graph))


@pytest.mark.parametrize(
    ("modules", "expected"),
    [
        ({"p.a": "import p.b", "p.b": ""}, []),
        ({"p.a": "import p.b", "p.b": "from p import a"}, ["p: a <-> b"]),
        ({"p.a": "import p.b", "p.b": "def f():\n    from p.a import x"}, ["p: a <-> b"]),
        ({"p.a": "import p.b", "p.b": "import p.c", "p.c": "import p.a"}, ["p: a <-> b <-> c"]),
        ({"p.a.x": "import p.b.x", "p.b.x": "", "p.b.y": "import p.a.y", "p.a.y": ""}, ["p: a <-> b"]),
        ({"p.a.b.x": "import p.a.c", "p.a.c": "import p.a.b.y", "p.a.b.y": ""}, ["p.a: b <-> c"]),
        ({"p.a": "import p.b", "p.b": "if TYPE_CHECKING:\n    import p.a"}, []),
        ({"p.a": "import p.b", "p.b": "if TYPE_CHECKING:\n    import p.c\nelse:\n    import p.a"}, ["p: a <-> b"]),
        ({"p.a": "import p.b", "p.b": "TABLE = {'a': 'p.a:A'}"}, ["p: a <-> b"]),
        ({"p": "import p.a", "p.a": "from p import tool"}, ["p: __init__ <-> a"]),
    ],
)
def test_the_test_sees_circles(modules: dict[str, str], expected: list[str]) -> None:
    assert cycles(import_graph({name: ast.parse(code) for name, code in modules.items()})) == expected


def test_every_package_is_watched() -> None:
    packages = {path.parent.name for path in HOME.glob("*/__init__.py")}
    assert packages == set(MAY_IMPORT)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import reid.graph", ["reid.graph"]),
        ("def f():\n    from reid import graph", ["reid"]),
        ("from . import graph", ["trackers"]),
        (
            "from importlib import import_module\nimport_module('reid.graph')",
            ["importlib", "reid.graph"],
        ),
        ("ENTRIES = {'a': 'reid.graph:Graph'}", ["reid.graph"]),
        ("'see reid.graph'", []),
    ],
)
def test_the_test_sees_imports(code: str, expected: list[str]) -> None:
    assert [name for _, name in imports(ast.parse(code), "trackers")] == expected


def test_agpl_packages_stay_in_their_back_ends() -> None:
    wrong = [
        f"{relative(path)}:{line} imports {name}"
        for path in sources(*MAY_IMPORT)
        if not relative(path).startswith(AGPL_HOMES)
        for line, name in imports(parse(path), "")
        if name.partition(".")[0] in AGPL
    ]
    assert not wrong, "\n".join(wrong)


def test_nothing_runs_code_from_a_file() -> None:
    wrong = [f"{relative(path)}:{line} {what}" for path in sources(*MAY_IMPORT) for line, what in dangers(parse(path))]
    wrong += [
        f"{relative(path)}:{line} imports {name}"
        for path in sources(*MAY_IMPORT)
        if relative(path) not in UNPICKLER_HOMES
        for line, name in imports(parse(path), "")
        if name.partition(".")[0] in UNPICKLERS
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "code",
    [
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "yaml.load(text)",
        "yaml.load(text, Loader=yaml.Loader)",
        "yaml.unsafe_load(text)",
        "subprocess.run(line, shell=True)",
        "os.system(line)",
        "eval(text)",
        "numpy.load(path, allow_pickle=True)",
        "sys.path.insert(0, folder)",
    ],
)
def test_the_test_sees_dangers(code: str) -> None:
    assert len(list(dangers(ast.parse(code)))) == 1


def test_the_test_lets_safe_calls_pass() -> None:
    code = "torch.load(p, weights_only=True); yaml.load(t, Loader=yaml.SafeLoader); run(a, shell=False); model.eval()"
    assert list(dangers(ast.parse(code))) == []


def test_libraries_do_not_print() -> None:
    wrong = [
        f"{relative(path)}:{line} prints"
        for path in sources(*LIBRARIES)
        if relative(path) not in COMMANDS
        for line in prints(parse(path))
    ]
    assert not wrong, "\n".join(wrong)


def test_arguments_are_parsed_by_command_lines_only() -> None:
    wrong = [
        f"{relative(path)}:{line} imports argparse"
        for path in sources(*LIBRARIES)
        if relative(path) not in COMMANDS
        for line, name in imports(parse(path), "")
        if name == "argparse"
    ]
    assert not wrong, "\n".join(wrong)


def commands() -> list[str]:
    """Modules that are command lines: they define ``main`` and run it."""
    found = []
    for path in [HOME / "pipeline" / "run.py", *sources("tools")]:
        text = path.read_text(encoding="utf-8")
        if "def main(" in text and '__name__ == "__main__"' in text:
            found.append(relative(path).removesuffix(".py").replace("/", "."))
    return found


def test_there_are_commands() -> None:
    assert {"pipeline.run", "tools.evaluate_tracking"} <= set(commands())


@pytest.mark.parametrize("module", commands())
def test_help_answers_at_once(module: str) -> None:
    code = (
        "import json, runpy, sys\n"
        "module = sys.argv[1]\n"
        "sys.argv = [module, '--help']\n"
        "code = 'no exit'\n"
        "try:\n"
        "    runpy.run_module(module, run_name='__main__')\n"
        "except SystemExit as stop:\n"
        "    code = stop.code or 0\n"
        f"heavy = [name for name in {HEAVY} if name in sys.modules]\n"
        "print(json.dumps({'code': code, 'heavy': heavy}), file=sys.stderr)\n"
    )
    done = child(code, module)
    assert done.stderr, done.stdout
    try:
        report = json.loads(done.stderr.splitlines()[-1])
    except json.JSONDecodeError:
        pytest.fail(done.stderr[-2000:])
    assert report == {"code": 0, "heavy": []}
    assert f"usage: python -m {module}" in done.stdout


def test_guard_names_both_paths_and_the_cure(tmp_path: Path) -> None:
    clash = tmp_path / "trackers"
    clash.mkdir()
    (clash / "__init__.py").write_text("")
    done = child("import pipeline", cwd=tmp_path)
    assert done.returncode == 1
    message = done.stderr.splitlines()[-1]
    assert message.startswith("ImportError: package 'trackers' resolves to ")
    assert str(clash.resolve()) in message
    assert str(HOME / "trackers") in message
    assert f"pip install -e {HOME}" in message


def test_guard_lets_the_checkout_pass(tmp_path: Path) -> None:
    assert child("import pipeline", cwd=tmp_path).returncode == 0


def setup_cfg() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(HOME / "setup.cfg", encoding="utf-8")
    return parser


def requirements(text: str) -> list[Requirement]:
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [Requirement(line) for line in lines if line]


def test_setup_lists_the_required_packages() -> None:
    listed = {canonicalize_name(entry.name) for entry in requirements(setup_cfg()["options"]["install_requires"])}
    assert set(REQUIRED) <= listed


def test_no_dependency_brings_a_package_of_our_names() -> None:
    """roboflow's ``trackers`` would overwrite ours: it may not even come in through a dependency of a dependency."""
    options = setup_cfg()
    wanted = requirements(options["options"]["install_requires"])
    for extra in options["options.extras_require"].values():
        wanted += requirements(extra)
    seen: set[tuple[str, str]] = set()
    while wanted:
        entry = wanted.pop()
        name = canonicalize_name(entry.name)
        assert name not in MAY_IMPORT, f"{name} is a distribution with the name of one of our packages"
        for extra in ("", *sorted(entry.extras)):
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            try:
                needs = metadata.requires(entry.name) or []
            except metadata.PackageNotFoundError:
                continue
            found = (Requirement(need) for need in needs)
            wanted += [need for need in found if need.marker is None or need.marker.evaluate({"extra": extra})]
    assert len(seen) > 30, "the walk must have followed installed distributions"


def texts() -> Iterator[Path]:
    """Every text file of the repository, caches and environments apart."""
    folders = [HOME / name for name in (*MAY_IMPORT, ".ci", ".github", "docs", "examples", "tests")]
    for path in [*HOME.glob("*"), *(path for folder in folders for path in sorted(folder.rglob("*")))]:
        inside = relative(path).split("/")[1:]
        if path.name == ".git":  # In a linked working tree this is a file that says where the repository lies.
            continue
        if path.is_file() and path.suffix in TEXT_SUFFIXES and not any(part[0] in "._" for part in inside[:-1]):
            yield path


def test_the_linter_passes_over_no_module() -> None:
    """What is no source is named in .gitignore from the root on; a bare name would hide packages of that name too."""
    ruff = tomllib.loads((HOME / "pyproject.toml").read_text())["tool"]["ruff"]
    assert not {"exclude", "extend-exclude"} & set(ruff)
    ignored = [line for line in (HOME / ".gitignore").read_text().splitlines() if line.endswith("/")]
    names = {part for path in texts() for part in relative(path).split("/")[:-1]}
    assert not names & {line.strip("/") for line in ignored if not line.startswith("/")}


def test_no_file_knows_the_machine_it_was_written_on() -> None:
    paths = re.compile("|".join(re.escape("/" + folder + "/") for folder in ("work", "root")).encode())
    inside_word = re.compile(rb"[\w.}-]$")
    wrong = []
    for path in texts():
        content = path.read_bytes()
        for match in paths.finditer(content):
            if not inside_word.search(content[max(0, match.start() - 1) : match.start()]):
                wrong.append(f"{relative(path)}:{content[: match.start()].count(10) + 1}")
    assert not wrong, "\n".join(wrong)
