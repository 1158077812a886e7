"""How AWS's calls look on the wire, by the service models that botocore ships.

Requests are read strictly: a name that the model does not have is refused, as EC2 does, where moto and most fakes swallow
it. Answers are written by functions that are made once for each shape, since a thousand instances have 60,000 values.
"""

import datetime
import json
import urllib.parse
from xml.sax.saxutils import escape

import botocore.loaders
import botocore.model

XML = '<?xml version="1.0" encoding="UTF-8"?>\n'


class AWSError(Exception):
    """What a call is refused with. `detail` is for the log only."""

    def __init__(self, code, message, status=400, detail=None):
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.status, self.detail = code, message, status, detail


class Models:
    """The services' models, read when first asked for: EC2's takes 0.15 s."""

    def __init__(self):
        self.loader = botocore.loaders.Loader()
        self.loaded = {}

    def of(self, service):
        if service not in self.loaded:
            self.loaded[service] = botocore.model.ServiceModel(self.loader.load_service_model(service, "service-2"))
        return self.loaded[service]


# MARK: Reading


def read_form(text):
    """The pairs of a form or a query, each name once."""
    pairs = {}
    for part in text.split("&"):
        if not part:
            continue
        name, _, value = part.partition("=")
        name = urllib.parse.unquote_plus(name, errors="strict")
        if name in pairs:
            raise AWSError("InvalidParameterCombination", f"The parameter {name} was given twice")
        pairs[name] = urllib.parse.unquote_plus(value, errors="strict")
    return pairs


def read_query(shape, pairs, is_ec2=True):
    """The input of an action out of a form's pairs: nested, by the names of the model's members."""
    tree = {}
    for name, value in pairs.items():
        node = tree
        *path, last = name.split(".")
        for piece in path:
            node = node.setdefault(piece, {})
            if not isinstance(node, dict):
                raise unknown(name)
        if last in node:
            raise unknown(name)
        node[last] = value
    return read_structure(shape, tree, "", is_ec2)


def unknown(name):
    return AWSError("UnknownParameter", f"The parameter {name} is not recognized")


def read_structure(shape, tree, prefix, is_ec2):
    if not isinstance(tree, dict):
        raise unknown(prefix.rstrip("."))
    names = wire_names(shape, is_ec2)
    result = {}
    for piece, value in tree.items():
        if piece not in names:
            raise unknown(prefix + piece)
        member, member_shape = names[piece]
        result[member] = read_value(member_shape, value, prefix + piece, is_ec2)
    for member in shape.required_members:
        if member not in result:
            wire = next(wire for wire, (name, _) in names.items() if name == member)
            raise AWSError("MissingParameter", f"The request must contain the parameter {prefix}{wire}")
    return result


def wire_names(shape, is_ec2):
    """From names on the wire to members; kept on the shape, which lives as long as the model."""
    names = getattr(shape, "_wire_names", None)
    if names is None:
        names = {}
        for member, member_shape in shape.members.items():
            wire = member_shape.serialization.get("name", member)
            if is_ec2:
                # A location name is written with a capital in requests, unless there is a name for them.
                wire = member_shape.serialization.get("queryName", wire[0].upper() + wire[1:])
            names[wire] = (member, member_shape)
        shape._wire_names = names
    return names


def read_value(shape, value, name, is_ec2):
    kind = shape.type_name
    if kind == "structure":
        return read_structure(shape, value, name + ".", is_ec2)
    if kind == "list":
        if not is_ec2 and isinstance(value, dict) and set(value) == {"member"}:
            value = value["member"]
        if not isinstance(value, dict) or not all(piece.isdigit() for piece in value):
            raise unknown(name)
        return [read_value(shape.member, value[piece], f"{name}.{piece}", is_ec2) for piece in sorted(value, key=int)]
    if not isinstance(value, str):
        raise unknown(name)
    try:
        if kind in ("integer", "long"):
            return int(value)
        if kind in ("float", "double"):
            return float(value)
        if kind == "timestamp":
            return read_time(value)
    except ValueError as error:
        raise AWSError("InvalidParameterValue", f"Value ({value}) for parameter {name} is invalid. {error}") from error
    if kind == "boolean":
        if value not in ("true", "false"):
            raise AWSError("InvalidParameterValue", f"Value ({value}) for parameter {name} is invalid. Expected true or false")
        return value == "true"
    return value


def read_time(text):
    """Seconds since 1970."""
    time = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return (time if time.tzinfo else time.replace(tzinfo=datetime.timezone.utc)).timestamp()


def read_json(shape, value, name=""):
    """A JSON document, checked against a shape. AWS ignores members that it does not know; a stand-in that does so hides
    misspellings."""
    kind = shape.type_name
    wanted = {"structure": dict, "list": list, "map": dict, "string": str, "integer": int, "long": int, "boolean": bool}.get(kind)
    if wanted and not isinstance(value, wanted):
        raise AWSError("SerializationException", f"{name or 'The body'} is no {kind}")
    if kind == "structure":
        for member in value:
            if member not in shape.members:
                raise AWSError("SerializationException", f"{name}{member} is not in {shape.name}")
            read_json(shape.members[member], value[member], f"{name}{member}.")
        for member in shape.required_members:
            if member not in value:
                raise AWSError("ValidationException", f"{name}{member} is missing")
    elif kind == "list":
        for element in value:
            read_json(shape.member, element, name)
    return value


# MARK: Writing


def time_text(seconds):
    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def scalar(kind):
    if kind == "boolean":
        return lambda value: "true" if value else "false"
    if kind == "timestamp":
        return time_text
    if kind == "string":
        return escape
    return str


class Writer:
    """Writes values of one shape as XML. Members that a value lacks, or that are None, are left out."""

    def __init__(self, shape, made=None):
        # Shapes contain themselves: whoever is made is known before its members are.
        made = {} if made is None else made
        made[shape.name] = self
        self.kind = shape.type_name
        self.members = []
        if self.kind == "structure":
            for member, member_shape in shape.members.items():
                tag = member_shape.serialization.get("name", member)
                self.members.append((member, tag, made.get(member_shape.name) or Writer(member_shape, made)))
        elif self.kind == "list":
            self.tag = shape.member.serialization.get("name", "member")
            self.member = made.get(shape.member.name) or Writer(shape.member, made)
        else:
            self.scalar = scalar(self.kind)

    def text(self, value):
        out = []
        self.write(value, out.append)
        return "".join(out)

    def write(self, value, put):
        if self.kind == "structure":
            for member, tag, writer in self.members:
                content = value.get(member)
                if content is None:
                    continue
                if writer.kind in ("structure", "list"):
                    put(f"<{tag}>")
                    writer.write(content, put)
                    put(f"</{tag}>")
                else:
                    put(f"<{tag}>{writer.scalar(content)}</{tag}>")
        elif self.kind == "list":
            tag, member = self.tag, self.member
            for element in value:
                put(f"<{tag}>")
                # Text that was written before is taken as it is.
                if type(element) is Written:
                    put(element.text)
                else:
                    member.write(element, put)
                put(f"</{tag}>")
        else:
            put(self.scalar(value))


class Written:
    """An element that was written before: the cache of instances."""

    __slots__ = ("text",)

    def __init__(self, text):
        self.text = text


# MARK: Errors


def error_body(service, error, request):
    """An error's type and body in the shape of the service."""
    code, message = escape(error.code), escape(error.message)
    if service in ("ssm", "secretsmanager"):
        return "application/x-amz-json-1.1", json.dumps({"__type": error.code, "message": error.message})
    if service == "sts":
        return "text/xml", (
            f'<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>{code}</Code>'
            f"<Message>{message}</Message></Error><RequestId>{request}</RequestId></ErrorResponse>")
    # `RequestID`, unlike all other services.
    return "text/xml;charset=UTF-8", (
        f"{XML}<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>"
        f"<RequestID>{request}</RequestID></Response>")
