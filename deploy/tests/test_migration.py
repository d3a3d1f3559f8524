"""docs/migrate-from-the-aws-daemon.md, row by row: what stands there is what the programs and files do."""

import contextlib
import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from effects import EFFECTS, NOBODY, Trial
from harness.daemon import Daemon, daemon_binary, daemon_environment
from harness.documents import segment
from harness.environment import CONFORMANCE, REPOSITORY
from harness.fake_xray import FakeXRay, Reply

GUIDE = REPOSITORY / "docs" / "migrate-from-the-aws-daemon.md"
DEPLOY = REPOSITORY / "deploy"


def rows(heading: str) -> list[list[str]]:
    """The rows of the table under a heading, without its head."""
    section = re.search(
        rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", GUIDE.read_text(), re.MULTILINE | re.DOTALL
    )
    assert section, heading
    table = [line for line in section[1].splitlines() if line.startswith("|")]
    assert re.fullmatch(r"[|\-]+", table[1]), heading
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[2:]]


def bare(cell: str) -> str:
    """What stands between the backticks; nothing for a dash."""
    found = re.fullmatch(r"`([^`]+)`", cell)
    return found[1] if found else ""


def daemon(
    *arguments: str, directory: Path, variables: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """A run of the daemon that ends by itself."""
    return subprocess.run(
        [daemon_binary(), *arguments],
        env=daemon_environment(directory, dict(variables or {})),
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


FLAGS = rows("Flags")
KEYS = rows("Keys of cfg.yaml")


def usage_flags(lines: list[str]) -> set[tuple[str, str]]:
    return {tuple(found) for line in lines for found in re.findall(r"^\s+(-\w)\s+(--[a-z-]+)", line)}


def test_no_flag_is_missing(tmp_path: Path) -> None:
    """Those of the official daemon, by its own usage text, and of ours."""
    told = {(bare(short), bare(long)) for short, long, *_ in FLAGS}
    recorded = json.loads((CONFORMANCE / "daemon" / "command-line.json").read_text())["usage"]
    assert told == usage_flags(recorded)
    assert told == usage_flags(daemon("--help", directory=tmp_path).stdout.splitlines())


@pytest.mark.parametrize("spelling", ["short", "long"])
@pytest.mark.parametrize(("short", "long", "example", "here"), FLAGS, ids=lambda cell: str(cell)[:24])
def test_a_flag(
    short: str,
    long: str,
    example: str,
    here: str,
    spelling: str,
    tmp_path: Path,
    stopping: contextlib.ExitStack,
) -> None:
    """It does what it is for, in either spelling, and one that needs a value says so."""
    assert here.startswith("the same")
    flag = bare(short if spelling == "short" else long)
    if bare(example):
        done = daemon(flag, directory=tmp_path)
        assert done.returncode == 2, done.stdout
    EFFECTS[bare(long)](Trial(tmp_path, stopping, flag=flag), bare(example))


def test_of_repeated_flags_the_last_one_counts(start: Callable[..., Daemon]) -> None:
    assert "Using region: eu-west-1" in start("-n", "us-east-1", "--region=eu-west-1").messages("Info")


def test_no_key_is_missing() -> None:
    """Those of our own documentation that the official daemon has as well."""
    told = {bare(key) for key, *_ in KEYS} - {"Version"}
    table = (REPOSITORY / "docs" / "daemon.md").read_text().split("### Of our own")[0]
    documented = re.findall(r"^\| `-[^|]*\|[^|]*\| `([A-Za-z.]+)` \|", table, re.MULTILINE)
    assert told == set(documented)


def config(directory: Path, key: str, value: str) -> Path:
    """A file with one key, `Section.Key` or `Key`."""
    section, _, name = key.rpartition(".")
    lines = [] if key == "Version" else ["Version: 2"]
    lines += [f"{section}:", f"  {name}: {value}"] if section else [f"{name}: {value}"]
    path = directory / "cfg-under-test.yaml"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(("key", "example", "flag"), KEYS, ids=lambda cell: str(cell)[:24])
def test_a_key(key: str, example: str, flag: str, tmp_path: Path, stopping: contextlib.ExitStack) -> None:
    """A file with it is taken, one with a key nearly like it is not, and it does what its flag does."""

    def says(name: str, value: str) -> str:
        path = config(tmp_path, name, value)
        return daemon("healthcheck", "-c", str(path), "--to", NOBODY, directory=tmp_path).stderr

    assert f"no answer from {NOBODY}" in says(bare(key), bare(example))
    assert "flag is invalid" in says(bare(key) + "s", bare(example))
    if bare(key) == "Version":
        # What it does is to say which keys there are: one that does not exist is refused.
        assert f"no answer from {NOBODY}" not in says("Version", "3")
    else:
        EFFECTS[bare(flag)](Trial(tmp_path, stopping, key=bare(key)), bare(example))


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    """Starts a daemon in local mode that ends with the test."""
    started: list[Daemon] = []

    def one(*arguments: str, config: dict[str, Any] | None = None, **variables: str | None) -> Daemon:
        directory = tmp_path / f"daemon-{len(started)}"
        started.append(Daemon(directory, ("-o", *arguments), config, variables))
        return started[-1].start()

    yield one
    for each in started:
        each.close()


def check_variable(name: str, example: str, start: Callable[..., Daemon], upstream: FakeXRay) -> None:
    """A daemon with this variable does what it is for; the example stands for an address of this machine."""
    match name:
        case "AWS_REGION":
            assert f"Using region: {example}" in start(AWS_REGION=example).messages("Info")
        case "AWS_ENDPOINT_URL_XRAY":
            asked = start("-n", "us-east-1", AWS_ENDPOINT_URL_XRAY=upstream.url)
            asked.send_documents(segment("migrated"))
            upstream.wait_for("/TraceSegments", 1)
            assert asked.post("/GetSamplingRules").status_code == 200
            assert len(upstream.of("/GetSamplingRules")) == 1
            upstream.check_signatures()
        case "HTTPS_PROXY":
            far = f"http://{NOBODY}"
            behind = start("-n", "us-east-1", config={"Endpoint": far}, HTTPS_PROXY=upstream.url)
            behind.send_documents(segment("migrated"))
            [request] = upstream.wait_for("/TraceSegments", 1)
            assert request.target == f"{far}/TraceSegments", "it came as to a proxy"
        case _:
            pytest.fail(f"a row that nothing tries: {name}")


@pytest.mark.parametrize(("name", "example", "here"), rows("Variables"), ids=lambda cell: str(cell)[:24])
def test_a_variable(name: str, example: str, here: str, start: Callable[..., Daemon]) -> None:
    assert here.startswith("the same")
    assert name in (REPOSITORY / "docs" / "daemon.md").read_text()
    with FakeXRay() as upstream:
        check_variable(bare(name), bare(example), start, upstream)


TOLD_BY_OTHERS = ("image Manifest does not contain descriptor matching platform", "exec format error")
"""What ECS and a container say of an image for another processor; test_containers.py provokes the latter."""

WRONG = [row for row in rows("When something is wrong") if not any(told in row[0] for told in TOLD_BY_OTHERS)]


@pytest.mark.parametrize(("seen", "why", "cure"), WRONG, ids=lambda cell: str(cell)[:24])
def test_what_is_wrong(seen: str, why: str, cure: str, start: Callable[..., Daemon], tmp_path: Path) -> None:
    """The fault is made, is told in these words, and goes away by the cure."""
    [told] = re.findall(r"`([^`]+)`", seen)[:1] or [seen.split(" ")[0]]
    match told:
        case "no answer":
            listening = start("-n", "us-east-1")
            assert told in daemon("healthcheck", "--to", NOBODY, directory=tmp_path).stderr
            assert "`--to`" in cure
            assert daemon("healthcheck", "--to", listening.address, directory=tmp_path).returncode == 0
        case "… flag is invalid":
            for key, is_wrong in (("Regions", True), ("Region", False)):
                path = config(tmp_path, key, "eu-west-1")
                said = daemon("healthcheck", "-c", str(path), "--to", NOBODY, directory=tmp_path).stderr
                assert (told.removeprefix("… ") in said) == is_wrong, said
        case "credential":
            keys = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
            without = start("-n", "us-east-1", **dict.fromkeys(keys))
            without.send_documents(segment("migrated"))
            assert without.wait_for_message("Error", told, 20)
        case "403":
            with FakeXRay() as upstream:
                for more, status in (((), 403), (("--proxy-paths", "all"), 200)):
                    upstream.answer("/TraceSummaries", Reply())
                    asked = start("-n", "us-east-1", *more, AWS_ENDPOINT_URL_XRAY=upstream.url)
                    assert asked.post("/TraceSummaries").status_code == status
                assert "`--proxy-paths all`" in cure
        case unknown:
            pytest.fail(f"a row that nothing tries: {unknown}, {why}")


IMAGE = DEPLOY / "images" / "daemon.Dockerfile"


@pytest.mark.parametrize(
    ("official", "here", "place"), rows("Where things are"), ids=lambda cell: str(cell)[:40]
)
def test_a_place(official: str, here: str, place: str) -> None:
    """Each counterpart stands in the file that makes it."""
    dockerfile = IMAGE.read_text()
    match place.split(" ")[0], official.split(" ")[0]:
        case _, "image":
            assert re.search(rf'title="{bare(here.removeprefix("image "))}"', dockerfile)
        case "the", "user":
            number = here.removeprefix("user ")
            assert f"USER {number}:{number}" in dockerfile
        case "the", "ports":
            assert "EXPOSE 2000/udp 2000/tcp" in dockerfile
        case "the", "entry":
            words = json.dumps(bare(here.removeprefix("entry point ")).split())
            assert f"ENTRYPOINT {words}" in dockerfile
        case "the", _:
            assert official == here
            made = "".join(path.read_text() for path in sorted((REPOSITORY / "xtask" / "src").rglob("*.rs")))
            name = bare(here).removeprefix("/")
            assert f'"{name}"' in made, f"nothing lays out {name}"
        case "Debian", "package":
            control = (DEPLOY / "packages" / "roentgen-daemon.control").read_text()
            assert f"Package: {bare(here.removeprefix('package '))}\n" in control
            for relation in ("Provides", "Conflicts", "Replaces"):
                assert f"{relation}: {bare(official.removeprefix('package '))}\n" in control
        case "Debian", "unit":
            assert (DEPLOY / "systemd" / bare(here.removeprefix("unit "))).is_file()
        case "Debian", _ if "journalctl" in here:
            unit = (DEPLOY / "systemd" / "xray.service").read_text()
            assert "xray.log" not in unit
        case "Debian", _:
            assert official == here
            texts = [path.read_text() for path in (DEPLOY / "packages").iterdir()]
            texts += [(DEPLOY / "systemd" / "xray.service").read_text()]
            assert any(bare(here) in text for text in texts), here
        case unknown:
            pytest.fail(f"a row that nothing looks at: {unknown}")


def test_links_lead_somewhere() -> None:
    """Every page of deployment: files that it links are there, and so are headings."""
    pages = [GUIDE, *sorted((REPOSITORY / "docs" / "deploy").glob("*.md")), DEPLOY / "README.md"]
    for page in pages:
        for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)", page.read_text()):
            path = (page.parent / target).resolve() if target else page
            assert path.exists(), f"{page.name}: {target}"
            if anchor:
                heads = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
                slugs = {re.sub(r"[^\w -]", "", head).strip().lower().replace(" ", "-") for head in heads}
                assert anchor in slugs, f"{page.name}: {target}#{anchor}"
