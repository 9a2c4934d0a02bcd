"""Rules of the whole project that no linter knows; a failure prints the rule and where it is broken."""

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOMS = ("adapters", "api", "canonical", "cli", "config", "processes", "reconcile", "sandbox", "store", "tasks")
ENTRY_POINTS = ("api", "cli", "reconcile", "tasks")
VENDORS = re.compile(
    r"\b(epic|cerner|millennium|oracle.?health|athena\w*|veradigm|allscripts|meditech|eclinicalworks|canvas.?medical"
    r"|nextgen|hapi|medplum|aidbox|healthlake)\b",
    re.IGNORECASE,
)
#: A vendor whose name is a word of the language too: its files are known by their name alone.
VENDOR_WORD = "canvas"
VENDOR_ROOMS = ("adapters", "sandbox")
LONGEST_FILE = 400
MIGRATIONS = Path("store/migrations")
"""Run by Alembic, never imported; a revision is one picture of many tables and has no second noun to split off."""

Found = Iterator[ast.AST]


def sources(*folders: str) -> list[Path]:
    return [
        path for folder in folders for path in sorted(Path(folder).rglob("*.py")) if "__pycache__" not in path.parts
    ]


def product() -> list[Path]:
    return [*sources(*ROOMS), Path("run.py")]


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def breaches(paths: list[Path], find: Callable[[ast.Module], Found]) -> list[str]:
    return [f"{path}:{getattr(node, 'lineno', 1)}" for path in paths for node in find(parsed(path))]


def at_import(tree: ast.Module) -> Found:
    """What runs when the module is imported: not the bodies of functions, nor what is for scripts or types only."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if never_runs_at_import(node):
            continue
        yield node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            waiting += [*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults)]
        elif isinstance(node, ast.Lambda):
            waiting += [*node.args.defaults, *filter(None, node.args.kw_defaults)]
        else:
            waiting += ast.iter_child_nodes(node)


def never_runs_at_import(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in {"__name__ == '__main__'", "TYPE_CHECKING"}


def reads_environment(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute | ast.Name) and ast.unparse(node) in {
        *("os.environ", "environ", "os.environb", "os.getenv", "getenv"),
    }


def opens_socket(node: ast.AST) -> bool:
    opening = (
        r"(socket\.(socket|create_connection|create_server)|httpx\.\w+|(redis\.)?Redis(\.from_url)?|redis\.from_url"
    )
    opening += r"|psycopg\.connect|.*\burlopen|.*\.connect)"
    value_types = {"httpx.Timeout", "httpx.Limits", "httpx.URL", "httpx.Headers"}
    if not isinstance(node, ast.Call):
        return False
    called = ast.unparse(node.func)
    return re.fullmatch(opening, called) is not None and called not in value_types


def imports(node: ast.AST, module: str) -> bool:
    package, _, name = module.rpartition(".")
    if isinstance(node, ast.Import):
        return any(alias.name == module for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        return node.module == module or (node.module == package and name in {alias.name for alias in node.names})
    return False


# -- the rules


def test_rooms_import_each_other_in_one_direction_only() -> None:
    linter = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([str(linter)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_entry_points_get_their_collaborators_inside_a_function() -> None:
    found = breaches(
        sources(*ENTRY_POINTS), lambda tree: (node for node in at_import(tree) if imports(node, "config.wiring"))
    )
    assert found == [], "config.wiring is called inside a function: importing a module builds nothing"


def test_vendor_names_appear_only_in_their_own_files() -> None:
    pages = [path for room in ROOMS for path in Path(room).rglob("*.html")]
    found = [
        f"{path}:{number}"
        for path in [*product(), *sources("tests"), *pages]
        if not is_vendor_file(path) and path != Path(__file__).relative_to(Path.cwd())
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if VENDORS.search(line)
    ]
    assert found == [], "a vendor is named in adapters/<vendor>.py, its simulator and its tests, and nowhere else"


def is_vendor_file(path: Path) -> bool:
    room = path.parts[1] if path.parts[0] == "tests" else path.parts[0]
    return room in {*VENDOR_ROOMS, "conformance"} and any(
        VENDORS.search(part.replace("test_", "").replace("_", " "))
        or part.replace("test_", "").split("_")[0] == VENDOR_WORD
        for part in (*path.parts[1:-1], path.stem)
    )


def test_importing_a_module_reads_no_environment() -> None:
    found = breaches(product(), lambda tree: filter(reads_environment, at_import(tree)))
    assert found == [], "the environment is read by config.settings when it is asked, not when a module is imported"


def test_importing_a_module_opens_no_socket() -> None:
    found = breaches(product(), lambda tree: filter(opens_socket, at_import(tree)))
    assert found == [], "connections are opened by who is wired, not by an import"


def test_importing_every_module_opens_no_socket_in_fact() -> None:
    modules = [
        ".".join(path.with_suffix("").parts).removesuffix(".__init__")
        for path in sources(*ROOMS)
        if MIGRATIONS not in path.parents and path.stem != "__main__"
    ]
    script = "import importlib, sys\n"
    script += "def forbid(event, _):\n    if event in {'socket.connect', 'socket.bind', 'socket.getaddrinfo'}:"
    script += " raise RuntimeError(event)\n"
    script += "sys.addaudithook(forbid)\nfor name in sys.argv[1:]: importlib.import_module(name)"
    done = subprocess.run([sys.executable, "-c", script, *modules], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_when_a_task_is_due_stands_in_the_database_only() -> None:
    """A countdown lives in one worker's memory or in Redis: it is lost, or delivered twice, when either ends."""

    def schedules(node: ast.AST) -> bool:
        if not isinstance(node, ast.Call):
            return False
        by_word = any(word.arg in {"countdown", "eta"} for word in node.keywords)
        return by_word or (isinstance(node.func, ast.Attribute) and node.func.attr == "retry")

    found = breaches(sources("tasks"), lambda tree: filter(schedules, ast.walk(tree)))
    assert found == [], "no countdown, eta or retry: due_at lives in the database"


def test_every_module_says_what_it_is() -> None:
    assert [str(path) for path in product() if not ast.get_docstring(parsed(path))] == []


def test_no_file_is_longer_than_a_reader_bears() -> None:
    long = [
        f"{path}: {count} lines"
        for path in [*product(), *sources("tests", "bench")]
        if MIGRATIONS not in path.parents
        and (count := len(path.read_text(encoding="utf-8").splitlines())) > LONGEST_FILE
    ]
    assert long == [], "look for a second noun"


def test_no_test_is_skipped() -> None:
    skips = re.compile(r"\bpytest\.(skip|importorskip)\b|\bmark\.skip(if)?\b|\bskipTest\b")
    found = [
        f"{path}:{number}"
        for path in sources("tests")
        if path.name != Path(__file__).name
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if skips.search(line)
    ]
    assert found == [], "a test that does not run proves nothing; what cannot run here is deselected and reported"


# -- the rules can be broken


def test_wiring_at_import_would_be_found_and_naming_it_as_a_type_would_not() -> None:
    def found(source: str) -> bool:
        return any(imports(node, "config.wiring") for node in at_import(ast.parse(source)))

    assert found("from config.wiring import services")
    assert found("from config import wiring")
    assert found("import config.wiring")
    assert not found("def task():\n    from config.wiring import services")
    assert not found("if TYPE_CHECKING:\n    from config.wiring import Services")


@pytest.mark.parametrize(
    "source",
    [
        "import os\nDEBUG = os.environ.get('DEBUG')",
        "import os\nclass Settings:\n    debug = os.getenv('DEBUG')",
        "import os\ndef connect(url=os.environ['URL']): ...",
        "from os import environ\n@cached(environ)\ndef f(): ...",
    ],
)
def test_reading_the_environment_at_import_would_be_found(source: str) -> None:
    assert any(map(reads_environment, at_import(ast.parse(source))))


@pytest.mark.parametrize(
    "source",
    [
        "client = httpx.Client()",
        "class C:\n    redis = Redis.from_url('redis://')",
        "connection = psycopg.connect()",
        "connection = create_engine(url).connect()",
    ],
)
def test_opening_a_socket_at_import_would_be_found(source: str) -> None:
    assert any(map(opens_socket, at_import(ast.parse(source))))


@pytest.mark.parametrize(
    "source",
    [
        "import os\ndef read(): return os.environ['A']",
        "read = lambda: os.environ['A']",
        "if __name__ == '__main__':\n    os.environ['A']",
        "def connect(): return httpx.Client()",
        "LIMITS = httpx.Limits()",
    ],
)
def test_what_happens_when_it_is_asked_for_is_allowed(source: str) -> None:
    assert not any(reads_environment(node) or opens_socket(node) for node in at_import(ast.parse(source)))


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("adapters/epic.py", True),
        ("tests/adapters/test_epic.py", True),
        ("sandbox/cerner.py", True),
        ("adapters/fhir_r4.py", False),
        ("canonical/epic.py", False),
        ("tests/canonical/test_epic.py", False),
    ],
)
def test_a_vendor_has_files_in_two_rooms(path: str, *, allowed: bool) -> None:
    assert is_vendor_file(Path(path)) is allowed
