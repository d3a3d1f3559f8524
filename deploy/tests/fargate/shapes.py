"""From CloudFormation's spelling of ECS to that of its API.

Both name the same things, one `EFSVolumeConfiguration` and `FilesystemId`, the other
`efsVolumeConfiguration` and `fileSystemId`. botocore's model of the service decides, so that a name it
does not know is an error and not a setting that is dropped without a word.
"""

from typing import Any

import botocore.session
from botocore.model import ListShape, Shape, StructureShape
from botocore.validate import ParamValidator

_ECS = botocore.session.get_session().get_service_model("ecs")


class UnknownProperty(ValueError):
    """A property that the API has no member for."""


def api_request(operation: str, properties: dict[str, Any]) -> dict[str, Any]:
    """The request that CloudFormation would make of a resource's properties, as botocore would accept it."""
    shape = _ECS.operation_model(operation).input_shape
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
        return int(value)
    if shape.type_name == "string":
        return str(value)
    return value
