"""The wheel; `make wheel` also installs it into an empty environment and runs it there."""

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_the_wheel_holds_the_package_and_nothing_else(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (path,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(path) as wheel:
        names = set(wheel.namelist())
        (entry_points,) = (name for name in names if name.endswith("/entry_points.txt"))
        assert "memrnn = memrnn.cli:main" in wheel.read(entry_points).decode()
    sources = {
        file.relative_to(ROOT / "src").as_posix()
        for file in (ROOT / "src" / "memrnn").rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert {name for name in names if ".dist-info/" not in name} == sources
    assert "memrnn/py.typed" in sources
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
