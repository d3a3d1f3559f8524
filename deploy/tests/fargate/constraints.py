"""What CloudFormation checks of parameters before it creates anything, which moto leaves out.

The words of the errors are CloudFormation's, as far as they are known; the part after them, which tells
the user what to do, is the template's.
"""

import re
from typing import Any


class BadParameters(ValueError):
    """The parameters do not fit the template; the message is for the user."""


def check(template: dict[str, Any], given: dict[str, Any], region: str) -> None:
    """Raises BadParameters on the first fault."""
    slots = template.get("Parameters", {})
    unknown = sorted(set(given) - set(slots))
    if unknown:
        raise BadParameters(f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    missing = [name for name, slot in slots.items() if name not in given and "Default" not in slot]
    if missing:
        raise BadParameters(f"Parameters: [{', '.join(missing)}] must have values")
    values = {name: str(given.get(name, slot.get("Default"))) for name, slot in slots.items()}
    for name, slot in slots.items():
        _check_value(name, slot, values[name])
    names = values | {"AWS::Region": region}
    for rule in template.get("Rules", {}).values():
        if "RuleCondition" in rule and not _evaluate(rule["RuleCondition"], names):
            continue
        for assertion in rule["Assertions"]:
            if not _evaluate(assertion["Assert"], names):
                raise BadParameters(f"Template constraint failed: {assertion['AssertDescription']}")


def _check_value(name: str, slot: dict[str, Any], value: str) -> None:
    def fail(reason: str) -> None:
        told = slot.get("ConstraintDescription", reason).strip()
        raise BadParameters(f"Parameter {name} failed to satisfy constraint: {told}")

    if "AllowedValues" in slot and value not in {str(allowed) for allowed in slot["AllowedValues"]}:
        fail("value is not one of the allowed ones")
    if "AllowedPattern" in slot and not re.fullmatch(slot["AllowedPattern"], value):
        fail(f"value must match {slot['AllowedPattern']}")
    if slot["Type"] == "Number":
        if not re.fullmatch(r"-?\d+(\.\d+)?", value):
            fail("value is no number")
        if not slot.get("MinValue", float(value)) <= float(value) <= slot.get("MaxValue", float(value)):
            fail("value is out of range")


def _evaluate(expression: Any, names: dict[str, str]) -> Any:
    if not isinstance(expression, dict):
        return expression
    [(function, argument)] = expression.items()
    if function == "Ref":
        return names[argument]
    arguments = [_evaluate(each, names) for each in argument]
    match function:
        case "Fn::Equals":
            return arguments[0] == arguments[1]
        case "Fn::Not":
            return not arguments[0]
        case "Fn::And":
            return all(arguments)
        case "Fn::Or":
            return any(arguments)
        case "Fn::Contains":
            return arguments[1] in arguments[0]
    raise NotImplementedError(f"{function} in a rule")
