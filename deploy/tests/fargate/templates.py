"""The templates as data: intrinsic functions in their long form, whatever form they are written in."""

from collections.abc import Iterator
from typing import Any

import yaml
from harness.environment import REPOSITORY

TEMPLATES = REPOSITORY / "deploy" / "cloudformation"

ROOTS = ("scenario.yaml", "roentgen.yaml")
"""What a user deploys, beside the registry; the others are nested."""

Resource = dict[str, Any]


class _Loader(yaml.SafeLoader):
    """Knows `!Ref` and its kind."""


def _intrinsic(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
        if suffix == "GetAtt":
            value = str(value).split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _intrinsic)


def parse(text: str) -> dict[str, Any]:
    return yaml.load(text, _Loader)


def read(name: str) -> dict[str, Any]:
    return parse((TEMPLATES / name).read_text())


def names() -> list[str]:
    return sorted(path.name for path in TEMPLATES.glob("*.yaml"))


def resources(name: str, of_type: str) -> dict[str, Resource]:
    """The resources of a type in one template, by logical id."""
    return {key: each for key, each in read(name)["Resources"].items() if each["Type"] == of_type}


def walk(value: Any) -> Iterator[Any]:
    """The value and everything in it."""
    yield value
    if isinstance(value, dict):
        for inner in value.values():
            yield from walk(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from walk(inner)
