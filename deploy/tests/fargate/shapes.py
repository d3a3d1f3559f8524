"""From CloudFormation's spelling of a service to that of its API.

Both name the same things, one `EFSVolumeConfiguration` and `FilesystemId`, the other
`efsVolumeConfiguration` and `fileSystemId`. botocore's model of the service decides, so that a name it
does not know is an error and not a setting that is dropped without a word.
"""

from typing import Any

import botocore.session
from botocore.model import ListShape, Shape, StructureShape
from botocore.validate import ParamValidator

_SESSION = botocore.session.get_session()


class UnknownProperty(ValueError):
    """A property that the API has no member for."""


class TooMuch(ValueError):
    """A value that is longer or larger than the API takes; botocore's validator looks at minima alone."""


def api_request(operation: str, properties: dict[str, Any], service: str = "ecs") -> dict[str, Any]:
    """The request that CloudFormation would make of a resource's properties, as the API would accept it."""
    shape = _SESSION.get_service_model(service).operation_model(operation).input_shape
    request = _convert(shape, properties, operation)
    report = ParamValidator().validate(request, shape)
    if report.has_errors():
        raise UnknownProperty(f"{operation}: {report.generate_report()}")
    return request


def _convert(shape: Shape, value: Any, path: str) -> Any:
    if isinstance(shape, StructureShape):
        members = {name.lower(): name for name in shape.members}
        converted = {}
        for name, inner in value.items():
            member = members.get(name.lower())
            if member is None:
                raise UnknownProperty(f"{path}.{name}: not in the API; it has {', '.join(shape.members)}")
            converted[member] = _convert(shape.members[member], inner, f"{path}.{name}")
        return converted
    if isinstance(shape, ListShape):
        return [_convert(shape.member, inner, f"{path}[{n}]") for n, inner in enumerate(value)]
    # CloudFormation takes a number or a text for either.
    if shape.type_name in ("integer", "long"):
        number = int(value)
        _check_most(shape, number, value, path)
        return number
    if shape.type_name == "string":
        text = str(value)
        _check_most(shape, len(text), text, path)
        return text
    return value


def _check_most(shape: Shape, size: int, value: Any, path: str) -> None:
    most = shape.metadata.get("max", size)
    if size > most:
        raise TooMuch(f"{path}: {value!r} is {size}, more than {most}")
